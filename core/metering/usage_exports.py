"""The log of requests as a file, CSV or Parquet, read and written page by page so that its length does not matter."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Literal, get_args
from zoneinfo import ZoneInfo

from core.db import usage_dao
from core.db.engine import Database
from core.db.usage_dao import LogRow, Reach
from core.errors import Conflict, InvalidRequest
from core.metering.usage import Span
from core.metering.usage_log import UsageLog
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject, audit_principal
from core.principal import Principal

if TYPE_CHECKING:
    import pyarrow as pa

FileFormat = Literal["csv", "parquet"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
MEDIA_TYPES: dict[FileFormat, str] = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
MAX_ROWS = 1_000_000
"""Requests of one file."""
PAGE_ROWS = 5_000
"""So many are in memory at once."""
AT_ONCE = 2
"""Files that one process makes at a time."""
COLUMNS: dict[str, Callable[[LogRow], object]] = {
    "request_id": lambda row: row.request_id,
    "conversation_id": lambda row: row.conversation_id,
    "user_id": lambda row: row.user_id,
    "channel": lambda row: row.channel,
    "status": lambda row: row.status,
    "feature": lambda row: row.feature,
    "provider": lambda row: row.provider,
    "model": lambda row: row.model,
    "prompt_tokens": lambda row: row.prompt_tokens,
    "completion_tokens": lambda row: row.completion_tokens,
    "estimated": lambda row: row.estimated,
    "quarantine": lambda row: row.quarantine,
    "cache_level": lambda row: row.cache_level,
    "saved_usd": lambda row: row.saved_usd,
    "charged_usd": lambda row: row.charged_usd,
    "cost_usd": lambda row: row.cost_usd,
    "latency_ms": lambda row: row.latency_ms,
    "first_token_ms": lambda row: row.first_token_ms,
    "error_code": lambda row: row.error_code,
    "plan": lambda row: row.plan,
    "cover": lambda row: row.cover,
    "credits": lambda row: row.credits,
}
"""The columns of the file, after the time."""
_FORMULA_STARTS = frozenset("=+-@\t\r")
_USD = frozenset({"saved_usd", "charged_usd", "cost_usd"})
_INTEGERS = frozenset({"prompt_tokens", "completion_tokens", "latency_ms", "first_token_ms"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests a file is made of, and how."""

    span: Span
    """Times in a CSV file are those of its zone."""
    file_format: FileFormat = "csv"
    statuses: Sequence[str] = ()
    """None named: all; models likewise."""
    models: Sequence[str] = ()
    whole_organisation: bool = True
    """Where the principal manages it; otherwise and for others their own."""
    most: int = MAX_ROWS

    def name(self) -> str:
        """What the file is called."""
        local = ZoneInfo(self.span.zone)
        ends = (self.span.starts_at, self.span.ends_at - timedelta(microseconds=1))
        first, last = (moment.astimezone(local).date() for moment in ends)
        return f"assay-usage-{first}-to-{last}.{self.file_format}"


class UsageExports:
    """Makes files of the log as the principal may see it, newest request first."""

    def __init__(self, database: Database, log: UsageLog) -> None:
        self._database = database
        self._log = log
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def write(self, principal: Principal, wanted: Wanted, out: IO[bytes]) -> int:
        """Writes the file; gives how many requests are in it.

        Raises:
            InvalidRequest: there are more of them than a file may have, or there is no such format.
            Conflict: as many files as may be are being made.
        """
        if wanted.file_format not in FORMATS:
            raise InvalidRequest(f"format is one of {', '.join(FORMATS)}.")
        self._log.flush()
        with self._place():
            reach = _reach(principal, wanted)
            filters = {"statuses": wanted.statuses, "models": wanted.models}
            with self._database.app(principal) as connection:
                count = usage_dao.count(connection, reach, **filters, most=wanted.most + 1)
                if count > wanted.most:
                    raise InvalidRequest(
                        f"These are more than {wanted.most:,} requests, the most that one file has: choose a shorter "
                        "time."
                    )
                Audit.record(connection, _exported(principal, wanted, count))
            write = _write_csv if wanted.file_format == "csv" else _write_parquet
            return write(self._pages(principal, reach, filters), wanted.span.zone, out)

    def _pages(self, principal: Principal, reach: Reach, filters: dict[str, Sequence[str]]) -> Iterator[list[LogRow]]:
        """The requests, a page in a transaction of its own, so that no slow reader holds one open."""
        before = None
        while True:
            with self._database.app(principal) as connection:
                rows = usage_dao.log(
                    connection,
                    reach,
                    statuses=filters["statuses"],
                    models=filters["models"],
                    before=before,
                    most=PAGE_ROWS,
                )
            yield rows
            if len(rows) < PAGE_ROWS:
                return
            before = (rows[-1].at, rows[-1].id)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Conflict("Other files are being made at this moment. Try again in a minute.")
        try:
            yield
        finally:
            self._places.release()


def csv_of(rows: Iterable[LogRow], zone: str) -> bytes:
    """Requests as a CSV file: one header, times in the zone with their offset, amounts with every digit.

    A text that a spreadsheet would take for a formula is marked as text.
    """
    out = io.BytesIO()
    _write_csv([[*rows]], zone, out)
    return out.getvalue()


def _exported(principal: Principal, wanted: Wanted, requests: int) -> AuditEvent:
    after = {
        "format": wanted.file_format,
        "from": wanted.span.starts_at,
        "to": wanted.span.ends_at,
        "requests": requests,
        "whole_organisation": wanted.whole_organisation and principal.role.manages,
    }
    return audit_principal(
        principal, AuditAction.USAGE_EXPORTED, Subject("usage_log", str(principal.org_id)), after=after
    )


def _reach(principal: Principal, wanted: Wanted) -> Reach:
    is_whole = wanted.whole_organisation and principal.role.manages
    user_id = None if is_whole else principal.user_id
    return Reach(principal.org_id, user_id, wanted.span.starts_at, wanted.span.ends_at)


def _write_csv(pages: Iterable[Sequence[LogRow]], zone: str, out: IO[bytes]) -> int:
    local, count = ZoneInfo(zone), 0
    out.write("\ufeff".encode())
    _write_lines(out, [["time", *COLUMNS]])
    for rows in pages:
        _write_lines(
            out,
            ([_cell(row.at.astimezone(local)), *(_cell(column(row)) for column in COLUMNS.values())] for row in rows),
        )
        count += len(rows)
    return count


def _write_lines(out: IO[bytes], lines: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    out.write(text.getvalue().encode())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in _FORMULA_STARTS else text


def _write_parquet(pages: Iterable[Sequence[LogRow]], _zone: str, out: IO[bytes]) -> int:
    """Times are UTC, amounts decimals of nine digits, credits of six; a page is a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count = _schema(), 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in pages:
            columns: dict[str, list[Any]] = {"time": [row.at.astimezone(UTC) for row in rows]}
            for name, column in COLUMNS.items():
                values = [column(row) for row in rows]
                columns[name] = [str(each) if each and name.endswith("_id") else each for each in values]
            writer.write_table(pa.table(columns, schema=schema))
            count += len(rows)
    return count


def _schema() -> pa.Schema:
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        if name in _USD:
            return pa.decimal128(20, 9)
        if name == "credits":
            return pa.decimal128(18, 6)
        if name in _INTEGERS:
            return pa.int64()
        return pa.bool_() if name == "estimated" else pa.string()

    return pa.schema([("time", pa.timestamp("us", tz="UTC")), *((name, kind(name)) for name in COLUMNS)])
