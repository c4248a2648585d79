"""Windows as models ask for them: two days, or a word for a period."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from core.errors import InvalidRequest
from core.research.tools.portfolio_window import Windowed, bounds_of

SEEN = date(2024, 5, 31)


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2024-03", date(2024, 3, 1), date(2024, 3, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2023-12", date(2023, 12, 1), date(2023, 12, 31)),
        ("2024-05", date(2024, 5, 1), SEEN),
        ("2023", date(2023, 1, 1), date(2023, 12, 31)),
        ("2024", date(2024, 1, 1), SEEN),
        ("2023-Q4", date(2023, 10, 1), date(2023, 12, 31)),
        ("2024q2", date(2024, 4, 1), SEEN),
        ("ytd", date(2024, 1, 1), SEEN),
        ("QTD", date(2024, 4, 1), SEEN),
        ("mtd", date(2024, 5, 1), SEEN),
        ("1d", SEEN, SEEN),
        ("1w", date(2024, 5, 25), SEEN),
        ("1m", date(2024, 5, 1), SEEN),
        ("3m", date(2024, 3, 1), SEEN),
        ("6m", date(2023, 12, 1), SEEN),
        ("1y", date(2023, 6, 1), SEEN),
        ("5y", date(2019, 6, 1), SEEN),
        ("all", None, None),
        ("max", None, None),
    ],
)
def test_periods(period: str, first: date | None, last: date | None) -> None:
    found = bounds_of(Windowed(period=period), SEEN)
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize("period", ["soon", "13m0", "0d", "2024-13", "2024-Q5", "99", "1899", "-1y", ""])
def test_a_word_that_is_no_period_is_refused(period: str) -> None:
    with pytest.raises(InvalidRequest, match="is no period; write one as"):
        bounds_of(Windowed(period=period), SEEN)


def test_two_days_are_taken_as_they_are_up_to_the_day_that_is_seen() -> None:
    asked = Windowed(first=date(2024, 1, 2), last=date(2030, 1, 1))
    assert bounds_of(asked, SEEN).words == "2024-01-02 to 2024-05-31"
    assert bounds_of(Windowed(first=date(2024, 1, 2)), SEEN).words == "since 2024-01-02"
    assert bounds_of(Windowed(last=date(2024, 1, 2)), SEEN).words == "up to 2024-01-02"
    assert bounds_of(Windowed(), SEEN).words == "since the first transaction"


def test_a_window_that_begins_after_the_day_that_is_seen_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="begins on 2025-01-01, after 2024-05-31"):
        bounds_of(Windowed(period="2025"), SEEN)


@pytest.mark.parametrize(
    "asked",
    [
        {"period": "1m", "first": "2024-01-01"},
        {"period": "1m", "last": "2024-01-01"},
        {"first": "2024-02-01", "last": "2024-01-01"},
        {"period": "x" * 11},
        {"first": "2024-02-30"},
    ],
    ids=["period and first", "period and last", "turned round", "long", "no day"],
)
def test_windows_that_contradict_themselves_are_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Windowed.model_validate(asked)
