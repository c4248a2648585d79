"""Chart patterns: of a universe from nothing, in two processes; of its latest bar alone; of ten years of bars."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from core.screener.chart_patterns.patterns import chart_patterns_of, latest_chart_patterns_of
from core.screener.series import Series
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

SYMBOLS = 5_000
WINDOW_BARS = 250
PROCESSES = 2
UNIVERSE_GOAL = Goal("p50", 30.0)
HISTORY_SYMBOLS = 500
HISTORY_BARS = 2_520
REPETITIONS = 5
SEED = 6


def universe(ground: Ground) -> list[Figure]:
    """All patterns and the latest ones of a universe's window, and all of some symbols' ten years."""
    divisor = 20 if ground.is_quick else 1
    symbols, history = SYMBOLS // divisor, HISTORY_SYMBOLS // divisor
    figures = []
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes:
        list(processes.map(_latest, range(PROCESSES), [1] * PROCESSES, [WINDOW_BARS] * PROCESSES))
        for name, measure in (("patterns", _whole), ("patterns on the latest bar", _latest)):
            parts = [symbols // PROCESSES] * PROCESSES
            samples, found = [], 0
            for _ in range(ground.repetitions(REPETITIONS)):
                done = list(processes.map(measure, range(PROCESSES), parts, [WINDOW_BARS] * PROCESSES))
                samples.append(max(took for took, _ in done))
                found = sum(number for _, number in done)
            words = f"{name} of {symbols:,} symbols × {WINDOW_BARS} bars, {PROCESSES} processes"
            figures.append(figure(words, samples, unit="s", goals=(UNIVERSE_GOAL,), note=f"{found:,} patterns"))
    repeat = partial(_whole, SEED, history, HISTORY_BARS)
    done = [repeat() for _ in range(ground.repetitions(REPETITIONS))]
    words = f"patterns of {history:,} symbols × {HISTORY_BARS:,} bars, one process"
    figures.append(figure(words, [took for took, _ in done], unit="s", note=f"{done[0][1]:,} patterns"))
    return figures


def _whole(seed: int, symbols: int, bars: int) -> tuple[float, int]:
    series = _walks(seed, symbols, bars)
    begun = time.perf_counter()
    found = chart_patterns_of(series)
    return time.perf_counter() - begun, len(found)


def _latest(seed: int, symbols: int, bars: int) -> tuple[float, int]:
    series = _walks(seed, symbols, bars)
    begun = time.perf_counter()
    found = latest_chart_patterns_of(series)
    return time.perf_counter() - begun, len(found)


def _walks(seed: int, symbols: int, bars: int) -> Series:
    """Random walks; a bar's range is about twice its move, as in daily bars."""
    random = np.random.Generator(np.random.PCG64(SEED + seed))
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.015, (symbols, bars)), axis=1))
    opened = np.concatenate((np.full((symbols, 1), 50.0), close[:, :-1]), axis=1)
    high = np.maximum(opened, close) * np.exp(np.abs(random.normal(0, 0.006, close.shape)))
    low = np.minimum(opened, close) * np.exp(-np.abs(random.normal(0, 0.006, close.shape)))
    return Series(
        tuple(f"S{number:05d}" for number in range(symbols)),
        np.arange(symbols + 1) * bars,
        np.tile(np.busday_offset(np.datetime64("2015-01-01", "D"), np.arange(bars), roll="forward"), symbols),
        opened.ravel(),
        high.ravel(),
        low.ravel(),
        close.ravel(),
        np.full(symbols * bars, 1e6),
        np.zeros(symbols * bars, bool),
    )
