"""Providers that are down, slow, limited or wrong, on sockets: who is asked, who waits, what is told and charged."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from core.accounts.provider_keys import KeyDraft
from core.ai.answer import Draft
from core.ai.experiments import Experiment
from core.ai.providers.contract import Message
from core.errors import (
    AssayError,
    ProviderError,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderUnavailable,
    UnusableAnswer,
)
from core.metering.books import audit
from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import make_settings, member_factory
from tests.core.ai.test_gateway import HONEST, MODEL, ask, last_row, question, used, wait_until
from tests.fakes.chat_server import ChatServer, closed_address
from tests.fakes.scripted_server import Reply

Service = psycopg.Connection[tuple[object, ...]]
HOSTS = ("openai", "mistral", "xai")
SCHEMA = {"type": "object", "properties": {"beta": {"type": "number"}}, "required": ["beta"]}
LIMITED = {"status": 429, "headers": {"Retry-After": "7"}}


@dataclass(frozen=True)
class Ground:
    """A workbench and the servers that its providers are."""

    bench: Workbench
    ann: Principal
    servers: dict[str, ChatServer]

    @property
    def calls(self) -> int:
        """Calls that any provider got."""
        return sum(server.calls for server in self.servers.values())


@contextmanager
def opened(database_url: str, home: Path, *hosts: str, plan: str = "basic", **environ: str) -> Iterator[Ground]:
    """With these providers on servers of their own; the books balance at the end."""
    with ExitStack() as stack:
        servers = {host: stack.enter_context(ChatServer()) for host in hosts}
        for host, server in servers.items():
            environ.setdefault(f"{host.upper()}_API_KEY", "sk-test")
            environ.setdefault(f"{host.upper()}_BASE_URL", server.base_url)
        limits = {"FIRST_TOKEN_TIMEOUT_S": "2", "CONNECT_TIMEOUT_S": "0.4", "TOTAL_TIMEOUT_S": "15"}
        bench = stack.enter_context(closing(open_workbench(make_settings(database_url, home, **{**limits, **environ}))))
        yield Ground(bench, member_factory(bench)(plan=plan), servers)
        assert audit(bench.database).differences == []


@pytest.fixture
def alone(database_url: str, tmp_path: Path) -> Iterator[Ground]:
    """With one provider."""
    with opened(database_url, tmp_path, "openai") as ground:
        yield ground


@pytest.fixture
def two(database_url: str, tmp_path: Path) -> Iterator[Ground]:
    """With two providers, one of them slow to begin for nobody."""
    with opened(database_url, tmp_path, "openai", "mistral") as ground:
        yield ground


def holds(service: Service) -> object:
    """How many reservations were ever made."""
    row = service.execute("SELECT count(*) FROM holds").fetchone()
    return row and row[0]


def open_circuit(ground: Ground) -> None:
    """Has OpenAI fail until it is left alone."""
    ground.servers["openai"].reply(status=500)
    for number in range(5):
        with pytest.raises(ProviderUnavailable):
            ask(ground.bench, ground.ann, f"Question {number}?")
    assert ground.bench.health.of("openai", MODEL).state == "open"


def end_rest(ground: Ground, service: Service) -> None:
    """Has every circuit that is open be half open."""
    ground.bench.health.refresh()
    service.execute("UPDATE model_states SET rests_until = assay_now() - interval '1 s' WHERE rests > 0")
    ground.bench.health.refresh()


def test_a_limited_model_is_refused_before_anything_is_reserved_until_its_time(alone: Ground, service: Service) -> None:
    server = alone.servers["openai"]
    server.reply(**LIMITED)
    with pytest.raises(ProviderRateLimited) as first:
        ask(alone.bench, alone.ann)
    assert (first.value.retry_after_s, server.calls, holds(service)) == (7, 1, 1)
    with pytest.raises(ProviderRateLimited, match="wait a moment") as second:
        ask(alone.bench, alone.ann)
    assert second.value.retry_after_s is not None
    assert 5 < second.value.retry_after_s <= 7
    assert (server.calls, holds(service), used(alone.bench, alone.ann)) == (1, 1, 0)
    alone.bench.usage_log.flush()
    row = last_row(service)
    assert (row["status"], row["error_code"], row["hold_id"]) == ("denied", "provider_rate_limited", None)
    server.reply()
    assert ask(alone.bench, alone.ann, model="gpt-4.1-nano").state == "complete"  # a limit is the model's


def test_a_short_wait_that_a_provider_asks_for_is_waited_and_charged_once(alone: Ground, service: Service) -> None:
    server = alone.servers["openai"]
    server.script = [Reply(status=429, headers={"Retry-After": "1"}), Reply(usage=HONEST)]
    begun = time.monotonic()
    assert ask(alone.bench, alone.ann).state == "complete"
    assert time.monotonic() - begun >= 1
    assert (server.calls, used(alone.bench, alone.ann)) == (2, 1)
    assert service.execute("SELECT status FROM attempts ORDER BY number").fetchall() == [("failed",), ("success",)]


def test_a_model_by_name_is_tried_three_times_and_the_pauses_have_a_bound(alone: Ground, service: Service) -> None:
    server = alone.servers["openai"]
    server.reply(status=503)
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        ask(alone.bench, alone.ann)
    assert time.monotonic() - begun < 3
    assert (server.calls, used(alone.bench, alone.ann)) == (3, 0)
    health = alone.bench.health.of("openai", MODEL)
    assert (health.state, health.failures) == ("closed", 1)  # a request is one failure, however often it was tried


@pytest.mark.parametrize("reply", [{"hangs": "first_token"}, {"hangs": "headers"}], ids=["first token", "headers"])
def test_what_a_provider_may_be_working_on_is_not_asked_again(
    database_url: str, tmp_path: Path, reply: dict[str, object]
) -> None:
    with opened(database_url, tmp_path, "openai", FIRST_TOKEN_TIMEOUT_S="0.3", CONNECT_TIMEOUT_S="0.2") as ground:
        ground.servers["openai"].reply(**reply)
        with pytest.raises(ProviderError):
            ask(ground.bench, ground.ann)
        assert ground.calls == 1
        assert ground.bench.health.of("openai", MODEL).failure == "ProviderTimeout"


def test_a_provider_that_failed_too_often_is_left_alone_and_the_wait_is_told(alone: Ground, service: Service) -> None:
    open_circuit(alone)
    before = (alone.calls, holds(service))
    for model in (MODEL, "gpt-4.1-nano"):
        with pytest.raises(ProviderUnavailable, match="wait a moment") as refused:
            ask(alone.bench, alone.ann, "And now?", model=model)
        assert refused.value.retry_after_s is not None
        assert 1 <= refused.value.retry_after_s <= 10
    with pytest.raises(ProviderUnavailable, match="wait a moment"):
        ask(alone.bench, alone.ann, "And now?", model="auto")
    assert (alone.calls, holds(service)) == before


def test_what_is_cached_is_given_while_its_model_rests(alone: Ground) -> None:
    ask(alone.bench, alone.ann, "What is beta?")
    open_circuit(alone)
    alone.bench.cache._machine.clear()
    assert ask(alone.bench, alone.ann, "What is beta?").is_cached


def test_auto_leaves_out_what_rests_and_nobody_notices(two: Ground) -> None:
    """One failure of a request that falls back is a failure of its provider too."""
    two.servers["openai"].reply(status=500)
    two.servers["mistral"].reply(status=500)
    with pytest.raises(ProviderUnavailable):
        ask(two.bench, two.ann, model="auto")
    two.servers["mistral"].reply()
    calls = two.servers["openai"].calls
    for number in range(8):
        answer = ask(two.bench, two.ann, f"Question {number}?", model="auto")
        assert answer.provider == "mistral"
        assert ("could not" in answer.route_reason) == (two.servers["openai"].calls > calls)
        calls = two.servers["openai"].calls
    before = two.servers["openai"].calls
    for number in range(8, 12):
        assert ask(two.bench, two.ann, f"Question {number}?", model="auto").provider == "mistral"
    if two.bench.health.of("openai", MODEL).state == "open":
        assert two.servers["openai"].calls == before


def test_of_twenty_questions_one_finds_out_whether_a_provider_is_back(two: Ground, service: Service) -> None:
    """The others are answered by another; then it is asked again."""
    open_circuit(two)
    end_rest(two, service)
    gate, before = threading.Event(), two.servers["openai"].calls
    two.servers["openai"].reply(gate=gate)

    def asked(number: int) -> str:
        return ask(two.bench, two.ann, f"Question {number} for all?", model="auto", max_tokens=16).provider

    service.execute("UPDATE plan_limits SET concurrent_requests = 100, requests_minute = 1000")
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(ask, two.bench, two.ann, "Is it back?")
        assert two.servers["openai"].wait_for(calls=before + 1)
        others = list(pool.map(asked, range(19)))
        assert two.servers["openai"].calls == before + 1
        assert set(others) == {"mistral"}
        gate.set()
        assert first.result().provider == "openai"
    assert two.bench.health.of("openai", MODEL).state == "closed"


def test_a_probe_that_is_not_granted_costs_nothing(alone: Ground, service: Service) -> None:
    """Another process finds out; this one does not know it yet."""
    open_circuit(alone)
    end_rest(alone, service)
    service.execute("UPDATE model_states SET probed_until = assay_now() + interval '5 s'")
    calls = alone.calls
    with pytest.raises(ProviderUnavailable, match="wait a moment"):
        ask(alone.bench, alone.ann, "Is it back?")
    assert (alone.calls, used(alone.bench, alone.ann)) == (calls, 0)
    assert service.execute("SELECT count(*) FROM holds WHERE state IN ('reserved', 'in_flight')").fetchone() == (0,)


def test_whoever_leaves_before_the_first_token_says_nothing_of_the_provider(alone: Ground) -> None:
    alone.servers["openai"].reply(hangs="first_token")
    for number in range(6):
        with alone.bench.gateway.session(alone.ann, question(f"Question {number}?")):
            assert alone.servers["openai"].wait_for(calls=number + 1)
    wait_until(lambda: not alone.bench.gateway._running)
    assert alone.bench.health.of("openai", MODEL).failures == 0


def test_personal_data_never_leaves_and_is_there_in_the_answer(alone: Ground) -> None:
    server, saved = alone.servers["openai"], list[Draft]()
    server.reply(text="Write to <EMAIL_1> today.")
    text = "Draft a note to jane.doe@example.org about beta."
    answer = alone.bench.gateway.session(alone.ann, question(text), saved.append).result()
    assert answer.text == saved[0].text == "Write to jane.doe@example.org today."
    assert "jane.doe" not in json.dumps(server.requests[0].body)
    colleague = member_factory(alone.bench)("carl", org=alone.ann.org_name, plan="basic")
    assert ask(alone.bench, alone.ann, text).is_cached
    assert not ask(alone.bench, colleague, text).is_cached


def test_an_answer_with_the_canary_is_withheld_and_free(alone: Ground, service: Service) -> None:
    server = alone.servers["openai"]
    messages = (Message("system", "Be brief."), Message("user", "What is beta?"))
    ours: dict[str, Any] = {"prompt_version": "1", "messages": messages}
    ask(alone.bench, alone.ann, **ours)
    canary = re.search("§[0-9a-f]+", json.dumps(server.requests[0].body, ensure_ascii=False))
    assert canary is not None
    server.reply(text=f"My orders hold the mark {canary[0]}, and more.")
    shown: list[str] = []
    with pytest.raises(UnusableAnswer, match="withheld"):
        shown.extend(alone.bench.gateway.session(alone.ann, question(**ours, skips_cache=True)))
    assert canary[0] not in "".join(shown)
    row = last_row(service)
    assert (row["status"], row["charged_usd"], used(alone.bench, alone.ann)) == ("failed", 0, 1)


def test_an_own_key_that_is_refused_is_told_and_nobody_else_is_asked(two: Ground, service: Service) -> None:
    draft = KeyDraft("openai", "Desk", SecretStr("sk-own-0123456789abcdefghijklmnop-last"))
    two.bench.provider_keys.add(two.ann, draft)
    two.servers["openai"].reply(status=401)
    for model in (MODEL, "auto"):
        with pytest.raises(ProviderRefusedKey, match="Desk") as told:
            ask(two.bench, two.ann, model=model)
        assert "OPENAI_API_KEY" not in told.value.detail
    assert two.servers["mistral"].calls == 0
    keys = {received.headers["authorization"] for received in two.servers["openai"].requests}
    assert keys == {"Bearer sk-own-0123456789abcdefghijklmnop-last"}
    assert two.bench.health.of("openai", MODEL).failures == 0  # the platform's key is as good as before
    assert used(two.bench, two.ann) == 0


def test_an_own_key_that_has_expired_is_told_before_anything_is_reserved(alone: Ground, service: Service) -> None:
    draft = KeyDraft("openai", "Desk", SecretStr("sk-own-0123456789abcdefghijklmnop-last"))
    alone.bench.provider_keys.add(alone.ann, draft)
    service.execute("UPDATE provider_keys SET expires_at = assay_now() - interval '1 s'")
    vectors: dict[str, Any] = {"model": "text-embedding-3-small", "task": "embedding", "max_tokens": 0, "feature": None}
    for changes in ({}, vectors):
        with pytest.raises(ProviderRefusedKey, match=r"Desk .* has expired"):
            ask(alone.bench, alone.ann, **changes)
    assert (alone.calls, holds(service)) == (0, 0)


@pytest.mark.parametrize(
    "wrong", ["expires_at = assay_now() - interval '1 s'", "secret = 'x'"], ids=["expired", "unread"]
)
def test_auto_asks_another_while_an_own_key_cannot_be_used_and_tells_its_owner_where_there_is_none(
    two: Ground, service: Service, wrong: str
) -> None:
    draft = KeyDraft("openai", "Desk", SecretStr("sk-own-0123456789abcdefghijklmnop-last"))
    two.bench.provider_keys.add(two.ann, draft)
    service.execute(f"UPDATE provider_keys SET {wrong}")
    answer = ask(two.bench, two.ann, model="auto")
    assert answer.provider == "mistral"
    assert "OpenAI left out" in answer.route_reason
    reserved = holds(service)
    with pytest.raises(ProviderRefusedKey, match="Desk"):
        ask(two.bench, two.ann, "By name?")
    alone = replace(two.ann, allowed_providers=("openai",))
    with pytest.raises(ProviderRefusedKey, match="Desk"):
        ask(two.bench, alone, "Nobody else?", model="auto")
    assert (two.servers["openai"].calls, holds(service)) == (0, reserved)


def test_a_variant_that_fails_falls_back_to_what_auto_would_have_asked(two: Ground, service: Service) -> None:
    operator = replace(two.ann, is_operator=True)
    draft = Experiment("Trial", "model", "chat", "ministral-8b-2512", Decimal("99.99"))
    started = two.bench.experiments.start(operator, draft)
    first = ask(two.bench, two.ann, "Is it asked?", model="auto")
    assert (first.model, two.servers["openai"].calls) == ("ministral-8b-2512", 0)
    assert "on trial" in first.route_reason
    two.servers["mistral"].reply(status=500)
    two.servers["openai"].reply(usage=HONEST)
    answer = ask(two.bench, two.ann, "Does it fall back?", model="auto")
    assert answer.provider == "openai"
    assert answer.route_reason.endswith("answered, as Ministral 8B could not")
    row = last_row(service)
    assert (row["status"], row["experiment_id"], row["arm"]) == ("success", started.id, "variant")
    assert row["model"] == answer.model
    assert row["charged_usd"] == answer.cost_usd
    assert used(two.bench, two.ann) == 2
    named = ask(two.bench, two.ann, "Does it fall back?", model=answer.model)
    assert not named.is_cached  # what stands for a trial is kept apart


def test_a_call_on_an_own_key_costs_nothing_and_is_logged(alone: Ground, service: Service) -> None:
    draft = KeyDraft("openai", "Desk", SecretStr("sk-own-0123456789abcdefghijklmnop-last"))
    alone.bench.provider_keys.add(alone.ann, draft)
    alone.servers["openai"].reply(usage=HONEST)
    answer = ask(alone.bench, alone.ann)
    row = last_row(service)
    assert (answer.cost_usd, row["charged_usd"], row["own_key"]) == (0, 0, True)
    assert isinstance(row["cost_usd"], Decimal)
    assert row["cost_usd"] > 0


def test_an_answer_that_cannot_be_used_is_tried_one_class_up_and_charged_alone(
    database_url: str, tmp_path: Path, service: Service
) -> None:
    with opened(database_url, tmp_path, "openai") as ground:
        server = ground.servers["openai"]
        server.script = [Reply(text="no"), Reply(text="neither"), Reply(text='{"beta": 1.1}', usage=HONEST)]
        answer = ask(ground.bench, ground.ann, model="auto", json_schema=SCHEMA)
        rows = service.execute("SELECT model, status, cost_usd FROM attempts ORDER BY number").fetchall()
        catalogue = {model.id: model for model in ground.bench.catalogue.all()}
        classes = [catalogue[str(row[0])].model_class for row in rows]
        order = ["economy", "standard", "frontier"]
        assert rows[0][0] == rows[1][0]
        assert order.index(classes[2]) == order.index(classes[0]) + 1
        assert (answer.model, answer.cost_usd) == (rows[2][0], rows[2][2])
        assert used(ground.bench, ground.ann) == 1
        row = last_row(service)
        assert (row["status"], row["charged_usd"]) == ("success", rows[2][2])
        assert row["cost_usd"] == sum(cost for _, _, cost in rows if isinstance(cost, Decimal))
        assert "answered, as" in answer.route_reason


@pytest.mark.parametrize(("plan", "model"), [("free", "auto"), ("basic", MODEL)], ids=["plan", "by name"])
def test_an_answer_that_cannot_be_used_goes_nowhere_else_where_nothing_may_escalate(
    database_url: str, tmp_path: Path, service: Service, plan: str, model: str
) -> None:
    with opened(database_url, tmp_path, "openai", plan=plan) as ground:
        server = ground.servers["openai"]
        server.script = [Reply(text="no"), Reply(text="neither"), Reply(text='{"beta": 1.1}', usage=HONEST)]
        with pytest.raises(UnusableAnswer):
            ask(ground.bench, ground.ann, model=model, json_schema=SCHEMA)
        assert server.calls == 2
        assert len(set(service.execute("SELECT model FROM attempts").fetchall())) == 1
        row = last_row(service)
        assert (row["status"], row["charged_usd"], used(ground.bench, ground.ann)) == ("failed", 0, 0)


def test_the_log_says_what_a_question_was_taken_for(alone: Ground, service: Service) -> None:
    ask(alone.bench, alone.ann, "Compare the beta of AAPL and MSFT over five years.", model="auto", prompt_version="7")
    row = last_row(service)
    assert (row["prompt_version"], row["own_key"], row["arm"]) == ("7", False, None)
    assert row["intent"]
    assert row["complexity"] in ("low", "medium", "high")


@pytest.mark.slow
def test_of_three_hundred_requests_all_are_answered_while_providers_fail(
    database_url: str, tmp_path: Path, service: Service
) -> None:
    """One is down, one is slow, one fails five times in a hundred; each is charged once."""
    down = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": closed_address(), "FIRST_TOKEN_TIMEOUT_S": "0.3"}
    with opened(database_url, tmp_path, "mistral", "xai", **down) as ground:
        limits = "chat_queries_day, requests_minute, requests_hour, requests_month, concurrent_requests"
        service.execute(f"UPDATE plan_limits SET ({limits}) = (NULL, NULL, NULL, NULL, NULL)")
        ground.servers["mistral"].reply(hangs="first_token")
        ground.servers["xai"].script = [Reply(status=500) if n % 20 == 7 else Reply() for n in range(400)]

        def asked(number: int) -> str:
            try:
                return ask(ground.bench, ground.ann, f"Question {number}?", model="auto").state
            except AssayError as error:
                return f"{type(error).__name__}: {error}"

        with ThreadPoolExecutor(8) as pool:
            ends = Counter(pool.map(asked, range(300)))
        assert ends == {"complete": 300}
        assert service.execute("SELECT count(*) FROM usage_log WHERE status = 'success'").fetchone() == (300,)
