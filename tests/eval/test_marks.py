"""The second look at marks: what is true, what is wrong, what is a false alarm."""

from __future__ import annotations

from datetime import date

import pytest

from core.ai.evidence import Evidence, Figure, Mark, Step
from tests.eval.marks import seen

FIGURES = (
    Figure(entity="GOOG", measure="close", value=462.02, unit="price", currency="USD", day=date(2010, 8, 20), step=1),
    Figure(entity="GOOG", measure="change", value=-0.012714, unit="fraction", day=date(2010, 8, 20), step=1),
    Figure(entity="CHAMELI.NS", measure="revenue", value=12_510_000_000, unit="money", currency="INR", step=2),
    Figure(entity="portfolio", measure="trough", value=date(2008, 11, 20).toordinal(), unit="date", step=3),
)
STEPS = (
    Step(
        number=1, tool="what_if", arguments={"symbol": "AAPL", "quantity": 15, "first": "2008-03-01"}, words="What if"
    ),
)


def answer(told: str, *, is_verified: bool, rest: str = "") -> tuple[str, Evidence]:
    """A text with one mark, and what it rests on."""
    text = f"It is {told}{rest}."
    mark = Mark(start=6, end=6 + len(told), is_verified=is_verified, step=1)
    return text, Evidence(steps=STEPS, figures=FIGURES, marks=(mark,))


@pytest.mark.parametrize(
    ("told", "rest"),
    [
        pytest.param("462.02", " USD", id="price"),
        pytest.param("462", "", id="rounded"),
        pytest.param("1.27 %", "", id="fraction in per cent"),
        pytest.param("−1.3", " %", id="unit behind the mark"),
        pytest.param("-0.0127", "", id="fraction as it is"),
        pytest.param("12.51 billion", "", id="scaled"),
        pytest.param("12,510", " in millions", id="scaled by a heading"),
        pytest.param("2010-08-20", "", id="day of a figure"),
        pytest.param("20 November 2008", "", id="figure that is a day"),
        pytest.param("2008", "", id="year of one"),
    ],
)
def test_what_a_tool_returned_is_true(told: str, rest: str) -> None:
    found = seen(*answer(told, is_verified=True, rest=rest))
    assert (found.wrong, found.alarms, found.equal) == ((), (), 1)
    assert seen(*answer(told, is_verified=False, rest=rest)).alarms == (told,)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param("462.20", id="transposed"),
        pytest.param("463", id="rounded wrongly"),
        pytest.param("1.28 %", id="another digit"),
        pytest.param("462.02 %", id="price in per cent"),
        pytest.param("12.6 billion", id="scaled wrongly"),
        pytest.param("2010-08-21", id="another day"),
        pytest.param("1999", id="another year"),
    ],
)
def test_what_no_tool_returned_is_wrong_where_it_is_marked_verified(told: str) -> None:
    assert seen(*answer(told, is_verified=True)).wrong == (told,)
    found = seen(*answer(told, is_verified=False))
    assert (found.wrong, found.alarms, found.equal) == ((), (), 0)


@pytest.mark.parametrize("told", ["15", "2008-03-01", "March 2008"])
def test_what_a_step_was_asked_with_is_true(told: str) -> None:
    assert seen(*answer(told, is_verified=True)).wrong == ()


def test_numbers_without_a_mark_are_counted() -> None:
    text, evidence = answer("462.02", is_verified=True, rest=" USD, up from 450.10 USD")
    assert seen(text, evidence).unmarked == ("450.10 USD",)
    assert seen("It is 462.02.", None).unmarked == ("462.02",)
