"""YAML files that people write: read with their line numbers, so that a mistake is named with its line."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from core.errors import ConfigurationError

MAX_REPORTED = 5
Shape = TypeVar("Shape", bound=BaseModel)
Trail = tuple[str | int, ...]
"""The way to a value: keys of mappings and indexes of lists, from the top."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain values, and the line of each of them."""

    name: str
    """The file's name, without its folder."""
    value: Any
    lines: Mapping[Trail, int]

    def line_of(self, trail: Trail) -> int:
        """Line of the value at `trail`, from 1; of the nearest value around it where there is none."""
        for length in range(len(trail), 0, -1):
            if trail[:length] in self.lines:
                return self.lines[trail[:length]]
        return self.lines[()]

    def name_of(self, trail: Trail) -> str:
        """The way to a value in words; an item of a list is named by its `id` where it has one, else by its place."""
        names, item = [], self.value
        for part in trail:
            item = _item(item, part)
            item_id = item.get("id") if isinstance(part, int) and isinstance(item, dict) else None
            names.append(item_id if isinstance(item_id, str) and item_id else str(part))
        return ".".join(names)

    def error(self, trail: Trail, problem: str) -> ConfigurationError:
        """The error that names this file and the line of `trail`."""
        return ConfigurationError(f"{self.name}, line {self.line_of(trail)}: {problem}")


def load_yaml(path: Path) -> Document:
    """Reads a YAML file of plain values; a key given twice, an alias or a tag is a mistake.

    Raises:
        ConfigurationError: the file cannot be read; the sentence names the file and the line.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path.name}: there is no such file.") from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path.name}: the file cannot be read as UTF-8 text.") from None
    try:
        return _composed(path.name, text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{path.name}, line {line}: {error.problem or 'this is not YAML'}.") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(f"{path.name}, line {line}: a character that YAML does not allow.") from None


def validate(document: Document, shape: type[Shape]) -> Shape:
    """The document as a validated `shape`.

    Raises:
        ConfigurationError: it does not fit; the sentence names the file and each line, and of the values only an `id`.
    """
    try:
        return shape.model_validate(document.value)
    except ValidationError as error:
        flaws = _causes(error.errors(include_url=False, include_input=False, include_context=False))
        told = "; ".join(_told(document, flaw["loc"], flaw["msg"]) for flaw in flaws[:MAX_REPORTED])
        more = f" (and {len(flaws) - MAX_REPORTED} more)" if len(flaws) > MAX_REPORTED else ""
        raise ConfigurationError(f"{document.name}, {told}{more}.") from None


def _item(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (LookupError, TypeError):
        return None


def _causes(flaws: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the lists that are only too short because their items are wrong."""
    trails = [flaw["loc"] for flaw in flaws]
    return [
        flaw
        for flaw in flaws
        if flaw["type"] != "too_short"
        or not any(trail != flaw["loc"] and trail[: len(flaw["loc"])] == flaw["loc"] for trail in trails)
    ]


def _told(document: Document, trail: Trail, message: str) -> str:
    place = document.name_of(trail) or "the file"
    return f"line {document.line_of(trail)}: {place}: {message.removeprefix('Value error, ').rstrip('.')}"


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Both are safe and the same; the one in C is ten times as fast."""


def _composed(name: str, text: str) -> Document:
    loader = _Loader(text)
    try:
        walk = _Walk(loader)
        root = loader.get_single_node()
        value = None if root is None else walk.value(root, ())
        return Document(name, value, {(): 1, **walk.lines})
    finally:
        loader.dispose()


class _Walk:
    """One pass over the nodes of a file that turns them into values and notes their lines."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.lines: dict[Trail, int] = {}
        self._loader = loader
        self._seen: set[yaml.Node] = set()

    def value(self, node: yaml.Node, trail: Trail) -> Any:
        """The value of `node`, which stands at `trail`. An alias would lead to one node twice."""
        if node in self._seen:
            raise _mistake("anchors and aliases are not used here", node)
        self._seen.add(node)
        self.lines.setdefault(trail, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, trail)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*trail, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, trail: Trail) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _mistake("a key must be one word or number", key_node)
            key = self._scalar(key_node)
            if key in found:
                raise _mistake(f"the key {key} is given twice", key_node)
            self.lines[(*trail, key)] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, (*trail, key))
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return self._loader.construct_object(node)
        except ValueError:
            raise _mistake("a date or number that does not exist", node) from None


def _mistake(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
