"""The statements of the catalogue of bars: datasets, their files and series, and corporate actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

NOW = text("SELECT assay_now()")
_CREATE = text(
    "INSERT INTO bar_datasets (id, kind, org_id, name, source, is_generated, fingerprint, version, updated_at) "
    "VALUES (:id, :kind, :org_id, :name, :source, :is_generated, '', 0, assay_now()) ON CONFLICT DO NOTHING"
)
_DATASET = text(
    "SELECT id, kind, org_id, name, source, is_generated, fingerprint, version FROM bar_datasets "
    "WHERE kind = :kind AND org_id IS NOT DISTINCT FROM CAST(:org_id AS uuid) AND name = :name"
)
_DATASETS = text(
    "SELECT id, kind, org_id, name, source, is_generated, fingerprint, version FROM bar_datasets "
    "WHERE org_id IS NULL OR org_id = CAST(:org_id AS uuid) ORDER BY kind, name"
)
_ADVANCE = text(
    "UPDATE bar_datasets SET version = version + 1, fingerprint = :fingerprint, source = :source, "
    "updated_at = assay_now() WHERE id = :id AND version = :version"
)
_FILES = text(
    "SELECT path, dataset_id, year, rows, bytes FROM bar_files "
    "WHERE dataset_id = ANY(:ids) AND retired_at IS NULL ORDER BY dataset_id, year"
)
_RETIRE = text(
    "UPDATE bar_files SET retired_at = assay_now() WHERE dataset_id = :id AND year = ANY(:years) AND retired_at IS NULL"
)
_ADD_FILE = text(
    "INSERT INTO bar_files (path, dataset_id, year, rows, bytes, version, added_at) "
    "VALUES (:path, :dataset_id, :year, :rows, :bytes, :version, assay_now())"
)
_LATE_FILES = text("SELECT path FROM bar_files WHERE retired_at < assay_now() - CAST(:age AS interval)")
_FORGET_FILES = text("DELETE FROM bar_files WHERE path = ANY(:paths) AND retired_at IS NOT NULL")
_PATHS = text("SELECT path FROM bar_files")
_SERIES_COLUMNS = "symbol, currency, exchange, adjustment, adjusted_through, first_day, last_day, rows"
_SERIES = text(
    f"SELECT dataset_id, {_SERIES_COLUMNS} FROM bar_series "  # noqa: S608 (a constant of this module)
    "WHERE dataset_id = :id AND (CAST(:symbols AS text[]) IS NULL OR symbol = ANY(CAST(:symbols AS text[])))"
)
_WRITES = text("SELECT coalesce(sum(version), 0)::bigint FROM bar_datasets")
_SERIES_COUNTS = text("SELECT dataset_id, count(*) FROM bar_series WHERE dataset_id = ANY(:ids) GROUP BY dataset_id")
# One history serves a symbol, never parts of two: the organisation's own before others, then the one whose last bar
# that may be seen is the latest, then the longest.
_CHOSEN = text(
    """
    SELECT DISTINCT ON (s.symbol) s.dataset_id, s.symbol, s.currency, s.exchange, s.adjustment, s.adjusted_through,
        s.first_day, s.last_day, s.rows, d.kind, d.name, d.source, d.is_generated
    FROM bar_series s JOIN bar_datasets d ON d.id = s.dataset_id
    WHERE s.symbol = ANY(CAST(:symbols AS text[])) AND s.first_day <= :day
        AND (d.org_id IS NULL OR d.org_id = CAST(:org_id AS uuid))
    ORDER BY s.symbol, d.kind = 'own' DESC, least(s.last_day, :day) DESC, s.first_day, d.kind, d.name
    """
)
_PUT_SERIES = text(
    f"""
    INSERT INTO bar_series (dataset_id, {_SERIES_COLUMNS})
    SELECT :dataset_id, r.* FROM unnest(CAST(:symbol AS text[]), CAST(:currency AS text[]), CAST(:exchange AS text[]),
        CAST(:adjustment AS text[]), CAST(:adjusted_through AS date[]), CAST(:first_day AS date[]),
        CAST(:last_day AS date[]), CAST(:rows AS integer[])) r
    ON CONFLICT (dataset_id, symbol) DO UPDATE SET currency = excluded.currency, exchange = excluded.exchange,
        adjustment = excluded.adjustment, adjusted_through = excluded.adjusted_through,
        first_day = excluded.first_day, last_day = excluded.last_day, rows = excluded.rows
    """  # noqa: S608 (a constant of this module)
)
_DROP_SERIES = text("DELETE FROM bar_series WHERE dataset_id = :id AND symbol = ANY(:symbols)")
_DROP_ACTIONS = text("DELETE FROM corporate_actions WHERE dataset_id = :id AND symbol = ANY(:symbols)")
_PUT_ACTION = text(
    "INSERT INTO corporate_actions (dataset_id, symbol, ex_date, kind, value, source) "
    "VALUES (:dataset_id, :symbol, :ex_date, :kind, :value, :source) "
    "ON CONFLICT (dataset_id, symbol, ex_date, kind) DO UPDATE SET value = excluded.value, source = excluded.source"
)
_ACTIONS = text(
    "SELECT dataset_id, symbol, ex_date, kind, value, source FROM corporate_actions "
    "WHERE dataset_id = ANY(:ids) AND (CAST(:symbols AS text[]) IS NULL OR symbol = ANY(CAST(:symbols AS text[]))) "
    "AND (CAST(:kind AS text) IS NULL OR kind = :kind) ORDER BY symbol, ex_date"
)


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A set of bars that are written together."""

    id: UUID
    kind: str
    """shipped, fetched or own."""
    org_id: UUID | None
    name: str
    source: str
    is_generated: bool
    fingerprint: str
    version: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """The Parquet file of one year."""

    path: str
    """Below the folder of bars."""
    dataset_id: UUID
    year: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """What a dataset holds of a symbol."""

    dataset_id: UUID
    symbol: str
    currency: str | None
    exchange: str | None
    adjustment: str
    adjusted_through: date | None
    first_day: date
    last_day: date
    rows: int


@dataclass(frozen=True, slots=True)
class ChosenRow:
    """The history that serves a symbol, and the dataset it is of."""

    series: SeriesRow
    kind: str
    name: str
    source: str
    is_generated: bool


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A split or dividend."""

    dataset_id: UUID
    symbol: str
    ex_date: date
    kind: str
    value: Decimal
    source: str


def dataset(
    connection: Connection, *, new_id: UUID, kind: str, org_id: UUID | None, name: str, source: str, is_generated: bool
) -> DatasetRow:
    """The dataset of that name, made when there is none."""
    key = {"kind": kind, "org_id": org_id, "name": name}
    connection.execute(_CREATE, {"id": new_id, "source": source, "is_generated": is_generated, **key})
    return DatasetRow(*connection.execute(_DATASET, key).one())


def find_dataset(connection: Connection, *, kind: str, org_id: UUID | None, name: str) -> DatasetRow | None:
    """The dataset of that name."""
    row = connection.execute(_DATASET, {"kind": kind, "org_id": org_id, "name": name}).one_or_none()
    return DatasetRow(*row) if row else None


def datasets(connection: Connection, org_id: UUID | None) -> list[DatasetRow]:
    """All that an organisation may read: everyone's, and its own."""
    return [DatasetRow(*row) for row in connection.execute(_DATASETS, {"org_id": org_id})]


def advance(connection: Connection, of: DatasetRow, *, fingerprint: str, source: str) -> bool:
    """Counts a write, and holds the dataset for this transaction; False when someone else wrote since it was read."""
    changes = {"id": of.id, "version": of.version, "fingerprint": fingerprint, "source": source}
    return connection.execute(_ADVANCE, changes).rowcount == 1


def files(connection: Connection, dataset_ids: Sequence[UUID]) -> list[FileRow]:
    """The files in force, oldest year first."""
    return [FileRow(*row) for row in connection.execute(_FILES, {"ids": list(dataset_ids)})]


def replace_files(connection: Connection, of: DatasetRow, years: Sequence[int], added: Sequence[FileRow]) -> None:
    """Takes the files of those years out of force, and puts others in."""
    connection.execute(_RETIRE, {"id": of.id, "years": list(years)})
    if added:
        connection.execute(_ADD_FILE, [{**asdict(file), "version": of.version + 1} for file in added])


def late_files(connection: Connection, age: timedelta) -> list[str]:
    """Files out of force for so long that nobody reads them."""
    return list(connection.execute(_LATE_FILES, {"age": age}).scalars())


def forget_files(connection: Connection, paths: Sequence[str]) -> None:
    """Forgets files that were removed."""
    connection.execute(_FORGET_FILES, {"paths": list(paths)})


def known_paths(connection: Connection) -> set[str]:
    """Every file that the catalogue knows, in force or not."""
    return set(connection.execute(_PATHS).scalars())


def series(connection: Connection, dataset_id: UUID, symbols: Sequence[str] | None = None) -> dict[str, SeriesRow]:
    """What a dataset holds, by symbol; of all symbols, or of some."""
    rows = connection.execute(_SERIES, {"id": dataset_id, "symbols": None if symbols is None else list(symbols)})
    return {row.symbol: SeriesRow(*row) for row in rows}


def writes(connection: Connection) -> int:
    """How often anything was written: it grows with each write of any dataset."""
    count: int = connection.execute(_WRITES).scalar_one()
    return count


def series_counts(connection: Connection, dataset_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many symbols datasets hold."""
    return {row[0]: row[1] for row in connection.execute(_SERIES_COUNTS, {"ids": list(dataset_ids)})}


def chosen(connection: Connection, symbols: Sequence[str], day: date, org_id: UUID | None) -> list[ChosenRow]:
    """The one history that serves each symbol as of a day; a symbol without one is left out."""
    rows = connection.execute(_CHOSEN, {"symbols": list(symbols), "day": day, "org_id": org_id})
    return [ChosenRow(SeriesRow(*row[:9]), *row[9:]) for row in rows]


def put_series(connection: Connection, dataset_id: UUID, rows: Sequence[SeriesRow]) -> None:
    """Writes what a dataset holds of these symbols."""
    columns = {name: [getattr(row, name) for row in rows] for name in SeriesRow.__slots__ if name != "dataset_id"}
    if rows:
        connection.execute(_PUT_SERIES, {"dataset_id": dataset_id, **columns})


def drop_series(connection: Connection, dataset_id: UUID, symbols: Sequence[str]) -> None:
    """Forgets symbols that a dataset no longer holds."""
    connection.execute(_DROP_SERIES, {"id": dataset_id, "symbols": list(symbols)})


def drop_actions(connection: Connection, dataset_id: UUID, symbols: Sequence[str]) -> None:
    """Forgets the splits and dividends of symbols."""
    connection.execute(_DROP_ACTIONS, {"id": dataset_id, "symbols": list(symbols)})


def put_actions(connection: Connection, rows: Sequence[ActionRow]) -> None:
    """Adds splits and dividends; one of the same day and kind is replaced."""
    if rows:
        connection.execute(_PUT_ACTION, [asdict(row) for row in rows])


def actions(
    connection: Connection, dataset_ids: Sequence[UUID], symbols: Sequence[str] | None = None, kind: str | None = None
) -> list[ActionRow]:
    """Splits and dividends of datasets, by symbol, oldest first."""
    given = {"ids": list(dataset_ids), "symbols": None if symbols is None else list(symbols), "kind": kind}
    return [ActionRow(*row) for row in connection.execute(_ACTIONS, given)]
