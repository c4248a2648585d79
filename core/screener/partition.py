"""One part of a scan: the latest bar of some symbols. A pure function of their bars, so that it does not matter how a
universe is cut, by which process a part is scanned, or when."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import asdict, dataclass
from datetime import date
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from core.market.panel import Days, Panel
from core.screener.direction import Direction
from core.screener.frames import bytes_of, frame_of
from core.screener.indicators import Indicators, indicators_of
from core.screener.levels import levels_of
from core.screener.series import Flags, Numbers, Series, cleaned
from core.screener.signals import LEAST_OF_52_WEEKS, REACH, SIGNALS, Family, latest_signals

if TYPE_CHECKING:
    import polars as pl

    from core.screener.chart_patterns.patterns import ChartPattern

LEAST_BARS = 30
"""Bars without which a symbol is not scanned; the length of a sparkline too."""
STALE_AFTER = 5
"""Sessions up to the day without a bar, past which a symbol is not scanned."""
SYMBOLS_AT_ONCE = 850
"""Symbols whose indicators are in memory together: more would take more of it, and no less time."""
RESULT_INDICATORS = tuple(
    "change gap volume relative_volume dollar_volume sma_20 sma_50 sma_200 ema_21 from_sma_20 from_sma_50 from_sma_200 "
    "rsi_14 macd macd_signal macd_hist atr_14 atr_pct bb_upper bb_middle bb_lower bb_position bb_width adx_14 "
    "plus_di_14 minus_di_14 stoch_k stoch_d obv_20 volatility_20 return_5 return_20 return_60 return_120 return_250 "
    "week52_high week52_low week52_position from_week52_high week52_bars rs_raw".split()
)
_COUNTS = ("week52_bars",)
_LENGTHS = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class Skip:
    """A symbol that was not scanned, and why."""

    symbol: str
    reason: str


@dataclass(frozen=True)
class PartitionResult:
    """What a part of a scan found."""

    results: pl.DataFrame
    """One row a symbol: `symbol`, `day` (of its last bar), `bars`, `mended`, `close`, RESULT_INDICATORS, `is_new_high`
    and `is_new_low` (of 52 weeks), `spark`, its last closes, and `behind`, how many sessions up to the day of the scan
    came after its last bar; what is missing is null."""
    signals: pl.DataFrame
    """One row a signal on the last bar of a symbol, or a chart pattern that forms there, where that bar is of the day
    of the scan. By symbol, plain ones first in the order of SIGNALS: `symbol`, `type`, `direction`, `family`, `day`,
    `close`, `entry`, `stop`, `target`, `reward_risk`, `confirmed_at`, `pivots` and `lines` (JSON, of chart patterns),
    and `state`."""
    skipped: tuple[Skip, ...]

    def to_bytes(self) -> bytes:
        """The same as it is kept: compressed Arrow."""
        import polars as pl

        rows = [(skip.symbol, skip.reason) for skip in self.skipped]
        skipped = pl.DataFrame(rows, schema={"symbol": pl.String, "reason": pl.String}, orient="row")
        results, signals = bytes_of(self.results), bytes_of(self.signals)
        return _LENGTHS.pack(len(results), len(signals)) + results + signals + bytes_of(skipped)

    @staticmethod
    def from_bytes(written: bytes) -> PartitionResult:
        """What `to_bytes` made."""
        results, signals = _LENGTHS.unpack_from(written)
        rest = io.BytesIO(written[_LENGTHS.size :])
        frames = [frame_of(rest.read(length)) for length in (results, signals, -1)]
        return PartitionResult(frames[0], frames[1], tuple(Skip(*row) for row in frames[2].iter_rows()))


def scan_partition(panel: Panel, day: date, *, chart_patterns: bool, sessions: Days | None = None) -> PartitionResult:
    """The latest bar of each symbol: its indicators, its signals with their levels, and who was left out and why.

    Args:
        panel: the last bars up to the day, at best 253 or more of each symbol.
        day: the day of the scan.
        chart_patterns: whether chart patterns are looked for too, which takes longer than all else.
        sessions: the sessions in order, by which a last bar is stale; weekdays where they are not given, since what
            other symbols of the part have must not matter.
    """
    import polars as pl

    every = cleaned(panel)
    behind = _sessions_behind(every, day, sessions)
    is_scanned = (every.lengths >= LEAST_BARS) & (behind <= STALE_AFTER)
    unit = "weekdays" if sessions is None else "sessions"
    skipped = [
        *(Skip(symbol, "no bars") for symbol in panel.missing),
        *(
            Skip(every.symbols[number], _reason(every, number, f"{behind[number]} {unit}"))
            for number in np.flatnonzero(~is_scanned).tolist()
        ),
    ]
    series = every.only(is_scanned)
    runs = series.split(max(1, ceil(len(series.symbols) / SYMBOLS_AT_ONCE)))
    results, signals = zip(*(_scanned(run, chart_patterns=chart_patterns) for run in runs), strict=True)
    ordered = tuple(sorted(skipped, key=lambda skip: skip.symbol))
    rows = pl.concat(results).with_columns(behind=pl.Series(behind[is_scanned]).cast(pl.Int32))
    current = rows.filter(pl.col("behind") == 0)
    return PartitionResult(rows, pl.concat(signals).join(current, "symbol", "semi", maintain_order="left"), ordered)


def _scanned(series: Series, *, chart_patterns: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows and the signals of some symbols."""
    indicators = indicators_of(series)
    results, signals = _results(indicators), _signals(indicators)
    return results, _with_chart_patterns(signals, series) if chart_patterns else signals


def _sessions_behind(series: Series, day: date, sessions: Days | None) -> Numbers:
    """How many sessions up to the day came after each symbol's last bar; 0 where it has no bars."""
    has_bars, today = series.lengths > 0, np.datetime64(day, "D")
    behind = np.zeros(len(series.symbols), np.int64)
    last = series.dates[series.starts[1:][has_bars] - 1]
    if sessions is None:
        behind[has_bars] = np.busday_count(last + 1, today + 1)
    else:
        known = np.searchsorted(sessions, today, side="right")
        behind[has_bars] = known - np.searchsorted(sessions, last, side="right")
    return np.maximum(behind, 0)


def _reason(series: Series, number: int, behind: str) -> str:
    bars = int(series.lengths[number])
    if not bars:
        return "no complete bars"
    if bars < LEAST_BARS:
        return f"{bars} {'bar' if bars == 1 else 'bars'}; {LEAST_BARS} are needed"
    return f"last bar is of {series.dates[series.starts[number + 1] - 1]}, {behind} before the day"


def _results(indicators: Indicators) -> pl.DataFrame:
    import polars as pl

    series, latest = indicators.series, indicators.tail(1)
    values = {name: pl.Series(latest[name]).fill_nan(None) for name in RESULT_INDICATORS}
    values |= {name: values[name].cast(pl.Int32) for name in _COUNTS}
    closes = series.close[series.tail_places(LEAST_BARS)[0]].astype(np.float32).reshape(-1, LEAST_BARS)
    mended = np.add.reduceat(series.is_mended, series.firsts, dtype=np.int32) if len(series) else np.empty(0, np.int32)
    return pl.DataFrame(
        {
            "symbol": pl.Series(series.symbols, dtype=pl.String),
            "day": pl.Series(latest.series.dates).cast(pl.Date),
            "bars": series.lengths.astype(np.int32),
            "mended": mended,
            "close": latest["close"],
            **values,
            "is_new_high": _is_new_extreme(latest, "high", "week52_high"),
            "is_new_low": _is_new_extreme(latest, "low", "week52_low"),
            "spark": pl.Series(closes).cast(pl.List(pl.Float32)),
        }
    )


def _is_new_extreme(latest: Indicators, name: str, extreme: str) -> Flags:
    """Whether the bar goes further than all others of 52 weeks, or of at least 200 that are available."""
    is_new: Flags = (latest[name] == latest[extreme]) & (latest.before(extreme) != latest[extreme])
    return is_new & (latest.age >= LEAST_OF_52_WEEKS)


def _signals(indicators: Indicators) -> pl.DataFrame:
    import polars as pl

    found, tail = latest_signals(indicators), indicators.tail(REACH)
    numbers = [np.flatnonzero(found[one.id]) for one in SIGNALS.values()]
    places = np.repeat(np.arange(len(SIGNALS)), [len(each) for each in numbers])
    number = np.concatenate(numbers)
    order = np.lexsort((places, number))
    places, number = places[order], number[order]
    types = {
        name: pl.Series([str(getattr(one, name)) for one in SIGNALS.values()])[places]
        for name in ("id", "direction", "family")
    }
    at = tail.series.starts[1:][number] - 1
    is_bullish = np.array([one.direction is Direction.BULLISH for one in SIGNALS.values()])[places]
    bullish, bearish = (levels_of(tail, direction) for direction in Direction)
    levels = {
        name: pl.Series(np.where(is_bullish, getattr(bullish, name)[at], getattr(bearish, name)[at])).fill_nan(None)
        for name in ("entry", "stop", "target", "reward_risk")
    }
    days = pl.Series(tail.series.dates[at]).cast(pl.Date)
    return pl.DataFrame(
        {
            "symbol": pl.Series(tail.series.symbols, dtype=pl.String)[number],
            "type": types["id"],
            "direction": types["direction"],
            "family": types["family"],
            "day": days,
            "close": tail["close"][at],
            **levels,
            "confirmed_at": days,
            "pivots": pl.repeat(None, len(at), dtype=pl.String, eager=True),
            "lines": pl.repeat(None, len(at), dtype=pl.String, eager=True),
            "state": pl.repeat("signal", len(at), dtype=pl.String, eager=True),
        }
    )


def _with_chart_patterns(signals: pl.DataFrame, series: Series) -> pl.DataFrame:
    """The signals with the chart patterns that form on each symbol's last bar, or are triggered on it."""
    import polars as pl

    from core.screener.chart_patterns.patterns import latest_chart_patterns_of

    last = {symbol: int(end) - 1 for symbol, end in zip(series.symbols, series.starts[1:], strict=True)}
    rows = [
        (
            each.symbol,
            each.type,
            str(each.direction),
            str(Family.CHART_PATTERN),
            series.dates[last[each.symbol]].item(),
            float(series.close[last[each.symbol]]),
            *_levels(each, float(series.close[last[each.symbol]])),
            each.confirmed_on,
            each.pivots_json(),
            json.dumps([asdict(line) for line in each.lines], default=date.isoformat),
            "forming" if each.is_forming else "signal",
        )
        for each in latest_chart_patterns_of(series)
    ]
    patterns = pl.DataFrame(rows, schema=signals.schema, orient="row")
    return pl.concat([signals, patterns]).sort("symbol", maintain_order=True)


def _levels(pattern: ChartPattern, close: float) -> tuple[float | None, float | None, float | None, float | None]:
    """Entry, stop, target and reward to risk; none where the stop is not on the far side of an entry above 0.

    What forms is entered at its line; a signal, as all others, at the close, which may be past the target.
    """
    entry, stop, target = pattern.entry if pattern.is_forming else close, pattern.stop, pattern.target
    side = 1 if pattern.direction is Direction.BULLISH else -1
    if not (entry > 0 and stop > 0 and (entry - stop) * side > 0):
        return None, None, None, None
    if target is not None and (target - entry) * side <= 0:
        target = None
    return entry, stop, target, None if target is None else (target - entry) / (entry - stop)
