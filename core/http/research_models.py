"""What the API takes and tells of research bundles."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from core.http.models import Answer, Body, Moment
from core.market.symbols import MAX_SYMBOL_CHARS
from core.research.bundle import Kind, PartName, PartState


class ResearchWanted(Body):
    """Which parts of a bundle are to be made."""

    parts: list[PartName] | None = Field(None, min_length=1, max_length=3)
    """Of one that is there, but of other holdings, another is made; null or left out: all that are not there."""


class ResearchQuestion(Body):
    """A question about one symbol."""

    kind: Kind
    symbol: str = Field(min_length=1, max_length=MAX_SYMBOL_CHARS)


class ResearchItem(Answer):
    """One thing on the timeline."""

    kind: str
    """news, filing or sentiment."""
    symbol: str
    at: Moment
    """When it was published or accepted; where a filing's day alone is known, its beginning in UTC."""
    title: str
    url: str | None
    publisher: str
    """Of a headline; of a filing its form."""
    summary: str
    tone: str | None
    """positive, negative or neutral; null where there is none."""
    source: str
    """Which source told it; of a sentiment its method: lexicon, or a model."""
    generated: bool
    """Whether it is of an issuer that does not exist."""
    accession_number: str | None


class ResearchSummary(Answer):
    """What a part says of one holding."""

    symbol: str
    text: str
    tone: str | None


class ResearchPart(Answer):
    """One part of a bundle."""

    name: PartName
    state: PartState
    symbols: list[str]
    """The holdings that it was made for."""
    summaries: list[ResearchSummary]
    lacking: dict[str, str]
    """By symbol, what is missing and why."""
    notes: list[str]
    reason: str | None
    """Why it failed."""
    author: str | None
    model: str | None
    offline: bool
    made_at: Moment | None
    expires_at: Moment | None


class ResearchAnswer(Answer):
    """A bundle as it stands."""

    portfolio_id: str
    as_of: date
    needs: int
    """Chat queries that opening would use now."""
    held: list[str]
    uncovered: list[str]
    """What is held, and not in a part that is there."""
    unknown: list[str]
    """What is held, and no list of instruments knows."""
    parts: list[ResearchPart]
    items: list[ResearchItem]
    """Newest first."""


class ResearchTold(Answer):
    """What is known of one symbol."""

    kind: Kind
    symbol: str
    text: str
    items: list[ResearchItem]
    free: bool
    """Whether it came from the bundle or the cache, at no chat query."""
    of_bundle: bool
    model: str
    provider: str
    offline: bool
    notes: list[str]
