"""Returns of a window: the examples of the conventions, windows, missing days, periods, holdings, the benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.portfolio.day_values import nothing
from core.portfolio.money_weighted import money_weighted
from core.portfolio.performance import NOTHING_THERE, NOTHING_YET, explained, performance
from core.portfolio.report import Rate
from core.portfolio.series import Series

BEGIN = date(2020, 1, 6)
EIGHT_DAYS = (
    (0, 0, 230),
    (200, 0, 200),
    (0, 400, -234.41),
    (0, 0, 293.99),
    (0, 0, 293.99),
    (5400, 0, 195.99),
    (0, 3697.04, -882.52),
    (0, 0, -1003.85),
)
"""What came in, what went out and what was gained on each day after 10,000 were there."""
NAN = float("nan")


def series(
    value: Sequence[float],
    inflow: Sequence[float] | None = None,
    outflow: Sequence[float] | None = None,
    *,
    days: Sequence[date] | None = None,
    cash: Sequence[float] | None = None,
    holdings: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> Series:
    """A series; all of the first value comes in on the first day unless it is said otherwise."""
    number = len(value)
    held = holdings or {}
    return Series(
        days=np.array(days or [BEGIN + timedelta(days=each) for each in range(number)], "datetime64[D]"),
        value=np.array(value, float),
        cash=np.array(cash, float) if cash else np.zeros(number),
        inflow=np.array(inflow, float) if inflow else np.array([value[0], *[0] * (number - 1)], float),
        outflow=np.array(outflow, float) if outflow else np.zeros(number),
        missing={BEGIN + timedelta(days=at): ("AAA",) for at, each in enumerate(value) if np.isnan(each)},
        symbols=tuple(held),
        holdings=np.array([each[0] for each in held.values()], float).reshape(len(held), number),
        holding_flows=np.array([each[1] for each in held.values()], float).reshape(len(held), number),
    )


def eight_days() -> Series:
    """The eight days of the conventions."""
    value, inflow, outflow = [10_000.0], [10_000.0], [0.0]
    for came, went, gained in EIGHT_DAYS:
        value.append(value[-1] + came - went + gained)
        inflow.append(came)
        outflow.append(went)
    return series(value, inflow, outflow)


def test_the_example_of_the_conventions() -> None:
    """100 → 110, deposit 50, 160 → 152, withdraw 20, 132 → 140."""
    found = performance(series([100, 110, 132, 140], [100, 0, 50, 0], [0, 0, 20, 0]))
    assert found.time_weighted.value == pytest.approx(0.108333, abs=5e-7)
    assert found.contributions == [100, 100, 130, 130]


def test_the_eight_days_of_the_conventions() -> None:
    whole = eight_days()
    assert performance(whole).time_weighted.value == pytest.approx(-0.056182678, abs=1e-9)
    window = performance(whole, first=BEGIN + timedelta(days=1))
    assert window.time_weighted.value == pytest.approx(-0.056182678, abs=1e-9)
    assert (window.time_weighted.first, window.first) == (BEGIN, BEGIN + timedelta(days=1))
    assert window.time_weighted.annual is None, "nine days are told by no year"


def test_a_loss_on_the_first_day_counts() -> None:
    """quantstats#438: first-day drawdown lost."""
    found = performance(series([90, 90], [100, 0]))
    assert found.time_weighted.value == pytest.approx(-0.1)
    assert found.index == [pytest.approx(0.9), pytest.approx(0.9)]


def test_money_that_comes_and_goes_changes_no_time_weighted_return() -> None:
    """ghostfolio#3416: −248 % after withdrawals."""
    found = performance(series([1000, 1010, 20, 20.2], [1000, 0, 0, 0], [0, 0, 990, 0]))
    assert found.time_weighted.value == pytest.approx(1.01 * 1.01 - 1)
    assert found.money_weighted.value is not None
    assert found.money_weighted.value > 0


def test_a_losing_book_has_no_gain_by_the_year() -> None:
    """ghostfolio#585: +49.64 % a year on a losing book."""
    days = [BEGIN + timedelta(days=30 * number) for number in range(13)]
    value, inflow = [100.0], [100.0]
    for _ in days[1:]:
        value.append((value[-1] + 1000) * 0.97)
        inflow.append(1000)
    found = performance(series(value, inflow, days=days))
    for rate in (found.time_weighted, found.money_weighted):
        assert rate.value is not None
        assert rate.annual is not None
        assert rate.value < 0
        assert rate.annual < 0


def test_holdings_that_start_at_different_dates_start_at_different_dates() -> None:
    """wealthfolio#1414: accounts that start at different dates."""
    early, late = [100.0, 110.0, 110.0, 121.0], [0.0, 0.0, 500.0, 550.0]
    total = [one + other for one, other in zip(early, late, strict=True)]
    holdings = {"EARLY": (early, [100.0, 0, 0, 0]), "LATE": (late, [0, 0, 500.0, 0])}
    found = performance(series(total, [100, 0, 500, 0], holdings=holdings))
    assert found.time_weighted.value == pytest.approx(0.21)
    by_symbol = {each.symbol: each for each in found.contributors}
    assert by_symbol["EARLY"].time_weighted == pytest.approx(0.21)
    assert by_symbol["LATE"].time_weighted == pytest.approx(0.1)
    assert [each.symbol for each in found.contributors] == ["LATE", "EARLY"]
    assert (by_symbol["LATE"].gain, by_symbol["LATE"].share) == (50, pytest.approx(50 / 600))


def test_a_window_before_and_after_money_was_there() -> None:
    found = performance(series([0, 0, 100, 110, 0, 0], [0, 0, 100, 0, 0, 0], [0, 0, 0, 0, 121, 0]))
    assert found.time_weighted.value == pytest.approx(0.21)
    late = performance(series([100, 0, 0], outflow=[0, 110, 0]), first=BEGIN + timedelta(days=2))
    assert (late.time_weighted.value, late.time_weighted.note) == (None, NOTHING_THERE)


def test_what_comes_of_nothing_is_a_gain_without_a_return() -> None:
    paid_after_all_was_sold = series([100, 0, 0], outflow=[0, 110, 5])
    assert performance(paid_after_all_was_sold).time_weighted.value == pytest.approx(0.1)


def test_money_that_is_nearly_all_owed_has_no_return() -> None:
    """A book whose deposits were not entered: a few dollars of worth would make a return of thousands of per cent."""
    found = performance(series([5, 20], [0, 0], cash=[-995, -995]))
    assert found.time_weighted.value is None
    assert "deposits" in found.time_weighted.note
    assert performance(series([-5, 20, 30], [0, 0, 0])).time_weighted.value is None
    margin = performance(series([100, 120], cash=[-50, -50]))
    assert margin.time_weighted.value == pytest.approx(0.2)


def test_a_missing_day_has_no_factor_and_the_window_no_time_weighted_return() -> None:
    found = performance(series([100, 101, NAN, 103, 104]))
    assert found.time_weighted == Rate(
        None, None, BEGIN, BEGIN + timedelta(days=4), 4, "2020-01-08 has no value: prices or rates are missing (AAA)."
    )
    assert found.money_weighted.value == pytest.approx(0.04)
    assert found.index == [1, pytest.approx(1.01), None, None, None]
    assert found.value == [100, 101, None, 103, 104]
    assert found.missing_days == 1
    assert found.notes == (found.time_weighted.note,)
    assert found.months[0].time_weighted is None
    after = performance(series([100, 101, NAN, 103, 104]), first=BEGIN + timedelta(days=3))
    assert (after.time_weighted.value, after.money_weighted.value) == (None, None)
    assert after.time_weighted.note.startswith("2020-01-08 has no value")
    assert performance(series([100, 101, NAN])).money_weighted.note == "The value on 2020-01-08 is not known."


def test_an_empty_series_says_that_there_is_nothing_yet() -> None:
    found = performance(series([100]), first=BEGIN + timedelta(days=1))
    assert (found.first, found.time_weighted.note, found.explanation) == (None, NOTHING_THERE, NOTHING_THERE)
    assert performance(nothing()).time_weighted.note == NOTHING_YET


def test_months_and_years_are_whole_or_not() -> None:
    days = [date(2020, 1, 15) + timedelta(days=number) for number in range(420)]
    days = [day for day in days if day.weekday() < 5]
    value = [100 * 1.001**number for number in range(len(days))]
    found = performance(series(value, days=days), closes=np.array(value) * 2)
    assert [(period.year, period.is_whole) for period in found.years] == [(2020, False), (2021, False)]
    assert [period.month for period in found.months[:3]] == [1, 2, 3]
    assert [period.is_whole for period in found.months] == [False, *[True] * 13, False]
    february = sum(day.month == 2 and day.year == 2020 for day in days)
    assert found.months[1].time_weighted == pytest.approx(1.001**february - 1)
    assert found.months[1].benchmark == pytest.approx(1.001**february - 1)
    total = np.prod([1 + (period.time_weighted or 0) for period in found.months])
    assert found.time_weighted.value == pytest.approx(total - 1)
    length = (days[-1] - days[0]).days
    assert found.time_weighted.annual == pytest.approx(total ** (365 / length) - 1)


def test_the_benchmark_gets_the_same_flows() -> None:
    closes = np.array([10.0, 20.0, 10.0, 12.0])
    found = performance(series([100, 100, 300, 300], [100, 0, 200, 0]), benchmark="INDEX", closes=closes)
    assert found.benchmark_value == [100, 200, 100 + 200, 360]
    assert found.benchmark_index == [1, 2, 1, pytest.approx(1.2)]
    assert found.benchmark_time_weighted.value == pytest.approx(0.2)
    flows = [(BEGIN, -100.0), (BEGIN + timedelta(days=2), -200.0), (BEGIN + timedelta(days=3), 360.0)]
    assert found.benchmark_money_weighted.value == pytest.approx(money_weighted(flows).value)
    window = performance(series([100, 100, 300, 300], [100, 0, 200, 0]), closes=closes, first=BEGIN + timedelta(days=1))
    assert window.benchmark_value == [200, 100 + 200, 360]
    assert window.benchmark_time_weighted.value == pytest.approx(0.2)
    assert window.benchmark_index == [2, 1, pytest.approx(1.2)]


def test_a_portfolio_that_is_the_benchmark_has_its_returns() -> None:
    closes = np.array([10.0, 11.0, 11.0, 12.0])
    found = performance(series([100, 110, 110 + 198, 336], [100, 0, 198, 0]), closes=closes)
    assert found.benchmark_value == pytest.approx(found.value)
    assert found.benchmark_time_weighted.value == pytest.approx(found.time_weighted.value)
    assert found.benchmark_money_weighted.value == pytest.approx(found.money_weighted.value)


def test_a_benchmark_does_not_change_with_the_days_of_what_is_compared_with_it() -> None:
    """quantstats#457: benchmark changing with the calendar."""
    closes = np.array([50.0, 51.0, 49.0, 52.0, 53.0])
    whole = performance(series([100, 101, 102, 103, 104]), benchmark="INDEX", closes=closes)
    with_gap = performance(series([100, 101, NAN, 103, 104]), benchmark="INDEX", closes=closes)
    few = [BEGIN, BEGIN + timedelta(days=1), BEGIN + timedelta(days=4)]
    fewer = performance(series([100, 101, 104], days=few), benchmark="INDEX", closes=closes[[0, 1, 4]])
    assert with_gap.time_weighted.value is None
    for found in (whole, with_gap, fewer):
        assert found.benchmark_time_weighted.value == pytest.approx(53 / 50 - 1)


def test_a_benchmark_without_all_closes_has_no_return() -> None:
    found = performance(series([100, 100, 100]), closes=np.array([NAN, 10.0, 11.0]))
    assert found.benchmark_time_weighted.value is None
    assert found.benchmark_money_weighted.value is None
    assert found.benchmark_value == [None] * 3
    assert performance(series([100, 100])).benchmark_time_weighted.note == "No benchmark was asked for."
    gap = performance(series([100, 100, 100]), closes=np.array([10.0, NAN, 11.0]))
    assert (gap.benchmark_value[1], gap.benchmark_value[2]) == (None, pytest.approx(110))
    assert gap.benchmark_money_weighted.value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("by_time", "by_money", "words"),
    [
        (0.1, 0.08, "is below the time-weighted one (10.0 % a year): more money was there on the worse days."),
        (0.1, 0.12, "is above the time-weighted one (10.0 % a year): more money was there on the better days."),
        (0.1, 0.1009, "The two returns are nearly the same (10.0 % a year)"),
    ],
    ids=["below", "above", "same"],
)
def test_why_the_two_returns_differ(by_time: float, by_money: float, words: str) -> None:
    assert words in explained(Rate(0.3, by_time), Rate(by_money, by_money))


def test_why_there_is_nothing_to_compare() -> None:
    words = explained(Rate(None, note="On 2020-01-08 a price is missing."), Rate(0.1, 0.1))
    assert words == "There is no time-weighted return to compare: on 2020-01-08 a price is missing."


_values = st.floats(1, 1e6)


@given(
    st.lists(st.tuples(_values, st.floats(0, 1e5), st.floats(0, 1e5)), min_size=2, max_size=30), st.floats(0.01, 100)
)
def test_scaling_changes_no_return(rows: list[tuple[float, float, float]], scale: float) -> None:
    value, inflow, outflow = (list(column) for column in zip(*rows, strict=True))
    inflow[0] += 1
    one = performance(series(value, inflow, outflow))
    other = performance(series(*([scale * each for each in line] for line in (value, inflow, outflow))))
    assert other.time_weighted.value == pytest.approx(one.time_weighted.value, rel=1e-9)
    assert (one.money_weighted.value is None) == (other.money_weighted.value is None)


@given(st.lists(st.floats(0.5, 2), min_size=3, max_size=30), st.integers(1, 28))
def test_windows_chain_to_the_whole(factors: list[float], at: int) -> None:
    found = series(np.cumprod([100.0, *factors]).tolist())
    cut = BEGIN + timedelta(days=min(at, len(factors) - 1))
    whole, before, after = (
        performance(found, first=first, last=last).time_weighted.value
        for first, last in ((None, None), (None, cut), (cut + timedelta(days=1), None))
    )
    assert whole is not None and before is not None and after is not None
    assert (1 + before) * (1 + after) == pytest.approx(1 + whole)


def test_a_rounding_below_a_cent_is_no_money_owed() -> None:
    """Deposit 1,000, gain 50, withdrawal 1,050.004."""
    left = series([1000, 1050, -0.004, -0.004], [1000, 0, 0, 0], [0, 0, 1050.004, 0], cash=[0, 0, -0.004, -0.004])
    assert performance(left).time_weighted.value == pytest.approx(0.05, abs=1e-5)
    owed = series([1000, 1050, -0.006, -0.006], [1000, 0, 0, 0], [0, 0, 1050.006, 0], cash=[0, 0, -0.006, -0.006])
    assert performance(owed).time_weighted.value is None
