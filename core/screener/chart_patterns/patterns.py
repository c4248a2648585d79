"""Chart patterns of a series: what forms, on which bars, where it is entered, and what became of it.

A pattern exists from the bar at which its last pivot is known and is a signal on the day of a close beyond its line.
No bar is told with the help of a later one: a history that is cut short has the same patterns, as they stood on its
last day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from types import MappingProxyType

from core.market.panel import Floats
from core.screener.chart_patterns.channels import channels
from core.screener.chart_patterns.cups import cups
from core.screener.chart_patterns.flags import flags
from core.screener.chart_patterns.life import End, Life, lives
from core.screener.chart_patterns.pivots import Chart, chart_of
from core.screener.chart_patterns.ranges import ranges
from core.screener.chart_patterns.reversals import reversals
from core.screener.chart_patterns.shape import Ray, Shape
from core.screener.direction import Direction
from core.screener.series import Series

STOP_ATR = 1.5
"""ATRs from the line; the stop is at the last pivot where that is nearer."""
LEAST_STOP_ATR = 0.5
"""ATRs from the line, at least: a pivot may all but lie on it, and any day's range would reach such a stop."""


@dataclass(frozen=True, slots=True)
class PatternType:
    """A kind of chart pattern, as pages name and explain it."""

    label: str
    direction: Direction
    help: str


_UP, _DOWN = Direction.BULLISH, Direction.BEARISH

CHART_PATTERNS: Mapping[str, PatternType] = MappingProxyType(
    {
        "double_top": PatternType(
            "Double top",
            _DOWN,
            "Two highs within 1.5 % of one another, over 22 bars apart; a close below the lowest low between them.",
        ),
        "double_bottom": PatternType(
            "Double bottom",
            _UP,
            "Two lows within 1.5 % of one another, over 22 bars apart; a close above the highest high between them.",
        ),
        "head_and_shoulders": PatternType(
            "Head and shoulders",
            _DOWN,
            "A high between two lower ones within 1.5 % of one another; a close below the line of the two lows.",
        ),
        "inverse_head_and_shoulders": PatternType(
            "Inverse head and shoulders",
            _UP,
            "A low between two higher ones within 1.5 % of one another; a close above the line of the two highs.",
        ),
        "ascending_triangle": PatternType(
            "Ascending triangle", _UP, "Level highs above rising lows; a close above the highs."
        ),
        "descending_triangle": PatternType(
            "Descending triangle", _DOWN, "Level lows below falling highs; a close below the lows."
        ),
        "symmetrical_triangle_bullish": PatternType(
            "Symmetrical triangle, upwards",
            _UP,
            "Falling highs above rising lows; a close above the line of the highs.",
        ),
        "symmetrical_triangle_bearish": PatternType(
            "Symmetrical triangle, downwards",
            _DOWN,
            "Falling highs above rising lows; a close below the line of the lows.",
        ),
        "rectangle_bullish": PatternType(
            "Rectangle, upwards", _UP, "Level highs above level lows; a close above the highest high."
        ),
        "rectangle_bearish": PatternType(
            "Rectangle, downwards", _DOWN, "Level highs above level lows; a close below the lowest low."
        ),
        "bull_flag": PatternType(
            "Bull flag",
            _UP,
            "A rise of at least 3 ATR within 10 bars, then a narrow channel that falls and gives back at most half of "
            "it; a close above the channel.",
        ),
        "bear_flag": PatternType(
            "Bear flag",
            _DOWN,
            "A fall of at least 3 ATR within 10 bars, then a narrow channel that rises and gives back at most half of "
            "it; a close below the channel.",
        ),
        "cup_and_handle": PatternType(
            "Cup and handle",
            _UP,
            "A rounded base of 20 to 230 bars between two highs within 3 % of one another, then a pullback of at "
            "most half of its depth; a close above the second high.",
        ),
        "rising_channel": PatternType(
            "Rising channel, left downwards",
            _DOWN,
            "Highs and lows on two parallel rising lines, three on each; a close below the lower line.",
        ),
        "falling_channel": PatternType(
            "Falling channel, left upwards",
            _UP,
            "Highs and lows on two parallel falling lines, three on each; a close above the upper line.",
        ),
    }
)

_FAMILIES: tuple[Callable[[Chart], Iterable[Shape]], ...] = (reversals, ranges, flags, cups, channels)


@dataclass(frozen=True, slots=True)
class Pivot:
    """A bar that forms a pattern."""

    day: date
    price: float
    kind: str
    """`high` or `low`."""
    label: str
    """What it is in the pattern: `head`, `right rim` …"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a pattern to be drawn: two dated points."""

    name: str
    first_day: date
    first_price: float
    last_day: date
    last_price: float


@dataclass(frozen=True, slots=True)
class ChartPattern:
    """A chart pattern; levels are those of the day of its end, or of the last day while it forms."""

    symbol: str
    type: str
    """A name in `CHART_PATTERNS`."""
    confirmed_on: date
    """It exists from this day, on which its last pivot became known."""
    end: End | None
    """None while it forms."""
    ended_on: date | None
    pivots: tuple[Pivot, ...]
    lines: tuple[Line, ...]
    """They end on the day of confirmation; they go on as straight lines."""
    entry: float
    """The price of the line that a close has to cross, or has crossed."""
    stop: float
    target: float | None
    """The pattern's height beyond the entry; None where that is not above 0."""

    @property
    def direction(self) -> Direction:
        """Where it points once it is triggered."""
        return CHART_PATTERNS[self.type].direction

    @property
    def label(self) -> str:
        """Its name in words."""
        return CHART_PATTERNS[self.type].label

    @property
    def is_forming(self) -> bool:
        """Whether a close may still trigger it after the last bar."""
        return self.end is None

    @property
    def triggered_on(self) -> date | None:
        """The day of the close beyond its line, on which it is a signal."""
        return self.ended_on if self.end is End.TRIGGERED else None

    def pivots_json(self) -> str:
        """The pivots as JSON: day, price, kind and label of each."""
        return json.dumps(
            [
                {"day": pivot.day.isoformat(), "price": pivot.price, "kind": pivot.kind, "label": pivot.label}
                for pivot in self.pivots
            ]
        )


def chart_patterns_of(series: Series) -> list[ChartPattern]:
    """All chart patterns of the whole history, by symbol and day of confirmation, with those that came to nothing."""
    chart = chart_of(series)
    return _told(series, chart, _lives(chart))


def latest_chart_patterns_of(series: Series) -> list[ChartPattern]:
    """Those of `chart_patterns_of` that matter on each symbol's last bar: they form there or are triggered on it."""
    chart = chart_of(series)
    last = (series.starts[1:] - 1)[chart.symbol]
    matter = (
        life
        for life in _lives(chart)
        if life.end is None or (life.end is End.TRIGGERED and life.at == last[chart.stretch[life.at]])
    )
    return _told(series, chart, matter)


def _lives(chart: Chart) -> Iterator[Life]:
    is_doubtful = chart.is_doubtful
    found = chain.from_iterable(family(chart) for family in _FAMILIES)
    return lives(chart, (shape for shape in found if not any(is_doubtful[point.bar] for point in shape.points)))


def _told(series: Series, chart: Chart, found: Iterable[Life]) -> list[ChartPattern]:
    order = {name: at for at, name in enumerate(CHART_PATTERNS)}
    ordered = sorted(found, key=lambda life: (life.shape.known, order[life.shape.type], life.shape.points[0].bar))
    stretches = [int(chart.stretch[life.shape.known]) for life in ordered]
    return [
        _pattern(chart, life, series.symbols[chart.symbol[stretch]], last=int(chart.starts[stretch + 1]) - 1)
        for life, stretch in zip(ordered, stretches, strict=True)
    ]


def _pattern(chart: Chart, life: Life, symbol: str, *, last: int) -> ChartPattern:
    shape = life.shape
    now = min(life.at, last)
    entry = shape.trigger.at(now)
    target = entry + shape.side * shape.height
    return ChartPattern(
        symbol,
        shape.type,
        confirmed_on=_day(chart, shape.known),
        end=life.end,
        ended_on=_day(chart, life.at) if life.end else None,
        pivots=tuple(
            Pivot(_day(chart, point.bar), point.price, "high" if point.is_high else "low", point.label)
            for point in shape.points
        ),
        lines=tuple(_line(chart, name, ray, begin, shape.known) for name, ray, begin in shape.lines),
        entry=entry,
        stop=_stop(shape, entry, chart.atr, now),
        target=target if target > 0 else None,
    )


def _line(chart: Chart, name: str, ray: Ray, begin: int, end: int) -> Line:
    return Line(name, _day(chart, begin), ray.at(begin), _day(chart, end), ray.at(end))


def _stop(shape: Shape, entry: float, atr: Floats, now: int) -> float:
    """The last pivot on the other side of the entry, but half an ATR to one and a half away from it."""
    away, least = STOP_ATR * float(atr[now]), LEAST_STOP_ATR * float(atr[now])
    against = [shape.side * (entry - point.price) for point in shape.points if point.is_high is (shape.side < 0)]
    distance = max(least, min(away, against[-1])) if against and against[-1] > 0 else away
    return entry - shape.side * distance


def _day(chart: Chart, bar: int) -> date:
    day: date = chart.dates[bar].item()
    return day
