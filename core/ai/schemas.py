"""Answers that have to follow a JSON Schema: whether the schema may be used, and whether a text follows it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from core.errors import InvalidRequest

MAX_SCHEMA_CHARS = 20_000
MAX_DEPTH = 30
KEPT_SCHEMAS = 64
"""Schemas that are known to be sound."""
REFUSED = frozenset({"pattern", "patternProperties", "$dynamicRef", "$recursiveRef"})
"""Keywords that let a caller run an expression of his own on our side, without end if he likes."""
_FENCED = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)


def check_schema(schema: Mapping[str, object]) -> None:
    """Refuses a schema that is none, or that is not safe to run.

    Raises:
        InvalidRequest: the sentence says why.
    """
    written = json.dumps(schema)
    if len(written) > MAX_SCHEMA_CHARS:
        raise InvalidRequest(f"The schema is too large: at most {MAX_SCHEMA_CHARS:,} characters.")
    _check_written(written)


@functools.lru_cache(KEPT_SCHEMAS)
def _check_written(written: str) -> None:
    """As `check_schema`, once for each schema: to look at one takes milliseconds."""
    schema = json.loads(written)
    _walk(schema, 0)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        raise InvalidRequest("The schema is not a valid JSON Schema (draft 2020-12).") from None


def followed(text: str, schema: Mapping[str, object]) -> str | None:
    """The JSON of an answer, without a code fence around it, where it follows the schema; None where it does not."""
    fenced = _FENCED.match(text)
    content = (fenced.group(1) if fenced else text).strip()
    try:
        value = json.loads(content, parse_constant=_refuse)
        if not schema:
            return content if isinstance(value, dict) else None
        Draft202012Validator(dict(schema), registry=Registry()).validate(value)
    except (ValueError, RecursionError, ValidationError, Unresolvable):
        return None
    return content


def _walk(node: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidRequest("The schema is nested too deeply.")
    if isinstance(node, Mapping):
        refused = REFUSED & node.keys()
        if refused:
            raise InvalidRequest(f"The schema uses {min(refused)}, which is not supported.")
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise InvalidRequest("The schema may refer to its own parts alone ($ref that begins with #).")
    for child in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        _walk(child, depth + 1)


def _refuse(_name: str) -> float:
    raise ValueError("NaN and infinity are not JSON")
