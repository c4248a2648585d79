"""Signals: what happens on one bar and makes an analyst look, long and short. One rule serves scans and history.

A rule is an expression of columns and reads nothing later than its bar. It says when something happens, not how long it
lasts: a close that stays above an average crossed it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeAlias

import numpy as np

from core.market.panel import Floats
from core.screener import candlesticks
from core.screener.candlesticks import CANDLESTICKS
from core.screener.direction import Direction
from core.screener.indicators import Indicators, is_above
from core.screener.series import LONGEST_GAP_DAYS, Flags

REACH = 64
"""Bars in which a rule of the last bar is found, but for what it reads by name; a scan runs rules on these alone."""
LEAST_OF_52_WEEKS = 200
"""Bars before one that make a high of 52 weeks, where there are not all 252."""
RANGE_BARS = 30
RANGE_IN_ATR = 4.5
"""A consolidation: the range of 30 bars is at most so many ATR, about half of what a random walk covers."""
RANGE_VOLUME = 1.5
"""Relative volume of a close out of a consolidation."""
SQUEEZE_BARS = 5
KELTNER_IN_ATR = 1.5
"""A squeeze: Bollinger's bands stand within EMA 21 ± 1.5 ATR for at least five bars."""
GAP_IN_ATR = 0.5
"""How far the open is beyond the range of the day before, in ATR of then."""
SURGE = 3.0
"""Relative volume of a surge."""
OVERSOLD, OVERBOUGHT = 30.0, 70.0
PIVOT_BARS = 3
"""Bars on each side of a low that is a pivot of a divergence; it is known so many bars later."""
PIVOTS_APART = 45
"""Bars that the two lows of a divergence are apart at most."""


class Family(StrEnum):
    """What a signal is made of."""

    BREAKOUT = "breakout"
    CROSS = "cross"
    SQUEEZE = "squeeze"
    RSI = "rsi"
    GAP = "gap"
    VOLUME = "volume"
    CANDLESTICK = "candlestick"
    CHART_PATTERN = "chart_pattern"


_CROSSES = (
    (("golden_cross", "Golden cross"), ("death_cross", "Death cross"), "sma_50", "sma_200", "SMA 50", "SMA 200"),
    (
        ("sma_20_over_50", "SMA 20 over 50"),
        ("sma_20_under_50", "SMA 20 under 50"),
        "sma_20",
        "sma_50",
        "SMA 20",
        "SMA 50",
    ),
    (
        ("close_over_50", "Close over SMA 50"),
        ("close_under_50", "Close under SMA 50"),
        "close",
        "sma_50",
        "The close",
        "SMA 50",
    ),
    (
        ("macd_over_signal", "MACD over its signal"),
        ("macd_under_signal", "MACD under its signal"),
        "macd",
        "macd_signal",
        "MACD",
        "its signal line",
    ),
)

Rule: TypeAlias = Callable[[Indicators], Flags]


@dataclass(frozen=True, slots=True)
class SignalType:
    """One line of the table of signals."""

    id: str
    label: str
    direction: Direction
    family: Family
    help: str
    """The rule in words."""
    rule: Rule
    reach: int = REACH
    """Bars in which its last one is found."""


def signals_of(indicators: Indicators) -> dict[str, Flags]:
    """Of every type, on which bars of the series it happened."""
    return {one.id: one.rule(indicators) for one in SIGNALS.values()}


def latest_signals(indicators: Indicators) -> dict[str, Flags]:
    """Of every type, for which symbols it happened on their last bar; equal to the last of `signals_of`.

    The symbols are those of the series that have bars.
    """
    found = {}
    tails = {reach: indicators.tail(reach) for reach in {one.reach for one in SIGNALS.values()}}
    last = {reach: (tail.series.starts[1:] - 1)[tail.series.lengths > 0] for reach, tail in tails.items()}
    for one in SIGNALS.values():
        found[one.id] = one.rule(tails[one.reach])[last[one.reach]]
    return found


def _plain() -> Iterator[SignalType]:
    yield from (*_breakouts(), *_crosses(), *_others())


def _pair(
    ids: tuple[str, str], labels: tuple[str, str], family: Family, helps: tuple[str, str], rules: tuple[Rule, Rule]
) -> Iterator[SignalType]:
    """A bullish signal and its mirror."""
    for number, direction in enumerate(Direction):
        yield SignalType(ids[number], labels[number], direction, family, helps[number], rules[number])


def _breakouts() -> Iterator[SignalType]:
    yield from _pair(
        ("breakout_20", "breakdown_20"),
        ("20-day breakout", "20-day breakdown"),
        Family.BREAKOUT,
        (
            "The close is above the high of the 20 bars before it; the close before was not above its own.",
            "The close is below the low of the 20 bars before it; the close before was not below its own.",
        ),
        (
            lambda c: c.rises_over(c["close"], _before_full(c, c.highest(c["high"], 20), 20)),
            lambda c: c.falls_under(c["close"], _before_full(c, c.lowest(c["low"], 20), 20)),
        ),
    )
    yield from _pair(
        ("breakout_52w", "breakdown_52w"),
        ("52-week breakout", "52-week breakdown"),
        Family.BREAKOUT,
        (
            "The close is above the high of the 252 bars before it, or of those available, at least 200; the close "
            "before was not above its own.",
            "The close is below the low of the 252 bars before it, or of those available, at least 200; the close "
            "before was not below its own.",
        ),
        (
            lambda c: c.rises_over(c["close"], _of_52_weeks_before(c, "week52_high")),
            lambda c: c.falls_under(c["close"], _of_52_weeks_before(c, "week52_low")),
        ),
    )
    words = (
        f"The 30 bars before cover at most {RANGE_IN_ATR:g} ATR, and the close leaves their range {{}} on at least "
        f"{RANGE_VOLUME:g} times the mean volume."
    )
    yield from _pair(
        ("breakout_range", "breakdown_range"),
        ("Breakout of a consolidation", "Breakdown of a consolidation"),
        Family.BREAKOUT,
        (words.format("upwards"), words.format("downwards")),
        (
            lambda c: _leaves_range(c, is_above(c["close"], c.before(c.highest(c["high"], RANGE_BARS)))),
            lambda c: _leaves_range(c, is_above(c.before(c.lowest(c["low"], RANGE_BARS)), c["close"])),
        ),
    )


def _crosses() -> Iterator[SignalType]:
    for up, down, one, other, one_name, other_name in _CROSSES:
        rises, falls = partial(_rises, one=one, other=other), partial(_falls, one=one, other=other)
        helps = (f"{one_name} rises over {other_name}.", f"{one_name} falls under {other_name}.")
        (up_id, up_label), (down_id, down_label) = up, down
        yield from _pair((up_id, down_id), (up_label, down_label), Family.CROSS, helps, (rises, falls))


def _others() -> Iterator[SignalType]:
    words = "The Bollinger bands were within the Keltner channel (EMA 21 ± 1.5 ATR) for five bars and leave it, with "
    yield from _pair(
        ("squeeze_up", "squeeze_down"),
        ("Squeeze released upwards", "Squeeze released downwards"),
        Family.SQUEEZE,
        (f"{words}the close above the middle band.", f"{words}the close below the middle band."),
        (
            lambda c: _is_released(c) & is_above(c["close"], c["bb_middle"]),
            lambda c: _is_released(c) & is_above(c["bb_middle"], c["close"]),
        ),
    )
    yield from _pair(
        ("rsi_back_above_30", "rsi_back_below_70"),
        ("RSI back above 30", "RSI back below 70"),
        Family.RSI,
        ("RSI 14 rises over 30.", "RSI 14 falls under 70."),
        (
            lambda c: c.rises_over(c["rsi_14"], np.full(len(c.series), OVERSOLD)),
            lambda c: c.falls_under(c["rsi_14"], np.full(len(c.series), OVERBOUGHT)),
        ),
    )
    yield from _pair(
        ("rsi_divergence_bullish", "rsi_divergence_bearish"),
        ("Bullish RSI divergence", "Bearish RSI divergence"),
        Family.RSI,
        (
            "A lower low of the price with a higher RSI 14 than at the low before, known three bars after the low.",
            "A higher high of the price with a lower RSI 14 than at the high before, known three bars after the high.",
        ),
        (lambda c: _diverges(c, c["low"], c["rsi_14"]), lambda c: _diverges(c, -c["high"], -c["rsi_14"])),
    )
    yield from _pair(
        ("gap_up", "gap_down"),
        ("Gap up", "Gap down"),
        Family.GAP,
        (
            f"The open is above the high of the day before by at least {GAP_IN_ATR:g} ATR; none after a halt of over "
            f"{LONGEST_GAP_DAYS} days.",
            f"The open is below the low of the day before by at least {GAP_IN_ATR:g} ATR; none after a halt of over "
            f"{LONGEST_GAP_DAYS} days.",
        ),
        (
            lambda c: _is_gap(c, c["open"] - c.before("high")),
            lambda c: _is_gap(c, c.before("low") - c["open"]),
        ),
    )
    yield from _pair(
        ("volume_surge_up", "volume_surge_down"),
        ("Volume surge up", "Volume surge down"),
        Family.VOLUME,
        (
            f"At least {SURGE:g} times the mean volume of the 20 sessions before, and the close rises.",
            f"At least {SURGE:g} times the mean volume of the 20 sessions before, and the close falls.",
        ),
        (
            lambda c: (c["relative_volume"] >= SURGE) & is_above(c["close"], c.before("close")),
            lambda c: (c["relative_volume"] >= SURGE) & is_above(c.before("close"), c["close"]),
        ),
    )


def _candlesticks() -> Iterator[SignalType]:
    """Those that have a side first: they lead a row before those that have none."""
    for name, pattern in sorted(CANDLESTICKS.items(), key=lambda item: not item[1].has_side):
        for sign, direction in zip("+-", Direction, strict=True):
            if sign not in pattern.signs:
                continue
            has_both = len(pattern.signs) > 1
            label = f"{direction.capitalize()} {pattern.label[0].lower()}{pattern.label[1:]}"
            without = "" if pattern.has_side else " It has no side of its own; the direction is the engine's sign."
            yield SignalType(
                f"cdl_{name}_{direction}" if has_both else f"cdl_{name}",
                label if has_both else pattern.label,
                direction,
                Family.CANDLESTICK,
                f"TA-Lib's CDL{name.upper()}{f' with the sign {sign}' if has_both else ''}.{without}",
                partial(_is_candle, name=name, is_bullish=sign == "+"),
                candlesticks.REACH,
            )


def _is_candle(c: Indicators, *, name: str, is_bullish: bool) -> Flags:
    signs = c.candles[name]
    return signs > 0 if is_bullish else signs < 0


def _rises(c: Indicators, *, one: str, other: str) -> Flags:
    return c.rises_over(c[one], c[other])


def _falls(c: Indicators, *, one: str, other: str) -> Flags:
    return c.falls_under(c[one], c[other])


def _before_full(c: Indicators, extreme: Floats, bars: int) -> Floats:
    """The extreme of the bars before each bar, where there are as many as it takes."""
    return np.where(c.age >= bars, c.before(extreme), np.nan)


def _of_52_weeks_before(c: Indicators, name: str) -> Floats:
    return np.where(c.age >= LEAST_OF_52_WEEKS, c.before(name), np.nan)


def _leaves_range(c: Indicators, is_beyond: Flags) -> Flags:
    height = c.before(c.highest(c["high"], RANGE_BARS)) - c.before(c.lowest(c["low"], RANGE_BARS))
    is_narrow: Flags = (height <= RANGE_IN_ATR * c.before("atr_14")) & (c.age >= RANGE_BARS)
    return is_narrow & is_beyond & (c["relative_volume"] >= RANGE_VOLUME)


def _is_released(c: Indicators) -> Flags:
    """Whether the bands leave the channel after at least so many bars within it."""
    half = KELTNER_IN_ATR * c["atr_14"]
    is_squeezed = (c["bb_upper"] < c["ema_21"] + half) & (c["bb_lower"] > c["ema_21"] - half)
    was_squeezed = np.logical_and.reduce([c.before(is_squeezed, bars) for bars in range(1, SQUEEZE_BARS + 1)])
    is_released: Flags = was_squeezed & ~is_squeezed
    return is_released


def _is_gap(c: Indicators, beyond: Floats) -> Flags:
    atr = c.before("atr_14")
    is_gap: Flags = (beyond >= GAP_IN_ATR * atr) & (beyond > 0) & (c["days_apart"] <= LONGEST_GAP_DAYS)
    return is_gap


def _diverges(c: Indicators, low: Floats, rsi: Floats) -> Flags:
    """Whether the pivot low that is known on this bar is below the one before it, with a higher RSI.

    A pivot low is below the three bars before it and not above the three after it.
    """
    middle = c.before(low, PIVOT_BARS)
    is_pivot = np.logical_and.reduce(
        [middle <= low]
        + [middle <= c.before(low, bars) for bars in range(1, PIVOT_BARS)]
        + [middle < c.before(low, bars) for bars in range(PIVOT_BARS + 1, 2 * PIVOT_BARS + 1)]
    )
    here = np.arange(len(c.series))
    latest = np.maximum.accumulate(np.where(is_pivot, here, -1))
    previous = np.concatenate((np.array([-1]), latest[:-1]))[: len(here)]
    apart = here - previous
    is_near = is_pivot & (previous >= 0) & (apart <= np.minimum(c.series.age, PIVOTS_APART))
    at, earlier = here[is_near] - PIVOT_BARS, previous[is_near] - PIVOT_BARS
    diverges = np.zeros(len(here), np.bool_)
    diverges[is_near] = is_above(low[earlier], low[at]) & is_above(rsi[at], rsi[earlier])
    return diverges


SIGNALS: Mapping[str, SignalType] = {one.id: one for one in (*_plain(), *_candlesticks())}
"""Every signal that is a rule of bars, by id; of two with the same confidence the earlier leads."""
