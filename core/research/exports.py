"""A conversation as a file, to be read elsewhere: Markdown or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["markdown", "json"]


@dataclass(frozen=True, slots=True)
class Export:
    """A conversation as a file."""

    name: str
    """For the file: ASCII letters, digits and hyphens, with its ending."""
    media_type: str
    data: bytes
