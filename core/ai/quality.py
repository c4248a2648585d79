"""How often models' answers to a task turned out right, as far as an organisation knows: what routing may go by.

The gateway is given a `Quality` by whoever measures it, and knows nothing of how that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

AS_GOOD = 0.02
"""Models whose quality is so close to the best are taken for as good: of them the cheapest is asked first."""


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What became of a model's answers."""

    n: int
    """Answers of which it is known."""
    right: int
    quality: float
    """The share that was right, drawn towards the mean of all models the more, the less is known."""

    @property
    def share(self) -> float:
        """The share that was right, as it was."""
        return self.right / self.n

    @property
    def words(self) -> str:
        """The same as a route's reason says it."""
        return f"{self.share:.0%} of {self.n:,} right"


Quality = Callable[[UUID, str], Mapping[str, TrackRecord]]
"""The records that an organisation wants to be gone by for a task, by model; empty where it wants none, or none is long
enough to go by."""
