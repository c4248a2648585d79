"""A receiver of webhooks over TLS on the loopback address, which takes what comes or misbehaves on request."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

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


class HookServer:
    """Takes one connection after another; each message is in `received`."""

    def __init__(self, tls: ssl.SSLContext, answer: Answer = TAKES_IT) -> None:
        self.received: queue.Queue[Received] = queue.Queue()
        self.answer = answer
        self._names: dict[int, str] = {}
        tls.sni_callback = lambda line, name, _: self._names.__setitem__(id(line), name)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.is_closing.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            if self.is_closing.is_set():
                plain.close()
                return
            try:
                with self._tls.wrap_socket(plain, server_side=True) as line:
                    self._serve(line)
            except OSError:  # the sender did not want to go on
                plain.close()

    def _serve(self, line: ssl.SSLSocket) -> None:
        with line.makefile("rb") as read:
            target = read.readline().split()[1].decode()
            headers = {}
            while (row := read.readline().strip()) != b"":
                name, _, value = row.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = read.read(int(headers["content-length"]))
        self.received.put(Received(target, headers, body, self._names.get(id(line))))
        self.answer(line)
