"""Presets: the screens that the program ships with, each with the sentence that explains it and its usual source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from core.errors import InvalidRequest
from core.screener.criteria import Screen, checked, from_json
from core.screener.direction import Direction
from core.yaml_lines import load_yaml, validate

MAX_PRESETS = 100


class _Shipped(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    title: str = Field(min_length=1, max_length=80)
    summary: str = Field(min_length=1, max_length=500)
    source: str = Field(min_length=1, max_length=200)
    direction: Direction | None = None
    screen: dict[str, Any]


class _AllShipped(RootModel[list[_Shipped]]):
    pass


@dataclass(frozen=True, slots=True)
class Preset:
    """A screen that analysts know by name."""

    id: str
    title: str
    summary: str
    """What a match is, in a sentence or two."""
    source: str
    """Where the idea is usually taken from."""
    direction: Direction | None
    """None where a match says nothing of which way."""
    screen: Screen


def load_presets(path: Path) -> Mapping[str, Preset]:
    """The shipped presets by id, in their order.

    Raises:
        ConfigurationError: the file has a mistake; the sentence names file and line.
    """
    document = load_yaml(path)
    presets: dict[str, Preset] = {}
    for number, each in enumerate(validate(document, _AllShipped).root[:MAX_PRESETS]):
        if each.id in presets:
            raise document.error((number, "id"), f"the id {each.id} is given twice.")
        try:
            screen = checked(from_json(each.screen))
        except InvalidRequest as error:
            raise document.error((number, "screen"), f"{each.id}: {error.detail}") from None
        presets[each.id] = Preset(each.id, each.title, each.summary, each.source, each.direction, screen)
    return presets
