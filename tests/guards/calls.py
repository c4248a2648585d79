"""Guards in the meter, the gateway, the call and the cache."""

from __future__ import annotations

from tests.guards.runner import Guard

GATEWAY = "tests/core/ai/test_gateway.py"
METER = "tests/core/metering/test_meter.py"
RULES = "tests/core/metering/test_rules.py"
FLIGHTS = "tests/core/ai/test_flights.py"
STEPS = "tests/core/ai/test_call_steps.py"
TOOLS = "tests/core/ai/test_tool_accounting.py"
PUBLIC = "tests/core/ai/test_public_cache.py"
USAGE = f"{GATEWAY}::test_usage_is_believed_only_where_it_can_be"
HEALTH = "tests/core/ai/test_health.py"
SURVIVING = "tests/core/ai/test_surviving.py"
GUARDED = "tests/core/ai/guards/test_guards.py"
FORM = f"{GUARDED}::test_what_may_not_be_asked_is_refused_with_its_rule"
CREDITS = "tests/core/ai/test_credit_cover.py"
PRICING = "tests/core/metering/test_pricing.py"
AGAIN = f"{GATEWAY}::test_a_passing_refusal_is_tried_again_and_charged_once"


def _of(path: str, *rows: tuple[str, str, str, str]) -> tuple[Guard, ...]:
    return tuple(Guard(name, path, text, without, (test,)) for name, text, without, test in rows)


_METER = _of(
    "core/metering/meter.py",
    (
        "meter: the fence before the call",
        "if self._monotonic() >= hold.fence:\n            return False\n"
        "        return self._once(lambda: self._single(lambda c: dao.mark_in_flight",
        "return self._once(lambda: self._single(lambda c: dao.mark_in_flight",
        f"{METER}::test_a_worker_behind_its_fence_does_not_call",
    ),
    (
        "meter: the fence before a dearer model",
        "if self._monotonic() >= hold.fence:\n            return False\n"
        "        return self._once(lambda: self._single(lambda c: dao.top_up",
        "return self._once(lambda: self._single(lambda c: dao.top_up",
        f"{RULES}::test_a_worker_behind_its_fence_tops_nothing_up",
    ),
    (
        "meter: the fence is before the hold's end",
        "fence=started + lifetime_s - FENCE_S,",
        "fence=started + lifetime_s,",
        f"{METER}::test_a_worker_behind_its_fence_does_not_call",
    ),
    (
        "meter: others' overdue holds make room",
        "            and self._makes_room(principal.org_id, row.denied_at)",
        "            and False",
        f"{METER}::test_an_organisations_limit_is_shared_and_others_overdue_holds_make_room",
    ),
    (
        "meter: what is not granted is forbidden",
        'if row.outcome != "granted" or row.lifetime_s is None:',
        "if row.lifetime_s is None:",
        f"{RULES}::test_the_id_of_a_hold_is_nobody_elses",
    ),
    (
        "meter: a settlement is repeated until expiry",
        "if not _is_passing(error) or self._monotonic() + wait_s >= hold.expires:",
        "if True:",
        f"{RULES}::test_a_settlement_is_tried_until_the_hold_expires_and_no_longer",
    ),
    (
        "meter: a settlement is not repeated after expiry",
        "or self._monotonic() + wait_s >= hold.expires:",
        "or self._monotonic() + wait_s >= hold.expires + 60:",
        f"{RULES}::test_a_settlement_is_tried_until_the_hold_expires_and_no_longer",
    ),
    (
        "meter: a lost reply of a reservation is asked for again",
        "if tries_left == 0 or not _is_passing(error):",
        "if True:",
        f"{STEPS}::test_a_lost_reply_is_asked_for_again_and_counted_once",
    ),
)

_GATEWAY = _of(
    "core/ai/gateway.py",
    (
        "gateway: more tokens than the model has",
        "if question.max_tokens > model.max_output:",
        "if False:",
        f"{STEPS}::test_more_output_than_the_model_has_is_refused_before_anything_is_counted",
    ),
    (
        "gateway: a conversation longer than the model's window",
        "and prompt_tokens + question.max_tokens > model.context_window:",
        "and False:",
        f"{STEPS}::test_a_conversation_that_does_not_fit_the_model_is_refused_before_anything_is_counted",
    ),
    (
        "gateway: nothing begins once it closes",
        "if self._is_closed or len(self._running) >= MAX_CALLS:",
        "if len(self._running) >= MAX_CALLS:",
        f"{STEPS}::test_nothing_begins_in_a_gateway_that_closes",
    ),
    (
        "gateway: calls at once are bounded",
        "if self._is_closed or len(self._running) >= MAX_CALLS:",
        "if self._is_closed:",
        f"{STEPS}::test_a_process_takes_no_more_calls_than_it_may_and_reserves_nothing_for_them",
    ),
    (
        "gateway: closing stops what is under way",
        'call.cancel("shutdown")',
        "pass",
        f"{STEPS}::test_a_call_that_a_restart_stops_says_so",
    ),
)

_ASKED = (
    *_of(
        "core/ai/guards/guards.py",
        ("guards: an empty prompt", "if not text.strip():", "if False:", f"{FORM}[empty]"),
        ("guards: a prompt too long", "if len(text) > most:", "if False:", f"{FORM}[installation]"),
        ("guards: a prompt that is no text", 'if "\\x00" in text or not _is_text(text):', "if False:", f"{FORM}[nul]"),
        ("guards: a prompt too long for the plan", "if longest > most:", "if False:", f"{FORM}[plan]"),
        (
            "guards: a conversation too long for the plan",
            "if tokens > most_tokens:",
            "if False:",
            f"{GUARDED}::test_the_tokens_of_a_whole_conversation_are_limited_by_the_plan",
        ),
        (
            "guards: what a user writes is judged",
            "for look in (judged, moderated):",
            "for look in ():",
            f"{FORM}[weapons]",
        ),
    ),
    *_of(
        "core/ai/asked.py",
        (
            "gateway: an answer on private data is its user's",
            "principal.user_id if question.is_private else None",
            "None",
            f"{GATEWAY}::test_an_answer_on_private_data_is_served_to_its_user_alone",
        ),
        (
            "gateway: an answer to what was hidden is its user's",
            "return replace(question, is_private=True) if has_secrets else question",
            "return question",
            f"{SURVIVING}::test_personal_data_never_leaves_and_is_there_in_the_answer",
        ),
        (
            "gateway: asked again on purpose leads and joins no flight",
            "if self.question.skips_cache:\n            return None",
            "if False:\n            return None",
            f"{FLIGHTS}::test_asking_again_on_purpose_neither_leads_nor_follows",
        ),
        (
            "gateway: a flight is one scope's",
            'hashlib.sha256(str(self.scope).encode() + b"\\0" + self.key).digest()',
            "hashlib.sha256(self.key).digest()",
            f"{FLIGHTS}::test_another_organisation_never_joins",
        ),
        (
            "cache: a public answer never comes of a question that is not",
            'be served the answer."""\n    if question.is_public:\n',
            'be served the answer."""\n    if question.task == "signal_validation":\n',
            f"{PUBLIC}::test_a_public_answer_never_comes_of_a_question_that_is_not",
        ),
    ),
    *_of(
        "core/ai/screening.py",
        (
            "guards: what must not be told is withheld",
            "if flow.has_leaked:",
            "if False:",
            f"{SURVIVING}::test_an_answer_with_the_canary_is_withheld_and_free",
        ),
    ),
)

_HEALTH = (
    *_of(
        "core/ai/gateway.py",
        (
            "health: nothing is reserved for a model that rests",
            'elif how.state == "open":',
            "elif False:",
            f"{SURVIVING}::test_a_limited_model_is_refused_before_anything_is_reserved_until_its_time",
        ),
    ),
    *_of(
        "core/ai/health.py",
        (
            "health: what rests is not asked",
            'if health.state == "open":\n            return None',
            "if False:\n            return None",
            f"{HEALTH}::test_failures_in_a_row_open_the_circuit_and_an_answer_between_them_does_not_let_it",
        ),
        (
            "health: while one finds out the others of its process wait",
            "if any(state.probed_until > self._monotonic() for _, state in taken):",
            "if False:",
            f"{HEALTH}::test_while_one_finds_out_nobody_else_is_let_through",
        ),
        (
            "health: what happens on an own key is not kept",
            "if not permit.is_told:",
            "if False:",
            f"{HEALTH}::test_an_own_key_is_not_held_up_by_the_platforms_and_says_nothing_of_itself",
        ),
    ),
    *_of(
        "data/migrations/functions/57_models.sql",
        (
            "health: one call of all processes finds out",
            "granted := coalesce(wait_s, 0) <= 0;",
            "granted := true;",
            f"{HEALTH}::test_of_twenty_threads_in_two_processes_one_finds_out",
        ),
        (
            "health: a late answer does not close what opened after it",
            "AND (s.rests_until IS NULL OR answered >= s.failed_at)",
            "AND true",
            f"{HEALTH}::test_a_late_answer_of_a_call_that_left_before_does_not_close_it",
        ),
    ),
    *_of(
        "core/ai/retries.py",
        ("call: a passing refusal is tried again", "tries: int = 3", "tries: int = 1", AGAIN),
        (
            "call: a wait that is too long is not waited",
            "if told_s > self.longest_pause_s:\n            return None",
            "if told_s > 60:\n            return None",
            f"{STEPS}::test_a_refusal_that_lasts_is_not_tried_again",
        ),
    ),
)

_CALL = (
    *_of(
        "core/ai/call.py",
        (
            "call: nothing is called without the mark",
            "if self._rounds.is_cut or not self._meter.mark_in_flight(self._hold):",
            "if self._rounds.is_cut or self._meter.mark_in_flight(self._hold) is None:",
            f"{STEPS}::test_a_hold_that_expired_before_the_call_calls_nobody",
        ),
        (
            "call: an answer that was not settled is not given",
            'if resolved.outcome != "settled":',
            "if False:",
            f"{STEPS}::test_an_answer_that_came_too_late_is_not_given_and_not_charged",
        ),
        (
            "call: the attempt that answered is charged",
            "self._meter.settle(self._hold, ended.outcome, count.charge_usd, record)",
            "self._meter.settle(self._hold, ended.outcome, self._provider_cost_usd(), record)",
            f"{STEPS}::test_a_repair_is_charged_alone_and_both_attempts_are_logged",
        ),
        (
            "call: an unexpected error gives the hold back",
            "self._give_back()\n            self.feed",
            "self.feed",
            f"{STEPS}::test_an_unexpected_error_gives_the_hold_back",
        ),
        (
            "call: an answer is settled whatever befalls its text",
            "except Exception as error:  # noqa: BLE001 (the edge to whoever keeps the text)",
            "except ZeroDivisionError as error:",
            f"{STEPS}::test_a_text_that_cannot_be_saved_is_settled_all_the_same",
        ),
        (
            "call: readers that join are bounded",
            "or self._readers > MAX_FOLLOWERS:",
            "or False:",
            f"{FLIGHTS}::test_at_most_fifty_follow_and_the_next_asks_on_its_own",
        ),
        (
            "call: it goes on while others follow",
            "if not is_followed:\n                self.cancel()",
            "if True:\n                self.cancel()",
            f"{STEPS}::test_a_leader_goes_on_while_a_follower_of_another_process_waits",
        ),
    ),
    *_of(
        "core/ai/cover.py",
        (
            "call: a dearer model is not tried without cover",
            "if not self._meter.top_up(self._hold, held_usd, held_credits):",
            "if self._meter.top_up(self._hold, held_usd, held_credits) is None:",
            f"{GATEWAY}::test_a_dearer_model_that_the_budget_does_not_cover_is_skipped",
        ),
        (
            "cover: a call is covered in credits too",
            "and most_credits <= self._held_credits:",
            "and True:",
            f"{CREDITS}::test_a_dearer_margin_is_covered_though_the_call_costs_no_more",
        ),
        (
            "cover: each call at its own provider's margin",
            "self._billing.credits_of_all(calls) if",
            'self._billing.credits_of_all([(usd, "openai") for usd, _provider in calls]) if',
            f"{CREDITS}::test_a_dearer_margin_is_topped_up_and_the_one_that_answered_is_charged",
        ),
    ),
    *_of(
        "core/metering/pricing.py",
        (
            "pricing: credits are rounded up",
            "rounding=ROUND_CEILING",
            'rounding="ROUND_FLOOR"',
            f"{PRICING}::test_credits_are_the_cost_times_the_margin_rounded_up_once",
        ),
    ),
    *_of(
        "core/ai/rounds.py",
        (
            "call: no other model after the first token",
            "is_over = attempt.finish is not None or attempt.deltas or self._cut is not None",
            "is_over = attempt.finish is not None or self._cut is not None",
            f"{STEPS}::test_after_the_first_token_no_other_model_is_asked",
        ),
        (
            "call: no other model after the reader left",
            "is_over = attempt.finish is not None or attempt.deltas or self._cut is not None",
            "is_over = attempt.finish is not None or attempt.deltas",
            f"{STEPS}::test_a_reader_who_left_before_the_first_token_has_no_other_model_asked",
        ),
        (
            "call: a cut closes the provider's stream",
            "self._cut = reason\n            stream = self._stream",
            "self._cut = reason\n            stream = None",
            f"{GATEWAY}::test_a_stream_cut_by_its_reader_charges_what_came",
        ),
        (
            "call: a time limit closes the provider's stream",
            'else "first_token"\n            stream = self._stream',
            'else "first_token"\n            stream = None',
            f"{STEPS}::test_a_time_limit_closes_the_providers_stream",
        ),
        (
            "call: each token sets the alarm anew",
            "lambda: alarm.set(min(time.monotonic() + limits.between_tokens_s, last))",
            "lambda: None",
            f"{STEPS}::test_a_slow_stream_goes_on_while_tokens_come",
        ),
        (
            "call: our own time limit is a cut and charged",
            "if last.finish is None and last.cut in self._charged_cuts and (last.deltas or self._finished):",
            'if last.finish is None and last.cut == "client" and (last.deltas or self._finished):',
            f"{GATEWAY}::test_our_own_time_limit_is_a_cut",
        ),
        (
            "call: our own time limit charges nothing for what could not be shown",
            'return CUT_REASONS - {"total"} if self._question.is_checked else CUT_REASONS',
            "return CUT_REASONS",
            f"{STEPS}::test_an_answer_of_which_nothing_could_be_shown_is_free_where_our_own_time_limit_cut_it",
        ),
        (
            "call: a cut before the first token",
            'if last.finish is None and last.cut == "client":',
            "if False:",
            f"{GATEWAY}::test_a_cut_before_the_first_token_is_free_five_times_a_day",
        ),
        (
            "rounds: a further call is covered with what was spent",
            "self.cover.covers([*self._spent(self._finished), self._most(candidate, shown, tools)])",
            "self.cover.covers([self._most(candidate, shown, tools)])",
            f"{TOOLS}::test_each_further_call_is_covered_before_it_is_made_with_what_was_spent",
        ),
        (
            "rounds: rounds that were done are paid for by who leaves",
            "and (last.deltas or self._finished):",
            "and last.deltas:",
            f"{TOOLS}::test_a_client_who_leaves_in_a_later_round_pays_for_what_came_of_it_too",
        ),
        (
            "rounds: who leaves between two rounds is asked no more",
            "if goes_on and self._cut is not None:",
            "if False:",
            f"{TOOLS}::test_a_client_who_leaves_while_a_tool_runs_pays_for_the_rounds_that_were_done",
        ),
        (
            "rounds: no round is begun with the time nearly over",
            "if goes_on and self._is_nearly_over:",
            "if False:",
            f"{TOOLS}::test_with_the_time_nearly_over_no_further_round_is_begun",
        ),
    ),
)

_COUNTED = (
    *_of(
        "core/ai/estimate.py",
        (
            "usage: none",
            "if usage is None:\n        return NO_USAGE",
            "if usage is None:\n        return None",
            "tests/core/ai/test_estimate.py",
        ),
        ("usage: negative", "return NEGATIVE", "return None", f"{USAGE}[usage2-flags2]"),
        ("usage: above the window", "return ABOVE_CONTEXT_WINDOW", "return None", f"{USAGE}[usage3-flags3]"),
        ("usage: cached above input", "return CACHED_ABOVE_INPUT", "return None", f"{USAGE}[usage4-flags4]"),
        (
            "usage: zero although there is text",
            "if usage.completion_tokens == 0 and has_text:",
            "if False:",
            f"{USAGE}[usage1-flags1]",
        ),
        (
            "usage: estimated output",
            "written = max(deltas, _ceil(",
            "written = min(deltas, _ceil(",
            "tests/core/ai/test_estimate.py",
        ),
    ),
    *_of(
        "core/ai/attempts.py",
        (
            "usage: what cannot be believed is not",
            "if attempt.reported is not None and flaw is None:",
            "if attempt.reported is not None:",
            f"{USAGE}[usage2-flags2]",
        ),
        (
            "usage: a failure before the first token costs nothing",
            "return Counted(TokenUsage(0, 0), False, None, Decimal(0), Decimal(0))",
            "pass",
            f"{GATEWAY}::test_a_failure_before_the_first_token_costs_nothing",
        ),
        (
            "usage: hidden reasoning after a cut",
            'if attempt.finish is None and "reasoning" in model.capabilities:',
            "if False:",
            "tests/core/ai/test_call_steps.py::"
            "test_a_cut_of_a_reasoning_model_is_logged_at_its_worst_case_and_charged_by_what_came",
        ),
    ),
)

_CACHE = (
    *_of(
        "core/ai/cache.py",
        (
            "cache: an organisation's answers are its own",
            'return f"org:{self.org_id}" if',
            'return "org:all" if',
            f"{GATEWAY}::test_an_answer_is_never_served_across_organisations",
        ),
        (
            "cache: an entry says itself where it belongs",
            "return answer if (answer.scope, answer.key) == (str(scope), key.hex()) else None",
            "return answer",
            f"{GATEWAY}::test_the_cache_is_shared_between_machines_and_drops_what_it_cannot_believe",
        ),
        (
            "cache: a partial answer is never kept",
            'if answer.state != "complete" or not',
            "if not",
            f"{STEPS}::test_a_partial_answer_is_never_kept",
        ),
    ),
    *_of(
        "core/ai/answer.py",
        (
            "cache: only named tasks have public answers",
            "if self.is_public and (self.is_private or self.task not in PUBLIC_TASKS):",
            "if self.is_public and self.is_private:",
            f"{PUBLIC}::test_only_named_tasks_have_public_answers",
        ),
        (
            "cache: what is of one user alone is never public",
            "if self.is_public and (self.is_private or self.task not in PUBLIC_TASKS):",
            "if self.is_public and self.task not in PUBLIC_TASKS:",
            f"{PUBLIC}::test_what_is_of_one_user_alone_is_never_public",
        ),
    ),
    *_of(
        "data/migrations/functions/60_reserve.sql",
        (
            "cache: what expired is not served",
            "AND key = p_cache_key AND expires_at > assay_now()",
            "AND key = p_cache_key",
            f"{STEPS}::test_an_answer_that_expired_is_asked_for_again",
        ),
    ),
    *_of(
        "core/ai/providers/http_stream.py",
        (
            "provider: a stream without an end is broken",
            "if self._reason is None:\n            raise",
            "if False:\n            raise",
            f"{GATEWAY}::test_a_stream_without_an_end_is_broken_not_finished",
        ),
    ),
    *_of(
        "core/ops/buffer.py",
        (
            "log: rows stay while the database is away",
            'wait for the database.", len(batch), self._name)\n                    return',
            'wait for the database.", len(batch), self._name)',
            f"{STEPS}::test_free_rows_wait_for_a_database_that_is_away",
        ),
    ),
)

CALL_GUARDS: tuple[Guard, ...] = (*_METER, *_GATEWAY, *_ASKED, *_HEALTH, *_CALL, *_COUNTED, *_CACHE)
