"""The snapshot: everything that a model is shown of one signal, as data. Stored before it is shown, never changed.

Numbers are rounded to six significant digits, so that what is stored is what was shown, and hashes to the same. What is
missing is null. Texts from outside (names, headlines, a caller's own words) stand apart from the facts: `facts` holds
none of them, `outside` holds nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

from core.ai.numbers import Known

FORMAT = 1
SIGNIFICANT_DIGITS = 6
HORIZONS = (5, 20)
"""Sessions over which a signal's record is shown."""
MOST_HEADLINES = 5
MAX_TEXT_CHARS = 300
"""Of a text from outside; the rest is cut off."""
CALLER = "caller"
"""In place of a reason for the day: a caller brought the snapshot and says what it is of."""

DirectionName = Literal["bullish", "bearish"]


def rounded(value: object) -> object:
    """A number as a snapshot keeps it: six significant digits; null where it is none that can be told."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isfinite(value) else None


def storable(value: object) -> object:
    """A text without what neither the database nor JSON takes, at most so long."""
    return _UNSTORABLE.sub("", value)[:MAX_TEXT_CHARS] if isinstance(value, str) else value


_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
Figure = Annotated[float | None, BeforeValidator(rounded)]
Price = Annotated[float, BeforeValidator(rounded)]
Outside = Annotated[str, BeforeValidator(storable)]


class Part(BaseModel):
    """One part of a snapshot."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Signal(Part):
    """What fired."""

    type: str
    label: str
    direction: DirectionName
    state: str
    """`signal`, or `forming` where a pattern's line has not been crossed."""
    day: date | None
    confirmed_at: date | None
    """From when it was known."""
    meaning: str | None
    """The rule of its type in words."""
    confidence: Figure
    """By its own record, over 20 sessions; null below 30 earlier signals."""
    confidence_n: int
    base_rate: Figure
    as_of: date | None


class Levels(Part):
    """Prices of the signal."""

    close: Price
    entry: Price
    stop: Figure
    target: Figure
    reward_risk: Figure
    as_of: date | None

    @property
    def stop_distance(self) -> float | None:
        """How far the stop is from the entry, as a signed share of it."""
        return None if self.stop is None else self.stop / self.entry - 1

    @property
    def target_distance(self) -> float | None:
        """How far the target is from the entry, as a signed share of it."""
        return None if self.target is None else self.target / self.entry - 1


class Indicators(Part):
    """Figures of the last bar, by the names that screens use."""

    figures: Mapping[str, Figure]
    as_of: date | None


class Pivot(Part):
    """A bar that forms a pattern."""

    day: date
    price: Price
    kind: str
    label: str


class Pattern(Part):
    """A chart pattern."""

    type: str
    label: str
    pivots: tuple[Pivot, ...]
    as_of: date | None


class RecordFigures(Part):
    """What earlier signals of the type were worth over one horizon, in the signal's direction, before costs."""

    sessions: int
    n: int
    days: int
    """Separate days that they fell on."""
    hit_rate: Figure
    low: Figure
    """The Wilson 95 % interval of the hit rate."""
    high: Figure
    base_rate: Figure
    """Share of all entries of the same period that moved in that direction."""
    median_move: Figure
    median_excess: Figure
    median_best: Figure
    median_worst: Figure


class Record(Part):
    """What earlier signals of the type were worth."""

    figures: tuple[RecordFigures, ...]
    as_of: date

    def over(self, sessions: int) -> RecordFigures | None:
        """The figures of one horizon."""
        return next((each for each in self.figures if each.sessions == sessions), None)


class Headline(Part):
    """A piece of news."""

    title: Outside
    source: str
    """Which of our sources told it."""
    published_at: datetime


class News(Part):
    """Headlines about the company, none later than their as-of."""

    headlines: tuple[Headline, ...]
    note: str | None
    """Why there are none, or not all of them."""
    as_of: datetime | None


class Callers(Part):
    """What a caller says in words of their own."""

    signal_type: Outside | None = None
    patterns: tuple[Outside, ...] = ()
    pattern_confidence: Figure = None


class Snapshot(Part):
    """Everything that a model is shown of one signal."""

    format: int = FORMAT
    symbol: str
    name: Outside | None
    currency: str | None
    exchange: str | None
    universe_id: str | None
    universe: Outside | None
    day: date | None
    """Nothing later than it was read."""
    reason: str
    """Why that day: a `Reason`, or `caller`."""
    source: str
    """Where the bars come from."""
    is_generated: bool
    """Whether the bars are generated and of no real company."""
    signal: Signal
    levels: Levels
    indicators: Indicators
    pattern: Pattern | None
    record: Record | None
    """Of the type on the universe."""
    record_here: Record | None
    """Of the type on the symbol itself."""
    news: News
    callers: Callers | None = None
    """None: the server built it."""

    @classmethod
    def of_caller(cls, body: Mapping[str, object]) -> Self:
        """The snapshot that a caller brings, as `POST /api/ai/validate-signal` takes it.

        Raises:
            InvalidRequest: a field that is not known or out of bounds, or levels that contradict the direction.
            NotEnoughData: a price is missing.
        """
        raise NotImplementedError

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """From what was stored."""
        return cls.model_validate(kept)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return self.model_dump(mode="json")

    def canonical(self) -> str:
        """The one way to write it."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def hash(self) -> bytes:
        """SHA-256 of its canonical form."""
        return hashlib.sha256(self.canonical().encode()).digest()

    def facts(self) -> dict[str, Any]:
        """All of it but the texts from outside."""
        raise NotImplementedError

    def outside(self) -> dict[str, Sequence[str]]:
        """The texts from outside, by what they are."""
        raise NotImplementedError

    def known(self) -> list[Known]:
        """Every figure in it, and those that follow from them."""
        raise NotImplementedError

    def terms(self) -> tuple[str, ...]:
        """Names in it that hold digits and are no figures."""
        raise NotImplementedError
