"""The statements that compare the ledger of credits with everything that is also kept beside it; see `books_dao`."""

from __future__ import annotations

from uuid import UUID

_NOBODY = f"'{UUID(int=0)}'::uuid"


def _account(name: str, *, is_debt: bool = False) -> str:
    """What an account's entries sum up to; a debt grows as it gives."""
    grows, shrinks = ("debit", "credit") if is_debt else ("credit", "debit")
    return (
        f"coalesce(sum(CASE '{name}' WHEN {grows} THEN amount WHEN {shrinks} THEN -amount ELSE 0 END), 0)::numeric "
        f"AS {name}"
    )


_WALLETS = f"""
    SELECT 'wallet_sum' AS kind, w.org_id, {_NOBODY} AS user_id, 'wallet' AS place, v.figure, v.says::text,
        v.should::text
    FROM wallets w LEFT JOIN (
            SELECT org_id, {_account("available")}, {_account("held")}, {_account("overdraft", is_debt=True)}
            FROM ledger_entries WHERE free_day IS NULL GROUP BY org_id) s ON s.org_id = w.org_id
        CROSS JOIN LATERAL (VALUES ('available', w.available, coalesce(s.available, 0)),
            ('held', w.held, coalesce(s.held, 0)), ('overdraft', w.overdraft, coalesce(s.overdraft, 0))
        ) AS v (figure, says, should)
    WHERE v.says <> v.should
"""
_DAYS = f"""
    SELECT 'free_day_sum', NULL::uuid, d.user_id, 'day ' || d.day, v.figure, v.says::text, v.should::text
    FROM free_days d LEFT JOIN (
            SELECT user_id, free_day, {_account("free_held")},
                coalesce(sum(amount) FILTER (WHERE kind = 'grant'), 0)::numeric AS granted,
                coalesce(sum(amount) FILTER (WHERE kind = 'charge'), 0)::numeric AS used
            FROM ledger_entries WHERE free_day IS NOT NULL GROUP BY user_id, free_day) s
        ON s.user_id = d.user_id AND s.free_day = d.day
        CROSS JOIN LATERAL (VALUES ('granted', d.granted, coalesce(s.granted, 0)),
            ('used', d.used, coalesce(s.used, 0)), ('held', d.held, coalesce(s.free_held, 0))
        ) AS v (figure, says, should)
    WHERE v.says <> v.should
"""
_LOTS = f"""
    SELECT 'lots_exceed', w.org_id, {_NOBODY}, 'wallet', 'remaining of its grants that end', l.remaining::text,
        'at most ' || greatest(0, w.available + w.held - w.overdraft)
    FROM wallets w JOIN (SELECT org_id, sum(remaining) AS remaining FROM credit_lots GROUP BY org_id) l USING (org_id)
    WHERE l.remaining > greatest(0, w.available + w.held - w.overdraft)
    UNION ALL
    SELECT 'lots_exceed', l.org_id, {_NOBODY}, 'grant ' || l.id, 'remaining', l.remaining::text,
        'at most ' || l.granted - e.expired
    FROM credit_lots l JOIN (SELECT lot_id, sum(amount) AS expired FROM ledger_entries WHERE kind = 'expiry'
        AND lot_id IS NOT NULL GROUP BY lot_id) e ON e.lot_id = l.id
    WHERE l.remaining > l.granted - e.expired
"""
LEDGER_STATEMENT = f"{_WALLETS} UNION ALL {_DAYS} UNION ALL {_LOTS}"
"""Wallets, free days and grants that end against the sums of their entries."""

# What the entries of a hold say it took aside, was charged, and still holds.
_OF_HOLDS = f"""
    SELECT hold_id, {_account("held")}, {_account("free_held")},
        coalesce(sum(amount) FILTER (WHERE kind = 'hold' AND free_day IS NULL), 0)::numeric AS taken,
        coalesce(sum(amount) FILTER (WHERE kind = 'hold' AND free_day IS NOT NULL), 0)::numeric AS taken_free,
        coalesce(sum(amount) FILTER (WHERE kind = 'charge' AND free_day IS NULL), 0)::numeric AS charged,
        coalesce(sum(amount) FILTER (WHERE kind = 'charge' AND free_day IS NOT NULL), 0)::numeric AS charged_free
    FROM ledger_entries WHERE hold_id IS NOT NULL GROUP BY hold_id
"""
HOLDS_STATEMENT = f"""
    SELECT 'hold_credits' AS kind, h.org_id, h.user_id, 'hold ' || h.id AS place, v.figure, v.says::text, v.should::text
    FROM holds h LEFT JOIN ({_OF_HOLDS}) e ON e.hold_id = h.id
        CROSS JOIN LATERAL (VALUES
            ('credits held', h.credits_held - h.free_held, coalesce(e.taken, 0)),
            ('free credits held', h.free_held, coalesce(e.taken_free, 0)),
            ('credits charged', h.credits_charged - h.free_charged, coalesce(e.charged, 0)),
            ('free credits charged', h.free_charged, coalesce(e.charged_free, 0)),
            ('credits still held',
                CASE WHEN h.resolved_at IS NULL THEN h.credits_held - h.free_held ELSE 0 END, coalesce(e.held, 0)),
            ('free credits still held',
                CASE WHEN h.resolved_at IS NULL THEN h.free_held ELSE 0 END, coalesce(e.free_held, 0))
        ) AS v (figure, says, should)
    WHERE (h.cover = 'credits' OR e.hold_id IS NOT NULL) AND v.says <> v.should
    UNION ALL
    SELECT 'entry_other', e.org_id, e.user_id, 'hold ' || h.id, 'owner of its entries', e.org_id || ' ' || e.user_id,
        h.org_id || ' ' || h.user_id
    FROM ledger_entries e JOIN holds h ON h.id = e.hold_id
    WHERE (e.org_id, e.user_id) IS DISTINCT FROM (h.org_id, h.user_id)
"""
"""Holds that credits cover against their entries."""

TABLES = ("wallets", "credit_lots", "free_days", "ledger_entries")
GUARDS = (
    *(f"pk_{table}" for table in TABLES),
    *("ck_wallets_not_negative", "ck_free_days_not_negative", "ck_free_days_granted", "ck_credit_lots_remaining"),
    *("ck_ledger_entries_amount", "ck_ledger_entries_sides", "ck_ledger_entries_free_day", "ck_ledger_entries_hold"),
    *("ck_ledger_entries_reason", "uq_ledger_entries_idempotency_key", "fk_ledger_entries_org_id_wallets"),
    *("fk_ledger_entries_hold_id_holds", "ck_holds_free", "ck_holds_credits", "ck_member_meters_credits_not_negative"),
    *("ledger_entries_moves", "ledger_entries_kept", "wallets_moved", "wallets_begin", "wallets_kept"),
    *("free_days_moved", "free_days_begin", "free_days_kept"),
)
"""Constraints, indexes and triggers that keep the ledger as it is."""
