"""When a source is left alone, when it is tried again, and what is worth trying again at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Circuit(StrEnum):
    """Whether a source is asked."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It has failed too often in a row, and rests."""
    HALF_OPEN = "half_open"
    """It has rested: one request, of all processes, finds out whether it is asked again."""


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """How soon a source is left alone, and for how long."""

    failures: int = 5
    """In a row, after which it rests."""
    rest_s: float = 30.0
    """Its first rest; each further one, without an answer between them, is twice as long."""
    longest_rest_s: float = 600.0
    probe_s: float = 15.0
    """After this long a probe counts as lost: its process has died."""
    block_s: float = 60.0
    """How long a source is left alone that asks us to wait and does not say for how long."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request that failed is made again."""

    attempts: int = 3
    """In all; each takes from the allowance."""
    first_pause_s: float = 0.2
    """Longest pause before the second attempt; before each further one it may be twice as long."""
    longest_pause_s: float = 2.0
    within_s: float = 2.5
    """No attempt begins later than this after the first: what took its whole time limit to fail is not tried again."""

    def pause_s(self, attempts: int, random: Random) -> float:
        """The pause after so many attempts, anywhere from 0 to its longest, so that processes do not march in step."""
        return random.uniform(0, min(self.longest_pause_s, self.first_pause_s * 2 ** (attempts - 1)))
