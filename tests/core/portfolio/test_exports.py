"""Exports: what a spreadsheet reads safely, and what the importer takes back as it was."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.portfolio.exports import HEADINGS, csv_of, plain_text, safe_text
from core.portfolio.imports.outcomes import Fate
from core.portfolio.transactions import (
    MAY_BE_NEGATIVE,
    TRANSFERS,
    Draft,
    Kind,
    Transaction,
    checked,
    fields_of,
    identities,
)
from tests.core.portfolio.imports.made import TODAY, read

BUY = Transaction(Kind.BUY, date(2024, 1, 5), "USD", "AAPL", Decimal(10), Decimal("181.180"), number=1, id=UUID(int=1))


def _cells(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_an_export_has_a_row_for_each_transaction_that_counts() -> None:
    reversed_one = replace(BUY, id=UUID(int=2), number=2, reversed_by=UUID(int=3))
    reversal = replace(BUY, id=UUID(int=3), number=3, reverses=UUID(int=2))
    earlier = replace(BUY, id=UUID(int=4), number=4, day=date(2023, 1, 5), fees=Decimal("1.50"))
    found = _cells(csv_of([BUY, reversed_one, reversal, earlier]))
    assert [row["Date"] for row in found] == ["2023-01-05", "2024-01-05"]
    assert found[0] == {
        **dict.fromkeys(HEADINGS, ""),
        "Date": "2023-01-05",
        "Kind": "Buy",
        "Symbol": "AAPL",
        "Quantity": "10",
        "Price": "181.18",
        "Currency": "USD",
        "Fees": "1.5",
        "Taxes": "0",
    }


def test_an_export_of_nothing_is_its_heading() -> None:
    assert csv_of([]) == b"\xef\xbb\xbf" + ",".join(HEADINGS).encode() + b"\r\n"


@pytest.mark.parametrize(
    "note", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "＝1", "  =1", "'=1", "''=1", "'plain", "plain"]
)
def test_a_formula_is_kept_as_text_and_comes_back_as_it_was(note: str) -> None:
    (row,) = _cells(csv_of([replace(BUY, note=note)]))
    assert not row["Note"].lstrip().startswith(("=", "+", "-", "@", "＝"))
    assert plain_text(safe_text(note)) == note


SYMBOLS = st.sampled_from(["AAPL", "BRK.B", "VOD.L", "^GSPC", "EURUSD=X", "M&M.NS", "1", "TRUE", "NA"])
POSITIVE = st.decimals("0.0000000001", "99999999999999", places=10, allow_nan=False)
ANY_MONEY = st.decimals("-99999999999999", "99999999999999", places=4, allow_nan=False).filter(bool)
CHARGES = st.one_of(st.just(Decimal(0)), st.decimals(0, 10_000, places=6))
RATES = st.decimals("0.00000000000001", 100_000, places=14)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "symbol": SYMBOLS,
    "other_symbol": st.sampled_from(["NEWCO", "X.Y"]),
    "quantity": POSITIVE,
    "price": st.one_of(st.just(Decimal(0)), POSITIVE),
    "cost_share": st.decimals(0, 1, places=14),
}


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """A checked draft of any kind."""
    kind = draw(st.sampled_from(list(Kind)))
    needed, optional = fields_of(kind)
    names = set(needed) | {name for name in sorted(optional) if draw(st.booleans())}
    if kind in TRANSFERS:
        names = draw(st.sampled_from([{"amount"}, {"symbol", "quantity"}, {"symbol", "quantity", "price"}]))
    if kind is Kind.MERGER:
        names = draw(st.sampled_from([{"amount"}, {"other_symbol", "ratio"}, {"amount", "other_symbol", "ratio"}]))
        names = names | {"symbol"}
    values: dict[str, Any] = {name: draw(VALUES[name]) for name in sorted(names) if name in VALUES}
    if "amount" in names:
        values["amount"] = draw(ANY_MONEY if kind in MAY_BE_NEGATIVE else POSITIVE)
    if "ratio" in names:
        least, most = {Kind.SPLIT: ("1.01", "1000"), Kind.REVERSE_SPLIT: ("0.0001", "0.99")}.get(
            kind, ("0.0001", "1000")
        )
        values["ratio"] = draw(st.decimals(least, most, places=14))
    draft = Draft(
        kind,
        draw(st.dates(date(1900, 1, 1), TODAY)),
        draw(st.sampled_from(["USD", "EUR", "GBP", "JPY"])),
        fees=draw(CHARGES),
        taxes=draw(CHARGES),
        fx_rate=draw(st.none() | RATES),
        note=draw(TEXT | st.sampled_from(["=1+1", "-5", "'=x", "@a", "total", 'a "b", c', "x;y", "a\tb"])),
        **values,
    )
    return checked(draft, latest=TODAY)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(drafts(), min_size=1, max_size=12))
def test_an_export_is_imported_as_what_it_was(rows: list[Draft]) -> None:
    entered = [
        Transaction(
            **{name: getattr(row, name) for name in Draft.__dataclass_fields__}, number=number, id=UUID(int=number)
        )
        for number, row in enumerate(sorted(rows, key=lambda row: row.day), 1)
    ]
    found = read(csv_of(entered))
    assert found.planned.question is None
    assert {row.fate for row in found.rows} == {Fate.ADDED}, [row for row in found.rows if row.fate is not Fate.ADDED]
    assert [(draft, draft.note) for draft in found.drafts] == [
        (Draft(**{name: getattr(row, name) for name in Draft.__dataclass_fields__}), row.note) for row in entered
    ]
    assert identities(found.drafts) == identities(entered)
