"""Texts with variables: what stands in them, what may be given for it, and what they say once it is.

    {{name}}              the value of a variable
    {{template:Title}}    the text of another template, by its title or its id
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

from core.errors import InvalidRequest
from core.market.symbols import checked_symbol

Kind = Literal["text", "number", "date", "symbol", "choice"]
KINDS: tuple[str, ...] = get_args(Kind)
MAX_VARIABLES = 20
MAX_NAME_CHARS = 40
MAX_LABEL_CHARS = 80
MAX_CHOICES = 50
MAX_CHOICE_CHARS = 100
MAX_VALUE_CHARS = 4_000
MAX_FILLED_CHARS = 100_000
"""Characters of a text once its variables and the templates that it asks for are in it."""
MAX_INCLUDED = 50
"""Templates that one text asks for in all, however often it asks for the same."""
MAX_DEPTH = 5
"""Templates within one another, below the first."""
INCLUDES = "template:"
Value = str | int | float
"""As it comes of a form or of JSON."""

_MARK = re.compile(r"\{\{([^{}\n]*)\}\}")
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME_CHARS - 1}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Variable:
    """Something that is given each time a template is used."""

    name: str
    """As it stands in the text: lower-case letters, digits, underscores."""
    label: str = ""
    """As it is asked for; empty: its name."""
    kind: Kind = "text"
    default: str = ""
    """What is taken where nothing is given; empty: nothing."""
    choices: tuple[str, ...] = ()
    """Of the kind `choice`: what can be given."""
    is_required: bool = True
    """Whether a value has to be there; otherwise it may stay empty."""

    @property
    def asked(self) -> str:
        """What a form calls it."""
        return self.label or self.name.replace("_", " ").capitalize()
