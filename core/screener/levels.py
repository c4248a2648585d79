"""Entry, stop and target of a signal, from the average true range and from structure.

Entry: the close. Stop: at the last swing, the extreme of ten bars, but half an ATR to two ATR away. Target: the
52-week extreme where it pays two to four times the risk, otherwise twice the risk. No price falls under a tenth of the
entry. Bearish signals are the mirror.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.market.panel import Floats
from core.screener.direction import Direction
from core.screener.indicators import Indicators, ratio

SWING_BARS = 10
LEAST_RISK_IN_ATR = 0.5
MOST_RISK_IN_ATR = 2.0
LEAST_REWARD = 2.0
"""Times the risk; a target by structure has to pay as much, and one without structure pays it."""
MOST_REWARD = 4.0
LEAST_PRICE = 0.1
"""Share of the entry that no level falls below: prices are above 0 however wide their range is."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels on each bar; NaN where there is no risk to measure them by."""

    entry: Floats
    stop: Floats
    target: Floats
    reward_risk: Floats
    """What the target pays for what the stop risks."""


def levels_of(indicators: Indicators, direction: Direction) -> Levels:
    """The levels of a signal of this direction on every bar: stop < entry < target, or the other way round."""
    c, is_bullish = indicators, direction is Direction.BULLISH
    entry, atr = c["close"], c["atr_14"]
    if is_bullish:
        swing, extreme, side = c.lowest(c["low"], SWING_BARS), c["week52_high"], 1.0
    else:
        swing, extreme, side = c.highest(c["high"], SWING_BARS), c["week52_low"], -1.0
    risk = np.clip((entry - swing) * side, LEAST_RISK_IN_ATR * atr, MOST_RISK_IN_ATR * atr)
    stop = np.maximum(entry - side * risk, LEAST_PRICE * entry)
    risk = np.abs(entry - stop)
    reward = (extreme - entry) * side
    is_structure = (reward >= LEAST_REWARD * risk) & (reward <= MOST_REWARD * risk)
    target = np.maximum(np.where(is_structure, extreme, entry + side * LEAST_REWARD * risk), LEAST_PRICE * entry)
    is_ordered = ((entry - stop) * side > 0) & ((target - entry) * side > 0)
    entry, stop, target = (np.where(is_ordered, level, np.nan) for level in (entry, stop, target))
    return Levels(entry, stop, target, ratio(np.abs(target - entry), np.abs(entry - stop)))
