"""Records of whole universes: computed after a scan from what is known and what is new, kept, and read by everyone.

A record as of a day is computed from the bars up to that day alone. What it rests on is kept year by year, so that one
more day costs the last year's signals and a look at all outcomes; the figures are those that computing everything from
nothing gives, to the bit.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from core.db import records_dao as dao
from core.db.engine import Database
from core.db.records_dao import RecordRow
from core.errors import NotEnoughData, NotFound
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.bars import MOST_BARS, Bars
from core.market.panel import Panel
from core.ops.processes import Processes
from core.screener.event_files import EventFiles, in_this_process
from core.screener.history import DETECTORS, Detector, Found, Part, all_events, detector_of, signals_in
from core.screener.outcomes import HORIZONS, Benchmark, Outcomes
from core.screener.records import CONFIDENCE_HORIZON, Confidence, Events, Figures, confidence, figures_of
from core.screener.series import cleaned
from core.screener.version import FORMULA_VERSION

FOLDER = "records"
"""Below the folder of bars."""
BENCHMARKS = {"USD": "SP500"}
"""What signals are compared with, by the currency of most of the universe; those of other currencies with nothing."""
MOST_DAYS = 100
"""Days of which the figures of a universe are kept."""

FiguresByHorizon = Mapping[int, Figures]


class Progress(Protocol):
    """Is told how far an update is."""

    def __call__(self, *, done: int, total: int, detail: str) -> object:
        """So many of so many, and of what."""
        ...


@dataclass(frozen=True, slots=True)
class UniverseRecord:
    """What the signals of a universe were worth, as it was known on a day."""

    universe_id: str
    as_of: date
    computed_at: datetime
    symbols: int
    """Symbols that have bars."""
    benchmark: str | None
    figures: Mapping[str, FiguresByHorizon]
    """By signal type, then by horizon in sessions."""

    @property
    def confidences(self) -> Mapping[str, Confidence]:
        """How much each type of signal is to be trusted."""
        return {type_id: confidence(figures[CONFIDENCE_HORIZON]) for type_id, figures in self.figures.items()}


class Records:
    """Computes, keeps and gives the records of signals."""

    def __init__(self, bars: Bars, database: Database, folder: Path, processes: Processes | None = None) -> None:
        """`folder` is that of the bars; without `processes` everything is computed in this one."""
        self._bars = bars
        self._database = database
        self._folder = folder / FOLDER
        self._processes = processes

    def update(
        self,
        universe_id: str,
        symbols: Sequence[str],
        as_of: AsOf,
        org_id: UUID | None = None,
        *,
        progress: Progress | None = None,
        detectors: Sequence[Detector] = DETECTORS,
    ) -> UniverseRecord:
        """Computes the figures of a universe as of a day and keeps them in the place of those of the same day.

        `org_id` is whose bars are read and who alone may see the figures; None: everyone.

        Raises:
            NotEnoughData: no symbol has bars up to that day.
        """
        panel = self._bars.panel(symbols, as_of, MOST_BARS, org_id)
        series = cleaned(panel)
        if not len(series):
            raise NotEnoughData("There are no bars to compute records from.")
        benchmark = self._benchmark(panel, as_of, org_id)
        del panel
        events: dict[str, Events] = {}
        digest = sha256()
        for detector in detectors:
            files = EventFiles.of(self._folder, universe_id, org_id, detector.name)
            found = files.events(series, detector, self._compute, _told(progress, detector))
            events.update(found.events)
            digest.update(found.digest)
        figures = figures_of(Outcomes(series, benchmark), events)
        kept = {
            "symbols": int((series.lengths > 0).sum()),
            "benchmark": benchmark and benchmark.symbol,
            "types": {
                type_id: {str(sessions): each.to_json() for sessions, each in by_horizon.items()}
                for type_id, by_horizon in figures.items()
            },
        }
        self._put(universe_id, as_of.day, org_id, digest.hexdigest(), kept)
        found_row = self.of(universe_id, as_of.day, org_id)
        assert found_row is not None
        return found_row

    def of(self, universe_id: str, day: date, org_id: UUID | None = None) -> UniverseRecord | None:
        """The newest record of a universe that was known on a day; None where there is none.

        `org_id` is as it was given to `update`.
        """
        with self._database.service() as connection:
            row = dao.latest(connection, universe_id, day, formula_version=FORMULA_VERSION, org_id=org_id)
        return None if row is None else _record(row)

    def confidences(self, universe_id: str, day: date, org_id: UUID | None = None) -> Mapping[str, Confidence] | None:
        """How much each type of signal is to be trusted on a day; None until the record of that very day is there."""
        record = self.of(universe_id, day, org_id)
        return record.confidences if record is not None and record.as_of == day else None

    def of_symbol(self, type_id: str, symbol: str, as_of: AsOf, org_id: UUID | None = None) -> FiguresByHorizon:
        """What signals of a type were worth on one symbol, with its own entries as their base.

        Raises:
            NotFound: there is no such type.
            NotEnoughData: the symbol has no bars up to that day.
        """
        detector = detector_of(type_id).only(type_id)
        panel = self._bars.panel([symbol], as_of, MOST_BARS, org_id)
        series = cleaned(panel)
        if not len(series):
            raise NotEnoughData(f"There are no bars of {symbol} up to {as_of.day}.")
        outcomes = Outcomes(series, self._benchmark(panel, as_of, org_id))
        return figures_of(outcomes, all_events(series, detector))[type_id]

    def _benchmark(self, panel: Panel, as_of: AsOf, org_id: UUID | None) -> Benchmark | None:
        currencies = Counter(found.series.currency for found in panel.served_by.values())
        symbol = BENCHMARKS.get(currencies.most_common(1)[0][0] or "")
        if symbol is None:
            return None
        try:
            return Benchmark.of(symbol, self._bars.history(symbol, as_of, org_id=org_id).frame)
        except NotFound:
            return None

    def _compute(self, parts: Iterable[Part], detector: Detector) -> Iterator[Found]:
        processes = self._processes
        if processes is None:
            yield from in_this_process(parts, detector)
            return
        waiting: deque[Future[Found]] = deque()
        with ThreadPoolExecutor(processes.count) as pool:
            for part in parts:
                waiting.append(pool.submit(processes.run, signals_in, part, detector))
                if len(waiting) > processes.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _put(self, universe_id: str, day: date, org_id: UUID | None, version: str, kept: Mapping[str, Any]) -> None:
        with self._database.service() as connection:
            dao.put(
                connection,
                new_id(),
                org_id=org_id,
                universe_id=universe_id,
                as_of=day,
                formula_version=FORMULA_VERSION,
                bars_version=version,
                figures=kept,
            )
            dao.forget(connection, universe_id, org_id=org_id, most=MOST_DAYS)


def _told(progress: Progress | None, detector: Detector) -> Callable[[int, int], None]:
    detail = f"Records of {detector.name.replace('_', ' ')}"

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(done=done, total=total, detail=detail)

    return tell


def _record(row: RecordRow) -> UniverseRecord:
    types = row.figures["types"]
    in_order = (type_id for detector in DETECTORS for type_id in detector.types if type_id in types)
    return UniverseRecord(
        universe_id=row.universe_id,
        as_of=row.as_of,
        computed_at=row.computed_at,
        symbols=row.figures["symbols"],
        benchmark=row.figures["benchmark"],
        figures={
            type_id: {sessions: Figures.from_json(types[type_id][str(sessions)]) for sessions in HORIZONS}
            for type_id in in_order
        },
    )
