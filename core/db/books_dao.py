"""The statements that compare the books: set-based, each reads a big table once, and lists what is not as it should be.

Every statement gives rows of one shape: kind of difference, whose, which period, hold or row, which figure, what it is
and what it should be. Rows are numbered within their kind: the caller gets the first few and how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from core.db import credit_books

NOBODY = UUID(int=0)
"""Stands for the organisation itself where a user is named."""
WORK_MEMORY = "256MB"
LONGEST_LIFE = "1 day"
"""No hold lasts this long: the total time limit of a call is minutes."""

_NOBODY = f"'{NOBODY}'::uuid"
_KEPT_FROM = "(SELECT coalesce(kept_from, '-infinity') FROM usage_progress)"
"""What was counted before it was dropped by retention, with what it is compared with."""
_OPEN = "h.state IN ('reserved', 'in_flight')"
_COUNTED = ("chat_query", "portfolio_analysis", "signal_validation", "sec_filing", "request", "charge_usd", "credits")
_COUNTERS = tuple(f"{name}_{kind}" for name in _COUNTED for kind in ("used", "held"))
_KEPT = {
    ("member", "day"): ("chat_query", "portfolio_analysis"),
    ("member", "month"): ("sec_filing", "request", "charge_usd", "credits"),
    ("organisation", "day"): ("signal_validation",),
    ("organisation", "month"): ("charge_usd",),
}
"""What is counted for whom in which period; every other counter of the period is zero."""
_METERS = {"member": ("member_meters", "user_id"), "organisation": ("org_meters", _NOBODY)}


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A figure that is not what the rest of the books says."""

    kind: str
    of_kind: int
    """How many differences of this kind there are; only the first few are listed."""
    org_id: UUID | None
    user_id: UUID | None
    """NOBODY for the organisation itself; None where no owner is known."""
    place: str
    """The period, the hold or the row."""
    figure: str
    says: str
    should: str


@dataclass(frozen=True, slots=True)
class OddCall:
    """A call whose cost is not certain."""

    kind: str
    """`unresolved` or `quarantined`."""
    of_kind: int
    total_usd: Decimal
    """Cost of all calls of this kind, listed or not."""
    org_id: UUID
    user_id: UUID
    hold_id: UUID
    at: datetime
    provider: str
    model: str
    cost_usd: Decimal
    reason: str | None
    """Why the provider's figures were not believed."""
    reported_usd: Decimal | None
    """What the attempts say that a late worker wrote; None where none did."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is in the books."""

    calls: int
    """Usage rows of calls."""
    free: int
    """Usage rows of cached answers and denials."""
    open: int
    overdue: int
    """Open holds that should have ended; the next request of their member ends them."""
    oldest_overdue: datetime | None


@dataclass(frozen=True, slots=True)
class _Figure:
    """One comparison within a row: the kind of difference, what is compared, and when it differs."""

    kind: str
    name: str
    differs: str
    says: str
    should: str

    def values(self) -> str:
        return f"('{self.kind}', '{self.name}', {self.differs}, ({self.says})::text, ({self.should})::text)"


def _listed(figures: Iterable[_Figure], rows: str, *, place: str, suspects: str | None = None) -> str:
    """The figures that differ in `rows` (AS r). Few rows do, so that the many are only looked at, not taken apart.

    `suspects` is a cheaper test of a row that no difference passes by; without it each figure is compared.
    """
    figures = tuple(figures)
    suspects = suspects or " OR ".join(f"({figure.differs})" for figure in figures)
    values = ", ".join(figure.values() for figure in figures)
    return (
        f"SELECT v.kind, r.org_id, r.user_id, {place} AS place, v.figure, v.says, v.should "
        f"FROM ({rows}) r CROSS JOIN LATERAL (VALUES {values}) AS v (kind, figure, differs, says, should) "
        f"WHERE ({suspects}) AND v.differs"
    )


# Counters and periods -------------------------------------------------------------------------------------------------

_CELLS = """
    SELECT org_id, user_id, acts_as, feature, day_start, month_start, org_day_start, org_month_start,
        count(*) AS n, count(*) FILTER (WHERE resolved_at IS NULL) AS open, max(created_at) AS newest,
        sum(quota_charged) AS quota_used, sum(request_charged) AS request_used, sum(charged_usd) AS charge_usd_used,
        sum(credits_charged - free_charged) AS credits_used,
        coalesce(sum(quota_held) FILTER (WHERE resolved_at IS NULL), 0) AS quota_held,
        coalesce(sum(request_held) FILTER (WHERE resolved_at IS NULL), 0) AS request_held,
        coalesce(sum(held_usd) FILTER (WHERE resolved_at IS NULL), 0) AS charge_usd_held,
        coalesce(sum(credits_held - free_held) FILTER (WHERE resolved_at IS NULL), 0) AS credits_held
    FROM holds GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""


def _summed(scope: str, period: str) -> str:
    """What the holds say about each period that they name."""
    is_member = scope == "member"
    start = f"{period}_start" if is_member else f"org_{period}_start"
    user, condition = ("user_id", "AND acts_as = 'member'") if is_member else (_NOBODY, "")
    columns = ", ".join(_sum(counter, _KEPT[scope, period]) for counter in _COUNTERS)
    return (
        f"SELECT org_id, {user} AS user_id, '{period}' AS period, {start} AS starts_at, sum(n) AS n, "
        f"max(newest) AS newest, {columns} FROM cells "
        f"WHERE {start} >= {_KEPT_FROM} {condition} GROUP BY org_id, {user}, {start}"
    )


def _sum(counter: str, kept: tuple[str, ...]) -> str:
    name, _, kind = counter.rpartition("_")
    if name not in kept:
        return f"0::numeric AS {counter}"
    if name in ("request", "charge_usd", "credits"):
        return f"sum({counter})::numeric AS {counter}"
    return f"coalesce(sum(quota_{kind}) FILTER (WHERE feature = '{name}'), 0)::numeric AS {counter}"


def _running(scope: str, period: str) -> str:
    """What the meters say about their running periods."""
    table, user = _METERS[scope]
    columns = ", ".join(
        f"{counter}::numeric" if counter.rpartition("_")[0] in _KEPT[scope, period] else "0::numeric"
        for counter in _COUNTERS
    )
    span = f"{period}_start AS starts_at, {period}_end AS ends_at"
    return f"SELECT org_id, {user} AS user_id, '{period}' AS period, {span}, true AS is_running, {columns} FROM {table}"


_PERIODS_ROWS = " UNION ALL ".join(
    [
        *(_running(scope, period) for scope, period in _KEPT),
        "SELECT org_id, user_id, period, starts_at, ends_at, false, "
        + ", ".join(f"{counter}::numeric" for counter in _COUNTERS)
        + " FROM meter_periods",
    ]
)
_PERIODS_COLUMNS = f"org_id, user_id, period, starts_at, ends_at, is_running, {', '.join(_COUNTERS)}"


def _counter_figures() -> Iterable[_Figure]:
    for kind, condition in (("counter_running", "r.is_running"), ("counter_closed", "NOT r.is_running")):
        for name in _COUNTERS:
            yield _Figure(kind, name, f"{condition} AND r.c_{name} <> r.s_{name}", f"r.c_{name}", f"r.s_{name}")
    has_meter = f"""CASE r.user_id WHEN {_NOBODY} THEN EXISTS (SELECT FROM org_meters m WHERE m.org_id = r.org_id)
        ELSE EXISTS (SELECT FROM member_meters m WHERE m.org_id = r.org_id AND m.user_id = r.user_id) END"""
    holds = "'the period of ' || r.n || ' holds'"
    missing = "r.is_running IS NULL"
    yield _Figure("period_missing", "row", f"{missing} AND {has_meter}", "'no row keeps it'", holds)
    yield _Figure("meter_missing", "row", f"{missing} AND NOT {has_meter}", "'there is no meter'", holds)
    late = "r.newest >= r.ends_at"
    yield _Figure("reserved_late", "newest hold", late, "r.newest", "'before ' || r.ends_at")


_COMPARED = (
    "SELECT org_id, user_id, period, starts_at, c.is_running, c.ends_at, s.n, s.newest, "
    + ", ".join(f"c.{name} AS c_{name}, coalesce(s.{name}, 0) AS s_{name}" for name in _COUNTERS)
    + " FROM periods c FULL JOIN sums s USING (org_id, user_id, period, starts_at)"
)
_PERIOD_PLACE = "r.period || ' from ' || r.starts_at"
_OPEN_ROWS = f"""
    SELECT m.org_id, m.user_id, 'open_holds' AS name, m.open_holds AS kept, coalesce(sum(c.open), 0) AS summed
        FROM member_meters m LEFT JOIN cells c
            ON c.org_id = m.org_id AND c.user_id = m.user_id AND c.acts_as = 'member' GROUP BY m.org_id, m.user_id
    UNION ALL
    SELECT o.org_id, {_NOBODY}, 'open_batch_holds', o.open_batch_holds, coalesce(sum(c.open), 0)
        FROM org_meters o LEFT JOIN cells c ON c.org_id = o.org_id AND c.acts_as = 'organisation' GROUP BY o.org_id
"""
_COUNTERS_STATEMENT = f"""
    WITH cells AS MATERIALIZED ({_CELLS}),
        periods AS (SELECT * FROM ({_PERIODS_ROWS}) p ({_PERIODS_COLUMNS}) WHERE starts_at >= {_KEPT_FROM}),
        sums AS ({" UNION ALL ".join(_summed(scope, period) for scope, period in _KEPT)})
    {_listed(_counter_figures(), _COMPARED, place=_PERIOD_PLACE)}
    UNION ALL
    SELECT 'open_holds', org_id, user_id, 'now', name, kept::text, summed::text
        FROM ({_OPEN_ROWS}) o WHERE kept <> summed
"""
_SPANS_STATEMENT = f"""
    WITH periods ({_PERIODS_COLUMNS}) AS ({_PERIODS_ROWS})
    {
    _listed(
        (
            _Figure("period_span", "end", "r.starts_at >= r.ends_at", "r.ends_at", "'after its start'"),
            _Figure("period_overlap", "start", "r.starts_at < r.ended", "r.starts_at", "r.ended || ' or later'"),
            _Figure(
                "period_overlap",
                "running",
                "r.is_running AND r.later IS NOT NULL",
                "r.starts_at",
                "'the newest, but a closed one starts at ' || r.later",
            ),
        ),
        "SELECT *, max(ends_at) OVER (mine ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended, "
        "lead(starts_at) OVER mine AS later FROM periods "
        "WINDOW mine AS (PARTITION BY org_id, user_id, period ORDER BY starts_at, ends_at)",
        place=_PERIOD_PLACE,
    )
}
"""

# Holds, usage rows, attempts ------------------------------------------------------------------------------------------

# Ids sort by time: three indexes are read side by side, in the order of the tables, in the memory of a few rows. The
# attempts are grouped by their owner too: one of another owner makes a second row. `expected` is the status that the
# usage row must have, NULL where there must be none.
_CALL_ROWS = f"""
    SELECT h.*, coalesce(h.h_org_id, u.org_id) AS org_id, coalesce(h.h_user_id, u.user_id) AS user_id,
        CASE h.state WHEN 'settled' THEN CASE h.resolution WHEN 'success' THEN 'success' ELSE 'cut' END
            WHEN 'released' THEN nullif(h.resolution, 'never_called')
            WHEN 'expired' THEN CASE WHEN h.in_flight_at IS NOT NULL THEN 'unresolved' END END AS expected,
        CASE WHEN h.in_flight_at IS NOT NULL THEN h.bound_usd ELSE 0 END AS at_most_usd,
        u.id AS u_id, u.hold_id AS u_hold_id, u.org_id AS u_org_id, u.user_id AS u_user_id,
        u.request_id AS u_request_id, u.feature AS u_feature, u.status AS u_status, u.charged_usd AS u_charged_usd,
        u.cost_usd AS u_cost_usd, u.price_version AS u_price_version, u.own_key AS u_own_key,
        u.credits AS u_credits, coalesce(u.cover, 'plan') AS u_cover
    FROM (SELECT h.id, h.org_id AS h_org_id, h.user_id AS h_user_id, h.state, h.resolution, h.in_flight_at,
                h.resolved_at, h.expires_at, h.bound_usd, h.held_usd, h.charged_usd, h.cost_usd, h.quota_held,
                h.quota_charged, h.request_held, h.request_charged, h.own_key, h.request_id, h.feature, h.price_version,
                h.credits_charged, h.cover,
                a.org_id AS a_org_id, a.user_id AS a_user_id, coalesce(a.cost_usd, 0) AS a_cost_usd, a.n AS attempts
            FROM holds h LEFT JOIN (SELECT hold_id, org_id, user_id, sum(cost_usd) AS cost_usd, count(*) AS n
                FROM attempts GROUP BY hold_id, org_id, user_id) a ON a.hold_id = h.id
            WHERE h.resolved_at IS NULL OR h.resolved_at >= {_KEPT_FROM}) h
        FULL JOIN usage_log u ON u.hold_id = h.id
"""
_HAS_BOTH = "r.id IS NOT NULL AND r.u_id IS NOT NULL"
_IS_FREE = "r.u_status IN ('cached', 'denied')"
_TOO_LONG = f"r.resolved_at IS NULL AND r.expires_at > CAST(:now AS timestamptz) + interval '{LONGEST_LIFE}'"
_SUSPECTS = f"""
    CASE WHEN r.id IS NULL THEN r.u_hold_id IS NOT NULL OR r.u_cost_usd <> 0 OR r.u_charged_usd <> 0 OR NOT {_IS_FREE}
        ELSE r.u_credits <> r.credits_charged OR r.u_cover <> r.cover AND r.u_id IS NOT NULL
            OR r.u_status IS DISTINCT FROM r.expected OR r.u_cost_usd <> r.cost_usd OR r.u_charged_usd <> r.charged_usd
            OR r.u_org_id <> r.h_org_id OR r.u_user_id <> r.h_user_id OR r.u_request_id <> r.request_id
            OR r.u_id IS NOT NULL AND (r.u_feature IS DISTINCT FROM r.feature OR coalesce(r.u_price_version, '') = '')
            OR r.a_cost_usd <> r.cost_usd OR r.a_org_id <> r.h_org_id OR r.a_user_id <> r.h_user_id
            OR r.in_flight_at IS NULL AND r.attempts > 0
            OR r.own_key OR r.u_own_key OR r.quota_charged > r.quota_held OR r.request_charged > r.request_held
            OR r.state = 'expired' OR r.charged_usd <> 0 AND r.state <> 'settled' OR {_TOO_LONG} END
"""


def _call_figures() -> Iterable[_Figure]:
    missing = "r.u_id IS NULL AND r.expected IS NOT NULL"
    yield _Figure("usage_missing", "usage row", missing, "'none'", "'one, ' || r.expected")
    ended = "'none: the hold is ' || r.state || coalesce(', ' || r.resolution, '')"
    yield _Figure("usage_unexpected", "usage row", f"{_HAS_BOTH} AND r.expected IS NULL", "r.u_status", ended)
    differs = f"{_HAS_BOTH} AND r.u_status <> r.expected"
    yield _Figure("usage_status", "status", differs, "r.u_status", "r.expected")
    for name, of_hold in (
        ("org_id", "h_org_id"),
        ("user_id", "h_user_id"),
        *((n, n) for n in ("request_id", "feature", "own_key")),
    ):
        differs = f"{_HAS_BOTH} AND r.u_{name} IS DISTINCT FROM r.{of_hold}"
        yield _Figure("usage_other", name, differs, f"r.u_{name}", f"r.{of_hold}")
    yield _Figure("usage_charge", "charged_usd", "r.u_charged_usd <> r.charged_usd", "r.u_charged_usd", "r.charged_usd")
    yield _Figure("usage_charge", "credits", "r.u_credits <> r.credits_charged", "r.u_credits", "r.credits_charged")
    yield _Figure("usage_charge", "cover", f"{_HAS_BOTH} AND r.u_cover <> r.cover", "r.u_cover", "r.cover")
    yield _Figure("usage_cost", "cost_usd", "r.u_cost_usd <> r.cost_usd", "r.u_cost_usd", "r.cost_usd")
    differs = f"{_HAS_BOTH} AND coalesce(r.u_price_version, '') = ''"
    yield _Figure("price_missing", "price_version", differs, "r.u_price_version", "r.price_version")
    differs = "r.a_cost_usd <> r.cost_usd AND r.state IN ('settled', 'released')"
    yield _Figure("attempts_cost", "cost of the attempts", differs, "r.a_cost_usd", "r.cost_usd")
    differs = "r.in_flight_at IS NULL AND r.attempts > 0"
    yield _Figure("attempts_uncalled", "attempts", differs, "r.attempts", "0")
    for name in ("org_id", "user_id"):
        yield _Figure("attempts_other", name, f"r.a_{name} <> r.h_{name}", f"r.a_{name}", f"r.h_{name}")
    differs = "r.state = 'expired' AND r.cost_usd <> r.at_most_usd"
    yield _Figure("unresolved_amount", "cost_usd", differs, "r.cost_usd", "r.at_most_usd")
    for name in ("charged_usd", "held_usd"):
        yield _Figure("own_key_charged", name, f"r.own_key AND r.{name} <> 0", f"r.{name}", "0")
    for name in ("quota_charged", "request_charged"):
        held = f"r.{name.replace('charged', 'held')}"
        yield _Figure("charged_too_much", name, f"r.{name} > {held}", f"r.{name}", f"'at most ' || {held}")
    differs = "r.state <> 'settled' AND r.charged_usd <> 0"
    yield _Figure("charged_too_much", "charged_usd", differs, "r.charged_usd", "0")
    yield _Figure("hold_too_long", "expires_at", _TOO_LONG, "r.expires_at", "'within minutes'")
    differs = "r.id IS NULL AND r.u_hold_id IS NOT NULL"
    yield _Figure("usage_without_hold", "usage row", differs, "r.u_status", "'none: there is no such hold'")
    no_hold = "r.id IS NULL AND r.u_hold_id IS NULL"
    differs = f"{no_hold} AND NOT {_IS_FREE}"
    yield _Figure("call_without_hold", "hold", differs, "'none'", "'one: ' || r.u_status")
    for name in ("cost_usd", "charged_usd"):
        differs = f"{no_hold} AND {_IS_FREE} AND r.u_{name} <> 0"
        yield _Figure("free_row_costs", name, differs, f"r.u_{name}", "0")


_CALLS_STATEMENT = _listed(
    _call_figures(),
    _CALL_ROWS,
    suspects=_SUSPECTS,
    place="coalesce('hold ' || coalesce(r.id, r.u_hold_id), 'usage row ' || r.u_id)",
)
# The first is read from two indexes. The second cannot be while both constraints are in force (the moment of resolution
# is part of them), and then is not looked for.
_STRAYS_STATEMENT = """
    SELECT 'attempt_without_hold' AS kind, a.org_id, a.user_id, 'hold ' || hold_id AS place, 'attempt' AS figure,
        a.number::text AS says, 'none: there is no such hold' AS should
    FROM (SELECT hold_id, number FROM attempts a WHERE NOT EXISTS (SELECT FROM holds h WHERE h.id = a.hold_id)) s
        JOIN attempts a USING (hold_id, number)
    UNION ALL
    SELECT 'usage_twice', h.org_id, h.user_id, 'hold ' || h.id, 'usage rows', s.n::text, '1'
    FROM (SELECT hold_id, count(*) AS n FROM usage_log
            WHERE hold_id IS NOT NULL AND 2 > (SELECT count(DISTINCT c.conname) FROM pg_constraint c
                WHERE c.convalidated AND c.connamespace = current_schema()::regnamespace
                    AND c.conname IN ('uq_usage_log_hold_id', 'fk_usage_log_hold_id_holds'))
            GROUP BY hold_id HAVING count(*) > 1) s JOIN holds h ON h.id = s.hold_id
"""

# Own keys -------------------------------------------------------------------------------------------------------------

_KEY_ROWS = f"""
    SELECT k.id, k.org_id, CASE WHEN k.is_shared THEN {_NOBODY} ELSE k.user_id END AS user_id, k.month_start,
        k.used_usd, k.held_usd, coalesce(s.used_usd, 0) AS s_used_usd, coalesce(s.held_usd, 0) AS s_held_usd, l.later
    FROM provider_keys k
        LEFT JOIN (SELECT key_id, key_month_start, coalesce(sum(cost_usd) FILTER (WHERE resolved_at IS NOT NULL), 0)
                AS used_usd, coalesce(sum(bound_usd) FILTER (WHERE resolved_at IS NULL), 0) AS held_usd
            FROM holds WHERE key_id IS NOT NULL GROUP BY key_id, key_month_start) s
            ON s.key_id = k.id AND s.key_month_start = k.month_start
        LEFT JOIN (SELECT key_id, max(key_month_start) AS later FROM holds WHERE key_id IS NOT NULL GROUP BY key_id) l
            ON l.key_id = k.id
"""
_KEYS_STATEMENT = _listed(
    (
        *(
            _Figure("key_counter", n, f"r.{n} <> r.s_{n} AND r.month_start >= {_KEPT_FROM}", f"r.{n}", f"r.s_{n}")
            for n in ("used_usd", "held_usd")
        ),
        _Figure("key_month", "month", "r.later > r.month_start", "r.month_start", "r.later || ' or later'"),
    ),
    _KEY_ROWS,
    place="'key ' || r.id || ', month from ' || r.month_start",
)

# Guards ---------------------------------------------------------------------------------------------------------------

_METERED = ("member_meters", "org_meters", "meter_periods", "holds", "attempts", "usage_log", "provider_keys")
TABLES = (*_METERED, *credit_books.TABLES)
GUARDS = (
    *(f"pk_{table}" for table in _METERED),
    *("fk_holds_org_id_memberships", "fk_attempts_hold_id_holds", "fk_usage_log_hold_id_holds"),
    *("uq_attempts_hold_id", "uq_usage_log_hold_id", "uq_holds_id", "uq_holds_idempotency", "uq_holds_flight"),
    *("ck_member_meters_not_negative", "ck_org_meters_not_negative", "ck_org_meters_batch_not_negative"),
    *("ck_meter_periods_order", "ck_holds_state", "ck_holds_not_negative", "ck_holds_resolved_once"),
    *("ck_holds_only_settled_charges", "ck_holds_called_before_settled", "ck_holds_bound_covers_charge"),
    *("ck_attempts_not_negative", "ck_usage_log_status", "ck_usage_log_hold", "ck_usage_log_free_without_hold"),
    *("fk_holds_key_id_provider_keys", "ck_holds_key", "ck_holds_own_key", "ck_provider_keys_not_negative"),
    *("ck_usage_log_not_negative", "ck_usage_log_credits"),
    *credit_books.GUARDS,
)
"""Constraints, indexes and triggers that make kinds of differences impossible, such as two usage rows of one hold."""
_GUARDS_STATEMENT = f"""
    SELECT 'guard_missing' AS kind, NULL::uuid AS org_id, NULL::uuid AS user_id, 'database' AS place, g.name AS figure,
        'missing or not valid' AS says, 'in force' AS should
    FROM unnest(ARRAY[{", ".join(f"'{name}'" for name in GUARDS)}]) AS g (name)
    WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = g.name AND c.convalidated
            AND c.connamespace = current_schema()::regnamespace)
        AND NOT EXISTS (SELECT FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid WHERE i.relname = g.name
            AND x.indisunique AND x.indisvalid AND i.relnamespace = current_schema()::regnamespace)
        AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname = g.name
            AND c.relnamespace = current_schema()::regnamespace)
    UNION ALL
    SELECT 'guard_missing', NULL, NULL, 'table ' || c.relname, coalesce(k.conname, t.tgname), 'switched off', 'in force'
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
    WHERE t.tgenabled IN ('D', 'R') AND c.relnamespace = current_schema()::regnamespace
        AND c.relname IN ({", ".join(f"'{table}'" for table in TABLES)})
"""

STATEMENTS = {
    "counters": _COUNTERS_STATEMENT,
    "spans": _SPANS_STATEMENT,
    "calls": _CALLS_STATEMENT,
    "strays": _STRAYS_STATEMENT,
    "keys": _KEYS_STATEMENT,
    "ledger": credit_books.LEDGER_STATEMENT,
    "credits": credit_books.HOLDS_STATEMENT,
    "guards": _GUARDS_STATEMENT,
}
"""Each check's statement, by its name."""
_PLANNING = {
    # Few periods come from many holds: hashed in one go, never sorted.
    "counters": "enable_sort = off; enable_incremental_sort = off",
    # Merged in the order of the indexes; two workers would each read the attempts anew.
    "calls": "enable_hashjoin = off; enable_hashagg = off; max_parallel_workers_per_gather = 0",
}
"""What the planner must not do, since it reckons with every row being a difference where hardly one is."""


def _limited(statement: str) -> TextClause:
    """The first few rows of each kind, and how many there are of it."""
    return text(
        "SELECT kind, of_kind, org_id, user_id, place, figure, coalesce(says, 'nothing') AS says, "
        "coalesce(should, 'nothing') AS should "
        "FROM (SELECT d.*, count(*) OVER (PARTITION BY kind) AS of_kind, row_number() OVER (PARTITION BY kind) AS nth "
        f"FROM ({statement}) d) n WHERE nth <= :most ORDER BY kind, nth"
    )


# Calls whose cost is not certain --------------------------------------------------------------------------------------

_ODD = text(
    """
    SELECT o.kind, o.of_kind, o.total_usd, o.org_id, o.user_id, o.hold_id, o.at, o.provider, o.model, o.cost_usd,
        o.quarantine AS reason, CASE o.kind WHEN 'unresolved' THEN
            (SELECT sum(a.cost_usd) FROM attempts a WHERE a.hold_id = o.hold_id) END AS reported_usd
    FROM (SELECT u.*, count(*) OVER of_kind AS of_kind, sum(cost_usd) OVER of_kind AS total_usd,
                row_number() OVER (PARTITION BY kind ORDER BY at DESC) AS nth
            FROM (SELECT *, CASE status WHEN 'unresolved' THEN status ELSE 'quarantined' END AS kind FROM usage_log
                WHERE status = 'unresolved' OR quarantine IS NOT NULL) u
            WINDOW of_kind AS (PARTITION BY kind)) o
    WHERE nth <= :most ORDER BY o.kind, o.at DESC
    """
)
_TOTALS = text(
    f"""
    SELECT (SELECT count(hold_id) FROM usage_log WHERE hold_id IS NOT NULL) AS calls,
        (SELECT count(*) FROM usage_log WHERE hold_id IS NULL) AS free, o.*
    FROM (SELECT count(*) AS open, count(*) FILTER (WHERE expires_at <= CAST(:now AS timestamptz)) AS overdue,
            min(expires_at) FILTER (WHERE expires_at <= CAST(:now AS timestamptz)) AS oldest_overdue
        FROM holds h WHERE {_OPEN}) o
    """
)


def prepare(connection: Connection) -> datetime:
    """Gives the transaction the time and the memory that whole tables take; answers with the moment it looks at."""
    connection.execute(text(f"SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '{WORK_MEMORY}'"))
    now: datetime = connection.execute(text("SELECT assay_now()")).scalar_one()
    return now


def differences(connection: Connection, check: str, *, now: datetime, most: int) -> list[DifferenceRow]:
    """What one check finds, at most so many of each kind."""
    with connection.begin_nested() as savepoint:
        for setting in filter(None, _PLANNING.get(check, "").split("; ")):
            connection.execute(text(f"SET LOCAL {setting}"))
        rows = connection.execute(_limited(STATEMENTS[check]), {"now": now, "most": most}).mappings().all()
        savepoint.rollback()  # and with it the settings
    return [DifferenceRow(**row) for row in rows]


def odd_calls(connection: Connection, *, most: int) -> list[OddCall]:
    """Calls that were never resolved or whose provider reported impossible usage, the newest of each kind first."""
    return [OddCall(**row) for row in connection.execute(_ODD, {"most": most}).mappings()]


def totals(connection: Connection, *, now: datetime) -> Totals:
    """How much there is in the books."""
    return Totals(**connection.execute(_TOTALS, {"now": now}).mappings().one())
