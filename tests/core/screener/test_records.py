"""Records of signals: each figure by hand, both directions, the base rate, the interval and the confidence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from core.screener import records
from core.screener.direction import Direction
from core.screener.outcomes import HORIZONS, Benchmark, Outcomes
from core.screener.records import Confidence, Events, Figures, confidence, figures_of, wilson
from tests.core.screener.made_series import Bar, drawn, first_bars, series_of, weekdays

UP: Bar = (100.0, 106.0, 98.0, 104.0)
DOWN: Bar = (100.0, 103.0, 92.0, 94.0)
FLAT: Bar = (100.0, 101.0, 99.0, 100.0)


def _events(direction: Direction, *places: int) -> dict[str, Events]:
    return {"x": Events(direction, np.array(places, dtype=np.int64))}


def _one(outcomes: Outcomes, direction: Direction, *places: int, sessions: int = 1) -> Figures:
    return figures_of(outcomes, _events(direction, *places))["x"][sessions]


def test_the_figures_of_a_bullish_signal_by_hand() -> None:
    figures = _one(Outcomes(series_of({"A": [FLAT, UP, DOWN, UP, FLAT]})), Direction.BULLISH, 0, 1, 2)
    assert (figures.n, figures.hits, figures.days, figures.base_n) == (3, 2, 3, 3)
    assert figures.hit_rate == pytest.approx(2 / 3)
    assert figures.median_move == pytest.approx(0.04)
    assert figures.median_after_costs == pytest.approx(0.038)
    assert (figures.median_best, figures.best) == (pytest.approx(0.06), pytest.approx(0.06))
    assert (figures.median_worst, figures.worst) == (pytest.approx(-0.02), pytest.approx(-0.08))
    assert (figures.first_day, figures.last_day) == (date(2010, 1, 4), date(2010, 1, 6))
    assert (figures.median_excess, figures.excess_n) == (None, 0)


def test_a_bearish_signal_was_right_where_the_price_fell() -> None:
    figures = _one(Outcomes(series_of({"A": [FLAT, UP, DOWN, UP, FLAT]})), Direction.BEARISH, 0, 1)
    assert (figures.n, figures.hits) == (2, 1)
    assert figures.median_move == pytest.approx((-0.04 + 0.06) / 2)
    assert (figures.best, figures.worst) == (pytest.approx(0.08), pytest.approx(-0.06))
    assert figures.median_best == pytest.approx((0.02 + 0.08) / 2)
    assert figures.base_rate == pytest.approx(1 / 2)


def test_a_price_that_does_not_move_is_a_hit_for_nobody() -> None:
    outcomes = Outcomes(series_of({"A": [FLAT, FLAT, FLAT]}))
    for direction in Direction:
        figures = _one(outcomes, direction, 0, 1)
        assert (figures.hits, figures.hit_rate, figures.base_rate) == (0, 0, 0)
        assert str(figures.median_move) == "0.0", "and not −0.0"


def test_the_base_rate_is_of_all_entries_of_all_symbols_in_the_same_days() -> None:
    series = series_of({"A": [FLAT, UP, UP, DOWN, DOWN], "B": [FLAT, DOWN, UP, DOWN, UP]})
    figures = _one(Outcomes(series), Direction.BULLISH, 1, 2)
    # Of the second and third day, with the other symbol's entries: up, down, up, down.
    assert (figures.base_n, figures.base_rate) == (4, 0.5)
    assert _one(Outcomes(series), Direction.BEARISH, 0).base_rate == 0.5
    assert _one(Outcomes(series), Direction.BULLISH, 0, 8).base_n == 8


def test_signals_of_one_day_count_each_and_as_one_day() -> None:
    series = series_of({"A": [FLAT, UP, UP], "B": [FLAT, DOWN, UP]})
    figures = _one(Outcomes(series), Direction.BULLISH, 0, 3)
    assert (figures.n, figures.days) == (2, 1)


def test_a_signal_whose_outcome_is_not_known_does_not_count() -> None:
    outcomes = Outcomes(series_of({"A": [FLAT, UP, UP]}))
    assert _one(outcomes, Direction.BULLISH, 1, 2).n == 1
    nothing = _one(outcomes, Direction.BULLISH, 2)
    assert (nothing.n, nothing.hit_rate, nothing.base_rate, nothing.first_day) == (0, None, None, None)
    assert _one(outcomes, Direction.BULLISH, 0, sessions=5) == nothing
    assert _one(outcomes, Direction.BULLISH) == nothing


def test_the_excess_is_over_the_benchmark_in_the_direction_of_the_signal() -> None:
    index = pl.DataFrame({"date": weekdays(2), "open": [50.0, 50.0], "close": [50.0, 51.0]})
    outcomes = Outcomes(series_of({"A": [FLAT, UP, DOWN]}), Benchmark.of("INDEX", index))
    long, short = _one(outcomes, Direction.BULLISH, 0, 1), _one(outcomes, Direction.BEARISH, 0, 1)
    assert (long.excess_n, long.n) == (1, 2)
    assert long.median_excess == pytest.approx(0.04 - 0.02)
    assert short.median_excess == pytest.approx(-0.04 + 0.02)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe (1998), table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_the_interval_is_wilsons_as_published(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_the_interval_holds_the_rate_and_stays_within_0_and_1() -> None:
    for n in range(1, 60):
        for hits in {0, n // 3, n}:
            low, high = wilson(hits, n) or (2.0, 2.0)
            assert 0 <= low <= hits / n <= high <= 1


def test_of_nothing_there_is_no_interval() -> None:
    assert wilson(0, 0) is None


def test_figures_are_kept_as_json_and_come_back_the_same() -> None:
    outcomes = Outcomes(drawn(2, 100))
    events = _events(Direction.BULLISH, 3, 40, 120) | {"none": Events(Direction.BEARISH, np.array([], dtype=np.int64))}
    for horizons in figures_of(outcomes, events).values():
        assert set(horizons) == set(HORIZONS)
        for figures in horizons.values():
            assert Figures.from_json(json.loads(json.dumps(figures.to_json(), allow_nan=False))) == figures


def test_figures_of_a_day_are_those_of_whoever_lived_then() -> None:
    """Signals and entries whose outcome came later change nothing, and later signals are not there."""
    now, places = drawn(3, 120), np.array([10, 50, 60, 70, 130, 170, 175, 300])
    then = first_bars(now, 80)
    numbers, ages = np.divmod(places, 120)
    earlier = (numbers * 80 + ages)[ages < 80]
    before = figures_of(Outcomes(then), _events(Direction.BULLISH, *earlier))["x"]
    for sessions in HORIZONS:
        known = places[ages + sessions < 80]
        after = figures_of(Outcomes(now), _events(Direction.BULLISH, *known))["x"][sessions]
        same = ("n", "hits", "median_move", "median_best", "median_worst", "best", "worst", "first_day", "last_day")
        assert [getattr(before[sessions], name) for name in same] == [getattr(after, name) for name in same]


def _figures(hits: int, n: int, base: float | None, days: int | None = None) -> Figures:
    rate = hits / n if n else None
    return replace(records._NOTHING, n=n, days=n if days is None else days, hits=hits, hit_rate=rate, base_rate=base)


def test_confidence_is_the_hit_rate_drawn_towards_the_base_rate() -> None:
    assert confidence(_figures(60, 100, 0.5)).value == pytest.approx((60 + 50) / 200)
    many, few = confidence(_figures(6000, 10000, 0.5)).value, confidence(_figures(18, 30, 0.5)).value
    assert many is not None and few is not None
    assert 0.5 < few < 0.53 < 0.599 < many < 0.6


def test_signals_of_one_day_weigh_as_one() -> None:
    assert confidence(_figures(100, 100, 0.5, days=1)).value == pytest.approx((1 + 50) / 101)
    assert confidence(_figures(60, 100, 0.5, days=50)).value == pytest.approx((30 + 50) / 150)


def test_below_the_minimum_there_is_no_confidence_and_it_says_so() -> None:
    found = confidence(_figures(29, 29, 0.5))
    assert found == Confidence(None, 29, 0.5)
    assert found.words == "No confidence: 29 signals with a known outcome; 30 are needed."
    assert confidence(_figures(0, 0, None)).value is None
    assert confidence(_figures(60, 100, 0.5)).words == (
        "55% over 20 sessions by 100 earlier signals, where 50% of all entries were."
    )


def test_confidence_is_calibrated_where_the_true_probabilities_are_known() -> None:
    """Types whose true chance of a hit spreads about the base rate by 0.05, each with 30 to 2,000 earlier signals."""
    random = np.random.default_rng(7)
    base, types, later = 0.53, 4000, 200
    truth = random.normal(base, 0.05, types).clip(0.05, 0.95)
    earlier = np.exp(random.uniform(np.log(30), np.log(2000), types)).astype(int)
    hits = random.binomial(earlier, truth)
    told = np.array([confidence(_figures(int(h), int(n), base)).value for h, n in zip(hits, earlier, strict=True)])
    came = random.binomial(later, truth) / later
    brier = {
        name: float(np.mean((given - truth) ** 2 + truth * (1 - truth)))
        for name, given in {"told": told, "base": np.full(types, base), "raw": hits / earlier, "truth": truth}.items()
    }
    assert brier["truth"] <= brier["told"] < min(brier["base"], brier["raw"])
    assert brier["told"] - brier["truth"] < 0.0012
    for low in np.arange(0.45, 0.61, 0.04):
        inside = (told >= low) & (told < low + 0.04)
        assert inside.sum() > 100
        assert came[inside].mean() == pytest.approx(told[inside].mean(), abs=0.012)


def test_confidence_is_calibrated_where_signals_of_a_day_share_its_market() -> None:
    """Twenty signals a day, which rise and fall together: to take them for 20 observations would be overconfident."""
    random = np.random.default_rng(8)
    base, types, a_day = 0.5, 2000, 20
    truth = random.normal(base, 0.04, types).clip(0.05, 0.95)
    days = np.exp(random.uniform(np.log(10), np.log(500), types)).astype(int)
    hits = np.array(
        [
            random.binomial(a_day, (chance + random.choice([-0.3, 0.3], number)).clip(0, 1)).sum()
            for chance, number in zip(truth, days, strict=True)
        ]
    )
    told = np.array(
        [
            confidence(_figures(int(hit), int(number) * a_day, base, int(number))).value
            for hit, number in zip(hits, days, strict=True)
        ]
    )
    by_n = (hits + records.PRIOR_WEIGHT * base) / (days * a_day + records.PRIOR_WEIGHT)
    excess = {name: float(np.mean((given - truth) ** 2)) for name, given in (("told", told), ("by n", by_n))}
    assert excess["told"] < 0.6 * excess["by n"]
    slope = float(np.polyfit(told - base, truth - base, 1)[0])
    assert slope == pytest.approx(1.0, abs=0.25), "what is told above the base rate comes true, no less and no more"


def test_the_caveats_name_what_a_reader_must_know() -> None:
    words = " ".join(records.CAVEATS).lower()
    for named in (
        "survivorship",
        "delisted",
        "cut off are left out",
        "look-ahead",
        "costs",
        "0.2%",
        "overlap",
        "not independent",
    ):
        assert named in words
