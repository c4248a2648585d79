"""Prompts as data: each file under `data/prompts` with its name and version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as shipped; a changed text has another version, so that no older answer is served for it."""

    name: str
    version: str
    text: str


def load_prompt(folder: Path, name: str) -> Prompt:
    """The prompt of that name.

    Raises:
        ConfigurationError: the file is missing or has no head of `name` and `version`.
    """
    try:
        content = (folder / f"{name}.md").read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"The prompt {name}.md is missing.") from None
    parts = content.split("---\n", 2)
    head = dict(line.split(": ", 1) for line in parts[1].splitlines()) if len(parts) == 3 else {}
    if head.get("name") != name or "version" not in head:
        raise ConfigurationError(f"{name}.md, line 1: the head must give `name: {name}` and a version.")
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return Prompt(name, f"{name}/{head['version']}/{digest}", parts[2].strip())
