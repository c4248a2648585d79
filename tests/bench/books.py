"""How long `doctor --accounting` takes on big books, in a database of its own beside the others'."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from psycopg import sql

from core.db.engine import SCHEMA, Database
from core.metering.books import audit
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

CALLS = 10_000_000
AUDITS = 2
GOAL = Goal("p50", 60.0)
ORGANISATIONS, MEMBERS, DAYS, OPEN_CALLS = 100, 1_000, 60, 200
DATABASE = "books"

_PEOPLE = f"""
    INSERT INTO organisations (id, name, plan)
        SELECT md5('organisation ' || i)::uuid, 'Organisation ' || i, 'enterprise'
        FROM generate_series(0, {ORGANISATIONS - 1}) i;
    INSERT INTO users (id, email, name)
        SELECT md5('user ' || i)::uuid, i || '@bench.example', 'User ' || i FROM generate_series(0, {MEMBERS - 1}) i;
    INSERT INTO memberships (org_id, user_id, role)
        SELECT md5('organisation ' || i % {ORGANISATIONS})::uuid, md5('user ' || i)::uuid, 'owner'
        FROM generate_series(0, {MEMBERS - 1}) i;
"""
# Ids sort by time, as those of version 7 do. Of a hundred calls one fails and one is never made, of a thousand one is
# left unresolved; the newest are open. `size` holds the number of calls and the moment of the newest.
_HOLDS = f"""
    INSERT INTO holds (id, org_id, user_id, state, feature, provider, model, price_version, quota_held, request_held,
        held_usd, bound_usd, quota_charged, request_charged, charged_usd, cost_usd, day_start, month_start,
        org_day_start, org_month_start, created_at, expires_at, in_flight_at, resolved_at, resolution, request_id)
    SELECT id, md5('organisation ' || member % {ORGANISATIONS})::uuid, md5('user ' || member)::uuid, state, feature,
        'openai', 'a-model', 'v1', (feature IS NOT NULL)::integer, 1, 0.001, 0.001,
        (state = 'settled' AND feature IS NOT NULL)::integer, (state = 'settled')::integer,
        CASE state WHEN 'settled' THEN usd ELSE 0 END,
        CASE state WHEN 'settled' THEN usd WHEN 'expired' THEN 0.001 ELSE 0 END,
        date_trunc('day', at), date_trunc('month', at), date_trunc('day', at), date_trunc('month', at), at,
        at + interval '150 seconds', CASE WHEN resolution IS DISTINCT FROM 'never_called' THEN at END,
        CASE WHEN state <> 'in_flight' THEN at + interval '2 seconds' END, resolution, id
    FROM (SELECT (hashint8(i) & 2147483647) % {MEMBERS} AS member, 0.0004 + (i % 1000) * 0.000000001 AS usd,
            CASE WHEN i > calls - {OPEN_CALLS} THEN 'in_flight' WHEN i % 1000 = 7 THEN 'expired'
                WHEN i % 100 IN (3, 4) THEN 'released' ELSE 'settled' END AS state,
            CASE WHEN i > calls - {OPEN_CALLS} THEN NULL WHEN i % 1000 = 7 THEN 'unresolved'
                WHEN i % 100 = 3 THEN 'failed' WHEN i % 100 = 4 THEN 'never_called' ELSE 'success' END AS resolution,
            (ARRAY['chat_query', 'chat_query', 'chat_query', 'portfolio_analysis', 'sec_filing', 'signal_validation',
                NULL])[1 + i % 7] AS feature,
            newest - make_interval(secs => (calls - i) * {DAYS} * 86400.0 / calls) AS at,
            (encode(int8send(i), 'hex') || md5(i::text)::char(16))::uuid AS id
        FROM size, generate_series(1, calls) i) made;
"""
_ATTEMPTS = """
    INSERT INTO attempts (id, hold_id, org_id, user_id, number, provider, model, price_version, status, prompt_tokens,
        completion_tokens, cost_usd, latency_ms, at)
    SELECT id, id, org_id, user_id, 1, provider, model, price_version,
        CASE state WHEN 'settled' THEN 'success' ELSE 'failed' END, 100, 200, cost_usd, 900, resolved_at
    FROM holds WHERE state IN ('settled', 'released') AND resolution <> 'never_called';
"""
_USAGE = """
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, hold_id, channel, status, feature, provider, model,
        price_version, prompt_tokens, completion_tokens, quarantine, cost_usd, charged_usd, latency_ms)
    SELECT id, resolved_at, org_id, user_id, request_id, id, 'api', resolution, feature, provider, model, price_version,
        100, 200, CASE WHEN hashtext(id::text) % 10000 = 1 THEN 'negative' END, cost_usd, charged_usd, 900
    FROM holds WHERE resolved_at IS NOT NULL AND resolution <> 'never_called';
"""
_CELLS = """
    CREATE TABLE cells AS SELECT org_id, user_id, feature, day_start, month_start, sum(quota_charged) AS quota_used,
        sum(request_charged) AS request_used, sum(charged_usd) AS charge_usd_used,
        coalesce(sum(quota_held) FILTER (WHERE resolved_at IS NULL), 0) AS quota_held,
        coalesce(sum(request_held) FILTER (WHERE resolved_at IS NULL), 0) AS request_held,
        coalesce(sum(held_usd) FILTER (WHERE resolved_at IS NULL), 0) AS charge_usd_held,
        count(*) FILTER (WHERE resolved_at IS NULL) AS open_holds
    FROM holds GROUP BY 1, 2, 3, 4, 5;
"""
# Made again when the rows are there, which is quicker than keeping them up.
_SECONDARY = """
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
        AND tablename IN ('holds', 'usage_log', 'attempts')
        AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
_COUNTED = {
    ("member", "day"): ("chat_query", "portfolio_analysis"),
    ("member", "month"): ("sec_filing", "request", "charge_usd"),
    ("org", "day"): ("signal_validation",),
    ("org", "month"): ("charge_usd",),
}
"""Which counters a member and an organisation have in a day and in a month."""


def audits(ground: Ground) -> list[Figure]:
    """The books of ten million calls, read as the command reads them; in a quick run, of a fiftieth."""
    calls = ground.repetitions(CALLS)
    samples = []
    with _filled(ground, calls) as database:
        for _ in range(AUDITS):
            begun = time.perf_counter()
            found = audit(database)
            samples.append(time.perf_counter() - begun)
            if not found.balances:
                raise RuntimeError(f"The books that were made do not balance: {found.differences[0]}")
    note = "each call with a hold, a usage row and an attempt, on disk; read in one snapshot"
    return [figure(f"doctor --accounting, {calls:,} calls", samples, unit="s", goals=(GOAL,), note=note)]


@contextmanager
def _filled(ground: Ground, calls: int) -> Iterator[Database]:
    """A database of so many calls whose books balance; it is dropped at the end."""
    with ground.database_apart(DATABASE) as (url, admin_url):
        fill(admin_url, calls)
        with closing(Database(url, pool_size=1)) as database:
            yield database


def fill(admin_url: str, calls: int) -> None:
    """Makes the calls by statements, past the functions of metering, and the counters that they add up to."""
    with psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as connection:
        # Triggers of foreign keys are left out: the audit looks for what they would have refused.
        connection.execute(f"SET search_path = {SCHEMA}; SET session_replication_role = replica; SET jit = off")
        connection.execute("SET synchronous_commit = off; SET work_mem = '256MB'")
        connection.execute("CREATE TABLE size AS SELECT 0::bigint AS calls, clock_timestamp() AS newest")
        connection.execute("UPDATE size SET calls = %s", [calls])
        indexes = connection.execute(_SECONDARY).fetchall()
        for name, _definition in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(name))))
        for statement in (_PEOPLE, _HOLDS, _USAGE, _ATTEMPTS, _CELLS, *_counters()):
            connection.execute(statement.encode())
        for _name, definition in indexes:
            connection.execute(str(definition).encode())
        connection.execute("DROP TABLE cells, size")
        connection.execute("VACUUM ANALYZE")


def _counters() -> Iterator[str]:
    """The rows of closed and of running periods, as their holds add up."""
    for (scope, period), names in _COUNTED.items():
        user = "user_id" if scope == "member" else _NOBODY
        sums = {column: summed for name in names for column, summed in _sums(name, "true").items()}
        yield (
            f"INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at, {', '.join(sums)}) "
            f"SELECT org_id, {user}, '{period}', {period}_start, {period}_start + interval '1 {period}', "
            f"{', '.join(sums.values())} FROM size, cells WHERE {period}_start < date_trunc('{period}', newest) "
            f"GROUP BY org_id, {user}, {period}_start"
        )
    for scope in ("member", "org"):
        key = "org_id, user_id" if scope == "member" else "org_id"
        sums = {"open_holds": "sum(open_holds)"} if scope == "member" else {}
        for period in ("day", "month"):
            for name in _COUNTED[scope, period]:
                sums |= _sums(name, f"{period}_start = date_trunc('{period}', newest)")
        yield (
            f"INSERT INTO {scope}_meters ({key}, day_start, day_end, month_start, month_end, {', '.join(sums)}) "
            f"SELECT {key}, date_trunc('day', newest), date_trunc('day', newest) + interval '1 day', "
            "date_trunc('month', newest), date_trunc('month', newest) + interval '1 month', "
            f"{', '.join(sums.values())} FROM size, cells GROUP BY {key}, newest"
        )


def _sums(name: str, condition: str) -> dict[str, str]:
    """The two columns of a counter, and what they are the sum of where the condition holds."""
    of_feature = name not in ("request", "charge_usd")
    source, also = ("quota", f" AND feature = '{name}'") if of_feature else (name, "")
    return {
        f"{name}_{kind}": f"coalesce(sum({source}_{kind}) FILTER (WHERE {condition}{also}), 0)"
        for kind in ("used", "held")
    }
