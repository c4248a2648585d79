"""Places in a text at which something was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a text, and what was found there."""

    start: int
    end: int
    """The first character that is no part of it."""
    kind: str
    """As placeholders and events name it: `EMAIL`, `IBAN`."""


Find = Callable[[str], Sequence[Span]]
"""Finds what must not leave, in order; no two places overlap."""


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """In order; of two that overlap the one that begins first stays, and of two that begin together the longer."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept
