"""What is said of a file of transactions: how it is read, what becomes of every row, and what has to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from core.portfolio.transactions import Draft, Transaction

IGNORE = "ignore"
"""In place of a kind: rows of it are left out."""
BY_SIGN = "by_sign"
"""In place of a kind: the sign of the quantity, or of the money where there is none, tells a purchase from a sale, a
deposit from a withdrawal."""
TRANSFER_BY_SIGN = "transfer_by_sign"
"""In place of a kind: the sign tells a transfer in from one out."""


class Fate(StrEnum):
    """What becomes of a row."""

    ADDED = "added"
    KNOWN = "known"
    """The same content is in the portfolio already; it is not added again."""
    REFUSED = "refused"
    """It cannot be as it stands."""
    IGNORED = "ignored"
    """It is no transaction: a total, a balance, a kind that is left out."""


class Asked(StrEnum):
    """What a file does not settle."""

    DATE_ORDER = "date_order"
    DECIMAL = "decimal"


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "day": "Date",
        "kind": "Kind",
        "symbol": "Symbol",
        "isin": "ISIN",
        "exchange": "Exchange",
        "name": "Name",
        "quantity": "Quantity",
        "price": "Price of a share",
        "currency": "Currency of the price",
        "amount": "Amount before fees and taxes",
        "net": "Amount after fees and taxes",
        "settled_currency": "Currency of the amount",
        "fees": "Fees",
        "fees_currency": "Currency of the fees",
        "taxes": "Taxes",
        "taxes_currency": "Currency of the taxes",
        "fx_rate": "Exchange rate",
        "ratio": "Ratio of a split",
        "other_symbol": "Other symbol",
        "cost_share": "Share of the cost",
        "note": "Note",
        "reference": "Broker's own number",
    }
)
"""What a column may hold, and what that is called."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a person wants a file to be read; what is left out is found in the file or its preset."""

    preset: str | None = None
    """Id of a preset; None: whichever knows the headings."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Heading by our field (a key of `FIELDS`); an empty heading says that no column holds it."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """A kind, `IGNORE`, `BY_SIGN` or `TRANSFER_BY_SIGN` by the file's own word for it."""
    date_order: str | None = None
    """`dmy`, `mdy` or `ymd`."""
    decimal: str | None = None
    """`.` or `,`."""
    currency: str | None = None
    """Of rows that name none; None: the portfolio's."""
    symbol_names: Mapping[str, str] = field(default_factory=dict)
    """Our symbol by what the file calls it: a ticker, an ISIN or a name."""


@dataclass(frozen=True, slots=True)
class Question:
    """What has to be chosen before the file can be imported."""

    asked: Asked
    words: str
    options: Mapping[str, str]
    """Value of the choice, and what it would mean, with an example of the file."""


@dataclass(frozen=True, slots=True)
class RowFate:
    """What becomes of one row."""

    line: int
    """Of the file, from 1; of a sheet its row."""
    fate: Fate
    reason: str = ""
    """Why it is not added: a sentence."""
    notices: tuple[str, ...] = ()
    """What a reader should know of a row that is added."""
    drafts: tuple[Draft, ...] = ()
    """What it is read as; a fee in another currency, or one that was given back, is a transaction of its own."""
    text: str = ""
    """The row as it stands in the file, shortened."""


@dataclass(frozen=True, slots=True)
class SymbolUse:
    """A security of the file, and what it was taken for."""

    theirs: str
    """What the file calls it: the key in `Choice.symbol_names`."""
    ours: str
    name: str
    """As the file has it; may be empty."""
    rows: int
    is_known: bool
    """Whether the instrument is known here; otherwise there are no prices of it."""
    near: tuple[str, ...] = ()
    """Known symbols that may be meant."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How a file would be read, and what would become of every row; nothing is entered by it."""

    file_name: str
    preset: str | None
    """Id of the preset it was read by; None: by its headings, or by hand."""
    title: str
    """Of the preset, or of what took its place."""
    headings: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    """The first rows as they stand in the file, a cell under each heading."""
    choice: Choice
    """All that was chosen, and the columns and forms that were found: given back as it is, the same is read."""
    is_remembered: bool
    """Whether the choice is that of an earlier file with these headings."""
    rows: Sequence[RowFate]
    """Every row below the heading that is not blank."""
    counts: Mapping[Fate, int]
    """Rows by fate; a fate without rows is 0."""
    how: tuple[str, ...]
    """How the file was read, a sentence each."""
    kinds: Mapping[str, str]
    """The file's own words for kinds with what they were taken for; those of which nothing is known (empty) first, and
    no more than a person can look through."""
    symbols: tuple[SymbolUse, ...]
    question: Question | None = None
    """Must be answered in the choice first; the rows show what the first option would mean."""
    problems: tuple[str, ...] = ()
    """Why no row can be read at all, or nothing can be entered."""

    @property
    def drafts(self) -> list[Draft]:
        """All that would be entered."""
        return [draft for row in self.rows if row.fate is Fate.ADDED for draft in row.drafts]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did."""

    is_imported: bool
    """False where rows are refused and nothing was entered for that."""
    words: str
    """A sentence or two: how many were added, what was there already, what was refused."""
    preview: Preview
    """With the fate of every row."""
    import_id: UUID | None
    """None where nothing was entered."""
    transactions: Sequence[Transaction]
    """What was entered."""
