"""What a guard says of a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a text may be asked, and where not, why."""

    is_refused: bool = False
    rule: str = ""
    """Which rule refuses it, in one word."""
    sentence: str = ""
    """What its asker is told."""
    score: float | None = None
    """How sure the guard is, where it counts."""


FINE = Verdict()
