"""Whole portfolios that were computed by hand; `by_hand/README.md` shows how."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.portfolio.book import Book
from core.portfolio.transactions import Kind, checked
from tests.core.portfolio.ledger_made import LAST, Facts, Fixings, book_of, made, numbered

BY_HAND = Path(__file__).parent / "by_hand"
NAMES = sorted(folder.name for folder in BY_HAND.iterdir() if folder.is_dir())
WORDS = ("symbol", "other_symbol", "currency", "kind", "has_cash", "base", "day", "acquired")


def _table(name: str, table: str) -> list[dict[str, Any]]:
    """Rows of a file, empty cells as None; no rows where there is no file."""
    path = BY_HAND / name / f"{table}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{column: _cell(column, text) for column, text in row.items()} for row in csv.DictReader(file)]


def _cell(column: str, text: str) -> object:
    if not text:
        return None
    if column in ("day", "acquired"):
        return date.fromisoformat(text)
    return text if column in WORDS else Decimal(text)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """One of the portfolios."""
    found: str = request.param
    return found


@pytest.fixture
def book(name: str) -> Book:
    """What the ledger makes of it."""
    rows = []
    for row in _table(name, "transactions"):
        given = {column: value for column, value in row.items() if value is not None}
        rows.append(made(Kind(given.pop("kind")), given.pop("day"), given.pop("symbol", None), **given))
        checked(rows[-1], latest=LAST)
    splits: dict[str, list[tuple[date, str]]] = {}
    for row in _table(name, "splits"):
        splits.setdefault(row["symbol"], []).append((row["day"], str(row["ratio"])))
    rates: dict[tuple[str, str], dict[date, str]] = {}
    for row in _table(name, "rates"):
        rates.setdefault((row["currency"], row["base"]), {})[row["day"]] = str(row["rate"])
    (settings,) = _table(name, "settings")
    return book_of(
        numbered(*rows),
        facts=Facts(splits),
        fx=Fixings(rates),
        currency=settings["currency"],
        has_cash=settings["has_cash"] == "yes",
    )


def _told(thing: object, columns: Mapping[str, object]) -> dict[str, object]:
    names = {field.name for field in fields(thing)}  # type: ignore[arg-type]
    return {column: getattr(thing, column) for column in columns if column in names}


def test_lots_are_those_of_the_spreadsheet(name: str, book: Book) -> None:
    expected = _table(name, "lots")
    found = [
        {"symbol": position.symbol, **_told(lot, expected[0])}
        for position in book.positions.values()
        for lot in position.lots
    ]
    assert found == expected


def test_positions_are_those_of_the_spreadsheet(name: str, book: Book) -> None:
    expected = _table(name, "positions")
    assert [_told(position, expected[0]) for position in book.positions.values()] == expected


def test_gains_are_those_of_the_spreadsheet(name: str, book: Book) -> None:
    expected = _table(name, "disposals")
    assert [_told(disposal, expected[0]) for disposal in book.disposals] == expected


def test_money_is_that_of_the_spreadsheet(name: str, book: Book) -> None:
    found = [
        {"currency": currency, "day": day, "amount": amount}
        for currency, steps in book.cash.items()
        for day, amount in steps
    ]
    assert found == _table(name, "cash")
    assert not book.problems


def test_the_readme_tells_of_every_portfolio() -> None:
    told = (BY_HAND / "README.md").read_text("utf-8")
    assert [name for name in NAMES if f"## {name}\n" not in told] == []
