"""How companies, numbers and days are told by the tools of the market."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.research.tools.market_material import (
    entity_of,
    figure,
    listed,
    months_before,
    names_of,
    shown,
    window_words,
)
from core.screener.fields import FIELDS


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Apple Inc.", "Apple"),
        ("Microsoft Corp.", "Microsoft"),
        ("Archer-Daniels-Midland Co", "Archer-Daniels-Midland"),
        ("Analog Devices, Inc.", "Analog Devices"),
        ("Chameli Soaps (generated)", "Chameli Soaps"),
        ("CME Group Inc.", "CME"),
        ("Coca-Cola Co.", "Coca-Cola"),
        ("S&P 500 index", "S&P 500"),
        ("DeVry", "DeVry"),
        ("Co", "Co"),
        ("HP Inc", "HP Inc"),
    ],
    ids=lambda value: value.replace(" ", "_"),
)
def test_a_company_is_known_without_what_its_law_calls_it(name: str, short: str) -> None:
    assert names_of(name)[-1] == short
    assert names_of(name)[0] == name


def test_a_symbol_is_no_name_of_its_own() -> None:
    assert entity_of("DHR", "DHR").names == ()
    assert names_of("") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (270.8299999999999, 270.83),
        (-0.00096046102123, -0.00096046102),
        (12_345_678_901.0, 12_345_678_901),
        (Decimal("1511.25"), 1511.25),
        (0.0, 0),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("NaN"), None),
    ],
    ids=str,
)
def test_numbers_are_shown_without_noise(value: float | Decimal | None, expected: float | None) -> None:
    assert shown(value) == expected


def test_what_is_missing_is_no_figure() -> None:
    assert figure("AAPL", "close", None, "price") == []
    assert figure("AAPL", "close", float("nan"), "price") == []
    [day] = figure("AAPL", "day", date(2010, 8, 20))
    assert (day.unit, day.value) == ("date", date(2010, 8, 20).toordinal())


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2010, 8, 20), 1, date(2010, 7, 20)),
        (date(2010, 3, 31), 1, date(2010, 2, 28)),
        (date(2012, 2, 29), 12, date(2011, 2, 28)),
        (date(2010, 1, 15), 1, date(2009, 12, 15)),
        (date(2010, 12, 31), 6, date(2010, 6, 30)),
    ],
    ids=str,
)
def test_months_are_counted_back(day: date, months: int, expected: date) -> None:
    assert months_before(day, months) == expected


def test_windows_and_lists_are_told_in_words() -> None:
    assert window_words(date(2024, 3, 1), date(2024, 3, 31)) == "1 to 31 March 2024"
    assert window_words(date(2024, 3, 1), date(2024, 3, 1)) == "1 March 2024"
    assert window_words(date(2023, 3, 1), date(2024, 3, 1)) == "1 March 2023 to 1 March 2024"
    assert listed(["A"]) == "A"
    assert listed(["A", "B", "C"]) == "A, B and C"
    assert listed([*FIELDS][:7], most=2).endswith("and 5 more")
