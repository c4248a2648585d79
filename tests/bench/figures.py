"""What one measurement says: percentiles, how many there were, its goal, and what took the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

Statistic = Literal["p50", "p95"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure has to keep to, in its own unit."""

    statistic: Statistic
    at_most: float

    def words(self, unit: str) -> str:
        """The goal as the table prints it."""
        return f"{self.statistic} ≤ {self.at_most:g} {unit}"


@dataclass(frozen=True, slots=True)
class Hotspot:
    """A function and the share of the time that it, or what it called, was running."""

    function: str
    share: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; `why_not` says why there is no figure, where there is none."""

    name: str
    unit: str
    n: int = 0
    p50: float | None = None
    p95: float | None = None
    per_second: float | None = None
    goal: Goal | None = None
    note: str = ""
    why_not: str = ""
    is_broken: bool = False
    """Whether there is no figure because the measurement itself failed."""
    profile: tuple[Hotspot, ...] = ()
    """Where the time went; taken for a missed goal alone."""

    @property
    def verdict(self) -> str:
        """`met`, `missed`, `not measured`, or nothing where there is no goal."""
        if self.why_not:
            return "not measured"
        if self.goal is None:
            return ""
        reached = self.p50 if self.goal.statistic == "p50" else self.p95
        return "met" if reached is not None and reached <= self.goal.at_most else "missed"

    def explained(self, profile: Sequence[Hotspot]) -> Figure:
        """The same figure, with what took the time."""
        return replace(self, profile=tuple(profile))


def figure(
    name: str,
    samples: Sequence[float],
    *,
    unit: str = "ms",
    per_second: float | None = None,
    goal: Goal | None = None,
    note: str = "",
) -> Figure:
    """The figure of some samples, in its own unit."""
    return Figure(name, unit, len(samples), percentile(samples, 0.5), percentile(samples, 0.95), per_second, goal, note)


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that this share of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
