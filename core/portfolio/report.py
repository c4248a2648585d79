"""What is said of a portfolio: the shapes that services give to pages and routes.

Money is Decimal in the portfolio's currency unless it says otherwise, returns are fractions (0.05 is 5 %), None is
"n/a", never 0. A `Rate` says of what window it is, and why it is missing where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from core.portfolio.book import Disposal, Lot, Payment, Split
from core.portfolio.series import Series


class CostMethod(StrEnum):
    """By which method the cost of what is sold is told."""

    FIFO = "fifo"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Rate:
    """A return, or why there is none.

    A money-weighted return is a yearly rate by its nature: from 30 days on `value` and `annual` are both that rate. Of
    a shorter window `value` is what the rate comes to over the window, and `annual` is None.
    """

    value: float | None
    """Of the whole window; None: not defined."""
    annual: float | None = None
    """A year (ACT/365), where the window has at least 30 days."""
    first: date | None = None
    last: date | None = None
    n: int = 0
    """Days with a value in the window (of a money-weighted rate: flows)."""
    note: str = ""
    """Why it is not defined, or a warning: 'Several rates solve these flows.'"""


@dataclass(frozen=True, slots=True)
class Price:
    """The last known price of a holding."""

    price: Decimal | None
    """In `currency`; None: none is known."""
    currency: str | None
    as_of: datetime | None
    source: str
    """Where it was read: a source's name, cache, stale, none."""
    origin: str | None
    """The source it first came from."""
    is_stale: bool
    """Older than the last session of its exchange, or missing."""
    is_generated: bool
    change_pct: Decimal | None = None
    """In per cent, since the session before."""


@dataclass(frozen=True, slots=True)
class HoldingLine:
    """One holding as pages show it."""

    symbol: str
    name: str
    sector: str
    """Empty where it is not known."""
    currency: str
    """Of its price, or of its cost where there is no price."""
    quantity: Decimal
    price: Price
    fx_rate: Decimal | None
    """Portfolio's currency for one of `currency`, of the day that is seen."""
    value: Decimal | None
    weight: float | None
    """Of the portfolio's value, cash included; None where any value is missing."""
    cost: Decimal | None
    """By the portfolio's method."""
    fifo_cost: Decimal | None
    average_cost: Decimal | None
    unrealised: Decimal | None
    """Value less cost, by the portfolio's method."""
    unrealised_share: float | None
    """Of the cost."""
    realised: Decimal | None
    income: Decimal | None
    """Dividends and interest of it, gross."""
    day_change: Decimal | None
    target: Decimal | None
    """Its weight as it is wanted."""
    lots: tuple[Lot, ...]
    closes: tuple[float, ...]
    """Its last closes, at most 60, for a spark line."""
    note: str = ""
    """What a reader must know: generated prices, a rate that is missing."""


@dataclass(frozen=True, slots=True)
class CashLine:
    """Money in one currency."""

    currency: str
    amount: Decimal
    """In `currency`."""
    fx_rate: Decimal | None
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Ribbon:
    """What stands on top of a portfolio."""

    value: Decimal | None
    """Last known prices and money; None where one is not known at all."""
    day_change: Decimal | None
    day_change_share: float | None
    total_gain: Decimal | None
    """Value and all that went out, less all that came in."""
    time_weighted: Rate
    money_weighted: Rate
    cash: Decimal | None
    """None also where no cash is kept."""
    prices: int
    """How many holdings need a price."""
    stale: int
    """How many of those are stale or missing."""
    stale_share: float | None
    """Of the value."""


@dataclass(frozen=True, slots=True)
class Period:
    """A month or a year."""

    year: int
    month: int | None
    """1 to 12; None: the whole year."""
    time_weighted: float | None
    benchmark: float | None
    is_whole: bool
    """Whether the portfolio was there for all of it."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one holding brought in the window."""

    symbol: str
    gain: float | None
    """In the portfolio's currency: value at the end and what came out, less value at the start and what went in."""
    share: float | None
    """Of the portfolio's value at the start and all inflows of the window."""
    time_weighted: float | None
    """Of the holding alone."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Returns of a window, beside a benchmark over the same flows."""

    first: date | None
    """The day before whose gain the window begins; None where there is nothing yet."""
    last: date | None
    time_weighted: Rate
    money_weighted: Rate
    benchmark: str
    benchmark_time_weighted: Rate
    benchmark_money_weighted: Rate
    """Of the same flows put into the benchmark."""
    explanation: str
    """Why the two returns differ, in a sentence."""
    days: Sequence[date]
    value: Sequence[float | None]
    contributions: Sequence[float | None]
    """All that came in less all that went out, up to each day; None from a flow on whose rate or price is not known."""
    index: Sequence[float | None]
    """Time-weighted growth of 1 since the window's start; None from a missing day on, until the window's end."""
    benchmark_value: Sequence[float | None]
    """What the same flows in the benchmark would be worth."""
    benchmark_index: Sequence[float | None]
    months: Sequence[Period]
    years: Sequence[Period]
    contributors: Sequence[Contribution]
    """Largest gain first."""
    missing_days: int
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One finding about a portfolio: told, never advised."""

    id: str
    """concentration, currency, fees, staleness, generated, cash, missing_days."""
    title: str
    severity: str
    """ok, notice, warning."""
    words: str
    """A sentence with its figures."""
    rule: str
    """By which rule it is a notice or a warning."""


@dataclass(frozen=True, slots=True)
class IncomePeriod:
    """What was paid in a month."""

    year: int
    month: int
    dividends: Decimal | None
    interest: Decimal | None
    fees: Decimal | None
    taxes: Decimal | None


@dataclass(frozen=True, slots=True)
class Income:
    """Payments, all and by month; gross, with taxes apart."""

    payments: Sequence[Payment]
    """Newest first."""
    months: Sequence[IncomePeriod]
    """Oldest first; months without a payment between them are there, with zeros."""
    last_year_gross: Decimal | None
    """Dividends and interest of the 365 days up to the day that is seen."""
    yield_on_value: float | None
    yield_on_cost: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All that is said of a portfolio at one moment without an analysis: free, and computed once for a version."""

    portfolio_id: UUID
    name: str
    currency: str
    number: int
    """Of the last transaction that is in it."""
    day: date
    """The date that is seen."""
    cost_method: CostMethod
    ribbon: Ribbon
    holdings: Sequence[HoldingLine]
    """Largest value first."""
    cash: Sequence[CashLine]
    series: Series
    disposals: Sequence[Disposal]
    """Newest first."""
    income: Income
    checks: Sequence[Check]
    sectors: Mapping[str, Decimal]
    """Value by sector, cash as 'Cash', what is unknown as 'Unknown'."""
    currencies: Mapping[str, Decimal]
    """Value by currency of the price."""
    notes: Sequence[str]
    splits: Mapping[str, Sequence[Split]] = field(default_factory=dict)
    """By symbol, those that are applied to what was held."""
