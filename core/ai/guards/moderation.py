"""What no provider serves, by rules."""

from __future__ import annotations

from core.ai.guards.verdict import FINE, Verdict


def moderated(_text: str) -> Verdict:
    """Whether a text asks for what no provider serves."""
    return FINE
