"""One connection to a host, and what may be read from it: up to a deadline, up to a size, and whole."""

from __future__ import annotations

import io
import select
import socket
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import cast
from urllib.parse import urlsplit

from core.clock import Clock

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


@dataclass(frozen=True, slots=True)
class Host:
    """Whom a connection reaches."""

    name: str
    port: int
    is_tls: bool

    @classmethod
    def of(cls, url: str) -> tuple[Host, str]:
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
        """As the header Host names it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


class Deadline:
    """The moment at which a whole request has to be over."""

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + limit_s

    def left_s(self) -> float:
        """Seconds that are left.

        Raises:
            TooSlow: none are.
        """
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TooSlow
        return left


class Stale(Exception):
    """The host had closed an idle connection when we wrote to it: it saw nothing of the request."""


class Connection:
    """One connection, whose reads are held to the deadline of the request it carries."""

    def __init__(self, host: Host, raw: socket.socket) -> None:
        self.host = host
        self.idle_since = 0.0
        self._raw = raw
        self._is_used = False

    def exchange(self, request: bytes, deadline: Deadline, max_bytes: int) -> tuple[Answer, bool]:
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
        """Closes it, in whatever state it is."""
        self._raw.close()

    def _begin(self, request: bytes, deadline: Deadline, response: HTTPResponse, reader: _Reader) -> None:
        try:
            self._raw.settimeout(deadline.left_s())
            self._raw.sendall(request)
            response.begin()
        except (ConnectionError, HTTPException):
            if self._is_used and not reader.has_read:
                raise Stale from None
            raise


class _Reader(io.RawIOBase):
    """Reads a socket up to a deadline; to the HTTP client it is the socket."""

    def __init__(self, raw: socket.socket, deadline: Deadline) -> None:
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


def _by_name(headers: HTTPMessage) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _body(response: HTTPResponse, deadline: Deadline, max_bytes: int) -> bytes:
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
