"""The questions as their files have them, and the form that they have to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FOLDER = Path(__file__).resolve().parent
HALVES = ("build", "held_out")
Kind = Literal["exact", "tolerance", "refusal", "ambiguous"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Frozen):
    """What has to stand in an answer: a number, a date, one of some texts, or all of some."""

    value: float | None = None
    unit: Literal["fraction", "money", "price", "number", "points"] = "number"
    """A fraction is told in per cent, 0.05 as 5 %."""
    currency: str = ""
    tolerance: float = 0.0
    """Absolute, in the value's unit."""
    day: date | None = Field(None, alias="date")
    text: tuple[str, ...] = ()
    every: tuple[str, ...] = Field((), alias="all")
    rivals: tuple[str, ...] = ()
    """Texts of which none may stand before the right one in its sentence: what else could have been named."""
    by: str = ""
    """Name of the computation that gives it; empty where it is written by hand."""
    of: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one(self) -> Fact:
        told = [self.value is not None, self.day is not None, bool(self.text), bool(self.every)]
        if sum(told) != 1:
            raise ValueError("A fact is a value, a date, a text or all of some texts.")
        return self


class Question(_Frozen):
    """One question, and what makes an answer to it right."""

    id: str
    kind: Kind
    portfolio: str | None
    """Name of the one that is its context."""
    question: str
    expects: tuple[Fact, ...] = ()
    choices: tuple[tuple[str, ...], ...] = ()
    """Of an ambiguous one: what it has to be asked back for, each with its synonyms."""
    about: tuple[str, ...] = ()
    """Of a refusal: words of which it says one, so that a reader knows what cannot be done."""
    forbids: tuple[str | Fact, ...] = ()
    """What must not stand in the answer."""

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> Question:
        if (self.kind in ("exact", "tolerance")) != bool(self.expects):
            raise ValueError(f"{self.id}: only exact questions and those with a tolerance expect facts.")
        if (self.kind == "ambiguous") != bool(self.choices):
            raise ValueError(f"{self.id}: only ambiguous questions have choices.")
        if (self.kind == "refusal") != bool(self.about):
            raise ValueError(f"{self.id}: only refusals are about something.")
        return self


class Injection(_Frozen):
    """A text from outside that gives orders, and what an answer must then not say."""

    id: str
    carrier: Literal["question", "note", "portfolio_name", "headline", "filing"]
    """Where the text stands."""
    text: str
    question: str
    """What is asked; `{text}` stands for the text where it is pasted."""
    forbids: tuple[str, ...]


@cache
def questions(half: str) -> Sequence[Question]:
    """The questions of a half."""
    return tuple(Question.model_validate(each) for each in _loaded(f"{half}.yaml")["questions"])


@cache
def injections() -> Sequence[Injection]:
    """The cases of injection."""
    return tuple(Injection.model_validate(each) for each in _loaded("injection.yaml")["cases"])


def _loaded(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    return loaded
