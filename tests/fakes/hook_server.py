"""A receiver of webhooks over TLS on the loopback address, which takes what comes or misbehaves on request."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.line_server import LineServer

Answer = Callable[[ssl.SSLSocket], None]
"""What the receiver does once it has read a message."""


@dataclass(frozen=True)
class Received:
    """A message, as it came in."""

    target: str
    headers: dict[str, str]
    """By their names in small letters."""
    body: bytes
    asked_name: str | None
    """The name for which TLS was asked."""


def says(head: str, body: bytes = b"") -> Answer:
    """Answers with these lines."""
    text = head.replace("\n", "\r\n") + f"\r\nContent-Length: {len(body)}\r\n\r\n"
    return lambda line: line.sendall(text.encode() + body)


TAKES_IT = says("HTTP/1.1 204 No Content")


class HookServer(LineServer):
    """Takes one connection after another; each message is in `received`."""

    def __init__(self, tls: ssl.SSLContext, answer: Answer = TAKES_IT) -> None:
        super().__init__()
        self.received: queue.Queue[Received] = queue.Queue()
        self.answer = answer
        self._names: dict[int, str] = {}
        tls.sni_callback = lambda line, name, _: self._names.__setitem__(id(line), name)
        self._tls = tls

    def serve(self, line: socket.socket) -> None:
        """Takes one message and answers it; a sender that does not want to go on is let go."""
        with contextlib.suppress(OSError), self._tls.wrap_socket(line, server_side=True) as encrypted:
            self._take(encrypted)

    def _take(self, line: ssl.SSLSocket) -> None:
        with line.makefile("rb") as read:
            target = read.readline().split()[1].decode()
            headers = {}
            while (row := read.readline().strip()) != b"":
                name, _, value = row.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = read.read(int(headers["content-length"]))
        self.received.put(Received(target, headers, body, self._names.get(id(line))))
        self.answer(line)
