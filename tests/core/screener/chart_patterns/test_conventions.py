"""Every pattern that is found in the shipped histories keeps to the bounds of the conventions, read off its pivots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest

from core.market.panel import Floats
from core.screener.chart_patterns.patterns import CHART_PATTERNS, ChartPattern, chart_patterns_of
from core.screener.chart_patterns.pivots import chart_of
from core.screener.series import Series
from tests.core.screener.chart_patterns.drawn import bar_of
from tests.core.screener.made_panels import shipped_series

TIE = 1e-8


def _spread(prices: Floats) -> float:
    """Of their mean."""
    return float((prices.max() - prices.min()) / prices.mean())


def _prices(pattern: ChartPattern, *labels: str) -> Floats:
    return np.array([pivot.price for pivot in pattern.pivots if pivot.label in labels])


def _bars(bars: Series, pattern: ChartPattern) -> list[int]:
    return [bar_of(bars, pivot.day) for pivot in pattern.pivots]


def _is_double(bars: Series, pattern: ChartPattern) -> bool:
    first, _, last = _bars(bars, pattern)
    ends = np.array([pattern.pivots[0].price, pattern.pivots[2].price])
    return _spread(ends) <= 0.015 + TIE and last - first > 22


def _is_head_and_shoulders(_bars: Series, pattern: ChartPattern) -> bool:
    prices = np.array([pivot.price for pivot in pattern.pivots])
    return max(_spread(prices[[0, 4]]), _spread(prices[[1, 3]])) <= 0.015 + TIE


def _has_level(*levels: str) -> Callable[[Series, ChartPattern], bool]:
    return lambda _bars, pattern: all(_spread(_prices(pattern, level)) <= 0.0075 + TIE for level in levels)


def _draws_together(_bars: Series, pattern: ChartPattern) -> bool:
    tops, bottoms = _prices(pattern, "top"), _prices(pattern, "bottom")
    return bool((np.diff(tops) < 0).all() and (np.diff(bottoms) > 0).all())


def _is_flag(bars: Series, pattern: ChartPattern) -> bool:
    base, top, _ = _bars(bars, pattern)
    begin, end = (pivot.price for pivot in pattern.pivots[:2])
    atr = chart_of(bars).atr[base]
    after = slice(top + 1, bar_of(bars, pattern.confirmed_on) + 1)
    back = end - bars.low[after].min() if end > begin else bars.high[after].max() - end
    height = abs(end - begin)
    return bool(top - base <= 10 and height >= 3 * atr * (1 - TIE) and back <= 0.5 * height + TIE * end)


def _is_cup(bars: Series, pattern: ChartPattern) -> bool:
    left, _, right = _bars(bars, pattern)
    base, rim = (pivot.price for pivot in pattern.pivots[1:])
    handle = bars.low[right + 1 : bar_of(bars, pattern.confirmed_on) + 1].min()
    closes, times = bars.close[left : right + 1], np.arange(right - left + 1)
    bend, slope, level = np.polyfit(times, closes, 2)
    unexplained = ((closes - (bend * times**2 + slope * times + level)) ** 2).sum()
    return bool(
        right - left >= 20
        and _spread(_prices(pattern, "left rim", "right rim")) <= 0.03 + TIE
        and 1 - unexplained / ((closes - closes.mean()) ** 2).sum() >= 0.7 - TIE
        and 0.3 - TIE <= -slope / (2 * bend) / times[-1] <= 0.7 + TIE
        and rim - handle <= 0.5 * (rim - base) + TIE * rim
    )


def _is_channel(bars: Series, pattern: ChartPattern) -> bool:
    at = np.array(_bars(bars, pattern))
    prices = np.array([pivot.price for pivot in pattern.pivots])
    one, other = (np.polyfit(at[part::2] - at[0], prices[part::2], 1)[0] for part in (0, 1))
    return bool(abs(one - other) <= 0.1 * abs(one + other) / 2 + TIE)


KEEPS: Mapping[str, Callable[[Series, ChartPattern], bool]] = {
    "double_top": _is_double,
    "double_bottom": _is_double,
    "head_and_shoulders": _is_head_and_shoulders,
    "inverse_head_and_shoulders": _is_head_and_shoulders,
    "ascending_triangle": _has_level("top"),
    "descending_triangle": _has_level("bottom"),
    "symmetrical_triangle_bullish": _draws_together,
    "symmetrical_triangle_bearish": _draws_together,
    "rectangle_bullish": _has_level("top", "bottom"),
    "rectangle_bearish": _has_level("top", "bottom"),
    "bull_flag": _is_flag,
    "bear_flag": _is_flag,
    "cup_and_handle": _is_cup,
    "rising_channel": _is_channel,
    "falling_channel": _is_channel,
}


@cache
def _found() -> list[tuple[Series, ChartPattern]]:
    return [
        (series.of(pattern.symbol), pattern)
        for series in (shipped_series(), shipped_series("wiki"), shipped_series("indices"))
        for pattern in chart_patterns_of(series)
    ]


@pytest.mark.parametrize("name", CHART_PATTERNS)
def test_what_is_found_keeps_to_the_bounds_of_the_conventions(name: str) -> None:
    found = [(bars, pattern) for bars, pattern in _found() if pattern.type == name]
    assert len(found) >= 5, "otherwise this says little"
    assert [(pattern.symbol, pattern.confirmed_on) for bars, pattern in found if not KEEPS[name](bars, pattern)] == []
