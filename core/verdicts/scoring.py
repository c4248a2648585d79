"""What became of verdicts: each is entered at the next session's open and left at the close of the 5th and the 20th.

The day before the entry is the verdict's `decided_on`; entries, gaps and the benchmark follow `core.screener.outcomes`.
A score is written once it is known and then never changed: later bars add to it what was not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.db import verdict_scores_dao as dao
from core.db.engine import Database
from core.db.scans_dao import ScanRow
from core.db.verdict_scores_dao import DueRows, ScoreRows
from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bar_store import BarStore
from core.market.bars import MOST_BARS, Bars
from core.market.market_time import MarketTime
from core.market.panel import Days, Floats, Panel
from core.ops.jobs import Handler, Job, JobContext, Queue
from core.screener.outcomes import Benchmark, Outcome, Outcomes
from core.screener.record_store import BENCHMARKS
from core.screener.series import Flags, Numbers, Series, cleaned

if TYPE_CHECKING:
    import polars as pl

SCORE = "score_verdicts"
"""The kind of job, and the name of what is done every so often."""
SCORE_MINUTES = 60
SOON, LATE = 5, 20
"""Sessions after which a verdict is scored."""
BENCHMARK_WAIT = timedelta(days=60)
"""So long after its day a scored verdict waits for a benchmark whose bars come later than its own."""
SYMBOLS_AT_ONCE = 500
ROWS_AT_ONCE, WRITERS = 10_000, 2
"""Scores of one statement, and statements at once."""
MOST_AT_ONCE = 500_000
"""Verdicts of one run; of more the newest."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What one run came to."""

    looked_at: int
    """Verdicts that might have been scored."""
    written: int
    """Those that were, or of which more is known now."""


@dataclass(frozen=True, slots=True)
class _Left:
    """What a run left unscored, and at which state of the bars: looking again would find the same."""

    writes: int
    day: date
    verdicts: frozenset[str]
    """Ids."""


class Scoring:
    """Scores verdicts as soon as their outcome is known."""

    def __init__(self, database: Database, store: BarStore, bars: Bars, time: MarketTime, queue: Queue) -> None:
        self._database = database
        self._store = store
        self._bars = bars
        self._time = time
        self._queue = queue
        self._left: _Left | None = None

    def handlers(self) -> Mapping[str, Handler]:
        """What is done for the job of this kind."""
        return {SCORE: self._run}

    def soon(self, decided_on: date | None = None) -> Job | None:
        """Has what can be scored be scored by a worker, or joins the job that will.

        None, and nothing is asked for, where it is for the sake of a verdict whose outcome cannot be known yet.
        """
        if decided_on is not None and decided_on > self._latest(SOON):
            return None
        return self._queue.submit(SCORE, {}, key=SCORE, org_id=None, lock=SCORE)

    def after_scan(self, _scan: ScanRow, _results: pl.DataFrame | None = None) -> None:
        """A scan follows new bars, by which more may be known."""
        if self._due(most=1).ids:
            self.soon()

    def tick(self) -> None:
        """Scores what can be; for what is done every `SCORE_MINUTES`."""
        self.score()

    def score(self) -> Scored:
        """Scores every verdict of which more is known by now; what cannot be is left until bars are written."""
        as_of, writes = self._time.default(), self._store.writes()
        found = self._due()
        left = _Left(writes, as_of.day, frozenset(found.ids))
        if not found.ids or left == self._left:
            return Scored(0, 0)
        written = sum(self._put(scores) for block in _blocks(found) for scores in self._scores(block, as_of))
        # What was tried and is still due will be so for as long as the bars stay as they are; others may have come.
        self._left = _Left(writes, as_of.day, left.verdicts.intersection(self._due().ids))
        return Scored(len(found.ids), written)

    def _run(self, _context: JobContext) -> None:
        while self.score().written:  # verdicts that came meanwhile have joined this job
            pass

    def _due(self, most: int = MOST_AT_ONCE) -> DueRows:
        latest_5, latest_20 = self._latest(SOON), self._latest(LATE)
        earliest = latest_20 - BENCHMARK_WAIT
        with self._database.service() as connection:
            return dao.due(connection, latest_5=latest_5, latest_20=latest_20, earliest=earliest, most=most)

    def _latest(self, sessions: int) -> date:
        """The latest day whose outcome may be known: no exchange has more sessions than there are days."""
        return self._time.default().day - timedelta(days=sessions)

    def _scores(self, block: _Block, as_of: AsOf) -> Iterator[ScoreRows]:
        """What is known of verdicts, those together that are compared with the same benchmark."""
        days = (as_of.day - block.decided_on.min().item()).days
        panel = self._bars.panel(np.unique(block.symbols).tolist(), as_of, min(days + 1, MOST_BARS), block.owner)
        series = cleaned(panel)
        for benchmark, is_chosen in self._benchmarks(panel, series, as_of, block.owner):
            chosen = series.only(is_chosen)
            if len(chosen):
                yield _scored(chosen, benchmark, block)

    def _benchmarks(
        self, panel: Panel, series: Series, as_of: AsOf, owner: UUID | None
    ) -> Iterator[tuple[Benchmark | None, Flags]]:
        """What symbols are compared with, by their currency, and which they are."""
        named = [BENCHMARKS.get(panel.served_by[symbol].series.currency or "") for symbol in series.symbols]
        for name in sorted(set(named), key=str):
            is_chosen = np.array([each == name for each in named], dtype=bool)
            benchmark = None
            if name is not None:
                try:
                    benchmark = Benchmark.of(name, self._bars.history(name, as_of, org_id=owner).frame)
                except NotFound:
                    benchmark = None
            yield benchmark, is_chosen

    def _put(self, scores: ScoreRows) -> int:
        def written(begin: int) -> int:
            columns = {name: getattr(scores, name) for name in ScoreRows.__slots__ if name != "benchmark"}
            part = {name: column[begin : begin + ROWS_AT_ONCE] for name, column in columns.items()}
            with self._database.service() as connection:
                return dao.put(connection, replace(scores, **part))

        # While the database writes some, the next are put into words.
        with ThreadPoolExecutor(WRITERS) as pool:
            return sum(pool.map(written, range(0, len(scores.ids), ROWS_AT_ONCE)))


@dataclass(frozen=True, slots=True)
class _Block:
    """Verdicts on some symbols whose bars are read together."""

    owner: UUID | None
    ids: NDArray[np.object_]
    symbols: NDArray[np.str_]
    decided_on: Days

    def only(self, is_chosen: Flags) -> _Block:
        """Some of them."""
        return _Block(self.owner, self.ids[is_chosen], self.symbols[is_chosen], self.decided_on[is_chosen])


def _blocks(found: DueRows) -> Iterator[_Block]:
    """Verdicts by the owner of their bars, on so many symbols at a time."""
    ids, symbols = np.array(found.ids, dtype=np.object_), np.array(found.symbols, dtype=np.str_)
    decided_on = np.array(found.decided_on, dtype=np.int64).astype("datetime64[D]")
    for owner in sorted(set(found.owners), key=str):
        is_owned = np.array([each == owner for each in found.owners], dtype=bool)
        owned = _Block(owner, ids, symbols, decided_on).only(is_owned)
        names, numbers = np.unique(owned.symbols, return_inverse=True)
        for begin in range(0, len(names), SYMBOLS_AT_ONCE):
            yield owned.only((numbers >= begin) & (numbers < begin + SYMBOLS_AT_ONCE))


def _scored(series: Series, benchmark: Benchmark | None, block: _Block) -> ScoreRows:
    """The scores of those verdicts on a series whose outcome over 5 sessions is known."""
    names = np.array(series.symbols, dtype=np.str_)
    numbers = np.minimum(np.searchsorted(names, block.symbols), len(names) - 1)
    is_there = names[numbers] == block.symbols
    asked, numbers = block.only(is_there), numbers[is_there]
    places, outcomes = _places(series, numbers, asked.decided_on), Outcomes(series, benchmark)
    soon, late = outcomes.over(SOON), outcomes.over(LATE)
    is_known = (places >= 0) & ~np.isnan(soon.move[places])
    places, last = places[is_known], len(series) - 1

    def day(sessions: int) -> list[int]:
        days: list[int] = series.dates[np.minimum(places + sessions, last)].astype(np.int64).tolist()
        return days

    def compared(outcome: Outcome) -> list[float]:
        unknown = np.full(len(places), np.nan)
        return _numbers(unknown if outcome.benchmark is None else outcome.benchmark[places])

    return ScoreRows(
        benchmark=None if benchmark is None else benchmark.symbol,
        ids=asked.ids[is_known].tolist(),
        entry_day=day(1),
        exit_5=day(SOON),
        move_5=_numbers(soon.move[places]),
        benchmark_5=compared(soon),
        exit_20=day(LATE),
        move_20=_numbers(late.move[places]),
        benchmark_20=compared(late),
    )


def _numbers(values: Floats) -> list[float]:
    numbers: list[float] = values.tolist()
    return numbers


def _places(series: Series, numbers: Numbers, days: Days) -> Numbers:
    """Of each symbol's number and day, the place of its last bar up to that day; -1 where there is none."""
    of_bars = np.repeat(np.arange(len(series.symbols)), series.lengths)
    # Days stand in the lower half of a number and the symbol above them: bars are in the order of these numbers.
    keys = (of_bars << 32) + series.dates.astype(np.int64)
    places = np.searchsorted(keys, (numbers << 32) + days.astype(np.int64), side="right") - 1
    return np.where(places >= series.starts[numbers], places, -1)
