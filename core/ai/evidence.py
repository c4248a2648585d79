"""What an answer rests on: the steps taken, the tables and figures they brought, and the marks on its numbers.

It is made while a question is answered, kept beside the answer, and shown under it; a program reads it as JSON.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_ROWS = 200
"""Rows of a table that are kept for a reader."""

Unit = Literal["price", "money", "fraction", "number", "date"]
"""`price` of one share and `money` have a currency; a `fraction` is a share of one; a `date` is its ordinal."""
Cell = str | float | int | bool | date | None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entity(_Frozen):
    """Whom or what figures are about."""

    key: str = Field(max_length=120)
    """A symbol, or `portfolio`: the one that the question is about."""
    names: tuple[str, ...] = ()
    """What it is called in a text, beside its key."""


class Figure(_Frozen):
    """A number that a tool returned."""

    entity: str = Field(max_length=120)
    """Key of its entity."""
    measure: str = Field(max_length=60)
    """Key of what it measures, in data/measures.yaml."""
    value: float
    unit: Unit = "number"
    day: date | None = None
    """The day it is of; for a figure of a window the last one."""
    first: date | None = None
    """First day of its window; None: it is of one day, or of all time."""
    currency: str = ""
    step: int = Field(0, ge=0)
    """Number of the step that returned it; 0 until it is taken down."""


class Source(_Frozen):
    """Where a step's figures come from."""

    title: str = Field(max_length=300)
    url: str | None = None
    as_of: datetime | date | None = None
    is_generated: bool = False

    @field_validator("as_of", mode="before")
    @classmethod
    def _as_it_was(cls, value: object) -> object:
        """A day that was kept as text is a day again, and not its midnight."""
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == len("2024-03-01") else value


class Table(_Frozen):
    """Rows as a reader opens them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    more: int = Field(0, ge=0)
    """Rows that are not kept."""
    shares: tuple[str, ...] = ()
    """Columns whose numbers are shares of one, to be read in per cent."""


class Chart(_Frozen):
    """How a table is drawn."""

    kind: Literal["line", "bar"]
    x: str
    """Name of a column."""
    y: tuple[str, ...]
    """Names of columns."""
    unit: Unit = "number"
    title: str = ""


class Step(_Frozen):
    """One use of a tool."""

    number: int = Field(ge=1)
    """By which an answer cites it: [1], [2], …"""
    tool: str
    arguments: dict[str, object]
    """As they were taken, after checking."""
    words: str
    """What was done, in a sentence for the reader: 'Performance of US stocks, 1 to 31 March 2024'."""
    state: Literal["running", "done", "failed"] = "done"
    error: str = ""
    """Why it failed, in a sentence."""
    seconds: float = 0.0
    source: Source | None = None
    table: Table | None = None
    chart: Chart | None = None


class Mark(_Frozen):
    """A number in an answer's text."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    is_verified: bool
    step: int | None = None
    """Number of the step whose figure it is."""
    words: str = ""
    """Which figure it is, or why it is none: for a tooltip."""


class Evidence(_Frozen):
    """What an answer rests on."""

    steps: tuple[Step, ...] = ()
    entities: tuple[Entity, ...] = ()
    figures: tuple[Figure, ...] = ()
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader has to know: that it stopped at the ceiling, that a part is missing."""
    keep_s: float | None = Field(None, ge=0)
    """So long what it rests on is fresh, in seconds; None: as long as any answer."""
    is_private: bool = False
    """Whether the answer was made for its asker alone: what follows it in a conversation is too."""

    @property
    def verified_share(self) -> float | None:
        """Share of the numbers that are verified; None where there are none."""
        return sum(mark.is_verified for mark in self.marks) / len(self.marks) if self.marks else None
