"""Records on the shipped history: the same figures as by a slow and plain count, bar by bar."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from statistics import median

import polars as pl
import pytest

from core.db.engine import Database
from core.market.bar_store import BarStore
from core.market.bars import Bars
from core.screener.history import CANDLESTICKS, RULES
from core.screener.outcomes import HORIZONS
from core.screener.record_store import Records, UniverseRecord
from core.screener.records import ROUND_TRIP_COST, wilson
from core.screener.series import LONGEST_GAP_DAYS
from tests.core.market.bars_made import as_of

DAY = date(2010, 8, 20)
SYMBOLS = ["AAPL", "DHR", "GE", "IBM", "KO", "MSFT", "WMT", "XOM"]
Entry = tuple[date, float, float, float, float | None]
"""Its signal's day, its move, the highest and lowest price after it, and the index' move."""


@pytest.fixture
def bars(database: Database, tmp_path: Path) -> Bars:
    """The shipped bars."""
    shipped = Bars(BarStore(database, tmp_path / "bars"))
    shipped.load_shipped()
    return shipped


@pytest.fixture
def record(bars: Bars, database: Database, tmp_path: Path) -> UniverseRecord:
    """The record of eight well-known shares."""
    return Records(bars, database, tmp_path / "bars").update(
        "few", SYMBOLS, as_of(DAY), detectors=[RULES, CANDLESTICKS]
    )


def _entries(
    rows: list[dict[str, float]], days: list[date], index: dict[date, tuple[float, float]], held: int
) -> list[Entry]:
    found = []
    for t in range(len(rows) - held):
        after = rows[t + 1 : t + 1 + held]
        gaps = [(days[at + 1] - days[at]).days for at in range(t, t + held)]
        if max(gaps) > LONGEST_GAP_DAYS:
            continue
        price = after[0]["open"]
        bought, sold = index.get(days[t + 1]), index.get(days[t + held])
        found.append(
            (
                days[t],
                after[-1]["close"] / price - 1,
                max(row["high"] for row in after) / price - 1,
                min(row["low"] for row in after) / price - 1,
                sold[1] / bought[0] - 1 if bought and sold else None,
            )
        )
    return found


def _breaks_out(rows: list[dict[str, float]], t: int) -> bool:
    """Whether the close is above the highest high of the 20 bars before it, and the last was not above its own."""

    def is_above(at: int) -> bool:
        return at >= 20 and rows[at]["close"] > max(row["high"] for row in rows[at - 20 : at]) * (1 + 1e-9)

    return t >= 21 and is_above(t) and not is_above(t - 1)


def test_figures_of_breakouts_are_those_of_a_plain_count(bars: Bars, record: UniverseRecord) -> None:
    frame = bars.history("SP500", as_of(DAY)).frame
    index = {day: (opened, close) for day, opened, close in frame.select("date", "open", "close").iter_rows()}
    for held in HORIZONS:
        every: list[Entry] = []
        signals: list[Entry] = []
        for symbol in SYMBOLS:
            history = _whole(bars.history(symbol, as_of(DAY)).frame)
            days, rows = history["date"].to_list(), history.drop("date").to_dicts()
            entries = _entries(rows, days, index, held)
            fired = {days[t] for t in range(len(rows)) if _breaks_out(rows, t)}
            every += entries
            signals += [entry for entry in entries if entry[0] in fired]
        figures = record.figures["breakout_20"][held]
        first, last = min(entry[0] for entry in signals), max(entry[0] for entry in signals)
        base = [entry for entry in every if first <= entry[0] <= last]
        hits = sum(entry[1] > 0 for entry in signals)
        excess = [entry[1] - entry[4] for entry in signals if entry[4] is not None]
        assert (figures.n, figures.hits, figures.base_n) == (len(signals), hits, len(base))
        assert (figures.first_day, figures.last_day) == (first, last)
        assert figures.days == len({entry[0] for entry in signals})
        assert (figures.hit_rate_low, figures.hit_rate_high) == wilson(hits, len(signals))
        assert figures.base_rate == pytest.approx(sum(entry[1] > 0 for entry in base) / len(base))
        assert figures.median_move == pytest.approx(median(entry[1] for entry in signals))
        assert figures.median_after_costs == pytest.approx(median(entry[1] for entry in signals) - ROUND_TRIP_COST)
        assert (figures.median_excess, figures.excess_n) == (pytest.approx(median(excess)), len(excess))
        assert figures.median_best == pytest.approx(median(entry[2] for entry in signals))
        assert figures.worst == pytest.approx(min(entry[3] for entry in signals))


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Bars with all prices, whose range holds open and close."""
    prices = ("open", "high", "low", "close")
    return (
        frame.select("date", *prices)
        .drop_nulls()
        .filter(pl.all_horizontal(pl.col(prices) > 0))
        .with_columns(high=pl.max_horizontal("high", "open", "close"), low=pl.min_horizontal("low", "open", "close"))
    )


def test_every_figure_is_within_its_bounds(record: UniverseRecord) -> None:
    for figures in (each for by_horizon in record.figures.values() for each in by_horizon.values()):
        if figures.hit_rate is None:
            assert (figures.n, figures.base_rate, figures.first_day) == (0, None, None)
            continue
        assert figures.n >= figures.days >= 1
        assert figures.base_n >= figures.n >= figures.hits
        assert figures.hit_rate_low is not None and figures.hit_rate_high is not None
        assert 0 <= figures.hit_rate_low <= figures.hit_rate <= figures.hit_rate_high <= 1
        assert figures.worst is not None and figures.median_worst is not None
        assert figures.best is not None and figures.median_best is not None and figures.median_move is not None
        assert figures.worst <= figures.median_worst <= figures.median_move <= figures.median_best <= figures.best
        assert figures.last_day is not None and figures.last_day < DAY
