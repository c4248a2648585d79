"""How often patterns are found in prices that have none: random walks, in patterns for each thousand bars.

Chance draws these shapes too, and about as often as markets do; the bounds hold the detectors to that. For comparison:
a peer finds a cup with handle on 140 of 1,000 bars.
"""

from __future__ import annotations

from collections import Counter

import pytest

from core.screener.chart_patterns.patterns import CHART_PATTERNS, chart_patterns_of
from tests.core.screener.chart_patterns.drawn import walked

SYMBOLS, BARS = 160, 500
MOST_A_THOUSAND_BARS = {
    "double_top": 4.0,
    "double_bottom": 4.0,
    "head_and_shoulders": 0.8,
    "inverse_head_and_shoulders": 0.8,
    "ascending_triangle": 1.2,
    "descending_triangle": 1.2,
    "symmetrical_triangle_bullish": 2.0,
    "symmetrical_triangle_bearish": 2.0,
    "rectangle_bullish": 0.3,
    "rectangle_bearish": 0.3,
    "bull_flag": 4.5,
    "bear_flag": 4.5,
    "cup_and_handle": 1.5,
    "rising_channel": 0.8,
    "falling_channel": 0.8,
}


@pytest.fixture(scope="module")
def rates() -> dict[str, float]:
    patterns = chart_patterns_of(walked(SYMBOLS, BARS, seed=17))
    counted = Counter(pattern.type for pattern in patterns)
    return {type_id: counted[type_id] / (SYMBOLS * BARS / 1_000) for type_id in CHART_PATTERNS}


@pytest.mark.parametrize("type_id", CHART_PATTERNS)
def test_a_random_walk_has_few_of_each_type(rates: dict[str, float], type_id: str) -> None:
    assert rates[type_id] <= MOST_A_THOUSAND_BARS[type_id]


def test_all_together_they_are_found_on_two_of_a_hundred_bars_at_most(rates: dict[str, float]) -> None:
    assert sum(rates.values()) <= 20


def test_a_walk_turned_over_has_about_as_many(rates: dict[str, float]) -> None:
    up = sum(rates[type_id] for type_id, kind in CHART_PATTERNS.items() if kind.direction == "bullish")
    down = sum(rates[type_id] for type_id, kind in CHART_PATTERNS.items() if kind.direction == "bearish")

    assert up == pytest.approx(down, rel=0.25)
