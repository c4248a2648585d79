"""What every source promises of what it answers, whichever it is, the shipped data too."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.clock import SystemClock
from core.errors import NoData, NotConfigured, RateLimited, SourceDown
from core.market.sources.connection import Answer
from core.market.sources.contract import Adjustment, BarHistory, BarSource, QuoteSource, SourceQuote
from core.market.sources.registry import Sources, build_sources
from core.market.sources.sample import SampleSource
from core.settings import load_settings
from tests.core.market.sources import asking
from tests.core.market.sources.asking import FIRST, JSON_QUESTIONS, LAST, Question
from tests.fakes.market_answers import DAYS, Share
from tests.fakes.market_server import MarketServer

PRICED = ("alphavantage", "fmp", "yahoo")
COLUMNS = {"date": pl.Date, **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64)}
FUTURE = timedelta(minutes=1)


@pytest.fixture(params=[*PRICED, "sample"])
def quote_source(request: pytest.FixtureRequest, sources: Sources) -> tuple[QuoteSource, str]:
    """A source of prices, and a symbol that it knows."""
    if request.param == "sample":
        return SampleSource(), "AAPL"
    return asking.quotes(sources, request.param), "ACME"


@pytest.fixture(params=[*PRICED, "sample"])
def bar_source(request: pytest.FixtureRequest, sources: Sources) -> tuple[BarSource, str, date, date]:
    """A source of bars, a symbol that it knows, and days on which it has bars."""
    if request.param == "sample":
        return SampleSource(), "AAPL", date(2010, 7, 1), date(2010, 7, 30)
    return asking.bars(sources, request.param), "ACME", FIRST, LAST


def test_a_quote_is_a_price_above_zero_of_a_moment_that_has_been(quote_source: tuple[QuoteSource, str]) -> None:
    source, symbol = quote_source
    quote = source.quote(symbol)
    assert quote.symbol == symbol
    assert quote.price > 0 and quote.price.is_finite()
    assert quote.as_of.utcoffset() == timedelta(0) and quote.as_of < datetime.now(UTC) + FUTURE
    assert quote.currency is None or (len(quote.currency) == 3 and quote.currency.isupper())
    assert quote.change_pct is None or abs(quote.change_pct) < 1


def test_bars_are_one_a_day_in_order_inside_the_days_asked_for(
    bar_source: tuple[BarSource, str, date, date],
) -> None:
    source, symbol, first, last = bar_source
    history = source.bars(symbol, first, last)
    assert history.symbol == symbol and history.adjustment in Adjustment
    frame = history.frame
    assert dict(frame.schema) == COLUMNS
    days = frame["date"].to_list()
    assert days and days == sorted(set(days)) and first <= days[0] and days[-1] <= last
    for name in ("open", "high", "low", "close"):
        assert all(value is None or (value > 0 and math.isfinite(value)) for value in frame[name].to_list())
    assert frame["close"][-1] is not None
    assert all(first <= action.ex_date <= last for action in history.actions)


def test_bars_of_a_part_of_the_days_are_that_part(bar_source: tuple[BarSource, str, date, date]) -> None:
    source, symbol, first, last = bar_source
    whole = source.bars(symbol, first, last).frame
    middle = whole["date"][len(whole) // 2]
    part = source.bars(symbol, middle, last).frame
    assert part["close"].to_list() == whole.filter(pl.col("date") >= middle)["close"].to_list()


def test_a_symbol_that_nobody_knows_is_no_data(
    quote_source: tuple[QuoteSource, str], bar_source: tuple[BarSource, str, date, date]
) -> None:
    with pytest.raises(NoData):
        quote_source[0].quote("NOSUCHTHING")
    with pytest.raises(NoData):
        bar_source[0].bars("NOSUCHTHING", FIRST, LAST)


def test_days_without_a_bar_are_no_data(bar_source: tuple[BarSource, str, date, date]) -> None:
    source, symbol, _, _ = bar_source
    with pytest.raises(NoData):
        source.bars(symbol, date(1962, 1, 1), date(1962, 1, 31))


@pytest.mark.parametrize("symbol", ["", " ", "A B", "../..", "A&apikey=x", "A\r\nX: y", "ÄÖ", "🚀", "x" * 5_000])
def test_a_symbol_of_any_form_is_asked_as_it_is_or_refused(
    symbol: str, quote_source: tuple[QuoteSource, str], market_server: MarketServer
) -> None:
    with pytest.raises((NoData, SourceDown)):
        quote_source[0].quote(symbol)
    for received in market_server.requests:
        assert received.query.get("apikey") != "x" and "x" not in received.headers
        assert symbol.strip(" ") in (received.query.get("symbol", symbol), symbol.strip(" "))


ODD: tuple[Any, ...] = (None, "", "NaN", "-Infinity", -1, 0, 1e308, 10**400, True, [], {}, [None], "2026-13-45", "é")


@pytest.mark.parametrize("question", JSON_QUESTIONS, ids=str)
def test_anything_anywhere_in_an_answer_is_a_value_or_a_typed_failure(
    question: Question, market_server: MarketServer, sources: Sources, tmp_path: Path
) -> None:
    """Each place of the vendor's own answer is taken by each odd value in turn."""
    kept: list[Any] = []

    def keep(answer: Any) -> Any:
        kept.append(answer)
        return answer

    split, dividend = {DAYS[2]: (4, 1)}, {DAYS[1]: Decimal("0.82")}
    market_server.shares["ACME"] = Share("ACME", splits=split, dividends=dividend)
    market_server.reply(change=keep)
    assert question.ask(sources)
    if isinstance(kept[0], str):
        return  # CSV: its own tests
    replaying = build_sources(load_settings(market_server.environ, root=tmp_path), SystemClock())
    for changed in _mutations(kept[0]):
        _play(replaying, changed)
        try:
            answer = question.ask(replaying)
        except (NoData, RateLimited, SourceDown, NotConfigured):
            continue
        assert _is_finite(answer)
    replaying.close()


def _play(sources: Sources, answer: Any) -> None:
    """Puts an answer in place of the network; the seam is `Fetch`."""
    body = json.dumps(answer, default=float).encode()

    def fetch(*_: object) -> Answer:
        return Answer(200, {}, body)

    for source in (*sources.quotes, *sources.news, sources.filings):
        for name in ("_remote", "_data", "_www"):
            if hasattr(source, name):
                getattr(source, name)._fetch = fetch


def _mutations(value: Any) -> Iterator[Any]:
    yield from ODD
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: other for name, other in value.items() if name != key}
            for changed in _mutations(inner):
                yield {**value, key: changed}
    if isinstance(value, list) and value:
        yield [*value, value[0]]
        for changed in _mutations(value[0]):
            yield [changed, *value[1:]]


def _is_finite(answer: object) -> bool:
    if isinstance(answer, SourceQuote):
        return answer.price.is_finite() and answer.price > 0
    if isinstance(answer, BarHistory):
        closes = [close for close in answer.frame["close"].to_list() if close is not None]
        return all(math.isfinite(close) and close > 0 for close in closes)
    return answer is not None
