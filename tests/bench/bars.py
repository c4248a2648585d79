"""Bars: the last year of thousands of symbols into memory, and a million bars of a user's own.

The store stands on the Postgres and disk of the run; panels are read in a process of their own, for their memory.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from core.db.engine import Database
from core.market.as_of import AsOf, Reason
from core.market.bar_imports import BarImports, ImportRequest
from core.market.bar_store import COLUMNS, BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.calendars import Calendars
from core.settings import ROOT
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

DAY = date(2024, 11, 29)
FIRST = date(2022, 1, 3)
PANEL_BARS = 250
PANEL_GOALS = {5_000: 300.0, 10_000: 600.0}
MEMORY_GOAL = Goal("p50", 500.0)
IMPORT_GOAL = Goal("p50", 5.0)
REPETITIONS = 20
IMPORTS = 5
IMPORTED_BARS = 1_000_000
SEED = 5


def reads(ground: Ground) -> list[Figure]:
    """`Bars.panel` of 5,000 and of 10,000 symbols with three years kept, and one symbol's whole history."""
    ground.workbench  # noqa: B018 (it migrates the database)
    url, folder = ground.server.url, ground.work / "bars"
    with closing(Database(url, pool_size=2)) as database:
        _fill(BarStore(database, folder), max(PANEL_GOALS))
    figures = []
    for number, goal in PANEL_GOALS.items():
        found = _apart(url, folder, number, ground.repetitions(REPETITIONS))
        name = f"last {PANEL_BARS} bars of {number:,} symbols"
        figures.append(figure(name, found.samples_ms, goals=(Goal("p50", goal),), note=f"{found.bars:,} bars"))
        figures.append(figure(f"{name}: memory", [found.memory_mib], unit="MiB", goals=(MEMORY_GOAL,)))
        figures.append(figure("history of one of them", found.history_ms))
    return figures


def imports(ground: Ground) -> list[Figure]:
    """A CSV of a million bars, read, checked and stored."""
    number = IMPORTED_BARS // (20 if ground.is_quick else 1)
    content = _csv(number)
    principal = ground.member("Importing organisation", plan="team")
    imported = BarImports(BarStore(ground.workbench.database, ground.work / "own"), today=date(2026, 11, 21))
    samples = []
    for attempt in range(ground.repetitions(IMPORTS)):
        request = ImportRequest("bars.csv", universe=f"bench {attempt}", org_id=principal.org_id, org_name="Bench")
        begun = time.perf_counter()
        report = imported.run(content, request)
        samples.append(time.perf_counter() - begun)
        if not report.is_loaded or report.bars != number:
            raise RuntimeError("A sound file was not imported whole.")
    note = f"{len(content) / 1e6:.0f} MB of CSV"
    return [figure(f"import of {number:,} bars", samples, unit="s", goals=(IMPORT_GOAL,), note=note)]


def _fill(store: BarStore, number: int) -> None:
    sessions = Calendars(today=DAY).of("XNYS").between(FIRST, date(2024, 12, 31))
    symbols = [f"S{at:05d}" for at in range(number)]
    random = np.random.Generator(np.random.PCG64(SEED))
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.01, (number, len(sessions))), axis=1)).ravel()
    frame = pl.DataFrame(
        {
            "symbol": np.repeat(symbols, len(sessions)),
            "date": np.tile(sessions, number),
            "open": (close * 1.001).round(2),
            "high": (close * 1.01).round(2),
            "low": (close * 0.99).round(2),
            "close": close.round(2),
            "volume": random.integers(10_000, 10_000_000, close.size).astype(np.float64),
        }
    )
    facts = {symbol: SeriesFacts("USD", "XNYS") for symbol in symbols}
    store.write(DatasetKey("fetched", "bench", "generated"), Batch(frame.select(COLUMNS), facts, is_whole=True))


def _csv(number: int) -> bytes:
    days = np.arange(np.datetime64("2016-01-01"), np.datetime64("2024-12-31"))[:1000]
    symbols = [f"I{at:04d}" for at in range(number // len(days))]
    close = np.random.Generator(np.random.PCG64(SEED)).uniform(10, 500, len(days) * len(symbols)).round(2)
    frame = pl.DataFrame(
        {
            "Symbol": np.repeat(symbols, len(days)),
            "Date": np.tile(days, len(symbols)),
            "Open": close,
            "High": (close * 1.01).round(2),
            "Low": (close * 0.99).round(2),
            "Close": close,
            "Volume": np.arange(close.size) + 1000,
        }
    )
    file = io.BytesIO()
    frame.write_csv(file)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a process measured."""

    samples_ms: list[float]
    history_ms: list[float]
    memory_mib: float
    bars: int


def _apart(url: str, folder: Path, number: int, repetitions: int) -> _Found:
    """Measures in another process; the address goes by its standard input, since it holds a password."""
    given = json.dumps({"url": url, "folder": str(folder), "number": number, "repetitions": repetitions})
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.bars"], cwd=ROOT, input=given, capture_output=True, text=True, check=True
    )
    return _Found(**json.loads(run.stdout))


def _measure(url: str, folder: Path, number: int, repetitions: int) -> _Found:
    as_of = AsOf(DAY, Reason.CHOSEN, datetime.now(UTC))
    symbols = [f"S{at:05d}" for at in range(number)]
    samples, histories, bars = [], [], 0
    with closing(Database(url, pool_size=2)) as database:
        market = Bars(BarStore(database, folder))
        for _ in range(repetitions):
            begun = time.perf_counter()
            panel = market.panel(symbols, as_of, n=PANEL_BARS)
            samples.append((time.perf_counter() - begun) * 1000)
            bars = len(panel.close)
            del panel
        memory = _peak_mib()
        for at in range(repetitions):
            begun = time.perf_counter()
            market.history(symbols[at * number // repetitions], as_of)
            histories.append((time.perf_counter() - begun) * 1000)
    return _Found(samples, histories, memory, bars)


def _peak_mib() -> float:
    """Most memory this program had. What the system counts for the process alone begins with that of its parent."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    measured = _measure(asked["url"], Path(asked["folder"]), asked["number"], asked["repetitions"])
    json.dump(asdict(measured), sys.stdout)
