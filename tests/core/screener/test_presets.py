"""Presets: each is known by its name, explained, valid, and matches a row that is made to match it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.screener.criteria import matching, spoken
from core.screener.presets import load_presets
from core.settings import DATA
from tests.core.screener.screens_made import Row, frame_of

PRESETS = load_presets(DATA / "presets.yaml")
RISING: Row = {"close": 110.0, "sma_50": 105.0, "sma_200": 90.0, "week52_low": 70.0, "week52_high": 112.0}
MATCHES: dict[str, Row] = {
    "new_52_week_highs": {"signals": ["breakout_20", "breakout_52w"], "close": 20.0},
    "near_52_week_high": {**RISING, "from_week52_high": -0.018, "week52_bars": 252},
    "golden_cross": {"signals": ["golden_cross"]},
    "death_cross": {"signals": ["death_cross"]},
    "minervini_trend_template": {**RISING, "from_week52_high": -0.018, "rs_rating": 70},
    "oversold_bounce": {"rsi_14": 31.0, "change": 0.01, "relative_volume": 1.2},
    "rsi_oversold_in_uptrend": {**RISING, "rsi_14": 35.0},
    "bollinger_squeeze": {"bb_width": 0.04, "volatility_20": 0.15, "adx_14": 14.0},
    "squeeze_released": {"signals": ["squeeze_up"]},
    "breakout_20_on_volume": {"signals": ["breakout_20"], "relative_volume": 1.8},
    "gap_up_on_volume": {"gap": 0.04, "change": 0.03, "relative_volume": 2.5},
    "unusual_volume": {"relative_volume": 5.0, "dollar_volume": 4e7},
    "bullish_engulfing_at_support": {"signals": ["cdl_engulfing_bullish"], "from_sma_50": 0.01},
    "momentum_leaders": {**RISING, "rs_rating": 92, "return_20": 0.05, "return_120": 0.4},
    "pullback_to_50_day": {**RISING, "from_sma_50": 0.01, "return_60": 0.1, "return_5": -0.03},
    "macd_crossover": {"signals": ["macd_over_signal"]},
    "low_volatility_leaders": {**RISING, "volatility_20": 0.12, "rs_rating": 65},
    "double_bottom": {"pattern": ["double_bottom"]},
    "cup_and_handle": {"pattern": ["cup_and_handle", "double_bottom"]},
    "head_and_shoulders": {"pattern": ["head_and_shoulders"]},
    "bearish_breakdown": {"signals": ["breakdown_52w"], "close": 80.0, "sma_50": 90.0, "relative_volume": 1.4},
    "overbought_and_stretched": {"rsi_14": 82.0, "close": 130.0, "bb_upper": 128.0, "from_sma_50": 0.25},
}
"""A row for each preset; what it does not name is missing."""
EDGES: dict[str, tuple[Row, tuple[Row, ...]]] = {
    "new_52_week_highs": ({"close": 5.0}, ({"close": 4.99}, {"signals": ["breakout_20"]})),
    "near_52_week_high": (
        {"from_week52_high": -0.03, "week52_bars": 200},
        ({"from_week52_high": -0.031}, {"week52_bars": 199}, {"close": 89.0}),
    ),
    "golden_cross": ({}, ({"signals": ["death_cross"]},)),
    "death_cross": ({}, ({"signals": ["golden_cross"]},)),
    "minervini_trend_template": (
        {"close": 105.1, "from_week52_high": -0.25},
        ({"close": 104.9}, {"sma_50": 89.0}, {"week52_low": 85.0}, {"from_week52_high": -0.26}, {"rs_rating": 69}),
    ),
    "oversold_bounce": (
        {"rsi_14": 34.9, "change": 0.001, "relative_volume": 1.0},
        ({"rsi_14": 35.0}, {"change": 0.0}, {"relative_volume": 0.99}),
    ),
    "rsi_oversold_in_uptrend": ({"rsi_14": 39.9}, ({"rsi_14": 40.0}, {"close": 90.0})),
    "bollinger_squeeze": (
        {"bb_width": 0.06, "volatility_20": 0.25, "adx_14": 24.9},
        ({"bb_width": 0.061}, {"volatility_20": 0.26}, {"adx_14": 25.0}),
    ),
    "squeeze_released": ({}, ({"signals": ["squeeze_down"]},)),
    "breakout_20_on_volume": (
        {"signals": ["breakout_range"], "relative_volume": 1.5},
        ({"relative_volume": 1.49}, {"signals": ["breakout_52w"]}),
    ),
    "gap_up_on_volume": (
        {"gap": 0.02, "change": 0.01, "relative_volume": 2.0},
        ({"gap": 0.019}, {"change": 0.009}, {"relative_volume": 1.99}),
    ),
    "unusual_volume": (
        {"relative_volume": 3.0, "dollar_volume": 1e6},
        ({"relative_volume": 2.99}, {"dollar_volume": 999_999.0}),
    ),
    "bullish_engulfing_at_support": (
        {"from_sma_50": -0.02},
        ({"from_sma_50": 0.021}, {"signals": ["cdl_engulfing_bearish"]}),
    ),
    "momentum_leaders": (
        {"rs_rating": 80, "return_20": 0.001, "return_120": 0.001},
        ({"rs_rating": 79}, {"close": 104.0}, {"sma_200": 111.0}, {"return_20": 0.0}, {"return_120": 0.0}),
    ),
    "pullback_to_50_day": (
        {"from_sma_50": -0.02},
        ({"from_sma_50": 0.021}, {"sma_50": 89.0}, {"return_60": 0.0}, {"return_5": 0.0}),
    ),
    "macd_crossover": ({}, ({"signals": ["macd_under_signal"]},)),
    "low_volatility_leaders": (
        {"volatility_20": 0.25, "rs_rating": 60},
        ({"volatility_20": 0.26}, {"close": 89.0}, {"rs_rating": 59}),
    ),
    "double_bottom": ({}, ({"pattern": ["double_top"]}, {"pattern": [], "signals": ["double_bottom"]})),
    "cup_and_handle": ({"pattern": ["cup_and_handle"]}, ({"pattern": ["double_bottom"]},)),
    "head_and_shoulders": ({}, ({"pattern": ["inverse_head_and_shoulders"]},)),
    "bearish_breakdown": (
        {"signals": ["breakdown_20"], "close": 89.9, "relative_volume": 1.01},
        ({"signals": ["breakout_20"]}, {"close": 90.0}, {"relative_volume": 1.0}),
    ),
    "overbought_and_stretched": (
        {"rsi_14": 75.1, "close": 128.1, "from_sma_50": 0.2},
        ({"rsi_14": 75.0}, {"close": 128.0}, {"from_sma_50": 0.19}),
    ),
}
"""What of these rows may be otherwise, just so that it matches still, and what must not, each by itself: the numbers
that the summaries tell of."""


def test_there_are_at_least_sixteen_and_each_has_its_row() -> None:
    assert len(PRESETS) >= 16
    assert set(MATCHES) == set(PRESETS)
    assert len({preset.title for preset in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_each_matches_what_is_made_to_match_it_and_not_an_empty_row(name: str) -> None:
    preset = PRESETS[name]
    others = [row for other, row in MATCHES.items() if other != name]
    found = matching(frame_of([{"symbol": "X"}, {**MATCHES[name], "symbol": "MADE"}, *others]), preset.screen)
    assert found["symbol"][0] == "MADE"
    assert all(found["why"][0])
    assert found.height < len(others), "it picks, it does not take everything"
    assert spoken(preset.screen)
    assert preset.summary.endswith(".")
    assert preset.source


@pytest.mark.parametrize("name", PRESETS)
def test_each_ends_where_its_summary_says(name: str) -> None:
    still, misses = EDGES[name]
    rows: list[Row] = [
        {**MATCHES[name], "symbol": f"S{number}", **change} for number, change in enumerate((still, *misses))
    ]
    assert matching(frame_of(rows), PRESETS[name].screen)["symbol"].to_list() == ["S0"]


def _written(folder: Path, text: str) -> Path:
    path = folder / "presets.yaml"
    path.write_text(text)
    return path


GOOD = """\
- id: cheap
  title: Cheap
  summary: Cheap ones.
  source: None
  screen: {match: all, items: [{field: close, operator: below, value: 5}]}
"""


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (GOOD + GOOD, r"presets.yaml, line 6: the id cheap is given twice"),
        (GOOD.replace("below", "under"), r"line 5: cheap: The condition on close has an operator"),
        (GOOD.replace("value: 5", "value: -5"), r"line 5: cheap: “close is below -5” makes no sense"),
        (GOOD.replace("field: close", "field: price"), r"line 5: cheap: There is no figure “price”"),
        (GOOD.replace("title: Cheap", "name: Cheap"), r"presets.yaml.*line"),
        (GOOD.replace("summary: Cheap ones.", "summary: ''"), r"presets.yaml.*line 3"),
        ("- 3\n", r"presets.yaml.*line 1"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, wrong: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        load_presets(_written(tmp_path, wrong))
    assert list(load_presets(_written(tmp_path, GOOD))) == ["cheap"]
