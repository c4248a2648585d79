"""Two ways of asking, side by side, on outcomes whose figures are worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.screener.direction import Direction
from core.screener.records import wilson
from core.verdicts.answer import Decision
from core.verdicts.comparison import Pair, Said, compared, is_right

BULLISH, BEARISH = Direction.BULLISH, Direction.BEARISH
DECISIONS: tuple[Decision, ...] = get_args(Decision)


def said(
    verdict: Decision, confidence: float = 0.5, usd: str = "0.001", latency_ms: int | None = 100, numbers: int = 4
) -> Said:
    """A verdict of which all numbers but one were verified."""
    return Said(verdict, confidence, numbers, max(0, numbers - 1), Decimal(usd), latency_ms)


def pair(
    kept: Said, replay: Said, move: float | None, late: float | None = None, direction: Direction = BULLISH
) -> Pair:
    """Both on a snapshot, and what the price did over 5 and 20 sessions."""
    return Pair(kept, replay, direction, {5: move, 20: late})


@pytest.mark.parametrize(
    ("verdict", "direction", "move", "right"),
    [
        ("BUY", BULLISH, 0.01, True),
        ("BUY", BEARISH, 0.01, True),
        ("BUY", BULLISH, -0.01, False),
        ("BUY", BULLISH, 0.0, False),
        ("SELL", BULLISH, -0.01, True),
        ("SELL", BULLISH, 0.0, False),
        ("AVOID", BULLISH, -0.01, True),
        ("AVOID", BULLISH, 0.0, True),
        ("AVOID", BULLISH, 0.01, False),
        ("AVOID", BEARISH, 0.01, True),
        ("AVOID", BEARISH, 0.0, True),
        ("AVOID", BEARISH, -0.01, False),
        ("HOLD", BULLISH, 0.01, None),
    ],
)
def test_what_is_right_follows_from_verdict_direction_and_move(
    verdict: Decision, direction: Direction, move: float, right: bool | None
) -> None:
    assert is_right(verdict, direction, move) is right


def test_both_are_judged_by_the_same_outcomes() -> None:
    comparison = compared(
        [
            pair(said("BUY", 0.8), said("BUY", 0.6), 0.02, late=-0.01),
            pair(said("BUY", 0.8), said("SELL", 0.6), -0.02),
            pair(said("AVOID", 0.7), said("HOLD", 0.5), -0.01),
            pair(said("SELL", 0.9), said("SELL", 0.5), None),
        ]
    )
    assert comparison is not None
    assert (comparison.n, comparison.agreed) == (4, 2)
    assert dict(comparison.matrix) == {
        ("BUY", "BUY"): 1,
        ("BUY", "SELL"): 1,
        ("AVOID", "HOLD"): 1,
        ("SELL", "SELL"): 1,
    }
    kept, replay = comparison.kept.scores[5], comparison.replay.scores[5]
    assert (kept.n, kept.hits, kept.hit_rate) == (3, 2, 2 / 3)
    assert (kept.low, kept.high) == wilson(2, 3)
    assert kept.brier == pytest.approx((0.2**2 + 0.8**2 + 0.3**2) / 3)
    assert (replay.n, replay.hits, replay.hit_rate) == (2, 2, 1.0), "HOLD claims nothing"
    assert replay.brier == pytest.approx(0.4**2)
    late = comparison.kept.scores[20], comparison.replay.scores[20]
    assert [(score.n, score.hits) for score in late] == [(1, 0), (1, 0)]


def test_a_right_verdict_costs_what_all_of_them_cost() -> None:
    comparison = compared(
        [
            pair(said("BUY", usd="0.003"), said("BUY", usd="0.01"), 0.02),
            pair(said("BUY", usd="0.001"), said("BUY", usd="0.01"), -0.02),
            pair(said("BUY", usd="0.002"), said("HOLD", usd="0.07"), -0.02),
        ]
    )
    assert comparison is not None
    assert comparison.kept.scores[5].usd_per_hit == Decimal("0.006")
    assert comparison.replay.scores[5].usd_per_hit == Decimal("0.09"), "what was held was paid for too"
    assert comparison.kept.usd_per_verdict == Decimal("0.002")
    assert comparison.replay.usd_per_verdict == Decimal("0.03")


def test_what_is_not_defined_is_none() -> None:
    assert compared([]) is None
    comparison = compared([pair(said("BUY", latency_ms=None, numbers=0), said("HOLD"), -0.1)])
    assert comparison is not None
    assert comparison.kept.latency_ms is None, "it came from the cache"
    assert (comparison.kept.numbers, comparison.kept.numbers_verified) == (0, 0)
    assert comparison.kept.scores[5].usd_per_hit is None, "none was right"
    held = comparison.replay.scores[5]
    assert (held.n, held.hit_rate, held.low, held.high, held.brier, held.usd_per_hit) == (
        0,
        None,
        None,
        None,
        None,
        None,
    )


def test_times_and_checked_numbers_are_of_all_that_were_compared() -> None:
    comparison = compared(
        [
            pair(said("BUY", latency_ms=100), said("BUY", latency_ms=900), None),
            pair(said("BUY", latency_ms=None), said("BUY", latency_ms=300), None),
            pair(said("BUY", latency_ms=300), said("BUY", latency_ms=400, numbers=10), None),
        ]
    )
    assert comparison is not None
    assert (comparison.kept.latency_ms, comparison.replay.latency_ms) == (200, 400)
    assert (comparison.kept.numbers, comparison.kept.numbers_verified) == (12, 9)
    assert (comparison.replay.numbers, comparison.replay.numbers_verified) == (18, 15)


_SAID = st.builds(said, st.sampled_from(DECISIONS), st.floats(0.01, 1))
_PAIRS = st.lists(st.builds(pair, _SAID, _SAID, st.one_of(st.none(), st.floats(-1, 1))), min_size=1, max_size=30)


@given(_PAIRS)
def test_the_matrix_holds_every_snapshot_once_and_no_side_gains_by_its_place(pairs: list[Pair]) -> None:
    comparison = compared(pairs)
    turned = compared([Pair(each.replay, each.kept, each.direction, each.moves) for each in pairs])
    assert comparison is not None
    assert turned is not None
    assert sum(comparison.matrix.values()) == comparison.n == len(pairs)
    assert (comparison.kept, comparison.replay) == (turned.replay, turned.kept)
    assert all(0 <= score.hits <= score.n <= len(pairs) for score in comparison.kept.scores.values())
