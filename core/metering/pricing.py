"""What credits cost, and what a call costs in credits: the billing file, read and checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, Context, Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core.errors import InvalidRequest
from core.settings import DATA
from core.yaml_lines import load_yaml, validate

CREDIT = Decimal("0.000001")
"""The smallest part of a credit that is counted."""
MAX_CREDITS = Decimal(10**9)
"""More than this is in no one entry: a slip of the hand, not an amount."""
USD_PER_CREDIT = Decimal("0.10")
"""What a credit is worth; every ledger entry was written at this rate, so it never changes."""
BILLING_FILE = DATA / "billing.yaml"
_EXACT = Context(prec=60, rounding=ROUND_CEILING)

Billed = tuple[Decimal, str]
"""What was asked of one provider cost, in USD, and its name."""


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('must be an amount as text, such as "1.20", so that no digit is lost')
    return value


Margin = Annotated[Decimal, BeforeValidator(_text), Field(ge=1, le=10, decimal_places=4)]
Usd = Annotated[Decimal, BeforeValidator(_text), Field(gt=0, le=100_000, decimal_places=2)]


class Package(BaseModel):
    """Credits that are bought at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    """What a purchase names; never used again for another package."""
    name: Annotated[str, Field(min_length=1, max_length=60)]
    """Name as shown."""
    credits: Annotated[int, Field(ge=1, le=10_000_000)]
    """How many there are in it."""
    price_usd: Usd
    """What it costs."""


class BillingFile(BaseModel):
    """What credits cost, and what calls cost in credits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Literal["usd"]
    """What is paid in."""
    usd_per_credit: Annotated[Decimal, BeforeValidator(_text)]
    """What a credit is worth."""
    margins: dict[str, Margin]
    """What a call is charged in credits, as a multiple of its cost, by provider; `default` for all others."""
    packages: tuple[Package, ...] = Field(min_length=1)
    """What can be bought, the smallest first."""

    @model_validator(mode="after")
    def _check(self) -> BillingFile:
        if self.usd_per_credit != USD_PER_CREDIT:
            raise ValueError(f"usd_per_credit is {USD_PER_CREDIT}: the ledger was written at this rate")
        if "default" not in self.margins:
            raise ValueError("margins must name a default")
        ids = [package.id for package in self.packages]
        if len(set(ids)) != len(ids):
            raise ValueError("each package has an id of its own")
        if [package.credits for package in self.packages] != sorted({package.credits for package in self.packages}):
            raise ValueError("packages stand in order, the smallest first")
        return self

    def package(self, package_id: str) -> Package:
        """The package of that id.

        Raises:
            InvalidRequest: there is none; the sentence lists those there are.
        """
        found = next((package for package in self.packages if package.id == package_id), None)
        if found is None:
            there_are = ", ".join(package.id for package in self.packages)
            raise InvalidRequest(f"There is no package {package_id[:40]!r}; there are {there_are}.")
        return found

    def margin_of(self, provider: str) -> Decimal:
        """What a provider's cost is multiplied by."""
        return self.margins.get(provider, self.margins["default"])

    def credits_of(self, cost_usd: Decimal, provider: str) -> Decimal:
        """What a call takes in credits that cost so much at its pinned price."""
        return self.credits_of_all([(cost_usd, provider)])

    def credits_of_all(self, billed: Iterable[Billed]) -> Decimal:
        """What an answer takes in credits that was made of several calls; rounded once, up, at the sixth digit."""
        charged_usd = Decimal(0)
        for cost_usd, provider in billed:
            charged_usd = _EXACT.add(charged_usd, _EXACT.multiply(cost_usd, self.margin_of(provider)))
        return _EXACT.divide(charged_usd, self.usd_per_credit).quantize(CREDIT, context=_EXACT)


def load_billing(path: Path) -> BillingFile:
    """The billing file at a path.

    Raises:
        ConfigurationError: the file has a mistake; the sentence names its line.
    """
    return validate(load_yaml(path), BillingFile)


@cache
def shipped_billing() -> BillingFile:
    """The billing file that ships with the program."""
    return load_billing(BILLING_FILE)
