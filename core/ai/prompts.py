"""Prompts as data: each file under `data/prompts` with its name, its version, what is given with it and its schema.

    ---
    name: news
    version: 1
    variables: facts, outside
    schema: holdings_summary
    ---
    You sum up the news …

`data/prompts/versions.yaml` holds what each version says: a text that is changed under its old version is found by the
tests. `variables` and `schema` may be missing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError

HEAD = ("name", "version")
"""What the head of a prompt has to give."""
MORE = ("variables", "schema")
"""What it may give besides."""
MAX_VARIABLES = 20
FENCE = "---"
MAX_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][\w.-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as shipped; a changed text has another version, so that no older answer is served for it."""

    name: str
    version: str
    text: str
    variables: tuple[str, ...] = ()
    """Names of what is given with it."""
    schema: str | None = None
    """Name of the JSON Schema that an answer follows."""

    @property
    def number(self) -> str:
        """Its version as its head gives it."""
        return self.version.split("/")[1]

    @property
    def digest(self) -> str:
        """Changes with all that a model is told and has to answer; a version has one for good."""
        said = "\n".join((", ".join(self.variables), self.schema or "", self.text))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def load_prompt(folder: Path, name: str) -> Prompt:
    """The prompt of that name.

    Raises:
        ConfigurationError: the file is missing or has no head of `name` and `version`.
    """
    path = folder / f"{name}.md"
    if not path.is_file():
        raise ConfigurationError(f"The prompt {name}.md is missing.")
    prompt = read_prompt(path)
    if prompt.name != name:
        raise _mistake(path, 1, f"the head must give `name: {name}`")
    return prompt


def read_prompt(path: Path) -> Prompt:
    """The prompt in a file, whatever the file is called.

    Raises:
        ConfigurationError: it cannot be read, or has a mistake; the sentence names file and line.
    """
    content = _content(path)
    lines = content.split("\n")
    end = next((place for place, line in enumerate(lines[1:], start=1) if line == FENCE), None)
    if end is None or lines[0] != FENCE:
        raise _mistake(path, 1, "the head must give a name and a version between two lines of ---")
    head = _head(path, lines[1:end])
    for key in HEAD:
        if key not in head:
            raise _mistake(path, 1, f"the head must give `{key}: …`")
    text = "\n".join(lines[end + 1 :]).strip()
    if not text:
        raise _mistake(path, end + 2, "no text follows the head")
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    variables = tuple(each.strip() for each in head["variables"].split(",")) if "variables" in head else ()
    return Prompt(head["name"], f"{head['name']}/{head['version']}/{digest}", text, variables, head.get("schema"))


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            given = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error.strerror}.") from None
    if len(given) > MAX_BYTES:
        raise ConfigurationError(f"{path.name} is larger than {MAX_BYTES // 1024} KiB.")
    try:
        return given.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _mistake(path, given.count(b"\n", 0, error.start) + 1, "the text is not UTF-8") from None


def _head(path: Path, lines: Sequence[str]) -> dict[str, str]:
    head: dict[str, str] = {}
    for number, line in enumerate(lines, start=2):
        key, _, value = line.partition(": ")
        if key not in HEAD + MORE or key in head:
            known = f"{', '.join(HEAD + MORE[:-1])} and {MORE[-1]}"
            raise _mistake(path, number, f"the head has one line each for {known}, as in `version: 2`")
        flaw = _flaw(key, value.strip())
        if flaw is not None:
            raise _mistake(path, number, flaw)
        head[key] = value.strip()
    return head


def _flaw(key: str, value: str) -> str | None:
    """What is wrong with a line of the head."""
    if key in HEAD:
        is_word = _WORD.fullmatch(value) is not None
        return None if is_word else f"the {key} is a word of up to 40 letters, digits, dots and hyphens"
    names = [name.strip() for name in value.split(",")]
    spelt = "a word of up to 40 lower-case letters, digits and underscores"
    if not all(_NAME.fullmatch(name) for name in names) or (key == "schema" and len(names) > 1):
        return (
            f"the schema is {spelt}"
            if key == "schema"
            else f"variables are names with commas between them, each {spelt}"
        )
    if len(set(names)) < len(names) or len(names) > MAX_VARIABLES:
        return f"there are at most {MAX_VARIABLES} variables, each named once"
    return None


def _mistake(path: Path, line: int, words: str) -> ConfigurationError:
    return ConfigurationError(f"{path.name}, line {line}: {words}.")
