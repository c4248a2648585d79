"""Rollups of the usage log equal it, whatever was written when and by how many."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import text

from core.accounts.directory import Directory
from core.db import rolling_dao
from core.db import rollups_dao as dao
from core.db.engine import SCHEMA, SERVICE_ROLE, Database
from core.db.rollups_dao import DAY, HOUR, KEYS, LATENCY_ERROR, ROLLUPS, TIMES, Span, Sums
from core.db.usage_tables import LATENCY_STEPS_MS, MEASURES
from core.metering.rollups import Rollups
from core.principal import Principal, Role
from tests.conftest import MoveTime
from tests.core.metering.usage_made import CALLS, FREE, Driver, Logged, put

ZONE = "Asia/Kathmandu"
"""Its midnight is at a quarter past six in the evening of UTC."""
MONDAY = datetime(2031, 3, 3, 10, 30, tzinfo=UTC)
Rows = list[dict[str, Any]]


@pytest.fixture
def rollups(database: Database) -> Rollups:
    """What is tested, without a pause."""
    return Rollups(database, pause=lambda _seconds: None)


@pytest.fixture
def people(database: Database) -> list[Principal]:
    """Two of one organisation, and one of another."""
    return [_member(database, name, org) for name, org in (("ann", "Acme"), ("bob", "Acme"), ("cid", "Other"))]


def _member(database: Database, name: str, org: str) -> Principal:
    directory = Directory(database)
    directory.add_user(f"{name}@test.example", org_name=org, plan="team", role=Role.OWNER)
    return directory.member(f"{name}@test.example", org)


@pytest.fixture
def ann(people: list[Principal]) -> Principal:
    """The first of them."""
    return people[0]


@pytest.fixture
def connect(database_url: str) -> Iterator[Callable[[], Driver]]:
    """Connections of the service role that commit when they are told to."""
    opened: list[Driver] = []

    def make() -> Driver:
        connection = psycopg.connect(database_url.replace("+psycopg", "", 1))
        connection.execute(f"SET ROLE {SERVICE_ROLE}; SET search_path = {SCHEMA}; SET timezone = 'UTC'")
        connection.commit()
        opened.append(connection)
        return connection

    yield make
    for connection in opened:
        connection.close()


def _rows(service: Driver) -> Rows:
    cursor = service.execute("SELECT * FROM usage_log")
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _key(row: dict[str, Any], key: str) -> Any:
    at: datetime = row["at"].astimezone(UTC)
    units = {"quarter": dao.QUARTER, "hour": HOUR, "day": DAY}
    of_time: dict[str, Any] = {name: dao.floored(at, unit) for name, unit in units.items()}
    of_time |= {"hour_of_day": at.hour, "local_day": at.astimezone(ZoneInfo(ZONE)).date()}
    return of_time[key] if key in TIMES else row[key] or ""


def _summed(rows: Rows, by: tuple[str, ...], span: Span) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the log says, worked out row by row."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {} if by else {(): dict.fromkeys(MEASURES, 0)}
    for row in rows:
        if not span.starts_at <= row["at"] < span.ends_at or span.org_id not in (None, row["org_id"]):
            continue
        group = groups.setdefault(tuple(_key(row, key) for key in by), dict.fromkeys(MEASURES, 0))
        group["requests"] += 1
        group["answered" if row["status"] == "success" else row["status"]] += 1
        for name in ("cost_usd", "charged_usd", "saved_usd", "credits"):
            group[name] += row[name]
        for name in ("prompt_tokens", "completion_tokens"):
            group[name] += row[name] if row["hold_id"] else 0
        group["latency_ms"] += row["latency_ms"] if row["status"] == "success" else 0
    return groups


def _told(found: list[Sums]) -> dict[tuple[Any, ...], dict[str, Any]]:
    names = [field.name for field in fields(Sums) if field.name != "keys"]
    assert tuple(names) == MEASURES
    return {row.keys: {name: getattr(row, name) for name in names} for row in found}


def _assert_reads_are_the_log(database: Database, rows: Rows, span: Span, by: tuple[str, ...]) -> None:
    with database.snapshot() as transaction:
        assert _told(dao.sums(transaction, span, by, zone=ZONE)) == _summed(rows, by, span)


def _assert_tables_are_the_log(service: Driver, now: datetime) -> datetime:
    """Every hour that ended more than a minute ago, and its day so far; gives how far that is."""
    found = service.execute("SELECT rolled_until FROM usage_progress").fetchone()
    assert found is not None and isinstance(found[0], datetime)
    until = found[0]
    assert until >= dao.floored(now - timedelta(minutes=1), HOUR)
    rows = _rows(service)
    for rollup in ROLLUPS:
        by = (rollup.column, *rollup.keys)
        table = service.execute(f"SELECT {', '.join([*by, *MEASURES])} FROM {rollup.table}".encode()).fetchall()
        told = {row[: len(by)]: dict(zip(MEASURES, row[len(by) :], strict=True)) for row in table}
        assert told == _summed(rows, by, Span(datetime.min.replace(tzinfo=UTC), until, None)), rollup.table
    return until


def _now(service: Driver) -> datetime:
    found = service.execute("SELECT assay_now()").fetchone()
    assert found is not None and isinstance(found[0], datetime)
    return found[0].astimezone(UTC)


def _some_row(dice: random.Random) -> Logged:
    status = dice.choice([*CALLS, *FREE, "success", "success"])
    return Logged(
        status=status,
        feature=dice.choice(["chat_query", "signal_validation", None]),
        provider=dice.choice(["openai", "groq"]),
        model=dice.choice(["a", "b", "c"]),
        channel=dice.choice(["page", "api"]),
        plan=dice.choice(["free", "team", None]),
        prompt_tokens=dice.randrange(5_000),
        completion_tokens=dice.randrange(900),
        cost_usd=Decimal(dice.randrange(10**7)) / 10**9,
        charged_usd=Decimal(dice.randrange(10**7)) / 10**9,
        latency_ms=int(10 ** dice.uniform(0, 5.7)),
    )


def _some_span(dice: random.Random, now: datetime, people: list[Principal]) -> Span:
    starts_at = now - timedelta(hours=dice.choice([0.5, 3, 30, 100, 200]) * dice.random() * 2)
    if dice.random() < 0.5:
        starts_at = dao.floored(starts_at, dice.choice([HOUR, DAY]))
    ends_at = dice.choice([now + HOUR, now + HOUR, starts_at + (now - starts_at) * dice.random()])
    return Span(starts_at, ends_at, dice.choice([None, people[0].org_id, people[2].org_id]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_after_a_random_history_rollups_and_reads_equal_the_log(
    seed: int,
    database: Database,
    people: list[Principal],
    service: Driver,
    connect: Callable[[], Driver],
    move_time: MoveTime,
) -> None:
    rollups = Rollups(database, pause=lambda _seconds: None)
    dice = random.Random(seed)
    now = MONDAY
    move_time(now)
    open_ones: list[Driver] = []
    keys = [(), *((key,) for key in KEYS), *combinations(KEYS, 2), ("org_id", "user_id", "plan")]
    for _ in range(60):
        act = dice.random()
        if act < 0.45:
            put(service, dice.choice(people), _some_row(dice))
        elif act < 0.6:  # a buffer that waited for the database
            age = timedelta(hours=dice.choice([0.02, 1, 30]) * dice.random())
            put(service, dice.choice(people), Logged(status=dice.choice(FREE), age=age))
        elif act < 0.7 and len(open_ones) < 3:  # a transaction that stays open
            open_ones.append(connect())
            put(open_ones[-1], dice.choice(people), _some_row(dice))
        elif act < 0.8 and open_ones:
            dice.choice([Driver.commit, Driver.rollback])(open_ones.pop(dice.randrange(len(open_ones))))
        elif act < 0.9:
            now = _now(service) + timedelta(hours=dice.choice([0.1, 1, 5, 40]) * dice.random())
            move_time(now)
        else:
            rollups.bring_up_to_date(most=dice.choice([1, 3, 100]))
        if dice.random() < 0.4:
            span = _some_span(dice, _now(service), people)
            _assert_reads_are_the_log(database, _rows(service), span, dice.choice(keys))
    for connection in open_ones:
        connection.commit()
    rollups.bring_up_to_date()
    _assert_tables_are_the_log(service, _now(service))
    assert rollups.bring_up_to_date() == 0


def test_a_row_of_an_hour_that_is_rolled_up_is_read_at_once_and_rolled_up_by_the_next_step(
    database: Database, rollups: Rollups, ann: Principal, service: Driver, move_time: MoveTime
) -> None:
    move_time(MONDAY)
    put(service, ann, Logged())
    move_time(MONDAY + 3 * HOUR)
    assert rollups.bring_up_to_date() > 0
    put(service, ann, Logged(status="cached", age=2.9 * HOUR))
    span = dao.days_back(MONDAY + 4 * HOUR, 1, None)
    with database.snapshot() as transaction:
        assert [row.requests for row in dao.sums(transaction, span)] == [2]
    assert service.execute("SELECT sum(requests) FROM usage_hours").fetchone() == (1,)
    assert rollups.bring_up_to_date() == 1
    assert service.execute("SELECT sum(requests), sum(cached) FROM usage_hours").fetchone() == (2, 1)
    assert service.execute("SELECT count(*) FROM usage_late_hours").fetchone() == (0,)


def test_an_hour_waits_for_a_transaction_that_wrote_to_it(
    rollups: Rollups, ann: Principal, service: Driver, connect: Callable[[], Driver], move_time: MoveTime
) -> None:
    move_time(MONDAY)
    rollups.bring_up_to_date()
    slow = connect()
    put(slow, ann, Logged())
    move_time(MONDAY + 2 * HOUR)
    rollups.bring_up_to_date()
    assert service.execute("SELECT rolled_until FROM usage_progress").fetchone() == (dao.floored(MONDAY, HOUR),)
    slow.commit()
    rollups.bring_up_to_date()
    _assert_tables_are_the_log(service, MONDAY + 2 * HOUR)
    assert service.execute("SELECT sum(requests) FROM usage_hours").fetchone() == (1,)


def test_the_last_minute_of_an_hour_is_rolled_up_a_minute_after_it(
    rollups: Rollups, ann: Principal, service: Driver, move_time: MoveTime
) -> None:
    hour = dao.floored(MONDAY, HOUR)
    move_time(MONDAY)
    put(service, ann, Logged())
    move_time(hour + HOUR + timedelta(seconds=30))
    rollups.bring_up_to_date()
    assert service.execute("SELECT rolled_until FROM usage_progress").fetchone() == (hour,)
    move_time(hour + HOUR + timedelta(seconds=61))
    rollups.bring_up_to_date()
    assert service.execute("SELECT rolled_until FROM usage_progress").fetchone() == (hour + HOUR,)


def test_many_who_roll_up_at_once_while_rows_are_written_make_each_hour_once(
    database: Database,
    rollups: Rollups,
    people: list[Principal],
    service: Driver,
    connect: Callable[[], Driver],
    move_time: MoveTime,
) -> None:
    dice = random.Random(3)
    move_time(MONDAY)
    for hours in range(30):
        move_time(MONDAY + hours * HOUR)
        put(service, dice.choice(people), _some_row(dice))
    stop = threading.Event()

    def write() -> None:
        connection, mine = connect(), random.Random(7)
        while not stop.is_set():
            put(connection, mine.choice(people), Logged(status="denied", age=mine.random() * 30 * HOUR))
            connection.commit()

    with ThreadPoolExecutor(6) as pool:
        writing = pool.submit(write)
        for _ in range(3):
            list(pool.map(lambda _n: rollups.bring_up_to_date(), range(4)))
        stop.set()
        writing.result()
    rollups.bring_up_to_date()
    _assert_tables_are_the_log(service, MONDAY + 29 * HOUR)


def test_a_step_that_is_killed_leaves_nothing_and_the_next_does_it(
    database: Database, rollups: Rollups, ann: Principal, service: Driver, move_time: MoveTime
) -> None:
    move_time(MONDAY)
    put(service, ann, Logged())
    move_time(MONDAY + 5 * HOUR)
    put(service, ann, Logged())
    rollups.bring_up_to_date()
    put(service, ann, Logged(status="denied", age=4 * HOUR))
    with suppress(KeyboardInterrupt), database.service() as transaction:
        assert rolling_dao.step(transaction, None) is not None
        raise KeyboardInterrupt
    assert service.execute("SELECT sum(requests) FROM usage_hours").fetchone() == (1,)
    assert rollups.bring_up_to_date() == 1
    assert service.execute("SELECT sum(requests) FROM usage_hours").fetchone() == (2,)


def test_another_process_that_is_at_it_is_not_waited_for(database: Database, rollups: Rollups) -> None:
    with database.service() as transaction:
        transaction.execute(text("SELECT * FROM usage_progress FOR UPDATE"))
        assert rollups.bring_up_to_date() == 0


def test_years_without_a_row_are_one_step(rollups: Rollups, service: Driver, move_time: MoveTime) -> None:
    move_time(MONDAY)
    assert rollups.bring_up_to_date() == 1
    _assert_tables_are_the_log(service, MONDAY)


def test_percentiles_are_within_the_error_that_is_told(
    database: Database, rollups: Rollups, ann: Principal, service: Driver, move_time: MoveTime
) -> None:
    dice = random.Random(11)
    move_time(MONDAY)
    taken = [int(10 ** dice.uniform(1, 5.4)) for _ in range(300)]
    for latency in taken:
        put(service, ann, Logged(latency_ms=latency))
    put(service, ann, Logged(status="failed", latency_ms=1))
    span = dao.days_back(MONDAY + 2 * DAY, 3, None)
    for _ in range(2):  # from the rows, and from the rollup
        with database.snapshot() as transaction:
            (found,) = dao.latencies(transaction, span, ("provider",))
        assert found.keys == ("openai",)
        assert found.answered == 300
        for told, share in ((found.p50, 0.5), (found.p95, 0.95), (found.p99, 0.99)):
            true = sorted(taken)[ceil(share * 300) - 1]
            assert told == pytest.approx(true, rel=LATENCY_ERROR)
        move_time(MONDAY + DAY)
        rollups.bring_up_to_date()
    assert service.execute("SELECT count(*) FROM usage_org_days").fetchone() == (1,)


def test_every_millisecond_is_within_the_error_of_its_bucket() -> None:
    counts = [0] * (len(LATENCY_STEPS_MS) + 1)
    for milliseconds in [*range(10, 3_000), *range(3_000, 280_000, 97)]:
        number = sum(milliseconds >= step for step in LATENCY_STEPS_MS)
        counts[number] = 1
        assert dao.percentile(counts, 0.5) == pytest.approx(milliseconds, rel=LATENCY_ERROR)
        counts[number] = 0
    assert dao.percentile(counts, 0.5) is None


def test_people_who_were_active_are_counted_once_over_days_and_rows(
    database: Database, rollups: Rollups, people: list[Principal], service: Driver, move_time: MoveTime
) -> None:
    move_time(MONDAY)
    for principal in people[:2]:
        put(service, principal, Logged())
    move_time(MONDAY + DAY)
    rollups.bring_up_to_date()
    for principal in people:
        put(service, principal, Logged(status="denied"))
    span = dao.days_back(MONDAY + DAY + HOUR, 2, None)
    with database.snapshot() as transaction:
        assert dao.active(transaction, span) == [dao.Active((), 3, 2)]
        by_day = [(row.keys[0].day, row.users) for row in dao.active(transaction, span, ("day",))]
        assert by_day == [(3, 2), (4, 3)]
        own = dao.active(transaction, Span(span.starts_at, span.ends_at, people[2].org_id))
        assert own == [dao.Active((), 1, 1)]


def test_what_is_asked_first_comes_in_its_order_and_no_more_than_most(
    database: Database, ann: Principal, service: Driver, move_time: MoveTime
) -> None:
    move_time(MONDAY)
    for model, cost in (("cheap", "0.1"), ("dear", "0.3"), ("middling", "0.2")):
        put(service, ann, Logged(model=model, cost_usd=Decimal(cost), charged_usd=Decimal(cost)))
    span = dao.days_back(MONDAY + HOUR, 1, ann.org_id)
    with database.snapshot() as transaction:
        assert [row.keys for row in dao.sums(transaction, span, ("model",), most=2)] == [("dear",), ("middling",)]
        with pytest.raises(ValueError, match="colour"):
            dao.sums(transaction, span, ("colour",))


def test_counts_of_what_is_written_here_are_those_of_the_log(service: Driver, ann: Principal) -> None:
    for status in (*CALLS, *FREE):
        put(service, ann, Logged(status=status))
    assert Counter(row["status"] for row in _rows(service)) == Counter([*CALLS, *FREE])
