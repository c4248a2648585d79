"""YAML files that people write: read with their line numbers, so that a mistake is named with its line."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

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

    def error(self, trail: Trail, problem: str) -> ConfigurationError:
        """The error that names this file and the line of `trail`."""
        return ConfigurationError(f"{self.name}, line {self.line_of(trail)}: {problem}")


def load_yaml(path: Path) -> Document:
    """Reads a YAML file of plain values; a key given twice, an anchor or a tag is a mistake.

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
        raise ConfigurationError(
            f"{path.name}, line {line}: {error.problem or 'this is not YAML'}."
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(f"{path.name}, line {line}: a character that YAML does not allow.") from None


def validate(document: Document, shape: type[Shape]) -> Shape:
    """The document as a validated `shape`.

    Raises:
        ConfigurationError: it does not fit; the sentence names the file and each line, never a value.
    """
    try:
        return shape.model_validate(document.value)
    except ValidationError as error:
        flaws = error.errors(include_url=False, include_input=False, include_context=False)
        told = "; ".join(_told(document, flaw["loc"], flaw["msg"]) for flaw in flaws[:MAX_REPORTED])
        more = f" (and {len(flaws) - MAX_REPORTED} more)" if len(flaws) > MAX_REPORTED else ""
        raise ConfigurationError(f"{document.name}, {told}{more}.") from None


def _told(document: Document, trail: Trail, message: str) -> str:
    place = ".".join(str(part) for part in trail) or "the file"
    return f"line {document.line_of(trail)}: {place}: {message.removeprefix('Value error, ').rstrip('.')}"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without anchors: they could make a short file endless."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not used here", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


def _composed(name: str, text: str) -> Document:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        lines: dict[Trail, int] = {}
        value = None if root is None else _value(loader, root, (), lines)
        return Document(name, value, {**lines, (): lines.get((), 1)})
    finally:
        loader.dispose()


def _value(loader: _Loader, node: yaml.Node, trail: Trail, lines: dict[Trail, int]) -> Any:
    lines.setdefault(trail, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, trail, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*trail, index), lines) for index, item in enumerate(node.value)]
    return _scalar(loader, node)


def _mapping(
    loader: _Loader, node: yaml.MappingNode, trail: Trail, lines: dict[Trail, int]
) -> dict[Hashable, Any]:
    found: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be one word or number", problem_mark=mark)
        key = _scalar(loader, key_node)
        if key in found:
            raise yaml.MarkedYAMLError(problem=f"the key {key} is given twice", problem_mark=mark)
        lines[(*trail, key)] = mark.line + 1
        found[key] = _value(loader, value_node, (*trail, key), lines)
    return found


def _scalar(loader: _Loader, node: yaml.Node) -> Any:
    try:
        return loader.construct_object(node)
    except ValueError:
        raise yaml.MarkedYAMLError(
            problem="a date or number that does not exist", problem_mark=node.start_mark
        ) from None
