"""Scans: whole universes by two processes, beside the engine alone and beside pandas-ta-classic in the same run.

Bars are in memory, as `Bars.panel` gives them (see `bars` for what reading takes); they go to the processes and the
parts come back and are joined, as the workbench does it. Measured in a process of its own, for its memory.
"""

from __future__ import annotations

import inspect
import json
import multiprocessing
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date
from functools import cache, partial
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from core.db.instruments_dao import MemberRow
from core.market.panel import Floats, Panel
from core.ops.processes import Processes
from core.screener.candlesticks import CANDLESTICKS, Candles
from core.screener.merge import merged
from core.screener.partition import PartitionResult, scan_partition
from core.screener.scan_jobs import MOST_SYMBOLS
from core.screener.series import Series, cleaned
from core.settings import ROOT
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

BARS = 250
GOALS_S = {5_000: 1.0, 10_000: 2.0}
MEMORY_GOAL = Goal("p50", 1024.0)
PROCESSES = 2
ENGINE_SYMBOLS, ENGINE_BARS = 2_000, 504
OTHER_SYMBOLS = 200
"""Symbols of the other library: it takes longer."""
REPETITIONS = 7
SEED = 6


def universes(ground: Ground) -> list[Figure]:
    """Scans of 5,000 and 10,000 symbols, their memory, and the same work by others."""
    divisor = 20 if ground.is_quick else 1
    given = json.dumps({"divisor": divisor, "repetitions": ground.repetitions(REPETITIONS)})
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.scan"], cwd=ROOT, input=given, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    figures = []
    for number, goal in GOALS_S.items():
        name = f"scan of {number // divisor:,} symbols × {BARS} bars, {PROCESSES} processes"
        samples, signals, memory = found["scans"][str(number)]
        figures.append(figure(name, samples, unit="s", goals=(Goal("p50", goal),), note=f"{signals:,} signals"))
        figures.append(figure(f"{name}: memory of all", [memory], unit="MiB", goals=(MEMORY_GOAL,)))
    return figures + [figure(name, samples, unit="s") for name, samples in found["beside"].items()]


def _measure(divisor: int, repetitions: int) -> dict[str, Any]:
    with closing(Processes(PROCESSES)) as processes, ThreadPoolExecutor(PROCESSES) as threads:
        run = partial(_scan, processes, threads)
        run(walks(PROCESSES, BARS))
        scans = {number: (*_scans(run, number // divisor, repetitions), _peak_mib()) for number in GOALS_S}
    return {"scans": scans, "beside": _beside(divisor, repetitions)}


def _scans(run: Callable[[Panel], int], symbols: int, repetitions: int) -> tuple[list[float], int]:
    """How long each scan took, in seconds, and how many signals there are."""
    panel, samples, signals = walks(symbols, BARS), [], 0
    for _ in range(repetitions):
        begun = time.perf_counter()
        signals = run(panel)
        samples.append(time.perf_counter() - begun)
    return samples, signals


def _scan(processes: Processes, threads: ThreadPoolExecutor, panel: Panel) -> int:
    """A scan as the workbench does it; gives how many signals there are."""
    day: date = panel.dates[-1].item()
    part = min(MOST_SYMBOLS, ceil(len(panel.symbols) / PROCESSES))

    def scanned(first: int) -> PartitionResult:
        return processes.run(scan_partition, _part(panel, first, first + part), day, chart_patterns=False)

    parts = list(threads.map(scanned, range(0, len(panel.symbols), part)))
    members = [MemberRow(symbol, symbol, "Energy", "XNYS", "USD", None, None) for symbol in panel.symbols]
    return merged(parts, members, {}).signals.height


def _beside(divisor: int, repetitions: int) -> dict[str, list[float]]:
    """The seven indicators and the candlestick patterns by others, and the patterns and a scan by us."""
    long, short = ENGINE_SYMBOLS // divisor, OTHER_SYMBOLS // divisor
    series, panel = cleaned(walks(long, ENGINE_BARS)), walks(short, BARS)
    bars, few = _by_symbol(series), _by_symbol(cleaned(panel))
    day: date = panel.dates[-1].item()
    measured: dict[str, Callable[[], object]] = {
        f"engine alone, seven indicators of {long:,} × {ENGINE_BARS}": lambda: _each(_seven, bars),
        f"engine alone, 61 candlestick patterns of {long:,} × {ENGINE_BARS}": lambda: _patterns_alone(bars),
        f"these patterns of {long:,} × {ENGINE_BARS} as scans find them": lambda: _patterns(series),
        f"pandas-ta-classic, seven indicators of {short:,} × {BARS}": lambda: _each(_seven_by_other, few),
        f"a whole scan of {short:,} × {BARS}, one process": lambda: scan_partition(panel, day, chart_patterns=False),
    }
    return {name: [_timed(run) for _ in range(repetitions)] for name, run in measured.items()}


def _each(compute: Callable[..., None], bars: Sequence[Sequence[Floats]]) -> None:
    for columns in bars:
        compute(*columns)


def _seven(opened: Floats, high: Floats, low: Floats, close: Floats) -> None:
    """RSI, MACD, three averages, true range and Bollinger's bands."""
    talib = _engine()
    talib["RSI"](close, 14)
    talib["MACD"](close, 12, 26, 9)
    for sessions in (20, 50, 200):
        talib["SMA"](close, sessions)
    talib["ATR"](high, low, close, 14)
    talib["BBANDS"](close, 20, 2.0, 2.0)


def _seven_by_other(opened: Floats, high: Floats, low: Floats, close: Floats) -> None:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas_ta_classic as other  # type: ignore[import-untyped]
    closes, highs, lows = pd.Series(close), pd.Series(high), pd.Series(low)
    other.rsi(closes, 14, talib=False)
    other.macd(closes, 12, 26, 9, talib=False)
    for sessions in (20, 50, 200):
        other.sma(closes, sessions, talib=False)
    other.atr(highs, lows, closes, 14, talib=False)
    other.bbands(closes, 20, 2, talib=False)


def _patterns_alone(bars: Sequence[Sequence[Floats]]) -> None:
    functions = [_engine()[f"CDL{name.upper()}"] for name in CANDLESTICKS]
    for columns in bars:
        for function in functions:
            function(*columns)


def _patterns(series: Series) -> None:
    candles = Candles(series)
    for name in CANDLESTICKS:
        candles[name]


@cache
def _engine() -> dict[str, Callable[..., object]]:
    """The engine's functions without their wrapper for data frames."""
    import talib

    return {name: inspect.unwrap(getattr(talib, name)) for name in dir(talib) if name.isupper()}


def _by_symbol(series: Series) -> list[list[Floats]]:
    columns = (series.open, series.high, series.low, series.close)
    return [[column[begin:end] for column in columns] for begin, end in pairwise(series.starts.tolist())]


def _timed(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def walks(symbols: int, bars: int) -> Panel:
    """Random walks in whole cents; a bar's range is about twice its move, as in daily bars."""
    random = np.random.Generator(np.random.PCG64(SEED))
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (symbols, bars)), axis=1)).ravel()
    opened = close * np.exp(random.normal(0, 0.01, close.size))
    high = np.maximum(opened, close) * np.exp(np.abs(random.normal(0, 0.008, close.size)))
    low = np.minimum(opened, close) * np.exp(-np.abs(random.normal(0, 0.008, close.size)))
    return Panel(
        tuple(f"S{number:05d}" for number in range(symbols)),
        (),
        np.arange(symbols + 1) * bars,
        np.tile(np.busday_offset(np.datetime64("2023-01-02", "D"), np.arange(bars), roll="forward"), symbols),
        opened.round(2, out=opened),
        high.round(2, out=high),
        low.round(2, out=low),
        close.round(2, out=close),
        volume=random.integers(10_000, 10_000_000, close.size).astype(np.float64),
        served_by={},
    )


def _part(panel: Panel, first: int, end: int) -> Panel:
    end = min(end, len(panel.symbols))
    bars = slice(int(panel.starts[first]), int(panel.starts[end]))
    return replace(
        panel,
        symbols=panel.symbols[first:end],
        starts=panel.starts[first : end + 1] - bars.start,
        dates=panel.dates[bars],
        open=panel.open[bars],
        high=panel.high[bars],
        low=panel.low[bars],
        close=panel.close[bars],
        volume=panel.volume[bars],
    )


def _peak_mib() -> float:
    """Most memory that this process and those that compute have had; the files of libraries, which are shared, once."""
    workers = [_status(str(each.pid)) for each in multiprocessing.active_children()]
    return (_status("self")["VmHWM"] + sum(each["VmHWM"] - each["RssFile"] for each in workers)) / 1024


def _status(process: str) -> dict[str, int]:
    """What the system counts for a process, in KiB."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}


if __name__ == "__main__":
    json.dump(_measure(**json.load(sys.stdin)), sys.stdout)
