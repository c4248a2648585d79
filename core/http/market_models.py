"""What the API tells of the market."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from core.http.models import Answer, Moment, Money


class NewsWord(Answer):
    """A word that moved the tone of a title."""

    text: str
    weight: float


class NewsTone(Answer):
    """What a title says of a company's fortune."""

    tone: Literal["positive", "negative", "neutral"]
    score: float
    """-1 to 1."""
    method: Literal["lexicon"]
    """Words and rules; no model was asked."""
    words: list[NewsWord]
    """What decided, the heaviest first."""


class NewsPiece(Answer):
    """One piece of news: text and an address from outside."""

    title: str
    url: str
    publisher: str
    source: str
    """Which source told it first; `sample` is generated, of issuers that do not exist."""
    published_at: Moment
    summary: str
    symbols: list[str]
    also: list[str]
    """Other publishers that have the same piece."""
    sentiment: NewsTone


class NewsSourceState(Answer):
    """How a source stands for the news of one symbol."""

    source: str
    symbol: str
    age_s: float | None
    """Seconds since it last answered; null: never."""
    stale: bool
    error: str | None
    """Code of the failure that its last asking ended with."""


class NewsAnswer(Answer):
    """News, newest first."""

    news: list[NewsPiece]
    sources: list[NewsSourceState]
    as_of: Moment
    """Nothing in it is later."""
    stale: bool
    """Whether some of it is older than it should be."""


class StatementFigure(Answer):
    """One figure, and the filing it is from."""

    value: Money
    unit: str
    """As it was reported: USD, USD/shares, shares."""
    concept: str
    """Taxonomy and tag."""
    form: str
    filed: date
    accession_number: str
    url: str | None
    """The filing; null of what is generated."""
    derived: bool
    suspect: bool
    """A thousand or a million times its neighbours, or derived from such a figure."""
    note: str


class StatementLine(Answer):
    """One line; null where nothing was reported."""

    key: str
    label: str
    unit: Literal["money", "per_share", "shares"]
    figures: list[StatementFigure | None]


class StatementPeriod(Answer):
    """From one day to another, both included; a balance sheet is of the last."""

    start: date
    end: date


class StatementTable(Answer):
    """A statement; its columns are the periods, newest first."""

    key: str
    label: str
    frequency: Literal["annual", "quarterly"]
    periods: list[StatementPeriod]
    lines: list[StatementLine]


class StatisticRow(Answer):
    """A key statistic; null where it is not defined, and then the note says why."""

    key: str
    label: str
    unit: Literal["money", "per_share", "ratio", "share", "count"]
    """`share` is a fraction: 0.05 is 5 %."""
    value: Money | None
    note: str


class FundamentalsAnswer(Answer):
    """What a company reported until a day."""

    symbol: str | None
    cik: str
    entity_name: str
    currency: str | None
    """Of the statements."""
    source: str
    """`sample` is generated, of issuers that do not exist."""
    generated: bool
    as_of: date
    age_s: float
    stale: bool
    statements: list[StatementTable]
    statistics: list[StatisticRow]


class FilingRow(Answer):
    """A filing."""

    model_config = ConfigDict(alias_generator=to_camel)

    form: str
    filing_date: date
    report_date: date | None
    accession_number: str
    file_number: str
    description: str
    items: list[str]
    url: str | None
    """The primary document; null of what is generated."""


class FilingsAnswer(Answer):
    """A company and what it filed until a day, newest first."""

    model_config = ConfigDict(alias_generator=to_camel)

    cik: str
    """Ten digits, as the SEC writes it in addresses."""
    entity_name: str
    filings: list[FilingRow]
    source: str
    """`sample` is generated, of an issuer that does not exist."""
    generated: bool
    as_of: date


class QuoteAnswer(Answer):
    """What a symbol is worth; null where nothing is known."""

    symbol: str
    """As we spell it."""
    price: Money | None
    currency: str | None
    """ISO 4217; null where neither the source nor the instrument says."""
    change_pct: float | None
    """Change from the previous close, as a fraction."""
    as_of: Moment | None
    """When it was the price."""
    source: Literal["alphavantage", "fmp", "yahoo", "sample", "cache", "stale", "none"]
    """Where this answer was found: a source that was just asked, what is kept and fresh, what is kept and old."""
    age_s: int | None
    """Seconds since the origin told it; as of another day, seconds before the end of that day."""
    origin: str | None
    """The source it first came from."""
    is_stale: bool | None
    """Whether a session of its exchange has closed since it was the price; null where the exchange is not known."""
    is_generated: bool
    """Whether a program made the price up, of an instrument that does not exist."""
    problems: list[str]
    """What kept the sources from telling a newer one."""


class QuotesAnswer(Answer):
    """Quotes, by symbol as it was asked for, in capitals."""

    quotes: dict[str, QuoteAnswer]
