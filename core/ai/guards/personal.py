"""Personal data and secrets in a text that is about to leave."""

from __future__ import annotations

from core.ai.guards.secret_kinds import secrets_in
from core.ai.guards.spans import Span


def found_in(text: str) -> list[Span]:
    """What must not leave, in order."""
    return secrets_in(text)
