"""Key statistics of a company: what its statements and its price say together, each with how it is made.

What is not defined is None and says why: a ratio to a loss, to nothing reported, or across two currencies. "Twelve
months" are the last fiscal year, or, where there is a newer quarter, the last four of them without a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from math import prod

from core.market.sources.contract import ActionKind, CorporateAction
from core.market.statements import Cell, Ledger, Period, quarters, years

QUARTERS = 4
OLDEST_PRICE = timedelta(days=10)
"""An older price than that makes no statistic: longer than the longest holidays of an exchange."""
OLDEST_COUNT = timedelta(days=400)
"""So much older than the last report may a number of shares be: each annual report gives it."""
_PRECISION = Decimal("0.000001")


class Shape(StrEnum):
    """How a statistic is written."""

    MONEY = "money"
    PER_SHARE = "per_share"
    RATIO = "ratio"
    """Times: 17.5."""
    SHARE = "share"
    """A fraction: 0.05 is 5 %."""
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class PriceTag:
    """The price of one share, as traded on its day."""

    price: Decimal
    currency: str | None
    source: str
    day: date
    is_stale: bool = False
    """Whether a session has closed since, of which it is not."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """One of them."""

    key: str
    label: str
    shape: Shape
    value: Decimal | None
    note: str
    """How it is made; where there is no value, why not."""


class NotDefined(Exception):
    """Why a statistic has no value here."""


def key_statistics(
    ledger: Ledger, price: PriceTag | None, *, splits: Sequence[CorporateAction] = ()
) -> tuple[Statistic, ...]:
    """All of them, in the order in which they are shown."""
    desk = _Desk(ledger, price, splits)
    return tuple(_statistic(desk, rule) for rule in _RULES)


@dataclass(frozen=True, slots=True)
class _Rule:
    key: str
    label: str
    shape: Shape
    note: str
    value: Callable[[_Desk], Decimal]


class _Desk:
    """What the rules take their figures from; each raises NotDefined where there is none."""

    def __init__(self, ledger: Ledger, price: PriceTag | None, splits: Sequence[CorporateAction]) -> None:
        self._ledger = ledger
        self._price = price
        self._splits = [split for split in splits if split.kind is ActionKind.SPLIT]
        self._years = years(ledger)
        self._quarters = quarters(ledger)
        self._day = ledger.as_of if price is None else min(price.day, ledger.as_of)

    def price(self) -> Decimal:
        """Of one share, in the currency of the statements."""
        if self._price is None:
            raise NotDefined("no price is known")
        if self._price.is_stale or self._price.day < self._ledger.as_of - OLDEST_PRICE:
            raise NotDefined(f"the last price that is known is of {self._price.day}")
        if self._price.currency is None or self._price.currency != self._ledger.currency:
            told = self._price.currency or "an unknown currency"
            raise NotDefined(f"the price is in {told}, the statements are in {self._ledger.currency or 'none'}")
        return self._price.price

    def shares(self) -> Decimal:
        """Outstanding, in shares of the price's day."""
        newest = self._ledger.newest("shares_outstanding")
        if newest is None:
            raise NotDefined("the number of shares is not reported")
        day, cell = newest
        if self._ledger.last_filed is not None and day < self._ledger.last_filed - OLDEST_COUNT:
            raise NotDefined(f"the number of shares was last reported of {day}")
        return self._in_todays_shares(_sound(cell, "the number of shares"), since=day)

    def diluted_shares(self) -> Decimal:
        """The last reported average, in shares of the price's day. A report counts in shares of the day it is filed."""
        for period in sorted([*self._years[:1], *self._quarters[:2]], reverse=True):
            cell = self._ledger.cell("shares_diluted", period.start, period.end)
            if cell is not None:
                return self._in_todays_shares(_sound(cell, "the number of shares"), since=cell.filed)
        raise NotDefined("the number of shares is not reported")

    def twelve_months(self, key: str) -> Decimal:
        """A flow over the last twelve months that are known."""
        if not self._quarters or (self._years and self._years[0].end >= self._quarters[0].end):
            return self.year(key, 0)
        latest = self._quarters[:QUARTERS]
        if not _are_a_year(latest):
            return self.year(key, 0)
        cells = [self._ledger.cell(key, period.start, period.end) for period in latest]
        return sum((_sound(cell, _words(key)) for cell in cells), Decimal(0))

    def year(self, key: str, back: int) -> Decimal:
        """A flow over the last fiscal year, or so many years before."""
        if len(self._years) <= back:
            raise NotDefined(f"{_words(key)} of a fiscal year is not reported")
        period = self._years[back]
        return _sound(self._ledger.cell(key, period.start, period.end), _words(key))

    def latest(self, key: str) -> Decimal:
        """A line of the newest balance sheet."""
        newest = self._ledger.newest("total_assets")
        if newest is None:
            raise NotDefined("no balance sheet is reported")
        return _sound(self._ledger.cell(key, None, newest[0]), _words(key))

    def dividends(self) -> Decimal:
        """Of the last fiscal year for one share of the price's day. A report tells them of shares of its own day."""
        if not self._years:
            raise NotDefined("dividends of a fiscal year are not reported")
        cell = self._ledger.cell("dividends_per_share", self._years[0].start, self._years[0].end)
        paid = _sound(cell, _words("dividends_per_share"))
        return paid if cell is None else paid / self._split_since(cell.filed)

    def _in_todays_shares(self, count: Decimal, *, since: date) -> Decimal:
        return count * self._split_since(since)

    def _split_since(self, day: date) -> Decimal:
        """How many shares of the price's day one of that day has become."""
        return prod((split.value for split in self._splits if day < split.ex_date <= self._day), start=Decimal(1))


def _statistic(desk: _Desk, rule: _Rule) -> Statistic:
    try:
        value = rule.value(desk)
    except NotDefined as reason:
        return Statistic(rule.key, rule.label, rule.shape, None, f"{rule.note}; {reason}")
    return Statistic(rule.key, rule.label, rule.shape, value, rule.note)


def _ratio(above: Decimal, below: Decimal, name: str) -> Decimal:
    if below <= 0:
        raise NotDefined(f"{name} is not above zero")
    return (above / below).quantize(_PRECISION)


def _sound(cell: Cell | None, name: str) -> Decimal:
    if cell is None:
        raise NotDefined(f"{name} is not reported")
    if cell.is_suspect:
        raise NotDefined(f"{name} is out of scale")
    return cell.value


def _words(key: str) -> str:
    return key.replace("_", " ")


def _are_a_year(periods: Sequence[Period]) -> bool:
    """Whether four quarters follow one another; newest first."""
    return len(periods) == QUARTERS and all((newer.start - older.end).days == 1 for newer, older in pairwise(periods))


def _market_cap(desk: _Desk) -> Decimal:
    return desk.price() * desk.shares()


def _earnings_per_share(desk: _Desk) -> Decimal:
    return (desk.twelve_months("net_income") / desk.diluted_shares()).quantize(_PRECISION)


def _growth(desk: _Desk) -> Decimal:
    before = desk.year("revenue", 1)
    return _ratio(desk.year("revenue", 0) - before, before, "the revenue of the year before")


def _of_revenue(key: str) -> Callable[[_Desk], Decimal]:
    return lambda desk: _ratio(desk.twelve_months(key), desk.twelve_months("revenue"), "revenue")


_RULES = (
    _Rule("market_cap", "Market value", Shape.MONEY, "price × shares outstanding", _market_cap),
    _Rule(
        "price_to_earnings",
        "Price to earnings",
        Shape.RATIO,
        "price ÷ earnings per share of twelve months",
        lambda desk: _ratio(desk.price(), _earnings_per_share(desk), "what was earned"),
    ),
    _Rule(
        "price_to_sales",
        "Price to sales",
        Shape.RATIO,
        "market value ÷ revenue of twelve months",
        lambda desk: _ratio(_market_cap(desk), desk.twelve_months("revenue"), "revenue"),
    ),
    _Rule(
        "price_to_book",
        "Price to book",
        Shape.RATIO,
        "market value ÷ shareholders' equity",
        lambda desk: _ratio(_market_cap(desk), desk.latest("equity"), "equity"),
    ),
    _Rule(
        "dividend_yield",
        "Dividend yield",
        Shape.SHARE,
        "dividends declared per share in the last fiscal year ÷ price",
        lambda desk: _ratio(desk.dividends(), desk.price(), "the price"),
    ),
    _Rule(
        "earnings_per_share",
        "Earnings per share",
        Shape.PER_SHARE,
        "net income of twelve months ÷ the last diluted average of shares",
        _earnings_per_share,
    ),
    _Rule("shares", "Shares outstanding", Shape.COUNT, "as last reported", _Desk.shares),
    _Rule("revenue", "Revenue", Shape.MONEY, "of twelve months", lambda desk: desk.twelve_months("revenue")),
    _Rule("revenue_growth", "Revenue growth", Shape.SHARE, "of the last fiscal year against the one before", _growth),
    _Rule(
        "gross_margin",
        "Gross margin",
        Shape.SHARE,
        "gross profit ÷ revenue of twelve months",
        _of_revenue("gross_profit"),
    ),
    _Rule(
        "operating_margin",
        "Operating margin",
        Shape.SHARE,
        "operating income ÷ revenue of twelve months",
        _of_revenue("operating_income"),
    ),
    _Rule("net_margin", "Net margin", Shape.SHARE, "net income ÷ revenue of twelve months", _of_revenue("net_income")),
    _Rule(
        "return_on_equity",
        "Return on equity",
        Shape.SHARE,
        "net income of twelve months ÷ shareholders' equity at its end",
        lambda desk: _ratio(desk.twelve_months("net_income"), desk.latest("equity"), "equity"),
    ),
    _Rule(
        "free_cash_flow",
        "Free cash flow",
        Shape.MONEY,
        "cash from operations less capital expenditure, twelve months",
        lambda desk: desk.twelve_months("free_cash_flow"),
    ),
    _Rule(
        "debt_to_equity",
        "Debt to equity",
        Shape.RATIO,
        "long-term debt ÷ shareholders' equity",
        lambda desk: _ratio(desk.latest("long_debt"), desk.latest("equity"), "equity"),
    ),
    _Rule(
        "current_ratio",
        "Current ratio",
        Shape.RATIO,
        "current assets ÷ current liabilities",
        lambda desk: _ratio(desk.latest("current_assets"), desk.latest("current_liabilities"), "current liabilities"),
    ),
)
