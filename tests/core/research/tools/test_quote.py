"""Last prices as a tool tells them: as the quotes of the principal's date have them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from core.errors import InvalidRequest, NoData
from core.market.bar_store import Batch, DatasetKey, SeriesFacts
from core.principal import Principal
from core.research.tools.quote import LIVE_KEEP_S, Quote
from core.workbench import Workbench
from tests.conftest import member_factory
from tests.core.market.bars_made import frame_of
from tests.core.market.vendor_server import VendorServer
from tests.core.research.tools.market_tools import figures_of, ran, value_of
from tests.eval.reference import change
from tests.eval.shipped import bars

LAST = date(2010, 8, 20)


@pytest.fixture(scope="module")
def quote(shipped: Workbench) -> Quote:
    return Quote(shipped.market)


def test_prices_are_the_last_closes_of_the_shipped_bars(quote: Quote, ann: Principal) -> None:
    result = ran(quote, ann, symbols=["AAPL", "KO", "CHAMELI.NS"])
    for symbol in ("AAPL", "KO", "CHAMELI.NS"):
        assert value_of(result, "last_price", symbol, LAST) == pytest.approx(bars(symbol).close[-1], abs=1e-6)
        assert value_of(result, "close", symbol, LAST) == value_of(result, "last_price", symbol)
        assert value_of(result, "change_share", symbol) == pytest.approx(change(symbol), abs=1e-9)
    currencies = {figure.entity: figure.currency for figure in figures_of(result, "last_price")}
    assert currencies == {"AAPL": "USD", "KO": "USD", "CHAMELI.NS": "INR"}
    told = {each["symbol"]: each for each in result.content["quotes"]}
    assert (told["AAPL"]["name"], told["AAPL"]["sector"]) == ("Apple Inc.", "Information Technology")
    assert "Apple" in next(each for each in result.entities if each.key == "AAPL").names
    assert result.keep_s is None


def test_what_is_generated_is_said_to_be(quote: Quote, ann: Principal) -> None:
    result = ran(quote, ann, symbols=["CHAMELI.NS"])
    assert result.source is not None
    assert result.source.is_generated
    assert any("generated" in note for note in result.notes)
    real = ran(quote, ann, symbols=["AAPL"])
    assert real.source is not None
    assert not real.source.is_generated


def test_an_unknown_symbol_leaves_the_others(quote: Quote, ann: Principal) -> None:
    result = ran(quote, ann, symbols=["AAPL", "NOSUCH"])
    assert result.content["unknown"] == ["NOSUCH"]
    assert {figure.entity for figure in result.figures} == {"AAPL"}
    with pytest.raises(NoData, match="No price of NOSUCH is known up to 20 August 2010"):
        ran(quote, ann, symbols=["NOSUCH"])


def test_nothing_after_the_chosen_day_is_told(quote: Quote, ann: Principal) -> None:
    result = ran(quote, replace(ann, as_of=date(2010, 3, 5)), symbols=["AAPL"])
    assert value_of(result, "last_price", "AAPL") == pytest.approx(bars("AAPL").close_on(date(2010, 3, 5)))
    assert {figure.day for figure in result.figures} == {date(2010, 3, 5)}


def test_an_organisations_own_bars_are_told_to_it_alone(workbench: Workbench, member: object, quote: Quote) -> None:
    workbench.market.load_shipped()
    make = member_factory(workbench)
    ours, theirs = make("cleo"), make("dora")
    key = DatasetKey("own", "mine", "Acme: bars.csv", org_id=ours.org_id)
    frame = frame_of({"AAPL": {date(2010, 8, 19): 80.0, LAST: 100.0}})
    workbench.market.store.write(key, Batch(frame, {"AAPL": SeriesFacts("USD", "XNYS")}))
    own = Quote(workbench.market)
    assert value_of(ran(own, ours, symbols=["AAPL"]), "last_price") == 100.0
    assert value_of(ran(own, theirs, symbols=["AAPL"]), "last_price") == pytest.approx(bars("AAPL").close[-1])


def test_a_live_price_is_fresh_for_five_minutes_alone(live: Workbench, vendors: VendorServer) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    row = {"symbol": "ACME", "price": 102.0, "previousClose": 100.0, "changePercentage": 2.0, "volume": 10}
    vendors.answers["/stable/quote"] = [{**row, "timestamp": int(at.timestamp())}]
    result = ran(Quote(live.market), member_factory(live)("cleo"), symbols=["ACME"])
    assert value_of(result, "last_price", "ACME") == 102
    assert value_of(result, "change_share") == pytest.approx(0.02)
    assert value_of(result, "change_amount") == pytest.approx(2)
    assert not figures_of(result, "close")
    assert result.keep_s == LIVE_KEEP_S == 300
    assert result.source is not None
    assert result.source.title == "Quotes: fmp"


@pytest.mark.parametrize(
    "symbols",
    [[], ["AAPL"] * 11, [""], ["A" * 60], "AAPL", [None]],
    ids=["none", "many", "empty", "long", "text", "null"],
)
def test_other_arguments_are_refused(quote: Quote, ann: Principal, symbols: object) -> None:
    with pytest.raises(ValidationError):
        ran(quote, ann, symbols=symbols)


def test_what_cannot_be_a_symbol_is_refused(quote: Quote, ann: Principal) -> None:
    with pytest.raises(InvalidRequest, match="A symbol has"):
        ran(quote, ann, symbols=["../etc"])
