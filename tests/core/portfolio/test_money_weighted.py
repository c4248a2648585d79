"""Money-weighted return: the shared vectors, flows without a rate, with several, and of short windows."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.portfolio.money_weighted import NO_FLOWS, ONE_DAY, ONE_WAY, SEVERAL, money_weighted

# A copy of the vectors that the conventions of finance are told with; see `about` in the file.
VECTORS = json.loads((Path(__file__).parent / "vectors" / "xirr.json").read_text("utf-8"))["cases"]
BEGIN = date(2020, 1, 1)


def after(number: int) -> date:
    """A day, so many after the first."""
    return BEGIN + timedelta(days=number)


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_the_vectors_are_met(case: dict[str, Any]) -> None:
    found = money_weighted([(date.fromisoformat(day), amount) for day, amount in case["flows"]])
    if case["expected"] is None:
        assert (found.value, found.annual) == (None, None)
        assert found.note
    else:
        assert found.value == pytest.approx(case["expected"], abs=1e-9)
        assert (found.annual, found.note) == (found.value, "")


@pytest.mark.parametrize(
    ("flows", "why"),
    [
        ([], NO_FLOWS),
        ([(BEGIN, 0.0), (after(9), 0.0)], NO_FLOWS),
        ([(BEGIN, -100.0), (BEGIN, 110.0)], ONE_DAY),
        ([(BEGIN, -100.0), (after(50), -1.0)], ONE_WAY),
        ([(BEGIN, 100.0), (after(50), 1.0)], ONE_WAY),
        ([(BEGIN, -100.0), (after(50), 0.0)], ONE_WAY),
        ([(BEGIN, -100.0), (after(50), float("nan"))], "A flow or value is not known."),
    ],
    ids=["nothing", "zeros", "one day", "in alone", "out alone", "lost", "unknown"],
)
def test_flows_without_a_rate_say_why(flows: list[tuple[date, float]], why: str) -> None:
    """portfolio#1904: IRR NaN."""
    found = money_weighted(flows)
    assert (found.value, found.annual, found.note) == (None, None, why)


def test_several_rates_are_told(  # 10 % and 20 % both solve these flows
) -> None:
    flows = [(after(0), -1000.0), (after(365), 2300.0), (after(730), -1320.0)]
    found = money_weighted(flows)
    assert found.value == pytest.approx(0.1, abs=1e-9)
    assert found.note == SEVERAL


def test_flows_that_no_rate_solves_have_none() -> None:
    flows = [(after(0), 1000.0), (after(365), -1500.0), (after(730), 1000.0)]
    assert money_weighted(flows).value is None
    assert money_weighted(flows).note == "No rate solves these flows."


@pytest.mark.parametrize(("days", "is_yearly"), [(10, False), (29, False), (30, True)], ids=["10", "29", "30"])
def test_a_window_under_thirty_days_is_not_told_by_the_year(days: int, is_yearly: bool) -> None:
    found = money_weighted([(BEGIN, -100.0), (after(days), 105.0)])
    assert found.value is not None
    if is_yearly:
        assert found.value == found.annual == pytest.approx(1.05 ** (365 / days) - 1)
    else:
        assert (found.value, found.annual) == (pytest.approx(0.05), None)


def test_a_day_that_doubles_is_solved() -> None:
    assert money_weighted([(BEGIN, -100.0), (after(1), 200.0)]).value == pytest.approx(1.0)
    assert money_weighted([(BEGIN, -100.0), (after(40), 0.01)]).value == pytest.approx(1e-4 ** (365 / 40) - 1)


def test_a_long_life_is_solved() -> None:
    flows = [(after(30 * number), -10.0) for number in range(1200)]
    found = money_weighted([*flows, (after(36_000), 25_000.0)])
    assert found.value is not None
    assert _present(found.value, [*flows, (after(36_000), 25_000.0)]) == pytest.approx(0, abs=1e-6)
    assert (found.n, found.first, found.last) == (1201, BEGIN, after(36_000))


_amounts = st.floats(1, 1e6).flatmap(lambda size: st.sampled_from([size, -size]))


@given(st.lists(st.tuples(st.integers(0, 4000), _amounts), min_size=2, max_size=20))
def test_a_rate_solves_its_flows(rows: list[tuple[int, float]]) -> None:
    """What a chained Dietz or any other stand-in would not: the present values sum to nothing at it."""
    flows = [(after(number), amount) for number, amount in rows]
    found = money_weighted(flows)
    if found.annual is not None:
        size = sum(abs(amount) / (1 + found.annual) ** ((day - min(flows)[0]).days / 365) for day, amount in flows)
        assert abs(_present(found.annual, flows)) <= 1e-6 * size
    again = money_weighted([(day, 3 * amount) for day, amount in reversed(flows)])
    assert again.value == pytest.approx(found.value, rel=1e-6, abs=1e-9) if found.value is not None else not again.value


def _present(rate: float, flows: list[tuple[date, float]]) -> float:
    first = min(day for day, _ in flows)
    years = np.array([(day - first).days / 365 for day, _ in flows])
    return float(np.sum(np.array([amount for _, amount in flows]) * (1 + rate) ** -years))
