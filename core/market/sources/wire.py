"""Asks over HTTP for every source: one pool of connections, one time limit and one limit of size for a whole request.

It stands on Python's own HTTP client, which costs a quarter of a millisecond of CPU a request, an eighth of what
httpx2 does when 100 are under way; and its reads can be held to a deadline, where a limit for each read lets a server
that sends a byte a second go on for ever (docs/decisions/0008-sources-over-one-wire.md).

Nothing here raises or logs an address, a header or a word of an answer: a key may stand in any of them.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import httpx2

from core.clock import Clock

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
ADDRESS_LIFE_S = 60.0
"""How long an address once found is used."""
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = field(repr=False)


class WireError(Exception):
    """No whole answer came; it holds neither an address nor anything that was sent."""

    sentence = "unreachable"
    """Which sentence of `core.market.sources.remote` tells it."""


class TooSlow(WireError):
    """The time limit of the whole request is over."""

    sentence = "too_slow"


class TooLarge(WireError):
    """The answer is larger than its limit."""

    sentence = "too_large"


class Unreachable(WireError):
    """No connection, or one that broke."""


class Garbled(WireError):
    """What came is no whole HTTP answer."""

    sentence = "unreadable"


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
        self._idle: dict[_Host, deque[_Connection]] = {}
        self._addresses = _Addresses(clock)
        self._is_closed = False

    def get(self, url: str, headers: Mapping[str, str], max_bytes: int = MAX_BYTES) -> Answer:
        """The answer to one GET request.

        Raises:
            WireError: none came, or not within the limits.
        """
        host, target = _Host.of(url)
        request = _request(host, target, headers)
        deadline = _Deadline(self._clock, self.limit_s)
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

    def _asked(self, host: _Host, request: bytes, deadline: _Deadline, max_bytes: int) -> Answer:
        connection = self._kept(host)
        if connection is not None:
            with contextlib.suppress(_Stale):
                return self._spoken(connection, request, deadline, max_bytes)
        return self._spoken(self._opened(host, deadline), request, deadline, max_bytes)

    def _spoken(self, connection: _Connection, request: bytes, deadline: _Deadline, max_bytes: int) -> Answer:
        try:
            answer, is_reusable = connection.exchange(request, deadline, max_bytes)
        except BaseException:
            connection.close()
            raise
        if not (is_reusable and self._keep(connection)):
            connection.close()
        return answer

    def _kept(self, host: _Host) -> _Connection | None:
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

    def _keep(self, connection: _Connection) -> bool:
        connection.idle_since = self._clock.monotonic()
        with self._lock:
            pool = self._idle.setdefault(connection.host, deque())
            if self._is_closed or len(pool) >= MAX_IDLE:
                return False
            pool.append(connection)
            return True

    def _opened(self, host: _Host, deadline: _Deadline) -> _Connection:
        addresses = self._addresses.of(host, deadline)
        failure: OSError | None = None
        for tried, (family, address) in enumerate(addresses):
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                # Each address has its share of the time, so that one that swallows packets leaves some to the next.
                plain.settimeout(deadline.left_s() / (len(addresses) - tried))
                plain.connect(address)
                return _Connection(host, self._secured(plain, host, deadline))
            except OSError as error:
                plain.close()
                failure = error
            except BaseException:
                plain.close()
                raise
        raise failure or Unreachable

    def _secured(self, plain: socket.socket, host: _Host, deadline: _Deadline) -> socket.socket:
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


@dataclass(frozen=True, slots=True)
class _Host:
    """Whom a connection reaches."""

    name: str
    port: int
    is_tls: bool

    @classmethod
    def of(cls, url: str) -> tuple[_Host, str]:
        """The host of a URL, and what is asked of it."""
        if not (url.isascii() and url.isprintable()):  # the parser would drop a line break without a word
            raise Unreachable
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Unreachable from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable
        is_tls = parts.scheme == "https"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port or (443 if is_tls else 80), is_tls), target

    @property
    def header(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


class _Deadline:
    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + limit_s

    def left_s(self) -> float:
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TooSlow
        return left


class _Stale(Exception):
    """The host had closed an idle connection when we wrote to it: it saw nothing of the request."""


class _Connection:
    """One connection, whose reads are held to the deadline of the request it carries."""

    def __init__(self, host: _Host, raw: socket.socket) -> None:
        self.host = host
        self.idle_since = 0.0
        self._raw = raw
        self._is_used = False

    def exchange(self, request: bytes, deadline: _Deadline, max_bytes: int) -> tuple[Answer, bool]:
        """The answer, and whether the connection can carry another."""
        reader = _Reader(self._raw, deadline)
        response = HTTPResponse(cast(socket.socket, reader), method="GET")
        try:
            self._begin(request, deadline, response, reader)
            body = _body(response, deadline, max_bytes)
            is_reusable = response.isclosed() and not response.will_close
        finally:
            response.close()
        self._is_used = True
        return Answer(response.status, _by_name(response.headers), body), is_reusable

    def is_readable(self) -> bool:
        """Of an idle connection: the host has closed it, or speaks out of turn."""
        poll = select.poll()
        poll.register(self._raw, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        self._raw.close()

    def _begin(self, request: bytes, deadline: _Deadline, response: HTTPResponse, reader: _Reader) -> None:
        try:
            self._raw.settimeout(deadline.left_s())
            self._raw.sendall(request)
            response.begin()
        except (ConnectionError, HTTPException):
            if self._is_used and not reader.has_read:
                raise _Stale from None
            raise


class _Reader(io.RawIOBase):
    """Reads a socket up to a deadline; to the HTTP client it is the socket."""

    def __init__(self, raw: socket.socket, deadline: _Deadline) -> None:
        self.has_read = False
        self._raw = raw
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """As of a socket."""
        return io.BufferedReader(self, _PIECE)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a memoryview is what it is given
        self._raw.settimeout(self._deadline.left_s())
        count = self._raw.recv_into(buffer)
        self.has_read = self.has_read or count > 0
        return count


class _Addresses:
    """Where hosts are; a search is made once for all who wait for it, in a thread, since it knows no time limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._searches: dict[_Host, _Search] = {}

    def of(self, host: _Host, deadline: _Deadline) -> list[_Address]:
        with self._lock:
            search = self._searches.get(host)
            if search is None or search.is_over_since(self._clock.monotonic() - ADDRESS_LIFE_S):
                search = self._searches[host] = _Search(host, self._clock)
                threading.Thread(target=search.run, name=f"address of {host.name}", daemon=True).start()
        if not search.done.wait(deadline.left_s()):
            raise TooSlow
        if not search.found:
            raise Unreachable
        return search.found


_Address = tuple[int, tuple[Any, ...]]
"""A family of addresses, and what it takes to reach one."""


class _Search:
    def __init__(self, host: _Host, clock: Clock) -> None:
        self.done = threading.Event()
        self.found: list[_Address] = []
        self._host = host
        self._clock = clock
        self._ended_at = 0.0

    def is_over_since(self, moment: float) -> bool:
        """A search that found nothing serves those who waited for it, and nobody after them."""
        return self.done.is_set() and (not self.found or self._ended_at < moment)

    def run(self) -> None:
        try:
            answers = socket.getaddrinfo(self._host.name, self._host.port, type=socket.SOCK_STREAM)
            self.found = list(dict.fromkeys((family, address) for family, _, _, _, address in answers))
        except (OSError, UnicodeError):
            self.found = []
        finally:
            self._ended_at = self._clock.monotonic()
            self.done.set()


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


def _request(host: _Host, target: str, headers: Mapping[str, str]) -> bytes:
    lines = {"Host": host.header, "Accept-Encoding": "gzip", "User-Agent": "Assay", **headers}
    text = f"GET {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    # A line break or a control character in a value would be a header of somebody else's making.
    if not text.isascii() or not all(piece.isprintable() for piece in (*lines, *lines.values())):
        raise Garbled
    return text.encode("ascii")


def _by_name(headers: HTTPMessage) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _body(response: HTTPResponse, deadline: _Deadline, max_bytes: int) -> bytes:
    """The whole body, unpacked.

    Raises:
        TooLarge: it is larger than `max_bytes`, also when only its unpacked form is.
        Garbled: it ends before it should, or is packed in a way that we did not ask for.
    """
    if response.length is not None and response.length > max_bytes:
        raise TooLarge
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    unpack = _UNPACKERS.get(packing)
    if unpack is None:
        raise Garbled
    read = bytearray()
    while piece := response.read(_PIECE):
        read += piece
        if len(read) > max_bytes:
            raise TooLarge
        deadline.left_s()
    if response.length:  # fewer bytes came than were announced
        raise Garbled
    return unpack(read, max_bytes)


def _gunzipped(packed: bytearray, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    body = unpacker.decompress(packed, max_bytes + 1)
    if len(body) > max_bytes:
        raise TooLarge
    if packed and not unpacker.eof:
        raise Garbled
    return body


_UNPACKERS: dict[str, Callable[[bytearray, int], bytes]] = {
    "identity": lambda read, _: bytes(read),
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
}
