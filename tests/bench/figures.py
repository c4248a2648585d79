"""What one measurement says: percentiles, how many there were, its goal, and what took the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

Statistic = Literal["p50", "p95", "per_second"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure has to keep to, in its own unit: at most the bound, or at least a floor."""

    statistic: Statistic
    bound: float
    is_floor: bool = False

    def words(self, unit: str) -> str:
        """The goal as the table prints it."""
        sign = "≥" if self.is_floor else "≤"
        return (
            f"{sign} {self.bound:g}/s"
            if self.statistic == "per_second"
            else f"{self.statistic} {sign} {self.bound:g} {unit}"
        )

    def is_met(self, reached: float | None) -> bool:
        """Whether a value keeps to it."""
        if reached is None:
            return False
        return reached >= self.bound if self.is_floor else reached <= self.bound


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
    goals: tuple[Goal, ...] = ()
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
        if not self.goals:
            return ""
        reached = {"p50": self.p50, "p95": self.p95, "per_second": self.per_second}
        return "met" if all(goal.is_met(reached[goal.statistic]) for goal in self.goals) else "missed"

    def explained(self, profile: Sequence[Hotspot]) -> Figure:
        """The same figure, with what took the time."""
        return replace(self, profile=tuple(profile))


def figure(
    name: str,
    samples: Sequence[float],
    *,
    unit: str = "ms",
    per_second: float | None = None,
    goals: tuple[Goal, ...] = (),
    note: str = "",
) -> Figure:
    """The figure of some samples, in its own unit."""
    return Figure(
        name, unit, len(samples), percentile(samples, 0.5), percentile(samples, 0.95), per_second, goals, note
    )


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that this share of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
