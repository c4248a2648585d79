"""The statements that roll up the log of usage: an hour and its day at a time, each made anew from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import TextClause, text

from core.db.engine import Transaction
from core.db.rollups_dao import (
    ALL_DAYS,
    BUCKET,
    DAY,
    DAYS,
    HOUR,
    HOURS,
    KEYS,
    ORG_DAYS,
    ORG_QUARTERS,
    QUARTER,
    RAW_MEASURES,
    USER_DAYS,
    floored,
)
from core.db.usage_tables import LATENCIES, MEASURES

STEP_TIMEOUT = "5min"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_WRITERS = text(
    """
    SELECT assay_now(), ARRAY(SELECT DISTINCT l.virtualtransaction FROM pg_locks l
        JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
        WHERE l.relation = 'usage_log'::regclass AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid())
    """
)
_BEGIN = text("SELECT rolled_until, kept_from FROM usage_progress FOR UPDATE SKIP LOCKED")
_HAS_ROWS = text("SELECT EXISTS (SELECT FROM usage_log WHERE at >= :first AND at < :end)")
_NEXT_ROW = text("SELECT min(at) FROM usage_log WHERE at >= :first AND at < :end")
_FIRST_LATE = text("SELECT min(hour) FROM usage_late_hours WHERE hour >= :first AND hour < :until")
_TAKE_LATE = text("DELETE FROM usage_late_hours WHERE hour >= :first AND hour < :end RETURNING hour")
_FORGET_LATE = text("DELETE FROM usage_late_hours WHERE hour < :kept_from")
_MOVE_ON = text("UPDATE usage_progress SET rolled_until = :until WHERE rolled_until < :until")
_PARTITIONS = text("SELECT make_usage_partitions()")
_SPREAD = ", ".join(f"count(*) FILTER (WHERE status = 'success' AND bucket = {n})" for n in range(len(LATENCIES)))
_FORGET_HOURS = [
    text("DELETE FROM usage_hours WHERE hour = ANY (CAST(:hours AS timestamptz[]))"),
    text("DELETE FROM usage_org_quarters WHERE quarter = ANY (CAST(:quarters AS timestamptz[]))"),
]
_FORGET_DAYS = [
    text("DELETE FROM usage_all_days WHERE day = :day"),
    text("DELETE FROM usage_org_days WHERE day = :day"),
    text("DELETE FROM usage_days WHERE day = :day"),
    text("DELETE FROM usage_user_days WHERE day = :day"),
]


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f"{KEYS[key]} AS {key}" for key in keys)


def _of_hours(table: str, keys: Sequence[str]) -> TextClause:
    return text(
        f"""
        INSERT INTO {table} ({", ".join([*keys, *MEASURES])})
        SELECT {_listed(keys)}, {RAW_MEASURES} FROM usage_log
        WHERE at >= :first AND at < :end AND date_trunc('hour', at, 'UTC') = ANY (CAST(:hours AS timestamptz[]))
        GROUP BY {", ".join(str(number + 1) for number in range(len(keys)))}
        """  # noqa: S608 (the columns are written in core.db.usage_tables)
    )


_ROLL_HOURS = [_of_hours(rollup.table, (rollup.column, *rollup.keys)) for rollup in (HOURS, ORG_QUARTERS)]


def _of_day(table: str, keys: Sequence[str], more: Sequence[str] = (), values: str = "") -> str:
    grouped = ", ".join(str(number + 2) for number in range(len(keys)))
    return f"""
        INSERT INTO {table} (day, {", ".join([*keys, *MEASURES, *more])})
        SELECT CAST(:day AS timestamptz), {_listed(keys)}, {RAW_MEASURES}{values}
        FROM (SELECT *, {BUCKET} AS bucket FROM usage_log WHERE at >= :day AND at < :end) l GROUP BY {grouped}
    """  # noqa: S608 (names of ours)


def _again(table: str, keys: Sequence[str], finer: str, more: Sequence[str] = ()) -> TextClause:
    """Sums over the rows of another rollup of the same day."""
    names = ", ".join(["day", *keys])
    summed = ", ".join(f"sum({name})" for name in (*MEASURES, *more))
    return text(
        f"INSERT INTO {table} ({names}, {', '.join([*MEASURES, *more])}) "  # noqa: S608 (names of ours)
        f"SELECT {names}, {summed} FROM {finer} WHERE day = :day GROUP BY {names}"
    )


_ROLL_DAY = [
    text(_of_day("usage_org_days", ORG_DAYS.keys, LATENCIES, ", " + _SPREAD)),
    text(_of_day("usage_days", DAYS.keys)),
    _again("usage_all_days", ALL_DAYS.keys, "usage_org_days", LATENCIES),
    _again("usage_user_days", USER_DAYS.keys, "usage_days"),
]


@dataclass(frozen=True, slots=True)
class Step:
    """What a step rolled up."""

    day: datetime
    hours: int
    """How many hours of it were made anew."""
    is_again: bool
    """Whether it had been rolled up before, and got rows since."""


def writers(transaction: Transaction) -> tuple[datetime, frozenset[str]]:
    """The moment, and who has written to the log in a transaction that has not ended."""
    now, found = transaction.execute(_WRITERS).one()
    return now, frozenset(found)


def step(transaction: Transaction, closed: datetime | None, *, again_from: datetime = EPOCH) -> Step | None:
    """Rolls up the next day, or part of one, up to `closed`; then a day from `again_from` on that got rows afterwards.

    None where nothing is left, or another process is at it. `closed` is the start of an hour before which no open
    transaction has written; None where that is not known, so that no hour is added.
    """
    progress = transaction.execute(_BEGIN).one_or_none()
    if progress is None:
        return None
    transaction.execute(text(f"SET LOCAL statement_timeout = '{STEP_TIMEOUT}'"))
    rolled, kept_from = progress
    if kept_from is not None:
        transaction.execute(_FORGET_LATE, {"kept_from": kept_from})
    if closed is not None and rolled < closed:
        return _step_on(transaction, rolled, closed)
    late = transaction.execute(_FIRST_LATE, {"first": again_from, "until": rolled}).scalar_one()
    if late is None:
        return None
    day = floored(late, DAY)
    return Step(day, _roll(transaction, day, min(day + DAY, rolled), ()), is_again=True)


def make_partitions(transaction: Transaction) -> int | None:
    """Makes the months ahead; None where others were at work on the log, so that it must be asked again."""
    made: int | None = transaction.execute(_PARTITIONS).scalar_one()
    return made


def _step_on(transaction: Transaction, rolled: datetime, closed: datetime) -> Step:
    day = floored(rolled, DAY)
    end = min(day + DAY, closed)
    if not transaction.execute(_HAS_ROWS, {"first": rolled, "end": end}).scalar_one():
        later = transaction.execute(_NEXT_ROW, {"first": end, "end": closed}).scalar_one()
        transaction.execute(_MOVE_ON, {"until": closed if later is None else floored(later, HOUR)})
        return Step(day, 0, is_again=False)
    hours = [rolled + number * HOUR for number in range((end - rolled) // HOUR)]
    made = _roll(transaction, day, end, hours)
    transaction.execute(_MOVE_ON, {"until": end})
    return Step(day, made, is_again=False)


def _roll(transaction: Transaction, day: datetime, end: datetime, hours: Sequence[datetime]) -> int:
    """Makes hours of a day anew, those that got rows since among them, and the day up to `end`; gives how many.

    The marks are taken before the rows are read: a row that comes in between leaves a mark that stays.
    """
    times = {"first": day, "end": end, "day": day}
    late = transaction.execute(_TAKE_LATE, times).scalars()
    chosen = sorted({*hours, *late})
    if chosen:
        quarters = [hour + number * QUARTER for hour in chosen for number in range(HOUR // QUARTER)]
        span = {"hours": chosen, "quarters": quarters, "first": chosen[0], "end": chosen[-1] + HOUR}
        for statement in (*_FORGET_HOURS, *_ROLL_HOURS):
            transaction.execute(statement, span)
    for statement in _FORGET_DAYS:
        transaction.execute(statement, times)
    for statement in _ROLL_DAY:
        transaction.execute(statement, times)
    return len(chosen)
