"""A server on a port of its own that serves one connection after another, to be given what it says."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class LineServer(ABC):
    """Runs from `with` to its end; a kind of server says in `serve` what happens on a connection."""

    def __init__(self) -> None:
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

    @abstractmethod
    def serve(self, line: socket.socket) -> None:
        """Talks to whoever connected; the connection is closed afterwards."""

    def _run(self) -> None:
        while True:
            line, _ = self._listener.accept()
            with line:
                if self.is_closing.is_set():
                    return
                self.serve(line)
