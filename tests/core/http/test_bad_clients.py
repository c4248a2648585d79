"""Clients that misbehave on the wire: slow, silent, endless; each is let go, and holds up nobody."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from core.metering.books import audit
from core.principal import Principal
from tests.core.http.conftest import MODEL, QUESTION, Api, eventually
from tests.fakes.chat_server import ChatServer

COSTLY: dict[str, dict[str, object]] = {
    "/api/ai/chat": {"message": QUESTION, "model": MODEL, "stream": True},
    "/v1/chat/completions": {
        "model": MODEL,
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
    },
    "/api/ai/completions": {"prompt": QUESTION, "model": MODEL},
    "/api/ai/embeddings": {"input": QUESTION},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": QUESTION},
}
STREAMED = [path for path, body in COSTLY.items() if body.get("stream")]
REFUSED = {"/api": 422, "/v1/": 400}
"""Status of what is no request, by wire format."""
Service = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def token(live_api: Api, basic_member: Principal) -> str:
    return live_api.token(basic_member)


@contextmanager
def _connected(api: Api, path: str, token: str, rest: bytes) -> Iterator[socket.socket]:
    """A raw connection on which the head of a POST was sent, and whatever follows it."""
    address = urlsplit(api.base_url)
    assert address.hostname is not None
    assert address.port is not None
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + rest)
        yield connection


@pytest.mark.parametrize("path", COSTLY)
def test_a_body_that_drips_is_given_up_in_time(
    live_api: Api, token: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.limits.BODY_WAIT_S", 0.3)
    started = time.monotonic()
    with _connected(live_api, path, token, b"Content-Length: 1000\r\n\r\n") as connection:
        connection.settimeout(0.05)
        answer = b""
        while b"\r\n\r\n" not in answer and time.monotonic() - started < 5:
            connection.sendall(b" ")
            try:
                answer += connection.recv(65536)
            except TimeoutError:
                continue
    assert int(answer.split(b" ", 2)[1]) == REFUSED[path[:4]]
    assert b"connection: close" in answer.lower()
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("path", COSTLY)
def test_a_body_that_says_it_is_too_large_is_not_read(live_api: Api, token: str, path: str) -> None:
    with _connected(live_api, path, token, b"Content-Length: 1048577\r\n\r\n") as connection:
        assert b" 413 " in connection.recv(65536)[:20]


@pytest.mark.parametrize("path", COSTLY)
def test_what_is_no_body_of_ours_is_refused_and_nothing_is_called(
    live_api: Api, basic_member: Principal, token: str, chat_server: ChatServer, path: str
) -> None:
    url, headers = f"{live_api.base_url.removesuffix('/api')}{path}", {"Authorization": f"Bearer {token}"}
    fine = json.dumps(COSTLY[path])
    deep = fine.removesuffix("}") + ', "deep": ' + "[" * 500 + "]" * 500 + "}"
    twice = fine.removesuffix("}") + ', "model": "gpt-4o", "model": "gpt-4o-mini"}'
    inside = '{"input": "x", "prompt": "x", "messages": [{"role": "user", "content": "a", "content": "b"}]}'
    for body in ("", "{", "null", "[]", '"x"', deep, twice, inside, fine + fine):
        for kind in ("application/json", "text/plain"):
            answer = httpx2.post(url, content=body, headers={**headers, "Content-Type": kind}, timeout=20)
            assert answer.status_code == REFUSED[path[:4]], (body[:80], answer.text)
            assert "Traceback" not in answer.text
    assert chat_server.calls == 0
    assert live_api.workbench.usage.overview(basic_member).allowances["requests_month"].used == 0


@pytest.mark.parametrize("path", STREAMED)
def test_a_client_that_never_reads_is_cut_off_and_its_call_settled(
    live_api: Api,
    token: str,
    chat_server: ChatServer,
    service: Service,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.http.streams.SEND_WAIT_S", 0.3)
    chat_server.reply(text=f"{'word' * 50_000} " * 100, delay_s=0.02)
    body = json.dumps(COSTLY[path]).encode()
    with _connected(live_api, path, token, b"Content-Length: %d\r\n\r\n%s" % (len(body), body)):
        assert chat_server.wait_for(disconnects=1)
        eventually(lambda: service.execute("SELECT status FROM usage_log").fetchall() == [("cut",)])
    assert audit(live_api.workbench.database).differences == []


@pytest.mark.parametrize("path", COSTLY)
def test_a_client_that_leaves_before_its_answer_ends_the_call(
    live_api: Api, token: str, chat_server: ChatServer, service: Service, path: str
) -> None:
    chat_server.reply(hangs="headers")
    body = json.dumps(COSTLY[path]).encode()
    with _connected(live_api, path, token, b"Content-Length: %d\r\n\r\n%s" % (len(body), body)):
        assert chat_server.wait_for(calls=1)
    assert chat_server.wait_for(disconnects=1)
    open_holds = "SELECT count(*) FROM holds WHERE state IN ('reserved', 'in_flight')"
    eventually(lambda: service.execute(open_holds).fetchone() == (0,))
    assert audit(live_api.workbench.database).differences == []


def test_slow_clients_hold_up_nobody(live_api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.http.limits.BODY_WAIT_S", 3.0)
    paths = [*COSTLY] * 10
    held = [_connected(live_api, path, token, b"Content-Length: 1000\r\n\r\n{") for path in paths]
    for connection in held:
        connection.__enter__()
    started = time.monotonic()
    answer = httpx2.get(f"{live_api.v1_url}/models", headers={"Authorization": f"Bearer {token}"}, timeout=20)
    assert answer.status_code == 200
    assert time.monotonic() - started < 2
    for connection in held:
        connection.__exit__(None, None, None)
