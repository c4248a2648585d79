"""`/api/ai/large-requests` over a socket: taken at once, worked off by a worker, read page by page."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import pytest

from core.research.large_requests import HINT
from tests.core.http.conftest import MODEL, Api, assert_problem
from tests.core.research.large_made import working

PATH = "/ai/large-requests"


def _given(number: int, **parameters: object) -> dict[str, Any]:
    items = [f"What is term {each}?" for each in range(number)]
    return {"kind": "completion", "items": items, "parameters": {"model": MODEL, **parameters}}


def _ended(client: httpx2.Client, request_id: str) -> dict[str, Any]:
    until = time.monotonic() + 30
    while True:
        content: dict[str, Any] = client.get(f"{PATH}/{request_id}").json()
        if content["ended_at"] is not None:
            return content
        assert time.monotonic() < until, content
        time.sleep(0.05)


def test_a_large_request_is_taken_and_worked_off(live_api: Api, basic: httpx2.Client) -> None:
    taken = basic.post(PATH, json=_given(7))
    assert taken.status_code == 202, taken.text
    head = taken.json()
    assert (head["status"], head["total"], head["waiting"], head["cost_usd"]) == ("waiting", 7, 7, "0")
    with working(live_api.workbench):
        ended = _ended(basic, head["id"])
    assert basic.get(f"/jobs/{head['job_id']}").json()["kind"] == "large_request"
    assert (ended["status"], ended["done"], ended["failed"], ended["waiting"]) == ("done", 7, 0, 0)
    assert float(ended["cost_usd"]) > 0
    numbers: list[int] = []
    cursor = None
    while True:
        asked = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = basic.get(f"{PATH}/{head['id']}/results", params=asked).json()
        numbers += [row["number"] for row in page["data"]]
        assert all(row["text"] and row["vector"] is None and row["model"] == MODEL for row in page["data"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert numbers == [1, 2, 3, 4, 5, 6, 7]
    again = basic.post(f"{PATH}/{head['id']}/retry")
    assert (again.status_code, again.json()["job_id"]) == (202, None)
    assert basic.delete(f"{PATH}/{head['id']}").status_code == 204
    for answer in (
        basic.get(f"{PATH}/{head['id']}"),
        basic.get(f"{PATH}/{head['id']}/results"),
        basic.post(f"{PATH}/{head['id']}/retry"),
        basic.delete(f"{PATH}/{head['id']}"),
        basic.get(f"{PATH}/nonsense"),
    ):
        assert_problem(answer, 404, "not_found")


def test_vectors_are_given_as_numbers(live_api: Api, basic: httpx2.Client) -> None:
    given = {"kind": "embedding", "items": ["one", "two"], "parameters": {"dimensions": 8}}
    taken = basic.post(PATH, json=given)
    assert taken.status_code == 202, taken.text
    with working(live_api.workbench):
        _ended(basic, taken.json()["id"])
    rows = basic.get(f"{PATH}/{taken.json()['id']}/results", params={"state": "done"}).json()["data"]
    assert [len(row["vector"]) for row in rows] == [8, 8]
    assert [row["text"] for row in rows] == [None, None]


def test_a_key_takes_it_once(basic: httpx2.Client) -> None:
    key = {"Idempotency-Key": "mine"}
    first = basic.post(PATH, json=_given(2), headers=key).json()
    spelt_anew = json.dumps(_given(2), indent=1)
    again = basic.post(PATH, content=spelt_anew, headers={**key, "Content-Type": "application/json"})
    assert (again.status_code, again.json()["id"], again.json()["job_id"]) == (202, first["id"], None)
    assert_problem(basic.post(PATH, json=_given(3), headers=key), 409, "conflict")
    assert_problem(basic.post(PATH, json=_given(2), headers={"Idempotency-Key": ""}), 422, "invalid_request")


def test_ten_megabytes_are_taken_and_more_is_not(basic: httpx2.Client) -> None:
    large = _given(1)
    large["items"] = ["x" * 990] * 10_000
    body = json.dumps(large)
    assert 9_000_000 < len(body) < 10_000_000
    taken = basic.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert taken.status_code == 202, taken.text
    assert taken.json()["total"] == 10_000
    assert basic.delete(f"{PATH}/{taken.json()['id']}").status_code == 204
    large["items"] = ["x" * 1100] * 10_000
    answer = basic.post(PATH, content=json.dumps(large), headers={"Content-Type": "application/json"})
    assert_problem(answer, 413, "payload_too_large")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "image"}, "kind"),
        ({"items": []}, "1 to 10,000 items"),
        ({"items": "x"}, "items"),
        ({"items": ["x", 5]}, "Item 2 is not a text"),
        ({"items": ["x"] * 10_001}, "this one has 10,001"),
        ({"parameters": {"colour": 1}}, "colour"),
        ({"parameters": {"temperature": 3}}, "temperature"),
        ({"colour": 1}, "colour"),
    ],
    ids=range(8),
)
def test_what_cannot_be_taken_is_told(basic: httpx2.Client, change: dict[str, Any], words: str) -> None:
    problem = assert_problem(basic.post(PATH, json={**_given(1), **change}), 422, "invalid_request")
    assert words in str(problem["detail"])


def test_what_is_no_json_is_told(basic: httpx2.Client) -> None:
    for content in (b"", b"{", b"[]", b'{"kind": NaN}', b"\xff"):
        answer = basic.post(PATH, content=content, headers={"Content-Type": "application/json"})
        assert_problem(answer, 422, "invalid_request")
    assert_problem(basic.post(PATH, content=b"{}", headers={"Content-Type": "text/plain"}), 422, "invalid_request")


def test_others_requests_are_not_found(live_api: Api, basic: httpx2.Client) -> None:
    request_id = basic.post(PATH, json=_given(1)).json()["id"]
    with live_api.client(live_api.member("eve")) as eve:
        for answer in (
            eve.get(f"{PATH}/{request_id}"),
            eve.get(f"{PATH}/{request_id}/results"),
            eve.post(f"{PATH}/{request_id}/retry"),
            eve.delete(f"{PATH}/{request_id}"),
        ):
            assert_problem(answer, 404, "not_found")


def test_a_call_that_is_too_large_says_where_it_can_be_sent(basic: httpx2.Client) -> None:
    too_large = {"prompt": "x" * 1_100_000}
    problem = assert_problem(basic.post("/ai/completions", json=too_large), 413, "payload_too_large")
    assert HINT in str(problem["detail"])
    problem = assert_problem(basic.post("/ai/embeddings", json={"input": ["x"] * 2_049}), 422, "invalid_request")
    assert HINT in str(problem["detail"])
