"""Sign-in, and the look at a session or token before each rerun and call, where there are few users and where many.

The two databases are asked in turns, so that both see the same machine: what differs is how much is in them.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import psycopg

from core.accounts.accounts import TOKEN_PREFIX, Accounts
from core.accounts.passwords import check_password, hash_password
from core.db.engine import SCHEMA, SERVICE_ROLE, Database
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.metering import together

SIGN_IN_GOAL = Goal("p95", 600.0)
SESSION_GOALS = (Goal("p50", 1.0), Goal("p95", 1.0))
SAME = Goal("p50", 1.1)
"""The median of the big database over that of the small one: within what two runs differ by."""
CLIENTS = 4
SIGN_INS, LOOKS, ROUNDS = 40, 3_000, 15
WARM_UP = 50
"""Looks that come before those that count; of sign-ins it is one."""
PASSWORD = "the bench's own long password"
_FILL = (
    """
    INSERT INTO organisations (id, name, plan)
        SELECT md5('organisation ' || i)::uuid, 'Organisation ' || i, 'team'
        FROM generate_series(1, %(organisations)s) i
    """,
    """
    INSERT INTO users (id, email, name, password_hash)
        SELECT md5('user ' || i)::uuid, 'user' || i || '@bench.example', 'User ' || i, %(password_hash)s
        FROM generate_series(1, %(users)s) i
    """,
    # Everybody belongs to one organisation, every second user to a second, every fifth to a third.
    """
    INSERT INTO memberships (org_id, user_id, role)
        SELECT md5('organisation ' || 1 + (factor * i) %% %(organisations)s)::uuid, md5('user ' || i)::uuid, 'analyst'
        FROM (VALUES (1, 1), (7, 2), (13, 5)) belongs (factor, nth), generate_series(1, %(users)s) i WHERE i %% nth = 0
        ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO sessions (id, session_hash, user_id, org_id, created_at, seen_at, expires_at, address, agent)
        SELECT md5('session ' || i)::uuid, sha256(('session ' || i)::bytea), md5('user ' || i)::uuid,
            md5('organisation ' || 1 + i %% %(organisations)s)::uuid, assay_now(), assay_now(),
            assay_now() + interval '1 day', '192.0.2.1', 'a browser'
        FROM generate_series(1, %(sessions)s) i
    """,
    """
    INSERT INTO access_tokens (id, token_hash, user_id, org_id, name, created_at, last_used_at, scopes)
        SELECT md5('token ' || i)::uuid, sha256((%(prefix)s || i)::bytea), md5('user ' || i)::uuid,
            md5('organisation ' || 1 + i %% %(organisations)s)::uuid, 'A script', assay_now(), assay_now(), '{read,ask}'
        FROM generate_series(1, %(tokens)s) i
    """,
    # What a day of sign-ins leaves behind: each looks through it for what is old.
    """
    INSERT INTO attempt_buckets (subject, bucket, attempts)
        SELECT encode(sha256(('address ' || i)::bytea), 'hex'), assay_now() - i * interval '23 hours' / %(users)s, 1
        FROM generate_series(1, %(users)s) i
    """,
)


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are in a database."""

    name: str
    users: int
    organisations: int
    sessions: int
    tokens: int


SIZES = (Size("accounts_few", 10, 2, 10, 5), Size("accounts_many", 10_000, 1_000, 10_000, 5_000))


class People:
    """The users of one database, and how they are asked for."""

    def __init__(self, database: Database, size: Size) -> None:
        self.accounts = Accounts(database)
        self._size = size
        self._random = random.Random(4)  # the same people in every run
        self._turns = itertools.count(1)

    def sign_in(self) -> None:
        """One user signs in from an address of their own, and gets the session's cookie."""
        turn = next(self._turns)
        email = f"user{1 + turn % self._size.users}@bench.example"
        ticket = self.accounts.sign_in(email, PASSWORD, address=f"198.51.100.{turn}")
        self.accounts.redeem_ticket(ticket, address=f"198.51.100.{turn}", agent="a browser")

    def look_at_session(self) -> None:
        """What each rerun of a page begins with."""
        number = self._random.randint(1, self._size.sessions)
        found = self.accounts.principal_of_session(f"session {number}")
        if found is None or found.email != f"user{number}@bench.example":
            raise RuntimeError("A session that is open was not found.")

    def look_at_token(self) -> None:
        """What each call of the API begins with."""
        number = self._random.randint(1, self._size.tokens)
        found = self.accounts.principal_of_token(f"{TOKEN_PREFIX}{number}")
        if found.email != f"user{number}@bench.example":
            raise RuntimeError("A token that is valid was not found.")


def looks(ground: Ground) -> list[Figure]:
    """Sessions, tokens and sign-ins in a database of ten users, and in one of 10,000."""
    password_hash = hash_password(PASSWORD)
    with ExitStack() as stack:
        few, many = (stack.enter_context(closing(_filled(ground, stack, size, password_hash))) for size in SIZES)
        people = [People(database, size) for database, size in zip((few, many), SIZES, strict=True)]
        times = ground.repetitions(LOOKS)
        *sessions, bare = _in_turns([*(of.look_at_session for of in people), many.ping], times)
        tokens = _in_turns([of.look_at_token for of in people], times)
        return [
            *_compared("session check", sessions, goals=SESSION_GOALS, note="each rerun of a page begins with it"),
            figure("a bare SELECT 1 in turns with them", bare, note="same pool and server: what the machine adds"),
            *_compared("token check", tokens, note="each call of the API begins with it"),
            *_sign_ins(ground, people),
        ]


def _filled(ground: Ground, stack: ExitStack, size: Size, password_hash: str) -> Database:
    """A database of its own of that size, opened as a workbench opens it."""
    url, admin_url = stack.enter_context(ground.database_apart(size.name))
    values = {
        "users": size.users,
        "organisations": size.organisations,
        "sessions": size.sessions,
        "tokens": size.tokens,
        "password_hash": password_hash,
        "prefix": TOKEN_PREFIX,
    }
    with psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"SET search_path = {SCHEMA}; SET ROLE {SERVICE_ROLE}".encode())
        for statement in _FILL:
            connection.execute(statement.encode(), values)
        connection.execute("RESET ROLE")
        connection.execute("VACUUM ANALYZE")
    return Database(url, pool_size=ground.settings.database_pool_size)


def _in_turns(steps: Sequence[Callable[[], None]], times: int, *, warm_up: int = WARM_UP) -> list[list[float]]:
    """What each step takes, in milliseconds; they take turns."""
    samples: list[list[float]] = [[] for _ in steps]
    for number in range(-warm_up, times):
        for step, into in zip(steps, samples, strict=True):
            begun = time.perf_counter()
            step()
            if number >= 0:
                into.append((time.perf_counter() - begun) * 1000)
    return samples


def _compared(
    what: str, samples: Sequence[Sequence[float]], *, goals: tuple[Goal, ...] = (), note: str
) -> list[Figure]:
    """The figure of each database, and how the medians of rounds compare."""
    few, many = samples
    each = max(1, len(few) // ROUNDS)
    rounds = [(_median(few[at : at + each]), _median(many[at : at + each])) for at in range(0, len(few), each)]
    return [
        *(
            figure(f"{what}, {size.users:,} users", found, goals=goals, note=note)
            for size, found in zip(SIZES, samples, strict=True)
        ),
        figure(
            f"{what}, many users over few",
            [big / small for small, big in rounds],
            unit="×",
            goals=(SAME,),
            note=f"medians of {len(rounds)} rounds, in turns; {_WORDS}",
        ),
    ]


_WORDS = "many: " + ", ".join(
    (
        f"{SIZES[1].users:,} users with memberships in up to three of {SIZES[1].organisations:,} organisations",
        f"{SIZES[1].sessions:,} open sessions",
        f"{SIZES[1].tokens:,} tokens",
    )
)


def _sign_ins(ground: Ground, people: Sequence[People]) -> list[Figure]:
    """From the password to the session's cookie: by one client in turns with the small database, then by several."""
    password_hash = hash_password(PASSWORD)
    times, clients = ground.repetitions(SIGN_INS), CLIENTS

    def bcrypt_alone() -> None:
        check_password(PASSWORD, password_hash)

    steps = [*(of.sign_in for of in people), bcrypt_alone]
    *alone, hashing = _in_turns(steps, times, warm_up=1)
    several, wall_s = _at_once(people[1].sign_in, clients, times)
    hashing_several, hashing_wall_s = _at_once(bcrypt_alone, clients, times)
    note = "from the password to the session's cookie, bcrypt with 12 rounds included; throttles as shipped"
    return [
        *(
            figure(f"sign-in, {size.users:,} users, 1 client", found, goals=(SIGN_IN_GOAL,), note=note)
            for size, found in zip(SIZES, alone, strict=True)
        ),
        figure("bcrypt alone in turns with them", hashing),
        figure(
            f"sign-in, {SIZES[1].users:,} users, {clients} clients",
            several,
            per_second=len(several) / wall_s,
            goals=(SIGN_IN_GOAL,),
            note=note,
        ),
        figure(f"bcrypt alone, {clients} threads", hashing_several, per_second=len(hashing_several) / hashing_wall_s),
    ]


def _at_once(step: Callable[[], None], clients: int, times: int) -> tuple[list[float], float]:
    """What each of so many steps takes, in milliseconds, by clients that repeat it side by side; and how long all
    took, in seconds."""
    samples: list[float] = []

    def repeat(_number: int) -> None:
        for _ in range(max(1, times // clients)):
            begun = time.perf_counter()
            step()
            samples.append((time.perf_counter() - begun) * 1000)

    wall_s = together(clients, repeat)
    return samples, wall_s


def _median(samples: Sequence[float]) -> float:
    return sorted(samples)[len(samples) // 2]
