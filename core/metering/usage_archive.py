"""A month of the log as a Parquet file: written aside, read back, and only then given its name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

from core.db.retention_dao import COLUMNS, Kind
from core.errors import Conflict

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 50_000
"""So many are in memory at once, and in a row group of the file."""
SHOWN_DIGITS = 16
"""Of the checksum, in the name of the file."""
_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Archived:
    """A month that lies in a file."""

    path: Path
    rows: int
    sha256: str
    last_place: int
    """Of its rows in the order that the audit log seals; 0 without any."""


def archive(folder: Path, month: date, rows: Iterable[Sequence[Any]]) -> Archived:
    """Writes rows (the columns of `retention_dao.COLUMNS`) to a file of the folder; a crash leaves none that is half.

    The name holds the month, how many rows there are and the beginning of the SHA-256, so that no file is ever written
    over by another. Ids are texts, times UTC, amounts decimals with every digit.

    Raises:
        Conflict: the file, read again, has not as many rows as were written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = folder / f"usage-{month:%Y-%m}{_UNFINISHED}"
    with unfinished.open("wb") as out:
        count, last_place = _write(rows, out)
        out.flush()
        os.fsync(out.fileno())
    digest = _checked(unfinished, count)
    path = folder / f"usage-{month:%Y-%m}-{count}-rows-{digest[:SHOWN_DIGITS]}.parquet"
    unfinished.replace(path)
    _keep_names(folder)
    return Archived(path, count, digest, last_place)


def _write(rows: Iterable[Sequence[Any]], out: IO[bytes]) -> tuple[int, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count, last_place = _schema(), 0, 0
    place = [*COLUMNS].index("seq")
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for group in _groups(iter(rows)):
            values = zip(*group, strict=True)
            columns = {name: [_plain(value) for value in each] for name, each in zip(COLUMNS, values, strict=True)}
            writer.write_table(pa.table(columns, schema=schema))
            count += len(group)
            last_place = max(last_place, *(row[place] for row in group))
    return count, last_place


def _groups(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    while group := [*islice(rows, GROUP_ROWS)]:
        yield group


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _checked(path: Path, count: int) -> str:
    """The SHA-256 of a file that has so many rows."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        kept = pq.ParquetFile(file).metadata.num_rows
        if kept != count:
            raise Conflict(f"{path.name} has {kept:,} of {count:,} rows. Nothing was dropped; look at the disk.")
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep_names(folder: Path) -> None:
    """Makes the new name last when the machine loses its power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds: dict[Kind, pa.DataType] = {
        "id": pa.string(),
        "time": pa.timestamp("us", tz="UTC"),
        "text": pa.string(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "usd": pa.decimal128(20, 9),
        "credits": pa.decimal128(18, 6),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
