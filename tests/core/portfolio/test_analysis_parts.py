"""Series are joined by date, what is missing is dropped and counted, and thinned curves keep their extremes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

import numpy as np
import pytest

from core.errors import NotEnoughData
from core.portfolio.analysis import FEWEST_COMMON_DAYS, MOST_POINTS
from core.portfolio.analysis_parts import (
    Held,
    Window,
    correlations_of,
    eligible,
    frontier_of,
    holding_risks,
    key_of,
    months_of,
    rolling_curves,
    simple_returns,
    underwater_curve,
    window_of,
)
from core.portfolio.risk import figures, underwater
from core.portfolio.series import Days, Floats, Series

NAN = float("nan")


def days_of(n: int, first: str = "2009-01-01") -> Days:
    """Weekdays in order."""
    return np.busday_offset(np.datetime64(first, "D"), np.arange(n), roll="forward")


def series_of(days: Days, value: Floats, inflow: Floats | None = None) -> Series:
    """A portfolio with these values, paid in on its first day."""
    nothing = np.zeros(len(days))
    first = nothing.copy()
    first[0] = 100.0
    paid = first if inflow is None else inflow
    return Series(days, value, nothing, paid, nothing, {}, ("AAA",), value[None, :], nothing[None, :])


def walk(n: int, seed: int = 1) -> Floats:
    steps: Floats = 1 + np.random.default_rng(seed).normal(0.0003, 0.01, n)
    return np.asarray(100 * steps.cumprod(), dtype=np.float64)


def held_of(returns: Floats, *symbols: str) -> Held:
    names = symbols or tuple(f"S{place}" for place in range(returns.shape[1]))
    return Held(names, np.full(len(names), 1 / len(names)), days_of(len(returns)), returns)


def test_a_benchmark_is_joined_by_date_and_not_by_place() -> None:
    days, closes = days_of(300), walk(300)
    series = series_of(days, closes)
    # The benchmark began earlier, so that each of its places is one day before the portfolio's.
    earlier = np.concatenate(([days[0] - 3], days))
    window = window_of(series, (earlier, np.concatenate(([90.0], closes))))
    assert window.returns[1:] == pytest.approx(window.benchmark[1:])
    found = figures(window.returns, window.benchmark)
    assert (found.beta, found.r_squared) == (pytest.approx(1), pytest.approx(1))
    by_place = figures(window.returns[1:], np.roll(window.benchmark[1:], 1))
    assert by_place.r_squared is not None and by_place.r_squared < 0.1


def test_days_that_the_benchmark_lacks_are_left_out_of_the_pairs() -> None:
    days, closes = days_of(100), walk(100)
    there = np.delete(np.arange(100), 50)
    window = window_of(series_of(days, closes), (days[there], closes[there]))
    assert np.flatnonzero(np.isnan(window.benchmark)).tolist() == [0, 50, 51]
    found = figures(window.returns, window.benchmark)
    assert (found.n, found.n_pairs, found.beta) == (100, 97, pytest.approx(1))


def test_a_missing_value_takes_that_day_and_the_next_and_is_counted() -> None:
    days, value = days_of(60), walk(60)
    value[30] = NAN
    window = window_of(series_of(days, value), None)
    assert (len(window.returns), window.missing) == (58, 2)
    assert not {days[30], days[31]} & set(window.days)


def test_days_on_which_nothing_was_held_are_not_missing() -> None:
    days, value, inflow = days_of(40), walk(40), np.zeros(40)
    value[10:20], inflow[0], inflow[20] = 0.0, 100.0, value[20]
    series = replace(series_of(days, value, inflow), outflow=np.where(np.arange(40) == 10, value[9], 0.0))
    window = window_of(series, None)
    assert (window.missing, len(window.returns)) == (0, 40 - 9)


def test_a_window_begins_with_the_return_of_its_first_day() -> None:
    days, value = days_of(30), walk(30)
    first, last = days[10].astype(date), days[19].astype(date)
    window = window_of(series_of(days, value), (days, value), first=first, last=last)
    assert (len(window.returns), window.days[0], window.days[-1]) == (10, days[10], days[19])
    assert window.returns[0] == pytest.approx(value[10] / value[9] - 1)
    assert np.isfinite(window.benchmark).all()


def test_a_missing_close_takes_two_returns() -> None:
    assert np.isnan(simple_returns(np.array([1.0, 2.0, NAN, 4.0, 8.0]))).tolist() == [True, False, True, True, False]
    assert np.isnan(simple_returns(np.array([0.0, 2.0, 4.0]))).tolist() == [True, True, False]


def test_correlations_are_of_the_days_that_both_have() -> None:
    rng = np.random.default_rng(2)
    returns = rng.normal(0, 0.01, (200, 4))
    returns[:, 1] = -returns[:, 0]
    returns[:150, 2] = NAN
    returns[: 200 - FEWEST_COMMON_DAYS + 1, 3] = NAN
    found = correlations_of(held_of(returns))
    assert found.values[0][1] == pytest.approx(-1)
    assert (
        found.values[0][2] == found.values[2][0] == pytest.approx(np.corrcoef(returns[150:, 0], returns[150:, 2])[0, 1])
    )
    assert [row[3] for row in found.values] == [None] * 4
    assert [found.counts[0][place] for place in range(4)] == [200, 200, 50, FEWEST_COMMON_DAYS - 1]


def test_a_holding_that_did_not_move_has_no_correlation_and_no_volatility_but_zero() -> None:
    returns = np.column_stack([np.full(100, 0.001), walk(100) / 1e4])
    assert correlations_of(held_of(returns)).values[0] == [None, None]
    still, moving = holding_risks(held_of(returns))
    assert (still.volatility, still.annual_return) == (0.0, pytest.approx(0.252))
    assert moving.volatility is not None and moving.volatility > 0


def test_short_histories_have_no_risk_and_are_left_out_of_the_frontier() -> None:
    returns = np.random.default_rng(3).normal(0, 0.01, (200, 4))
    returns[: 200 - 19, 1] = NAN
    returns[:, 3] = 0.0
    held = held_of(returns)
    assert [(each.n, each.volatility is None) for each in holding_risks(held)] == [
        (200, False),
        (19, True),
        (200, False),
        (200, False),
    ]
    assert eligible(held).tolist() == [0, 2]
    found = frontier_of(held, min_weight=0, max_weight=1)
    assert (found.n, found.left_out) == (200, ["S1", "S3"])
    assert found.current.weights == {"S0": 0.5, "S2": 0.5}


def test_without_days_in_common_the_shortest_history_is_left_out_first() -> None:
    returns = np.random.default_rng(4).normal(0, 0.01, (300, 3))
    returns[200:, 0] = NAN
    returns[:220, 1] = NAN
    held = held_of(returns)
    assert eligible(held).tolist() == [0, 2]
    with pytest.raises(NotEnoughData, match="two holdings with 60 days"):
        frontier_of(held_of(returns[:, :2]), min_weight=0, max_weight=1)


def window(n: int, seed: int = 5) -> Window:
    rng = np.random.default_rng(seed)
    return Window(days_of(n), rng.normal(0, 0.01, n), rng.normal(0, 0.01, n), 0)


def test_a_thinned_underwater_curve_keeps_its_deepest_day_and_its_last() -> None:
    whole = window(5_000)
    curve = underwater_curve(whole)
    below = underwater(whole.returns)
    assert len(curve.days) == len(curve.drawdown) <= MOST_POINTS
    assert min(curve.drawdown) == below.min()
    assert (curve.days[-1], curve.drawdown[-1]) == (whole.days[-1].astype(date), min(0.0, below[-1]))
    assert list(curve.days) == sorted(curve.days)


def test_rolling_curves_are_of_the_windows_that_the_returns_fill() -> None:
    assert rolling_curves(window(62), 0.0) == ()
    (quarter,) = rolling_curves(window(100), 0.0)
    assert (quarter.window, quarter.volatility[61]) == (63, None)
    assert quarter.volatility[62] is not None
    assert [(curve.window, len(curve.days)) for curve in rolling_curves(window(5_000), 0.0)] == [
        (63, MOST_POINTS),
        (126, MOST_POINTS),
        (252, MOST_POINTS),
    ]


def test_months_compound_their_days() -> None:
    found = months_of(Window(days_of(30, "2009-01-22"), np.full(30, 0.01), np.full(30, NAN), 0))
    assert [(each.year, each.month, each.n) for each in found] == [(2009, 1, 7), (2009, 2, 20), (2009, 3, 3)]
    assert found[0].value == pytest.approx(1.01**7 - 1)


def test_an_analysis_is_named_by_everything_that_it_comes_from() -> None:
    one, held = window(100), held_of(np.random.default_rng(6).normal(0, 0.01, (80, 2)))
    base = (UUID(int=1), one, held, ("SPX", 0.0, 1.0, 0.04))
    shifted = replace(held, days=held.days + 1)
    others = [
        (UUID(int=2), *base[1:]),
        (base[0], replace(one, returns=one.returns + 1e-12), *base[2:]),
        (base[0], replace(one, benchmark=one.benchmark + 1e-12), *base[2:]),
        (base[0], replace(one, days=one.days + 1), *base[2:]),
        (base[0], replace(one, missing=1), *base[2:]),
        (*base[:2], shifted, base[3]),
        (*base[:2], replace(held, symbols=("S0", "S9")), base[3]),
        (*base[:2], replace(held, weights=np.array([0.4, 0.6])), base[3]),
        (*base[:3], ("SPX", 0.0, 1.0, 0.05)),
    ]
    keys = {key_of(*base), *(key_of(*each) for each in others)}
    assert len(keys) == len(others) + 1
    assert key_of(*base) == key_of(*base)
