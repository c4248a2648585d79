"""Which reported concepts make which line of a statement: `data/statements.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.settings import DATA
from core.yaml_lines import load_yaml, validate

TABLE_FILE = DATA / "statements.yaml"


class Kind(StrEnum):
    """What a figure is of."""

    FLOW = "flow"
    """A period, as revenue."""
    MOMENT = "moment"
    """A day, as cash."""


class Unit(StrEnum):
    """What a figure is counted in."""

    MONEY = "money"
    PER_SHARE = "per_share"
    SHARES = "shares"


class LineRule(BaseModel):
    """One line of a statement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    label: str
    kind: Kind
    unit: Unit
    concepts: tuple[str, ...]
    """`taxonomy:tag`, the one that is preferred within a filing first."""
    less: tuple[str, str] | None = None
    """The lines of which it is the difference, where no concept is reported."""

    @property
    def adds_up(self) -> bool:
        """Whether the figure of a year is the sum of those of its quarters; an average or a ratio's is not."""
        return self.kind is Kind.FLOW and self.unit is Unit.MONEY


class StatementRule(BaseModel):
    """One statement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    label: str
    lines: tuple[LineRule, ...] = Field(min_length=1)


class StatementTable(BaseModel):
    """All of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    statements: tuple[StatementRule, ...] = Field(min_length=1)
    others: tuple[LineRule, ...]

    @model_validator(mode="after")
    def _keys_are_known_and_used_once(self) -> StatementTable:
        keys = [rule.key for rule in self.lines()]
        if len(keys) != len(set(keys)):
            raise ValueError("a line's key is used twice")
        if any(part not in keys for rule in self.lines() for part in rule.less or ()):
            raise ValueError("a line is the difference of one that does not exist")
        return self

    def lines(self) -> Iterator[LineRule]:
        """Every line, of all statements and beside them."""
        for statement in self.statements:
            yield from statement.lines
        yield from self.others

    def concepts(self) -> frozenset[str]:
        """Every concept that some line uses."""
        return frozenset(concept for rule in self.lines() for concept in rule.concepts)


@cache
def shipped_table(path: Path = TABLE_FILE) -> StatementTable:
    """The table that the program ships with.

    Raises:
        ConfigurationError: the file has a mistake.
    """
    return validate(load_yaml(path), StatementTable)
