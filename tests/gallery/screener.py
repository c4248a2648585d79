"""The components of the Screener, with symbols, bars and records that a formula made up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from math import sin
from random import Random
from uuid import UUID

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

from core.db.instruments_dao import UniverseRow
from core.db.scans_dao import ScanRow
from core.screener.criteria import Condition, Group, Match, Other, Screen
from core.screener.fields import Operator
from core.screener.merge import Breadth, Sector
from core.screener.records import Figures, wilson
from pages.components import (
    screener_builder,
    screener_chart,
    screener_condition,
    screener_coverage,
    screener_export,
    screener_market,
    screener_record,
    screener_results,
)
from pages.components.screener_chart import Drawing, Levels, Line, Mark
from pages.components.screener_record import Place
from tests.gallery.texts import TEXTS

NOW = datetime(2010, 8, 20, 20, 42, tzinfo=UTC)
SECTORS = (
    ("Information Technology", 75, 0.012), ("Consumer Discretionary & <Retail>", 82, -0.018),
    ("Financials", 80, -0.031),
    ("Health Care", 52, 0.004), ("Energy", 40, 0.029), ("Utilities", 35, -0.002), ("Telecommunications", 9, 0.0),
)  # fmt: skip


def builder() -> None:
    """A screen in the builder, with a group, a figure beside another, texts, and a condition that cannot hold"""
    if not screener_builder.is_loaded("gallery_builder"):
        screener_builder.load("gallery_builder", _screen())
    screener_builder.show_sentence(screener_builder.show("gallery_builder", {"sector": [each[0] for each in SECTORS]}))


def condition() -> None:
    """One condition: the figure, what is asked of it, and between what"""
    begins = Condition("change", Operator.BETWEEN, (-0.05, 0.025))
    screener_condition.show("gallery_condition", begins, {})


def coverage() -> None:
    """What a scan covers, with symbols that were skipped; one that skipped none"""
    skipped = [("TWX", "3 bars; 30 are needed"), ("ABC", "no bars"), *((f"OLD{n}", "no bars") for n in range(12))]
    screener_coverage.show("gallery_coverage", _scan(skipped), NOW)
    screener_coverage.show("gallery_coverage_whole", _scan([]), NOW)


def market() -> None:
    """Breadth and sectors on a day (generated); of a universe that names no sectors and has few bars"""
    sectors = [Sector(name, count, count // 2, change, change) for name, count, change in SECTORS]
    screener_market.show("gallery_around", Breadth(281, 118, 13, 0.62, 0.48, 14, 31), sectors)
    screener_market.show("gallery_poor", Breadth(1, 0, 0, None, None, 0, 0), [])


def results() -> None:
    """Matches in the grid (generated), some without confidence, name or levels; prices far below one and far above"""
    screener_results.show_order("gallery_results")
    screener_results.show("gallery_results", matches(40), lambda symbol: symbol)


def export() -> None:
    """The matches as a file, which is made when it is asked for"""
    universe = UniverseRow("sp500", "S&P 500", "a formula", "", True, None, None, False, None, None, 40)
    screener_export.show("gallery_export", matches(40), universe, _scan([]), "Golden cross")


def chart() -> None:
    """A double bottom on its pivots with neckline and levels, averages, bands, RSI and MACD (generated)"""
    screener_chart.show("gallery_drawing", drawing())


def record() -> None:
    """A record on one symbol, where nothing can be said, and on a universe, where it is better than all entries"""
    few = {1: _figures(12, 7, 0.55), 5: _figures(12, 5, 0.55), 20: _figures(11, 8, 0.56), 60: _figures(0, 0, 0.5)}
    many = {held: _figures(2_300, 1_380, 0.52) for held in (1, 5, 20, 60)}
    screener_record.show(
        "gallery_record", "Double bottom", [Place("On ACME", few), Place("On sp500 (generated)", many)]
    )
    screener_record.show("gallery_no_record", "Double bottom", [Place("On ACME", {})])


def _screen() -> Screen:
    inner = Group(Match.ALL, (Condition("adx_14", Operator.ABOVE, 25.0), Condition("gap", Operator.ABOVE, 0.02)))
    either = Group(
        Match.ANY,
        (
            Condition("signals", Operator.CONTAINS_ANY, ("golden_cross", "breakout_20")),
            Condition("sector", Operator.IS_ONE_OF, ("Energy", "Health Care")),
            inner,
        ),
        "A reason",
    )
    return Screen(
        Group(
            Match.ALL,
            (
                Condition("rsi_14", Operator.BELOW, 30.0),
                Condition("close", Operator.ABOVE_FIELD, Other("sma_200", 1.05)),
                Condition("week52_position", Operator.ABOVE, 1.0),
                either,
            ),
        )
    )


@cache
def matches(count: int) -> pl.DataFrame:
    """Rows of a scan that matched, from a formula."""
    random = Random(7)
    return pl.DataFrame([_match(number, random) for number in range(count)], infer_schema_length=None)


def _match(number: int, random: Random) -> dict[str, object]:
    close = (0.0421, 612_345.5)[number] if number < 2 else 20 * random.random() + 10
    signals = [["breakout_20"], ["breakout_20", "golden_cross"], []][number % 3]
    confidence = None if number % 4 == 0 or not signals else 0.4 + 0.3 * random.random()
    walk = [close * (1 + 0.02 * sin(number + day / 3) + 0.004 * random.random()) for day in range(30)]
    return {
        "symbol": f"SYM{number}",
        "name": TEXTS["markup"] if number == 3 else f"Generated company {number}",
        "currency": "USD",
        "close": close,
        "change": random.gauss(0, 0.03),
        "relative_volume": 0.5 + 2 * random.random(),
        "signals": signals,
        "pattern": ["double_bottom"] if number % 5 == 1 else [],
        "confidence": confidence,
        "confidence_n": 12 if number % 4 == 0 else 400 + number,
        "entry": close if signals else None,
        "target": close * 1.06 if signals else None,
        "stop": close * 0.97 if signals else None,
        "reward_risk": 2.0 if signals else None,
        "rs_rating": 1 + (number * 37) % 99,
        "spark": walk,
        "week52_position": random.random(),
        "behind": 2 if number == 5 else 0,
        "why": ["RSI 28.4 is below 30", "Close is above the 200-day average, 11.20"],
    }


@cache
def drawing() -> Drawing:
    """A year of bars that ends in a double bottom."""
    days = [day for n in range(380) if (day := date(2009, 8, 21) + timedelta(days=n)).weekday() < 5][:260]
    at = np.arange(260)
    corners = [0, 90, 150, 190, 215, 240, 259]
    close = np.interp(at, corners, [40, 58, 55, 42, 48, 42.2, 49.5]) + 0.7 * np.sin(at * 1.7) + 0.4 * np.cos(at * 0.9)
    opened = close * (1 + 0.006 * np.sin(at * 2.3))
    high, low = np.maximum(close, opened) * 1.008, np.minimum(close, opened) * 0.991
    volume = 1e6 * (1 + 0.5 * np.sin(at / 3) ** 2) + 2e6 * (at == 259)
    upper, _, lower = talib.BBANDS(close, 20)
    macd, signal, histogram = talib.MACD(close)
    indicators = {
        **{f"sma_{span}": talib.SMA(close, span) for span in (20, 50, 200)},
        "bb_upper": upper,
        "bb_lower": lower,
        "rsi_14": talib.RSI(close, 14),
        "macd": macd,
        "macd_signal": signal,
        "macd_hist": histogram,
    }
    neck = float(high[215])
    return Drawing(
        symbol="ACME (generated)",
        currency="USD",
        days=days,
        open=opened.tolist(),
        high=high.tolist(),
        low=low.tolist(),
        close=close.tolist(),
        volume=volume.tolist(),
        indicators={name: _told(values) for name, values in indicators.items()},
        levels=Levels(float(close[-1]), neck - 3.1, neck + 6.2),
        pattern="Double bottom",
        marks=(
            Mark(days[190], float(low[190]), is_high=False, label="First bottom"),
            Mark(days[215], neck, is_high=True, label="Peak"),
            Mark(days[240], float(low[240]), is_high=False, label="Second bottom"),
        ),
        lines=(Line("Neckline", (days[215], neck), (days[259], neck)),),
    )


def _told(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else float(value) for value in values.tolist()]


def _scan(skipped: list[tuple[str, str]]) -> ScanRow:
    return ScanRow(
        id=UUID(int=1), org_id=None, universe_id="sp500", as_of=date(2010, 8, 20), exchange="XNYS", formula_version=1,
        bars_version=1, status="done", parts=1, total=417, scanned=417 - len(skipped), skipped=skipped, market={},
        failure=None, started_at=NOW, finished_at=NOW - timedelta(minutes=3), duration_ms=840, stamped_at=NOW,
    )  # fmt: skip


def _figures(n: int, hits: int, base_rate: float) -> Figures:
    low, high = wilson(hits, n) or (None, None)
    return Figures(
        n=n, days=max(1, n // 3), hits=hits, hit_rate=hits / n if n else None, hit_rate_low=low, hit_rate_high=high,
        base_rate=base_rate, base_n=500_000, median_move=0.012, median_after_costs=0.01, median_excess=None, excess_n=0,
        median_best=0.041, median_worst=-0.028, best=0.61, worst=-0.34, first_day=date(2009, 9, 1),
        last_day=date(2010, 7, 20),
    )  # fmt: skip
