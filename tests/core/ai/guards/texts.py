"""The attacks, the benign texts and the planted personal data of these tests."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from core.settings import DATA

HERE = Path(__file__).parent
HALVES = ("open", "held_out")
FRESH = "fresh"
"""Attacks that the rules were never changed for; how many of them are caught is told, and not demanded."""
_PLANTED = re.compile(r"\{([A-Z]+):([^{}]*)\}")
_SHIPPED = ("glossary", "sample/reading", "prompts")

Sets = Mapping[str, Mapping[str, list[str]]]


@cache
def attacks() -> Sets:
    """Attacks by half and kind."""
    found: Sets = yaml.safe_load((HERE / "attacks.yaml").read_text("utf-8"))
    return found


@cache
def benign() -> Sets:
    """Benign texts by half and kind."""
    found: Sets = yaml.safe_load((HERE / "benign.yaml").read_text("utf-8"))
    return found


def benign_texts() -> list[str]:
    """All benign texts."""
    return [text for half in benign().values() for texts in half.values() for text in texts]


@dataclass(frozen=True)
class Planted:
    """A text and what is planted in it."""

    text: str
    found: tuple[tuple[str, str], ...]
    """Kind and words, in order."""


@cache
def planted() -> tuple[Planted, ...]:
    """Texts with personal data and secrets."""
    lines: list[str] = yaml.safe_load((HERE / "personal.yaml").read_text("utf-8"))["planted"]
    return tuple(Planted(_PLANTED.sub(lambda found: found[2], line), tuple(_PLANTED.findall(line))) for line in lines)


def shipped_texts() -> Iterator[str]:
    """Texts that the program ships with: its glossary, sample news and filings, and a day of analysts' questions."""
    for folder in _SHIPPED:
        for path in sorted((DATA / folder).rglob("*")):
            if path.suffix in (".yaml", ".md", ".txt", ".json"):
                text = path.read_text("utf-8")
                yield from (text[at : at + 8_000] for at in range(0, len(text), 8_000))
    for path in sorted((DATA / "demo").glob("*day*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield from (value for value in row.values() if isinstance(value, str) and " " in value)
