"""The vendors' fake with answers of a test's own, by path."""

from __future__ import annotations

from typing import Any

from tests.fakes.market_server import MarketServer, Received


class VendorServer(MarketServer):
    """`answers` maps the beginning of a path to a body (a JSON value, or text as it is) or a status; others are 404."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Any] = {}

    def count(self, start: str) -> int:
        """How often it was asked for paths that begin so."""
        return sum(received.path.startswith(start) for received in self.requests)

    def _answer(self, received: Received) -> tuple[int, Any]:
        found = [start for start in self.answers if received.path.startswith(start)]
        answer = self.answers[max(found, key=len)] if found else 404
        return (answer, {}) if isinstance(answer, int) else (200, answer)
