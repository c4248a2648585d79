"""Signals on the shipped history: the same days as by a slow and plain reading of what each is said to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pandas as pd
import pytest

from core.market.panel import Floats
from core.screener.indicators import history_of, indicators_of
from core.screener.series import Flags, Series
from core.screener.signals import SIGNALS, Family
from tests.core.screener.made_panels import picked, shipped_series

Chart = Mapping[str, "pd.Series[float]"]


def _above(one: pd.Series[float], other: pd.Series[float]) -> pd.Series[bool]:
    """By more than rounding."""
    return (one - other).gt(other.abs() * 1e-9)


def _first(one: pd.Series[float], other: pd.Series[float]) -> pd.Series[bool]:
    """Above on this bar, and known not to be on the bar before."""
    return _above(one, other) & ~_above(one, other).shift(fill_value=False) & (one - other).shift().notna()


def _level(c: Chart, level: float) -> pd.Series[float]:
    return pd.Series(level, index=c["close"].index)


def _of_20(c: Chart, name: str) -> pd.Series[float]:
    rolling = c[name].shift().rolling(20)
    return rolling.max() if name == "high" else rolling.min()


def _of_a_year(c: Chart, name: str) -> pd.Series[float]:
    rolling = c[name].shift().rolling(252, min_periods=200)
    return rolling.max() if name == "high" else rolling.min()


def _from_a_range(c: Chart, side: int) -> pd.Series[bool]:
    top, bottom = c["high"].shift().rolling(30).max(), c["low"].shift().rolling(30).min()
    is_out = _above(c["close"], top) if side > 0 else _above(bottom, c["close"])
    return is_out & (top - bottom <= 4.5 * c["atr_14"].shift()) & (c["relative_volume"] >= 1.5)


def _from_a_squeeze(c: Chart, side: int) -> pd.Series[bool]:
    reach = 1.5 * c["atr_14"]
    is_in = (c["bb_upper"] < c["ema_21"] + reach) & (c["bb_lower"] > c["ema_21"] - reach)
    for_five = is_in.shift(fill_value=False).rolling(5).sum() == 5
    beyond = _above(c["close"], c["bb_middle"]) if side > 0 else _above(c["bb_middle"], c["close"])
    return for_five & ~is_in & beyond


def _by_a_gap(c: Chart, side: int) -> pd.Series[bool]:
    gap = c["open"] - c["high"].shift() if side > 0 else c["low"].shift() - c["open"]
    return (gap >= 0.5 * c["atr_14"].shift()) & (gap > 0)


def _by_a_surge(c: Chart, side: int) -> pd.Series[bool]:
    usual = c["volume"].shift().rolling(20).mean()
    is_beyond = _above(c["close"], c["close"].shift()) if side > 0 else _above(c["close"].shift(), c["close"])
    return (c["volume"] >= 3 * usual) & (usual > 0) & is_beyond


def _by_divergence(c: Chart, side: int) -> pd.Series[bool]:
    price = (c["low"] if side > 0 else -c["high"]).to_numpy()
    rsi = side * c["rsi_14"].to_numpy()
    fires, last = np.zeros(len(price), np.bool_), None
    for at in range(3, len(price) - 3):
        if not (price[at] < price[at - 3 : at].min() and price[at] <= price[at + 1 : at + 4].min()):
            continue
        if last is not None and at - last <= 45 and price[at] < price[last] and rsi[at] > rsi[last]:
            fires[at + 3] = True
        last = at
    return pd.Series(fires)


PLAIN: Mapping[str, Callable[[Chart], pd.Series[bool]]] = {
    "breakout_20": lambda c: _first(c["close"], _of_20(c, "high")),
    "breakdown_20": lambda c: _first(_of_20(c, "low"), c["close"]),
    "breakout_52w": lambda c: _first(c["close"], _of_a_year(c, "high")),
    "breakdown_52w": lambda c: _first(_of_a_year(c, "low"), c["close"]),
    "breakout_range": lambda c: _from_a_range(c, 1),
    "breakdown_range": lambda c: _from_a_range(c, -1),
    "golden_cross": lambda c: _first(c["close"].rolling(50).mean(), c["close"].rolling(200).mean()),
    "death_cross": lambda c: _first(c["close"].rolling(200).mean(), c["close"].rolling(50).mean()),
    "sma_20_over_50": lambda c: _first(c["close"].rolling(20).mean(), c["close"].rolling(50).mean()),
    "sma_20_under_50": lambda c: _first(c["close"].rolling(50).mean(), c["close"].rolling(20).mean()),
    "close_over_50": lambda c: _first(c["close"], c["close"].rolling(50).mean()),
    "close_under_50": lambda c: _first(c["close"].rolling(50).mean(), c["close"]),
    "macd_over_signal": lambda c: _first(c["macd"], c["macd_signal"]),
    "macd_under_signal": lambda c: _first(c["macd_signal"], c["macd"]),
    "squeeze_up": lambda c: _from_a_squeeze(c, 1),
    "squeeze_down": lambda c: _from_a_squeeze(c, -1),
    "rsi_back_above_30": lambda c: _first(c["rsi_14"], _level(c, 30.0)),
    "rsi_back_below_70": lambda c: _first(_level(c, 70.0), c["rsi_14"]),
    "rsi_divergence_bullish": lambda c: _by_divergence(c, 1),
    "rsi_divergence_bearish": lambda c: _by_divergence(c, -1),
    "gap_up": lambda c: _by_a_gap(c, 1),
    "gap_down": lambda c: _by_a_gap(c, -1),
    "volume_surge_up": lambda c: _by_a_surge(c, 1),
    "volume_surge_down": lambda c: _by_a_surge(c, -1),
}


@cache
def _histories() -> tuple[Series, ...]:
    """Long histories of shares, and a year of many."""
    year, long = shipped_series(), shipped_series("wiki")
    return picked(long, [*range(len(long.symbols))]), picked(year, [*range(0, len(year.symbols), 8)])


@cache
def _fired(type_id: str) -> tuple[Flags, ...]:
    return tuple(SIGNALS[type_id].rule(indicators_of(series)) for series in _histories())


@cache
def _charts() -> tuple[tuple[Chart, ...], ...]:
    def chart(one: Series) -> Chart:
        bars: dict[str, Floats] = {name: getattr(one, name) for name in ("open", "high", "low", "close", "volume")}
        columns = history_of(one) | bars
        return {name: pd.Series(values.tolist(), dtype=np.float64) for name, values in columns.items()}

    return tuple(tuple(chart(series.of(symbol)) for symbol in series.symbols) for series in _histories())


def test_every_signal_that_is_no_candlestick_is_counted() -> None:
    assert list(PLAIN) == [one.id for one in SIGNALS.values() if one.family is not Family.CANDLESTICK]


@pytest.mark.parametrize("type_id", PLAIN)
def test_a_signal_is_on_the_days_of_a_plain_count(type_id: str) -> None:
    total = 0
    for fired, charts in zip(_fired(type_id), _charts(), strict=True):
        counted = np.concatenate([PLAIN[type_id](chart).to_numpy() for chart in charts])
        assert np.flatnonzero(fired).tolist() == np.flatnonzero(counted).tolist()
        total += int(counted.sum())
    assert total >= 5, "otherwise this says little"
