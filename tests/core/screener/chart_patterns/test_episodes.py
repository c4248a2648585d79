"""Real episodes of the shipped history, each looked at on a chart before it was written down here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from core.screener.chart_patterns.patterns import chart_patterns_of
from tests.core.screener.chart_patterns.drawn import shipped


@dataclass(frozen=True, slots=True)
class Episode:
    """A pattern that anybody sees: its pivots by day and price, when it was known, and the close beyond its line."""

    symbol: str
    type: str
    pivots: str
    confirmed_on: str
    triggered_on: str
    levels: tuple[float, float, float]
    """Entry, stop and target."""
    dataset: str = "wiki"


EPISODES = (
    Episode(
        "IBM",
        "head_and_shoulders",
        "2005-10-18 84.6, 2005-10-28 80.5, 2005-11-29 89.94, 2006-01-03 80.81, 2006-01-06 85.03",
        "2006-01-20",
        "2006-01-24",
        (80.91, 82.85, 71.62),
    ),
    Episode(
        "GOOG",
        "head_and_shoulders",
        "2007-06-07 526.5, 2007-06-13 498.69, 2007-07-16 558.58, 2007-07-26 498.88, 2007-08-09 526.82",
        "2007-08-15",
        "2007-08-15",
        (498.97, 514.65, 439.22),
    ),
    Episode(
        "IBM",
        "inverse_head_and_shoulders",
        "2004-07-12 83.42, 2004-07-30 87.4, 2004-08-12 81.9, 2004-09-13 87.28, 2004-09-23 83.24",
        "2004-09-30",
        "2004-10-05",
        (87.22, 85.70, 92.68),
    ),
    Episode(
        "IBM",
        "double_bottom",
        "2010-07-02 120.61, 2010-08-10 132.49, 2010-08-31 122.28",
        "2010-09-03",
        "2010-09-22",
        (132.49, 129.83, 143.54),
    ),
    Episode(
        "AAPL",
        "double_top",
        "2006-02-23 73, 2006-03-29 57.67, 2006-05-08 73.8",
        "2006-05-11",
        "2006-06-12",
        (57.67, 61.12, 41.94),
    ),
    Episode(
        "AAPL",
        "cup_and_handle",
        "2008-09-19 144.2, 2009-01-20 78.2, 2009-06-05 146.4",
        "2009-06-12",
        "2009-07-15",
        (146.40, 141.20, 214.60),
    ),
    Episode(
        "IBM",
        "ascending_triangle",
        "2009-10-02 117.26, 2009-10-14 128.61, 2009-10-27 119.15, 2009-11-23 128.94, 2009-11-27 124.26",
        "2009-12-04",
        "2009-12-10",
        (128.94, 126.32, 139.18),
    ),
    Episode(
        "MSFT",
        "descending_triangle",
        "2010-05-13 29.73, 2010-05-26 24.56, 2010-06-03 26.93, 2010-06-08 24.65, 2010-06-21 26.89",
        "2010-06-24",
        "2010-06-25",
        (24.56, 25.68, 20.37),
    ),
    Episode(
        "AAPL",
        "symmetrical_triangle_bullish",
        "2006-12-27 76.77, 2007-01-10 97.8, 2007-02-06 82.86, 2007-02-22 90.81, 2007-02-28 83",
        "2007-03-07",
        "2007-03-12",
        (87.92, 84.56, 107.73),
    ),
    Episode(
        "DD",
        "rectangle_bullish",
        "2010-05-06 33.66, 2010-05-12 39.35, 2010-05-25 33.77, 2010-06-21 39.2, 2010-07-06 33.73",
        "2010-07-09",
        "2010-07-27",
        (39.35, 37.73, 45.04),
        "sp500_2010",
    ),
    Episode(
        "GAS",
        "rising_channel",
        "2009-10-02 34.96, 2009-10-19 39.07, 2009-10-26 36.69, 2009-11-17 40.21, 2009-11-20 38.24, 2009-12-28 43.39",
        "2010-01-05",
        "2010-01-08",
        (41.73, 42.73, 39.09),
        "sp500_2010",
    ),
    Episode(
        "ADSK",
        "falling_channel",
        "2010-04-26 35.18, 2010-05-06 28.65, 2010-05-13 33.49, 2010-06-08 25.79, 2010-06-21 29.88, 2010-07-01 23.64",
        "2010-07-13",
        "2010-07-22",
        (26.75, 25.17, 32.04),
        "sp500_2010",
    ),
    Episode(
        "DHR",
        "bull_flag",
        "2009-12-08 70.76, 2009-12-22 76.56, 2010-01-06 74.19",
        "2010-01-06",
        "2010-01-07",
        (75.46, 74.19, 81.26),
        "sp500_2010",
    ),
    Episode(
        "LO",
        "bear_flag",
        "2010-05-18 80.69, 2010-06-01 70.24, 2010-06-16 75.13",
        "2010-06-16",
        "2010-06-24",
        (73.71, 75.13, 63.26),
        "sp500_2010",
    ),
)


@pytest.mark.parametrize("episode", EPISODES, ids=lambda episode: f"{episode.symbol} {episode.type}")
def test_an_episode_is_found_with_its_pivots_its_days_and_its_levels(episode: Episode) -> None:
    found = [
        pattern
        for pattern in chart_patterns_of(shipped(episode.dataset, [episode.symbol]))
        if pattern.type == episode.type and pattern.triggered_on == date.fromisoformat(episode.triggered_on)
    ]

    (pattern,) = found
    assert ", ".join(f"{pivot.day} {pivot.price:g}" for pivot in pattern.pivots) == episode.pivots
    assert pattern.confirmed_on == date.fromisoformat(episode.confirmed_on)
    assert (pattern.entry, pattern.stop, pattern.target) == pytest.approx(episode.levels, abs=0.006)


def test_a_wrong_price_in_the_shipped_history_makes_no_pattern() -> None:
    """A low of 5.96 among prices of 51."""
    patterns = chart_patterns_of(shipped("sp500_2010", ["BIIB"]))

    assert all(pivot.price > 20 for pattern in patterns for pivot in pattern.pivots)
