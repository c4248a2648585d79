"""What a screen is made of: conditions on figures, in groups that all or any of must hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from core.screener.fields import Operator


class Match(StrEnum):
    """How many items of a group must hold."""

    ALL = "all"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Other:
    """Another figure of the same row, to compare with."""

    field: str
    times: float = 1.0
    """What it is multiplied by: 1.3 asks for 30 % more."""


Value = float | str | tuple[float, float] | tuple[str, ...] | Other
"""A number or text, two numbers for `between`, several texts, or another figure."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What one figure must be. A row whose figure is missing never meets it, `is_not` included."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions and groups of which all, or any, must hold."""

    match: Match
    items: tuple[Condition | Group, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Screen:
    """Criteria that pick rows of a scan."""

    root: Group


def groups_of(group: Group) -> Iterator[Group]:
    """The group and every group within it."""
    yield group
    for item in group.items:
        if isinstance(item, Group):
            yield from groups_of(item)


def conditions_of(group: Group) -> Iterator[Condition]:
    """Every condition of the group and of the groups within it, in order."""
    for item in group.items:
        if isinstance(item, Group):
            yield from conditions_of(item)
        else:
            yield item
