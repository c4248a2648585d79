"""The research bundle of a portfolio: news, filings and sentiment of all its holdings, as pages and routes are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.ai.answer import Answer

PartName = Literal["news", "filings", "sentiment"]
PartState = Literal["missing", "making", "ready", "failed"]
Tone = Literal["positive", "negative", "neutral", ""]
Kind = Literal["sentiment", "latest_filing", "last_filings", "news"]
"""What can be asked of one symbol."""

PARTS: tuple[PartName, ...] = ("news", "filings", "sentiment")
"""Each is made by one AI request, and counts one chat query."""
TASKS: dict[PartName, str] = {"news": "news", "filings": "filing_list", "sentiment": "sentiment"}
"""The task of a part, which says how long it is kept; its prompt has the same name."""
LABELS: dict[PartName, str] = {"news": "News", "filings": "Filings", "sentiment": "Sentiment"}
PART_OF: dict[Kind, PartName] = {
    "sentiment": "sentiment",
    "latest_filing": "filings",
    "last_filings": "filings",
    "news": "news",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimelineItem(_Frozen):
    """One thing on the timeline: a headline, a filing, or the tone of what is written of a holding."""

    kind: Literal["news", "filing", "sentiment"]
    symbol: str
    at: datetime
    """When it was published or accepted; of a filing of which the day alone is known, that day's beginning in UTC."""
    title: str
    url: str = ""
    """Empty where there is no address; of a shipped filing it begins with `sample:`."""
    publisher: str = ""
    """Who published a headline; the form of a filing."""
    summary: str = ""
    """The source's own text of a headline, a filing's description, or the sentence that says why a tone is."""
    tone: Tone = ""
    """Of a headline by the lexicon; of a sentiment by whoever made the part."""
    source: str = ""
    """Which source told it; of a sentiment the method: `lexicon`, or the id of a model."""
    is_generated: bool = False
    """Whether it is of an issuer that does not exist."""
    reference: str = ""
    """A filing's accession number."""


class SymbolSummary(_Frozen):
    """What a part says of one holding, in a few words."""

    symbol: str
    text: str
    tone: Tone = ""


class PartContent(_Frozen):
    """What is kept of a part."""

    items: tuple[TimelineItem, ...] = ()
    """Newest first."""
    summaries: tuple[SymbolSummary, ...] = ()
    lacking: dict[str, str] = Field(default_factory=dict)
    """Symbols of which something is missing, with the reason."""
    notes: tuple[str, ...] = ()
    """What a reader has to know of it."""
    model: str = ""
    provider: str = ""
    is_offline: bool = False
    made_at: datetime | None = None
    reason: str = ""
    """Why it failed, in a sentence."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bundle as it stands."""

    name: PartName
    state: PartState = "missing"
    symbols: tuple[str, ...] = ()
    """The holdings that it was made for."""
    content: PartContent = field(default_factory=PartContent)
    author: str = ""
    """Who had it made."""
    begun_at: datetime | None = None
    expires_at: datetime | None = None
    """Until when it is fresh; None where it is not there."""

    @property
    def is_ready(self) -> bool:
        """Whether it is there and fresh."""
        return self.state == "ready"

    @property
    def reason(self) -> str:
        """Why it failed; empty where it did not."""
        return self.content.reason

    def summary(self, symbol: str) -> SymbolSummary | None:
        """What it says of a holding; None where it says nothing."""
        return next((each for each in self.content.summaries if each.symbol == symbol), None)

    def of(self, symbol: str) -> tuple[TimelineItem, ...]:
        """Its items about a holding, newest first."""
        return tuple(item for item in self.content.items if item.symbol == symbol)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bundle of a portfolio as it stands."""

    portfolio_id: UUID
    as_of: date
    """The day that is seen."""
    held: tuple[str, ...]
    """The symbols that are held now, in alphabetical order."""
    unknown: tuple[str, ...]
    """Those of them that no list of instruments knows."""
    parts: tuple[Part, ...]
    """In the order of `PARTS`."""

    def part(self, name: PartName) -> Part:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)

    @property
    def is_making(self) -> bool:
        """Whether a part is being made."""
        return any(part.state == "making" for part in self.parts)

    @property
    def needs(self) -> int:
        """Chat queries that opening would use now."""
        return sum(part.state in ("missing", "failed") for part in self.parts) if self.held else 0

    @property
    def uncovered(self) -> tuple[str, ...]:
        """What is held and not in every part that is there: it was bought after that part was made."""
        there = [part for part in self.parts if part.is_ready]
        return tuple(symbol for symbol in self.held if any(symbol not in part.symbols for part in there))

    @property
    def items(self) -> tuple[TimelineItem, ...]:
        """Everything on one timeline, newest first."""
        found = [item for part in self.parts for item in part.content.items]
        return tuple(sorted(found, key=lambda item: (-item.at.timestamp(), item.kind, item.symbol, item.title)))


@dataclass(frozen=True, slots=True)
class SymbolAnswer:
    """What was asked of one symbol."""

    kind: Kind
    symbol: str
    text: str
    items: tuple[TimelineItem, ...]
    is_free: bool
    """Whether it came from the bundle or the cache."""
    request_id: UUID
    model: str
    provider: str
    is_offline: bool
    notes: tuple[str, ...] = ()
    is_of_bundle: bool = False
    answer: Answer | None = None
    """What the gateway answered; None for what the bundle had."""
    is_replayed: bool = False
    """Whether a request with the same Idempotency-Key was given it before."""


def moment_of(day: date) -> datetime:
    """The beginning of a day, in UTC."""
    return datetime.combine(day, time(), UTC)
