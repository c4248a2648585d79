"""JSON Schemas of tools' arguments in the subset that the Gemini API takes of functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 16
"""Of a schema; what is deeper, or refers to itself, is any value."""
_TAKEN = frozenset(
    """
    type format title description nullable enum maxItems minItems required minProperties maxProperties minLength
    maxLength pattern minimum maximum
    """.split()
)
_FORMATS = frozenset({"enum", "date-time", "int32", "int64", "float", "double"})


def google_schema(schema: Mapping[str, object]) -> dict[str, Any] | None:
    """The schema without what the API refuses; None where it has no properties, which the API takes of no object.

    References are put in place, `const` becomes an `enum`, and a choice with null a `nullable` one. Limits that cannot
    be told are left out: whoever reads the arguments checks them.
    """
    told = _told(schema, schema, 0)
    return told if told.get("properties") else None


def _told(part: object, root: Mapping[str, object], depth: int) -> dict[str, Any]:
    found = _resolved(part, root)
    if found is None or depth > MAX_DEPTH:
        return {}
    told = {name: value for name, value in found.items() if name in _TAKEN}
    if told.get("format") not in _FORMATS:
        told.pop("format", None)
    _tell_values(told, found)
    _tell_types(told)
    properties = found.get("properties")
    if isinstance(properties, Mapping):
        told["properties"] = {name: _told(each, root, depth + 1) for name, each in properties.items()}
    if "items" in found:
        told["items"] = _told(found["items"], root, depth + 1)
    return _chosen(told, found, root, depth)


def _resolved(part: object, root: Mapping[str, object]) -> dict[str, Any] | None:
    """The part with what it refers to in its place; None where it is no schema."""
    found = dict(part) if isinstance(part, Mapping) else None
    for _ in range(MAX_DEPTH):
        if found is None or not isinstance(found.get("$ref"), str):
            return found
        target: object = root
        for name in found.pop("$ref").removeprefix("#/").split("/"):
            target = target.get(name) if isinstance(target, Mapping) else None
        found = {**target, **found} if isinstance(target, Mapping) else found
    return None


def _tell_values(told: dict[str, Any], found: Mapping[str, Any]) -> None:
    """The values to choose from, which can only be texts."""
    values = [found["const"]] if "const" in found else told.pop("enum", None)
    if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
        told |= {"type": "string", "enum": values}


def _tell_types(told: dict[str, Any]) -> None:
    """One type; with null beside it the value is nullable."""
    types = told.get("type")
    if isinstance(types, list):
        others = [each for each in types if each != "null"]
        told.pop("type")
        told |= {"type": others[0]} if len(others) == 1 else {}
        told |= {"nullable": True} if len(others) < len(types) else {}


def _chosen(told: dict[str, Any], found: Mapping[str, Any], root: Mapping[str, object], depth: int) -> dict[str, Any]:
    """With the choices that the part leaves; one beside null is told as itself."""
    given = [found[name] for name in ("anyOf", "oneOf", "allOf") if isinstance(found.get(name), list)]
    choices = [_told(each, root, depth + 1) for each in (given[0] if given else [])]
    others = [each for each in choices if each.get("type") != "null"]
    if len(others) < len(choices):
        told["nullable"] = True
    if len(others) == 1:
        return {**others[0], **told}
    return {**told, "anyOf": others} if others else told
