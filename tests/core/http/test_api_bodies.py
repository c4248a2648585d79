"""Bodies that are no question: each gets one clear sentence, and nothing is counted."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.core.http.conftest import Api, assert_problem

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _nothing_is_counted(ann: httpx2.Client) -> Iterator[None]:
    yield
    used = ann.get("/user/usage").json()["usage"]
    assert used["daily"]["chatQueries"]["used"] == used["monthly"]["requests"]["used"] == 0


OF_ANOTHER_FORM: list[tuple[object, str]] = [
    ({}, "The field message is missing."),
    ({"message": 5}, "The field message must be a text."),
    ({"message": None}, "The field message must be a text."),
    ({"message": ["hello"]}, "The field message must be a text."),
    ({"message": "hi", "model": 7}, "The field model must be a text."),
    ({"message": "hi", "model": ""}, "The field model must not be empty."),
    ({"message": "hi", "stream": "true"}, "The field stream must be true or false."),
    ({"message": "hi", "stream": 1}, "The field stream must be true or false."),
    ({"message": "hi", "conversation_id": 12}, "The field conversation_id must be a text."),
    (
        {"message": "hi", "tools": []},
        "There is no field tools here, or it is not supported yet.",
    ),
    ({"message": "hi", "template_id": 5}, "The field template_id must be a text."),
    ({"message": "hi", "tempr\x00": 1}, "There is no field tempr here, or it is not supported yet."),
    ({"message": "hi", "\ud800": 1}, "The field body holds characters that are not text."),
    ({"message": "hi", "x" * 9999: 1}, f"There is no field {'x' * 60}… here, or it is not supported yet."),
    ({str(number): 1 for number in range(101)}, "The body has more than 100 fields."),
    ([], "The body must be a JSON object."),
    ("hello", "The body must be a JSON object."),
    (None, "The body must be a JSON object."),
]
NOT_JSON = [
    (b"", "The body is not valid JSON."),
    (b"{", "The body is not valid JSON."),
    (b'{"message": "hi",}', "The body is not valid JSON."),
    (b'{"message": NaN}', "The body is not valid JSON."),
    (b'{"message": Infinity}', "The body is not valid JSON."),
    (b'{"message": ' + b"9" * 5000 + b"}", "The body is not valid JSON."),
    (b'{"message": "\xff"}', "The body is not valid UTF-8."),
    ("{}".encode("utf-16"), "The body is not valid UTF-8."),
    (b'{"message": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "The body is nested too deeply."),
]


def test_a_body_of_another_form_is_refused_by_name(ann: httpx2.Client) -> None:
    for body, sentence in OF_ANOTHER_FORM:
        answer = ann.post("/ai/chat", content=json.dumps(body), headers=JSON)
        assert assert_problem(answer, 422, "invalid_request")["detail"] == sentence


def test_what_is_not_json_is_refused(ann: httpx2.Client) -> None:
    for body, sentence in NOT_JSON:
        answer = ann.post("/ai/chat", content=body, headers=JSON)
        assert assert_problem(answer, 422, "invalid_request")["detail"] == sentence


def test_another_content_type_is_refused(ann: httpx2.Client) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = ann.post("/ai/chat", content=b'{"message": "hi"}', headers={"Content-Type": content_type})
        assert "application/json" in str(assert_problem(answer, 422, "invalid_request")["detail"])


def test_a_prompt_that_is_none_is_rejected(ann: httpx2.Client) -> None:
    for message in ("", "  \n\t ", "x" * 20_001, "a\x00b", "\ud800"):
        answer = ann.post("/ai/chat", content=json.dumps({"message": message}), headers=JSON)
        assert_problem(answer, 422, "prompt_rejected")
        assert answer.headers["x-plan"] == "free"


def test_what_is_not_there_is_not_found(ann: httpx2.Client) -> None:
    for given in (
        {"conversation_id": "not-an-id"},
        {"conversation_id": "00000000-0000-0000-0000-000000000000"},
        {"model": "gpt-99"},
        {"model": "x" * 10_000},
    ):
        for stream in (False, True):
            answer = ann.post("/ai/chat", json={"message": "hello", "stream": stream, **given})
            assert_problem(answer, 404, "not_found")


def test_a_body_that_says_it_is_too_large_is_not_read(api: Api, ann: httpx2.Client) -> None:
    with _sent(api, ann, b"Content-Length: 1048577\r\n\r\n") as connection:
        assert _status(connection) == 413


def test_a_chunked_body_is_cut_off_while_it_comes(api: Api, ann: httpx2.Client) -> None:
    with _sent(api, ann, b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        sent = 0
        try:
            for _ in range(4096):
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        assert sent < 64 * 1024 * 1024, "the server reads on"


def test_a_body_of_the_full_size_is_taken(ann: httpx2.Client) -> None:
    body = b'{"message": "' + b"x" * (1_048_576 - 15) + b'"}'
    assert len(body) == 1_048_576
    assert_problem(ann.post("/ai/chat", content=body, headers=JSON), 422, "prompt_rejected")
    too_large = ann.post("/ai/chat", content=body + b" ", headers=JSON)
    assert_problem(too_large, 413, "payload_too_large")


def test_a_body_that_never_comes_is_not_waited_for(
    api: Api, ann: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.limits.BODY_WAIT_S", 0.2)
    started = time.monotonic()
    with _sent(api, ann, b"Content-Length: 100\r\n\r\n{") as connection:
        assert _status(connection) == 422
        assert connection.recv(65536) == b"" or time.monotonic() - started < 5


def _sent(api: Api, client: httpx2.Client, rest: bytes) -> socket.socket:
    """A raw connection on which the head of a chat call was sent."""
    address = urlsplit(api.base_url)
    assert address.hostname is not None
    assert address.port is not None
    connection = socket.create_connection((address.hostname, address.port), timeout=10)
    head = (
        "POST /api/ai/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['authorization']}\r\n"
    )
    connection.sendall(head.encode() + rest)
    return connection


def _status(connection: socket.socket) -> int:
    return int(connection.recv(65536).split(b" ", 2)[1])
