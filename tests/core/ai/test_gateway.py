"""The gateway against a provider on a socket: what is called, what is charged, what is kept, case by case."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.ai.answer import Answer, Draft, Question
from core.ai.estimate import prompt_estimate
from core.ai.providers.contract import Message
from core.ai.router import RouteQuestion
from core.ai.session import Session
from core.db.engine import Database
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    Forbidden,
    InvalidRequest,
    MeteringDenied,
    NotConfigured,
    NotFound,
    PlanRequired,
    PromptRejected,
    ProviderBroke,
    ProviderError,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderTimeout,
    ProviderUnavailable,
)
from core.metering.books import audit
from core.principal import Principal, Role
from core.workbench import Workbench, open_workbench
from tests.conftest import make_settings, member_factory
from tests.fakes.chat_server import ChatServer, closed_address

Service = psycopg.Connection[tuple[object, ...]]
MODEL = "gpt-4o-mini"
PROMPT = "What is portfolio diversification?"
HONEST = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
TODAY = datetime.now(UTC).date()
HONEST_COST = Decimal("0.000021000")  # 100 x 0.15 + 10 x 0.60 USD per million
LONG = "one two three four five six seven eight nine ten"


@contextmanager
def opened_live(database_url: str, home: Path, chat_server: ChatServer, **limits: str) -> Iterator[Workbench]:
    """A workbench whose OpenAI is the scripted server; its books balance at the end."""
    settings = make_settings(
        database_url, home, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url, **limits
    )
    with closing(open_workbench(settings)) as opened:
        yield opened
        assert audit(opened.database).differences == []


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """With short time limits."""
    limits = {"FIRST_TOKEN_TIMEOUT_S": "0.6", "CONNECT_TIMEOUT_S": "0.4", "TOKEN_GAP_TIMEOUT_S": "0.4"}
    with opened_live(database_url, tmp_path, chat_server, **limits, TOTAL_TIMEOUT_S="3") as opened:
        yield opened


@pytest.fixture
def patient(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """With the time limits of a user's workbench: what ends a call is the reader, however slow this machine is."""
    with opened_live(database_url, tmp_path, chat_server) as opened:
        yield opened


@pytest.fixture
def ann(live: Workbench) -> Principal:
    """An analyst on the basic plan."""
    return member_factory(live)(plan="basic")


def question(text: str = PROMPT, **changes: Any) -> Question:
    """A chat question to the scripted server's model."""
    base = Question(messages=(Message("user", text),), model=MODEL, max_tokens=64, is_normalised=True)
    return replace(base, **changes)


def ask(live: Workbench, who: Principal, text: str = PROMPT, **changes: Any) -> Answer:
    """Asks and waits for the whole answer."""
    return live.gateway.session(who, question(text, **changes)).result()


def used(live: Workbench, who: Principal) -> int:
    """Chat queries counted now."""
    return live.usage.quota(who).used


def last_row(service: Service) -> dict[str, object]:
    """The newest usage row."""
    cursor = service.execute("SELECT * FROM usage_log ORDER BY at DESC LIMIT 1")
    row = cursor.fetchone()
    assert row is not None
    assert cursor.description is not None
    return dict(zip([column.name for column in cursor.description], row, strict=True))


def wait_until(claim: Callable[[], bool], within_s: float = 5.0) -> None:
    """Waits for another thread to make a claim true."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def test_a_success_charges_the_usage_at_the_pinned_price(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, usage=HONEST)
    session = live.gateway.session(ann, question())
    assert "".join(session) == LONG
    answer = session.answer
    assert answer is not None
    assert (answer.cost_usd, answer.usage.prompt_tokens, answer.usage.completion_tokens) == (HONEST_COST, 100, 10)
    assert (answer.is_cached, answer.is_estimated, answer.is_offline, answer.state) == (False, False, False, "complete")
    assert answer.quota is not None
    assert answer.quota.remaining == 99
    row = last_row(service)
    assert (row["status"], row["charged_usd"], row["cost_usd"]) == ("success", HONEST_COST, HONEST_COST)
    assert row["price_version"]
    assert (
        chat_server.requests[0].body["max_tokens"] == 64 or chat_server.requests[0].body["max_completion_tokens"] == 64
    )
    assert PROMPT not in str(row)


def test_the_same_question_in_other_case_and_spacing_is_free(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    ask(live, ann)
    again = ask(live, ann, "  what IS\tportfolio \n diversification?")
    assert (again.is_cached, again.cost_usd, chat_server.calls, used(live, ann)) == (True, 0, 1, 1)
    live.usage_log.flush()
    row = last_row(service)
    assert (row["status"], row["hold_id"], row["charged_usd"]) == ("cached", None, 0)


def test_other_operations_are_cached_by_the_letter(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    ask(live, ann, is_normalised=False)
    assert ask(live, ann, is_normalised=False).is_cached
    assert not ask(live, ann, PROMPT.lower(), is_normalised=False).is_cached
    assert chat_server.calls == 2


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 65},
        {"temperature": 0.1},
        {"model": "gpt-4.1-nano"},
        {"prompt_version": "2"},
        {"data_version": "portfolio 7"},
        {"task": "completion"},
        {"messages": (Message("system", "Be brief."), Message("user", PROMPT))},
    ],
)
def test_whatever_the_answer_depends_on_makes_another_key(
    live: Workbench, ann: Principal, chat_server: ChatServer, change: dict[str, Any]
) -> None:
    ask(live, ann)
    assert not ask(live, ann, **change).is_cached
    assert chat_server.calls == 2


def test_an_answer_is_never_served_across_organisations(live: Workbench, ann: Principal) -> None:
    make = member_factory(live)
    colleague, stranger = make("carl", org=ann.org_name, plan="basic"), make("sue", plan="basic")
    ask(live, ann)
    assert ask(live, colleague).is_cached
    assert not ask(live, stranger).is_cached


def test_an_answer_on_private_data_is_served_to_its_user_alone(live: Workbench, ann: Principal) -> None:
    colleague = member_factory(live)("carl", org=ann.org_name, plan="basic")
    ask(live, ann, is_private=True)
    assert ask(live, ann, is_private=True).is_cached
    assert not ask(live, colleague, is_private=True).is_cached
    assert not ask(live, ann).is_cached


def test_the_cache_is_shared_between_machines_and_drops_what_it_cannot_believe(
    live: Workbench, ann: Principal, tmp_path: Path, chat_server: ChatServer, service: Service
) -> None:
    ask(live, ann)
    elsewhere = make_settings(
        live.settings.database_url.get_secret_value() if live.settings.database_url else "",
        tmp_path / "other",
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=chat_server.base_url,
    )
    with closing(open_workbench(elsewhere)) as other:
        assert ask(other, ann).is_cached
    service.execute('UPDATE cache_entries SET value = value || \'{"scope": "org:somebody else"}\'')
    with closing(open_workbench(elsewhere.model_copy(update={"assay_home": tmp_path / "third"}))) as third:
        assert not ask(third, ann).is_cached
    assert chat_server.calls == 2


def test_a_cached_answer_is_given_when_every_limit_is_used_up(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    ask(live, ann)
    live.directory.set_plan(ann.org_name, "free")
    broke = replace(ann, plan="free")
    for number in range(9):
        ask(live, broke, f"Question {number}?")
    with pytest.raises(MeteringDenied) as denial:
        ask(live, broke, "One more?")
    assert denial.value.denial.metric == "chat_queries_day"
    calls = chat_server.calls
    assert ask(live, broke).is_cached
    assert chat_server.calls == calls


def test_asking_again_on_purpose_is_charged(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    ask(live, ann)
    assert not ask(live, ann, skips_cache=True).is_cached
    assert (chat_server.calls, used(live, ann)) == (2, 2)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({"status": 401}, ProviderRefusedKey),
        ({"status": 429, "headers": {"Retry-After": "60"}}, ProviderRateLimited),
        ({"status": 500}, ProviderUnavailable),
        ({"hangs_up": True}, ProviderUnavailable),
        ({"hangs": "headers"}, ProviderTimeout),
        ({"hangs": "first_token"}, ProviderTimeout),
    ],
)
def test_a_failure_before_the_first_token_costs_nothing(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    reply: dict[str, object],
    error: type[AssayError],
) -> None:
    chat_server.reply(**reply)
    with pytest.raises(error) as caught:
        ask(live, ann)
    assert isinstance(caught.value, ProviderError)
    assert "sk-test" not in str(caught.value)
    assert used(live, ann) == 0
    row = last_row(service)
    assert (row["status"], row["charged_usd"], row["cost_usd"]) == ("failed", 0, 0)


def test_a_wrong_key_names_the_variable_to_set(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(status=401)
    with pytest.raises(ProviderRefusedKey, match="OPENAI_API_KEY"):
        ask(live, ann)


def test_a_provider_that_nobody_answers_at_is_unavailable(database_url: str, tmp_path: Path, service: Service) -> None:
    settings = make_settings(database_url, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=closed_address())
    with closing(open_workbench(settings)) as opened:
        who = member_factory(opened)(plan="basic")
        with pytest.raises(ProviderUnavailable):
            ask(opened, who)
        assert used(opened, who) == 0


def test_a_passing_refusal_is_tried_again_and_charged_once(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    bad, good = replace(chat_server._default, status=503), replace(chat_server._default, usage=HONEST)
    chat_server.script = [bad, good]
    answer = ask(live, ann)
    assert (answer.cost_usd, chat_server.calls, used(live, ann)) == (HONEST_COST, 2, 1)
    statuses = service.execute("SELECT number, status, cost_usd FROM attempts ORDER BY number").fetchall()
    assert statuses == [(1, "failed", 0), (2, "success", HONEST_COST)]


def test_a_model_chosen_by_name_is_never_replaced(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(status=500)
    with pytest.raises(ProviderUnavailable):
        ask(live, ann)
    assert {received.body["model"] for received in chat_server.requests} == {MODEL}


def test_a_stream_cut_by_its_reader_charges_what_came(
    patient: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens", usage=None)
    saved: list[Draft] = []
    with patient.gateway.session(ann, question(), saved.append) as session:
        first = next(iter(session))
    assert chat_server.wait_for(disconnects=1)
    wait_until(lambda: bool(saved) and used(patient, ann) == 1 and last_row_status(service) == "cut")
    row = last_row(service)
    assert row["estimated"] is True
    assert isinstance(row["charged_usd"], Decimal)
    assert row["charged_usd"] > 0
    assert saved[0].state == "partial"
    assert saved[0].text.startswith(first)


def last_row_status(service: Service) -> object:
    """Status of the newest usage row, None while there is none."""
    row = service.execute("SELECT status FROM usage_log ORDER BY at DESC LIMIT 1").fetchone()
    return row[0] if row else None


def test_a_reader_who_lets_go_ends_the_call(patient: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens")
    session: Session | None = patient.gateway.session(ann, question())
    assert session is not None
    next(iter(session))
    session = None
    gc.collect()
    assert chat_server.wait_for(disconnects=1)
    wait_until(lambda: used(patient, ann) == 1)


def test_a_cut_before_the_first_token_is_free_five_times_a_day(
    patient: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(hangs="first_token")
    for cut in range(1, 7):
        with patient.gateway.session(ann, question(f"Question {cut}?")):
            assert chat_server.wait_for(calls=cut)
        wait_until(lambda cut=cut: service.execute("SELECT count(*) FROM usage_log").fetchone() == (cut,))  # type: ignore[misc]
    assert used(patient, ann) == 1


def test_no_token_for_too_long_is_a_break_and_free(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens", usage=None)
    saved: list[Draft] = []
    with pytest.raises(ProviderBroke):
        live.gateway.session(ann, question(), saved.append).result()
    row = last_row(service)
    assert (row["status"], row["charged_usd"], used(live, ann)) == ("broken", 0, 0)
    assert isinstance(row["cost_usd"], Decimal)
    assert row["cost_usd"] > 0
    assert saved[0].state == "partial"
    assert saved[0].note


def test_our_own_time_limit_is_a_cut(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG * 20, delay_s=0.1, usage=None)
    answer = ask(live, ann)
    assert (answer.state, answer.is_estimated, used(live, ann)) == ("partial", True, 1)
    assert last_row(service)["status"] == "cut"


def test_a_stream_without_an_end_is_broken_not_finished(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, finish_reason=None, done=False, usage=None)
    with pytest.raises(ProviderBroke):
        ask(live, ann)
    assert (last_row(service)["status"], used(live, ann)) == ("broken", 0)
    assert not ask_again_is_cached(live, ann, chat_server)


def ask_again_is_cached(live: Workbench, ann: Principal, chat_server: ChatServer) -> bool:
    """Whether a broken answer was kept."""
    chat_server.reply()
    return ask(live, ann).is_cached


@pytest.mark.parametrize(
    ("usage", "flags"),
    [
        (None, (True, None)),
        ({"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}, (True, None)),
        ({"prompt_tokens": -5, "completion_tokens": 3, "total_tokens": -2}, (True, "negative")),
        ({"prompt_tokens": 10**7, "completion_tokens": 3, "total_tokens": 10**7}, (True, "above_context_window")),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 3,
                "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 11},
            },
            (True, "cached_above_input"),
        ),
        (HONEST, (False, None)),
    ],
)
def test_usage_is_believed_only_where_it_can_be(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    usage: dict[str, object] | None,
    flags: tuple[bool, str | None],
) -> None:
    chat_server.reply(text=LONG, usage=usage)
    answer = ask(live, ann)
    row = last_row(service)
    assert (answer.is_estimated, row["estimated"], row["quarantine"]) == (flags[0], *flags)
    assert (used(live, ann), row["status"]) == (1, "success")
    assert answer.cost_usd > 0


def test_a_text_that_no_database_takes_is_made_one_that_it_does(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    chat_server.reply(text="a\x00b \ud800 c")
    assert ask(live, ann).text == "a\ufffdb ? c"
    assert ask(live, ann).is_cached


def test_of_cumulative_usage_the_last_counts(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(text=LONG, usage=HONEST, is_usage_cumulative=True)
    assert ask(live, ann).usage.completion_tokens == 10


def test_more_than_the_hold_is_charged_in_full(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(usage={"prompt_tokens": 1000, "completion_tokens": 5000, "total_tokens": 6000})
    assert ask(live, ann).cost_usd == Decimal("0.003150000")


def test_auto_falls_back_before_the_first_token_and_is_charged_for_the_one_that_answered(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.script = [replace(chat_server._default, status=404)]
    answer = ask(live, ann, model="auto")
    asked = [received.body["model"] for received in chat_server.requests]
    assert answer.model == asked[1] != asked[0]
    rows = service.execute("SELECT model, status FROM attempts ORDER BY number").fetchall()
    assert rows == [(asked[0], "failed"), (asked[1], "success")]
    assert used(live, ann) == 1


def test_a_dearer_model_that_the_budget_does_not_cover_is_skipped(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(status=404)
    with pytest.raises(ProviderError):
        ask(live, ann, model="auto")
    assert chat_server.calls == 3
    cheapest = service.execute("SELECT min(held_usd) FROM holds").fetchone()
    plan, guards = live.plans.get("basic"), live.ai.guards
    sent = guards.outgoing(guards.check(ann, plan, question()), ann, question().messages, is_local=False)
    asked = RouteQuestion("auto", plan, TODAY, prompt_tokens=prompt_estimate(sent), max_tokens=64)
    held = live.router.route(asked).candidates
    assert cheapest == (held[-1].worst_case_usd,)
    service.execute("UPDATE organisations SET budget_usd_month = %s", (held[0].worst_case_usd,))
    with pytest.raises(ProviderError):
        ask(live, ann, model="auto")
    assert chat_server.calls == 4


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"messages": (Message("user", " \n "),)}, PromptRejected),
        ({"messages": (Message("user", "x" * 20_001),)}, PromptRejected),
        ({"messages": (Message("user", "a\x00b"),)}, PromptRejected),
        ({"messages": (Message("user", "\ud800"),)}, PromptRejected),
        ({"messages": ()}, PromptRejected),
        ({"model": "no-such-model"}, NotFound),
        ({"model": "mistral-large-latest"}, AssayError),
        ({"max_tokens": 10**9}, InvalidRequest),
    ],
)
def test_what_may_not_be_asked_is_refused_before_anything_is_counted(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    change: dict[str, Any],
    error: type[AssayError],
) -> None:
    with pytest.raises(error):
        ask(live, ann, **change)
    assert (chat_server.calls, used(live, ann)) == (0, 0)
    live.usage_log.flush()
    assert service.execute("SELECT count(*) FROM holds").fetchone() == (0,)


def test_a_plan_includes_only_its_classes(live: Workbench) -> None:
    free = member_factory(live)("frida")
    dear = next(
        model
        for model in live.catalogue.chat_models()
        if model.model_class == "frontier" and model.provider == "openai"
    )
    with pytest.raises(PlanRequired):
        ask(live, free, model=dear.id)


def test_a_provider_without_a_key_names_the_variable(live: Workbench, ann: Principal) -> None:
    other = next(m for m in live.catalogue.chat_models() if m.provider == "mistral" and m.model_class != "frontier")
    with pytest.raises(NotConfigured, match="MISTRAL_API_KEY"):
        ask(live, ann, model=other.id)


def test_a_viewer_may_not_ask(live: Workbench, ann: Principal) -> None:
    with pytest.raises(Forbidden):
        ask(live, replace(ann, role=Role.VIEWER))


def test_a_live_model_that_fails_is_never_replaced_by_the_glossary(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    chat_server.reply(status=500)
    with pytest.raises(ProviderError):
        ask(live, ann, model="auto")


def test_without_a_database_no_provider_is_called(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    away = Database("postgresql://nobody:x@127.0.0.1:1/none")
    live.meter._database = away
    with pytest.raises(DatabaseUnavailable):
        ask(live, ann)
    assert chat_server.calls == 0


def test_closing_ends_calls_under_way_at_no_cost(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens")
    session = live.gateway.session(ann, question())
    next(iter(session))
    live.gateway.close()
    with pytest.raises(ProviderError):
        session.result()
    assert (last_row(service)["status"], used(live, ann)) == ("broken", 0)
    assert chat_server.wait_for(disconnects=1)
