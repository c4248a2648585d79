"""What two ways of asking said of the same snapshots, side by side: agreement, what was right, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean, median

from core.screener.direction import Direction
from core.screener.records import wilson
from core.verdicts.answer import Decision

SCORED_OVER = (5, 20)
"""Sessions over which verdicts are scored."""


@dataclass(frozen=True, slots=True)
class Said:
    """One verdict, as far as it is compared."""

    verdict: Decision
    confidence: float
    numbers: int
    numbers_verified: int
    call_usd: Decimal
    """What providers bill for its call, all attempts included."""
    latency_ms: int | None
    """None where the answer came from the cache."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What was kept of a snapshot, and what the replay said of it."""

    kept: Said
    replay: Said
    direction: Direction
    """Of the signal."""
    moves: Mapping[int, float | None]
    """By horizon, of the price after the verdict that was kept; None where it is not known yet."""


@dataclass(frozen=True, slots=True)
class Score:
    """How often verdicts were right over a horizon; None is not defined."""

    n: int
    """Verdicts with a direction and a known outcome."""
    hits: int
    hit_rate: float | None
    low: float | None
    """The Wilson 95 % interval of the hit rate."""
    high: float | None
    brier: float | None
    usd_per_hit: Decimal | None
    """What all verdicts with a known outcome cost, HOLD among them, divided by the right ones; None without any."""


@dataclass(frozen=True, slots=True)
class Side:
    """One way of asking, over the snapshots that both answered."""

    counts: Mapping[Decision, int]
    scores: Mapping[int, Score]
    """By horizon."""
    numbers: int
    numbers_verified: int
    usd_per_verdict: Decimal
    latency_ms: float | None
    """Median of the calls that were made; None where all came from the cache."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ways of asking, side by side."""

    n: int
    """Snapshots that both answered."""
    agreed: int
    matrix: Mapping[tuple[Decision, Decision], int]
    """How often each verdict that was kept met each of the replay."""
    kept: Side
    replay: Side


def compared(pairs: Sequence[Pair]) -> Comparison | None:
    """The comparison of what both answered; None where there is nothing to compare."""
    if not pairs:
        return None
    matrix = Counter((pair.kept.verdict, pair.replay.verdict) for pair in pairs)
    agreed = sum(n for (kept, replay), n in matrix.items() if kept == replay)
    return Comparison(
        len(pairs), agreed, matrix, _side(pairs, lambda pair: pair.kept), _side(pairs, lambda pair: pair.replay)
    )


def is_right(verdict: Decision, direction: Direction, move: float) -> bool | None:
    """Whether a verdict turned out right; None for HOLD, which claims no direction.

    BUY is right where the price rose, SELL where it fell, AVOID where the signal's direction did not pay.
    """
    pays = move > 0 if direction is Direction.BULLISH else move < 0
    return {"BUY": move > 0, "SELL": move < 0, "AVOID": not pays, "HOLD": None}[verdict]


def _side(pairs: Sequence[Pair], of: Callable[[Pair], Said]) -> Side:
    said = [of(pair) for pair in pairs]
    latencies = [each.latency_ms for each in said if each.latency_ms is not None]
    return Side(
        counts=Counter(each.verdict for each in said),
        scores={sessions: _score(pairs, of, sessions) for sessions in SCORED_OVER},
        numbers=sum(each.numbers for each in said),
        numbers_verified=sum(each.numbers_verified for each in said),
        usd_per_verdict=sum((each.call_usd for each in said), Decimal(0)) / len(said),
        latency_ms=median(latencies) if latencies else None,
    )


def _score(pairs: Sequence[Pair], of: Callable[[Pair], Said], sessions: int) -> Score:
    known = [
        (of(pair), is_right(of(pair).verdict, pair.direction, move))
        for pair in pairs
        if (move := pair.moves[sessions]) is not None
    ]
    scored = [(said, right) for said, right in known if right is not None]
    n, hits = len(scored), sum(right for _, right in scored)
    low, high = wilson(hits, n) or (None, None)
    cost = sum((said.call_usd for said, _ in known), Decimal(0))
    return Score(
        n=n,
        hits=hits,
        hit_rate=hits / n if n else None,
        low=low,
        high=high,
        brier=fmean((said.confidence - right) ** 2 for said, right in scored) if n else None,
        usd_per_hit=cost / hits if hits else None,
    )
