"""What the API takes and tells of the screener: figures, presets, saved screens, matches, signals."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from core.http.models import Answer, Body, Moment, Money

MAX_MATCHES = 1_000
MAX_SYMBOL_CHARS = 30


class Choice(Answer):
    """A value that can be asked for."""

    id: str
    label: str


class FieldAnswer(Answer):
    """A figure that a screen may ask for."""

    id: str
    label: str
    group: str
    unit: Literal["price", "fraction", "ratio", "points", "count", "text", "list"]
    help: str
    """Formula and convention."""
    operators: list[str]
    low: float | None
    """The least that the figure can be; null of texts and lists."""
    high: float | None
    step: float
    decimals: int
    choices: list[Choice] | None
    """Null where any text can be asked for."""


class FieldsAnswer(Answer):
    """Every figure, group by group, and what can be asked of it."""

    fields: list[FieldAnswer]
    operators: list[Choice]
    max_conditions: int
    max_depth: int


class PresetAnswer(Answer):
    """A screen that analysts know by name."""

    id: str
    title: str
    summary: str
    source: str
    """Where the idea is usually taken from."""
    direction: Literal["bullish", "bearish"] | None
    screen: dict[str, Any]
    spoken: str
    """The screen as a sentence."""


class PresetsAnswer(Answer):
    """The presets, in their order."""

    presets: list[PresetAnswer]


SharedWith = Literal["viewer", "analyst", "admin"] | None
"""The least role that sees it; null: its maker alone."""


class NewScreen(Body):
    """A screen to save."""

    name: str
    screen: dict[str, Any]
    """{"match": "all" | "any", "items": [conditions and groups]}; see `GET /api/screener/fields`."""
    shared_with: SharedWith = None


class ChangedScreen(NewScreen):
    """What a screen is to be, whole."""

    after: int = Field(ge=1)
    """The version that was read before it was changed."""


class CopiedScreen(Body):
    """A copy of one's own."""

    name: str | None = None
    """Without one it is called after the other."""


class ScreenHead(Answer):
    """A saved screen, without its conditions."""

    id: str
    name: str
    version: int
    shared_with: SharedWith
    is_own: bool
    made_by: str
    author: str
    """Who wrote this version."""
    created_at: Moment
    updated_at: Moment
    spoken: str | None
    """The screen as a sentence; null where an older program kept it in another form."""


class SavedScreenAnswer(ScreenHead):
    """A saved screen."""

    screen: dict[str, Any]


class ScreensAnswer(Answer):
    """Saved screens, the caller's own first."""

    screens: list[ScreenHead]


class ScreenVersionAnswer(Answer):
    """What a screen was called and asked for."""

    number: int
    name: str
    author: str
    created_at: Moment
    screen: dict[str, Any]
    spoken: str | None


class ScreenVersionsAnswer(Answer):
    """Every version, the newest first."""

    versions: list[ScreenVersionAnswer]


class MatchesWanted(Body):
    """What to look for: one of `screen`, `preset` and `screen_id`."""

    universe: str | None = None
    """Id of a universe; the default one where none is named."""
    screen: dict[str, Any] | None = None
    preset: str | None = None
    screen_id: str | None = None
    sort: str = "-rs_rating"
    """Id of a figure that is a number or a text, with `-` before it for the largest first; missing ones come last."""
    limit: int = Field(100, ge=1, le=MAX_MATCHES)


class SkipAnswer(Answer):
    """A symbol that was not scanned, and why."""

    symbol: str
    reason: str


class ScanAnswer(Answer):
    """The scan that an answer is of."""

    id: str
    universe: str
    as_of: date
    """The session whose bars are the last that were read."""
    sessions_behind: int
    """How many sessions have closed since."""
    formula_version: int
    total: int
    scanned: int
    skipped: list[SkipAnswer]
    finished_at: Moment | None


class MatchAnswer(Answer):
    """A symbol that meets a screen."""

    symbol: str
    name: str | None
    why: list[str]
    """The conditions that held, with the symbol's figures."""
    figures: dict[str, Any]
    """By the ids of `GET /api/screener/fields`: prices are decimal strings in `currency`, fractions 0.05 for 5 %;
    null is missing."""


class MatchesAnswer(Answer):
    """Symbols that meet a screen."""

    matches: list[MatchAnswer]
    total: int
    """How many there are, of which `limit` are told."""
    spoken: str
    """The screen as a sentence."""
    scan: ScanAnswer


class SignalAnswer(Answer):
    """A signal of a scan; a figure that is missing is null."""

    id: str
    symbol: str
    type: str
    label: str
    direction: Literal["bullish", "bearish"]
    family: str
    state: str
    """`signal`, or `forming` where a pattern is known and its line has not been crossed."""
    day: date
    confirmed_at: date
    """From when it was known."""
    close: Money
    entry: Money | None
    stop: Money | None
    target: Money | None
    reward_risk: float | None
    confidence: float | None
    """How likely it is right over 20 sessions: the hit rate of its type, drawn towards the base rate; null below 30
    earlier signals."""
    confidence_n: int
    base_rate: float | None
    """Share of all entries of the same universe and period that were right."""


class SignalsAnswer(Answer):
    """Signals of a scan."""

    signals: list[SignalAnswer]
    next_cursor: str | None
    scan: ScanAnswer


def money(price: float | None) -> Decimal | None:
    """A price as it is told: eight significant digits."""
    return None if price is None else Decimal(f"{price:.8g}")
