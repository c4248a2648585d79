"""Records of signals: ten years of hundreds of symbols from nothing, and one more day.

Everything is done as a night does it: the bars are read from the store, the signals computed, the figures kept.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from core.market.as_of import AsOf, Reason
from core.market.bar_store import COLUMNS, BarStore, Batch, DatasetKey, SeriesFacts
from core.market.calendars import Calendars
from core.screener.history import CANDLESTICKS, PATTERNS, RULES, Detector
from core.screener.record_store import FOLDER, Records, UniverseRecord
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

SYMBOLS = 500
FIRST, LAST = date(2015, 1, 2), date(2024, 12, 31)
WHOLE_GOAL = Goal("p50", 10.0)
REPETITIONS = 3
SEED = 6
MEASURED: Sequence[tuple[str, Sequence[Detector], tuple[Goal, ...]]] = (
    ("every type but chart patterns", (RULES, CANDLESTICKS), (WHOLE_GOAL,)),
    ("chart patterns", (PATTERNS,), ()),
)


def histories(ground: Ground) -> list[Figure]:
    """Signals of 500 generated symbols over ten years: every type but chart patterns, then these; and a further day."""
    bench, market = ground.workbench, ground.workbench.market
    number = SYMBOLS // (20 if ground.is_quick else 1)
    folder = market.store.folder
    sessions = Calendars(today=LAST).of("XNYS").between(FIRST, LAST)
    symbols = fill_walks(market.store, number, sessions)
    records = Records(market.bars, bench.database, folder)

    def update(day: int, detectors: Sequence[Detector]) -> tuple[float, UniverseRecord]:
        as_of = AsOf(sessions[day].astype(date), Reason.CHOSEN, datetime.now(UTC))
        begun = time.perf_counter()
        record = records.update("bench", symbols, as_of, detectors=detectors)
        return time.perf_counter() - begun, record

    figures = []
    for named, detectors, goals in MEASURED:
        whole, further, events = [], [], 0
        for _ in range(ground.repetitions(REPETITIONS) if goals else 1):
            shutil.rmtree(folder / FOLDER, ignore_errors=True)
            whole.append(update(-2, detectors)[0])
            seconds, record = update(-1, detectors)
            further.append(seconds)
            events = sum(each[1].n for each in record.figures.values())
        name = f"records of {number} symbols over ten years, {named}"
        note = f"{number * len(sessions):,} bars, {events:,} signals"
        figures.append(figure(f"{name}: from nothing", whole, unit="s", goals=goals, note=note))
        figures.append(figure(f"{name}: one more day", further, unit="s"))
    return figures


def fill_walks(store: BarStore, number: int, sessions: np.ndarray[tuple[int], np.dtype[np.datetime64]]) -> list[str]:
    """Writes random walks on these sessions; gives their symbols."""
    random = np.random.Generator(np.random.PCG64(SEED))
    symbols, size = [f"R{at:04d}" for at in range(number)], (number, len(sessions))
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, size), axis=1))
    opened = np.roll(close, 1, axis=1) * np.exp(random.normal(0, 0.006, size))
    opened[:, 0] = close[:, 0]
    frame = pl.DataFrame(
        {
            "symbol": np.repeat(symbols, len(sessions)),
            "date": np.tile(sessions, number),
            "open": opened.ravel(),
            "high": (np.maximum(opened, close) * np.exp(np.abs(random.normal(0, 0.006, size)))).ravel(),
            "low": (np.minimum(opened, close) * np.exp(-np.abs(random.normal(0, 0.006, size)))).ravel(),
            "close": close.ravel(),
            "volume": random.lognormal(12, 0.6, size).ravel(),
        }
    )
    facts = {symbol: SeriesFacts("USD", "XNYS") for symbol in symbols}
    store.write(DatasetKey("fetched", "records", "generated"), Batch(frame.select(COLUMNS), facts, is_whole=True))
    return symbols
