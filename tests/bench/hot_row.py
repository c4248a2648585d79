"""One hot row: the statements of metering beside a bare update of one row, by the same clients on the same server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from queue import LifoQueue

import psycopg

from core.principal import Principal
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.metering import together

CLIENTS = (1, 8, 64)
CONNECTIONS = 8
"""A small pool beats many connections that wait for one row."""
ROUNDS = 5
STATEMENTS = 800
"""Of each kind in a round, all clients together."""
RESERVE_GOALS = {1: 40.0, 8: 50.0, 64: 50.0}
PAIR_GOAL = 18.0
_BARE = "UPDATE public.hot_row SET counted = counted + 1 WHERE id = 1"
_RESERVE = """
    SELECT (r).hold_id FROM (SELECT reserve(gen_random_uuid(), gen_random_uuid(), %s, %s, 'chat_query', 'openai',
        'a-model', 'v1', 0.001, 150) AS r) reserved
"""
_MARK = "SELECT mark_in_flight(%s)"
_SETTLE = "SELECT (settle(%s, 'success', 0.0004, 0.0004)).outcome"
_RELEASE = """
    SELECT count(release(id, 'never_called')) FROM holds WHERE org_id = %s AND state IN ('reserved', 'in_flight')
"""
Connection = psycopg.Connection[tuple[object, ...]]
Step = Callable[[Connection, Principal], None]


def shares(ground: Ground) -> list[Figure]:
    """How many reservations, and how many whole calls, in the time of a hundred bare updates."""
    members = [ground.member(f"Hot organisation {number}", plan="enterprise") for number in range(CONNECTIONS)]
    ground.lift_limits()
    with ground.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.hot_row (id integer PRIMARY KEY, counted bigint)")
        connection.execute("INSERT INTO public.hot_row VALUES (1, 0) ON CONFLICT DO NOTHING")
        connection.execute("GRANT SELECT, UPDATE ON public.hot_row TO assay_service")
    return [
        found
        for clients in CLIENTS
        for found in _beside_bare(ground, clients, members[:1], "one organisation", has_goals=True)
    ] + _beside_bare(ground, CONNECTIONS, members, f"{CONNECTIONS} organisations", has_goals=False)


def _beside_bare(
    ground: Ground, clients: int, members: list[Principal], whose: str, *, has_goals: bool
) -> list[Figure]:
    reserves, pairs, shares_of_reserve, shares_of_pair = [], [], [], []
    each = max(1, ground.repetitions(STATEMENTS) // clients)
    with ExitStack() as stack:
        pool: LifoQueue[Connection] = LifoQueue()
        for _ in range(min(clients, CONNECTIONS)):
            connection = stack.enter_context(ground.connect())
            connection.execute("SET search_path = assay; SET ROLE assay_service")
            pool.put(connection)
        _rate(pool, clients, members, each, _reserved)
        _rate(pool, clients, members, each, _settled)
        for _ in range(ROUNDS):
            bare = _rate(pool, clients, members, each, _updated)
            reserves.append(_rate(pool, clients, members, each, _reserved))
            _release(pool, members)
            pairs.append(_rate(pool, clients, members, max(1, each // 2), _settled))
            shares_of_reserve.append(100 * reserves[-1] / bare)
            shares_of_pair.append(100 * pairs[-1] / bare)
    names = f"{clients} client{'s' if clients > 1 else ''}, {whose}"
    note = "calls a second as a share of bare flushed one-row updates a second; a round of each in turn"
    reserve_goals = (Goal("p50", RESERVE_GOALS[clients], is_floor=True),) if has_goals else ()
    pair_goals = (Goal("p50", PAIR_GOAL, is_floor=True),) if has_goals else ()
    return [
        figure(
            f"reserve beside a bare update, {names}",
            shares_of_reserve,
            unit="%",
            per_second=sorted(reserves)[ROUNDS // 2],
            goals=reserve_goals,
            note=note,
        ),
        figure(
            f"reserve, mark and settle beside it, {names}",
            shares_of_pair,
            unit="%",
            per_second=sorted(pairs)[ROUNDS // 2],
            goals=pair_goals,
            note=note,
        ),
    ]


def _rate(pool: LifoQueue[Connection], clients: int, members: list[Principal], each: int, step: Step) -> float:
    def repeat(number: int) -> None:
        for _ in range(each):
            connection = pool.get()
            try:
                step(connection, members[number % len(members)])
            finally:
                pool.put(connection)

    return clients * each / together(clients, repeat)


def _updated(connection: Connection, _member: Principal) -> None:
    connection.execute(_BARE)


def _reserved(connection: Connection, member: Principal) -> None:
    _one(connection, _RESERVE, member.org_id, member.user_id)


def _settled(connection: Connection, member: Principal) -> None:
    hold = _one(connection, _RESERVE, member.org_id, member.user_id)
    _one(connection, _MARK, hold)
    if _one(connection, _SETTLE, hold) != "settled":
        raise RuntimeError("A hold in flight was not settled.")


def _release(pool: LifoQueue[Connection], members: list[Principal]) -> None:
    connection = pool.get()
    for member in members:
        connection.execute(_RELEASE, (member.org_id,))
    pool.put(connection)


def _one(connection: Connection, statement: str, *values: object) -> object:
    row = connection.execute(statement.encode(), values).fetchone()
    if row is None or row[0] is None:
        raise RuntimeError("A statement of metering gave nothing.")
    return row[0]
