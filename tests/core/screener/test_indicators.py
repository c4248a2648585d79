from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.panel import Floats
from core.screener.fields import FIELDS, Unit
from core.screener.indicators import INDICATORS, EngineCall, Indicators, history_of, indicators_of, is_above
from core.screener.series import LONGEST_GAP_DAYS
from tests.core.screener.made_panels import drawn_in_cents, in_cents, picked, shipped_series
from tests.core.screener.made_series import drawn, first_bars, series_of

STOCKCHARTS_CLOSES = (
    *(44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931, 46.0328),
    *(45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521, 45.7137, 46.4515),
    *(45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314),
)
STOCKCHARTS_RSI = (
    *(70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99, 41.46, 41.87, 45.46),
    *(37.30, 33.08, 37.77),
)


def test_rsi_is_that_of_the_series_stockcharts_published() -> None:
    series = series_of({"QQQQ": [(close, close, close, close) for close in STOCKCHARTS_CLOSES]})

    rsi = history_of(series)["rsi_14"]

    assert np.isnan(rsi[:14]).all()
    assert rsi[14:].round(2).tolist() == list(STOCKCHARTS_RSI)


def test_each_symbol_has_what_the_engine_gives_for_it_alone() -> None:
    series = shipped_series()
    flat = indicators_of(series)
    for symbol in ("AAPL", "F", "XOM"):
        number = series.symbols.index(symbol)
        part = slice(int(series.starts[number]), int(series.starts[number + 1]))
        one = series.of(symbol)
        close, bars = one.close, (one.high, one.low, one.close)
        expected = {
            "sma_20": talib.SMA(close, 20),
            "sma_50": talib.SMA(close, 50),
            "sma_200": talib.SMA(close, 200),
            "ema_21": talib.EMA(close, 21),
            "rsi_14": talib.RSI(close, 14),
            **dict(zip(("macd", "macd_signal", "macd_hist"), talib.MACD(close), strict=True)),
            "atr_14": talib.ATR(*bars, 14),
            **dict(zip(("bb_upper", "bb_middle", "bb_lower"), talib.BBANDS(close, 20), strict=True)),
            "adx_14": talib.ADX(*bars, 14),
            "plus_di_14": talib.PLUS_DI(*bars, 14),
            "minus_di_14": talib.MINUS_DI(*bars, 14),
            **dict(zip(("stoch_k", "stoch_d"), talib.STOCH(*bars, 14, slowk_period=3, slowd_period=3), strict=True)),
            "obv": talib.OBV(close, one.volume),
            "volume_sma_20": talib.SMA(one.volume, 20),
        }
        for name, values in expected.items():
            assert np.array_equal(flat[name][part], values, equal_nan=True), (symbol, name)


def test_a_second_library_agrees() -> None:
    """On averages, RSI, MACD, true range, bands, directional index, stochastics and volume, once they have settled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas_ta_classic as second  # type: ignore[import-untyped]
    one = shipped_series("wiki").of("IBM")
    ours = indicators_of(one)
    bars = {name: pd.Series(ours[name]) for name in ("open", "high", "low", "close", "volume")}
    close, high, low, volume = bars["close"], bars["high"], bars["low"], bars["volume"]
    bands = second.bbands(close, 20, 2, ddof=0, talib=False)
    macd = second.macd(close, 12, 26, 9, talib=False)
    adx = second.adx(high, low, close, 14, talib=False)
    stochastics = second.stoch(high, low, close, 14, 3, 3, talib=False)
    theirs = {
        "sma_50": second.sma(close, 50, talib=False),
        "sma_200": second.sma(close, 200, talib=False),
        "ema_21": second.ema(close, 21, talib=False),
        "rsi_14": second.rsi(close, 14, talib=False),
        "macd": macd.iloc[:, 0],
        "macd_signal": macd.iloc[:, 2],
        "bb_lower": bands.iloc[:, 0],
        "bb_middle": bands.iloc[:, 1],
        "bb_upper": bands.iloc[:, 2],
        "atr_14": second.atr(high, low, close, 14, talib=False),
        "adx_14": adx.iloc[:, 0],
        "plus_di_14": adx.iloc[:, 1],
        "minus_di_14": adx.iloc[:, 2],
        "stoch_k": stochastics.iloc[:, 0],
        "stoch_d": stochastics.iloc[:, 1],
        "obv": second.obv(close, volume, talib=False),
        "return_20": close.pct_change(20),
        "volatility_20": close.pct_change().rolling(20).std(ddof=1) * 252**0.5,
    }
    for name, values in theirs.items():
        settled = slice(1_000, None)
        np.testing.assert_allclose(ours[name][settled], values.to_numpy()[settled], rtol=1e-6, atol=1e-9, err_msg=name)


def test_figures_of_the_last_bar_are_what_they_say() -> None:
    series = drawn_in_cents(3, 300, seed=4)
    latest = indicators_of(series).tail(1)
    for number, symbol in enumerate(series.symbols):
        one = series.of(symbol)
        close, volume = one.close, one.volume
        changes = close[1:] / close[:-1] - 1
        rises = np.sign(np.diff(close))
        high, low = one.high[-252:].max(), one.low[-252:].min()
        middle, deviation, atr = close[-20:].mean(), close[-20:].std(), talib.ATR(one.high, one.low, close, 14)[-1]
        expected = {
            "change": close[-1] / close[-2] - 1,
            "gap": one.open[-1] / close[-2] - 1,
            "relative_volume": volume[-1] / volume[-21:-1].mean(),
            "dollar_volume": close[-1] * volume[-1],
            "from_sma_20": close[-1] / middle - 1,
            "from_sma_50": close[-1] / close[-50:].mean() - 1,
            "from_sma_200": close[-1] / close[-200:].mean() - 1,
            "atr_pct": atr / close[-1],
            "bb_position": (close[-1] - (middle - 2 * deviation)) / (4 * deviation),
            "bb_width": 4 * deviation / middle,
            "obv_20": (rises[-20:] * volume[-20:]).sum() / volume[-20:].sum(),
            "volatility_20": changes[-20:].std(ddof=1) * 252**0.5,
            **{f"return_{held}": close[-1] / close[-1 - held] - 1 for held in (5, 20, 60, 120, 250)},
            "week52_high": high,
            "week52_low": low,
            "week52_position": (close[-1] - low) / (high - low),
            "from_week52_high": close[-1] / high - 1,
            "week52_bars": 252,
            "rs_raw": sum(
                weight * (close[-1] / close[-1 - sessions] - 1)
                for sessions, weight in {63: 0.4, 126: 0.2, 189: 0.2, 252: 0.2}.items()
            ),
        }
        for name, value in expected.items():
            assert latest[name][number] == pytest.approx(value, rel=1e-9), name


def test_52_weeks_are_those_that_there_are() -> None:
    series = drawn_in_cents(1, 100)
    found = history_of(series)

    assert found["week52_bars"].tolist() == list(range(1, 101))
    assert np.array_equal(found["week52_high"], np.maximum.accumulate(series.high))
    assert np.isnan(found["rs_raw"][:63]).all()
    expected = series.close[63] / series.close[0] - 1
    assert found["rs_raw"][63] == pytest.approx(expected), "all four spans are those of 63 bars"
    assert np.isnan(found["return_250"]).all()
    long = history_of(drawn_in_cents(1, 600))["week52_low"]
    expected_low = pd.Series(drawn_in_cents(1, 600).low).rolling(252, min_periods=1).min()
    assert np.array_equal(long, expected_low.to_numpy())


@pytest.mark.parametrize("scale", [1e-6, 1.0, 12_000.0])
def test_indicators_know_no_size_of_prices(scale: float) -> None:
    """A share at 0.00005 has the same figures as one at 50 and one at 600,000."""
    plain = drawn_in_cents(2, 300, seed=9)
    scaled = indicators_of(in_cents(plain, scale))
    for name, values in history_of(plain).items():
        is_amount = name == "dollar_volume" or (name in FIELDS and FIELDS[name].unit is Unit.PRICE)
        np.testing.assert_allclose(scaled[name], values * (scale if is_amount else 1), rtol=1e-6, atol=1e-12 * scale)


@pytest.mark.parametrize("bars", [0, 1, 2, 3, 15])
def test_short_histories_have_what_is_defined(bars: int) -> None:
    series = first_bars(drawn_in_cents(3, 20), bars)
    for name, values in history_of(series).items():
        assert len(values) == 3 * bars, name
        assert not np.isinf(values).any(), name


def test_a_price_that_never_moves_and_no_volume_leave_ratios_undefined() -> None:
    series = series_of({"A": [(10.1, 10.1, 10.1, 10.1)] * 300})
    still = replace(series, volume=np.zeros(300))
    latest = {name: values[-1] for name, values in history_of(still).items()}

    for name in ("relative_volume", "obv_20", "week52_position"):
        assert np.isnan(latest[name]), name
    assert latest["change"] == 0
    assert latest["volatility_20"] == 0
    assert latest["atr_14"] == 0
    assert not np.isinf(list(latest.values())).any()


@pytest.mark.parametrize(("days", "is_told"), [(LONGEST_GAP_DAYS, True), (LONGEST_GAP_DAYS + 1, False), (365, False)])
def test_what_happened_over_a_halt_is_no_change_of_a_day_and_silences_nothing_else(days: int, is_told: bool) -> None:
    series = drawn(2, 300)
    later = np.where(series.age >= 280, days - 3, 0)  # a weekend lies between the two bars already
    halted = indicators_of(replace(series, dates=series.dates + later))
    plain = indicators_of(series)
    for name in ("change", "gap"):
        assert np.flatnonzero(np.isnan(_of(halted, "S0001", name))).tolist() == ([0] if is_told else [0, 280])
    for name in ("volatility_20", "return_5", "rsi_14"):
        assert np.array_equal(halted[name], plain[name], equal_nan=True), name
    assert np.isnan(halted.tail(20)["change"][[0, 20]]).all() != is_told


def test_averages_of_equal_prices_do_not_stand_above_one_another() -> None:
    one = talib.SMA(np.full(300, 10.1), 20)
    assert not is_above(one[30:], np.full(270, 10.1)).any()
    assert not is_above(np.full(270, 10.1), one[30:]).any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), bars=st.integers(2, 320), kept=st.integers(1, 320))
def test_later_bars_change_nothing_before_them(seed: int, bars: int, kept: int) -> None:
    series = drawn(2, bars, seed=seed)
    known = first_bars(series, kept)
    whole, before = indicators_of(series), indicators_of(known)
    for name in INDICATORS:
        for symbol in series.symbols:
            assert np.array_equal(_of(before, symbol, name), _of(whole, symbol, name)[:kept], equal_nan=True), name


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(5)), cut=st.integers(1, 4))
def test_who_stands_beside_changes_nothing(seed: int, order: list[int], cut: int) -> None:
    series = drawn(5, 270, seed=seed)
    series = first_bars(series, 60) if seed % 2 else series
    alone = indicators_of(series)
    for chosen in (order[:cut], order[cut:]):
        together = picked(series, chosen)
        found = indicators_of(together)
        for name in INDICATORS:
            for symbol in together.symbols:
                assert np.array_equal(_of(found, symbol, name), _of(alone, symbol, name), equal_nan=True), name


def test_the_columns_of_a_tail_are_those_of_the_whole() -> None:
    series = replace(drawn(3, 320), starts=np.array([0, 5, 300, 960]))
    whole, tail = indicators_of(series), indicators_of(series).tail(40)
    places, _ = series.tail_places(40)

    assert tail.series.lengths.tolist() == [5, 40, 40]
    for name in INDICATORS:
        assert np.array_equal(tail[name], whole[name][places], equal_nan=True), name
    assert np.array_equal(tail.before("close", 100), whole.before("close", 100)[places], equal_nan=True)


def test_a_column_before_never_reaches_into_the_symbol_before() -> None:
    c = indicators_of(drawn(2, 4))
    assert np.isnan(c.before("close", 3)[[0, 1, 2, 4, 5, 6]]).all()
    assert np.isnan(c.before("close", 9)).all()
    assert c.before(c["close"] > 0).tolist() == [False, True, True, True] * 2
    assert c.highest(c["high"], 3)[4] == c["high"][4]


def test_each_output_of_the_engine_is_one_column() -> None:
    calls = [(each.compute, each.output) for each in INDICATORS.values() if isinstance(each.compute, EngineCall)]
    assert len(calls) == len(set(calls))


def _of(indicators: Indicators, symbol: str, name: str) -> Floats:
    number = indicators.series.symbols.index(symbol)
    starts = indicators.series.starts
    return indicators[name][starts[number] : starts[number + 1]]
