"""How long the overview and the Usage page take over ten million requests, and how long it takes to roll these up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import psycopg
from sqlalchemy import text

from core.admin.simulator import LONGEST_S, Simulator
from core.db import rolling_dao, rollups_dao
from core.db.engine import SCHEMA, Database, Transaction
from core.db.rollups_dao import DAY, HOUR, floored
from core.errors import InvalidRequest
from core.metering.rollups import Rollups
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

ROWS = 10_000_000
ORGANISATIONS, MEMBERS, DAYS = 100, 2_000, 90
SIMULATED_DAYS = 7
LOOKS = 20
GOAL = Goal("p50", 300.0)
NEW_YORK = timedelta(hours=5)
"""From midnight there back to that of UTC: days of both do not begin together."""
DATABASE = "usage_scale"
_PEOPLE = f"""
    INSERT INTO organisations (id, name, plan)
        SELECT md5('organisation ' || i)::uuid, 'Organisation ' || i,
            (ARRAY['free', 'basic', 'premium', 'team', 'enterprise'])[1 + i % 5]
        FROM generate_series(0, {ORGANISATIONS - 1}) i;
    INSERT INTO organisation_plans (org_id, starts_at, plan)
        SELECT id, assay_now() - interval '{2 * DAYS} days', plan FROM organisations;
    INSERT INTO users (id, email, name)
        SELECT md5('user ' || i)::uuid, i || '@bench.example', 'User ' || i FROM generate_series(0, {MEMBERS - 1}) i;
    INSERT INTO memberships (org_id, user_id, role)
        SELECT md5('organisation ' || i % {ORGANISATIONS})::uuid, md5('user ' || i)::uuid, 'owner'
        FROM generate_series(0, {MEMBERS - 1}) i;
"""


def overview(ground: Ground) -> list[Figure]:
    """Each query of the overview over ten million requests, of everybody and of the largest organisation."""
    rows = ground.repetitions(ROWS)
    with _filled(ground, rows) as (database, rolling):
        looks = LOOKS if not ground.is_quick else 3
        figures = [*rolling]
        for name, read in _queries(database):
            samples = []
            for _ in range(looks):
                begun = time.perf_counter()
                read()
                samples.append(1_000 * (time.perf_counter() - begun))
            figures.append(figure(f"{name}, {rows:,} rows", samples, goals=(GOAL,)))
        return [*figures, _simulated(ground, database, rows)]


def _simulated(ground: Ground, database: Database, rows: int) -> Figure:
    """Seconds of a plan replayed beside itself over the days until now, the two months before included."""
    plans = ground.workbench.plans
    simulator = Simulator(database, plans, ground.workbench.catalogue)
    operator = replace(ground.member("House", plan="enterprise"), is_operator=True)
    last = datetime.now(UTC).date()
    begun = time.perf_counter()
    try:
        found = simulator.run(operator, "basic", plans.get("basic"), last - timedelta(days=SIMULATED_DAYS - 1), last)
        note = f"{found.rows:,} requests of {found.organisations} organisations; the calls have no holds here"
    except InvalidRequest as error:
        note = error.detail
    took = time.perf_counter() - begun
    name = f"a plan simulated over {SIMULATED_DAYS} days, {rows:,} rows"
    return figure(name, [took], unit="s", note=note, goals=(Goal("p50", LONGEST_S + 5),))


def _queries(database: Database) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the overview and the Usage page ask, by name."""
    with database.snapshot() as transaction:
        now: datetime = transaction.execute(text("SELECT assay_now()")).scalar_one()
        largest: UUID = rollups_dao.sums(transaction, rollups_dao.days_back(now, 30, None), ("org_id",))[0].keys[0]
    for org_id, whose in ((None, "everybody"), (largest, "largest organisation")):
        for days in (30, 90):
            span = rollups_dao.days_back(now, days, org_id)
            for by in ((), ("day",), ("provider", "model"), ("feature",), ("plan",), ("org_id",)):
                name = f"sums by {', '.join(by) or 'nothing'}, {days} days, {whose}"
                yield name, partial(_read, database, rollups_dao.sums, span, by)
            for by in ((), ("day",), ("model",)):
                name = f"p50, p95, p99 by {', '.join(by) or 'nothing'}, {days} days, {whose}"
                yield name, partial(_read, database, rollups_dao.latencies, span, by)
            yield f"active people, {days} days, {whose}", partial(_read, database, rollups_dao.active, span, ("plan",))
        week = rollups_dao.days_back(now, 7, org_id)
        yield f"hours of the day, 7 days, {whose}", partial(_read, database, rollups_dao.sums, week, ("hour_of_day",))
        yield f"hours, 7 days, {whose}", partial(_read, database, rollups_dao.sums, week, ("hour",))
    span = rollups_dao.days_back(now, 30, largest)
    yield "people, 30 days, largest organisation", partial(_read, database, rollups_dao.sums, span, ("user_id",))
    for days in (30, 90):
        late = replace(span, starts_at=span.starts_at - (days - 30) * DAY + NEW_YORK)
        spend = partial(_read, database, rollups_dao.sums, late, ("feature", "model"))
        yield f"Usage page in New York: spend by feature and model, {days} days", spend
        daily = partial(_read, database, _local_days, late, ("local_day", "provider", "model"))
        yield f"Usage page in New York: its days, {days} days", daily


def _local_days(transaction: Transaction, span: rollups_dao.Span, by: tuple[str, ...]) -> object:
    return rollups_dao.sums(transaction, span, by, most=100_000, zone="America/New_York")


def _read(database: Database, read: Callable[..., object], span: rollups_dao.Span, by: tuple[str, ...]) -> None:
    with database.snapshot() as transaction:
        read(transaction, span, by)


@contextmanager
def _filled(ground: Ground, rows: int) -> Iterator[tuple[Database, list[Figure]]]:
    """A database with a rolled-up log of so many rows, and how long the rolling up took; it is dropped at the end."""
    with ground.database_apart(DATABASE) as (url, admin_url), closing(Database(url, pool_size=2)) as database:
        fill(admin_url, rows)
        begun = time.perf_counter()
        steps = Rollups(database).bring_up_to_date()
        took = time.perf_counter() - begun
        with psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        note = "steps are days; those who write to the log are waited for, never locked"
        made = [
            figure(f"{rows:,} rows rolled up, {steps} steps", [took], unit="s", note=note),
            figure("an hour and its day rolled up again", _again(database), goals=(Goal("p50", 5_000.0),)),
        ]
        yield database, made


def _again(database: Database) -> list[float]:
    """Milliseconds of the last full day's late hour, each undone."""
    samples = []
    for _ in range(3):
        begun = time.perf_counter()
        with database.service() as transaction:
            late = floored(datetime.now(UTC) - DAY, DAY) + 12 * HOUR
            transaction.execute(text("INSERT INTO usage_late_hours (hour) VALUES (:hour)"), {"hour": late})
            assert rolling_dao.step(transaction, None) is not None
        samples.append(1_000 * (time.perf_counter() - begun))
    return samples


def fill(admin_url: str, rows: int) -> None:
    """Makes the log by one statement, past metering, and says that nothing of it is rolled up."""
    with psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as connection:
        # Foreign keys are left out: the calls have no holds here.
        connection.execute(f"SET search_path = {SCHEMA}; SET session_replication_role = replica; SET jit = off")
        connection.execute("SET synchronous_commit = off; SET timezone = 'UTC'")
        connection.execute(_PEOPLE.encode())
        newest = datetime.now(UTC)
        first = newest - timedelta(days=DAYS)
        for month in _months(first, newest):
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS usage_log_{month:%Y_%m} PARTITION OF usage_log "
                f"FOR VALUES FROM ('{month:%Y-%m-%d}') TO ('{_next(month):%Y-%m-%d}')".encode()
            )
        connection.execute(_rows(rows, newest).encode())
        connection.execute("UPDATE usage_progress SET rolled_until = %s", [floored(first, HOUR)])
        connection.execute("VACUUM ANALYZE usage_log")


def _months(first: datetime, last: datetime) -> Iterator[datetime]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = _next(month)


def _next(month: datetime) -> datetime:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def _rows(rows: int, newest: datetime) -> str:
    """Ninety days; of a hundred requests 12 are cached, 4 denied, 3 failed. Organisations differ in size. Seven models
    of three providers, four features; latencies from 0.2 to 30 seconds."""
    return f"""
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, hold_id, channel, status, feature, provider, model,
        price_version, prompt_tokens, completion_tokens, cost_usd, charged_usd, saved_usd, latency_ms, plan, intent)
    SELECT id, at, md5('organisation ' || member % {ORGANISATIONS})::uuid, md5('user ' || member)::uuid, id,
        CASE WHEN status IN ('cached', 'denied') THEN NULL ELSE id END, (ARRAY['page', 'page', 'api', 'v1'])[1 + h % 4],
        status, (ARRAY['chat_query', 'chat_query', 'chat_query', 'signal_validation', 'portfolio_analysis',
            'sec_filing', NULL])[1 + h / 4 % 7],
        (ARRAY['openai', 'openai', 'openai', 'anthropic', 'anthropic', 'groq', 'groq'])[1 + m], 'model-' || m, 'v1',
        100 + h % 1000, 50 + h % 400, CASE WHEN status IN ('cached', 'denied') THEN 0 ELSE usd END,
        CASE WHEN status = 'success' THEN usd ELSE 0 END, CASE WHEN status = 'cached' THEN usd ELSE 0 END,
        (200 * exp(5 * random()))::integer, (ARRAY['free', 'basic', 'premium', 'team', 'enterprise'])[
            1 + member % {ORGANISATIONS} % 5],
        (ARRAY['analysis', 'chat', 'summary', 'extraction', NULL])[1 + h % 5]
    FROM (SELECT (encode(int8send(i), 'hex') || md5(i::text)::char(16))::uuid AS id, hashint8(i) & 2147483647 AS h,
            floor({MEMBERS} * power(random(), 2))::integer AS member, (hashint8(-i) & 2147483647) % 7 AS m,
            0.0004 + (i % 1000) * 0.000001 AS usd,
            CASE WHEN i % 100 < 12 THEN 'cached' WHEN i % 100 < 16 THEN 'denied' WHEN i % 100 < 19 THEN 'failed'
                ELSE 'success' END AS status,
            timestamptz '{newest.isoformat()}' - make_interval(secs => ({rows} - i) * {DAYS} * 86400.0 / {rows}) AS at
        FROM generate_series(1, {rows}) i) made
    """
