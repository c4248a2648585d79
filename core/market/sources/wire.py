"""Asks over HTTP for every source: one pool of connections, one time limit and one limit of size for a whole request.

It stands on Python's own HTTP client: a request costs a third of the CPU that it does with httpx2, and its reads are
held to a deadline, where a limit for each read lets a server that sends a byte a second go on for ever
(docs/decisions/0008-sources-over-one-wire.md).

Nothing here raises or logs an address, a header or a word of an answer: a key may stand in any of them.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property
from http.client import HTTPException
from typing import Protocol

import httpx2

from core.clock import Clock
from core.market.sources.addresses import Addresses
from core.market.sources.connection import Answer, Connection, Deadline, Garbled, Host, Stale, TooSlow, Unreachable

LIMIT_S = 5.0
"""Longest time a request may take in all, from the search for the address to the last byte."""
MEBIBYTE = 1024 * 1024
MAX_BYTES = 4 * MEBIBYTE
"""Largest answer, packed or unpacked, unless a call says otherwise."""
MAX_CONNECTIONS = 200
"""Requests under way in one process."""
MAX_IDLE = 100
"""Idle connections kept to one host."""
IDLE_LIFE_S = 30.0


class Fetch(Protocol):
    """One GET request; a browser's likeness serves for a source that wants one."""

    def __call__(self, url: str, headers: Mapping[str, str], max_bytes: int) -> Answer:
        """The answer to `url`, redirects included, which are never followed."""
        ...


class Wire:
    """Pooled connections to all hosts, safe for many threads."""

    def __init__(self, clock: Clock, *, limit_s: float = LIMIT_S, tls: ssl.SSLContext | None = None) -> None:
        self.limit_s = limit_s
        self._clock = clock
        self._given_tls = tls
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: dict[Host, deque[Connection]] = {}
        self._addresses = Addresses(clock)
        self._is_closed = False

    def get(self, url: str, headers: Mapping[str, str], max_bytes: int = MAX_BYTES) -> Answer:
        """The answer to one GET request.

        Raises:
            WireError: none came, or not within the limits.
        """
        host, target = Host.of(url)
        request = _request(host, target, headers)
        deadline = Deadline(self._clock, self.limit_s)
        if not self._slots.acquire(timeout=deadline.left_s()):
            raise TooSlow
        try:
            with _translated():
                return self._asked(host, request, deadline, max_bytes)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Closes what is idle; requests under way end as they would."""
        with self._lock:
            self._is_closed = True
            kept = [connection for pool in self._idle.values() for connection in pool]
            self._idle.clear()
        for connection in kept:
            connection.close()

    def _asked(self, host: Host, request: bytes, deadline: Deadline, max_bytes: int) -> Answer:
        connection = self._kept(host)
        if connection is not None:
            with contextlib.suppress(Stale):
                return self._spoken(connection, request, deadline, max_bytes)
        return self._spoken(self._opened(host, deadline), request, deadline, max_bytes)

    def _spoken(self, connection: Connection, request: bytes, deadline: Deadline, max_bytes: int) -> Answer:
        try:
            answer, is_reusable = connection.exchange(request, deadline, max_bytes)
        except BaseException:
            connection.close()
            raise
        if not (is_reusable and self._keep(connection)):
            connection.close()
        return answer

    def _kept(self, host: Host) -> Connection | None:
        """The idle connection used last, unless the host has closed it meanwhile."""
        oldest = self._clock.monotonic() - IDLE_LIFE_S
        while True:
            with self._lock:
                pool = self._idle.get(host)
                if not pool:
                    return None
                connection = pool.pop()
            if connection.idle_since > oldest and not connection.is_readable():
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> bool:
        connection.idle_since = self._clock.monotonic()
        with self._lock:
            pool = self._idle.setdefault(connection.host, deque())
            if self._is_closed or len(pool) >= MAX_IDLE:
                return False
            pool.append(connection)
            return True

    def _opened(self, host: Host, deadline: Deadline) -> Connection:
        addresses = self._addresses.of(host, deadline)
        failure: OSError | None = None
        for tried, (family, address) in enumerate(addresses):
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                # Each address has its share of the time, so that one that swallows packets leaves some to the next.
                plain.settimeout(deadline.left_s() / (len(addresses) - tried))
                plain.connect(address)
                return Connection(host, self._secured(plain, host, deadline))
            except OSError as error:
                plain.close()
                failure = error
            except BaseException:
                plain.close()
                raise
        raise failure or Unreachable

    def _secured(self, plain: socket.socket, host: Host, deadline: Deadline) -> socket.socket:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not host.is_tls:
            return plain
        plain.settimeout(deadline.left_s())
        return self._tls.wrap_socket(plain, server_hostname=host.name)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = self._given_tls or httpx2.create_ssl_context()
        context.set_alpn_protocols(["http/1.1"])
        return context


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise TooSlow from None
    except OSError:
        raise Unreachable from None
    except (HTTPException, ValueError, zlib.error):
        raise Garbled from None


def _request(host: Host, target: str, headers: Mapping[str, str]) -> bytes:
    lines = {"Host": host.header, "Accept-Encoding": "gzip", "User-Agent": "Assay", **headers}
    text = f"GET {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    # A line break or a control character in a value would be a header of somebody else's making.
    if not text.isascii() or not all(piece.isprintable() for piece in (*lines, *lines.values())):
        raise Garbled
    return text.encode("ascii")
