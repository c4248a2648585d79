"""The statements of retention: the months of the log, the rows of one, its end, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Integer, Numeric, Row, Text, Uuid, text

from core.db.engine import Transaction
from core.db.schema import Credits, Moment
from core.db.tables import usage_log

Kind = Literal["id", "time", "text", "integer", "boolean", "usd", "credits"]
FETCHED_AT_ONCE = 5_000
CLEARED_AT_ONCE = 5_000
READING_TIMEOUT = "30min"
"""Of the one statement that reads a month through, its sorting included."""
FIRST_ID = UUID(int=0)


def _kind_of(kind: Any) -> Kind:
    if isinstance(kind, Numeric):
        return "credits" if kind.scale == Credits.scale else "usd"
    kinds: dict[type, Kind] = {Uuid: "id", type(Moment): "time", Text: "text", Boolean: "boolean"}
    kinds |= {Integer: "integer", BigInteger: "integer"}
    return kinds[type(kind)]


COLUMNS: dict[str, Kind] = {column.name: _kind_of(column.type) for column in usage_log.columns}
"""Everything that the log has of a request."""

_MONTHS = text(
    r"""
    SELECT substring(c.relname FROM '\d{4}_\d\d$') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'usage_log'::regclass AND c.relname ~ '^usage_log_\d{4}_\d\d$' ORDER BY 1
    """
)
_MONTH = text(
    """
    SELECT count(*) AS rows, count(*) FILTER (WHERE status = 'unresolved' OR quarantine IS NOT NULL) AS uncertain,
        (SELECT count(*) FROM holds WHERE state IN ('reserved', 'in_flight') AND created_at < :end) AS open
    FROM usage_log WHERE at >= :first AND at < :end
    """
)
_ROWS = text(f"SELECT {', '.join(COLUMNS)} FROM usage_log WHERE at >= :first AND at < :end ORDER BY seq")  # noqa: S608 (the columns are the table's)
_DROP = text("SELECT drop_usage_month(:first, :rows)")
_KEPT = text("SELECT kept_from FROM usage_progress")
_UNCLEARED = text("SELECT kept_from FROM usage_progress WHERE kept_from IS DISTINCT FROM cleared_from")
_SET_CLEARED = text("UPDATE usage_progress SET cleared_from = :kept_from WHERE kept_from = :kept_from")
_CLEAR_PERIODS = text("DELETE FROM meter_periods WHERE ends_at <= :kept_from")
_LAST_OF_NEXT = text(
    """
    SELECT id FROM (SELECT id FROM holds WHERE id > :after ORDER BY id LIMIT :most) s ORDER BY id DESC LIMIT 1
    """
)
_OF_HOLDS = "SELECT id FROM holds WHERE id > :after AND id <= :last AND resolved_at < :kept_from"
_CLEAR_HOLDS = [
    text(f"DELETE FROM attempts WHERE hold_id IN ({_OF_HOLDS})"),  # noqa: S608 (written above)
    text(f"DELETE FROM kept_answers WHERE hold_id IN ({_OF_HOLDS})"),  # noqa: S608 (written above)
    text(
        "DELETE FROM holds h WHERE id > :after AND id <= :last AND resolved_at < :kept_from "
        "AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.hold_id = h.id)"
    ),
]


@dataclass(frozen=True, slots=True)
class MonthRow:
    """What is known of a month; the columns of the statement, in its order."""

    rows: int
    uncertain: int
    """Calls that were never resolved, or whose provider reported impossible usage."""
    open: int
    """Holds made before its end that have not been resolved."""


def months(transaction: Transaction) -> list[date]:
    """The first day of each month that has a partition, in order."""
    found = transaction.execute(_MONTHS).scalars()
    return [date.fromisoformat(f"{name.replace('_', '-')}-01") for name in found]


def month(transaction: Transaction, first: date) -> MonthRow:
    """How much of it there is, and what speaks against dropping it."""
    return MonthRow(*transaction.execute(_MONTH, _span(first)).one())


def rows(transaction: Transaction, first: date) -> Iterator[Row[Any]]:
    """The requests of a month with COLUMNS, in the order that is sealed; a few thousand are fetched at a time."""
    transaction.execute(text(f"SET LOCAL statement_timeout = '{READING_TIMEOUT}'"))
    return iter(transaction.execute(_ROWS, _span(first), execution_options={"yield_per": FETCHED_AT_ONCE}))


def drop(transaction: Transaction, first: date, *, rows: int) -> bool | None:
    """Drops the oldest month, of so many rows; False where it is another or not ready, None where the log is in use."""
    dropped: bool | None = transaction.execute(_DROP, {"first": _moment(first), "rows": rows}).scalar_one()
    return dropped


def kept_from(transaction: Transaction) -> datetime | None:
    """The first moment of which requests are kept one by one; None: all are."""
    moment: datetime | None = transaction.execute(_KEPT).scalar_one()
    return moment


def uncleared(transaction: Transaction) -> datetime | None:
    """The moment before which holds may still have to be deleted; None where that is done."""
    moment: datetime | None = transaction.execute(_UNCLEARED).scalar_one_or_none()
    return moment


def clear_periods(transaction: Transaction, before: datetime) -> None:
    """Deletes closed periods of dropped months."""
    transaction.execute(_CLEAR_PERIODS, {"kept_from": before})


def clear_holds(transaction: Transaction, before: datetime, after: UUID) -> UUID | None:
    """Of the next holds after `after` deletes those resolved before a moment with what belongs to them.

    Holds that entries of the ledger name stay. Gives the last that was looked at, None at the end.
    """
    last: UUID | None = transaction.execute(
        _LAST_OF_NEXT, {"after": after, "most": CLEARED_AT_ONCE}
    ).scalar_one_or_none()
    if last is not None:
        for statement in _CLEAR_HOLDS:
            transaction.execute(statement, {"after": after, "last": last, "kept_from": before})
    return last


def set_cleared(transaction: Transaction, before: datetime) -> None:
    """Says that nothing is left of before a moment."""
    transaction.execute(_SET_CLEARED, {"kept_from": before})


def following(first: date) -> date:
    """The first day of the month after."""
    return (first + timedelta(days=31)).replace(day=1)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _span(first: date) -> dict[str, datetime]:
    return {"first": _moment(first), "end": _moment(following(first))}
