"""`GET /api/quotes` over the socket: on live sources, on what is shipped, and for whatever callers ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import httpx2
import pytest

from core.market.bar_store import Batch, DatasetKey, SeriesFacts
from core.market.quotes import MAX_SYMBOLS
from core.principal import Scope
from tests.core.accounts.sign_ins import new_token
from tests.core.http.conftest import Api, ServeApi, assert_problem
from tests.core.market.bars_made import frame_of
from tests.fakes.market_answers import Share
from tests.fakes.market_server import KEY, MarketServer

MEMBERS = {
    *("symbol", "price", "currency", "change_pct", "as_of", "source", "age_s", "origin"),
    *("is_stale", "is_generated", "problems"),
}


@pytest.fixture
def market() -> Iterator[MarketServer]:
    """The source of the served workbench."""
    with MarketServer() as server:
        yield server


@pytest.fixture
def live(serve_api: ServeApi, market: MarketServer) -> Api:
    """The API where one quote source is configured."""
    return serve_api(FMP_API_KEY=KEY, FMP_BASE_URL=market.url)


@pytest.fixture
def client(live: Api) -> Iterator[httpx2.Client]:
    """A member's client."""
    with live.client(live.member("ann")) as opened:
        yield opened


def test_a_quote_says_price_currency_source_origin_and_age(client: httpx2.Client, market: MarketServer) -> None:
    answer = client.get("/quotes", params={"symbols": "acme, NOPE"})
    assert answer.status_code == 200
    quotes = answer.json()["quotes"]
    assert set(quotes) == {"ACME", "NOPE"}
    assert set(quotes["ACME"]) == set(quotes["NOPE"]) == MEMBERS
    assert {name: quotes["ACME"][name] for name in ("symbol", "price", "currency", "source", "origin", "age_s")} == {
        "symbol": "ACME",
        "price": "256.08",
        "currency": "USD",
        "source": "fmp",
        "origin": "fmp",
        "age_s": 0,
    }
    assert quotes["ACME"]["change_pct"] == pytest.approx(0.0431, abs=0.001)
    assert quotes["ACME"]["as_of"].endswith("Z")
    assert {name: quotes["NOPE"][name] for name in ("price", "source", "origin", "as_of")} == {
        "price": None,
        "source": "none",
        "origin": None,
        "as_of": None,
    }
    again = client.get("/quotes?symbols=ACME").json()["quotes"]["ACME"]
    assert (again["source"], again["origin"], again["price"]) == ("cache", "fmp", "256.08")
    assert len(market.requests) == 2


def test_a_source_that_fails_fails_no_call(client: httpx2.Client, market: MarketServer) -> None:
    market.reply("fmp", status=500, body={"secret": KEY})
    answer = client.get("/quotes?symbols=ACME")
    assert answer.status_code == 200
    quote = answer.json()["quotes"]["ACME"]
    assert (quote["price"], quote["source"]) == (None, "none")
    assert quote["problems"] != []
    assert KEY not in answer.text


def test_a_symbol_that_can_be_none_fails_no_other(client: httpx2.Client, market: MarketServer) -> None:
    strange = ["'; DROP TABLE quotes", "<script>", "A" * 500, "\x00", "../..", "ÅÄÖ"]
    answer = client.get("/quotes", params={"symbols": ",".join([*strange, "ACME", "", " "])})
    quotes = answer.json()["quotes"]
    assert quotes["ACME"]["price"] == "256.08"
    assert {quote["source"] for symbol, quote in quotes.items() if symbol != "ACME"} == {"none"}
    assert len(quotes) == len(strange) + 1
    assert len(market.requests) == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?symbols=",
        "?symbols=,%20,",
        "?symbol=ACME",
        "?symbols=ACME&fields=all",
        "?symbols=" + ",".join(f"S{number}" for number in range(MAX_SYMBOLS + 1)),
        "?symbols=" + "A" * 50_000,
    ],
)
def test_a_call_without_symbols_or_with_too_many_is_refused(client: httpx2.Client, query: str) -> None:
    assert_problem(client.get(f"/quotes{query}"), 422, "invalid_request")


def test_it_takes_a_token_that_may_read(live: Api) -> None:
    assert_problem(httpx2.get(f"{live.base_url}/quotes?symbols=ACME"), 401, "unauthenticated")
    ann = live.member("ann")
    for scope, status in ((Scope.READ, 200), (Scope.ASK, 403)):
        token = new_token(live.workbench, ann, [scope])
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx2.get(f"{live.base_url}/quotes?symbols=ACME", headers=headers).status_code == status


def test_without_a_live_source_the_shipped_history_quotes_its_last_session(api: Api) -> None:
    api.workbench.market.load_shipped()
    with api.client(api.member("ann")) as client:
        quotes = client.get("/quotes?symbols=AAPL,CHAMELI.NS,NOPE").json()["quotes"]
    apple = quotes["AAPL"]
    assert (apple["source"], apple["origin"], apple["currency"]) == ("sample", "sample", "USD")
    assert Decimal(apple["price"]) > 0
    assert date.fromisoformat(apple["as_of"][:10]) == api.workbench.market.time.last_session
    assert apple["is_stale"] is False
    assert (quotes["CHAMELI.NS"]["source"], quotes["CHAMELI.NS"]["currency"]) == ("sample", "INR")
    assert (apple["is_generated"], quotes["CHAMELI.NS"]["is_generated"]) == (False, True)
    assert (quotes["NOPE"]["price"], quotes["NOPE"]["source"]) == (None, "none")


def test_an_organisations_own_bars_quote_it_alone(api: Api) -> None:
    market, ann, bob = api.workbench.market, api.member("ann"), api.member("bob")
    market.load_shipped()
    key, facts = DatasetKey("own", "mine", "Ann's file", org_id=ann.org_id), {"PRIVATE": SeriesFacts("USD", "XNYS")}
    market.store.write(key, Batch(frame_of({"PRIVATE": {market.time.last_session: 8.0}}), facts))
    for principal, told in ((ann, ("8", "Ann's file")), (bob, (None, None))):
        with api.client(principal) as client:
            quote = client.get("/quotes?symbols=PRIVATE").json()["quotes"]["PRIVATE"]
        assert (quote["price"] and f"{Decimal(quote['price']).normalize():f}", quote["origin"]) == told


def test_the_shipped_history_never_stands_in_for_a_live_source_that_failed(live: Api, market: MarketServer) -> None:
    live.workbench.market.load_shipped()
    market.reply("fmp", status=500, body={})
    with live.client(live.member("ann")) as client:
        assert client.get("/quotes?symbols=AAPL").json()["quotes"]["AAPL"]["source"] == "none"


def test_the_document_describes_it(client: httpx2.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/api/quotes"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["symbols"]


def test_shares_of_a_class_are_found_however_they_are_written(client: httpx2.Client, market: MarketServer) -> None:
    market.shares["BRK-B"] = Share("BRK-B")
    quotes = client.get("/quotes?symbols=BRK.B,brk-b").json()["quotes"]
    assert [(asked, quote["symbol"], quote["price"]) for asked, quote in quotes.items()] == [
        ("BRK.B", "BRK.B", "256.08"),
        ("BRK-B", "BRK.B", "256.08"),
    ]
