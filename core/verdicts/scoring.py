"""What became of verdicts: each is entered at the next session's open and left at the close of the 5th and the 20th.

The day before the entry is the verdict's `decided_on`; entries, gaps and the benchmark follow `core.screener.outcomes`.
A score is written once it is known and then never changed: later bars add to it what was not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from math import isnan
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from core.db import verdict_scores_dao as dao
from core.db.engine import Database
from core.db.scans_dao import ScanRow
from core.db.verdict_scores_dao import DueRow, ScoreRow
from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bar_store import BarStore
from core.market.bars import MOST_BARS, Bars
from core.market.market_time import MarketTime
from core.market.panel import Floats, Panel
from core.ops.jobs import Handler, Job, JobContext, Queue
from core.screener.outcomes import Benchmark, Outcomes
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
ROWS_AT_ONCE = 20_000
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
    verdicts: frozenset[UUID]


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

    def soon(self) -> Job:
        """Has what can be scored be scored by a worker, or joins the job that will."""
        return self._queue.submit(SCORE, {}, key=SCORE, org_id=None, lock=SCORE)

    def after_scan(self, _scan: ScanRow, _results: pl.DataFrame | None = None) -> None:
        """A scan follows new bars, by which more may be known."""
        if self._due(self._time.default().day, most=1):
            self.soon()

    def tick(self) -> None:
        """Scores what can be; for what is done every `SCORE_MINUTES`."""
        self.score()

    def score(self) -> Scored:
        """Scores every verdict of which more is known by now; what cannot be is left until bars are written."""
        as_of, writes = self._time.default(), self._store.writes()
        found = self._due(as_of.day)
        left = _Left(writes, as_of.day, frozenset(row.id for row in found))
        if not found or left == self._left:
            return Scored(0, 0)
        written = 0
        for owner, block in _blocks(found):
            written += self._put(self._scores(owner, block, as_of))
        # What was tried and is still due will be so for as long as the bars stay as they are; others may have come.
        still_due = frozenset(row.id for row in self._due(as_of.day))
        self._left = _Left(writes, as_of.day, left.verdicts & still_due)
        return Scored(len(found), written)

    def _run(self, _context: JobContext) -> None:
        self.score()

    def _due(self, day: date, most: int = MOST_AT_ONCE) -> Sequence[DueRow]:
        # No exchange has more sessions than there are days: what is decided later cannot have its outcome yet.
        with self._database.service() as connection:
            return dao.due(
                connection,
                latest_5=day - timedelta(days=SOON),
                latest_20=day - timedelta(days=LATE),
                earliest=day - BENCHMARK_WAIT,
                most=most,
            )

    def _scores(self, owner: UUID | None, rows: Sequence[DueRow], as_of: AsOf) -> list[ScoreRow]:
        """What is known of verdicts on the symbols of one block."""
        days = (as_of.day - min(row.decided_on for row in rows)).days
        panel = self._bars.panel({row.symbol for row in rows}, as_of, min(days + 1, MOST_BARS), owner)
        series = cleaned(panel)
        scores = []
        for benchmark, is_chosen in self._benchmarks(panel, series, as_of, owner):
            scores += _scored(series.only(is_chosen), benchmark, rows)
        return scores

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

    def _put(self, rows: Sequence[ScoreRow]) -> int:
        written = 0
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            with self._database.service() as connection:
                written += dao.put(connection, rows[begin : begin + ROWS_AT_ONCE])
        return written


def _blocks(rows: Sequence[DueRow]) -> Iterator[tuple[UUID | None, list[DueRow]]]:
    """Verdicts by the owner of their bars, so many symbols at a time."""
    ordered = sorted(rows, key=lambda row: (str(row.owner), row.symbol))
    for owner, owned in groupby(ordered, key=lambda row: row.owner):
        block: list[DueRow] = []
        symbols = 0
        for _, of_symbol in groupby(owned, key=lambda row: row.symbol):
            block += of_symbol
            symbols += 1
            if symbols == SYMBOLS_AT_ONCE:
                yield owner, block
                block, symbols = [], 0
        if block:
            yield owner, block


def _scored(series: Series, benchmark: Benchmark | None, rows: Sequence[DueRow]) -> list[ScoreRow]:
    """The scores of those verdicts on a series whose outcome over 5 sessions is known."""
    numbers = {symbol: number for number, symbol in enumerate(series.symbols)}
    found = [row for row in rows if row.symbol in numbers]
    if not found or not len(series):
        return []
    places = _places(
        series,
        np.array([numbers[row.symbol] for row in found], dtype=np.int64),
        np.array([row.decided_on for row in found], dtype="datetime64[D]"),
    )
    outcomes = Outcomes(series, benchmark)
    soon, late = _Held.over(SOON, outcomes, places), _Held.over(LATE, outcomes, places)
    entries = series.dates[np.minimum(places + 1, len(series) - 1)].tolist()
    return [
        ScoreRow(
            verdict_id=row.id,
            org_id=row.org_id,
            entry_day=entries[at],
            benchmark=None if benchmark is None else benchmark.symbol,
            exit_5=soon.exits[at],
            move_5=move,
            benchmark_5=soon.benchmarks[at],
            exit_20=None if late.moves[at] is None else late.exits[at],
            move_20=late.moves[at],
            benchmark_20=late.benchmarks[at],
        )
        for at, (row, move) in enumerate(zip(found, soon.moves, strict=True))
        if move is not None
    ]


def _places(series: Series, numbers: Numbers, days: np.ndarray[tuple[int], np.dtype[np.datetime64]]) -> Numbers:
    """Of each symbol's number and day, the place of its last bar up to that day; -1 where there is none."""
    of_bars = np.repeat(np.arange(len(series.symbols)), series.lengths)
    first = np.datetime64(0, "D")
    # Days stand in the lower half of a number and the symbol above them: bars are in the order of these numbers.
    keys = (of_bars << 32) + (series.dates - first).astype(np.int64)
    places = np.searchsorted(keys, (numbers << 32) + (days - first).astype(np.int64), side="right") - 1
    return np.where(places >= series.starts[numbers], places, -1)


@dataclass(frozen=True, slots=True)
class _Held:
    """Of some verdicts, what an entry after them was worth over one horizon; None where that is not known."""

    exits: list[date]
    """Means nothing where the move is not known."""
    moves: list[float | None]
    benchmarks: list[float | None]

    @classmethod
    def over(cls, sessions: int, outcomes: Outcomes, places: Numbers) -> _Held:
        outcome, last = outcomes.over(sessions), len(outcomes.series) - 1
        moves = np.where(places < 0, np.nan, outcome.move[places])
        compared = np.full(len(places), np.nan) if outcome.benchmark is None else outcome.benchmark[places]
        exits = outcomes.series.dates[np.minimum(places + sessions, last)]
        return cls(exits.tolist(), _known(moves), _known(np.where(np.isnan(moves), np.nan, compared)))


def _known(values: Floats) -> list[float | None]:
    return [None if isnan(value) else value for value in values.tolist()]
