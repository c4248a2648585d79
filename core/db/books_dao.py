"""The statements that compare the books: counters with holds, holds with usage rows, usage rows with attempts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_OPEN = "h.state IN ('reserved', 'in_flight')"


def _counted(feature: str) -> str:
    return (
        f"coalesce(sum(h.quota_charged) FILTER (WHERE h.feature = '{feature}'), 0) AS {feature}_used, "
        f"coalesce(sum(h.quota_held) FILTER (WHERE h.feature = '{feature}' AND {_OPEN}), 0) AS {feature}_held"
    )


_REQUESTS = (
    f"coalesce(sum(h.request_charged), 0) AS request_used, "
    f"coalesce(sum(h.request_held) FILTER (WHERE {_OPEN}), 0) AS request_held"
)
_CHARGES = (
    f"coalesce(sum(h.charged_usd), 0) AS charge_usd_used, "
    f"coalesce(sum(h.held_usd) FILTER (WHERE {_OPEN}), 0) AS charge_usd_held"
)
_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"


def _compared(counters: str, sums: str, start: str, of: str, names: tuple[str, ...]) -> str:
    """One SELECT that lists where `counters` (org_id, user_id, starts_at, …) differ from the sums of their holds."""
    whose = "h.org_id = c.org_id" + ("" if of == "organisation" else " AND h.user_id = c.user_id")
    values = ", ".join(f"('{name}', c.{name}::numeric, s.{name}::numeric)" for name in names)
    return (
        f"SELECT '{of}' AS scope, c.org_id, c.user_id, c.starts_at::text AS period, v.name, v.counter, v.holds "
        f"FROM ({counters}) c "
        f"CROSS JOIN LATERAL (SELECT {sums} FROM holds h WHERE {whose} AND h.{start} = c.starts_at) s "
        f"CROSS JOIN LATERAL (VALUES {values}) AS v (name, counter, holds) WHERE v.counter <> v.holds"
    )


def _pairs(*features: str) -> tuple[str, ...]:
    return tuple(f"{feature}_{kind}" for feature in features for kind in ("used", "held"))


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


_MEMBER_DAY = _pairs("chat_query", "portfolio_analysis")
_MEMBER_MONTH = _pairs("sec_filing", "request", "charge_usd")
_ORG_DAY = _pairs("signal_validation")
_ORG_MONTH = _pairs("charge_usd")


def _both(table: str, of: str, period: str, names: tuple[str, ...], sums: str, start: str) -> list[str]:
    """The running period's counters, and those of closed ones."""
    user = "user_id" if of == "member" else f"{_NOBODY} AS user_id"
    whose = f"user_id <> {_NOBODY}" if of == "member" else f"user_id = {_NOBODY}"
    running = f"SELECT org_id, {user}, {period}_start AS starts_at, {_columns(names)} FROM {table}"
    closed = (
        f"SELECT org_id, user_id, starts_at, {_columns(names)} FROM meter_periods WHERE period = '{period}' AND {whose}"
    )
    return [_compared(counters, sums, start, of, names) for counters in (running, closed)]


_COUNTERS = " UNION ALL ".join(
    [
        *_both(
            "member_meters",
            "member",
            "day",
            _MEMBER_DAY,
            f"{_counted('chat_query')}, {_counted('portfolio_analysis')}",
            "day_start",
        ),
        *_both(
            "member_meters",
            "member",
            "month",
            _MEMBER_MONTH,
            f"{_counted('sec_filing')}, {_REQUESTS}, {_CHARGES}",
            "month_start",
        ),
        *_both("org_meters", "organisation", "day", _ORG_DAY, _counted("signal_validation"), "org_day_start"),
        *_both("org_meters", "organisation", "month", _ORG_MONTH, _CHARGES, "org_month_start"),
        (
            "SELECT 'member', m.org_id, m.user_id, 'now', 'open_holds', m.open_holds, "
            f"(SELECT count(*) FROM holds h WHERE h.org_id = m.org_id AND h.user_id = m.user_id AND {_OPEN}) "
            "FROM member_meters m WHERE m.open_holds <> "
            f"(SELECT count(*) FROM holds h WHERE h.org_id = m.org_id AND h.user_id = m.user_id AND {_OPEN})"
        ),
    ]
)
_ROWS = """
    SELECT 'hold' AS scope, h.org_id, h.user_id, h.id::text AS period, v.name, v.counter, v.holds
    FROM holds h LEFT JOIN usage_log u ON u.hold_id = h.id
        CROSS JOIN LATERAL (SELECT coalesce(sum(a.cost_usd), 0) AS cost_usd, count(*) AS n FROM attempts a
            WHERE a.hold_id = h.id) t
        CROSS JOIN LATERAL (VALUES
            ('usage_rows', (u.id IS NOT NULL)::integer::numeric,
                (h.state = 'settled' OR (h.state = 'released' AND h.resolution <> 'never_called')
                    OR (h.state = 'expired' AND h.in_flight_at IS NOT NULL))::integer::numeric),
            ('charged_usd', coalesce(u.charged_usd, 0), h.charged_usd),
            ('cost_usd', coalesce(u.cost_usd, 0), h.cost_usd),
            ('attempts_cost_usd', CASE WHEN h.state IN ('settled', 'released') AND t.n > 0 THEN t.cost_usd
                ELSE h.cost_usd END, h.cost_usd)
        ) AS v (name, counter, holds)
    WHERE v.counter <> v.holds
"""
_UNRESOLVED = text(
    "SELECT u.org_id, u.user_id, u.hold_id, u.at, u.provider, u.model, u.cost_usd FROM usage_log u "
    "WHERE u.status = 'unresolved' ORDER BY u.at DESC LIMIT :most"
)
_QUARANTINED = text(
    "SELECT u.org_id, u.user_id, u.hold_id, u.at, u.provider, u.model, u.cost_usd, u.quarantine FROM usage_log u "
    "WHERE u.quarantine IS NOT NULL ORDER BY u.at DESC LIMIT :most"
)
_OVERDUE = text(f"SELECT count(*) FROM holds h WHERE {_OPEN} AND h.expires_at <= assay_now()")


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A figure that is kept twice and is not the same."""

    scope: str
    org_id: UUID
    user_id: UUID
    period: str
    """Start of the period, or the hold's id."""
    name: str
    counter: Decimal
    """As the counter or the usage row says."""
    holds: Decimal
    """As the holds say."""


@dataclass(frozen=True, slots=True)
class OddCall:
    """A call whose cost is not certain."""

    hold_id: UUID
    at: str
    provider: str
    model: str
    cost_usd: Decimal
    why: str


def differences(connection: Connection, *, most: int) -> list[DifferenceRow]:
    """Where counters, holds, usage rows and attempts disagree."""
    statement = text(f"SELECT * FROM ({_COUNTERS} UNION ALL {_ROWS}) d LIMIT :most")
    return [DifferenceRow(**row) for row in connection.execute(statement, {"most": most}).mappings()]


def unresolved(connection: Connection, *, most: int) -> list[OddCall]:
    """Calls that began and were never resolved: what they cost is at most their hold."""
    return [
        OddCall(row.hold_id, row.at.isoformat(), row.provider, row.model, row.cost_usd, "unresolved")
        for row in connection.execute(_UNRESOLVED, {"most": most})
    ]


def quarantined(connection: Connection, *, most: int) -> list[OddCall]:
    """Calls whose provider reported impossible usage: their cost is our estimate."""
    return [
        OddCall(row.hold_id, row.at.isoformat(), row.provider, row.model, row.cost_usd, row.quarantine)
        for row in connection.execute(_QUARANTINED, {"most": most})
    ]


def overdue_holds(connection: Connection) -> int:
    """Open holds that should have ended; the next request of their member ends them."""
    return int(connection.execute(_OVERDUE).scalar_one())
