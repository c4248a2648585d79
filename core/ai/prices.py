"""What a token costs: pinned, dated price tables, looked up by exact id and computed in `Decimal`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core.ai.providers.contract import TokenUsage
from core.errors import ConfigurationError, NotConfigured
from core.yaml_lines import Document, load_yaml, validate

MILLION = Decimal(1_000_000)
NANO_DOLLAR = Decimal("0.000000001")
MAX_RATE = Decimal(1000)
"""USD per million tokens; no model costs more, a slipped decimal point does."""
MIN_RATE = Decimal("0.0001")
"""USD per million tokens; no provider charges less, a price per token that was never multiplied is."""
MAX_PER_REQUEST = Decimal(10)
"""USD per request."""
MAX_PER_AUDIO_HOUR = Decimal(100)
"""USD per hour of sound."""
MAX_AUDIO_AT_LEAST_S = 60
SECONDS_PER_HOUR = 3600
MAX_CHANGE = 50
"""Times by which no provider changed a price at once; dollars for cents are 100, thousands for millions 1000."""
MAX_OUTPUT_TO_INPUT = 100
MAX_INPUT_TO_OUTPUT = 10
"""Providers ask up to 10 times as much for output as for input, none of them less for it."""
MAX_INPUT_TO_CACHED = 200
MAX_WRITE_TO_INPUT = 20
"""Cached input costs from a fiftieth to all of the input rate, writing to a cache up to twice of it."""
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?")


class UnknownPrice(NotConfigured):
    """No price is known for this id on this day, so nothing may be called; add a row to `data/prices`."""

    title = "No known price"


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens."""

    input: Decimal
    output: Decimal
    cached_input: Decimal
    """Input read from the provider's cache."""
    cache_write: Decimal
    """Input written to the provider's cache."""

    @property
    def dearest_input(self) -> Decimal:
        """The highest rate that an input token can meet."""
        return max(self.input, self.cached_input, self.cache_write)


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs from one day on, as one table says."""

    id: str
    version: str
    """Table and first day, such as `2026-11-21@2026-07-30`: with the id it names one row for ever."""
    valid_from: date
    base: Rates
    long_context_above: int | None
    """Prompt tokens above which the whole request is priced by `long`; None where there is one price."""
    long: Rates | None
    per_request: Decimal
    is_local: bool
    is_embedding: bool
    """Whether it is of vectors: input alone is priced."""
    per_audio_hour: Decimal = Decimal(0)
    """USD per hour of a recording, charged by the second; above zero its tokens cost nothing. By the hour, since no
    provider's price of a second is a round number."""
    audio_at_least_s: int = 0
    """Seconds that a shorter recording is charged as."""

    def cost(self, usage: TokenUsage) -> Decimal:
        """What the provider bills for `usage` in USD, rounded once, up, to the nano-dollar.

        Raises:
            ValueError: the usage is impossible; `estimate.usage_flaw` finds that first.
        """
        cached, written = usage.cached_prompt_tokens, usage.cache_write_prompt_tokens
        plain = usage.prompt_tokens - cached - written
        if min(plain, cached, written, usage.completion_tokens, usage.audio_s) < 0:
            raise ValueError("impossible usage cannot be priced")
        rates = self._rates(usage.prompt_tokens)
        tokens = (
            plain * rates.input
            + cached * rates.cached_input
            + written * rates.cache_write
            + usage.completion_tokens * rates.output
        )
        return _rounded_up(tokens / MILLION + self.per_request + self._sound(usage.audio_s))

    def worst_case(self, prompt_tokens: int, max_tokens: int, audio_s: int = 0) -> Decimal:
        """The most that a request of at most so many tokens and seconds can cost, in USD, rounded up like a cost."""
        tiers = [self.base, self._rates(prompt_tokens)]
        dearest_input = max(rates.dearest_input for rates in tiers)
        dearest_output = max(rates.output for rates in tiers)
        tokens = (prompt_tokens * dearest_input + max_tokens * dearest_output) / MILLION
        return _rounded_up(tokens + self.per_request + self._sound(audio_s))

    def _sound(self, audio_s: int) -> Decimal:
        return max(audio_s, self.audio_at_least_s) * self.per_audio_hour / SECONDS_PER_HOUR

    def _rates(self, prompt_tokens: int) -> Rates:
        if self.long is not None and self.long_context_above is not None and prompt_tokens > self.long_context_above:
            return self.long
        return self.base


class PriceBook:
    """All price tables of a folder; of two rows for the same first day, that of the later table holds."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._rows: dict[str, list[Price]] = {}
        for price in prices:
            self._rows.setdefault(price.id, []).append(price)
        for rows in self._rows.values():
            rows.sort(key=_precedence)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads every `*.yaml` of a folder.

        Raises:
            ConfigurationError: a mistake in a table; the sentence names the file, the line and the row.
        """
        entries = [entry for path in sorted(folder.glob("*.yaml")) for entry in _read_table(load_yaml(path))]
        _check_changes(entries)
        return cls(entry.price for entry in entries)

    def __contains__(self, price_id: object) -> bool:
        return price_id in self._rows

    def ids(self) -> tuple[str, ...]:
        """Every id that has a price."""
        return tuple(self._rows)

    def history(self, price_id: str) -> tuple[Price, ...]:
        """Every row of an id, in the order in which they hold; none for an unknown id."""
        return tuple(self._rows.get(price_id, ()))

    def price_of(self, price_id: str, at: date) -> Price:
        """The price of exactly this id on the day `at`.

        Raises:
            UnknownPrice: there is none; nothing may be called.
        """
        for price in reversed(self._rows.get(price_id, [])):
            if price.valid_from <= at:
                return price
        raise UnknownPrice(f"No price is known for {price_id} on {at}, so it is not called. Add a row to data/prices.")

    def pinned(self, price_id: str, version: str) -> Price:
        """The price that a hold or a usage row was computed with.

        Raises:
            UnknownPrice: no table has this row.
        """
        for price in self._rows.get(price_id, []):
            if price.version == version:
                return price
        raise UnknownPrice(f"No price table has the version {version} of {price_id}.")


def _precedence(price: Price) -> tuple[date, str]:
    """The later first day holds, and of the same day the row of the newer table."""
    return price.valid_from, price.version


def _rounded_up(amount: Decimal) -> Decimal:
    return amount.quantize(NANO_DOLLAR, rounding=ROUND_CEILING) or Decimal(0)  # not 0E-9


def _amount(value: object) -> Decimal:
    if not isinstance(value, str):
        raise ValueError('must be written as text, such as "0.15"')
    if value.startswith("-"):
        raise ValueError("must not be negative")
    if not _AMOUNT.fullmatch(value):
        raise ValueError('must be a plain decimal number, such as "0.15"')
    return Decimal(value)


def _rate(value: object) -> Decimal:
    rate = _amount(value)
    if rate > MAX_RATE:
        raise ValueError(f"more than {MAX_RATE} USD per million tokens cannot be right")
    if 0 < rate < MIN_RATE:
        raise ValueError(f"less than {MIN_RATE} USD per million tokens cannot be right")
    return rate


def _fee(value: object) -> Decimal:
    fee = _amount(value)
    if fee > MAX_PER_REQUEST:
        raise ValueError(f"more than {MAX_PER_REQUEST} USD per request cannot be right")
    return fee


def _hourly(value: object) -> Decimal:
    rate = _amount(value)
    if rate > MAX_PER_AUDIO_HOUR:
        raise ValueError(f"more than {MAX_PER_AUDIO_HOUR} USD per hour of sound cannot be right")
    return rate


_Rate = Annotated[Decimal, BeforeValidator(_rate)]
_Fee = Annotated[Decimal, BeforeValidator(_fee)]
_Sound = Annotated[Decimal, BeforeValidator(_hourly)]


class _Row(BaseModel):
    """Rates as a table writes them; the parts that a provider does not price apart cost as plain input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: _Rate
    output: _Rate
    cached_input: _Rate | None = None
    cache_write: _Rate | None = None

    def rates(self) -> Rates:
        return Rates(
            input=self.input,
            output=self.output,
            cached_input=self.input if self.cached_input is None else self.cached_input,
            cache_write=self.input if self.cache_write is None else self.cache_write,
        )

    def flaw(self, *, is_local: bool, is_embedding: bool, is_timed: bool = False) -> str | None:
        inputs = [rate for rate in (self.input, self.cached_input, self.cache_write) if rate is not None]
        if is_local or is_timed:
            kind = "a local price" if is_local else "a price by the hour of sound"
            return f"{kind} is zero in every part" if any((self.output, *inputs)) else None
        if is_embedding and self.output:
            return "an embedding has no output, so its output is zero"
        if not all(inputs) or not (self.output or is_embedding):
            return "a price of zero needs `local: true`, the output of an embedding `embedding: true`"
        return self._slip()

    def _slip(self) -> str | None:
        """A rate that is too far from the input rate, as after a slipped decimal point."""
        cached, written = self.cached_input or self.input, self.cache_write or self.input
        if self.output and not self.input / MAX_INPUT_TO_OUTPUT <= self.output <= self.input * MAX_OUTPUT_TO_INPUT:
            return "input and output are too far apart, a decimal point has slipped"
        if not self.input / MAX_INPUT_TO_CACHED <= cached <= self.input:
            return f"cached_input must not be above input, nor below a {MAX_INPUT_TO_CACHED}th of it"
        if not self.input <= written <= self.input * MAX_WRITE_TO_INPUT:
            return f"cache_write must not be below input, nor above {MAX_WRITE_TO_INPUT} times of it"
        return None


class _LongContext(_Row):
    above: int = Field(ge=1, strict=True)


class _PriceRow(_Row):
    id: str = Field(min_length=1, max_length=120, pattern=r"^\S+$")
    valid_from: date
    long_context: _LongContext | None = None
    per_request: _Fee = Decimal(0)
    per_audio_hour: _Sound = Decimal(0)
    audio_at_least_s: int = Field(0, ge=0, le=MAX_AUDIO_AT_LEAST_S, strict=True)
    local: bool = Field(False, strict=True)
    embedding: bool = Field(False, strict=True)
    large_change: bool = Field(False, strict=True)
    """Says that a rate far from that of the row before is meant."""

    @model_validator(mode="after")
    def _is_sane(self) -> Self:
        tiers: list[_Row] = [self, self.long_context] if self.long_context else [self]
        is_timed = bool(self.per_audio_hour)
        for flaw in (tier.flaw(is_local=self.local, is_embedding=self.embedding, is_timed=is_timed) for tier in tiers):
            if flaw:
                raise ValueError(flaw)
        if is_timed and (self.local or self.embedding or self.long_context):
            raise ValueError("a price by the hour of sound is neither local nor an embedding, and has no long_context")
        if self.audio_at_least_s and not is_timed:
            raise ValueError("audio_at_least_s is for a price by the hour of sound")
        if self.long_context and (self.long_context.input < self.input or self.long_context.output < self.output):
            raise ValueError("long_context must not be cheaper than the base price")
        if self.local and self.per_request:
            raise ValueError("a local price has no per_request")
        return self


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: date
    currency: Literal["USD"]
    per_tokens: Literal[1_000_000]
    prices: tuple[_PriceRow, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A price with its place in the files, so that a flaw seen beside other rows still names it."""

    price: Price
    document: Document
    index: int
    is_large_change: bool

    def error(self, problem: str) -> ConfigurationError:
        trail = ("prices", self.index)
        return self.document.error(trail, f"{self.document.name_of(trail)}: {problem}")


def _read_table(document: Document) -> Iterator[_Entry]:
    table = validate(document, _Table)
    if document.name != f"{table.version}.yaml":
        raise document.error(("version",), "the version must be the file's name.")
    seen: set[tuple[str, date]] = set()
    for index, row in enumerate(table.prices):
        entry = _Entry(_price(row, table.version), document, index, row.large_change)
        if (row.id, row.valid_from) in seen:
            raise entry.error(f"{row.valid_from} is given twice.")
        seen.add((row.id, row.valid_from))
        yield entry


def _check_changes(entries: Iterable[_Entry]) -> None:
    """Refuses a row that is too far from the one it follows or replaces, unless it says that this is meant."""
    last: dict[str, Price] = {}
    for entry in sorted(entries, key=lambda entry: _precedence(entry.price)):
        new, old = entry.price, last.get(entry.price.id)
        if old is not None and _kind(old) != _kind(new):
            raise entry.error(f"local, embedding and what is charged by the hour must be as in {old.version}.")
        slipped = None if old is None or entry.is_large_change else _too_far(old, new)
        if slipped:
            raise entry.error(f"{slipped}; `large_change: true` says that this is meant.")
        last[new.id] = new


def _kind(price: Price) -> tuple[bool, bool, bool]:
    return price.is_local, price.is_embedding, price.per_audio_hour > 0


def _too_far(old: Price, new: Price) -> str | None:
    before, now = _parts(old), _parts(new)
    for part in [part for part in before if part in now]:
        low, high = sorted((before[part], now[part]))
        if low and high / low >= MAX_CHANGE:
            return f"{part} is {now[part]}, {high / low:.0f} times away from the {before[part]} of {old.version}"
    return None


def _parts(price: Price) -> dict[str, Decimal]:
    long = {} if price.long is None else {f"long_context.{part}": rate for part, rate in asdict(price.long).items()}
    return {**asdict(price.base), **long, "per_request": price.per_request, "per_audio_hour": price.per_audio_hour}


def _price(row: _PriceRow, table: date) -> Price:
    return Price(
        id=row.id,
        version=f"{table}@{row.valid_from}",
        valid_from=row.valid_from,
        base=row.rates(),
        long_context_above=row.long_context.above if row.long_context else None,
        long=row.long_context.rates() if row.long_context else None,
        per_request=row.per_request,
        is_local=row.local,
        is_embedding=row.embedding,
        per_audio_hour=row.per_audio_hour,
        audio_at_least_s=row.audio_at_least_s,
    )
