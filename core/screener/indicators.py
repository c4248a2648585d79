"""Indicators of whole universes, as TA-Lib computes them: flat columns beside the bars, each computed when first read.

A symbol's values depend on its own bars alone. NaN is where an indicator is not defined.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from math import sqrt
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.market.panel import Floats
from core.screener.candlesticks import Candles
from core.screener.series import LONGEST_GAP_DAYS, Flags, Numbers, Series

WEEKS_52 = 252
"""Sessions of 52 weeks; where a history is shorter, figures are of the bars that there are."""
SESSIONS_A_YEAR = 252
PERFORMANCE = {63: 0.4, 126: 0.2, 189: 0.2, 252: 0.2}
"""Sessions of the performances that make the relative strength, and the weight of each: the last quarter counts
double. A performance over more sessions than there are is that over those there are."""
LEAST_PERFORMANCE = 63
SAME = 1e-9
"""Share by which two values must differ to be told apart: averages of equal prices differ by rounding."""
UNITS = 2.0**20
"""Prices are multiplied by this for the engine, which takes differences below 1e-14 for 0, and so would those of a
share at 0.0001. A power of two: nothing else changes."""

_Column = TypeVar("_Column", bound=np.generic)


@dataclass(frozen=True)
class EngineCall:
    """One function of the engine, with what it reads and its parameters; called for each symbol by itself."""

    function: str
    inputs: tuple[str, ...]
    parameters: tuple[float, ...] = ()
    outputs: int = 1


Formula: TypeAlias = Callable[["Indicators"], Floats]


@dataclass(frozen=True, slots=True)
class Indicator:
    """One column: by the engine over the whole history, or by a formula of other columns, bar by bar."""

    compute: EngineCall | Formula
    output: int = 0
    """Which of the engine's outputs it is; each is one column alone."""
    is_whole: bool = False
    """Whether a formula needs the whole history, as the engine does."""
    is_price: bool = False
    """Whether the engine gives it in its units of prices."""


class Indicators(Mapping[str, Floats]):
    """The columns of a series by name: its bars (`open` … `volume`) and INDICATORS, all as long as the series.

    Rules are expressions of these columns and of `before`, which never reaches into the symbol before.
    """

    def __init__(self, series: Series, tail_of: tuple[Indicators, Numbers] | None = None) -> None:
        self.series = series
        self._whole: Indicators | None = None
        self._places: Numbers = np.arange(len(series))
        if tail_of is not None:
            self._whole, self._places = tail_of
        self._columns: dict[str, Floats] = {}
        self._outputs: dict[EngineCall, tuple[Floats, ...]] = {}
        self._firsts: dict[int, Numbers] = {}
        self.candles = Candles(series)

    def __getitem__(self, name: str) -> Floats:
        if name not in self._columns:
            self._columns[name] = self._computed(name)
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(INDICATORS)

    def __len__(self) -> int:
        return len(INDICATORS)

    def tail(self, bars: int) -> Indicators:
        """The columns of the last bars of each symbol, equal to those of the whole; names reach back beyond them."""
        assert self._whole is None
        if not len(self.series) or bars >= int(self.series.lengths.max()):
            return self
        return Indicators(self.series.tail(bars), (self, self.series.tail_places(bars)[0]))

    @cached_property
    def age(self) -> NDArray[np.int32]:
        """How many bars of its symbol stand before each bar, in the whole history."""
        return self.series.age if self._whole is None else self._whole.series.age[self._places]

    def before(self, column: str | NDArray[_Column], bars: int = 1) -> NDArray[Any]:
        """A column as it was some bars earlier; NaN, or False, where the symbol has none so early.

        A column that is given by name is read from the whole history, others no further than they reach themselves.
        """
        if isinstance(column, str):
            if self._whole is not None:
                earlier = self._whole[column][np.maximum(self._places - bars, 0)]
                earlier[self.age < bars] = np.nan
                return earlier
            return self.before(self[column], bars)
        missing = False if column.dtype == np.bool_ else np.nan
        shifted = np.empty_like(column)
        shifted[bars:] = column[: max(len(column) - bars, 0)]
        if bars not in self._firsts:
            self._firsts[bars] = np.flatnonzero(self.series.age < bars)
        shifted[self._firsts[bars]] = missing
        return shifted

    def since(self, name: str, bars: int) -> Floats:
        """A column as it was some bars earlier or, where the symbol has none so early, at its first bar."""
        whole = self if self._whole is None else self._whole
        return whole[name][self._places - np.minimum(self.age, bars)]

    def highest(self, column: Floats, bars: int) -> Floats:
        """The highest of the last bars, this one included; of those that there are where they are fewer."""
        return self._widest(column, bars, np.fmax)

    def lowest(self, column: Floats, bars: int) -> Floats:
        """The lowest of the last bars, this one included; of those that there are where they are fewer."""
        return self._widest(column, bars, np.fmin)

    def rises_over(self, one: Floats, other: Floats) -> Flags:
        """Whether one column is above another, and was not on the bar before."""
        above = is_above(one, other)
        defined = ~np.isnan(one) & ~np.isnan(other)
        rises: Flags = above & ~self.before(above) & self.before(defined)
        return rises

    def falls_under(self, one: Floats, other: Floats) -> Flags:
        """Whether one column is below another, and was not on the bar before."""
        return self.rises_over(other, one)

    def _widest(self, column: Floats, bars: int, choose: np.ufunc) -> Floats:
        width = 1
        while width < bars:
            step = min(width, bars - width)
            column = choose(column, self.before(column, step))
            width += step
        return column

    def _computed(self, name: str) -> Floats:
        if name in _BARS:
            bars: Floats = getattr(self.series, name)
            return bars
        indicator = INDICATORS[name]
        compute = indicator.compute
        if self._whole is not None and (indicator.is_whole or isinstance(compute, EngineCall)):
            return self._whole[name][self._places]
        if not isinstance(compute, EngineCall):
            return compute(self)
        if compute not in self._outputs:
            self._outputs[compute] = self._called(compute)
        output = self._outputs[compute][indicator.output]
        if indicator.is_price:
            output *= 1 / UNITS
        return output

    def _called(self, call: EngineCall) -> tuple[Floats, ...]:
        views = [self._views(name) for name in call.inputs]
        function, parameters = _engine(call.function), call.parameters
        outputs = tuple(np.empty(len(self.series)) for _ in range(call.outputs))
        places = [slice(begin, end) for begin, end in self._runs]
        if len(outputs) == 1:
            (output,) = outputs
            for place, inputs in zip(places, zip(*views, strict=True), strict=True):
                output[place] = function(*inputs, *parameters)
        else:
            for place, inputs in zip(places, zip(*views, strict=True), strict=True):
                for output, values in zip(outputs, function(*inputs, *parameters), strict=True):
                    output[place] = values
        return outputs

    def _views(self, name: str) -> list[Floats]:
        """The column of each symbol by itself, prices in the engine's units."""
        column = self[name]
        if name in _PRICES:
            if f"{name} in units" not in self._columns:
                self._columns[f"{name} in units"] = column * UNITS
            column = self._columns[f"{name} in units"]
        return [column[begin:end] for begin, end in self._runs]

    @cached_property
    def _runs(self) -> list[tuple[int, int]]:
        """Where each symbol that has bars begins and ends."""
        starts: Sequence[int] = self.series.starts.tolist()
        return [(begin, end) for begin, end in pairwise(starts) if begin < end]


def indicators_of(series: Series) -> Indicators:
    """The indicators of all symbols of a series; nothing is computed before it is read."""
    return Indicators(series)


def history_of(series: Series) -> dict[str, Floats]:
    """Every indicator of one symbol's history, as charts show them."""
    return dict(Indicators(series))


def ratio(one: Floats, other: Floats) -> Floats:
    """One over the other; NaN where the other is not above 0."""
    quotient = np.full(len(one), np.nan)
    np.divide(one, other, out=quotient, where=other > 0)
    return quotient


def is_above(one: Floats, other: Floats) -> Flags:
    """Whether one is above the other by more than rounding."""
    above: Flags = one - other > SAME * np.abs(other)
    return above


@cache
def _engine(function: str) -> Callable[..., Any]:
    """A function of the engine without its wrapper for data frames, which takes longer than a call itself."""
    import talib

    found: Callable[..., Any] = inspect.unwrap(getattr(talib, function))
    return found


def _change_over(sessions: int) -> Formula:
    return lambda c: ratio(c["close"], c.before("close", sessions)) - 1


def _days_apart(c: Indicators) -> Floats:
    """Calendar days since the bar before; NaN where there is none."""
    apart = np.full(len(c.series), np.nan)
    apart[1:] = np.diff(c.series.dates).astype(np.float64)
    apart[c.series.age == 0] = np.nan
    return apart


def _since_the_bar_before(column: str) -> Formula:
    """What a column is above the close before it; not defined over a halt, which is no move of one day."""
    return lambda c: np.where(c["days_apart"] <= LONGEST_GAP_DAYS, ratio(c[column], c.before("close")) - 1, np.nan)


def _extreme_of_52_weeks(column: str, function: str, so_far: np.ufunc) -> Formula:
    """The highest or lowest of 52 weeks, or of the bars so far where these are fewer."""

    def compute(c: Indicators) -> Floats:
        engine = _engine(function)
        found = []
        for view in c._views(column):
            extreme = so_far.accumulate(view[:WEEKS_52])
            if len(view) > WEEKS_52:
                extreme = np.concatenate((extreme, engine(view, WEEKS_52)[WEEKS_52:]))
            found.append(extreme)
        return np.concatenate(found) * (1 / UNITS) if found else np.empty(0)

    return compute


def _volatility(c: Indicators) -> Floats:
    """The engine's deviation is with n; volatility is told with n − 1."""
    return c["deviation_20"] * sqrt(20 / 19 * SESSIONS_A_YEAR)


def _performance(c: Indicators) -> Floats:
    """The weighted performance over four spans, each over the bars that there are."""
    total = np.zeros(len(c.series))
    for sessions, weight in PERFORMANCE.items():
        total += weight * (ratio(c["close"], c.since("close", sessions)) - 1)
    total[c.age < LEAST_PERFORMANCE] = np.nan
    return total


def _position(part: str, low: str, high: str) -> Formula:
    return lambda c: ratio(c[part] - c[low], c[high] - c[low])


_BARS = ("open", "high", "low", "close", "volume")
_PRICES = _BARS[:4]
_RANGE = ("high", "low", "close")
_MACD = EngineCall("MACD", ("close",), (12, 26, 9), 3)
_BANDS = EngineCall("BBANDS", ("close",), (20, 2.0, 2.0, 0), 3)
_STOCHASTICS = EngineCall("STOCH", _RANGE, (14, 3, 0, 3, 0), 2)

INDICATORS: Mapping[str, Indicator] = {
    "days_apart": Indicator(_days_apart, is_whole=True),
    "change": Indicator(_since_the_bar_before("close")),
    "gap": Indicator(_since_the_bar_before("open")),
    "volume_sma_20": Indicator(EngineCall("SMA", ("volume",), (20,))),
    "relative_volume": Indicator(lambda c: ratio(c["volume"], c.before("volume_sma_20"))),
    "dollar_volume": Indicator(lambda c: c["close"] * c["volume"]),
    "sma_20": Indicator(lambda c: c["bb_middle"]),
    "sma_50": Indicator(EngineCall("SMA", ("close",), (50,)), is_price=True),
    "sma_200": Indicator(EngineCall("SMA", ("close",), (200,)), is_price=True),
    "ema_21": Indicator(EngineCall("EMA", ("close",), (21,)), is_price=True),
    "from_sma_20": Indicator(lambda c: ratio(c["close"], c["sma_20"]) - 1),
    "from_sma_50": Indicator(lambda c: ratio(c["close"], c["sma_50"]) - 1),
    "from_sma_200": Indicator(lambda c: ratio(c["close"], c["sma_200"]) - 1),
    "rsi_14": Indicator(EngineCall("RSI", ("close",), (14,))),
    "macd": Indicator(_MACD, is_price=True),
    "macd_signal": Indicator(_MACD, 1, is_price=True),
    "macd_hist": Indicator(_MACD, 2, is_price=True),
    "atr_14": Indicator(EngineCall("ATR", _RANGE, (14,)), is_price=True),
    "atr_pct": Indicator(lambda c: ratio(c["atr_14"], c["close"])),
    "bb_upper": Indicator(_BANDS, 0, is_price=True),
    "bb_middle": Indicator(_BANDS, 1, is_price=True),
    "bb_lower": Indicator(_BANDS, 2, is_price=True),
    "bb_position": Indicator(_position("close", "bb_lower", "bb_upper")),
    "bb_width": Indicator(lambda c: ratio(c["bb_upper"] - c["bb_lower"], c["bb_middle"])),
    "adx_14": Indicator(EngineCall("ADX", _RANGE, (14,))),
    "plus_di_14": Indicator(EngineCall("PLUS_DI", _RANGE, (14,))),
    "minus_di_14": Indicator(EngineCall("MINUS_DI", _RANGE, (14,))),
    "stoch_k": Indicator(_STOCHASTICS),
    "stoch_d": Indicator(_STOCHASTICS, 1),
    "obv": Indicator(EngineCall("OBV", ("close", "volume"))),
    "obv_20": Indicator(
        lambda c: ratio(c["obv"] - c.before("obv", 20), 20 * c["volume_sma_20"]),
    ),
    "return_1": Indicator(_change_over(1)),
    "deviation_20": Indicator(EngineCall("STDDEV", ("return_1",), (20, 1.0))),
    "volatility_20": Indicator(_volatility),
    "return_5": Indicator(_change_over(5)),
    "return_20": Indicator(_change_over(20)),
    "return_60": Indicator(_change_over(60)),
    "return_120": Indicator(_change_over(120)),
    "return_250": Indicator(_change_over(250)),
    "week52_high": Indicator(_extreme_of_52_weeks("high", "MAX", np.maximum), is_whole=True),
    "week52_low": Indicator(_extreme_of_52_weeks("low", "MIN", np.minimum), is_whole=True),
    "week52_position": Indicator(_position("close", "week52_low", "week52_high")),
    "from_week52_high": Indicator(lambda c: ratio(c["close"], c["week52_high"]) - 1),
    "week52_bars": Indicator(lambda c: np.minimum(c.age + 1, WEEKS_52).astype(np.float64)),
    "rs_raw": Indicator(_performance),
}
"""Every indicator by its name, in the order of the results; `core.screener.fields` says what each is, and its unit."""
