"""The components of prices, with quotes and bars that somebody made up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import streamlit as st

from core.market.calendars import Calendars
from core.market.circuit import Circuit
from core.market.gate import SourceState, WindowState
from core.market.instruments import Instrument
from core.market.quotes import Quote
from core.market.sources.contract import ActionKind, Adjustment, BarHistory, CorporateAction
from pages.components import market_clock, price_chart, quote_line, source_states
from pages.components.money import age, change, price
from tests.gallery.texts import TEXTS

ZONE = "America/New_York"
CLOSE = datetime(2010, 8, 20, 20, tzinfo=UTC)
DAYS = 260


def prices() -> None:
    """Prices, changes and ages, as they read everywhere"""
    for amount, currency in (
        (Decimal("1234.5"), "USD"),
        (Decimal("0.0421"), "INR"),
        (Decimal(12), "SEK"),
        (None, None),
    ):
        st.text(f"{price(amount, currency)}   {change(amount and amount / 1000)}   {age(float(amount or 0) * 100)}")


def quotes() -> None:
    """A quote that is fresh, one that is stale with what kept it from being newer, a generated one, and none"""
    fresh = Quote("ACME", "fmp", Decimal("112.13"), "USD", Decimal("-0.0058"), CLOSE, "fmp", 42, is_stale=False)
    stale = Quote(
        "ACME", "stale", Decimal("0.4213"), "GBP", None, CLOSE, "alphavantage", 400_000, is_stale=True,
        problems=("Alpha Vantage asks to wait.", *TEXTS.values()),
    )  # fmt: skip
    made = Quote("CHAMELI.NS", "sample", Decimal("1511.25"), "INR", Decimal("0.0354"), CLOSE, "sample", 46_800)
    quote_line.show(fresh, is_generated=False, zone=ZONE)
    quote_line.show(stale, is_generated=False, zone="Europe/London")
    quote_line.show(made, is_generated=True, zone="Asia/Kolkata")
    quote_line.show(Quote("NONE"), is_generated=False, zone=ZONE)


def clocks() -> None:
    """The clock of a market that is open, of one that is closed, and of one whose hours are not known"""
    calendars = Calendars(today=date(2010, 8, 20))
    for exchange, market, hour in (("XNYS", "NYSE", 15), ("XNYS", "NYSE", 22), ("XXXX", "Elsewhere", 15)):
        moment = datetime(2010, 8, 20, hour, tzinfo=UTC)
        market_clock.show(calendars, _instrument(exchange, market), moment)


def charts() -> None:
    """Candles with a split, a dividend and a benchmark; with a logarithmic scale and a gap"""
    actions = (
        CorporateAction(date(2010, 3, 1), ActionKind.SPLIT, Decimal(2)),
        CorporateAction(date(2010, 6, 1), ActionKind.DIVIDEND, Decimal("0.82")),
    )
    price_chart.show("gallery_candles", _history("ACME", 100, actions), benchmark=_history("SP500", 1100))
    gap = _history("ACME & SONS <b>", 20)
    frame = gap.frame.with_columns(
        pl.when(pl.col("date").dt.month() == 5).then(None).otherwise(pl.col("close")).alias("close")
    )
    price_chart.show("gallery_log", BarHistory(gap.symbol, "INR", Adjustment.SPLIT, frame), is_log=True)


def sources() -> None:
    """A source that answers, one that asks to wait, one that rests after failures, and those that are off"""
    windows = (WindowState("second", 0, 1), WindowState("day", 24, 25))
    source_states.show(
        "gallery_sources",
        [
            SourceState("fmp", Circuit.CLOSED, (WindowState("day", 3, 250),), answered_at=CLOSE, latency_ms=212),
            SourceState("alphavantage", Circuit.CLOSED, windows, blocked_until=CLOSE + timedelta(hours=5)),
            SourceState(
                "sec_edgar", Circuit.OPEN, (WindowState("second", 9, 10),), failures_in_a_row=5, failed_at=CLOSE,
                failure="SourceDown",
            ),
        ],
        CLOSE,
        "UTC",
    )  # fmt: skip


def _instrument(exchange: str, market: str) -> Instrument:
    return Instrument(
        symbol="ACME", name="Acme", exchange=exchange, currency="USD", kind="stock", sector="", market=market, cik=None,
        known_to=None, delisted_on=None, is_generated=True,
    )  # fmt: skip


def _history(symbol: str, start: float, actions: tuple[CorporateAction, ...] = ()) -> BarHistory:
    weekdays = [day for n in range(365) if (day := date(2009, 9, 1) + timedelta(days=n)).weekday() < 5][:DAYS]
    close = [start * (1 + 0.003 * n + 0.05 * ((n * 7919) % 13 - 6) / 6) for n in range(len(weekdays))]
    frame = pl.DataFrame({"date": weekdays, "close": close}).with_columns(
        open=pl.col("close") * 0.995, high=pl.col("close") * 1.01, low=pl.col("close") * 0.985, volume=pl.lit(1e6)
    )
    return BarHistory(
        symbol, "USD", Adjustment.SPLIT, frame.select("date", "open", "high", "low", "close", "volume"), actions
    )
