"""Efficient portfolios meet closed forms and their bounds, and say so where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InvalidRequest, NotEnoughData
from core.portfolio.analysis import Mix
from core.portfolio.optimise import FEWEST_DAYS, FRONTIER_POINTS, check_bounds, mix, optima
from core.portfolio.risk import Floats

SYMBOLS = ["AAA", "BBB", "CCC", "DDD"]


def walks(columns: int = 4, days: int = 400, *, seed: int = 1, drift: float = 0.0003) -> Floats:
    rng = np.random.default_rng(seed)
    spread = np.linspace(0.006, 0.02, columns)
    found: Floats = rng.normal(0, 1, (days, columns)) * spread + drift * np.arange(1, columns + 1)
    return found


def uncorrelated(*spreads: float, days: int = 200) -> Floats:
    """Columns whose sample correlations are 0, with these standard deviations."""
    raw = np.random.default_rng(2).normal(0, 1, (days, len(spreads)))
    raw -= raw.mean(axis=0)
    found: Floats = np.linalg.qr(raw).Q * np.sqrt(days - 1) * np.array(spreads)
    return found


def weights(found: Mix) -> list[float]:
    return list(found.weights.values())


def test_minimum_variance_of_two_is_the_closed_form() -> None:
    returns = walks(2)
    (a, ab), (_, b) = np.cov(returns, rowvar=False)
    first = (b - ab) / (a + b - 2 * ab)
    found = optima(SYMBOLS[:2], returns).minimum_variance
    assert weights(found) == pytest.approx([first, 1 - first], abs=1e-4)
    assert found.volatility == pytest.approx(np.sqrt((a * b - ab**2) / (a + b - 2 * ab) * 252), rel=1e-6)


def test_risk_parity_of_uncorrelated_holdings_is_by_inverse_volatility() -> None:
    inverse = 1 / np.array([0.01, 0.02, 0.04])
    found = optima(SYMBOLS[:3], uncorrelated(0.01, 0.02, 0.04)).risk_parity
    assert weights(found) == pytest.approx(inverse / inverse.sum(), abs=1e-4)


def test_in_risk_parity_each_brings_the_same_share_of_the_variance() -> None:
    returns = walks()
    held = np.array(weights(optima(SYMBOLS, returns).risk_parity))
    shares = held * (np.cov(returns, rowvar=False) @ held)
    assert shares / shares.sum() == pytest.approx([0.25] * 4, abs=1e-3)


def test_the_frontier_rises_from_the_least_volatility_to_the_highest_return() -> None:
    returns = walks()
    found = optima(SYMBOLS, returns)
    assert len(found.frontier) == FRONTIER_POINTS
    assert found.frontier[0] == found.minimum_variance
    assert all(sum(weights(point)) == pytest.approx(1) and min(weights(point)) >= 0 for point in found.frontier)
    volatilities, gains = zip(*((point.volatility, point.annual_return) for point in found.frontier), strict=True)
    assert list(volatilities) == sorted(volatilities)
    assert list(gains) == sorted(gains)
    assert gains[-1] == pytest.approx(returns.mean(axis=0).max() * 252, rel=1e-4)


def test_no_mix_of_the_holdings_has_less_volatility_than_the_frontier_at_its_return() -> None:
    returns = walks()
    frontier = optima(SYMBOLS, returns).frontier
    gains, volatilities = ([getattr(each, name) for each in frontier] for name in ("annual_return", "volatility"))
    for held in np.random.default_rng(5).dirichlet(np.ones(4), 200):
        other = mix(SYMBOLS, held, returns)
        assert other.volatility >= frontier[0].volatility - 1e-6
        if gains[0] <= other.annual_return <= gains[-1]:
            # Between two points the frontier bends below the straight line that joins them.
            place = int(np.searchsorted(gains, other.annual_return))
            assert other.volatility >= volatilities[max(0, place - 1)] - 1e-6


def test_weights_keep_to_their_bounds() -> None:
    found = optima(SYMBOLS, walks(), min_weight=0.1, max_weight=0.4)
    for each in (*found.frontier, found.minimum_variance, found.risk_parity):
        assert 0.1 - 1e-5 <= min(weights(each)) <= max(weights(each)) <= 0.4 + 1e-5


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_weights_do_not_depend_on_the_size_of_returns(scale: float) -> None:
    one, other = (optima(SYMBOLS, walks() * each).minimum_variance for each in (1.0, scale))
    assert weights(other) == pytest.approx(weights(one), abs=1e-5)


def test_the_same_returns_give_the_same_portfolios() -> None:
    assert optima(SYMBOLS, walks()) == optima(SYMBOLS, walks())


@pytest.mark.parametrize(
    "returns",
    [
        pytest.param(walks(drift=-0.02), id="all-lose"),
        pytest.param(walks() - walks().mean(axis=0) + 0.001, id="equal-means"),
        pytest.param(np.tile(walks(1), (1, 4)), id="one-and-the-same"),
        pytest.param(walks() * np.array([1e-4, 1, 1, 1]), id="one-hardly-moves"),
    ],
)
def test_odd_returns_have_their_portfolios_too(returns: Floats) -> None:
    found = optima(SYMBOLS, returns)
    least = found.minimum_variance.volatility
    for each in (*found.frontier, found.risk_parity):
        assert sum(weights(each)) == pytest.approx(1)
        assert each.volatility >= least - 1e-6


@pytest.mark.parametrize(
    ("returns", "words"),
    [
        pytest.param(walks(1), "takes two holdings", id="one"),
        pytest.param(walks(days=FEWEST_DAYS - 1), "have 59 days in common", id="too-short"),
        pytest.param(walks() * np.array([0, 1, 1, 1]), "whose prices moved", id="one-is-constant"),
    ],
)
def test_too_little_is_not_enough_data(returns: Floats, words: str) -> None:
    with pytest.raises(NotEnoughData, match=words):
        optima(SYMBOLS[: returns.shape[1]], returns)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0.0, 0.2), "4 holdings of at most 20.00 % each do not come to 100 %"),
        ((0.3, 0.5), "4 holdings of at least 30.00 % each are more than 100 %"),
        ((0.5, 0.3), "fractions from 0 to 1, in that order"),
        ((-0.1, 1.0), "fractions from 0 to 1"),
        ((0.0, 1.5), "fractions from 0 to 1"),
        ((0.0, 0.0), "fractions from 0 to 1"),
        ((0.0, float("nan")), "fractions from 0 to 1"),
    ],
)
def test_bounds_that_cannot_be_are_refused(bounds: tuple[float, float], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        check_bounds(4, *bounds)


def test_bounds_that_leave_one_choice_are_met() -> None:
    found = optima(SYMBOLS, walks(), max_weight=0.25)
    assert weights(found.minimum_variance) == pytest.approx([0.25] * 4, abs=1e-6)
