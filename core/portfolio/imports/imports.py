"""Imports of brokers' files into a portfolio: shown first with every row's fate, then entered whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from core.portfolio.imports.outcomes import Choice, ImportResult, Preview
from core.principal import Principal

Progress = Callable[[int, int, str], None]
"""Steps done, steps in all, and what is being done in words."""


class Imports:
    """Reads files of transactions and enters them."""

    def preview(
        self, principal: Principal, portfolio_id: UUID, content: bytes, file_name: str, choice: Choice | None = None
    ) -> Preview:
        """How a file would be read."""
        raise NotImplementedError

    def run(
        self,
        principal: Principal,
        portfolio_id: UUID,
        content: bytes,
        file_name: str,
        choice: Choice | None = None,
        *,
        leaves_out_refused: bool = False,
        progress: Progress | None = None,
    ) -> ImportResult:
        """Enters a file's transactions."""
        raise NotImplementedError
