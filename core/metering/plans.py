"""The plans: what each allows, read from the plans file and checked before anything starts."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core.errors import InvalidRequest
from core.yaml_lines import load_yaml, validate

ModelClass = Literal["economy", "standard", "frontier"]


def _count(value: object) -> object:
    if value == "unlimited":
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number or 'unlimited'")
    return value


def _amount(value: object) -> object:
    if value == "unlimited":
        return None
    return _decimal_text(value)


def _decimal_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('must be an amount as text, such as "0.05", so that no digit is lost')
    return value


Count = Annotated[Annotated[int, Field(ge=0, le=1_000_000_000)] | None, BeforeValidator(_count)]
Amount = Annotated[Annotated[Decimal, Field(ge=0, decimal_places=9)] | None, BeforeValidator(_amount)]
Share = Annotated[Decimal, BeforeValidator(_decimal_text), Field(ge=0, le=1)]
Price = Annotated[
    Decimal | None, BeforeValidator(lambda value: None if value == "by contract" else _decimal_text(value))
]


class Limits(BaseModel):
    """The numbers of a plan; None is unlimited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chat_queries_day: Count
    """Chat questions a day, per user."""
    portfolio_analyses_day: Count
    """Portfolio analyses a day, per user."""
    sec_filings_month: Count
    """SEC filings a month, per user."""
    signal_validations_day: Count
    """Signal validations a day, per organisation."""
    requests_month: Count
    """AI requests a month, per user; fair use."""
    requests_minute: Count
    """AI requests in any 60 seconds, per user."""
    requests_hour: Count
    """AI requests in any 60 minutes, per user."""
    signal_validations_minute: Count
    """Signal validations in any 60 seconds, per user."""
    concurrent_requests: Count
    """AI requests in flight at once, per user."""
    request_ceiling_usd: Amount
    """Dearest single request, worst case, in USD."""
    portfolios: Count
    """Portfolios of the organisation."""
    holdings_per_portfolio: Count
    """Holdings in each portfolio."""
    seats: Count
    """Members of the organisation."""
    news_refresh_minutes: Annotated[int, Field(ge=1)]
    """News is refreshed at most this often."""
    free_credits_day: Annotated[int, Field(ge=0, le=1_000_000)] = 10
    """Free credits a day (UTC), per user; they are used before the wallet's, and not kept."""
    prompt_chars: Count = None
    """Characters of one message that a user writes; that of the installation (MAX_PROMPT_CHARS) holds too."""
    prompt_tokens: Count = None
    """Tokens of all that a model is shown with one message, as they are estimated for the hold."""


class Plan(BaseModel):
    """What an organisation bought."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Key of the plan."""
    label: str
    """Name as shown."""
    price_usd: Price
    """USD per `price_unit`; None is by contract."""
    price_unit: Literal["month", "seat and month"]
    """What the price is for."""
    model_classes: tuple[ModelClass, ...] = Field(min_length=1)
    """Classes of models that may be asked."""
    may_escalate: bool
    """Whether a failed answer may be tried one class up."""
    has_priority: bool
    """Whether its requests go first."""
    carry_over_share: Share
    """Share of an unused monthly allowance that is carried over."""
    support: str
    """The support promised, as shown."""
    limits: Limits
    """The numbers."""


class Plans(BaseModel):
    """All plans of the plans file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plans: dict[str, Plan] = Field(min_length=1)
    aliases: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _name_plans(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("plans"), dict):
            plans = {
                name: {**plan, "name": name} if isinstance(plan, dict) else plan
                for name, plan in value["plans"].items()
            }
            return {**value, "plans": plans}
        return value

    @model_validator(mode="after")
    def _check_aliases(self) -> Plans:
        for alias, name in self.aliases.items():
            if name not in self.plans or alias in self.plans:
                raise ValueError(f"alias {alias!r} must name a plan and not be one")
        return self

    def get(self, name: str) -> Plan:
        """The plan of that name or alias.

        Raises:
            InvalidRequest: there is no such plan; the sentence lists those there are.
        """
        plan = self.plans.get(self.aliases.get(name, name))
        if plan is None:
            raise InvalidRequest(f"There is no plan {name!r}; there are {', '.join(self.plans)}.")
        return plan

    @property
    def checksum(self) -> str:
        """SHA-256 of all limits: two processes with the same value enforce the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_plans(path: Path) -> Plans:
    """The plans of a plans file.

    Raises:
        ConfigurationError: the file has a mistake; the sentence names its line.
    """
    return validate(load_yaml(path), Plans)
