"""Guards in the SQL functions of metering."""

from __future__ import annotations

from tests.guards.runner import Guard

FUNCTIONS = "data/migrations/functions"
METER = "tests/core/metering/test_meter.py"
RULES = "tests/core/metering/test_rules.py"
FLIGHTS = "tests/core/ai/test_flights.py"
LIMITS = f"{RULES}::test_each_limit_of_a_plan_refuses_the_first_request_too_many"
MONEY = f"{RULES}::test_each_limit_of_money_refuses_what_could_cross_it_and_a_top_up_too"
LOCKS = f"{RULES}::test_every_step_locks_the_membership_before_the_organisation_and_the_hold"
BATCH = f"{RULES}::test_an_organisation_acts_under_its_own_slots_budget_and_quota"
CLOSED = f"{RULES}::test_whatever_was_reserved_in_a_closed_period_is_counted_there"
KEYS = "tests/core/metering/test_own_keys.py"
KEY_LOCKS = f"{KEYS}::test_every_step_locks_the_organisation_before_the_key_and_the_key_before_the_hold"
KEY_ENDED = f"{KEYS}::test_a_key_that_ended_or_whose_owner_left_pays_for_nothing"
KEY_OWNER = f"{KEYS}::test_a_key_pays_for_its_owner_alone"
KEY_ORG = f"{KEYS}::test_a_key_pays_in_its_organisation_alone_also_where_its_owner_belongs_to_two"
KEY_MONTH = f"{KEYS}::test_a_hold_of_another_month_changes_nothing_of_the_running_one"
KEY_TOP_UP = f"{KEYS}::test_a_top_up_is_held_of_the_key_and_never_above_its_limit"
OWN_KEY = f"{RULES}::test_an_own_key_is_charged_nothing_and_its_cost_is_logged"
EXPIRED = f"{METER}::test_an_expired_hold_can_neither_be_called_nor_settled"
TOPPED_UP = f"{RULES}::test_only_a_call_under_way_is_topped_up"


def guards_of(file: str, *rows: tuple[str, str, str, str]) -> tuple[Guard, ...]:
    path = f"{FUNCTIONS}/{file}"
    return tuple(Guard(name, path, text, without, (test,)) for name, text, without, test in rows)


_RESERVE = guards_of(
    "60_reserve.sql",
    (
        "reserve: a feature's quota",
        "IF r.quota_used >= r.quota_limit THEN",
        "IF r.quota_used > r.quota_limit THEN",
        f"{METER}::test_the_eleventh_chat_query_of_a_free_day_is_refused_with_everything_a_person_needs",
    ),
    (
        "reserve: which quota is the feature's",
        "r.quota_limit := l.sec_filings_month + m.sec_filing_carry;",
        "",
        f"{LIMITS}[sec_filings_month-request_of2]",
    ),
    (
        "reserve: requests a month",
        "IF counts AND m.request_used + m.request_held + x.request >= l.requests_month + m.request_carry THEN",
        "IF false THEN",
        f"{LIMITS}[requests_month-request_of4]",
    ),
    (
        "reserve: requests a minute",
        "IF counts AND minute_used >= l.requests_minute THEN",
        "IF false THEN",
        f"{LIMITS}[requests_minute-request_of5]",
    ),
    (
        "reserve: requests an hour",
        "IF counts AND hour_used >= l.requests_hour THEN",
        "IF false THEN",
        f"{LIMITS}[requests_hour-request_of6]",
    ),
    (
        "reserve: signal validations a minute",
        "IF validation = 1 AND batch = 0 AND rate_sum(m.validation_counts) >= l.signal_validations_minute THEN",
        "IF false THEN",
        f"{LIMITS}[signal_validations_minute-request_of7]",
    ),
    (
        "reserve: concurrency",
        "IF batch = 0 AND m.open_holds >= l.concurrent_requests THEN",
        "IF batch = 0 AND m.open_holds > l.concurrent_requests THEN",
        f"{LIMITS}[concurrent_requests-request_of8]",
    ),
    ("reserve: slots of an organisation's own", "o.open_batch_holds >= 8 THEN", "o.open_batch_holds > 8 THEN", BATCH),
    (
        "reserve: an organisation takes no member's slot",
        "open_holds = m.open_holds + (r.outcome = 'granted')::integer - batch,",
        "open_holds = m.open_holds + (r.outcome = 'granted')::integer,",
        BATCH,
    ),
    (
        "reserve: an organisation uses no member's budget",
        "charge_usd_held = m.charge_usd_held + CASE batch WHEN 0 THEN charge ELSE 0 END",
        "charge_usd_held = m.charge_usd_held + charge",
        BATCH,
    ),
    (
        "reserve: the user's budget",
        "IF batch = 0 AND m.charge_usd_used + m.charge_usd_held + charge > l.user_budget THEN",
        "IF batch = 0 AND m.charge_usd_used + m.charge_usd_held > l.user_budget THEN",
        f"{MONEY}[user_budget_usd_month-UPDATE memberships SET budget_usd_month = 0.002]",
    ),
    (
        "reserve: the organisation's budget",
        "IF o.charge_usd_used + o.charge_usd_held + charge > l.org_budget THEN",
        "IF o.charge_usd_used + charge > l.org_budget THEN",
        f"{METER}::test_budgets_count_what_is_charged_and_what_is_held",
    ),
    (
        "reserve: the ceiling of a request",
        "IF charge > l.request_ceiling_usd THEN",
        "IF false THEN",
        f"{METER}::test_a_request_above_the_ceiling_is_refused_and_never_shrunk",
    ),
    (
        "reserve: the membership is locked",
        "FOR UPDATE;\n    IF NOT FOUND THEN\n        IF NOT make_meters",
        ";\n    IF NOT FOUND THEN\n        IF NOT make_meters",
        f"{METER}::test_two_hundred_at_once_make_exactly_ten_calls",
    ),
    (
        "reserve: the organisation is locked",
        "SELECT * INTO o FROM org_meters WHERE org_id = p_org FOR UPDATE;",
        "SELECT * INTO o FROM org_meters WHERE org_id = p_org;",
        f"{RULES}::test_an_organisations_quota_is_not_overrun_by_members_who_ask_at_once",
    ),
    (
        "reserve: a flight is taken over after the locks",
        "            r.outcome := 'flight';\n            RETURN r;\n        END IF;",
        "            r.outcome := 'flight';\n            RETURN r;\n        END IF;\n"
        "        UPDATE holds SET flight_key = NULL WHERE flight_key = p_flight_key;",
        f"{LOCKS}[reserve past a full flight]",
    ),
    (
        "reserve: an id is one request's",
        "CASE WHEN h.org_id = p_org AND h.user_id = p_user AND h.request_id = p_request\n            AND h.state",
        "CASE WHEN h.state",
        f"{RULES}::test_the_id_of_a_hold_is_nobody_elses",
    ),
    (
        "reserve: the same request again is the same hold",
        "SELECT * INTO h FROM holds WHERE id = p_hold;\n    IF FOUND",
        "SELECT * INTO h FROM holds WHERE id = p_hold;\n    IF false",
        f"{METER}::test_reserve_is_repeated_with_the_same_answer",
    ),
    (
        "reserve: the caller's overdue holds end first",
        "IF m.open_holds > 0 THEN",
        "IF false THEN",
        f"{METER}::test_the_next_request_expires_what_its_user_left_open",
    ),
    (
        "reserve: a viewer may not",
        "OR l.role = 'viewer' OR",
        "OR",
        f"{METER}::test_a_viewer_may_not_reserve",
    ),
    (
        "reserve: for whom one acts",
        "OR p_acts_as NOT IN ('member', 'organisation')",
        "",
        f"{RULES}::test_nobody_acts_as_anything_else",
    ),
    (
        "reserve: an organisation has no share in members' quotas",
        "OR (batch = 1 AND chat + analysis + filing > 0) THEN",
        "THEN",
        f"{RULES}::test_an_organisation_has_no_share_in_a_members_quotas",
    ),
    (
        "reserve: a period that ended is closed",
        "has_moved := at >= least(",
        "has_moved := at >= 'infinity' AND at >= least(",
        f"{METER}::test_a_new_day_begins_by_the_first_request_after_midnight_in_the_organisations_zone",
    ),
    (
        "reserve: a clock set back does not move a rate's buckets back",
        "second := greatest(floor(extract(epoch FROM at))::bigint, m.minute_at);",
        "second := floor(extract(epoch FROM at))::bigint;",
        f"{RULES}::test_a_clock_set_back_opens_no_room_in_a_full_minute",
    ),
    (
        "reserve: a denial holds nothing",
        "chat := 0; analysis := 0; filing := 0; validation := 0; request := 0; charge := 0; batch := 0;",
        "NULL;",
        f"{RULES}::test_a_denial_at_the_first_request_of_a_day_uses_nothing_of_it",
    ),
    (
        "reserve: an own key holds no money",
        "charge numeric := CASE WHEN p_own_key THEN 0 ELSE p_held_usd END;",
        "charge numeric := p_held_usd;",
        OWN_KEY,
    ),
    (
        "reserve: a key with another body",
        "WHEN h.body_sha256 <> p_body_sha256 THEN 'other_body' WHEN",
        "WHEN",
        f"{RULES}::test_a_key_is_one_requests_of_one_body_for_a_day",
    ),
    (
        "reserve: a key whose request has not ended",
        "WHEN h.state = 'settled' THEN 'replay'\n                ELSE 'running' END;",
        "WHEN h.state = 'settled' THEN 'replay'\n                ELSE 'granted' END;",
        f"{RULES}::test_a_key_is_one_requests_of_one_body_for_a_day",
    ),
    (
        "reserve: a key is a day's",
        "IF h.created_at <= assay_now() - interval '24 hours' THEN",
        "IF h.created_at <= assay_now() - interval '240 hours' THEN",
        f"{RULES}::test_a_key_is_one_requests_of_one_body_for_a_day",
    ),
    (
        "reserve: the month of a key",
        "IF key_used + key_held + p_held_usd > key_limit THEN",
        "IF key_used + p_held_usd > key_limit THEN",
        f"{KEYS}::test_a_key_that_was_used_up_refuses_until_its_month_ends",
    ),
    (
        "reserve: a key's month ends",
        "IF at >= key_month.ends_at THEN",
        "IF false THEN",
        f"{KEYS}::test_a_key_that_was_used_up_refuses_until_its_month_ends",
    ),
    (
        "reserve: the key is locked",
        "FOR UPDATE OF k;",
        ";",
        f"{KEYS}::test_a_key_that_is_revoked_while_a_request_waits_for_it_pays_for_nothing",
    ),
    ("reserve: a revoked key", "AND k.provider = p_provider AND k.revoked_at IS NULL", "", f"{KEY_ENDED}[revoked]"),
    ("reserve: an expired key", "IF NOT FOUND OR key_ends <= assay_now() THEN", "IF NOT FOUND THEN", KEY_ENDED),
    (
        "reserve: a member who left",
        "AND s.user_id = p_user AND s.ended_at IS NULL AND",
        "AND s.user_id = p_user AND",
        f"{KEY_ENDED}[left]",
    ),
    (
        "reserve: a user who was deactivated",
        "AND s.ended_at IS NULL AND u.deactivated_at IS NULL;",
        "AND s.ended_at IS NULL;",
        f"{KEY_ENDED}[deactivated]",
    ),
    ("reserve: a key is its owner's", "(k.is_shared OR (k.user_id = p_user AND batch = 0))", "true", KEY_OWNER),
    (
        "reserve: a member's key pays for no batch",
        "(k.user_id = p_user AND batch = 0)",
        "(k.user_id = p_user)",
        KEY_OWNER,
    ),
    ("reserve: a key is its organisation's", "k.id = p_key AND k.org_id = p_org AND", "k.id = p_key AND", KEY_ORG),
    ("reserve: a key is its provider's", "AND k.provider = p_provider", "", KEY_OWNER),
    (
        "top_up: a key's limit",
        "AND coalesce(used_usd + held_usd + more <= limit_usd_month, true);",
        ";",
        KEY_TOP_UP,
    ),
    ("top_up: a revoked key", "AND month_start = h.key_month_start AND revoked_at IS NULL", "", KEY_TOP_UP),
    ("top_up: a key's month", "id = h.key_id AND month_start = h.key_month_start AND", "id = h.key_id AND", KEY_MONTH),
    (
        "top_up: only while the call is under way",
        "IF h.state IS DISTINCT FROM 'in_flight' OR h.expires_at <= assay_now() THEN\n        RETURN false;",
        "IF h.expires_at <= assay_now() THEN\n        RETURN false;",
        TOPPED_UP,
    ),
    (
        "top_up: not after the hold's end",
        "IF h.state IS DISTINCT FROM 'in_flight' OR h.expires_at <= assay_now() THEN\n        RETURN false;",
        "IF h.state IS DISTINCT FROM 'in_flight' THEN\n        RETURN false;",
        TOPPED_UP,
    ),
    (
        "top_up: the month it was reserved in",
        "AND m.month_start = h.month_start AND o.month_start = h.org_month_start",
        "",
        f"{RULES}::test_a_hold_is_topped_up_in_the_month_it_was_reserved_in_alone",
    ),
    ("top_up: the ceiling", "h.held_usd + more > l.request_ceiling_usd OR", "", MONEY),
    ("top_up: the organisation's budget", "OR more > l.org_left", "", MONEY),
    ("top_up: the user's budget", "more > l.user_left", "false", MONEY),
    (
        "top_up: it is held of the organisation's budget too",
        "UPDATE org_meters SET charge_usd_held = charge_usd_held + more WHERE org_id = h.org_id;\n    RETURN true;",
        "RETURN true;",
        MONEY,
    ),
    (
        "top_up: an own key's bound",
        "UPDATE holds SET bound_usd = p_held_usd WHERE id = p_hold;\n        RETURN true;",
        "RETURN true;",
        f"{RULES}::test_an_own_keys_call_that_was_never_resolved_is_bounded_by_its_worst_case",
    ),
)

_RESOLVE = guards_of(
    "50_resolve.sql",
    (
        "resolve: the membership is locked first",
        "PERFORM 1 FROM member_meters WHERE org_id = org AND user_id = member FOR UPDATE;\n"
        "        PERFORM 1 FROM org_meters WHERE org_id = org FOR UPDATE;",
        "PERFORM 1 FROM org_meters WHERE org_id = org FOR UPDATE;\n"
        "        PERFORM 1 FROM member_meters WHERE org_id = org AND user_id = member FOR UPDATE;",
        f"{LOCKS}[settle]",
    ),
    (
        "resolve: the hold is locked",
        "SELECT * INTO h FROM holds WHERE id = p_hold FOR UPDATE;",
        "SELECT * INTO h FROM holds WHERE id = p_hold;",
        f"{RULES}::test_a_call_that_begins_while_its_hold_expires_is_not_forgotten",
    ),
    (
        "resolve: the key is locked before the hold",
        "            PERFORM 1 FROM provider_keys WHERE id = key FOR UPDATE;",
        "            NULL;",
        KEY_LOCKS,
    ),
    (
        "expire: a key may have been used",
        "PERFORM count_key(h, CASE h.state WHEN 'in_flight' THEN h.bound_usd ELSE 0 END, false);",
        "PERFORM count_key(h, 0, false);",
        f"{KEYS}::test_a_call_that_failed_or_was_never_resolved_costs_its_key_what_it_may_have_cost",
    ),
    (
        "settle: a key is counted",
        "PERFORM count_key(h, p_cost_usd, p_outcome <> 'early_cut');",
        "NULL;",
        f"{KEYS}::test_a_call_on_an_own_key_is_held_and_counted_at_its_key_and_charged_nothing",
    ),
    (
        "release: what a failure cost is counted",
        "PERFORM count_key(h, p_cost_usd, false);",
        "PERFORM count_key(h, 0, false);",
        f"{KEYS}::test_a_call_that_failed_or_was_never_resolved_costs_its_key_what_it_may_have_cost",
    ),
    ("mark: not after the hold's end", "AND state = 'reserved' AND expires_at > assay_now();", ";", EXPIRED),
    (
        "mark: once",
        "WHERE id = p_hold AND state = 'reserved' AND",
        "WHERE id = p_hold AND state IN ('reserved', 'in_flight') AND",
        f"{RULES}::test_a_call_begins_once_and_not_after_its_end",
    ),
    (
        "expire: not before its time",
        "OR h.expires_at > at THEN\n        RETURN false;",
        "THEN\n        RETURN false;",
        f"{RULES}::test_a_hold_does_not_expire_before_its_time",
    ),
    (
        "expire: what is resolved stays so",
        "IF h.id IS NULL OR h.state NOT IN ('reserved', 'in_flight') OR h.expires_at > at THEN",
        "IF h.id IS NULL OR h.expires_at > at THEN",
        f"{RULES}::test_a_hold_that_ended_does_not_expire",
    ),
    (
        "expire: a call that began is logged",
        "IF h.state = 'in_flight' THEN\n        PERFORM log_call(h, at, 'unresolved'",
        "IF false THEN\n        PERFORM log_call(h, at, 'unresolved'",
        EXPIRED,
    ),
    (
        "expire: the bound is the worst case",
        "PERFORM log_call(h, at, 'unresolved', h.bound_usd,",
        "PERFORM log_call(h, at, 'unresolved', h.held_usd,",
        f"{RULES}::test_an_own_keys_call_that_was_never_resolved_is_bounded_by_its_worst_case",
    ),
    (
        "settle: not after the hold's end",
        "IF h.state IS DISTINCT FROM 'in_flight' OR h.expires_at <= at THEN",
        "IF h.state IS DISTINCT FROM 'in_flight' THEN",
        EXPIRED,
    ),
    (
        "settle: once",
        "IF h.state IS DISTINCT FROM 'in_flight' OR h.expires_at <= at THEN",
        "IF h.id IS NULL OR h.expires_at <= at THEN",
        f"{METER}::test_a_hold_resolves_once",
    ),
    (
        "settle: not without a call",
        "IF h.state IS DISTINCT FROM 'in_flight' OR h.expires_at <= at THEN",
        "IF h.state NOT IN ('reserved', 'in_flight') OR h.expires_at <= at THEN",
        f"{METER}::test_nothing_is_settled_that_was_never_called",
    ),
    (
        "release: not after the hold's end",
        "IF h.state IS NULL OR h.state NOT IN ('reserved', 'in_flight') OR h.expires_at <= at THEN",
        "IF h.state IS NULL OR h.state NOT IN ('reserved', 'in_flight') THEN",
        f"{RULES}::test_a_late_release_expires_the_hold",
    ),
    (
        "release: once",
        "IF h.state IS NULL OR h.state NOT IN ('reserved', 'in_flight') OR h.expires_at <= at THEN",
        "IF h.state IS NULL OR h.expires_at <= at THEN",
        f"{METER}::test_a_hold_resolves_once",
    ),
    (
        "release: a call that was never made has no row",
        "IF p_status <> 'never_called' THEN",
        "IF true THEN",
        f"{METER}::test_concurrent_holds_are_bounded_and_released_ones_make_room",
    ),
    (
        "late: the hold is expired now",
        "IF is_overdue THEN\n        PERFORM expire_hold(h.id);\n    END IF;",
        "",
        EXPIRED,
    ),
    (
        "late: a worker may say what it used",
        "IF (is_overdue OR h.state = 'expired') AND h.in_flight_at IS NOT NULL THEN",
        "IF false THEN",
        f"{RULES}::test_a_late_worker_may_say_what_it_used_and_charges_nothing",
    ),
    (
        "settle: five early cuts",
        "RETURNING early_cuts <= 5",
        "RETURNING early_cuts <= 6",
        f"{METER}::test_five_early_cuts_a_day_are_free",
    ),
    (
        "settle: outcomes that there are",
        "ELSIF p_outcome NOT IN ('success', 'cut') THEN",
        "ELSIF false THEN",
        f"{RULES}::test_an_outcome_that_does_not_exist_charges_nothing",
    ),
    ("settle: an own key is charged nothing", "WHEN is_free OR h.own_key THEN 0", "WHEN is_free THEN 0", OWN_KEY),
    (
        "settle: a free early cut leaves its key free",
        "idempotency_key = CASE WHEN is_free THEN NULL ELSE idempotency_key END",
        "idempotency_key = idempotency_key",
        f"{RULES}::test_a_request_that_cost_nothing_leaves_its_key_free",
    ),
    (
        "settle: a cache that cannot be written undoes nothing",
        "EXCEPTION WHEN OTHERS THEN",
        "EXCEPTION WHEN division_by_zero THEN",
        f"{RULES}::test_an_entry_that_cannot_be_kept_undoes_no_settlement",
    ),
)

_METERS = guards_of(
    "40_meters.sql",
    ("closed: the member's day", "IF m.day_start <> h.day_start AND batch = 0 THEN", "IF false THEN", CLOSED),
    ("closed: the member's month", "IF m.month_start <> h.month_start AND batch = 0 THEN", "IF false THEN", CLOSED),
    ("closed: the organisation's day", "IF o.day_start <> h.org_day_start THEN", "IF false THEN", CLOSED),
    ("closed: the organisation's month", "IF o.month_start <> h.org_month_start THEN", "IF false THEN", CLOSED),
    (
        "closed: not in the running day too",
        "CASE t.day_start WHEN h.day_start THEN chat * p_quota ELSE 0 END",
        "chat * p_quota",
        f"{CLOSED}[chat_query]",
    ),
    (
        "closed: charges not in the running month too",
        "charge_usd_used = t.charge_usd_used + CASE t.month_start WHEN h.org_month_start THEN p_charge ELSE 0 END",
        "charge_usd_used = t.charge_usd_used + p_charge",
        CLOSED,
    ),
    (
        "keys: a hold of another month",
        "used_usd = k.used_usd + CASE k.month_start WHEN h.key_month_start THEN p_cost ELSE 0 END",
        "used_usd = k.used_usd + p_cost",
        KEY_MONTH,
    ),
    (
        "keys: an answer takes a refusal back",
        "refused_at = CASE WHEN p_has_answered THEN NULL ELSE k.refused_at END",
        "refused_at = NULL",
        f"{KEYS}::test_an_answer_shows_that_a_key_is_accepted_again",
    ),
    (
        "periods: free early cuts are a day's",
        "m.early_cuts := 0;",
        "",
        f"{RULES}::test_the_five_free_early_cuts_are_a_days",
    ),
    (
        "periods: nothing used is carried into a new day",
        "m.chat_query_used := 0;",
        "",
        f"{METER}::test_a_new_day_begins_by_the_first_request_after_midnight_in_the_organisations_zone",
    ),
    (
        "periods: an organisation's own hold gives no member's slot back",
        "open_holds = t.open_holds - 1 + batch,",
        "open_holds = greatest(t.open_holds - 1, 0),",
        f"{RULES}::test_an_organisations_own_hold_gives_no_members_slot_back",
    ),
)

_PERIODS = guards_of(
    "20_periods.sql",
    (
        "periods: a new zone is bridged",
        "IF p_previous_end IS NOT NULL AND p_previous_end <> date_trunc(p_unit, p_previous_end, p_zone) THEN",
        "IF false THEN",
        f"{RULES}::test_a_new_zone_begins_with_one_long_day_and_no_short_one",
    ),
    (
        "periods: a bridge is no shorter than a calendar period",
        "IF bridge_end AT TIME ZONE p_zone < p_previous_end + step THEN",
        "IF false THEN",
        f"{RULES}::test_a_new_zone_begins_with_one_long_day_and_no_short_one",
    ),
    (
        "periods: a day is the zone's",
        "span.starts_at := date_trunc(p_unit, p_now, p_zone);",
        "span.starts_at := date_trunc(p_unit, p_now, 'UTC');",
        f"{METER}::test_a_new_day_begins_by_the_first_request_after_midnight_in_the_organisations_zone",
    ),
    (
        "rates: what fell out of the window is empty",
        "p_counts[(p_at + step) % 60 + 1] := 0;",
        "NULL;",
        f"{METER}::test_requests_a_minute_slide",
    ),
    (
        "rates: the wait ends when there is room",
        "IF total < p_limit THEN",
        "IF total <= p_limit THEN",
        f"{METER}::test_requests_a_minute_slide",
    ),
)

_TYPES = guards_of(
    "30_types.sql",
    (
        "denial: the one that lasts longest is told",
        "coalesce((b).resets_at, 'infinity') > coalesce((a).resets_at, 'infinity')",
        "true",
        f"{METER}::test_of_several_limits_the_one_that_lasts_longest_is_told",
    ),
)

_FLIGHTS = guards_of(
    "55_flights.sql",
    (
        "flights: a stranger joins none",
        "OR EXISTS (SELECT FROM holds WHERE id = p_hold) OR NOT may_ask(p_org, p_user) THEN",
        "OR EXISTS (SELECT FROM holds WHERE id = p_hold) THEN",
        f"{RULES}::test_a_viewer_joins_no_flight",
    ),
    (
        "flights: who holds something joins none",
        "OR EXISTS (SELECT FROM holds WHERE id = p_hold) OR NOT may_ask(p_org, p_user) THEN",
        "OR NOT may_ask(p_org, p_user) THEN",
        "tests/core/metering/test_credit_edges.py::test_a_repeat_whose_first_try_was_granted_follows_nobody",
    ),
    (
        "flights: fifty followers",
        "AND followers < 50;",
        ";",
        f"{FLIGHTS}::test_the_database_takes_fifty_followers_of_other_processes",
    ),
    (
        "flights: an overdue leader is not followed",
        "IF leader.expires_at > assay_now() THEN",
        "IF true THEN",
        f"{RULES}::test_nobody_follows_a_leader_whose_hold_is_overdue",
    ),
)

FUNCTION_GUARDS: tuple[Guard, ...] = (*_RESERVE, *_RESOLVE, *_METERS, *_PERIODS, *_TYPES, *_FLIGHTS)
