"""`/api/profile` over a socket, and what the settings of a user and an organisation do to questions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from core.accounts.profiles import OrganisationSettings
from core.errors import InvalidRequest
from core.principal import Principal, Role, Scope
from tests.core.http.conftest import MODEL, QUESTION, Api, assert_problem

PATH = "/profile"
OTHER = "gpt-5-nano"


def _of_scopes(api: Api, principal: Principal, *scopes: Scope) -> httpx2.Client:
    token = api.workbench.tokens.create(replace(principal, via="session"), "test", scopes=scopes, days=1)
    return httpx2.Client(base_url=api.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=20)


def _allow(api: Api, principal: Principal, *models: str) -> None:
    settings = OrganisationSettings(principal.org_name, "UTC", Decimal("0.04"), "SP500", models)
    api.workbench.profiles.keep_organisation(principal, settings)


def _set(api: Api, principal: Principal, **changes: Any) -> None:
    profiles = api.workbench.profiles
    profiles.keep_organisation(principal, replace(profiles.organisation(principal), **changes))


def test_a_profile_is_read_and_changed_in_part(live_api: Api) -> None:
    ann = live_api.member("ann", plan="team")
    with live_api.client(ann) as client:
        before = client.get(PATH).json()
        assert (before["email"], before["default_model"], before["router"]) == (ann.email, "auto", True)
        assert (before["role"], before["scopes"]) == ("owner", ["read", "ask", "admin"])
        change = {"name": "  Ann   Smith ", "time_zone": "Asia/Tokyo", "notifications": {"email": False}}
        changed = client.patch(PATH, json=change).json()
        assert (changed["name"], changed["time_zone"], changed["notifications"]) == (
            "Ann Smith",
            "Asia/Tokyo",
            {"email": False},
        )
        assert client.patch(PATH, json={"time_zone": None}).json() == changed | {"time_zone": None}
        assert client.patch(PATH, json={}).json() == changed | {"time_zone": None}
        assert client.get(PATH).json() == changed | {"time_zone": None}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "   "},
        {"name": None},
        {"name": "x" * 10_000},
        {"name": "a\x00b"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"default_model": "no-such-model"},
        {"default_model": "text-embedding-3-small"},
        {"router": False},
        {"router": "off"},
        {"email": "other@test.example"},
        {"is_operator": True},
        {"notifications": {}},
    ],
)
def test_a_bad_change_is_refused_and_loses_nothing(live_api: Api, change: dict[str, object]) -> None:
    ann = live_api.member("ann", plan="team")
    with live_api.client(ann) as client:
        before = client.get(PATH).json()
        assert_problem(client.patch(PATH, json=change), 422, "invalid_request")
        assert client.get(PATH).json() == before


def test_a_tokens_scopes_say_what_it_may_do(live_api: Api) -> None:
    ann = live_api.member("ann", plan="team")
    with _of_scopes(live_api, ann, Scope.READ) as reads:
        assert reads.get(PATH).json()["scopes"] == ["read"]
        for refused in (
            reads.patch(PATH, json={"name": "Mallory"}),
            reads.post("/ai/chat", json={"message": QUESTION, "model": MODEL}),
            reads.post("/ai/completions", json={"prompt": QUESTION}),
            reads.post("/ai/conversations", json={}),
        ):
            assert_problem(refused, 403, "forbidden")
            assert "scope" in refused.json()["detail"]
        shown = httpx2.post(
            f"{live_api.v1_url}/chat/completions",
            headers=dict(reads.headers),
            json={"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]},
        )
        assert shown.status_code == 403
    with _of_scopes(live_api, ann, Scope.ASK) as asks:
        assert asks.post("/ai/chat", json={"message": QUESTION, "model": MODEL}).status_code == 200
        assert_problem(asks.get("/ai/conversations"), 403, "forbidden")
        assert_problem(asks.patch(PATH, json={"name": "Mallory"}), 403, "forbidden")
    with _of_scopes(live_api, ann, Scope.ADMIN, Scope.READ) as manages:
        assert manages.patch(PATH, json={"name": "Ann"}).status_code == 200
        assert_problem(manages.post("/ai/chat", json={"message": QUESTION}), 403, "forbidden")


def test_the_default_model_answers_what_names_none_and_replaces_auto_without_the_router(live_api: Api) -> None:
    ann = live_api.member("ann", plan="team")
    with live_api.client(ann) as client:
        assert client.patch(PATH, json={"default_model": OTHER, "router": True}).status_code == 200
        assert client.post("/ai/chat", json={"message": QUESTION}).json()["model"] == OTHER
        client.patch(PATH, json={"default_model": MODEL, "router": False})
        answer = client.post("/ai/chat", json={"message": "What is duration?", "model": "auto"}).json()
        assert (answer["model"], answer["route"]["reason"]) == (MODEL, "chosen by name")


def test_an_organisation_allows_models_to_its_members_alone(live_api: Api) -> None:
    ann, eve = live_api.member("ann", plan="team"), live_api.member("eve", plan="team")
    colleague = live_api.member("bob", org=ann.org_name, plan="team", role=Role.ANALYST)
    with live_api.client(colleague) as bob, live_api.client(eve) as other:
        answered = bob.post("/ai/chat", json={"message": QUESTION, "model": MODEL}).json()
        assert answered["model"] == MODEL
        _allow(live_api, ann, OTHER)
        refused = bob.post("/ai/chat", json={"message": QUESTION, "model": MODEL})  # also what stands in the cache
        assert_problem(refused, 403, "forbidden")
        assert "organisation" in refused.json()["detail"]
        chosen = bob.post("/ai/chat", json={"message": QUESTION})
        assert chosen.json().get("model") == OTHER, chosen.text
        rows = {row["id"]: row for row in bob.get("/ai/models").json()}
        assert rows[OTHER]["available"]
        assert not rows[MODEL]["available"]
        assert "organisation" in rows[MODEL]["reason"]
        assert other.post("/ai/chat", json={"message": QUESTION, "model": MODEL}).status_code == 200


def test_switched_off_a_live_model_answers_nobody_and_the_glossary_everybody(live_api: Api) -> None:
    ann, eve = live_api.member("ann", plan="team"), live_api.member("eve", plan="team")
    with live_api.client(ann) as client, live_api.client(eve) as other:
        before = client.post("/ai/chat", json={"message": QUESTION}).json()
        assert not before["offline"]
        _set(live_api, ann, asks_models=False)
        answer = client.post("/ai/chat", json={"message": QUESTION}).json()  # also what stands in the cache
        assert (answer["offline"], answer["provider"]) == (True, "offline")
        assert answer["route"]["reason"].startswith("your organisation has switched models off; ")
        refused = client.post("/ai/chat", json={"message": QUESTION, "model": MODEL})
        assert_problem(refused, 403, "forbidden")
        assert "switched off the models of providers" in refused.json()["detail"]
        rows = {row["id"]: row for row in client.get("/ai/models").json()}
        assert {name for name, row in rows.items() if row["available"]} == {"offline-glossary"}
        assert "switched off" in rows[MODEL]["reason"]
        assert_problem(client.post("/ai/embeddings", json={"input": "x"}), 403, "forbidden")
        assert not other.post("/ai/chat", json={"message": QUESTION}).json()["offline"]
        _set(live_api, ann, asks_models=True)
        assert not client.post("/ai/chat", json={"message": QUESTION}).json()["offline"]


def test_an_organisations_default_model_answers_members_who_have_none(live_api: Api) -> None:
    ann = live_api.member("ann", plan="team")
    bob = live_api.member("bob", org=ann.org_name, plan="team", role=Role.ANALYST)
    _set(live_api, ann, default_model=OTHER)
    with live_api.client(bob) as client:
        answer = client.post("/ai/chat", json={"message": QUESTION}).json()
        assert (answer["model"], answer["route"]["reason"]) == (OTHER, "your organisation's default model")
        named = client.post("/ai/chat", json={"message": "What is duration?", "model": MODEL}).json()
        assert (named["model"], named["route"]["reason"]) == (MODEL, "chosen by name")
        client.patch(PATH, json={"default_model": MODEL})
        mine = client.post("/ai/chat", json={"message": "What is convexity?"}).json()
        assert (mine["model"], mine["route"]["reason"]) == (MODEL, "your default model")
        with pytest.raises(InvalidRequest, match="The default model is one of OpenAI"):
            _set(live_api, ann, allowed_providers=("mistral",))
        _set(live_api, ann, allowed_providers=("mistral",), default_model=None)
        listed = {row["id"]: row for row in client.get("/ai/models").json()}
        assert "Your organisation does not allow" in listed[MODEL]["reason"]
        assert_problem(client.post("/ai/chat", json={"message": QUESTION, "model": MODEL}), 403, "forbidden")
        assert_problem(client.post("/ai/chat", json={"message": QUESTION}), 501, "not_configured")
