"""What the arguments of tools have in common, and how they are told to a model and refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.ai.outside import cleaned
from core.ai.providers.contract import MAX_ARGUMENT_CHARS
from core.errors import InvalidRequest

MAX_WORD_CHARS = 60
"""Characters of a model's own word that an error repeats."""
MOST_TOLD = 3
"""Wrong arguments that an error names."""
_Form = TypeVar("_Form", bound=BaseModel)
_LEFT_OUT = frozenset({"title", "default", "minLength", "maxLength"})
"""Keys of a schema that a model needs not be told."""


class Arguments(BaseModel):
    """Arguments of a tool: none but those that are named, finite, and not changed once they are taken."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True, str_max_length=500
    )


def parsed(form: type[_Form], text: str) -> _Form:
    """The arguments that a model wrote.

    Raises:
        InvalidRequest: they are no JSON object, too long, or not what the form takes; the sentence says what would be
            right.
    """
    if len(text) > MAX_ARGUMENT_CHARS:
        raise InvalidRequest(f"The arguments have more than {MAX_ARGUMENT_CHARS:,} characters; ask for less at once.")
    try:
        given = json.loads(text or "{}", parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The arguments are no JSON: give an object with double quotes around names.") from error
    if not isinstance(given, dict):
        raise InvalidRequest("The arguments are not a JSON object: give names with their values, in braces.")
    try:
        return form.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InvalidRequest(_words(form, error)) from error


@cache
def schema_of(form: type[BaseModel]) -> dict[str, object]:
    """The JSON Schema of a form, compact: without titles and defaults, and with nothing to be looked up."""
    whole = form.model_json_schema()
    found = _compact(whole, whole.get("$defs", {}))
    assert isinstance(found, dict)
    return {name: value for name, value in found.items() if name not in ("$defs", "description")}


def _no_number(word: str) -> float:
    raise ValueError(word)


def _compact(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_compact(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        found = _compact(definitions[part["$ref"].rpartition("/")[2]], definitions)
        return {name: value for name, value in found.items() if name != "description"}
    choices = [each for each in part.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        part = {name: value for name, value in part.items() if name != "anyOf"} | choices[0]
        return _compact(part, definitions)
    return {
        name: {each: _compact(of, definitions) for each, of in value.items()}
        if name == "properties"
        else _compact(value, definitions)
        for name, value in part.items()
        if name not in _LEFT_OUT
    }


def _words(form: type[BaseModel], error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    told = [_problem(form, each["type"], tuple(each["loc"]), each["msg"]) for each in problems[:MOST_TOLD]]
    more = f" There are {len(problems) - MOST_TOLD} more such problems." if len(problems) > MOST_TOLD else ""
    return " ".join(told) + more


def _problem(form: type[BaseModel], kind: str, place: tuple[int | str, ...], words: str) -> str:
    name = cleaned(".".join(str(each) for each in place), MAX_WORD_CHARS)
    if kind == "extra_forbidden":
        return f"There is no argument '{name}'; it takes {', '.join(form.model_fields) or 'none'}."
    field = form.model_fields.get(str(place[0])) if place else None
    meaning = f" ({field.description})" if field is not None and field.description else ""
    said = cleaned(words.removeprefix("Value error, ")).rstrip(".")
    return f"'{name}'{meaning}: {said}." if name else f"{said}."
