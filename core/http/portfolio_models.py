"""What the API takes and tells of portfolios."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from core.http.models import Answer, Body, Moment, Money
from core.portfolio.transactions import Draft, Kind

MAX_PAGE = 1_000
MAX_ENTERED = 5_000
"""Transactions of one call; a file takes more."""
MAX_NUMBER_CHARS = 60
MAX_FILE_NAME_CHARS = 200
_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

SharedWith = Literal["viewer", "analyst", "admin"] | None
"""The least role that sees it; null: its maker alone."""
EditedWith = Literal["analyst", "admin"] | None
"""The least role that enters transactions; null: its maker alone."""
Method = Literal["fifo", "average"]
KindName = Literal[
    "buy",
    "sell",
    "dividend",
    "interest",
    "fee",
    "tax",
    "deposit",
    "withdrawal",
    "transfer_in",
    "transfer_out",
    "split",
    "reverse_split",
    "spin_off",
    "merger",
]


def _decimal(given: object) -> Decimal:
    """A number as a plain text, without exponent or groups, or as JSON has numbers."""
    if isinstance(given, int | float) and not isinstance(given, bool) and len(str(given)) <= MAX_NUMBER_CHARS:
        number = Decimal(str(given))
        if number.is_finite():
            return number
    elif isinstance(given, str) and len(given) <= MAX_NUMBER_CHARS and _PLAIN.fullmatch(given):
        return Decimal(given)
    raise _flaw("give a decimal number as a text, such as '12.5'")


def _day(given: object) -> date:
    try:
        return plain_day(given if isinstance(given, str) else "")
    except ValueError:
        raise _flaw("give a date such as 2026-01-31") from None


def _flaw(words: str) -> PydanticCustomError:
    """What is wrong with a field; a `ValueError` would be told with its name before it."""
    return PydanticCustomError("portfolio", "{words}", {"words": words})


def plain_day(given: str) -> date:
    """A day in the one form that is taken, as 2026-01-31.

    Raises:
        ValueError: it is none.
    """
    if not _DAY.fullmatch(given):
        raise ValueError(given)
    return date.fromisoformat(given)


def _cents(amount: object) -> object:
    """Money out of a curve of doubles, rounded to what it can mean."""
    return round(Decimal(amount), 2) if isinstance(amount, float) else amount


Number = Annotated[Decimal, BeforeValidator(_decimal)]
Day = Annotated[date, BeforeValidator(_day)]
Cents = Annotated[Money, BeforeValidator(_cents)]
"""Money of a day of a curve: a decimal string, rounded to two places."""


class NewPortfolio(Body):
    """A portfolio to make."""

    name: str
    currency: str = "USD"
    """ISO 4217; in it the portfolio is valued."""
    cost_method: Method = "fifo"
    has_cash: bool = True
    """Whether its money is kept; otherwise money for purchases comes from outside, and receipts go there."""
    benchmark: str | None = None
    """A symbol; null: the organisation's."""
    shared_with: SharedWith = None
    edited_with: EditedWith = None


class ChangedPortfolio(Body):
    """What is to be changed of a portfolio; what is left out stays."""

    name: str = ""
    currency: str = ""
    cost_method: Method = "fifo"
    has_cash: bool = True
    benchmark: str | None = None
    shared_with: SharedWith = None
    edited_with: EditedWith = None


class PortfolioAnswer(Answer):
    """A portfolio, and what the caller may do with it."""

    id: str
    name: str
    currency: str
    cost_method: Method
    has_cash: bool
    benchmark: str | None
    shared_with: SharedWith
    edited_with: EditedWith
    made_by: str
    is_own: bool
    may_edit: bool
    number: int
    """Of its last transaction; 0: it has none."""
    created_at: Moment
    updated_at: Moment


class PortfoliosAnswer(Answer):
    """Portfolios that the caller sees, their own first."""

    portfolios: list[PortfolioAnswer]
    limit: int | None
    """How many the plan allows the organisation; null where unlimited."""


class NewTransaction(Body):
    """A transaction to enter; which fields it needs, its kind says. Numbers are decimal texts."""

    kind: KindName
    date: Day
    currency: str
    """ISO 4217, of price, amount, fees and taxes."""
    symbol: str | None = None
    quantity: Number | None = None
    price: Number | None = None
    """Of a share."""
    amount: Number | None = None
    """Gross money; of a trade only where it is not quantity × price."""
    fees: Number = Decimal(0)
    taxes: Number = Decimal(0)
    fx_rate: Number | None = None
    """Units of the portfolio's currency for one of `currency`; without it the market's rate of the day."""
    ratio: Number | None = None
    """New shares for one old."""
    other_symbol: str | None = None
    cost_share: Number | None = None
    """Of the cost, to the shares of a spin-off."""
    note: str = ""

    def draft(self) -> Draft:
        """What it asks to be entered."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name not in ("kind", "date")}
        return Draft(kind=Kind(self.kind), day=self.date, **values)


class NewTransactions(Body):
    """Transactions to enter, all or none."""

    transactions: list[NewTransaction] = Field(min_length=1, max_length=MAX_ENTERED)


class Reversal(Body):
    """Why a transaction is taken back."""

    note: str = ""


class TransactionAnswer(Answer):
    """A row of a portfolio; none is ever changed."""

    id: str
    number: int
    """From 1 on, in the order of entry."""
    kind: KindName
    date: date
    currency: str
    symbol: str | None
    quantity: Money | None
    price: Money | None
    amount: Money | None
    """As it was given; null of a trade whose gross money is quantity × price."""
    fees: Money
    taxes: Money
    fx_rate: Money | None
    ratio: Money | None
    other_symbol: str | None
    cost_share: Money | None
    note: str
    in_force: bool
    """Whether it counts: neither reversed, nor the row that reverses another."""
    reverses: str | None
    reversed_by: str | None
    import_id: str | None
    author: str
    created_at: Moment


class TransactionsAnswer(Answer):
    """Rows of a portfolio."""

    transactions: list[TransactionAnswer]


class TransactionsPage(TransactionsAnswer):
    """Rows of a portfolio, newest first."""

    next_cursor: str | None
    """Null on the last page."""


class TransactionsQuery(BaseModel):
    """Which transactions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    symbol: str | None = Field(None, max_length=40)
    kind: KindName | None = None
    first: str | None = Field(None, alias="from", max_length=10)
    """A day such as 2026-01-31, included."""
    last: str | None = Field(None, alias="to", max_length=10)
    """Likewise."""
    cursor: str | None = Field(None, max_length=60)
    """`next_cursor` of the page before."""
    limit: int = Field(100, ge=1, le=MAX_PAGE)


class PerformanceQuery(BaseModel):
    """Of which window, and beside what."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    first: str | None = Field(None, alias="from", max_length=10)
    """A day such as 2026-01-31; without it, from the first transaction on."""
    last: str | None = Field(None, alias="to", max_length=10)
    """Without it, up to the day that is seen."""
    benchmark: str | None = Field(None, max_length=40)
    """A symbol; without it the portfolio's, or the organisation's."""


class ImportQuery(BaseModel):
    """How a file is read, and whether it is entered; what is left out is found in the file, or its preset."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dry_run: bool = False
    """Whether nothing is entered, and only told what would be."""
    leaves_out_refused: bool = False
    """Whether the other rows are entered where some are refused; otherwise none is."""
    preset: str | None = Field(None, max_length=60)
    """Id of a broker's form."""
    date_order: Literal["dmy", "mdy", "ymd"] | None = None
    decimal: Literal[".", ","] | None = None
    currency: str | None = Field(None, max_length=3)
    """Of rows that name none; without it the portfolio's."""
    file_name: str = Field("", max_length=MAX_FILE_NAME_CHARS)
    """Of a body that is the file itself; a form tells it beside the file."""


class RowFateAnswer(Answer):
    """What becomes of one row of a file."""

    line: int
    """From 1."""
    fate: Literal["added", "known", "refused", "ignored"]
    reason: str
    notices: list[str]
    transactions: list[dict[str, Any]]
    """What it is read as."""


class ImportQuestion(Answer):
    """What the file does not settle."""

    asked: str
    """The parameter to send."""
    words: str
    options: dict[str, str]


class ImportAnswer(Answer):
    """How a file was read, and what became, or would become, of every row."""

    is_dry_run: bool
    is_imported: bool
    import_id: str | None
    words: str
    file_name: str
    preset: str | None
    title: str
    how: list[str]
    counts: dict[str, int]
    """Rows by fate."""
    rows: list[RowFateAnswer]
    question: ImportQuestion | None
    problems: list[str]


class RateAnswer(Answer):
    """A return, or why there is none."""

    value: float | None
    annual: float | None
    first: date | None
    last: date | None
    n: int
    note: str


class PriceAnswer(Answer):
    """The last known price of a holding."""

    price: Money | None
    currency: str | None
    as_of: Moment | None
    source: str
    origin: str | None
    is_stale: bool
    is_generated: bool
    change_pct: float | None


class LotAnswer(Answer):
    """Shares that were bought together, as far as they are still held."""

    acquired: date
    quantity: Money
    cost: Money
    currency: str
    cost_base: Money | None
    """In the portfolio's currency, at the rates of the days of purchase."""


class HoldingAnswer(Answer):
    """A holding; money is in the portfolio's currency, except in price and lots."""

    symbol: str
    name: str
    sector: str
    currency: str
    quantity: Money
    price: PriceAnswer
    fx_rate: Money | None
    value: Money | None
    weight: float | None
    cost: Money | None
    """By the portfolio's method."""
    fifo_cost: Money | None
    average_cost: Money | None
    unrealised: Money | None
    unrealised_share: float | None
    realised: Money | None
    income: Money | None
    day_change: Money | None
    target: Money | None
    lots: list[LotAnswer]
    note: str


class CashAnswer(Answer):
    """Money in one currency."""

    currency: str
    amount: Money
    fx_rate: Money | None
    value: Money | None


class RibbonAnswer(Answer):
    """A portfolio in a line; null is not known, never 0."""

    value: Money | None
    day_change: Money | None
    day_change_share: float | None
    total_gain: Money | None
    time_weighted: RateAnswer
    money_weighted: RateAnswer
    cash: Money | None
    prices: int
    stale: int
    stale_share: float | None


class HoldingsAnswer(Answer):
    """What a portfolio holds."""

    id: str
    name: str
    currency: str
    cost_method: Method
    number: int
    """Of the last transaction that is in it."""
    as_of: date
    summary: RibbonAnswer
    holdings: list[HoldingAnswer]
    """Largest value first."""
    cash: list[CashAnswer]
    notes: list[str]


class DayAnswer(Answer):
    """A day of a portfolio; null where a price or rate was missing, or nothing was there yet."""

    date: date
    value: Cents | None
    contributions: Cents | None
    index: float | None
    benchmark_value: Cents | None
    benchmark_index: float | None


class PeriodAnswer(Answer):
    """A month or a year."""

    year: int
    month: int | None
    time_weighted: float | None
    benchmark: float | None
    is_whole: bool


class ContributionAnswer(Answer):
    """What one holding brought."""

    symbol: str
    gain: Cents | None
    share: float | None
    time_weighted: float | None


class PerformanceAnswer(Answer):
    """Returns of a window, beside a benchmark over the same flows."""

    first: date | None
    last: date | None
    time_weighted: RateAnswer
    money_weighted: RateAnswer
    benchmark: str
    benchmark_time_weighted: RateAnswer
    benchmark_money_weighted: RateAnswer
    explanation: str
    """Why the two returns differ."""
    days: list[DayAnswer]
    months: list[PeriodAnswer]
    years: list[PeriodAnswer]
    contributors: list[ContributionAnswer]
    missing_days: int
    notes: list[str]
