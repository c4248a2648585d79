"""Which numbers of an answer are figures that its steps returned."""

from __future__ import annotations

from core.ai.evidence import Evidence, Mark
from core.research.measures import Measures


def marks(text: str, evidence: Evidence, measures: Measures) -> tuple[Mark, ...]:
    """The numbers in an answer's text, from left to right, each verified by a figure or not."""
    return ()
