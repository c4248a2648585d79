"""A mail server that never falls silent and never comes to an end: it speaks one byte at a time."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

PAUSE_S = 0.05


class TricklingServer:
    """Greets for as long as anybody listens. `heard` is what it was told meanwhile."""

    def __init__(self) -> None:
        self.heard = b""
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._is_closing.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            line, _ = self._listener.accept()
            with line:
                if self._is_closing.is_set():
                    return
                self.connections += 1
                line.settimeout(PAUSE_S)
                self._speak(line)

    def _speak(self, line: socket.socket) -> None:
        while not self._is_closing.is_set():
            try:
                line.sendall(b"2")
                told = line.recv(1_000)
            except TimeoutError:
                continue
            except OSError:
                return
            if not told:
                return
            self.heard += told
