"""What goes wrong while a call is under way, at a served workbench with two providers; the books balance after each."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from core.accounts.provider_keys import KeyDraft
from tests.core.ai.test_gateway import HONEST, wait_until
from tests.core.ai.test_surviving import Ground, opened
from tests.core.http.conftest import Api, serving_api
from tests.fakes.chat_server import ChatServer

Service = psycopg.Connection[tuple[object, ...]]
SECRET = "sk-own-0123456789abcdefghijklmnop-last"


@dataclass(frozen=True)
class Served:
    """The workbench with its providers, and the API in front of it."""

    ground: Ground
    api: Api
    http: httpx2.Client

    @property
    def openai(self) -> ChatServer:
        """The server that OpenAI is."""
        return self.ground.servers["openai"]


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[Served]:
    """On sockets."""
    with (
        opened(database_url, tmp_path, "openai", "mistral", RATE_PER_ADDRESS="100000") as ground,
        serving_api(ground.bench) as api,
        api.client(ground.ann) as http,
    ):
        yield Served(ground, api, http)


def test_a_conversation_that_is_deleted_while_it_streams_stays_deleted_and_is_charged_once(
    served: Served, service: Service
) -> None:
    gate = threading.Event()
    served.openai.reply(text="One. Two. Three.", gate=gate, usage=HONEST)
    conversation = served.http.post("/ai/conversations", json={"title": "Gone soon"}).json()["id"]
    body = {"message": "Hello?", "conversation_id": conversation, "model": "gpt-4o-mini", "stream": True}
    with ThreadPoolExecutor(1) as pool:
        streamed = pool.submit(served.http.post, "/ai/chat", json=body)
        assert served.openai.wait_for(calls=1)
        with served.api.client(served.ground.ann) as other:
            assert other.delete(f"/ai/conversations/{conversation}").status_code == 204
        gate.set()
        events = streamed.result().text
    assert "Traceback" not in events
    assert events.rstrip().endswith("[DONE]")
    assert "internal" not in events
    assert served.http.get(f"/ai/conversations/{conversation}").status_code == 404
    wait_until(lambda: not served.ground.bench.gateway._running)
    assert service.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    assert service.execute("SELECT count(*) FROM holds WHERE state IN ('reserved', 'in_flight')").fetchone() == (0,)
    assert service.execute("SELECT chat_query_used FROM member_meters").fetchone() in ((0,), (1,))


def test_an_own_key_that_is_revoked_while_its_call_runs_pays_for_that_call_and_for_no_other(
    served: Served, service: Service
) -> None:
    keys, ann, gate = served.ground.bench.provider_keys, served.ground.ann, threading.Event()
    key = keys.add(ann, KeyDraft("openai", "Desk", SecretStr(SECRET)))
    served.openai.reply(gate=gate, usage=HONEST)
    body = {"message": "Hello?", "model": "gpt-4o-mini"}
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(served.http.post, "/ai/chat", json=body)
        assert served.openai.wait_for(calls=1)
        keys.revoke(ann, key)
        gate.set()
        first = answered.result()
    assert (first.status_code, Decimal(first.json()["cost_usd"])) == (200, 0)
    assert service.execute("SELECT held_usd, used_usd > 0 FROM provider_keys").fetchone() == (0, True)
    after = served.http.post("/ai/chat", json={"message": "And now?", "model": "gpt-4o-mini"})
    assert after.status_code == 200
    sent = [each.headers["authorization"].removeprefix("Bearer ") for each in served.openai.requests]
    assert sent[0] == SECRET
    assert SECRET not in sent[1:]


@pytest.mark.slow
def test_of_two_hundred_at_once_with_ten_left_ten_are_answered_while_a_provider_is_down(
    served: Served, service: Service
) -> None:
    limits = "chat_queries_day, requests_minute, requests_hour, requests_month, concurrent_requests"
    service.execute(f"UPDATE plan_limits SET ({limits}) = (10, NULL, NULL, NULL, NULL)")
    served.openai.reply(status=503)

    def asked(number: int) -> str:
        with httpx2.Client(base_url=served.api.base_url, headers=served.http.headers, timeout=60) as client:
            answer = client.post("/ai/chat", json={"message": f"Question {number}?"})
        return "answered" if answer.status_code == 200 else answer.json()["code"]

    with ThreadPoolExecutor(40) as pool:
        ends = Counter(pool.map(asked, range(200)))
    assert ends == {"answered": 10, "quota_exceeded": 190}
    assert service.execute("SELECT chat_query_used, chat_query_held FROM member_meters").fetchone() == (10, 0)
    assert service.execute("SELECT count(*) FROM usage_log WHERE status = 'success'").fetchone() == (10,)


def test_no_key_and_no_prompt_is_logged_whatever_fails(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    served.ground.bench.provider_keys.add(served.ground.ann, KeyDraft("openai", "Desk", SecretStr(SECRET)))
    prompt = "Zanzibar-4711 is what I ask"
    for status in (401, 429, 500):
        served.openai.reply(status=status)
        told = served.http.post("/ai/chat", json={"message": prompt, "model": "gpt-4o-mini"})
        assert told.status_code >= 400
        assert SECRET not in told.text
    ours = [record for record in caplog.records if record.name.startswith("core")]
    said = json.dumps([record.getMessage() for record in caplog.records])
    assert SECRET not in said
    assert "Zanzibar" not in json.dumps([record.getMessage() for record in ours])
