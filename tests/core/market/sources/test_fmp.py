"""Financial Modeling Prep: stable endpoints alone, one symbol a request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.errors import NoData, NotConfigured, RateLimited, SourceDown
from core.market.sources.contract import ActionKind, Adjustment, CorporateAction
from core.market.sources.fmp import FinancialModelingPrep
from core.market.sources.registry import Sources
from tests.core.market.sources import asking
from tests.core.market.sources.asking import FIRST, LAST
from tests.fakes.market_answers import DAYS, Share
from tests.fakes.market_server import KEY, MarketServer


@pytest.fixture
def source(sources: Sources) -> FinancialModelingPrep:
    found = asking.quotes(sources, "fmp")
    assert isinstance(found, FinancialModelingPrep)
    return found


def test_a_quote_comes_from_the_stable_endpoint(source: FinancialModelingPrep, market_server: MarketServer) -> None:
    quote = source.quote("ACME")
    assert (quote.price, quote.currency, quote.previous_close) == (Decimal("256.08"), "USD", Decimal("245.5"))
    assert quote.as_of == datetime(2025, 9, 22, 20, 0, 1, tzinfo=UTC)
    assert quote.change_pct is not None and round(quote.change_pct, 6) == Decimal("0.043096")
    received = market_server.requests[0]
    assert (received.path, received.query) == ("/stable/quote", {"symbol": "ACME", "apikey": KEY})


def _with(**changes: Any) -> Callable[[Any], Any]:
    return lambda rows: [{**row, **changes} for row in rows]


def test_the_older_name_of_the_change_is_read_too(source: FinancialModelingPrep, market_server: MarketServer) -> None:
    def older(rows: Any) -> Any:
        return [{**row, "changesPercentage": row.pop("changePercentage")} for row in rows]

    market_server.reply("fmp", change=older)
    assert round(source.quote("ACME").change_pct or 0, 6) == Decimal("0.043096")


def test_without_a_change_it_is_reckoned(source: FinancialModelingPrep, market_server: MarketServer) -> None:
    market_server.reply("fmp", change=_with(changePercentage=None))
    assert source.quote("ACME").change_pct == Decimal("0.04309572")


def test_nothing_at_all_is_no_data(source: FinancialModelingPrep, market_server: MarketServer) -> None:
    market_server.reply("fmp", body=[])
    for ask in (lambda: source.quote("ACME"), lambda: source.bars("ACME", FIRST, LAST)):
        with pytest.raises(NoData):
            ask()


@pytest.mark.parametrize("count", [0, 2], ids=["none", "two"])
def test_rows_out_are_the_symbols_in(count: int, source: FinancialModelingPrep, market_server: MarketServer) -> None:
    market_server.reply("fmp", change=lambda rows: rows * count)
    with pytest.raises(SourceDown if count else NoData):
        source.quote("ACME")


def test_a_row_about_another_symbol_is_refused(source: FinancialModelingPrep, market_server: MarketServer) -> None:
    market_server.reply("fmp", change=_with(symbol="OTHER"))
    for ask in (lambda: source.quote("ACME"), lambda: source.bars("ACME", FIRST, LAST)):
        with pytest.raises(SourceDown, match="not asked for"):
            ask()


def test_the_text_of_a_limit_may_come_with_status_200(
    source: FinancialModelingPrep, market_server: MarketServer
) -> None:
    market_server.reply("fmp", body={"Error Message": f"limit reached by {KEY}"})
    with pytest.raises(RateLimited) as caught:
        source.quote("ACME")
    assert KEY not in caught.value.detail


def test_an_endpoint_that_the_plan_lacks_has_a_sentence_of_its_own(
    source: FinancialModelingPrep, market_server: MarketServer
) -> None:
    market_server.reply("fmp", status=403, body={"Error Message": "exclusive or legacy endpoint, not in this plan"})
    with pytest.raises(NotConfigured, match="plan behind FMP_API_KEY does not include this"):
        source.quote("ACME")


def test_a_symbol_that_the_plan_lacks_is_no_fault_of_the_others(
    source: FinancialModelingPrep, market_server: MarketServer
) -> None:
    market_server.reply("fmp", status=402, body="Premium Query Parameter", content_type="text/plain")
    with pytest.raises(NoData, match="does not include this symbol"):
        source.quote("TSCO.XX")


@pytest.mark.parametrize("price", [None, 0, -1, "NaN", float("nan"), float("inf"), "", "n/a", 1e300])
def test_what_is_no_price_is_none(price: Any, source: FinancialModelingPrep, market_server: MarketServer) -> None:
    market_server.reply("fmp", change=_with(price=price))
    with pytest.raises(NoData):
        source.quote("ACME")


@pytest.mark.parametrize(("symbol", "exchange"), [("VOD.L", "LSE"), ("VOD", "LSE"), ("NPN.JO", "JNB")])
def test_a_market_that_quotes_in_pence_has_no_price_here(
    symbol: str, exchange: str, source: FinancialModelingPrep, market_server: MarketServer
) -> None:
    market_server.shares[symbol] = Share(symbol, price=Decimal(7250), exchange=exchange)
    with pytest.raises(NoData, match="which unit"):
        source.quote(symbol)


def test_bars_are_in_shares_of_today_oldest_first(source: FinancialModelingPrep, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = Share("ACME", splits={DAYS[3]: (4, 1)})
    history = source.bars("ACME", DAYS[2], DAYS[3])
    assert (history.adjustment, history.is_as_of_asking) == (Adjustment.SPLIT, True)
    assert history.frame["close"].to_list() == [60.75, 244.0]
    query = market_server.requests[0].query
    assert (query["from"], query["to"]) == ("2025-09-17", "2025-09-18")


def test_splits_and_dividends_are_as_they_were(source: FinancialModelingPrep, market_server: MarketServer) -> None:
    share = Share("ACME", splits={DAYS[1]: (1, 10)}, dividends={DAYS[0]: Decimal("0.82")})
    market_server.shares["ACME"] = share
    assert source.actions("ACME", ActionKind.SPLIT) == (CorporateAction(DAYS[1], ActionKind.SPLIT, Decimal("0.1")),)
    paid = CorporateAction(DAYS[0], ActionKind.DIVIDEND, Decimal("0.82"))
    assert source.actions("ACME", ActionKind.DIVIDEND) == (paid,)
    market_server.reply("fmp", body=[])
    assert source.actions("ACME", ActionKind.SPLIT) == ()
