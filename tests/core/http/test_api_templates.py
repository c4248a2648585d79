"""`/api/ai/templates` over a socket, and questions that are made of templates."""

from __future__ import annotations

from typing import Any

import httpx2
import psycopg
import pytest

from core.principal import Role
from tests.core.http.conftest import MODEL, Api, assert_problem
from tests.fakes.chat_server import ChatServer

PATH = "/ai/templates"
Service = psycopg.Connection[tuple[object, ...]]
NOTE = {
    "title": "Note",
    "text": "On {{symbol}}, in {{words}} words.",
    "variables": [{"name": "symbol", "kind": "symbol"}, {"name": "words", "kind": "number", "default": "50"}],
}


def _made(client: httpx2.Client, **changes: Any) -> dict[str, Any]:
    answer = client.post(PATH, json={**NOTE, **changes})
    assert answer.status_code == 201, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_a_template_is_kept_listed_filled_changed_and_deleted(basic: httpx2.Client) -> None:
    made = _made(basic, category="Mine")
    assert (made["version"], made["used"], made["own"], made["shipped"]) == (1, 0, True, False)
    assert made["sharing"] == "private"
    assert made["inputs"][0] == {
        "name": "symbol",
        "label": "Symbol",
        "kind": "symbol",
        "default": "",
        "choices": [],
        "is_required": True,
    }
    path = f"{PATH}/{made['id']}"
    assert basic.get(path).json() == made
    [row] = basic.get(PATH, params={"category": "mine"}).json()["data"]
    assert row["title"] == "Note"
    assert "text" not in row
    filled = basic.post(f"{path}/fill", json={"variables": {"symbol": "msft", "words": 20}})
    assert filled.json()["text"] == "On MSFT, in 20 words."
    changed = basic.patch(path, json={"title": "Renamed", "version": 1})
    assert (changed.json()["title"], changed.json()["text"], changed.json()["version"]) == ("Renamed", made["text"], 2)
    assert_problem(basic.patch(path, json={"title": "Late", "version": 1}), 409, "conflict")
    gone = basic.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    for call in (basic.get, basic.delete):
        assert_problem(call(path), 404, "not_found")


def test_the_list_is_paged_with_the_shipped_ones(basic: httpx2.Client) -> None:
    _made(basic)
    found: list[str] = []
    cursor = None
    while True:
        asked = {"limit": 5, **({"cursor": cursor} if cursor else {})}
        page = basic.get(PATH, params=asked).json()
        found += [row["title"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) >= 13
    assert found == sorted(found, key=str.lower)
    assert_problem(basic.get(PATH, params={"cursor": "x"}), 422, "invalid_request")
    assert_problem(basic.get(PATH, params={"limit": 0}), 422, "invalid_request")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": "Of {{one}}.", "variables": []}, "Not declared: one."),
        ({"text": "Of it."}, "Declared, and not in the text: symbol, words."),
        ({"text": "{{template:Note}}", "variables": []}, "asks for itself"),
        ({"sharing": "everybody"}, "sharing"),
        ({"title": ""}, "title"),
        ({"colour": "red"}, "colour"),
        ({"variables": [{"name": "one", "kind": "colour"}]}, "kind"),
    ],
    ids=range(7),
)
def test_what_is_wrong_with_a_template_is_told(basic: httpx2.Client, given: dict[str, Any], words: str) -> None:
    problem = assert_problem(basic.post(PATH, json={**NOTE, **given}), 422, "invalid_request")
    assert words in str(problem["detail"])


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "needs a value for: symbol."),
        ({"symbol": "MSFT", "colour": "red"}, "has no variable colour"),
        ({"symbol": "MSFT", "words": "many"}, "The value of words is not a number."),
        ({"symbol": True}, "variables"),
        ({"symbol": ["MSFT"]}, "variables"),
    ],
    ids=range(5),
)
def test_what_is_wrong_with_values_is_told(basic: httpx2.Client, variables: dict[str, Any], words: str) -> None:
    made = _made(basic)
    for path, body in ((f"{PATH}/{made['id']}/fill", {}), ("/ai/chat", {"template_id": made["id"]})):
        answer = basic.post(path, json={**body, "variables": variables})
        problem = assert_problem(answer, 422, "invalid_request")
        assert words in str(problem["detail"])
    assert basic.get("/ai/conversations").json()["data"] == []


def test_templates_of_others_are_not_found_and_shared_ones_are_used(api: Api) -> None:
    owner = api.member("ann", plan="team", org="Acme")
    colleague = api.member("ben", plan="team", org="Acme", role=Role.ANALYST)
    with api.client(owner) as ann, api.client(colleague) as ben, api.client(api.member("eve")) as eve:
        private, shared = _made(ann), _made(ann, title="Shared", sharing="shared")
        for client, template in ((ben, private), (eve, private), (eve, shared)):
            path = f"{PATH}/{template['id']}"
            for answer in (
                client.get(path),
                client.patch(path, json={"title": "Mine"}),
                client.delete(path),
                client.post(f"{path}/fill", json={"variables": {"symbol": "MSFT"}}),
                client.post("/ai/chat", json={"template_id": template["id"], "variables": {"symbol": "MSFT"}}),
            ):
                assert_problem(answer, 404, "not_found")
        path = f"{PATH}/{shared['id']}"
        assert ben.get(path).json()["changeable"] is False
        assert_problem(ben.patch(path, json={"title": "Mine"}), 403, "forbidden")
        assert ben.post(f"{path}/fill", json={"variables": {"symbol": "MSFT"}}).status_code == 200
        assert_problem(ann.post(PATH, json={**NOTE, "sharing": "public"}), 403, "forbidden")
        for bad in ("nonsense", "%00"):
            assert_problem(ann.get(f"{PATH}/{bad}"), 404, "not_found")


def test_a_question_is_made_of_a_template_and_its_use_is_counted_once(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer, service: Service
) -> None:
    made = _made(basic)
    asked = {"template_id": made["id"], "variables": {"symbol": "msft"}, "model": MODEL}
    answers = [basic.post("/ai/chat", json=asked, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[1].headers["idempotency-replayed"] == "true"
    conversation = basic.get(f"/ai/conversations/{answers[0].json()['conversation_id']}").json()
    assert conversation["messages"][0]["text"] == "On MSFT, in 50 words."
    more = basic.post(f"/ai/conversations/{conversation['id']}/messages", json={**asked, "message": "Briefly."})
    assert more.status_code == 200
    messages = basic.get(f"/ai/conversations/{conversation['id']}").json()["messages"]
    assert messages[2]["text"] == "On MSFT, in 50 words.\n\nBriefly."
    assert basic.get(f"{PATH}/{made['id']}").json()["used"] == 2
    [shipped] = basic.get(PATH, params={"search": "Risk memo"}).json()["data"]
    assert basic.post("/ai/chat", json={"template_id": shipped["id"], "model": MODEL}).status_code == 200
    assert basic.get(f"{PATH}/{shipped['id']}").json()["used"] == 1
    versions = service.execute("SELECT prompt_version FROM usage_log WHERE status = 'success'").fetchall()
    assert all("template-" in str(version) for (version,) in versions)


def test_a_question_needs_words_or_a_template(basic: httpx2.Client) -> None:
    assert_problem(basic.post("/ai/chat", json={}), 422, "invalid_request")
    assert_problem(basic.post("/ai/chat", json={"message": " "}), 422, "prompt_rejected")
    answer = basic.post("/ai/chat", json={"message": "Hi", "variables": {"a": 1}})
    problem = assert_problem(answer, 422, "invalid_request")
    assert "template_id" in str(problem["detail"])
    assert_problem(basic.post("/ai/chat", json={"message": "Hi", "attachment_ids": ["x"]}), 404, "not_found")
