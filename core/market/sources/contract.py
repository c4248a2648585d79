"""What a source of market data answers with, and what it can be asked.

A source is asked by its own spelling of a symbol (`core.market.instruments` knows the aliases) and does no more than
ask, read and translate: allowances, retries, breakers and the choice of source are `core.market`'s.
Every method raises `NoData`, `RateLimited`, `SourceDown` or `NotConfigured`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many requests a source takes; None is any number."""

    per_second: int | None = None
    per_minute: int | None = None
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class SourceQuote:
    """The last price that a source knows of an instrument."""

    symbol: str
    """As the source spells it."""
    price: Decimal
    """Above 0, in units of `currency` (never pence)."""
    currency: str | None
    """ISO 4217; None where the source does not say."""
    as_of: datetime
    """When it was the price, aware, in UTC; a source that gives a day alone means that day's close."""
    previous_close: Decimal | None = None
    change_pct: Decimal | None = None
    """Change from the previous close, as a fraction."""
    volume: Decimal | None = None


class Adjustment(StrEnum):
    """What was done to the prices of bars; the two are never mixed."""

    RAW = "raw"
    """As they were traded on the day."""
    SPLIT = "split"
    """Prices and volumes in shares of one day, for splits alone; which day it is `BarHistory` says."""


class ActionKind(StrEnum):
    """What a company did to its shares."""

    SPLIT = "split"
    DIVIDEND = "dividend"


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """A split or a dividend, at its ex-date."""

    ex_date: date
    kind: ActionKind
    value: Decimal
    """Of a split, new shares for one old (4 for 4:1, 0.1 for 1:10); of a dividend, money a share as it was paid."""


@dataclass(frozen=True, slots=True)
class BarHistory:
    """Daily bars of one instrument, oldest first, one a day."""

    symbol: str
    currency: str | None
    adjustment: Adjustment
    frame: pl.DataFrame
    """Columns date (Date), open, high, low, close, volume (Float64); a value that the source lacks is null."""
    actions: tuple[CorporateAction, ...] = ()
    is_as_of_asking: bool = False
    """Whether adjusted bars are in shares of the day of asking, rather than of the last day that was asked for."""


@dataclass(frozen=True, slots=True)
class Article:
    """One piece of news, as its publisher announced it; text from outside, never markup."""

    title: str
    url: str
    publisher: str
    published_at: datetime
    summary: str = ""
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filing:
    """One document that a company gave to the SEC."""

    form: str
    filing_date: date
    report_date: date | None
    accepted_at: datetime | None
    accession_number: str
    file_number: str
    description: str
    items: tuple[str, ...]
    """Items of an 8-K, such as 2.02."""
    url: str
    """The primary document."""


@dataclass(frozen=True, slots=True)
class OlderFilings:
    """A page of a company's older filings, which is asked for by its name."""

    name: str
    first: date
    last: date
    count: int


@dataclass(frozen=True, slots=True)
class Filer:
    """A company as the SEC knows it, with its latest filings, newest first."""

    cik: int
    name: str
    tickers: tuple[str, ...]
    exchanges: tuple[str, ...]
    industry: str
    fiscal_year_end: str
    """Month and day, as 1231."""
    former_names: tuple[str, ...]
    filings: tuple[Filing, ...]
    older: tuple[OlderFilings, ...] = ()
    """What `filings` no longer holds."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure that a company reported, with the filing it was reported in."""

    taxonomy: str
    tag: str
    label: str
    unit: str
    start: date | None
    """None of a figure at one moment, as of a balance sheet."""
    end: date
    value: Decimal
    fiscal_year: int | None
    fiscal_period: str
    """FY, Q1, Q2, Q3 or Q4: of the filing, not always of the figure."""
    form: str
    filed: date
    accession_number: str


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    """All that a company reported in XBRL."""

    cik: int
    name: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A line of a source's list of tickers."""

    symbol: str
    name: str
    cik: int | None
    exchange: str | None


class QuoteSource(Protocol):
    """Knows prices."""

    name: str
    allowance: Allowance

    def quote(self, symbol: str) -> SourceQuote:
        """The last price of one symbol."""
        ...


class BarSource(Protocol):
    """Knows daily history."""

    name: str
    allowance: Allowance

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """The daily bars of one symbol, both days included; the last may be of a session that has not ended.

        Raises:
            NoData: it does not know the symbol, or has no bar of those days.
        """
        ...


@runtime_checkable
class ActionSource(Protocol):
    """Tells splits and dividends on their own, and so none with its bars; another source tells them with its bars."""

    name: str

    def actions(self, symbol: str, kind: ActionKind) -> Sequence[CorporateAction]:
        """All that it knows of one kind, oldest first, at the values of their days; none is an answer too."""
        ...


class NewsSource(Protocol):
    """Knows news of a company."""

    name: str
    allowance: Allowance

    def news(self, symbol: str, company: str, first: date, last: date) -> Sequence[Article]:
        """What was written about a company, newest first, both days included."""
        ...


class FilingSource(Protocol):
    """Knows what companies filed with the SEC."""

    name: str
    allowance: Allowance

    def tickers(self) -> Sequence[Listing]:
        """Every symbol the SEC knows, with its CIK."""
        ...

    def filer(self, cik: int) -> Filer:
        """A company and its latest filings."""
        ...

    def older_filings(self, cik: int, page: OlderFilings) -> Sequence[Filing]:
        """The filings of one page of a company's older ones, newest first."""
        ...

    def company_facts(self, cik: int) -> CompanyFacts:
        """All that a company reported in XBRL."""
        ...

    def document(self, url: str) -> str:
        """The text of a filing's document, as HTML or plain text; only of the SEC's own hosts."""
        ...
