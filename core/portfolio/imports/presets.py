"""Presets: how the files of brokers and other programs are read, each recognised by its headings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.market.symbols import EXCHANGES
from core.portfolio.imports.outcomes import BY_SIGN, FIELDS, IGNORE, TRANSFER_BY_SIGN
from core.portfolio.imports.reading import heading_key
from core.portfolio.transactions import Kind
from core.yaml_lines import load_yaml, validate

GENERIC = "generic"
"""Id of the form that we export ourselves; its words are known in every file."""
MORE_OF = {"fees": ("fees_2", "fees_3"), "taxes": ("taxes_2",)}
"""Further columns that are added to a field; presets alone have them."""
NEGATED = "-"
"""Before a kind: its amount is what was given back, or of interest what was paid."""
OTHER_KINDS = (IGNORE, BY_SIGN, TRANSFER_BY_SIGN)
_COLUMNS = frozenset({*FIELDS, *(each for more in MORE_OF.values() for each in more)})
_PLACE = "{currency}"
"""In a heading: three letters of a currency."""


class _LeftOut(BaseModel):
    model_config = ConfigDict(extra="forbid")

    heading: str = Field(min_length=1)
    words: list[str] = Field(min_length=1)
    reason: str = Field(min_length=1, max_length=200)
    unless: bool = False
    kinds: list[Kind] = []


class _Shipped(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    title: str = Field(min_length=1, max_length=80)
    where: str = Field(min_length=1, max_length=300)
    source: str = Field(min_length=1, max_length=300)
    recognised_by: list[list[str]] = Field(min_length=1)
    columns: dict[str, list[str]] = Field(min_length=1)
    kinds: dict[str, str] = {}
    signs: Literal["written", "cash"] | None = None
    date_order: Literal["dmy", "mdy", "ymd"] | None = None
    decimal: Literal[".", ","] | None = None
    rate_is_to_base: bool = False
    payments_have_symbols: bool = True
    exchanges: dict[str, str] = {}
    isin_exchanges: dict[str, str] = {}
    symbol_in: str | None = None
    left_out: list[_LeftOut] = []


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that are no transaction, by the word that a column has."""

    heading: str
    words: frozenset[str]
    """In small letters."""
    reason: str
    is_unless: bool
    """Whether rows are left out that have none of the words."""
    kinds: frozenset[str]
    """Of which the rule is; all where there are none."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How the files of one program are read."""

    id: str
    title: str
    where: str
    """Where in that program the file is made, in a sentence."""
    source: str
    """By what its form is known."""
    recognised_by: Sequence[frozenset[str]]
    """Headings, as they are compared, all of which a file of it has; one of the sets suffices."""
    columns: Mapping[str, Sequence[re.Pattern[str]]]
    """Patterns of headings by our field, the likeliest first; a group in one is the currency."""
    kinds: Mapping[str, str]
    """What its words for kinds mean; a word may begin or end with a star."""
    signs: str | None
    """`written`: an amount's sign is its own; `cash`: below zero is what was paid. None: the file tells."""
    date_order: str | None
    decimal: str | None
    rate_is_to_base: bool
    """Whether exchange rates are to the account's currency, and hold where that is the portfolio's."""
    payments_have_symbols: bool
    """Whether what interest, a fee or a tax has for a symbol is one; otherwise it goes into the note."""
    exchanges: Mapping[str, str]
    """Codes of exchanges by the file's names for them, in capitals."""
    isin_exchanges: Mapping[str, str]
    """Codes of exchanges by an ISIN's country, for tickers without an exchange; used where currencies agree."""
    symbol_in: re.Pattern[str] | None
    """Finds the symbol in the note, as its first group, where no column has it."""
    left_out: Sequence[LeftOut] = field(default=())

    def is_of(self, headings: frozenset[str]) -> bool:
        """Whether a file with these headings, as they are compared, is of this form."""
        return any(each <= headings for each in self.recognised_by)


def load_presets(folder: Path) -> Mapping[str, Preset]:
    """The shipped presets by id: the generic one first, then by name of their files.

    Raises:
        ConfigurationError: a file has a mistake; the sentence names file and line.
    """
    found: dict[str, Preset] = {}
    for path in sorted(folder.glob("*.yaml"), key=lambda each: (each.stem != GENERIC, each.stem)):
        document = load_yaml(path)
        shipped = validate(document, _Shipped)
        if shipped.id != path.stem:
            raise document.error(("id",), f"the id {shipped.id} is not the file's name.")
        for name in shipped.columns:
            if name not in _COLUMNS:
                raise document.error(("columns", name), f"{name} is none of the fields {', '.join(FIELDS)}.")
        for word, kind in shipped.kinds.items():
            if kind.removeprefix(NEGATED) not in (*Kind, *OTHER_KINDS):
                raise document.error(("kinds", word), f"{kind} is no kind of transaction.")
        for table in ("exchanges", "isin_exchanges"):
            for name, code in getattr(shipped, table).items():
                if code not in EXCHANGES:
                    raise document.error((table, name), f"{code} is no exchange that is known.")
        found[shipped.id] = _preset(shipped)
    return found


def kind_of(word: str, kinds: Mapping[str, str]) -> str | None:
    """What a word means: as it stands, or by the longest pattern with a star that fits; None where nothing is known."""
    key = heading_key(word)
    if key in kinds:
        return kinds[key]
    best = ""
    for pattern in kinds:
        if len(pattern) > len(best) and "*" in pattern and _fits(key, pattern):
            best = pattern
    return kinds[best] if best else None


def _fits(key: str, pattern: str) -> bool:
    bare = pattern.strip("*")
    if pattern.startswith("*"):
        return bare in key if pattern.endswith("*") else key.endswith(bare)
    return key.startswith(bare)


def _preset(shipped: _Shipped) -> Preset:
    return Preset(
        id=shipped.id,
        title=shipped.title,
        where=shipped.where,
        source=shipped.source,
        recognised_by=[frozenset(heading_key(each) for each in headings) for headings in shipped.recognised_by],
        columns={name: [_pattern(each) for each in headings] for name, headings in shipped.columns.items()},
        kinds={heading_key(word): kind for word, kind in shipped.kinds.items()},
        signs=shipped.signs,
        date_order=shipped.date_order,
        decimal=shipped.decimal,
        rate_is_to_base=shipped.rate_is_to_base,
        payments_have_symbols=shipped.payments_have_symbols,
        exchanges={name.upper(): code for name, code in shipped.exchanges.items()},
        isin_exchanges=shipped.isin_exchanges,
        symbol_in=re.compile(shipped.symbol_in) if shipped.symbol_in else None,
        left_out=[
            LeftOut(
                heading_key(each.heading),
                frozenset(map(str.casefold, each.words)),
                each.reason,
                each.unless,
                frozenset(kind.value for kind in each.kinds),
            )
            for each in shipped.left_out
        ],
    )


def _pattern(heading: str) -> re.Pattern[str]:
    before, place, after = heading.partition(_PLACE)
    if not place:
        return re.compile(re.escape(heading_key(heading)))
    return re.compile(f"{re.escape(before.casefold())}([a-z]{{3}}){re.escape(after.casefold())}")
