"""A small server that speaks Chat Completions with streaming, and misbehaves on request."""

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

HANG_S = 60.0
POLL_S = 0.01
Stage = Literal["headers", "first_token", "between_tokens", "after_finish"]


@dataclass(frozen=True)
class Reply:
    """What the server answers to one call. The default is a whole answer with honest usage."""

    text: str = "Spreading money over things that do not move together."
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    """Body of an answer that is not 200; with 200, an error sent in the stream instead of the first token."""
    finish_reason: str | None = "stop"
    done: bool = True
    """Whether `[DONE]` is sent."""
    usage: dict[str, Any] | Literal["honest"] | None = "honest"
    """Sent in a chunk of its own after the finish reason."""
    is_usage_cumulative: bool = False
    """Whether every chunk carries the usage so far, and none comes of its own."""
    hangs: Stage | None = None
    """Where it stops, and waits for the client to leave."""
    hangs_up: bool = False
    """Whether the connection is closed without any answer."""
    cut_after: int | None = None
    """Tokens after which the connection breaks."""
    malformed_after: int | None = None
    """Tokens after which a chunk comes that is not JSON."""
    delay_s: float = 0.0
    """Pause before each token."""
    chunks: tuple[Any, ...] | None = None
    """Raw chunks (JSON values, or text as it is) in place of all but `done` and `hangs="after_finish"`."""

    @property
    def tokens(self) -> list[str]:
        """The text in the pieces in which it is sent."""
        return re.findall(r"\s*\S+\s*$|\s*\S+", self.text)


@dataclass(frozen=True)
class Received:
    """One call as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class ChatServer:
    """Answers each call with the next reply of `script`, and with the default reply when that is empty."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
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
        return f"{self._scheme}://localhost:{self._server.server_address[1]}/v1"

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


def closed_address() -> str:
    """A base URL at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


class _ClientLeft(Exception):
    pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: ChatServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is not news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        self.server.owner.connections += 1
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.owner._next(Received(self.path, headers, body))
        try:
            self._answer(reply, body)
        except (_ClientLeft, OSError):
            self.close_connection = True
            self.server.owner._note_disconnect()

    def _answer(self, reply: Reply, body: dict[str, Any]) -> None:
        if reply.hangs_up:
            self._break_off()
            return
        if reply.hangs == "headers":
            self._hang(HANG_S)
        if reply.status != 200:
            self._refuse(reply)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in self._chunks(reply, body):
            self._send(chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}\n\n")
        if self.close_connection:
            return
        self._send("data: [DONE]\n\n" if reply.done else "")
        self.wfile.write(b"0\r\n\r\n")

    def _chunks(self, reply: Reply, body: dict[str, Any]) -> Iterator[Any]:
        if reply.chunks is not None:
            yield from reply.chunks
            self._hang(HANG_S if reply.hangs == "after_finish" else 0.0)
            return
        prompt = sum(len(str(message.get("content", "")).split()) for message in body.get("messages", []))
        for sent, token in enumerate(reply.tokens):
            if reply.hangs == "first_token" or (reply.hangs == "between_tokens" and sent):
                self._hang(HANG_S)
            if sent == 0 and reply.error is not None:
                yield {"error": reply.error}
                return
            if sent == reply.malformed_after:
                yield 'data: {"choices": [{"delta": \n\n'
            if sent == reply.cut_after:
                self._break_off()
                return
            self._hang(reply.delay_s)
            usage = _usage(prompt, sent + 1) if reply.is_usage_cumulative else None
            yield _chunk(body, {"content": token}, None, usage)
        yield from self._ending(reply, body, prompt)

    def _ending(self, reply: Reply, body: dict[str, Any], prompt: int) -> Iterator[Any]:
        if reply.finish_reason is not None:
            yield _chunk(body, {}, reply.finish_reason, None)
        if reply.hangs == "after_finish":
            self._hang(HANG_S)
        if reply.usage is not None and not reply.is_usage_cumulative:
            usage = _usage(prompt, len(reply.tokens)) if reply.usage == "honest" else reply.usage
            yield {**_chunk(body, {}, None, usage), "choices": []}

    def _refuse(self, reply: Reply) -> None:
        body = json.dumps({"error": reply.error or {"message": "refused", "type": "refused", "code": None}}).encode()
        self.send_response(reply.status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **reply.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send(self, text: str) -> None:
        self._hang(0.0)
        data = text.encode()
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

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


def _usage(prompt: int, completion: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _chunk(
    body: dict[str, Any], delta: dict[str, Any], finish_reason: str | None, usage: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": body.get("model"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        "usage": usage,
    }
