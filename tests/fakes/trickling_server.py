"""A mail server that never falls silent and never comes to an end: it speaks one byte at a time."""

from __future__ import annotations

import socket

from tests.fakes.line_server import LineServer

PAUSE_S = 0.05


class TricklingServer(LineServer):
    """Greets for as long as anybody listens. `heard` is what it was told meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = b""
        self.connections = 0
        self.url = f"smtp://127.0.0.1:{self.port}"

    def serve(self, line: socket.socket) -> None:
        """Says one byte after another until the server closes or the other side leaves."""
        self.connections += 1
        line.settimeout(PAUSE_S)
        while not self.is_closing.is_set():
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
