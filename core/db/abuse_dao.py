"""The statements behind what looks like abuse; for the service role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

MAX_PLACES = 200
"""Places and programs of one token and day that are kept; whoever makes up more changes nothing by it."""

_NOTE = text(
    f"""
    INSERT INTO token_uses AS t (token_id, day, address_hash, agent, minutes, first_at, last_at)
    SELECT k.id, (n.at AT TIME ZONE 'UTC')::date, :address_hash, :agent, 1, n.at, n.at
    FROM access_tokens k, (SELECT assay_now() AS at) n
    WHERE k.id = :token_id AND (
        (SELECT count(*) FROM token_uses o WHERE o.token_id = k.id AND o.day = (n.at AT TIME ZONE 'UTC')::date)
            < {MAX_PLACES}
        OR EXISTS (SELECT FROM token_uses o WHERE o.token_id = k.id AND o.day = (n.at AT TIME ZONE 'UTC')::date
            AND o.address_hash = :address_hash AND o.agent = :agent))
    ON CONFLICT (token_id, day, address_hash, agent) DO UPDATE SET minutes = t.minutes + 1, last_at = excluded.last_at
    """  # noqa: S608 (a number of ours)
)
_FORGET = text(
    """
    DELETE FROM token_uses WHERE (token_id, day, address_hash, agent) IN (SELECT token_id, day, address_hash, agent
        FROM token_uses WHERE day < ((assay_now() - cast(:age AS interval)) AT TIME ZONE 'UTC')::date LIMIT :most)
    """
)
_SHARED = text(
    """
    SELECT k.id AS token_id, k.name AS token_name, k.org_id, o.name AS org_name, k.user_id, u.email, d.day, d.addresses,
        d.agents, d.programs, d.minutes, d.first_at, d.last_at
    FROM (SELECT token_id, day, count(DISTINCT address_hash) AS addresses, count(DISTINCT agent) AS agents,
                (array_agg(DISTINCT agent))[1:5] AS programs, sum(minutes) AS minutes, min(first_at) AS first_at,
                max(last_at) AS last_at
            FROM token_uses WHERE day >= :first GROUP BY token_id, day
            HAVING count(DISTINCT address_hash) >= :addresses OR count(DISTINCT agent) >= :agents) d
        JOIN access_tokens k ON k.id = d.token_id JOIN users u ON u.id = k.user_id
        JOIN organisations o ON o.id = k.org_id
    WHERE k.revoked_at IS NULL AND coalesce(k.expires_at > assay_now(), true)
        AND (cast(:org_id AS uuid) IS NULL OR k.org_id = :org_id)
    ORDER BY d.day DESC, d.addresses DESC, k.id LIMIT :most
    """
)
_REFUSED = text(
    """
    SELECT r.org_id, o.name AS org_name, r.user_id, u.email, r.error_code, r.count, r.first_at, r.last_at, r.of_user
    FROM (SELECT org_id, user_id, error_code, sum(count)::integer AS count, min(first_at) AS first_at,
                max(last_at) AS last_at, (sum(sum(count)) OVER (PARTITION BY org_id, user_id))::integer AS of_user
            FROM (SELECT d.*, sum(count) OVER (PARTITION BY org_id, user_id, day) AS of_day
                    FROM (SELECT org_id, user_id, date_trunc('day', at, 'UTC') AS day,
                                coalesce(error_code, 'refused') AS error_code, count(*) AS count, min(at) AS first_at,
                                max(at) AS last_at
                            FROM usage_log WHERE at >= :since AND status = 'denied'
                                AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
                            GROUP BY 1, 2, 3, 4) d) w
            WHERE of_day >= :least GROUP BY 1, 2, 3) r
        JOIN users u ON u.id = r.user_id JOIN organisations o ON o.id = r.org_id
    ORDER BY r.of_user DESC, r.user_id, r.org_id, r.count DESC, r.error_code LIMIT :most
    """
)
_INJECTIONS = text(
    """
    SELECT e.at, e.org_id, o.name AS org_name, e.user_id, u.email, e.guard, e.action, e.detail, e.score, e.request_id,
        e.of_user
    FROM (SELECT g.*, count(*) OVER w AS of_user,
                row_number() OVER (PARTITION BY g.org_id, g.user_id ORDER BY g.at DESC, g.id) AS nth
            FROM guard_events g WHERE g.at >= :since AND g.guard = ANY (:guards) AND g.action = 'refused'
                AND (cast(:org_id AS uuid) IS NULL OR g.org_id = :org_id)
            WINDOW w AS (PARTITION BY g.org_id, g.user_id)) e
        JOIN users u ON u.id = e.user_id JOIN organisations o ON o.id = e.org_id
    WHERE e.of_user >= :least AND e.nth <= :lines ORDER BY e.of_user DESC, e.user_id, e.at DESC LIMIT :most
    """
)
# Every member who asked anything on one of the days that are looked at, with what they asked on each day.
_VOLUMES = text(
    """
    SELECT d.org_id, o.name AS org_name, o.plan, d.user_id, u.email, d.days, d.counts
    FROM (SELECT org_id, user_id, array_agg(day ORDER BY day) AS days, array_agg(count ORDER BY day) AS counts
            FROM (SELECT org_id, user_id, (day AT TIME ZONE 'UTC')::date AS day, sum(requests)::integer AS count
                    FROM usage_user_days WHERE day >= cast(:first AS date)::timestamp AT TIME ZONE 'UTC'
                        AND day <= cast(:last AS date)::timestamp AT TIME ZONE 'UTC'
                    GROUP BY 1, 2, 3) s
            GROUP BY 1, 2 HAVING bool_or(day >= cast(:looked_at AS date))) d
        JOIN users u ON u.id = d.user_id JOIN organisations o ON o.id = d.org_id
    ORDER BY d.org_id, d.user_id LIMIT :most
    """
)
_TODAY = text("SELECT (assay_now() AT TIME ZONE 'UTC')::date")


@dataclass(frozen=True, slots=True)
class SharedRow:
    """A day on which a token was used from many places or by many programs."""

    token_id: UUID
    token_name: str
    org_id: UUID
    org_name: str
    user_id: UUID
    email: str
    day: date
    addresses: int
    agents: int
    programs: list[str]
    minutes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """How often a user was refused for one reason, on days with many refusals."""

    org_id: UUID
    org_name: str
    user_id: UUID
    email: str
    error_code: str
    count: int
    first_at: datetime
    last_at: datetime
    of_user: int
    """For all reasons."""


@dataclass(frozen=True, slots=True)
class InjectionRow:
    """Something that a guard refused."""

    at: datetime
    org_id: UUID
    org_name: str
    user_id: UUID
    email: str
    guard: str
    action: str
    detail: str
    score: float | None
    request_id: UUID | None
    of_user: int
    """All of this user's, listed or not."""


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """What a member asked, by day; days without a request are not in it."""

    org_id: UUID
    org_name: str
    plan: str
    user_id: UUID
    email: str
    days: list[date]
    counts: list[int]


def note_use(connection: Connection, token_id: UUID, address_hash: bytes, agent: str) -> None:
    """Counts a minute in which a token was used from somewhere; one of a token that is gone is passed over."""
    connection.execute(_NOTE, {"token_id": token_id, "address_hash": address_hash, "agent": agent})


def forget_uses(connection: Connection, age: timedelta, *, most: int) -> int:
    """Deletes uses of days longer ago, at most so many; says how many."""
    return int(connection.execute(_FORGET, {"age": age, "most": most}).rowcount)


def shared_tokens(
    connection: Connection, org_id: UUID | None, first: date, *, addresses: int, agents: int, most: int
) -> list[SharedRow]:
    """Days since `first` on which a valid token was used from so many addresses, or by so many programs."""
    values = {"org_id": org_id, "first": first, "addresses": addresses, "agents": agents, "most": most}
    return [SharedRow(**row) for row in connection.execute(_SHARED, values).mappings()]


def refusals(
    connection: Connection, org_id: UUID | None, since: datetime, *, least: int, most: int
) -> list[RefusedRow]:
    """Users who were refused so often on a day of UTC, by reason, the most refused first; of such days alone."""
    values = {"org_id": org_id, "since": since, "least": least, "most": most}
    return [RefusedRow(**row) for row in connection.execute(_REFUSED, values).mappings()]


def injections(
    connection: Connection,
    org_id: UUID | None,
    since: datetime,
    *,
    guards: Sequence[str],
    least: int,
    lines: int,
    most: int,
) -> list[InjectionRow]:
    """What these guards refused of users of whom they refused so much, the latest few of each."""
    values = {"org_id": org_id, "since": since, "guards": list(guards), "least": least, "lines": lines, "most": most}
    return [InjectionRow(**row) for row in connection.execute(_INJECTIONS, values).mappings()]


def volumes(connection: Connection, first: date, looked_at: date, last: date, *, most: int) -> list[VolumeRow]:
    """What everybody asked who asked from `looked_at` to `last`, on each day since `first`."""
    values = {"first": first, "looked_at": looked_at, "last": last, "most": most}
    return [VolumeRow(**row) for row in connection.execute(_VOLUMES, values).mappings()]


def today(connection: Connection) -> date:
    """The day of UTC, by the database's clock."""
    found: date = connection.execute(_TODAY).scalar_one()
    return found
