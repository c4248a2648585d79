"""JSON Schemas of tools in the subset that the Gemini API takes."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from core.ai.providers.google_schema import google_schema


class _Leg(BaseModel):
    model_config = ConfigDict(extra="forbid")

    symbol: str = Field(max_length=12, pattern=r"^[A-Z.]+$")
    shares: float = Field(gt=0, le=1e9)


class _Arguments(BaseModel):
    """What a tool takes."""

    model_config = ConfigDict(extra="forbid")

    side: Literal["buy", "sell"] = Field(description="Which.")
    only: Literal["one"] = "one"
    first: date | None = None
    legs: list[_Leg] = Field(max_length=5)
    of: int | str = 3


def test_a_models_schema_is_told_without_what_the_api_refuses() -> None:
    leg = {
        "type": "object",
        "title": "_Leg",
        "properties": {
            "symbol": {"type": "string", "title": "Symbol", "maxLength": 12, "pattern": "^[A-Z.]+$"},
            "shares": {"type": "number", "title": "Shares", "maximum": 1e9},
        },
        "required": ["symbol", "shares"],
    }

    assert google_schema(_Arguments.model_json_schema()) == {
        "type": "object",
        "title": "_Arguments",
        "description": "What a tool takes.",
        "properties": {
            "side": {"type": "string", "title": "Side", "description": "Which.", "enum": ["buy", "sell"]},
            "only": {"type": "string", "title": "Only", "enum": ["one"]},
            "first": {"type": "string", "title": "First", "nullable": True},
            "legs": {"type": "array", "title": "Legs", "maxItems": 5, "items": leg},
            "of": {"title": "Of", "anyOf": [{"type": "integer"}, {"type": "string"}]},
        },
        "required": ["side", "legs"],
    }


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "integer"]}, {}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "string", "format": "uuid"}, {"type": "string"}),
        ({"$ref": "#/$defs/none"}, {}),
        ({"$ref": "#/$defs/self"}, {}),
        ({"$ref": "#/$defs/leaf", "description": "Here."}, {"type": "string", "description": "Here."}),
        ({"allOf": [{"$ref": "#/$defs/leaf"}], "title": "T"}, {"type": "string", "description": "Leaf.", "title": "T"}),
        ({"oneOf": [{"type": "null"}]}, {"nullable": True}),
        (True, {}),
        ("string", {}),
    ],
)
def test_parts_are_told_or_left_open(part: Any, told: dict[str, Any]) -> None:
    defs = {"leaf": {"type": "string", "description": "Leaf."}, "self": {"$ref": "#/$defs/self"}}
    schema = {"type": "object", "properties": {"a": part}, "$defs": defs}

    assert google_schema(schema) == {"type": "object", "properties": {"a": told}}


def test_a_schema_within_itself_ends_somewhere() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/$defs/tree"}}}

    assert google_schema({**tree, "$defs": {"tree": tree}}) is not None


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_without_properties_there_is_nothing_to_tell(schema: dict[str, Any]) -> None:
    assert google_schema(schema) is None
