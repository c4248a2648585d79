"""Which tests prove which sentence of the accounting guarantee, which row of its table, which report from elsewhere.

The tables name tests; a name that does not exist fails. Tests that had no better place are at the end.
"""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest

from core.errors import MeteringDenied
from core.metering.meter import Feature
from core.settings import ROOT
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record

CENT = Decimal("0.000400000")
FILES = {
    "meter": "tests/core/metering/test_meter.py",
    "rules": "tests/core/metering/test_rules.py",
    "machine": "tests/core/metering/test_state_machine.py",
    "books": "tests/core/metering/test_books.py",
    "here": "tests/core/metering/test_sentences.py",
    "credits": "tests/core/metering/test_credit_rules.py",
    "raised": "tests/core/metering/test_raised_limits.py",
    "gateway": "tests/core/ai/test_gateway.py",
    "steps": "tests/core/ai/test_call_steps.py",
    "flights": "tests/core/ai/test_flights.py",
    "prices": "tests/core/ai/test_prices.py",
    "router": "tests/core/ai/test_router.py",
    "kills": "tests/flows/test_kills.py",
    "restarts": "tests/flows/test_database_restarts.py",
    "repeats": "tests/core/http/test_idempotency.py",
    "v1": "tests/core/http/test_v1_chat.py",
    "commands": "tests/core/commands/test_commands.py",
}

SENTENCES = {
    1: "prices: an_unknown_price_means_no_call; router: a_model_without_a_price_on_this_day_is_never_called; "
    "prices: no_usage_within_its_bounds_costs_more_than_the_worst_case; rules: each_limit_of_a_plan_refuses; "
    "rules: each_limit_of_money_refuses; credits: what_is_not_enough_is_refused_whole; "
    "steps: a_hold_that_expired_before_the_call_calls_nobody; "
    "prices: the_shipped_offline_model_is_free_because_it_is_local",
    2: "meter: a_hold_resolves_once; meter: a_hundred_racing_resolutions_charge_once; machine: the_books_balance; "
    "kills: a_process_that_ends_between_two_steps; rules: a_hold_that_ended_does_not_expire",
    3: "restarts: two_hundred_threads_of_four_processes_make_exactly_ten_calls; "
    "meter: two_hundred_at_once_make_exactly_ten_calls; meter: a_request_above_the_ceiling_is_refused; "
    "rules: an_organisations_quota_is_not_overrun; restarts: steps_of_every_kind_at_once; "
    "rules: every_step_locks_the_membership_before; credits: two_hundred_at_once_with_credits_for_ten; "
    "credits: members_at_once_never_take_more; raised: a_pool_is_not_overrun",
    4: "gateway: a_cached_answer_is_given_when_every_limit_is_used_up; gateway: an_answer_is_never_served_across; "
    "flights: 200_identical_requests_of_two_processes; flights: a_follower_shares_the_stream_and_holds_no_slot; "
    "flights: when_the_leader_fails_one_follower_takes_over; flights: a_leader_whose_client_leaves_goes_on",
    5: "gateway: a_passing_refusal_is_tried_again_and_charged_once; gateway: auto_falls_back_before_the_first_token; "
    "repeats: the_same_again_gets_the_same_answer_and_is_charged_once; steps: a_lost_reply_is_asked_for_again",
    6: "gateway: a_failure_before_the_first_token_costs_nothing; meter: a_release_returns_everything_but_the_rate; "
    "credits: a_call_that_costs_nothing_returns_every_credit; "
    "meter: a_denial_uses_nothing; rules: a_denial_at_the_first_request_of_a_day_uses_nothing_of_it",
    7: "gateway: a_stream_cut_by_its_reader_charges_what_came; gateway: our_own_time_limit_is_a_cut; "
    "gateway: no_token_for_too_long_is_a_break_and_free; gateway: a_cut_before_the_first_token_is_free_five_times",
    8: "machine: the_books_balance; meter: a_new_day_begins_by_the_first_request_after_midnight; "
    "rules: a_new_zone_begins_with_one_long_day; here: a_month_is_the_calendars; meter: a_clock_set_back; "
    "meter: a_request_belongs_to_the_day_it_was_reserved_in; meter: a_changed_plan_binds_the_next_request; "
    "raised: a_share_of_what_a_month_left_is_carried_over; raised: the_plan_at_a_months_end_says_what_is_carried",
    9: "machine: the_books_balance; books: a_corruption_is_found_named_and_explained; "
    "books: books_balance_at_every_moment_while_many_members_are_at_work; "
    "credits: no_role_changes_what_was_entered; credits: a_wallet_never_goes_below_zero",
    10: "gateway: without_a_database_no_provider_is_called; v1: without_a_database_no_provider_is_called; "
    "restarts: a_server_that_is_away_when_a_call_ends; meter: without_a_database_nothing_is_reserved",
}
ROWS = {
    "credits after the plan's allowance": "credits: todays_free_credits_are_taken_before_the_wallets; "
    "credits: under_credits_the_features_quota_counts_nothing; credits: credits_take_over_nothing_else",
    "success": "gateway: a_success_charges_the_usage_at_the_pinned_price",
    "failure before the first token": "gateway: a_failure_before_the_first_token_costs_nothing",
    "denial by the guard": "gateway: what_may_not_be_asked_is_refused_before_anything_is_counted",
    "retry, then success on another model": "gateway: auto_falls_back_before_the_first_token; "
    "gateway: a_dearer_model_that_the_budget_does_not_cover_is_skipped",
    "stream cut after k > 0 tokens": "gateway: a_stream_cut_by_its_reader_charges_what_came; "
    "gateway: our_own_time_limit_is_a_cut; steps: a_cut_of_a_reasoning_model_is_logged_at_its_worst_case",
    "no finish reason and no [DONE]": "gateway: a_stream_without_an_end_is_broken_not_finished",
    "stream cut before the first token": "gateway: a_cut_before_the_first_token_is_free_five_times; "
    "meter: five_early_cuts_a_day_are_free; rules: the_five_free_early_cuts_are_a_days",
    "no token for N seconds": "gateway: no_token_for_too_long_is_a_break_and_free",
    "unusable answer": "steps: an_answer_that_stays_unusable_after_its_repair_is_free; "
    "steps: a_repair_is_charged_alone_and_both_attempts_are_logged",
    "the provider's stream breaks": "steps: after_the_first_token_no_other_model_is_asked; "
    "gateway: no_token_for_too_long_is_a_break_and_free",
    "no usage, zero output, impossible usage": "gateway: usage_is_believed_only_where_it_can_be",
    "usage of exactly zero, with no text": "steps: usage_of_exactly_zero_with_no_text_costs_nothing",
    "cumulative usage chunks": "gateway: of_cumulative_usage_the_last_counts",
    "actual above the hold": "gateway: more_than_the_hold_is_charged_in_full; "
    "credits: what_exceeds_the_hold_is_charged_in_full",
    "the process dies": "kills: a_process_that_ends_between_two_steps_costs_what_the_table_says",
    "a worker wakes after its hold expired": "meter: an_expired_hold_can_neither_be_called_nor_settled; "
    "rules: a_late_worker_may_say_what_it_used_and_charges_nothing",
}
OVERRUN = "restarts: two_hundred_threads_of_four_processes_make_exactly_ten_calls"
CUT = "gateway: a_stream_cut_by_its_reader_charges_what_came"
LONG_CONTEXT = "router: the_order_is_that_of_the_worst_case; prices: the_long_context_rates_are_part_of_the_worst_case"
TWICE = "steps: a_lost_reply_is_asked_for_again_and_counted_once; meter: a_hold_resolves_once"
LOST = "kills: a_process_that_ends_between_two_steps; restarts: restarts_under_the_load_of_several_processes"
REPORTS = {
    **dict.fromkeys(("litellm#34732", "litellm#40095", "litellm#35567", "new-api#5690", "new-api#6607"), OVERRUN),
    **dict.fromkeys(("one-api#2440", "bifrost#3547", "litellm#27736"), OVERRUN),
    "litellm#40002": LONG_CONTEXT,
    "litellm#27381": "rules: each_limit_of_a_plan_refuses_the_first_request_too_many",
    "bifrost#2873": "v1: calls_stand_beside_the_chats_under_the_same_limits",
    "litellm#36926": "here: what_is_held_is_not_shown_as_spent",
    "litellm#38647": "here: what_is_held_is_not_shown_as_spent",
    "new-api#4429": "kills: a_process_that_ends_between_two_steps",
    "litellm#20615": "prices: a_price_a_thousand_times_the_last_one; here: a_hold_that_was_too_big_locks_nobody_out",
    "litellm#33736": CUT,
    "litellm#36008": CUT,
    "litellm#37992": CUT,
    "new-api#7062": f"{CUT}; gateway: no_token_for_too_long_is_a_break_and_free",
    "new-api#5287": f"{CUT}; gateway: no_token_for_too_long_is_a_break_and_free",
    "open-webui#24294": "gateway: usage_is_believed_only_where_it_can_be",
    "open-webui#29064": "gateway: of_cumulative_usage_the_last_counts",
    "open-webui#25617": "steps: a_repair_is_charged_alone_and_both_attempts_are_logged",
    "LibreChat#15889": f"{CUT}; meter: a_hundred_racing_resolutions_charge_once",
    **dict.fromkeys(("litellm#15740", "litellm#17814", "litellm#39455"), TWICE),
    "litellm#39294": "gateway: auto_falls_back_before_the_first_token; steps: a_repair_is_charged_alone",
    "new-api#6089": "restarts: a_server_that_was_restarted_between_two_steps_charges_once",
    "litellm#29955": "gateway: an_answer_is_never_served_across; flights: another_organisation_never_joins",
    "langfuse#2112": "gateway: the_same_question_in_other_case_and_spacing_is_free",
    "litellm#39057": "gateway: a_cached_answer_is_given_when_every_limit_is_used_up",
    "litellm#23503": "prices: a_price_100000_times_off_is_refused",
    "new-api#5005": "prices: cached_tokens_never_make_a_cost_negative",
    "LibreChat#2359": "prices: a_price_of_minus_a_million_is_refused",
    "LibreChat#14398": "prices: an_unknown_price_means_no_call_and_never_a_free_one",
    "litellm#35524": "router: a_model_without_a_price_on_this_day_is_never_called_without_a_hold",
    "genai-prices#471": "prices: only_the_exact_id_has_a_price",
    "litellm#34896": "meter: a_new_day_begins_by_the_first_request_after_midnight_in_the_organisations_zone",
    "litellm#9098": "here: a_month_is_the_calendars_and_not_thirty_days",
    "sub2api#5051": "rules: a_new_zone_begins_with_one_long_day; here: a_plan_changed_to_and_fro_grants_nothing_twice",
    **dict.fromkeys(("litellm#34805", "litellm#38157"), f"{LOST}; steps: free_rows_wait_for_a_database_that_is_away"),
    "litellm#34887": "restarts: steps_of_every_kind_at_once_wait_for_one_another_in_one_order",
    "litellm#31866": "restarts: steps_of_every_kind_at_once_wait_for_one_another_in_one_order",
}
NOT_APPLICABLE_YET = {
    "litellm#21908": "no usage row is ever cleaned up; comes with retention",
    "litellm#17951": "no key is stored that could be rotated; comes with own keys",
    "litellm#12448": "no salt is kept; comes with own keys",
    "litellm#30728": "no personal data is masked; comes with masking, which has to fail closed",
    "public scope": "no task of public data exists; comes with news, filings and signals",
}


@cache
def names_in(path: str) -> tuple[str, ...]:
    """Names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return tuple(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def missing(proofs: str) -> list[str]:
    """Which of the named tests there are not."""
    named = [proof.split(": ") for proof in proofs.split("; ")]
    return [name for file, name in named if not any(test.startswith(f"test_{name}") for test in names_in(FILES[file]))]


@pytest.mark.parametrize("number", SENTENCES)
def test_each_sentence_has_its_tests(number: int) -> None:
    assert missing(SENTENCES[number]) == []


@pytest.mark.parametrize("case", ROWS)
def test_each_row_of_the_table_has_its_tests(case: str) -> None:
    assert missing(ROWS[case]) == []


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_from_elsewhere_has_its_test(report: str) -> None:
    assert missing(REPORTS[report]) == []
    assert report not in NOT_APPLICABLE_YET


def test_there_are_ten_sentences() -> None:
    assert list(SENTENCES) == list(range(1, 11))


def test_what_is_held_is_not_shown_as_spent(workbench: Workbench, member: MakeMember) -> None:
    """litellm#36926, litellm PR#38647: a call of cents was shown at its whole cap."""
    ann = member(plan="basic")
    hold = workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.05")))

    def spent() -> Decimal:
        return workbench.usage.overview(ann).allowances["charge_usd_month"].used

    assert spent() == 0
    workbench.meter.mark_in_flight(hold)
    workbench.meter.settle(hold, "success", CENT, record())
    assert spent() == CENT


def test_a_hold_that_was_too_big_locks_nobody_out(
    workbench: Workbench, member: MakeMember, move_time: MoveTime
) -> None:
    """litellm#20615: what was held too high is free again when it expires, whatever became of its process."""
    ann = member(plan="basic")
    with workbench.database.service() as connection:
        connection.exec_driver_sql("UPDATE organisations SET budget_usd_month = 0.05")
    workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.05")))
    with pytest.raises(MeteringDenied):
        workbench.meter.reserve(ann, hold_request())
    move_time(timedelta(seconds=151))
    workbench.meter.reserve(ann, hold_request())


def test_a_month_is_the_calendars_and_not_thirty_days(
    workbench: Workbench, member: MakeMember, move_time: MoveTime
) -> None:
    """litellm#9098: a month was thirty days."""
    ann = member()
    move_time(datetime(2026, 1, 31, 12, tzinfo=UTC))

    def filing() -> None:
        hold = workbench.meter.reserve(ann, hold_request(feature=Feature.SEC_FILING))
        workbench.meter.mark_in_flight(hold)
        workbench.meter.settle(hold, "success", CENT, record())

    for _ in range(3):
        filing()
    with pytest.raises(MeteringDenied) as denied:
        filing()
    assert denied.value.denial.resets_at == datetime(2026, 2, 1, tzinfo=UTC)
    for day in (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)):
        move_time(day)
        for _ in range(3):
            filing()
        move_time(day + timedelta(days=27, hours=23))
        with pytest.raises(MeteringDenied):
            filing()


def test_a_plan_changed_to_and_fro_grants_nothing_twice(workbench: Workbench, member: MakeMember) -> None:
    """sub2api#5051: two months' quota for one."""
    ann = member()
    for plan in ("free", "basic", "free", "premium", "free"):
        workbench.directory.set_plan(ann.org_name, plan)
        for _ in range(3 if plan == "free" else 1):
            try:
                hold = workbench.meter.reserve(ann, hold_request(feature=Feature.PORTFOLIO_ANALYSIS))
            except MeteringDenied:
                continue
            workbench.meter.mark_in_flight(hold)
            workbench.meter.settle(hold, "success", CENT, record())
    used = workbench.usage.overview(ann).allowances["portfolio_analyses_day"].used
    assert used == 3  # one on the free plan, and one on each of the wider ones
