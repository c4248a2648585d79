"""Orders to a model where none belong."""

from __future__ import annotations

from core.ai.guards.verdict import FINE, Verdict


def judged(_text: str) -> Verdict:
    """What a user's own words are judged to be."""
    return FINE


def defanged(text: str, *, is_all_outside: bool) -> tuple[str, float]:
    """A text in which orders from outside are made harmless, and the highest score; 0 where nothing was."""
    del is_all_outside
    return text, 0.0
