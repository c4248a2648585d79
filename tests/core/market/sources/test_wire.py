"""One pool of connections for all sources: kept, shared, bounded in time and size, and closed."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.market.sources import wire as wire_module
from core.market.sources.connection import Answer, Garbled, TooLarge, TooSlow, Unreachable, WireError
from core.market.sources.wire import Wire
from tests.fakes.market_server import MarketServer, Reply, closed_port
from tests.fakes.tls import contexts_for_localhost


@pytest.fixture
def wire() -> Iterator[Wire]:
    with closing(Wire(SystemClock())) as opened:
        yield opened


def _get(wire: Wire, server: MarketServer) -> Answer:
    return wire.get(f"{server.url}/stable/quote?symbol=ACME", {})


def test_a_connection_serves_one_request_after_the_other(wire: Wire, market_server: MarketServer) -> None:
    for _ in range(5):
        assert _get(wire, market_server).status == 200
    assert market_server.connections == 1


def test_requests_at_once_have_a_connection_each_and_keep_them(wire: Wire, market_server: MarketServer) -> None:
    market_server.reply("fmp", delay_s=0.1)
    with ThreadPoolExecutor(20) as threads:
        for _ in range(2):
            answers = list(threads.map(lambda _: _get(wire, market_server), range(20)))
            assert {answer.status for answer in answers} == {200}
    assert market_server.connections <= 21


def test_a_connection_that_the_host_closed_meanwhile_is_replaced(wire: Wire) -> None:
    with _scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", per_connection=1) as (url, connections):
        for _ in range(3):
            assert wire.get(url, {}).body == b"ok"
        assert len(connections) == 3


def test_a_connection_that_is_closed_as_we_write_is_replaced_once(wire: Wire) -> None:
    """The host lets the second request in and hangs up on it without a byte: it had closed before it saw anything."""
    with _scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", per_connection=1, hangs_up_late=True) as (
        url,
        seen,
    ):
        assert wire.get(url, {}).body == b"ok"
        assert wire.get(url, {}).body == b"ok"
        assert len(seen) == 2


def test_a_new_connection_that_is_hung_up_on_is_a_failure(wire: Wire, market_server: MarketServer) -> None:
    market_server.reply("fmp", hangs_up=True)
    with pytest.raises(WireError):
        _get(wire, market_server)
    assert len(market_server.requests) == 1, "whoever answers nothing is not asked again here"


def test_an_old_idle_connection_is_not_trusted(market_server: MarketServer) -> None:
    clock = _Clock()
    with closing(Wire(clock)) as wire:
        _get(wire, market_server)
        clock.elapsed_s += wire_module.IDLE_LIFE_S + 1
        _get(wire, market_server)
    assert market_server.connections == 2


def test_a_connection_with_an_unread_rest_is_not_used_again(wire: Wire, market_server: MarketServer) -> None:
    market_server.script.extend([Reply(body=b"x" * 2_000_000), Reply()])
    with pytest.raises(TooLarge):
        wire.get(f"{market_server.url}/stable/quote?symbol=ACME", {}, 1_000_000)
    assert _get(wire, market_server).status == 200
    assert market_server.connections == 2


@pytest.mark.parametrize("is_announced", [True, False])
def test_the_largest_answer_is_taken_and_one_byte_more_is_not(is_announced: bool, wire: Wire) -> None:
    length = b"Content-Length: 100\r\n" if is_announced else b"Connection: close\r\n"
    with _scripted(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + b"x" * 100, per_connection=1) as (url, _):
        assert len(wire.get(url, {}, 100).body) == 100
        with pytest.raises(TooLarge):
            wire.get(url, {}, 99)


def test_a_flood_is_left_as_soon_as_it_is_too_large(wire: Wire, market_server: MarketServer) -> None:
    market_server.reply("fmp", megabytes=2_000)
    start = time.monotonic()
    with pytest.raises(TooLarge):
        _get(wire, market_server)
    assert time.monotonic() - start < 3.0


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab",
    ],
)
def test_what_is_no_whole_answer_is_a_failure(answer: bytes, wire: Wire) -> None:
    with _scripted(answer, per_connection=1) as (url, _), pytest.raises((Garbled, Unreachable)):
        wire.get(url, {})


@pytest.mark.parametrize("url", ["ftp://localhost/", "http://", "http://[::1", "http://localhost:port/", "data", ""])
def test_what_is_no_address_on_the_web_is_unreachable(url: str, wire: Wire) -> None:
    with pytest.raises(Unreachable):
        wire.get(url, {})


@pytest.mark.parametrize("value", ["a\r\nX-Forged: 1", "a\nb", "a\0b", "é"])
def test_a_header_cannot_forge_another(value: str, wire: Wire, market_server: MarketServer) -> None:
    with pytest.raises(WireError):
        wire.get(market_server.url, {"X-Key": value})
    with pytest.raises(WireError):
        wire.get(f"{market_server.url}/{value}", {})
    assert not market_server.requests


def test_nobody_listening_is_unreachable(wire: Wire) -> None:
    with closed_port() as url, pytest.raises(Unreachable):
        wire.get(url, {})


def test_a_search_for_an_address_that_takes_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def search(*_: object, **__: object) -> list[object]:
        is_over.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", search)
    with closing(Wire(SystemClock(), limit_s=0.1)) as wire:
        start = time.monotonic()
        with pytest.raises(TooSlow):
            wire.get("http://slow.example/", {})
        assert time.monotonic() - start < 3.0
    is_over.set()


def test_an_address_is_searched_once_for_all_who_wait(
    wire: Wire, market_server: MarketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[object] = []
    real = socket.getaddrinfo

    def search(host: str, port: int, **options: int) -> object:
        searches.append(host)
        time.sleep(0.05)
        return real("127.0.0.1", port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", search)
    url = market_server.url.replace("127.0.0.1", "one.example") + "/stable/quote?symbol=ACME"
    with ThreadPoolExecutor(10) as threads:
        assert {answer.status for answer in threads.map(lambda _: wire.get(url, {}), range(10))} == {200}
    assert searches == ["one.example"]


def test_a_host_whose_first_address_is_dead_is_reached_at_its_second(
    market_server: MarketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(market_server.url.rpartition(":")[2])
    dead, alive = ("127.0.0.2", port), ("127.0.0.1", port)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (dead, alive)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with closing(Wire(SystemClock())) as wire:
        assert wire.get(f"http://two.example:{port}/stable/quote?symbol=ACME", {}).status == 200


def test_more_requests_than_connections_wait_for_their_turn_and_no_longer_than_the_limit(
    market_server: MarketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "MAX_CONNECTIONS", 1)
    market_server.reply("fmp", hangs="headers")
    with closing(Wire(SystemClock(), limit_s=0.2)) as wire, ThreadPoolExecutor(2) as threads:
        start = time.monotonic()
        waiting = [threads.submit(_get, wire, market_server) for _ in range(2)]
        for request in waiting:
            with pytest.raises(TooSlow):
                request.result()
        assert time.monotonic() - start < 3.0


def test_a_certificate_that_nobody_vouches_for_is_refused_and_one_that_is_known_is_not(tmp_path: Path) -> None:
    served, trusting = contexts_for_localhost(tmp_path)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with _scripted(answer, per_connection=9, tls=served) as (url, connections):
        with closing(Wire(SystemClock(), tls=trusting)) as wire:
            assert wire.get(url, {}).body == b"ok"
            assert wire.get(url, {}).body == b"ok"
            assert len(connections) == 1
        with closing(Wire(SystemClock())) as wire, pytest.raises(Unreachable):
            wire.get(url, {})
        with closing(Wire(SystemClock(), tls=trusting)) as wire, pytest.raises(Unreachable):
            wire.get(url.replace("localhost", "127.0.0.1"), {})


def test_a_handshake_that_never_comes_is_left() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(Wire(SystemClock(), limit_s=0.2)) as wire,
        pytest.raises(TooSlow),
    ):
        wire.get(f"https://127.0.0.1:{silent.getsockname()[1]}/", {})


def test_closing_closes_what_is_idle_and_keeps_nothing_after(market_server: MarketServer) -> None:
    wire = Wire(SystemClock())
    _get(wire, market_server)
    wire.close()
    _get(wire, market_server)
    _get(wire, market_server)
    assert market_server.connections == 3


@dataclass
class _Clock:
    elapsed_s: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() + self.elapsed_s


@contextmanager
def _scripted(
    answer: bytes, *, per_connection: int, hangs_up_late: bool = False, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[socket.socket]]]:
    """A server of raw bytes: its URL, and the connections it has had.

    It closes a connection after so many answers; with `hangs_up_late` the first of them only when one more is asked.
    """
    connections: list[socket.socket] = []

    def serve(connection: socket.socket, *, is_first: bool) -> None:
        with (
            contextlib.suppress(OSError),
            connection if tls is None else tls.wrap_socket(connection, server_side=True) as spoken,
        ):
            for _ in range(per_connection):
                if not _request(spoken):
                    return
                spoken.sendall(answer)
            if hangs_up_late and is_first:
                spoken.recv(1)

    def accept(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                is_first = len(connections) == 1
                threading.Thread(target=serve, args=(connection,), kwargs={"is_first": is_first}, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        yield f"http{'s' if tls else ''}://localhost:{listening.getsockname()[1]}/", connections
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _request(connection: socket.socket) -> bytes:
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        piece = connection.recv(4096)
        if not piece:
            return b""
        read += piece
    return read
