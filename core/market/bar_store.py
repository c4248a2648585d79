"""Where daily bars lie: Parquet files by dataset and year, with their catalogue in Postgres.

A file is never changed. A writer writes new ones beside those in force, and one transaction exchanges them in the
catalogue if nobody else has written meanwhile; whatever fails before leaves the old ones in force. Within a file bars
are ordered by quarter, then symbol, then day: a scan of the last year skips other quarters, one symbol's history other
symbols, and neither has to sort (`docs/decisions/0012-bars-in-parquet.md`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from core.db import bars_dao
from core.db.bars_dao import ActionRow, ChosenRow, DatasetRow, FileRow, SeriesRow
from core.db.engine import Database, Transaction
from core.errors import ConfigurationError, Conflict, SourceDown
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.sources.contract import ActionKind, Adjustment, CorporateAction
from core.settings import Settings

if TYPE_CHECKING:
    import polars as pl

_T = TypeVar("_T")

PRICES = ("open", "high", "low", "close")
COLUMNS = ("symbol", "date", *PRICES, "volume")
ROW_GROUP = 65_536
"""Rows that are read or skipped together: a quarter of a thousand symbols."""
COMPRESSION: Final = "lz4"
"""Read twice as fast as zstd, for files half as large again."""
MOST_ANSWERS = 8
"""Questions of one kind whose answers are kept until something is written."""
MOST_TRIES = 10
"""How often a write begins again because others wrote first."""
READERS_LEAVE_WITHIN = timedelta(hours=1)
"""How long a file that is no longer in force stays readable."""


@dataclass(frozen=True, slots=True)
class DatasetKey:
    """Which dataset: bars that are written together."""

    kind: str
    """`shipped`, `fetched` or `own`."""
    name: str
    source: str
    """Where its bars come from, as pages show it."""
    org_id: UUID | None = None
    """Whose own it is."""
    is_generated: bool = False


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What is known of the bars of one symbol."""

    currency: str | None = None
    exchange: str | None = None
    """MIC."""
    adjustment: Adjustment = Adjustment.RAW
    adjusted_through: date | None = None
    """In whose day's shares adjusted bars are."""
    actions: tuple[CorporateAction, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Bars to write. A day that is there already is replaced."""

    frame: pl.DataFrame
    """`COLUMNS`, one row for each symbol and day."""
    facts: Mapping[str, SeriesFacts]
    """Of every symbol in the frame."""
    replaced: frozenset[str] = frozenset()
    """Symbols of which nothing older stays."""
    is_whole: bool = False
    """Whether the dataset is to hold these bars and no others."""
    fingerprint: str = ""
    """sha256 of the file they come from, where it is compared at the next start."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write changed."""

    added: int
    """Bars of days that were not there."""
    changed: int
    """Bars that differ from those that were there."""
    removed: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known of some symbols at one moment: all that is read by it fits together, whatever is written since."""

    chosen: Sequence[ChosenRow]
    """The one history that serves each symbol."""
    files: Sequence[FileRow]
    """Of the datasets of these histories; they stay readable for `READERS_LEAVE_WITHIN`."""
    counts: Mapping[UUID, int]
    """How many symbols each dataset holds."""
    actions: Sequence[ActionRow]
    """As `BarStore.all_actions` gives them."""


@dataclass(frozen=True, slots=True)
class _Year:
    """A year as it will be."""

    frame: pl.DataFrame
    before: pl.DataFrame
    is_changed: bool


@dataclass(slots=True)
class _Plan:
    """What one try to write will exchange."""

    years: dict[int, _Year] = field(default_factory=dict)
    """Every year that was looked at; only those that change get a new file."""
    files: list[FileRow] = field(default_factory=list)
    series: list[SeriesRow] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


class _Held(Generic[_T]):
    """The last answers to some questions; threads share them."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, _T] = {}
        self._lock = threading.Lock()

    def of(self, question: Hashable, answer: Callable[[], _T]) -> _T:
        """The answer, which is found out where it is not there."""
        with self._lock:
            if question in self._answers:
                return self._answers[question]
        found = answer()
        with self._lock:
            self._answers[question] = found
            while len(self._answers) > MOST_ANSWERS:
                self._answers.pop(next(iter(self._answers)))
        return found


class BarStore:
    """Reads bars up to a day, and exchanges files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        # Every write counts, so that these answers hold for as long as the sum of all counts, which is in their keys.
        self._choices: _Held[tuple[ChosenRow, ...]] = _Held()
        self._files: _Held[tuple[Sequence[FileRow], Mapping[UUID, int]]] = _Held()

    @property
    def folder(self) -> Path:
        """Where bars are, and what is derived from them."""
        return self._folder

    def writes(self) -> int:
        """How often bars were written: what was computed at another count may have read other bars."""
        with self._database.service() as connection:
            return bars_dao.writes(connection)

    def chosen(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None) -> Sequence[ChosenRow]:
        """The one history that serves each symbol as of a day, among everyone's and an organisation's own."""
        with self._database.service() as connection:
            return self._chosen(connection, bars_dao.writes(connection), symbols, as_of, org_id)

    def catalogue(
        self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None, kind: ActionKind | None = None
    ) -> Catalogue:
        """What `read` needs of symbols as of a day, from one moment: their histories, files and actions (of a kind)."""
        with self._database.snapshot() as connection:
            writes = bars_dao.writes(connection)
            chosen = self._chosen(connection, writes, symbols, as_of, org_id)
            series = [found.series for found in chosen]
            ids = frozenset(row.dataset_id for row in series)
            files, counts = self._files.of((writes, ids), lambda: _files(connection, ids))
            return Catalogue(chosen, files, counts, _actions(connection, series, kind))

    def _chosen(
        self, connection: Transaction, writes: int, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None
    ) -> Sequence[ChosenRow]:
        key = (writes, tuple(symbols), as_of.day, org_id)
        return self._choices.of(key, lambda: tuple(bars_dao.chosen(connection, symbols, as_of.day, org_id)))

    def actions(self, series: Iterable[SeriesRow], as_of: AsOf, kind: ActionKind | None = None) -> list[ActionRow]:
        """Splits and dividends of histories up to the day, by symbol, oldest first."""
        return [row for row in self.all_actions(series, kind) if row.ex_date <= as_of.day]

    def all_actions(self, series: Iterable[SeriesRow], kind: ActionKind | None = None) -> list[ActionRow]:
        """As `actions`, later ones too: only to undo what a source applied to earlier prices since."""
        with self._database.service() as connection:
            return _actions(connection, series, kind)

    def read(
        self, series: Sequence[SeriesRow], as_of: AsOf, first: date | None = None, within: Catalogue | None = None
    ) -> pl.DataFrame:
        """The bars of histories as they are kept, up to the day of `as_of`: this is the one way out of the store.

        Each symbol's bars are in order, those of one quarter together; a symbol comes again with the next quarter.
        They are of now, or of the moment of the catalogue that they are read `within`.

        Raises:
            SourceDown: a file that the catalogue names is not there or cannot be read.
        """
        import polars as pl

        by_dataset: dict[UUID, list[str]] = {}
        for row in series:
            by_dataset.setdefault(row.dataset_id, []).append(row.symbol)
        if within is None:
            with self._database.service() as connection:
                files, known = _files(connection, by_dataset)
        else:
            files, known = within.files, within.counts
        earliest = first or date.min
        scans = []
        for dataset_id, symbols in by_dataset.items():
            paths = [
                self._folder / file.path
                for file in files
                if file.dataset_id == dataset_id and earliest.year <= file.year <= as_of.day.year
            ]
            if paths:
                scan = pl.scan_parquet(paths, glob=False).filter(pl.col("date").is_between(earliest, as_of.day))
                if len(symbols) == 1:
                    scan = scan.filter(pl.col("symbol") == symbols[0])
                elif len(symbols) < known[dataset_id]:
                    scan = scan.filter(pl.col("symbol").is_in(symbols))
                scans.append(scan)
        if not scans:
            return _empty()
        with _read_errors():
            return pl.concat(scans).collect() if len(scans) > 1 else scans[0].collect()

    def overlap(self, series: SeriesRow, days: pl.Series) -> pl.DataFrame:
        """What is kept of a history on days that a source has just told: to compare, never to be read by anyone."""
        import polars as pl

        with self._database.service() as connection:
            files = bars_dao.files(connection, [series.dataset_id])
        years = {day.year for day in days}
        parts = [
            self._whole_year(file).filter(pl.col("symbol") == series.symbol) for file in files if file.year in years
        ]
        return pl.concat([_empty(), *parts]).filter(pl.col("date").is_in(days.implode())).drop("symbol")

    def find(self, key: DatasetKey) -> DatasetRow | None:
        """The dataset of that name, when there is one."""
        with self._database.service() as connection:
            return bars_dao.find_dataset(connection, kind=key.kind, org_id=key.org_id, name=key.name)

    def series(self, dataset_id: UUID, symbols: Sequence[str] | None = None) -> dict[str, SeriesRow]:
        """What a dataset holds, by symbol."""
        with self._database.service() as connection:
            return bars_dao.series(connection, dataset_id, symbols)

    def write(self, key: DatasetKey, batch: Batch) -> Written:
        """Writes bars: all of them, or, when anything fails, none.

        Raises:
            Conflict: raw bars for an adjusted history or the reverse, or a split since its bars were adjusted; or
                others wrote the same dataset again and again.
            ConfigurationError: the folder of bars cannot be written.
        """
        for _ in range(MOST_TRIES):
            with self._database.service() as connection:
                dataset = bars_dao.dataset(
                    connection,
                    new_id=new_id(),
                    kind=key.kind,
                    org_id=key.org_id,
                    name=key.name,
                    source=key.source,
                    is_generated=key.is_generated,
                )
                files = {file.year: file for file in bars_dao.files(connection, [dataset.id])}
                known = bars_dao.series(connection, dataset.id)
            plan = self._planned(dataset, batch, files, known)
            try:
                is_done = self._exchange(dataset, key, batch, plan)
            except BaseException:
                self._remove(file.path for file in plan.files)
                raise
            if is_done:
                return _summary(plan)
            self._remove(file.path for file in plan.files)
        raise Conflict("Others are writing these bars. Nothing was changed; try again soon.")

    def collect(self, age: timedelta = READERS_LEAVE_WITHIN) -> int:
        """Removes files that were replaced long ago, and what broken writes left; gives how many."""
        with self._database.service() as connection:
            late, known = bars_dao.late_files(connection, age), bars_dao.known_paths(connection)
            now = connection.execute(bars_dao.NOW).scalar_one()
        before = (now - age).timestamp()
        lost = [
            path
            for path in self._folder.rglob("*.parquet*")
            if path.relative_to(self._folder).as_posix() not in known and _changed_at(path) < before
        ]
        self._remove(late)
        for path in lost:
            path.unlink(missing_ok=True)
        with self._database.service() as connection:
            bars_dao.forget_files(connection, late)
        return len(late) + len(lost)

    def _planned(
        self, dataset: DatasetRow, batch: Batch, files: Mapping[int, FileRow], known: Mapping[str, SeriesRow]
    ) -> _Plan:
        import polars as pl

        plan = _Plan()
        replaced = set(known) if batch.is_whole else set(batch.replaced)
        self._refuse_mixing(dataset, batch, {symbol: known[symbol] for symbol in set(known) - replaced})
        incoming = {
            key[0]: part
            for key, part in batch.frame.group_by(pl.col("date").dt.year().alias("year"), maintain_order=True)
        }
        rewritten = set(incoming) | (set(files) if replaced & set(known) else set())
        for year in sorted(rewritten):
            before = self._whole_year(files[year]) if year in files else _empty()
            added = incoming[year].select(COLUMNS) if year in incoming else _empty()
            kept = before.join(added, on=["symbol", "date"], how="anti")
            if replaced:
                kept = kept.filter(~pl.col("symbol").is_in(sorted(replaced)))
            after = _ordered(pl.concat([kept, added]))
            plan.years[year] = _Year(after, before, is_changed=not after.equals(before))
        plan.series, plan.gone = _series_after(dataset.id, batch, known, replaced, plan)
        try:
            plan.files = [
                self._put(dataset, year, part.frame)
                for year, part in plan.years.items()
                if part.is_changed and not part.frame.is_empty()
            ]
        except OSError as error:
            raise ConfigurationError(f"The folder of bars cannot be written: {error.strerror}.") from error
        return plan

    def _refuse_mixing(self, dataset: DatasetRow, batch: Batch, kept: Mapping[str, SeriesRow]) -> None:
        met = [series for symbol, series in kept.items() if symbol in batch.facts]
        if any(series.adjustment != batch.facts[series.symbol].adjustment for series in met):
            raise Conflict("Raw and adjusted bars are never mixed: replace the whole history of the symbol.")
        adjusted = [series for series in met if series.adjusted_through is not None]
        splits = [(row.symbol, row.ex_date) for row in self.all_actions(adjusted, ActionKind.SPLIT)] if adjusted else []
        splits += [
            (symbol, action.ex_date)
            for symbol, facts in batch.facts.items()
            for action in facts.actions
            if action.kind is ActionKind.SPLIT
        ]
        for series in adjusted:
            through = batch.facts[series.symbol].adjusted_through or date.max
            since = series.adjusted_through or date.min
            if through < since:
                raise Conflict(f"The bars kept of {series.symbol} were adjusted later: replace its whole history.")
            if any(symbol == series.symbol and since < day <= through for symbol, day in splits):
                raise Conflict(f"{series.symbol} was split since its bars were adjusted: replace its whole history.")

    def _exchange(self, dataset: DatasetRow, key: DatasetKey, batch: Batch, plan: _Plan) -> bool:
        actions = [
            ActionRow(dataset.id, symbol, action.ex_date, action.kind, action.value, key.source)
            for symbol, facts in batch.facts.items()
            for action in facts.actions
        ]
        forgotten = [*plan.gone, *(batch.facts if batch.is_whole else batch.replaced)]
        with self._database.service() as connection:
            if not bars_dao.advance(connection, dataset, fingerprint=batch.fingerprint, source=key.source):
                return False
            changed = [year for year, part in plan.years.items() if part.is_changed]
            bars_dao.replace_files(connection, dataset, changed, plan.files)
            bars_dao.drop_series(connection, dataset.id, plan.gone)
            bars_dao.put_series(connection, dataset.id, plan.series)
            bars_dao.drop_actions(connection, dataset.id, forgotten)
            bars_dao.put_actions(connection, actions)
        return True

    def _whole_year(self, file: FileRow) -> pl.DataFrame:
        """A file as it is, to be rewritten; what is read here never leaves the store."""
        import polars as pl

        with _read_errors():
            return pl.read_parquet(self._folder / file.path, glob=False)

    def _put(self, dataset: DatasetRow, year: int, frame: pl.DataFrame) -> FileRow:
        """Writes one file so that it is whole on the disk, or not there under its name."""
        owner = dataset.kind if dataset.org_id is None else f"{dataset.kind}/{dataset.org_id}"
        place = f"{owner}/{dataset.id}/{year}-{new_id().hex}.parquet"
        path = self._folder / place
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_suffix(".parquet.part")
        try:
            with unfinished.open("wb") as file:
                frame.write_parquet(file, compression=COMPRESSION, row_group_size=ROW_GROUP, statistics=True)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return FileRow(place, dataset.id, year, frame.height, path.stat().st_size)

    def _remove(self, places: Iterable[str]) -> None:
        for place in places:
            (self._folder / place).unlink(missing_ok=True)


def bars_folder(settings: Settings) -> Path:
    """Where the files lie: below ASSAY_HOME, or the folder that BARS_URL names.

    Raises:
        ConfigurationError: BARS_URL names something else than a folder of this machine (or one mounted on it).
    """
    named = settings.text("BARS_URL")
    if named is None:
        return settings.assay_home / "bars"
    parts = urlsplit(named)
    if parts.scheme not in ("", "file"):
        raise ConfigurationError(
            "BARS_URL must be a folder that this machine can write, as /srv/bars or file:///srv/bars."
        )
    return Path(parts.path)


def _files(connection: Transaction, dataset_ids: Iterable[UUID]) -> tuple[Sequence[FileRow], Mapping[UUID, int]]:
    """The files of datasets in force, and how many symbols each dataset holds."""
    asked = list(dataset_ids)
    return bars_dao.files(connection, asked), bars_dao.series_counts(connection, asked)


def _actions(connection: Transaction, series: Iterable[SeriesRow], kind: ActionKind | None) -> list[ActionRow]:
    asked = {(row.dataset_id, row.symbol) for row in series}
    datasets = list({dataset_id for dataset_id, _ in asked})
    only = [symbol for _, symbol in asked] if len(asked) <= 100 else None
    rows = bars_dao.actions(connection, datasets, only, kind)
    return [row for row in rows if (row.dataset_id, row.symbol) in asked]


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process removed it, or gave it its name
        return inf


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return frame.sort(pl.col("date").dt.quarter(), "symbol", "date")


def _empty() -> pl.DataFrame:
    import polars as pl

    types = {"symbol": pl.String, "date": pl.Date, **dict.fromkeys((*PRICES, "volume"), pl.Float64)}
    return pl.DataFrame(schema=types)


def _spans(frames: Iterable[pl.DataFrame]) -> dict[str, tuple[date, date, int]]:
    """First day, last day and number of bars of each symbol."""
    import polars as pl

    parts = [
        frame.group_by("symbol").agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"), pl.len())
        for frame in frames
    ]
    if not parts:
        return {}
    total = pl.concat(parts).group_by("symbol").agg(pl.col("first").min(), pl.col("last").max(), pl.col("len").sum())
    return {symbol: (first, last, rows) for symbol, first, last, rows in total.iter_rows()}


def _series_after(
    dataset_id: UUID, batch: Batch, known: Mapping[str, SeriesRow], replaced: set[str], plan: _Plan
) -> tuple[list[SeriesRow], list[str]]:
    """What the dataset will hold of the symbols that are written, and the symbols of which it will hold nothing."""
    before = _spans(year.before for year in plan.years.values())
    after = _spans(year.frame for year in plan.years.values())
    rows = []
    for symbol, facts in batch.facts.items():
        old = None if symbol in replaced else known.get(symbol)
        if symbol not in after:
            continue
        first, last, number = after[symbol]
        if old is not None:
            first, last = min(first, old.first_day), max(last, old.last_day)
            number = old.rows + number - before.get(symbol, (first, last, 0))[2]
        through = facts.adjusted_through
        rows.append(
            SeriesRow(
                dataset_id, symbol, facts.currency, facts.exchange, facts.adjustment, through, first, last, number
            )
        )
    gone = [symbol for symbol in replaced if symbol in known and symbol not in batch.facts]
    return rows, gone


def _summary(plan: _Plan) -> Written:
    added = changed = removed = 0
    for year in plan.years.values():
        if not year.is_changed:
            continue
        both = year.before.join(year.frame, on=list(COLUMNS), how="semi", nulls_equal=True).height
        same_days = year.before.join(year.frame, on=["symbol", "date"], how="semi").height
        added += year.frame.height - same_days
        changed += same_days - both
        removed += year.before.height - same_days
    return Written(added, changed, removed)


@contextmanager
def _read_errors() -> Iterator[None]:
    from polars.exceptions import PolarsError

    try:
        yield
    except (OSError, PolarsError) as error:
        sentence = "A file of bars is missing or broken. Load its bars again: python -m core bars update."
        raise SourceDown(sentence, source="bars") from error
