"""Guards of credits, of the ledger, and of what raises limits for a time."""

from __future__ import annotations

from tests.guards.functions import guards_of
from tests.guards.runner import Guard

CREDITS = "tests/core/metering/test_credit_rules.py"
EDGES = "tests/core/metering/test_credit_edges.py"
RAISED = "tests/core/metering/test_raised_limits.py"
ALONE = f"{CREDITS}::test_credits_take_over_nothing_else"
ORDER = f"{CREDITS}::test_todays_free_credits_are_taken_before_the_wallets_and_the_rest_comes_back"
SHORT = f"{CREDITS}::test_what_is_not_enough_is_refused_whole_and_says_what_there_is"
CAP = f"{CREDITS}::test_a_members_own_cap_counts_what_the_wallet_gave_this_month"
MORE = f"{CREDITS}::test_a_top_up_is_held_in_credits_too_free_ones_first_or_refused"
RETURNED = f"{CREDITS}::test_a_call_that_costs_nothing_returns_every_credit"
OVERDRAWN = f"{CREDITS}::test_what_exceeds_the_hold_is_charged_in_full_and_the_next_request_is_refused"
HELD_LOTS = f"{EDGES}::test_grants_end_and_what_is_held_for_a_request_stays_until_it_ends"
LOST_DAY = f"{CREDITS}::test_free_credits_that_come_back_after_their_day_are_gone"
KEPT = f"{CREDITS}::test_no_role_changes_what_was_entered_or_what_it_sums_up_to"
CARRIED = f"{RAISED}::test_a_share_of_what_a_month_left_is_carried_over_and_never_of_a_carry"
BOOSTED = f"{RAISED}::test_a_boost_raises_a_limit_while_it_lasts"
POOLED = f"{RAISED}::test_pooled_allowances_are_one_of_all_members"

_COVER = guards_of(
    "60_reserve.sql",
    (
        "credits: only where nothing else refuses",
        "ELSIF d.code IS NULL THEN",
        "ELSE",
        f"{ALONE}[rate too]",
    ),
    (
        "credits: neither of an analysis, a filing nor a batch",
        "AND analysis + filing + batch = 0 AND NOT p_own_key",
        "AND NOT p_own_key",
        ALONE,
    ),
    (
        "credits: not where an own key pays",
        "AND analysis + filing + batch = 0 AND NOT p_own_key",
        "AND analysis + filing + batch = 0",
        f"{CREDITS}::test_the_database_itself_takes_no_credits_where_an_own_key_pays",
    ),
    (
        "credits: only who wants it",
        "AND NOT p_own_key AND l.uses_credits) THEN",
        "AND NOT p_own_key) THEN",
        f"{ALONE}[not wanted]",
    ),
    (
        "credits: the feature's quota counts nothing",
        "chat := 0; validation := 0;",
        "NULL;",
        f"{CREDITS}::test_under_credits_the_features_quota_counts_nothing_and_the_month_one",
    ),
    (
        "credits: a top-up takes them too",
        "IF needs_credits AND NOT top_up_credits(h, p_credits) THEN",
        "IF false THEN",
        MORE,
    ),
    (
        "limits: what was carried over",
        "IF counts AND m.request_used + m.request_held + x.request >= l.requests_month + m.request_carry THEN",
        "IF counts AND m.request_used + m.request_held + x.request >= l.requests_month THEN",
        CARRIED,
    ),
    (
        "limits: boosts in force are looked up",
        "IF l.pools OR at < o.boosts_until THEN",
        "IF l.pools THEN",
        BOOSTED,
    ),
    (
        "limits: what the others of a pool used",
        "IF counts AND m.request_used + m.request_held + x.request >= l.requests_month + m.request_carry THEN",
        "IF counts AND m.request_used + m.request_held >= l.requests_month + m.request_carry THEN",
        POOLED,
    ),
)

_LEDGER = guards_of(
    "45_credits.sql",
    (
        "wallet: locked",
        "SELECT * INTO w FROM wallets WHERE org_id = p_org FOR UPDATE;",
        "SELECT * INTO w FROM wallets WHERE org_id = p_org;",
        f"{CREDITS}::test_debits_at_once_take_what_there_is_and_no_more",
    ),
    (
        "wallet: no more than there is",
        "IF c.taken > w.available OR w.overdraft > 0 THEN",
        "IF w.overdraft > 0 THEN",
        SHORT,
    ),
    (
        "wallet: an overdraft covers nothing",
        "IF c.taken > w.available OR w.overdraft > 0 THEN",
        "IF c.taken > w.available THEN",
        f"{CREDITS}::test_an_overdraft_covers_no_request_though_free_credits_are_left",
    ),
    ("wallet: free credits first", "c.free := least(p_credits, left_free);", "c.free := 0;", ORDER),
    ("wallet: a member's own cap", "c.taken > 0 AND p_used + c.taken > cap", "c.taken > 0 AND p_used > cap", CAP),
    (
        "wallet: free credits are under no cap",
        "c.taken > 0 AND p_used + c.taken > cap",
        "p_used + c.taken > cap",
        f"{EDGES}::test_a_cap_that_is_overrun_refuses_no_free_credits",
    ),
    (
        "wallet: tomorrow's free credits are told",
        "IF w.overdraft = 0 AND p_credits <= w.available + p_free_a_day THEN",
        "IF false THEN",
        f"{EDGES}::test_where_tomorrows_free_credits_will_do_they_are_told_to_come",
    ),
    (
        "wallet: what comes in repays first",
        "repaid := repay(p_org, p_key);",
        "repaid := 0;",
        OVERDRAWN,
    ),
    (
        "wallet: what is released repays first",
        "PERFORM repay(h.org_id, 'release:' || h.id);",
        "",
        f"{CREDITS}::test_what_is_released_repays_an_overdraft",
    ),
    (
        "wallet: a key adds once",
        "IF EXISTS (SELECT FROM ledger_entries WHERE idempotency_key = p_key) THEN\n        RETURN false;",
        "IF false THEN\n        RETURN false;",
        f"{CREDITS}::test_the_same_key_adds_once",
    ),
    (
        "wallet: a key takes out once",
        "IF EXISTS (SELECT FROM ledger_entries WHERE idempotency_key = p_key) THEN\n        RETURN 'repeated';",
        "IF false THEN\n        RETURN 'repeated';",
        f"{CREDITS}::test_a_payment_that_is_taken_back_takes_also_what_is_not_there_once",
    ),
    (
        "wallet: an adjustment takes what there is",
        "IF p_kind <> 'refund' THEN",
        "IF false THEN",
        f"{CREDITS}::test_an_adjustment_takes_no_more_than_there_is_and_names_reason_and_author",
    ),
    (
        "wallet: what exceeds a hold is an overdraft",
        "IF short > 0 THEN",
        "IF false THEN",
        OVERDRAWN,
    ),
    (
        "free days: a day that is over gives nothing back",
        "IF p_free > 0 AND h.free_day = free_day_now() THEN",
        "IF p_free > 0 THEN",
        LOST_DAY,
    ),
    (
        "free days: granted once",
        "IF FOUND THEN\n            PERFORM enter(p_org, 'grant'",
        "IF true THEN\n            PERFORM enter(p_org, 'grant'",
        f"{CREDITS}::test_free_credits_are_a_users_over_all_organisations_and_a_days",
    ),
    (
        "free days: an organisation that gives none decides nothing",
        "IF p_granted > 0 THEN",
        "IF true THEN",
        f"{EDGES}::test_the_first_organisation_that_gives_free_credits_decides_how_many",
    ),
    (
        "lots: the earliest end first",
        "AND remaining > 0 ORDER BY expires_at, id LOOP\n        UPDATE",
        "AND remaining > 0 ORDER BY expires_at DESC, id LOOP\n        UPDATE",
        f"{EDGES}::test_grants_that_end_are_spent_first_and_the_earliest_before_the_others",
    ),
    ("lots: what is held stays", "kept := least(lot.remaining, protected);", "kept := 0;", HELD_LOTS),
    (
        "lots: not before their end",
        "EXIT WHEN lot.expires_at > assay_now();",
        "",
        f"{EDGES}::test_grants_that_have_not_ended_stay",
    ),
    (
        "lots: one that ended covers nothing",
        "BEGIN\n    IF expire_lots(p_org) > 0 THEN\n        SELECT * INTO w FROM wallets WHERE org_id = p_org;\n"
        "    END IF;\n"
        "    c.free_day",
        "BEGIN\n    c.free_day",
        f"{EDGES}::test_a_grant_that_ended_covers_nothing_though_nobody_has_taken_it_yet",
    ),
    (
        "lots: what an overdraft took of one is not there twice",
        "UPDATE credit_lots SET remaining = remaining - repaid WHERE id = lot;",
        "NULL;",
        f"{EDGES}::test_an_overdraft_that_a_grant_repays_is_not_taken_again_at_its_end",
    ),
    (
        "lots: what is taken out of one is not there twice",
        "PERFORM trim_lots(p_org);",
        "",
        f"{EDGES}::test_an_overdraft_that_a_grant_repays_is_not_taken_again_at_its_end",
    ),
    (
        "top_up: the member's cap",
        "OR (more > free AND coalesce(m.credits_used + m.credits_held + more - free > s.credits_cap_month, false))",
        "",
        MORE,
    ),
    (
        "top_up: free credits are under no cap",
        "OR (more > free AND coalesce(",
        "OR (coalesce(",
        f"{EDGES}::test_a_cap_that_is_overrun_refuses_no_free_credits",
    ),
    ("top_up: what the wallet has", "w.overdraft > 0 OR more - free > w.available", "w.overdraft > 0", MORE),
    (
        "top_up: not with an overdraft",
        "w.overdraft > 0 OR more - free > w.available",
        "more - free > w.available",
        f"{CREDITS}::test_with_an_overdraft_no_hold_is_topped_up",
    ),
)

_RAISED = guards_of(
    "46_allowances.sql",
    (
        "carry: of skipped months the last one counts",
        "IF p_starts > p_ended THEN",
        "IF false THEN",
        f"{RAISED}::test_of_several_months_without_a_request_the_last_one_counts_and_it_alone",
    ),
    (
        "carry: by the plan at the month's end",
        "plan_at(p_org, p_starts - interval '1 microsecond')",
        "g.plan",
        f"{RAISED}::test_the_plan_at_a_months_end_says_what_is_carried",
    ),
    (
        "carry: a pool carries nothing",
        "WHERE g.id = p_org AND NOT pools_at(g, p_starts - interval '27 days');",
        "WHERE g.id = p_org;",
        f"{RAISED}::test_a_pool_counts_running_periods_alone_and_carries_nothing",
    ),
    (
        "boosts: until they end",
        "AND starts_at <= p_at AND ends_at > p_at",
        "AND starts_at <= p_at",
        f"{RAISED}::test_a_boost_that_ended_counts_nothing_beside_one_that_lasts",
    ),
    (
        "boosts: one member's",
        "AND (p_pools OR user_id IS NULL OR user_id = p_user);",
        ";",
        f"{RAISED}::test_a_boost_is_one_members_or_each_members",
    ),
    (
        "boosts: decided once",
        "WHERE id = p_id AND state = 'requested' AND (p_org IS NULL OR org_id = p_org)",
        "WHERE id = p_id AND (p_org IS NULL OR org_id = p_org)",
        f"{RAISED}::test_a_boost_is_decided_once_and_by_its_organisation",
    ),
    (
        "boosts: decided by their organisation",
        "WHERE id = p_id AND state = 'requested' AND (p_org IS NULL OR org_id = p_org)",
        "WHERE id = p_id AND state = 'requested'",
        f"{RAISED}::test_a_boost_is_decided_once_and_by_its_organisation",
    ),
    (
        "pools: who is active",
        "AND s.ended_at IS NULL AND s.role <> 'viewer' AND u.deactivated_at IS NULL;",
        ";",
        POOLED,
    ),
    (
        "pools: running periods alone",
        "SELECT sum(chat_query_used + chat_query_held) FILTER (WHERE day_end > p_at),",
        "SELECT sum(chat_query_used + chat_query_held),",
        f"{RAISED}::test_a_pool_counts_running_periods_alone_and_carries_nothing",
    ),
    (
        "pools: one that was switched off lasts until the month ends",
        "SELECT g.pools_allowances OR coalesce(p_at < g.pools_until, false)",
        "SELECT g.pools_allowances",
        f"{RAISED}::test_a_pool_that_is_switched_off_lasts_until_the_month_ends_and_carries_nothing",
    ),
)

_RETURNS = guards_of(
    "50_resolve.sql",
    (
        "credits: a failed call returns them",
        "    used := count_resolution(h, 0, 0, 0, 0);\n    IF h.cover = 'credits' THEN",
        "    used := count_resolution(h, 0, 0, 0, 0);\n    IF false THEN",
        f"{RETURNED}[released]",
    ),
    (
        "credits: an expired hold returns them",
        "    PERFORM count_resolution(h, 0, 0, 0, 0);\n    IF h.cover = 'credits' THEN",
        "    PERFORM count_resolution(h, 0, 0, 0, 0);\n    IF false THEN",
        f"{RETURNED}[expired]",
    ),
    (
        "credits: a free early cut takes none",
        "IF h.cover = 'credits' AND NOT is_free THEN",
        "IF h.cover = 'credits' THEN",
        f"{RETURNED}[early cut]",
    ),
    (
        "credits: what exceeds a hold takes the free ones that are left",
        "IF credits > h.credits_held THEN",
        "IF false THEN",
        f"{EDGES}::test_what_exceeds_a_hold_takes_the_days_free_credits_first",
    ),
    (
        "pools: an answer tells what all of them used",
        "OR NOT EXISTS (SELECT FROM organisations g WHERE g.id = h.org_id AND pools_at(g, assay_now()))",
        "OR true",
        f"{RAISED}::test_an_answer_tells_the_pools_use",
    ),
)

_PATH = "data/migrations/versions/0020_credits.sql"
_KEEPERS = tuple(
    Guard(f"ledger: {name}", _PATH, text, without, (test,))
    for name, text, without, test in (
        (
            "entries are never changed",
            "CREATE TRIGGER ledger_entries_kept BEFORE UPDATE OR DELETE OR TRUNCATE",
            "CREATE TRIGGER ledger_entries_kept BEFORE TRUNCATE",
            KEPT,
        ),
        (
            "entries are never removed at once",
            "CREATE TRIGGER ledger_entries_kept BEFORE UPDATE OR DELETE OR TRUNCATE",
            "CREATE TRIGGER ledger_entries_kept BEFORE UPDATE OR DELETE",
            KEPT,
        ),
        (
            "only entries change a wallet",
            "CREATE TRIGGER wallets_moved BEFORE UPDATE OR DELETE",
            "CREATE TRIGGER wallets_moved BEFORE DELETE",
            KEPT,
        ),
        (
            "a wallet begins empty",
            "WHEN (NEW.available <> 0 OR NEW.held <> 0 OR NEW.overdraft <> 0)",
            "WHEN (false)",
            f"{CREDITS}::test_a_wallet_begins_empty",
        ),
        (
            "a wallet is never below zero",
            "CHECK (least(available, held, overdraft) >= 0)",
            "CHECK (least(held, overdraft) >= 0)",
            f"{CREDITS}::test_a_wallet_never_goes_below_zero_but_by_an_overdraft_entry",
        ),
        (
            "an adjustment has reason and author",
            "(author IS NOT NULL AND length(btrim(coalesce(reason, ''))) > 0)",
            "true",
            f"{CREDITS}::test_an_adjustment_takes_no_more_than_there_is_and_names_reason_and_author",
        ),
    )
)


CREDIT_GUARDS: tuple[Guard, ...] = (*_COVER, *_LEDGER, *_RAISED, *_RETURNS, *_KEEPERS)
