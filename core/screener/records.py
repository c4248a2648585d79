"""Records: what the signals of a type turned out to be worth, beside all other entries of the same universe and period.

All figures are before costs, in the direction of the signal: a bearish one was right where the price fell. Only entries
count whose whole outcome is known on the as-of day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from math import sqrt
from typing import Any, Self

import numpy as np

from core.market.panel import Days, Floats
from core.screener.direction import Direction
from core.screener.outcomes import HORIZONS, Outcome, Outcomes
from core.screener.series import LONGEST_GAP_DAYS, Flags, Numbers

ROUND_TRIP_COST = 0.002
"""What buying and selling once is taken to cost: commission, spread and slippage of both, as a share."""
Z_95 = 1.959963984540054
"""Quantile of the normal distribution for a 95 % interval."""
CONFIDENCE_HORIZON = 20
"""Sessions over which a signal must have been right to be trusted."""
MINIMUM_N = 30
"""Below so many signals of a type nothing is said of the next one."""
PRIOR_WEIGHT = 100
"""How many days on which signals went as all entries do are added to a type's own before its hit rate is taken."""
CAVEATS = (
    "Survivorship: the universe holds its members of today's list over its whole history. Companies that left it, "
    "failed or were delisted are missing unless the list has them, and entries whose outcome a delisting cut off are "
    "left out, which makes all figures look better than they were.",
    "Look-ahead: a signal is computed from bars up to its day alone, and entered at the next session's open. A record "
    "as of a day counts only entries whose whole outcome was known on that day. Formulas were chosen later, by people "
    "who knew history.",
    f"Costs: figures are before costs and taxes. The median after costs takes off {ROUND_TRIP_COST:.1%} for a round "
    "trip; thinly traded shares cost more, and selling short costs borrowing as well.",
    "Overlap: signals of neighbouring days, and of different symbols on the same day, share most of their outcome. The "
    "n entries are not independent of each other, and the interval is narrower than it should be; the number of "
    "separate days says how much there really was to learn from.",
    f"Gaps: entries held over more than {LONGEST_GAP_DAYS} days without a bar are left out. Prices are adjusted for "
    "splits, not for dividends; the data's own errors stay in the extreme figures.",
)
"""What a reader must know of records, in the order in which pages say it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the signals of one type were worth over one horizon; None is not defined."""

    n: int
    """Signals whose outcome is known."""
    days: int
    """Separate days that they fell on."""
    hits: int
    """Those whose price moved in their direction."""
    hit_rate: float | None
    hit_rate_low: float | None
    """The Wilson 95 % interval of the hit rate."""
    hit_rate_high: float | None
    base_rate: float | None
    """Share of all entries of the universe between the first and last day that moved in the same direction."""
    base_n: int
    median_move: float | None
    median_after_costs: float | None
    median_excess: float | None
    """Median of how much more than the benchmark it moved; None where there is no benchmark."""
    excess_n: int
    """Signals that the benchmark is known for."""
    median_best: float | None
    """Median of how far the price went in the signal's direction at best; `best` is the extreme."""
    median_worst: float | None
    best: float | None
    worst: float | None
    first_day: date | None
    """Day of the first signal that counts."""
    last_day: date | None

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        days = {
            name: value and value.isoformat() for name in ("first_day", "last_day") for value in [getattr(self, name)]
        }
        return asdict(self) | days

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """From what `to_json` gave."""
        days = {name: kept[name] and date.fromisoformat(kept[name]) for name in ("first_day", "last_day")}
        return cls(**(dict(kept) | days))


@dataclass(frozen=True, slots=True)
class Events:
    """When the signals of one type fired in a series."""

    direction: Direction
    places: Numbers
    """Of their bars."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How likely the next signal of a type is to be right over `CONFIDENCE_HORIZON` sessions, by its own history."""

    value: float | None
    """None below `MINIMUM_N`."""
    n: int
    base_rate: float | None

    @property
    def words(self) -> str:
        """The same as a sentence."""
        if self.value is None:
            return f"No confidence: {self.n} signals with a known outcome; {MINIMUM_N} are needed."
        base = "" if self.base_rate is None else f", where {self.base_rate:.0%} of all entries were"
        return f"{self.value:.0%} over {CONFIDENCE_HORIZON} sessions by {self.n:,} earlier signals{base}."


def wilson(hits: int, n: int) -> tuple[float, float] | None:
    """The 95 % interval of a rate by Wilson (1927), without continuity correction; None where there is no rate."""
    if n == 0:
        return None
    rate, share = hits / n, Z_95**2 / n
    middle = (rate + share / 2) / (1 + share)
    reach = Z_95 / (1 + share) * sqrt(rate * (1 - rate) / n + share / (4 * n))
    # The rate itself is always within it, which rounding would deny where every one or none is a hit.
    return max(0.0, min(rate, middle - reach)), min(1.0, max(rate, middle + reach))


def confidence(figures: Figures) -> Confidence:
    """The hit rate over `CONFIDENCE_HORIZON` sessions, drawn towards the base rate the more, the fewer days it is of.

    It is the mean of a Beta distribution that begins as `PRIOR_WEIGHT` entries at the base rate and has then seen the
    hit rate on so many separate days. Signals of one day share its market and weigh as one, however many they are.
    """
    if figures.n < MINIMUM_N or figures.hit_rate is None or figures.base_rate is None:
        return Confidence(None, figures.n, figures.base_rate)
    seen = figures.days * figures.hit_rate
    value = (seen + PRIOR_WEIGHT * figures.base_rate) / (figures.days + PRIOR_WEIGHT)
    return Confidence(value, figures.n, figures.base_rate)


def figures_of(outcomes: Outcomes, events: Mapping[str, Events]) -> dict[str, dict[int, Figures]]:
    """The figures of each type of signal, by horizon, with all entries of the series as their base."""
    by_horizon = {sessions: _figures_over(sessions, outcomes, events) for sessions in HORIZONS}
    return {type_id: {sessions: by_horizon[sessions][type_id] for sessions in HORIZONS} for type_id in events}


def _figures_over(sessions: int, outcomes: Outcomes, events: Mapping[str, Events]) -> dict[str, Figures]:
    outcome = outcomes.over(sessions)
    base = _Base.of(outcomes.series.dates, outcome.move)
    return {type_id: _figures(outcome, base, each) for type_id, each in events.items()}


@dataclass(frozen=True, slots=True)
class _Base:
    """How all entries of a series went, up to and with each day."""

    first: date
    known: Numbers
    """0, then the sum for each day from the first on."""
    right: Mapping[Direction, Numbers]
    is_known: Flags
    """Of each bar."""
    days: Numbers
    """Of each bar, counted from the first."""

    @classmethod
    def of(cls, dates: Days, move: Floats) -> _Base:
        first = np.datetime64(dates.min(), "D") if len(dates) else np.datetime64(0, "D")
        days = (dates - first).astype(np.int64)
        is_known = ~np.isnan(move)
        length = int(days.max()) + 1 if len(days) else 0

        def summed(flags: Flags) -> Numbers:
            return np.concatenate(([0], np.cumsum(np.bincount(days[flags], minlength=length))))

        right = {Direction.BULLISH: summed(move > 0), Direction.BEARISH: summed(move < 0)}
        return cls(first.astype(date), summed(is_known), right, is_known, days)

    def between(self, first: int, last: int, direction: Direction) -> tuple[int, int]:
        """Of all entries between two days, both included, how many moved in a direction, and how many there are."""
        right = self.right[direction]
        return int(right[last + 1] - right[first]), int(self.known[last + 1] - self.known[first])

    def day(self, number: int) -> date:
        """The day of such a number."""
        return self.first + timedelta(days=number)


def _figures(outcome: Outcome, base: _Base, events: Events) -> Figures:
    places = events.places[base.is_known.take(events.places)]
    if not len(places):
        return _NOTHING
    is_up = events.direction is Direction.BULLISH

    def gained(column: Floats) -> Floats:
        """Of each signal, in its own direction."""
        values = column.take(places)
        return values if is_up else np.subtract(0.0, values, out=values)  # a negative would make −0 of 0

    move = gained(outcome.move)
    best, worst = (outcome.highest, outcome.lowest) if is_up else (outcome.lowest, outcome.highest)
    best, worst = gained(best), gained(worst)
    excess = move[:0] if outcome.benchmark is None else move - gained(outcome.benchmark)
    excess = excess[~np.isnan(excess)]
    extremes = float(best.max()), float(worst.min())
    days = base.days.take(places)
    first, last = int(days.min()), int(days.max())
    n, hits = len(places), int(np.count_nonzero(move > 0))
    base_hits, base_n = base.between(first, last, events.direction)
    interval = wilson(hits, n) or (None, None)
    median = _median(move)
    return Figures(
        n=n,
        days=int(np.count_nonzero(np.bincount(days - first))),
        hits=hits,
        hit_rate=hits / n,
        hit_rate_low=interval[0],
        hit_rate_high=interval[1],
        base_rate=base_hits / base_n,
        base_n=base_n,
        median_move=median,
        median_after_costs=median - ROUND_TRIP_COST,
        median_excess=_median(excess) if len(excess) else None,
        excess_n=len(excess),
        median_best=_median(best),
        median_worst=_median(worst),
        best=extremes[0],
        worst=extremes[1],
        first_day=base.day(first),
        last_day=base.day(last),
    )


def _median(values: Floats) -> float:
    """The median of some values, which are left in another order: to copy them would take as long again."""
    middle = len(values) // 2
    values.partition(middle)
    upper = float(values[middle])
    return upper if len(values) % 2 else (float(values[:middle].max()) + upper) / 2


_NOTHING = Figures(
    n=0,
    days=0,
    hits=0,
    hit_rate=None,
    hit_rate_low=None,
    hit_rate_high=None,
    base_rate=None,
    base_n=0,
    median_move=None,
    median_after_costs=None,
    median_excess=None,
    excess_n=0,
    median_best=None,
    median_worst=None,
    best=None,
    worst=None,
    first_day=None,
    last_day=None,
)
