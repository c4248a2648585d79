"""What the API tells: health, models, usage and quota, and the document that describes it all."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime

import httpx2
import pytest
from pydantic.alias_generators import to_camel

from core.errors import DatabaseUnavailable
from core.http.routes.health import DatabaseProbe
from core.metering.plans import Limits
from core.workbench import Workbench
from tests.core.accounts.permission_table import ROUTES
from tests.core.http.conftest import Api, assert_problem, serving_api


def test_health_tells_everybody_how_it_is_and_no_secret(live_api: Api) -> None:
    answer = httpx2.get(f"{live_api.base_url}/health")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    health = answer.json()
    assert (health["status"], health["database"], health["cache"], health["worker"]) == (
        "healthy",
        "ok",
        "ok",
        "absent",
    )
    assert health["providers"]["openai"] == "configured"
    assert health["providers"]["mistral"] == "not_configured"
    assert health["providers"]["offline"] == "built_in"
    assert health["timestamp"].endswith("Z")
    assert "sk-test" not in answer.text


def test_health_without_a_database_is_unhealthy(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(workbench.database, "ping", fail)
    with serving_api(workbench) as api:
        answer = httpx2.get(f"{api.base_url}/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert (answer.json()["database"], answer.json()["cache"]) == ("unreachable", "unreachable")


def test_a_database_that_hangs_is_asked_once_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.http.routes.health.CHECK_S", 0.1)
    asked: list[float] = []
    goes_on = threading.Event()

    def hang() -> None:
        asked.append(time.monotonic())
        goes_on.wait(10)

    probe = DatabaseProbe(hang)
    started = time.monotonic()
    assert [probe.state() for _ in range(20)] == ["unreachable"] * 20
    assert time.monotonic() - started < 1
    assert len(asked) == 1
    goes_on.set()


def test_a_slow_database_is_called_slow_and_asked_again_after_a_second() -> None:
    now = 100.0

    def ping() -> None:
        nonlocal now
        now += took_s

    took_s = 0.6
    probe = DatabaseProbe(ping, monotonic=lambda: now)
    assert probe.state() == "slow"
    took_s = 0.0
    assert probe.state() == "slow"
    now += 1
    assert probe.state() == "ok"


def test_every_model_is_listed_with_its_price_and_why_it_cannot_be_asked(api: Api, live_api: Api) -> None:
    with api.client(api.member("ann")) as client:
        rows = {row["id"]: row for row in client.get("/ai/models").json()}
    assert list(rows) == [model.id for model in api.workbench.catalogue.all()]
    offline = rows["offline-glossary"]
    assert (offline["available"], offline["reason"], offline["class"]) == (True, None, "economy")
    assert offline["price"]["local"] is True
    mini = rows["gpt-4o-mini"]
    assert (mini["available"], mini["reason"]) == (False, "Set OPENAI_API_KEY to use this model.")
    assert (mini["price"]["input"], mini["price"]["output"], mini["price"]["currency"]) == (
        "0.15",
        "0.6",
        "USD",
    )
    assert "@" in mini["price"]["version"]
    with live_api.client(live_api.member("bob")) as client:
        rows = {row["id"]: row for row in client.get("/ai/models").json()}
    assert rows["gpt-4o-mini"]["available"] is True
    assert rows["gpt-4o"]["reason"] == "GPT-4o is a standard model; the plan Free does not include it."


def test_usage_has_the_shape_of_the_contract_and_warns_from_80_percent(free: httpx2.Client) -> None:
    for number in range(8):
        free.post("/ai/chat", json={"message": f"What is beta {number}?"})
    content = free.get("/user/usage").json()
    daily, monthly = content["usage"]["daily"], content["usage"]["monthly"]
    assert content["tier"] == "free"
    assert daily["chatQueries"] == {"used": 8, "limit": 10, "remaining": 2}
    assert daily["portfolioAnalysis"] == {"used": 0, "limit": 1, "remaining": 1}
    assert daily["signalValidations"] == {"used": 0, "limit": 5, "remaining": 5}
    assert monthly["secFilings"] == {"used": 0, "limit": 3, "remaining": 3}
    assert monthly["requests"] == {"used": 8, "limit": 300, "remaining": 292}
    assert content["percentages"]["chatQueries"] == 0.8
    assert content["warnings"] == ["8 of 10 chat queries of the day are used."]
    start, end = content["usage"]["periodStart"], content["usage"]["periodEnd"]
    assert datetime.fromisoformat(start["daily"]) < datetime.fromisoformat(end["daily"])
    assert datetime.fromisoformat(start["monthly"]) < datetime.fromisoformat(end["monthly"])


def test_quota_tells_limits_and_unlimited_is_null(api: Api) -> None:
    team = api.member("tim", plan="team")
    with api.client(team) as client:
        content = client.get("/user/quota").json()
    assert (content["userId"], content["tier"]) == (str(team.user_id), "team")
    assert content["limits"]["chatQueriesDay"] is None
    assert content["limits"]["requestsMinute"] == 500
    assert content["limits"]["requestCeilingUsd"] == "1"
    assert (content["limits"]["promptChars"], content["limits"]["promptTokens"]) == (20_000, 400_000)
    assert set(content["limits"]) == {to_camel(name) for name in Limits.model_fields}
    chat = content["quotas"]["chatQueries"]
    assert (chat["used"], chat["limit"], chat["remaining"]) == (0, None, None)
    assert chat["resetsAt"] == content["resetAt"]["daily"]
    assert content["quotas"]["signalValidations"]["scope"] == "organisation"


def test_a_call_without_a_quota_sends_no_quota_headers(live_api: Api) -> None:
    with live_api.client(live_api.member("tim", plan="team")) as client:
        answer = client.post("/ai/chat", json={"message": "What is beta?"})
    assert answer.headers["x-plan"] == "team"
    assert not [name for name in answer.headers if name.startswith("x-quota")]


UNDOCUMENTED = {"/api/openapi.json", "/api/docs", "/api/docs/{name}"}


WITHOUT_TOKEN = {"/api/health", "/api/webhooks/stripe"}
"""What is open to everybody, and what asks for a signature instead."""


def test_the_document_names_every_call_with_its_token_and_its_problems(api: Api) -> None:
    document = httpx2.get(f"{api.base_url}/openapi.json").json()
    assert document["openapi"] == "3.0.3"
    assert '"null"' not in json.dumps(document)
    assert set(document["paths"]) == {path.replace(":path", "") for _, path in ROUTES if path not in UNDOCUMENTED}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == (path not in WITHOUT_TOKEN)
            failure = "application/json" if path.startswith("/v1/") else "application/problem+json"
            assert failure in operation["responses"]["default"]["content"]
    chat, prompt = (document["components"]["schemas"][name] for name in ("ChatQuestion", "Prompt"))
    assert "required" not in chat  # the message of a question that a template makes may be empty
    assert (prompt["required"], prompt["additionalProperties"]) == (["prompt"], False)
    assert chat["additionalProperties"] is False
    assert document["components"]["schemas"]["ChatAnswer"]["properties"]["cost_usd"]["type"] == "string"


def test_the_docs_serve_their_own_files_and_no_others(api: Api) -> None:
    with api.client() as client:
        page = client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "//" not in page.text.replace("<!doctype", "")
        for name in ("init.js", "swagger-ui-bundle.js", "swagger-ui.css"):
            assert client.get(f"/docs/{name}").status_code == 200
        for name in ("redoc.standalone.js", "..%2f..%2fapi.py", "%2e%2e/api.py", "index.html"):
            assert_problem(client.get(f"/docs/{name}"), 404, "not_found")
