"""The snapshot: everything that a model is shown of one signal, as data. Stored before it is shown, never changed.

Numbers are rounded to six significant digits, so that what is stored is what was shown, and hashes to the same. What is
missing is null. Texts from outside (names, headlines, a caller's own words) stand apart from the facts: `facts` holds
none of them, `outside` holds nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.ai.numbers import Known
from core.ai.numbers import Unit as NumberUnit
from core.errors import InvalidRequest, NotEnoughData
from core.market.symbols import checked_symbol
from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.fields import FIELDS, MAX_PRICE, Unit
from core.screener.signals import SIGNALS

FORMAT = 1
SIGNIFICANT_DIGITS = 6
HORIZONS = (5, 20)
"""Sessions over which a signal's record is shown."""
MOST_HEADLINES = 5
MAX_TEXT_CHARS = 300
"""Of a text from outside; the rest is cut off."""
MOST_PATTERNS = 20
OTHER_TYPE = "other"
"""A caller's signal that is none of ours."""
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
    """Earlier signals that it is taken from."""
    base_rate: Figure
    sessions_ago: int
    """Sessions that have closed since its day."""
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

    signal_type: Outside | None
    patterns: tuple[Outside, ...]
    pattern_confidence: Figure


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
    """Nothing later than it was read; null of a caller's own."""
    reason: str
    """Why that day: a `Reason`, or `CALLER`."""
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
    """Null: the server built it."""

    @classmethod
    def of_caller(cls, body: Mapping[str, object]) -> Self:
        """The snapshot that a caller brings, as `POST /api/ai/validate-signal` takes it.

        Raises:
            InvalidRequest: a field that is not known or out of bounds, or levels that contradict the direction.
            NotEnoughData: a price is missing.
        """
        given = _checked(body)
        symbol, entry, close = checked_symbol(given.symbol), given.entry_price, given.current_price
        if entry is None or close is None:
            missing = "entry_price" if entry is None else "current_price"
            raise NotEnoughData(f"There is not enough data: the field {missing} is missing. No model was asked.")
        _refuse_contradiction(given, entry)
        known = _TYPES.get(given.signal_type)
        named = (given.pattern_name, given.strongest_pattern, *(given.detected_patterns or ()))
        figures = {"rsi_14": given.rsi_value, "relative_volume": given.volume_ratio}
        return cls(
            symbol=symbol,
            name=None,
            currency=None,
            exchange=None,
            universe_id=None,
            universe=None,
            day=None,
            reason=CALLER,
            source="the caller's own figures",
            is_generated=False,
            signal=Signal(
                type=given.signal_type if known else OTHER_TYPE,
                label=known[0] if known else "Signal of the caller's own",
                direction=given.signal_direction,
                state="signal",
                meaning=known[1] if known else None,
                **dict.fromkeys(("day", "confirmed_at", "confidence", "base_rate", "as_of")),
                confidence_n=0,
                sessions_ago=0,
            ),
            levels=Levels(
                close=close,
                entry=entry,
                stop=given.stop_loss,
                target=given.target_price,
                reward_risk=_reward_risk(entry, given.stop_loss, given.target_price),
                as_of=None,
            ),
            indicators=Indicators(figures=figures, as_of=None),
            pattern=None,
            record=None,
            record_here=None,
            news=News(headlines=(), note="A caller's own snapshot has no headlines.", as_of=None),
            callers=Callers(
                signal_type=None if known else given.signal_type,
                patterns=tuple(dict.fromkeys(name for name in named if name)),
                pattern_confidence=given.pattern_confidence,
            ),
        )

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
        """All of it but the texts from outside; of a headline its source and its time stay."""
        facts = self.model_dump(
            mode="json",
            exclude={"format": True, "name": True, "universe": True, "callers": {"signal_type", "patterns"}},
        )
        for headline in facts["news"]["headlines"]:
            del headline["title"]
        return facts

    def outside(self) -> dict[str, Sequence[str]]:
        """The texts from outside, by what they are; headlines in the order of the facts."""
        found: dict[str, Sequence[str]] = {
            "company_name": [self.name] if self.name else [],
            "universe": [self.universe] if self.universe else [],
            "headlines": [headline.title for headline in self.news.headlines],
        }
        if self.callers is not None:
            found["signal_type"] = [self.callers.signal_type] if self.callers.signal_type else []
            found["patterns"] = self.callers.patterns
        return {name: texts for name, texts in found.items() if texts}

    def known(self) -> list[Known]:
        """Every figure in it, and those that follow from them."""
        return [known for known in _known(self) if known is not None]

    def terms(self) -> tuple[str, ...]:
        """Names in it that may hold digits and are no figures."""
        labels = (self.symbol, self.name, self.universe, self.signal.label, self.pattern and self.pattern.label)
        fields = (FIELDS[name].label for name in self.indicators.figures if name in FIELDS)
        return tuple(dict.fromkeys(term for term in (*labels, *fields) if term))


class CallerSignal(BaseModel):
    """A signal as a caller describes it, who has to have no bars here."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)

    symbol: str = Field(max_length=200)
    signal_type: str = Field(min_length=1, max_length=100)
    """Id of one of the screener's types of signal, or words of the caller's own."""
    signal_direction: DirectionName
    entry_price: float | None = Field(None, gt=0, le=MAX_PRICE, allow_inf_nan=False)
    current_price: float | None = Field(None, gt=0, le=MAX_PRICE, allow_inf_nan=False)
    target_price: float | None = Field(None, gt=0, le=MAX_PRICE, allow_inf_nan=False)
    stop_loss: float | None = Field(None, gt=0, le=MAX_PRICE, allow_inf_nan=False)
    rsi_value: float | None = Field(None, ge=0, le=100, allow_inf_nan=False)
    volume_ratio: float | None = Field(None, ge=0, le=1e6, allow_inf_nan=False)
    """Volume ÷ the usual volume."""
    pattern_name: str | None = Field(None, max_length=100)
    strongest_pattern: str | None = Field(None, max_length=100)
    pattern_confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    detected_patterns: list[Annotated[str, Field(max_length=100)]] | None = Field(None, max_length=MOST_PATTERNS)


def meaning_of(type_id: str) -> tuple[str, str] | None:
    """The label of a type of signal and its rule in words; None where there is no such type."""
    return _TYPES.get(type_id)


_TYPES: Mapping[str, tuple[str, str]] = {
    **{one.id: (one.label, one.help) for one in SIGNALS.values()},
    **{type_id: (one.label, one.help) for type_id, one in CHART_PATTERNS.items()},
}
_FLAWS = {
    "missing": "The field {field} is missing.",
    "extra_forbidden": "There is no field {field} in a snapshot.",
}


def _checked(body: Mapping[str, object]) -> CallerSignal:
    try:
        return CallerSignal.model_validate(body)
    except ValidationError as error:
        flaw = error.errors()[0]
        field = ".".join(str(part) for part in flaw["loc"])[:60]
        known = _FLAWS.get(flaw["type"], f"The field {{field}} is not valid: {flaw['msg']}.")
        raise InvalidRequest(known.replace("{field}", field)) from None


def _refuse_contradiction(given: CallerSignal, entry: float) -> None:
    """Raises where the levels say another direction than the signal."""
    side, above, below = (1, "above", "below") if given.signal_direction == "bullish" else (-1, "below", "above")
    if given.target_price is not None and (given.target_price - entry) * side <= 0:
        raise InvalidRequest(f"The target_price of a {given.signal_direction} signal must be {above} its entry_price.")
    if given.stop_loss is not None and (entry - given.stop_loss) * side <= 0:
        raise InvalidRequest(f"The stop_loss of a {given.signal_direction} signal must be {below} its entry_price.")


def _reward_risk(entry: float, stop: float | None, target: float | None) -> float | None:
    return None if stop is None or target is None else (target - entry) / (entry - stop)


_UNITS: Mapping[Unit, NumberUnit] = {Unit.PRICE: "price", Unit.FRACTION: "fraction"}


def _known(shown: Snapshot) -> Iterator[Known | None]:
    signal, levels = shown.signal, shown.levels
    for label, price in (
        ("Close", levels.close),
        ("Entry", levels.entry),
        ("Stop", levels.stop),
        ("Target", levels.target),
    ):
        yield _figure(label, price, "price")
    yield _figure("Distance to the stop", levels.stop_distance, "fraction", is_magnitude=True)
    yield _figure("Distance to the target", levels.target_distance, "fraction", is_magnitude=True)
    yield _figure("Reward to risk", levels.reward_risk, "number")
    yield _figure("Confidence by the signal's own record", signal.confidence, "fraction")
    yield _figure("Earlier signals behind the confidence", signal.confidence_n, "number")
    yield _figure("Base rate", signal.base_rate, "fraction")
    yield _figure("Sessions since the signal", signal.sessions_ago, "number")
    for name, value in shown.indicators.figures.items():
        field = FIELDS[name]
        yield _figure(field.label, value, _UNITS.get(field.unit, "number"))
    if shown.callers is not None:
        yield _figure("Confidence of the pattern", shown.callers.pattern_confidence, "fraction")
    for pivot in shown.pattern.pivots if shown.pattern else ():
        yield _figure(f"{pivot.label.capitalize()} of the pattern", pivot.price, "price")
    for where, record in (("on the universe", shown.record), ("on the symbol", shown.record_here)):
        for each in record.figures if record else ():
            yield from _known_record(where, each)
    yield from _known_days(shown)


def _known_record(where: str, each: RecordFigures) -> Iterator[Known | None]:
    over = f"over {each.sessions} sessions {where}"
    yield _figure(f"Earlier signals {over}", each.n, "number")
    yield _figure(f"Separate days {over}", each.days, "number")
    for label, value in (
        ("Hit rate", each.hit_rate),
        ("Lower end of the hit rate", each.low),
        ("Upper end of the hit rate", each.high),
        ("Base rate", each.base_rate),
        ("Median move", each.median_move),
        ("Median move beyond the benchmark", each.median_excess),
        ("Median best move", each.median_best),
    ):
        yield _figure(f"{label} {over}", value, "fraction")
    yield _figure(f"Median worst move {over}", each.median_worst, "fraction", is_magnitude=True)


def _known_days(shown: Snapshot) -> Iterator[Known | None]:
    yield _day("As-of day", shown.day)
    yield _day("Day of the signal", shown.signal.day)
    yield _day("Day on which it was confirmed", shown.signal.confirmed_at)
    for pivot in shown.pattern.pivots if shown.pattern else ():
        yield _day(f"Day of the {pivot.label}", pivot.day)
    for headline in shown.news.headlines:
        yield _day("Day of a headline", headline.published_at.date())


def _figure(name: str, value: float | None, unit: NumberUnit, *, is_magnitude: bool = False) -> Known | None:
    return None if value is None else Known(name, float(value), unit, is_magnitude)


def _day(name: str, day: date | None) -> Known | None:
    return None if day is None else Known.of_day(name, day)
