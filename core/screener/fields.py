"""The figures that a screen may ask for: the one table behind widgets, validation, HTTP and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.direction import Direction
from core.screener.partition import STALE_AFTER
from core.screener.records import CONFIDENCE_HORIZON, MINIMUM_N
from core.screener.series import LONGEST_GAP_DAYS
from core.screener.signals import SIGNALS


class Unit(StrEnum):
    """What a figure is measured in."""

    PRICE = "price"
    """An amount for one share, in the instrument's currency."""
    FRACTION = "fraction"
    """A part of something, 0.05 in JSON and 5 % on pages."""
    RATIO = "ratio"
    """How many times as much."""
    POINTS = "points"
    """A place on a scale with a fixed top."""
    COUNT = "count"
    """How many, or how much in all."""
    TEXT = "text"
    LIST = "list"


class Operator(StrEnum):
    """What a condition asks of a figure."""

    ABOVE = "above"
    BELOW = "below"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"
    ABOVE_FIELD = "above_field"
    BELOW_FIELD = "below_field"
    IS = "is"
    IS_NOT = "is_not"
    IS_ONE_OF = "is_one_of"
    CONTAINS_ANY = "contains_any"
    CONTAINS_ALL = "contains_all"


OPERATOR_LABELS: Mapping[Operator, str] = {
    Operator.ABOVE: "is above",
    Operator.BELOW: "is below",
    Operator.AT_LEAST: "is at least",
    Operator.AT_MOST: "is at most",
    Operator.BETWEEN: "is between",
    Operator.ABOVE_FIELD: "is above the figure",
    Operator.BELOW_FIELD: "is below the figure",
    Operator.IS: "is",
    Operator.IS_NOT: "is not",
    Operator.IS_ONE_OF: "is one of",
    Operator.CONTAINS_ANY: "is any of",
    Operator.CONTAINS_ALL: "includes all of",
}

_NUMBERS = (
    *(Operator.ABOVE, Operator.BELOW, Operator.AT_LEAST, Operator.AT_MOST, Operator.BETWEEN),
    *(Operator.ABOVE_FIELD, Operator.BELOW_FIELD),
)
OPERATORS_OF: Mapping[Unit, tuple[Operator, ...]] = {
    Unit.PRICE: _NUMBERS,
    Unit.FRACTION: _NUMBERS,
    Unit.RATIO: _NUMBERS,
    Unit.POINTS: _NUMBERS,
    Unit.COUNT: _NUMBERS,
    Unit.TEXT: (Operator.IS, Operator.IS_NOT, Operator.IS_ONE_OF),
    Unit.LIST: (Operator.CONTAINS_ANY, Operator.CONTAINS_ALL),
}
"""`above` and `below` leave the value itself out; `at_least`, `at_most` and `between` take it in."""

MAX_PRICE = 10_000_000.0
MAX_COUNT = 1e15


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a scan's results as a screen asks for it."""

    id: str
    """The column."""
    label: str
    group: str
    unit: Unit
    help: str
    """Formula and convention, in a sentence."""
    low: float = -inf
    """The least that the figure can be."""
    high: float = inf
    step: float = 1.0
    """How far one press of a widget's arrow goes."""
    decimals: int = 2
    """With which the figure is shown; of a fraction, those of its percentage."""
    choices: Mapping[str, str] | None = None
    """Values of a text or list with their labels; None: any text."""

    @property
    def operators(self) -> tuple[Operator, ...]:
        """What can be asked of it."""
        return OPERATORS_OF[self.unit]

    @property
    def is_number(self) -> bool:
        """Whether it is compared by size."""
        return self.unit not in (Unit.TEXT, Unit.LIST)

    @property
    def phrase(self) -> str:
        """The label as it stands within a sentence."""
        is_word = len(self.label) > 1 and self.label[1].islower()
        return self.label[0].lower() + self.label[1:] if is_word else self.label


GROUPS = (
    *("Price", "Trend", "Momentum", "Volatility", "Volume"),
    *("Strength", "52 weeks", "Signals", "Company"),
)
"""In the order in which they are shown."""


def _price(name: str, label: str, group: str, help_: str, low: float = 0.0) -> Field:
    return Field(name, label, group, Unit.PRICE, help_, low, MAX_PRICE, step=1.0)


def _fraction(name: str, label: str, group: str, help_: str, *, low: float = -1.0, high: float = 1000.0) -> Field:
    return Field(name, label, group, Unit.FRACTION, help_, low, high, step=0.01, decimals=1)


def _points(name: str, label: str, group: str, help_: str) -> Field:
    return Field(name, label, group, Unit.POINTS, help_, 0.0, 100.0, step=1.0, decimals=1)


def _count(name: str, label: str, group: str, help_: str, *, high: float = MAX_COUNT, step: float = 1.0) -> Field:
    return Field(name, label, group, Unit.COUNT, help_, 0.0, high, step=step, decimals=0)


def _text(name: str, label: str, group: str, help_: str, choices: Mapping[str, str] | None = None) -> Field:
    return Field(name, label, group, Unit.TEXT, help_, choices=choices)


_DIRECTIONS = {direction.value: direction.capitalize() for direction in Direction}
_PATTERNS = {name: pattern.label for name, pattern in CHART_PATTERNS.items()}
_SIGNALS = {**{name: signal.label for name, signal in SIGNALS.items()}, **_PATTERNS}

_HALT = f"missing where that is over {LONGEST_GAP_DAYS} days older"

_TABLE: tuple[Field, ...] = (
    _price("close", "Close", "Price", "Last close, adjusted for splits, in the instrument's currency."),
    _fraction("change", "Change", "Price", f"Close ÷ close of the bar before − 1; {_HALT}."),
    _fraction("gap", "Gap", "Price", f"Open ÷ close of the bar before − 1; {_HALT}."),
    _fraction("return_5", "5-session return", "Price", "Close ÷ close 5 sessions earlier − 1, without dividends."),
    _fraction("return_20", "20-session return", "Price", "Close ÷ close 20 sessions earlier − 1, without dividends."),
    _fraction("return_60", "60-session return", "Price", "Close ÷ close 60 sessions earlier − 1, without dividends."),
    _fraction(
        "return_120", "120-session return", "Price", "Close ÷ close 120 sessions earlier − 1, without dividends."
    ),
    _fraction(
        "return_250", "250-session return", "Price", "Close ÷ close 250 sessions earlier − 1, without dividends."
    ),
    _price("sma_20", "20-day average", "Trend", "Mean of the last 20 closes (simple moving average)."),
    _price("sma_50", "50-day average", "Trend", "Mean of the last 50 closes (simple moving average)."),
    _price("sma_200", "200-day average", "Trend", "Mean of the last 200 closes (simple moving average)."),
    _price(
        "ema_21",
        "21-day exponential average",
        "Trend",
        "Exponential moving average of closes over 21 sessions, seeded with a simple mean, as TA-Lib has it.",
    ),
    _fraction("from_sma_20", "Distance to 20-day average", "Trend", "Close ÷ 20-day average − 1."),
    _fraction("from_sma_50", "Distance to 50-day average", "Trend", "Close ÷ 50-day average − 1."),
    _fraction("from_sma_200", "Distance to 200-day average", "Trend", "Close ÷ 200-day average − 1."),
    _points("adx_14", "ADX", "Trend", "Average directional index over 14 sessions, Wilder's smoothing; 25 is a trend."),
    _points("plus_di_14", "Plus DI", "Trend", "Positive directional indicator over 14 sessions, Wilder's smoothing."),
    _points("minus_di_14", "Minus DI", "Trend", "Negative directional indicator over 14 sessions, Wilder's smoothing."),
    _points("rsi_14", "RSI", "Momentum", "Relative strength index of closes over 14 sessions, Wilder's smoothing."),
    _price(
        "macd",
        "MACD",
        "Momentum",
        "Exponential average of 12 closes less that of 26, in the instrument's currency.",
        low=-MAX_PRICE,
    ),
    _price("macd_signal", "MACD signal line", "Momentum", "Exponential average of the last 9 MACDs.", low=-MAX_PRICE),
    _price("macd_hist", "MACD histogram", "Momentum", "MACD less its signal line.", low=-MAX_PRICE),
    _points(
        "stoch_k",
        "Stochastic %K",
        "Momentum",
        "Slow %K: where the close lies in the range of 14 sessions, averaged over 3.",
    ),
    _points("stoch_d", "Stochastic %D", "Momentum", "Mean of the last 3 slow %K."),
    _price("atr_14", "ATR", "Volatility", "Average true range over 14 sessions, Wilder's smoothing."),
    _fraction("atr_pct", "ATR ÷ close", "Volatility", "ATR ÷ close.", low=0.0),
    _fraction(
        "volatility_20",
        "Annual volatility",
        "Volatility",
        "Sample standard deviation of the last 20 daily returns × √252.",
        low=0.0,
    ),
    _price("bb_upper", "Upper Bollinger band", "Volatility", "20-day average + 2 standard deviations (n, not n − 1)."),
    _price("bb_middle", "Middle Bollinger band", "Volatility", "20-day average."),
    _price(
        "bb_lower",
        "Lower Bollinger band",
        "Volatility",
        "20-day average − 2 standard deviations (n, not n − 1).",
        low=-MAX_PRICE,
    ),
    _fraction(
        "bb_position",
        "Place in the bands",
        "Volatility",
        "(Close − lower band) ÷ (upper − lower): 0 % on the lower Bollinger band, 100 % on the upper, beyond outside.",
        low=-100.0,
        high=100.0,
    ),
    _fraction(
        "bb_width", "Band width", "Volatility", "(Upper − lower Bollinger band) ÷ middle; small is a squeeze.", low=0.0
    ),
    _count("volume", "Volume", "Volume", "Shares traded in the session.", step=100_000),
    Field(
        "relative_volume",
        "Relative volume",
        "Volume",
        Unit.RATIO,
        "Volume ÷ mean volume of the 20 sessions before.",
        0.0,
        1e6,
        step=0.1,
    ),
    _count("dollar_volume", "Traded value", "Volume", "Close × volume, in the instrument's currency.", step=1_000_000),
    _fraction(
        "obv_20",
        "20-session OBV",
        "Volume",
        "Change of on-balance volume over 20 sessions ÷ volume of these sessions, −100 % to 100 %.",
        high=1.0,
    ),
    Field(
        "rs_rating",
        "RS rating",
        "Strength",
        Unit.POINTS,
        "Rank within the universe, 1 (weakest) to 99 (strongest), of the return of 63 sessions × 0.4 and those of 126, "
        "189 and 252 × 0.2 each, or of those there are, 64 bars at least.",
        1.0,
        99.0,
        decimals=0,
    ),
    _price(
        "week52_high",
        "52-week high",
        "52 weeks",
        "Highest high of 252 sessions, or of those there are, the last bar included.",
    ),
    _price(
        "week52_low",
        "52-week low",
        "52 weeks",
        "Lowest low of 252 sessions, or of those there are, the last bar included.",
    ),
    _fraction(
        "week52_position",
        "Place in the 52-week range",
        "52 weeks",
        "(Close − low) ÷ (high − low) of 252 sessions, or of those there are: 0 % at the low, 100 % at the high.",
        low=0.0,
        high=1.0,
    ),
    _fraction("from_week52_high", "Distance to 52-week high", "52 weeks", "Close ÷ 52-week high − 1.", high=0.0),
    _count(
        "week52_bars",
        "Bars in 52 weeks",
        "52 weeks",
        "How many of the 252 sessions there are; with fewer the high and low are of those.",
        high=252,
    ),
    Field(
        "signals",
        "Signal",
        "Signals",
        Unit.LIST,
        "Types of the signals on the last bar, where that is of the day of the scan.",
        choices=_SIGNALS,
    ),
    Field(
        "pattern",
        "Chart pattern",
        "Signals",
        Unit.LIST,
        "Chart patterns that were confirmed by the day of the scan: forming, or triggered on it.",
        choices=_PATTERNS,
    ),
    _text(
        "direction",
        "Direction",
        "Signals",
        "Direction of the row's leading signal: the one of the highest confidence; without any, the first in the list.",
        _DIRECTIONS,
    ),
    _fraction(
        "confidence",
        "Confidence",
        "Signals",
        f"How likely the leading signal is right over {CONFIDENCE_HORIZON} sessions: the hit rate of its type in this "
        f"universe, drawn towards that of all entries; missing below {MINIMUM_N} earlier signals.",
        low=0.0,
        high=1.0,
    ),
    _count("confidence_n", "Signals behind the confidence", "Signals", "How many earlier signals it is taken from."),
    _price(
        "entry",
        "Entry",
        "Signals",
        "The last close; records enter at the next open instead.",
    ),
    _price("stop", "Stop", "Signals", "Price at which the leading signal is given up."),
    _price("target", "Target", "Signals", "Price that the leading signal aims at."),
    Field(
        "reward_risk",
        "Reward to risk",
        "Signals",
        Unit.RATIO,
        "(Target − entry) ÷ (entry − stop) of the leading signal; by rule from 2 to 4 but for chart patterns.",
        0.0,
        10_000.0,
        step=0.1,
    ),
    _text("symbol", "Symbol", "Company", "The instrument's symbol as the workbench spells it."),
    _text("sector", "Sector", "Company", "Sector that the universe's list gives, in whatever case."),
    _text("exchange", "Exchange", "Company", "Market identifier code, as XNYS or XNSE."),
    _text("currency", "Currency", "Company", "ISO 4217 code of the currency that prices are in."),
    _count("bars", "Bars", "Company", "Sessions with bars in the window of the scan.", high=100_000),
    _count(
        "behind",
        "Sessions behind",
        "Company",
        "Sessions up to the day of the scan that came after the last bar, of which all figures are; a row that is "
        "behind has no signals.",
        high=STALE_AFTER,
    ),
    _count("mended", "Mended bars", "Company", "Bars of the window that were mended before use.", high=100_000),
)

FIELDS: Mapping[str, Field] = {field.id: field for field in _TABLE}
"""Every figure by its id, group by group."""
