"""`/api/ai/conversations` over a socket: each caller's own, found, named, asked in, and gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from core.principal import Principal, Role, Scope
from tests.conftest import MoveTime
from tests.core.http.conftest import MODEL, QUESTION, Api, assert_problem, eventually
from tests.fakes.chat_server import ChatServer

PATH = "/ai/conversations"
Service = psycopg.Connection[tuple[object, ...]]
Call = Callable[[httpx2.Client, str], httpx2.Response]
CALLS: dict[str, Call] = {
    "get": lambda client, path: client.get(path),
    "patch": lambda client, path: client.patch(path, json={"title": "Mine now"}),
    "delete": lambda client, path: client.delete(path),
    "ask": lambda client, path: client.post(f"{path}/messages", json={"message": QUESTION}),
    "stream": lambda client, path: client.post(f"{path}/messages", json={"message": QUESTION, "stream": True}),
}


def _made(client: httpx2.Client, title: str | None = None) -> str:
    answer = client.post(PATH, json={} if title is None else {"title": title})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _titles(client: httpx2.Client, **asked: object) -> list[str]:
    return [row["title"] for row in client.get(PATH, params=asked).json()["data"]]  # type: ignore[arg-type]


def test_a_conversation_is_opened_asked_in_read_renamed_and_deleted(basic: httpx2.Client) -> None:
    made = basic.post(PATH, json={})
    assert (made.status_code, made.json()["title"]) == (201, "New conversation")
    path = f"{PATH}/{made.json()['id']}"
    answer = basic.post(f"{path}/messages", json={"message": QUESTION, "model": MODEL})
    content = answer.json()
    assert (answer.status_code, content["conversation_id"]) == (200, made.json()["id"])
    assert answer.headers["x-quota-remaining"] == "99"

    whole = basic.get(path).json()
    assert whole["title"] == QUESTION
    assert [(row["role"], row["text"]) for row in whole["messages"]] == [
        ("user", QUESTION),
        ("assistant", content["text"]),
    ]
    assert whole["messages"][1]["id"] == content["message_id"]
    assert whole["messages"][1]["model"] == MODEL
    assert whole["cost"] == {
        "currency": "USD",
        "charged_usd": content["cost_usd"],
        "estimated": False,
        "unresolved_usd": "0",
        "counted_from": None,
    }
    renamed = basic.patch(path, json={"title": "  About <b>risk</b>\n "})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "About <b>risk</b>")
    assert renamed.json()["updated_at"] == whole["updated_at"]
    basic.post(f"{path}/messages", json={"message": "And of bonds?"})
    assert _titles(basic) == ["About <b>risk</b>"]

    gone = basic.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    for call in CALLS.values():
        assert_problem(call(basic, path), 404, "not_found")


def test_a_streamed_message_ends_in_its_conversation(basic: httpx2.Client) -> None:
    conversation = _made(basic, "Kept title")
    text = basic.post(f"{PATH}/{conversation}/messages", json={"message": QUESTION, "stream": True}).text
    *deltas, sums, end = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert (len(deltas) > 3, end) == (True, "[DONE]")
    assert json.loads(sums)["conversation_id"] == conversation
    assert _titles(basic) == ["Kept title"]


def test_a_repeat_with_the_same_key_is_the_same_answer_and_asked_once(
    basic: httpx2.Client, chat_server: ChatServer
) -> None:
    path, headers = f"{PATH}/{_made(basic)}/messages", {"Idempotency-Key": "one"}
    first, again = (basic.post(path, json={"message": QUESTION}, headers=headers) for _ in range(2))
    assert again.json()["message_id"] == first.json()["message_id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert chat_server.calls == 1
    assert_problem(basic.post(path, json={"message": "Another"}, headers=headers), 409, "conflict")
    elsewhere = f"{PATH}/{_made(basic)}/messages"
    assert basic.post(elsewhere, json={"message": "What is beta?"}, headers=headers).status_code == 200


def test_the_search_reads_titles_and_messages_and_takes_every_character_for_itself(ann: httpx2.Client) -> None:
    for title in ("100% sure", "1000 sure", "a_b", "axb", "back\\slash", "ÄRGER"):
        _made(ann, title)
    asked = _made(ann, "Something else")
    ann.post(f"{PATH}/{asked}/messages", json={"message": "What is\n\n<i>portfolio</i>   DIVERSIFICATION, please?"})
    assert _titles(ann, search="0%") == ["100% sure"]
    assert _titles(ann, search="A_B") == ["a_b"]
    assert _titles(ann, search="\\") == ["back\\slash"]
    assert _titles(ann, search="ärger") == ["ÄRGER"]
    assert _titles(ann, search="SURE") == ["1000 sure", "100% sure"]
    assert _titles(ann, search="nowhere") == []
    assert _titles(ann, search="\x00") == _titles(ann)
    found = ann.get(PATH, params={"search": "portfolio</i>"}).json()["data"]
    assert [(row["title"], row["excerpt"]) for row in found] == [
        ("Something else", "What is <i>portfolio</i> DIVERSIFICATION, please?")
    ]
    assert ann.get(PATH, params={"search": "100%"}).json()["data"][0]["excerpt"] is None


def test_the_list_is_paged_latest_first(ann: httpx2.Client) -> None:
    for number in range(5):
        _made(ann, f"Number {number}")
    seen, cursor = [], None
    while True:
        asked: dict[str, Any] = {"limit": 2, "search": "number", **({"cursor": cursor} if cursor else {})}
        page = ann.get(PATH, params=asked).json()
        seen += [row["title"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"Number {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("call", CALLS)
def test_the_conversation_of_a_colleague_a_stranger_or_another_organisation_is_not_found(
    live_api: Api, basic: httpx2.Client, call: str
) -> None:
    path = f"{PATH}/{_made(basic)}"
    colleague = live_api.member("colleague", plan="basic", org="basic's organisation", role=Role.ADMIN)
    elsewhere = live_api.member("basic", org="another organisation")
    for other in (colleague, elsewhere, live_api.member("stranger")):
        with live_api.client(other) as client:
            assert_problem(CALLS[call](client, path), 404, "not_found")
            assert _titles(client, search="conversation") == []
    assert basic.get(path).json()["title"] == "New conversation"
    for nonsense in (str(uuid4()), "nonsense", "1' OR '1'='1"):
        assert_problem(CALLS[call](basic, f"{PATH}/{nonsense}"), 404, "not_found")


@pytest.mark.parametrize("title", ["", "  \n ", "x" * 201, "x" * 10_000, "a\x00b", "a\u202eb", "a\ud800", 7, None])
def test_a_title_that_cannot_be_one_is_refused_in_a_sentence(ann: httpx2.Client, title: object) -> None:
    conversation = _made(ann, "As it was")
    body = json.dumps({"title": title}).encode()
    refused = ann.patch(f"{PATH}/{conversation}", content=body, headers={"Content-Type": "application/json"})
    assert "title" in str(assert_problem(refused, 422, "invalid_request")["detail"])
    if title is not None:
        refused = ann.post(PATH, content=body, headers={"Content-Type": "application/json"})
        assert_problem(refused, 422, "invalid_request")
    assert _titles(ann) == ["As it was"]


def test_what_is_asked_for_wrongly_is_refused(ann: httpx2.Client) -> None:
    for asked in ({"limit": 0}, {"limit": 201}, {"search": "x" * 201}, {"cursor": "x"}, {"sort": "title"}):
        assert_problem(ann.get(PATH, params=asked), 422, "invalid_request")
    body = {"message": QUESTION, "conversation_id": str(uuid4())}
    assert_problem(ann.post(f"{PATH}/{_made(ann)}/messages", json=body), 422, "invalid_request")
    assert_problem(ann.put(PATH, json={}), 405, "method_not_allowed")


def test_who_bears_no_token_learns_nothing(api: Api) -> None:
    with api.client() as stranger:
        assert_problem(stranger.get(PATH), 401, "unauthenticated")
        for call in CALLS.values():
            assert_problem(call(stranger, f"{PATH}/{uuid4()}"), 401, "unauthenticated")


def test_a_token_to_read_lists_and_opens_and_does_nothing_else(live_api: Api, basic: httpx2.Client) -> None:
    basic_member = live_api.member("basic", plan="basic")
    path, tokens = f"{PATH}/{_made(basic)}", live_api.workbench.tokens
    token = tokens.create(replace(basic_member, via="session"), "reads", scopes=[Scope.READ], days=1)
    with httpx2.Client(base_url=live_api.base_url, headers={"Authorization": f"Bearer {token}"}) as reads:
        assert reads.get(path).status_code == 200
        assert _titles(reads) == ["New conversation"]
        assert_problem(reads.post(PATH, json={}), 403, "forbidden")
        for call in ("patch", "delete", "ask", "stream"):
            assert_problem(CALLS[call](reads, path), 403, "forbidden")


def test_a_viewer_reads_and_tidies_up_but_neither_opens_nor_asks(live_api: Api, service: Service) -> None:
    vic = live_api.member("vic", plan="basic")
    exchange = live_api.workbench.assistant.ask(vic, QUESTION)
    exchange.session.result()
    service.execute("UPDATE memberships SET role = 'viewer' WHERE user_id = %s", (vic.user_id,))
    path = f"{PATH}/{exchange.conversation_id}"
    with live_api.client(vic) as viewer:
        assert viewer.get(path).status_code == 200
        assert viewer.patch(path, json={"title": "Read"}).status_code == 200
        assert_problem(viewer.post(PATH, json={}), 403, "forbidden")
        assert_problem(CALLS["ask"](viewer, path), 403, "forbidden")
        assert viewer.delete(path).status_code == 204


def test_the_cost_counts_replaced_and_cut_answers_and_tells_lost_ones_apart(
    live_api: Api, basic: httpx2.Client, basic_member: Principal, chat_server: ChatServer, move_time: MoveTime
) -> None:
    assistant = live_api.workbench.assistant
    first = basic.post("/ai/chat", json={"message": QUESTION, "model": MODEL}).json()
    conversation = UUID(first["conversation_id"])
    path = f"{PATH}/{conversation}"
    again = assistant.regenerate(basic_member, conversation, model=MODEL).session.result()
    cost = _cost(basic, path)
    assert Decimal(cost["charged_usd"]) == Decimal(first["cost_usd"]) + again.cost_usd

    chat_server.reply(text="one two three four", hangs="between_tokens")
    with assistant.ask(basic_member, "And now?", conversation_id=conversation, model=MODEL).session as cut:
        next(iter(cut))
    eventually(lambda: Decimal(_cost(basic, path)["charged_usd"]) > Decimal(cost["charged_usd"]))
    assert (_cost(basic, path)["estimated"], _cost(basic, path)["unresolved_usd"]) == (True, "0")

    chat_server.reply(text="one two three four", hangs="between_tokens")
    with assistant.ask(basic_member, "And then?", conversation_id=conversation, model=MODEL).session as lost:
        next(iter(lost))
        move_time(timedelta(minutes=10))
    eventually(lambda: Decimal(_cost(basic, path)["unresolved_usd"]) > 0)
    month = live_api.workbench.usage.overview(basic_member).allowances["charge_usd_month"].used
    assert Decimal(_cost(basic, path)["charged_usd"]) == month


def _cost(client: httpx2.Client, path: str) -> dict[str, Any]:
    cost: dict[str, Any] = client.get(path).json()["cost"]
    return cost


def _asked(client: httpx2.Client) -> tuple[str, str, str]:
    """A conversation with one question: its id, that of the question, and that of the answer."""
    answer = client.post("/ai/chat", json={"message": QUESTION, "model": MODEL}).json()
    question, said = client.get(f"{PATH}/{answer['conversation_id']}").json()["messages"]
    return answer["conversation_id"], question["id"], said["id"]


def test_a_reaction_is_put_shown_and_taken_back(basic: httpx2.Client) -> None:
    conversation, question, said = _asked(basic)
    path = f"{PATH}/{conversation}/messages/{said}/reaction"
    put = basic.put(path, json={"reaction": "down", "note": "Which day?"})
    assert put.status_code == 200, put.text
    assert {name: put.json()[name] for name in ("reaction", "note")} == {"reaction": "down", "note": "Which day?"}
    messages = basic.get(f"{PATH}/{conversation}").json()["messages"]
    assert [message["reaction"] for message in messages] == [None, put.json()]
    assert basic.put(path, json={"reaction": None}).json() == {"reaction": None, "note": None, "changed_at": None}
    basic.put(path, json={"reaction": "up"})
    for _ in range(2):
        assert basic.delete(path).status_code == 204
    assert basic.get(f"{PATH}/{conversation}").json()["messages"][1]["reaction"] is None
    assert_problem(basic.put(path, json={"reaction": "sideways"}), 422, "invalid_request")
    assert_problem(basic.put(path, json={"reaction": "up", "note": "x" * 2001}), 422, "invalid_request")
    for wrong in (f"{PATH}/{conversation}/messages/{question}/reaction", f"{PATH}/{uuid4()}/messages/{said}/reaction"):
        assert_problem(basic.put(wrong, json={"reaction": "up"}), 404, "not_found")
        assert_problem(basic.delete(wrong), 404, "not_found")


def test_a_conversation_branches_off(basic: httpx2.Client) -> None:
    conversation, _, said = _asked(basic)
    made = basic.post(f"{PATH}/{conversation}/branch", json={"message_id": said})
    assert made.status_code == 201, made.text
    assert (made.json()["title"], made.json()["branched_from"]) == (f"{QUESTION} (branch)", conversation)
    branch = basic.get(f"{PATH}/{made.json()['id']}").json()
    assert [message["text"] for message in branch["messages"]] == [
        message["text"] for message in basic.get(f"{PATH}/{conversation}").json()["messages"]
    ]
    assert branch["cost"]["charged_usd"] == "0"
    for message in (str(uuid4()), "x"):
        answer = basic.post(f"{PATH}/{conversation}/branch", json={"message_id": message})
        assert_problem(answer, 404, "not_found")


def test_a_conversation_is_exported(basic: httpx2.Client) -> None:
    conversation, _, said = _asked(basic)
    markdown = basic.get(f"{PATH}/{conversation}/export")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["content-disposition"].startswith('attachment; filename="what-is-portfolio-diversificatio')
    assert markdown.text.startswith(f"# {QUESTION}\n")
    whole = basic.get(f"{PATH}/{conversation}/export", params={"format": "json"})
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["messages"][1]["id"] == said
    assert whole.json()["cost"] == basic.get(f"{PATH}/{conversation}").json()["cost"]
    assert_problem(basic.get(f"{PATH}/{conversation}/export", params={"format": "pdf"}), 422, "invalid_request")


def test_what_others_said_is_neither_branched_off_from_nor_exported_nor_reacted_to(live_api: Api) -> None:
    owner = live_api.member("ann", plan="team", org="Acme")
    with live_api.client(owner) as ann:
        conversation, _, said = _asked(ann)
    for other in (live_api.member("ben", plan="team", org="Acme", role=Role.ADMIN), live_api.member("eve")):
        with live_api.client(other) as client:
            for answer in (
                client.post(f"{PATH}/{conversation}/branch", json={"message_id": said}),
                client.get(f"{PATH}/{conversation}/export"),
                client.put(f"{PATH}/{conversation}/messages/{said}/reaction", json={"reaction": "up"}),
                client.delete(f"{PATH}/{conversation}/messages/{said}/reaction"),
            ):
                assert_problem(answer, 404, "not_found")
