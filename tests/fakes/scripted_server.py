"""A small server that answers in a provider's wire format, and misbehaves on request.

What is the same for every format is here: the script, the stages, the cuts. A format says how its bytes look.
"""

from __future__ import annotations

import json
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import zip_longest
from types import TracebackType
from typing import Any, Literal, Protocol, Self

HANG_S = 60.0
POLL_S = 0.01
Stage = Literal["headers", "first_token", "between_tokens", "between_calls", "after_finish"]
Usage = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A tool that the model of the server asks for."""

    name: str
    arguments: str = "{}"
    """As the model writes them; a format that sends objects needs one."""
    id: str | None = None
    """None sends none."""
    thought: str = ""
    """What the model thinks before it, and wants back, where its format has a place for it."""


@dataclass(frozen=True)
class Reply:
    """What the server answers to one call. The default is a whole answer with honest usage."""

    text: str = "Spreading money over things that do not move together."
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: Any = None
    """Body of an answer that is not 200; with 200, an error sent in the stream instead of the first token."""
    error_after: int = 0
    """Tokens after which that error is sent in the stream."""
    wants: tuple[Wanted, ...] = ()
    """The tools that are asked for behind the text."""
    piece_chars: int = 5
    """Characters of a call's arguments in one piece, where the format sends pieces."""
    is_interleaved: bool = False
    """Whether the pieces of several calls come in turns."""
    ends_as_text: bool = False
    """Whether an answer with calls has the finish reason of one without."""
    finish_reason: str | None = "stop"
    """In the format's own words; None sends none. For an answer with calls `stop` is its own word for that."""
    done: bool = True
    """Whether the format's mark of the end is sent."""
    usage: Usage | Literal["honest"] | None = "honest"
    """Sent where the format has its place; a mapping is sent as it is."""
    is_usage_cumulative: bool = False
    """Whether every chunk carries the usage so far, and none comes of its own."""
    hangs: Stage | None = None
    """Where it stops, and waits for the client to leave."""
    hangs_up: bool = False
    """Whether the connection is closed without any answer."""
    cut_after: int | None = None
    """Tokens after which the connection breaks."""
    cut_at_byte: int | None = None
    """Bytes of the body after which the connection breaks."""
    malformed_after: int | None = None
    """Tokens after which a chunk comes that is not JSON."""
    delay_s: float = 0.0
    """Pause before each token."""
    gate: threading.Event | None = None
    """What it waits for before it answers at all."""
    chunks: tuple[Any, ...] | None = None
    """Raw chunks (JSON values, or text as it is) in place of all but `done` and `hangs="after_finish"`."""
    body: Any = None
    """Raw JSON value, or text as it is, of an answer that comes whole: a refusal, or one that is no stream."""

    @property
    def tokens(self) -> list[str]:
        """The text in the pieces in which it is sent."""
        return re.findall(r"\s*\S+\s*$|\s*\S+", self.text)

    @property
    def call_pieces(self) -> list[tuple[int, str]]:
        """The arguments of the calls in the pieces in which they are sent, each with the place of its call."""
        size = self.piece_chars
        cut = [
            [(place, wanted.arguments[start : start + size]) for start in range(0, len(wanted.arguments), size)]
            for place, wanted in enumerate(self.wants)
        ]
        turns = zip_longest(*cut) if self.is_interleaved else cut
        return [piece for turn in turns for piece in turn if piece is not None]


@dataclass(frozen=True)
class Received:
    """One call as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    """JSON, or the fields of a form."""


class WireFormat(Protocol):
    """How one provider's answers look. Chunks are JSON values, or text that is sent as it is."""

    base_path: str
    """What the official client expects behind the address."""
    content_type: str
    """Of a stream."""
    malformed: str
    """A piece of a stream that is not JSON where JSON belongs."""
    calling: str
    """The finish reason of an answer that asks for tools."""

    def is_served(self, path: str) -> bool:
        """Whether calls to this path are answered; others get 404."""
        ...

    def whole(self, received: Received, reply: Reply) -> Any:
        """The body of an answer that comes whole, as for embeddings; None where it is streamed."""
        ...

    def usage(self, received: Received, completion_tokens: int) -> Usage:
        """An honest count."""
        ...

    def frame(self, chunk: Any) -> str:
        """A JSON value as it stands in the stream."""
        ...

    def begin(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """The chunks before the first token; `usage` is None where none is to be sent."""
        ...

    def token(self, received: Received, text: str, usage: Usage | None) -> Iterator[Any]:
        """The chunks of one token; with the usage so far where that is asked for."""
        ...

    def calls(self, received: Received, reply: Reply) -> Iterator[Any]:
        """The chunks of the tools that are asked for."""
        ...

    def finish(self, received: Received, reason: str | None, usage: Usage | None) -> Iterator[Any]:
        """The chunks of the finish reason, and of usage where it comes with it."""
        ...

    def trailer(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """The chunks after the finish reason, as usage of its own."""
        ...

    def done(self) -> Iterator[Any]:
        """The mark of the end."""
        ...

    def error(self, error: Any) -> Any:
        """An error in the stream."""
        ...

    def refusal(self, reply: Reply) -> Any:
        """The body of an answer that is not 200."""
        ...


class ScriptedServer:
    """Answers each call with the next reply of `script`, and with the default reply when that is empty."""

    def __init__(self, wire: WireFormat, tls: ssl.SSLContext | None = None) -> None:
        self.wire = wire
        self.script: list[Reply] = []
        self.requests: list[Received] = []
        self.disconnects = 0
        """Calls whose client left before the end of the answer."""
        self.connections = 0
        """Connections that were opened."""
        self._default = Reply()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The address, as the official client expects it."""
        return f"{self._scheme}://localhost:{self._server.server_address[1]}{self.wire.base_path}"

    @property
    def calls(self) -> int:
        """How many calls came in."""
        return len(self.requests)

    def reply(self, **changes: Any) -> None:
        """From now on every call is answered so; see `Reply` for what can be set."""
        self._default = replace(Reply(), **changes)

    def wait_for(self, *, calls: int = 0, disconnects: int = 0, timeout_s: float = 5.0) -> bool:
        """Waits until so many calls came in and so many clients left early; False when they did not."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.calls >= calls and self.disconnects >= disconnects, timeout=timeout_s
            )

    def close(self) -> None:
        """Ends all calls and the server."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, received: Received) -> Reply:
        with self._changed:
            self.requests.append(received)
            self._changed.notify_all()
            return self.script.pop(0) if self.script else self._default

    def _note_disconnect(self) -> None:
        with self._changed:
            self.disconnects += 1
            self._changed.notify_all()


def closed_address(base_path: str = "/v1") -> str:
    """A base URL at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}{base_path}"


def form_of(raw: bytes, content_type: str) -> dict[str, Any]:
    """The fields of a form, a file as its name, type and bytes."""
    form = BytesParser(policy=HTTP).parsebytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + raw)
    fields: dict[str, Any] = {}
    for part in form.iter_parts():
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        name = str(part.get_param("name", header="content-disposition"))
        file_name = part.get_filename()
        file = {"name": file_name, "type": part.get_content_type(), "data": data}
        fields[name] = data.decode() if file_name is None else file
    return fields


class _ClientLeft(Exception):
    pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: ScriptedServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is not news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _left: int | None = None
    """Bytes of the body that are still sent before a cut."""

    def setup(self) -> None:
        self.server.owner.connections += 1
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        content_type = self.headers.get("content-type", "")
        body = form_of(raw, content_type) if content_type.startswith("multipart/") else json.loads(raw)
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.path, headers, body)
        reply = self.server.owner._next(received)
        self._left = reply.cut_at_byte
        try:
            self._answer(reply, received)
        except (_ClientLeft, OSError):
            self.close_connection = True
            self.server.owner._note_disconnect()

    def _answer(self, reply: Reply, received: Received) -> None:
        wire = self.server.owner.wire
        if reply.gate is not None:
            reply.gate.wait(HANG_S)
        if reply.hangs_up:
            self._break_off()
            return
        if reply.hangs == "headers":
            self._hang(HANG_S)
        if not wire.is_served(received.path):
            reply = replace(reply, status=404)
        whole = self._whole(reply, received)
        if whole is not None:
            self._send_whole(reply, whole)
            return
        self._start(reply, {"Content-Type": wire.content_type, "Transfer-Encoding": "chunked"})
        for chunk in self._chunks(reply, received):
            self._send(chunk)
        if self.close_connection:
            return
        for chunk in wire.done() if reply.done else ():
            self._send(chunk)
        if not self.close_connection:
            self.wfile.write(b"0\r\n\r\n")

    def _whole(self, reply: Reply, received: Received) -> Any:
        """The body of a refusal, or of an answer that is no stream; None where it is streamed."""
        if reply.body is not None:
            return reply.body
        wire = self.server.owner.wire
        return wire.whole(received, reply) if reply.status == 200 else wire.refusal(reply)

    def _chunks(self, reply: Reply, received: Received) -> Iterator[Any]:
        wire = self.server.owner.wire
        if reply.chunks is not None:
            yield from reply.chunks
            self._hang(HANG_S if reply.hangs == "after_finish" else 0.0)
            return
        yield from wire.begin(received, self._usage(reply, received, 0))
        for sent, token in enumerate(reply.tokens):
            if reply.hangs == "first_token" or (reply.hangs == "between_tokens" and sent):
                self._hang(HANG_S)
            if reply.error is not None and sent == reply.error_after:
                yield wire.error(reply.error)
                return
            if sent == reply.malformed_after:
                yield wire.malformed
            if sent == reply.cut_after:
                self._break_off()
                return
            self._hang(reply.delay_s)
            so_far = wire.usage(received, sent + 1) if reply.is_usage_cumulative else None
            yield from wire.token(received, token, so_far)
        for sent, chunk in enumerate(wire.calls(received, reply) if reply.wants else ()):
            if reply.hangs == "between_calls" and sent:
                self._hang(HANG_S)
            self._hang(reply.delay_s)
            yield chunk
        usage = self._usage(reply, received, len(reply.tokens) + len(reply.call_pieces))
        is_calling = reply.wants and not reply.ends_as_text and reply.finish_reason == "stop"
        yield from wire.finish(received, wire.calling if is_calling else reply.finish_reason, usage)
        if reply.hangs == "after_finish":
            self._hang(HANG_S)
        yield from wire.trailer(received, None if reply.is_usage_cumulative else usage)

    def _usage(self, reply: Reply, received: Received, completion_tokens: int) -> Usage | None:
        honest = self.server.owner.wire.usage(received, completion_tokens)
        return honest if reply.usage == "honest" else reply.usage

    def _start(self, reply: Reply, headers: dict[str, str]) -> None:
        self.send_response(reply.status)
        for name, value in {**headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_whole(self, reply: Reply, body: Any) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self._start(reply, {"Content-Type": "application/json", "Content-Length": str(len(data))})
        if reply.hangs in ("first_token", "between_tokens"):
            self.wfile.write(data[: len(data) // 2 if reply.hangs == "between_tokens" else 0])
            self._hang(HANG_S)
        self.wfile.write(data[: self._left])
        if self._left is not None:
            self._break_off()

    def _send(self, chunk: Any) -> None:
        """Sends a piece of a stream, or as much of it as is sent before a cut."""
        if self.close_connection:
            return
        self._hang(0.0)
        data = (chunk if isinstance(chunk, str) else self.server.owner.wire.frame(chunk)).encode()
        data = data[: self._left]
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        if self._left is not None:
            self._left -= len(data)
            if self._left == 0:
                self._break_off()

    def _break_off(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _hang(self, seconds: float) -> None:
        """Waits so long, or until the client leaves or the server closes."""
        deadline = time.monotonic() + seconds
        while not self.server.owner._closing.is_set():
            left = deadline - time.monotonic()
            readable = select.select([self.connection], [], [], max(0.0, min(left, POLL_S)))[0]
            if readable and self._has_left():
                raise _ClientLeft
            if left <= 0:
                return
        raise _ClientLeft

    def _has_left(self) -> bool:
        raw = self.connection
        try:
            return not socket.socket.recv(raw, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
