"""News, fundamentals and filings over the API: what is told, what it counts, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest

from core.principal import Role
from tests.conftest import MoveTime
from tests.core.http.conftest import Api, ServeApi, assert_problem
from tests.core.market.edgar_answers import FACTS, SUBMISSIONS, company_facts, submissions
from tests.core.market.reading import LISTED
from tests.core.market.test_news import BRAVE, FINNHUB, finnhub
from tests.core.market.vendor_server import VendorServer

ISSUER = "CHAMELI.NS"


@pytest.fixture
def vendor() -> Iterator[VendorServer]:
    """A server in the vendors' place."""
    with VendorServer() as server:
        server.answers[SUBMISSIONS] = submissions([("10-K", "2010-02-20"), ("8-K", "2010-01-28")])
        server.answers[FACTS] = company_facts()
        yield server


@pytest.fixture
def sourced(serve_api: ServeApi, vendor: VendorServer) -> Api:
    """The API where the SEC and two sources of news are that server, and the market is as of today."""
    keys = {
        "FINNHUB_API_KEY": "k",
        "BRAVE_API_KEY": "k",
        "FMP_API_KEY": "k",
        "SEC_EDGAR_USER_AGENT": "T t@test.example",
    }
    names = ("FINNHUB", "BRAVE", "FMP", "SEC_EDGAR", "SEC_EDGAR_WWW")
    served = serve_api(**keys, **{f"{name}_BASE_URL": vendor.url for name in names}, BRAVE_PER_SECOND="100")
    served.workbench.market.instruments.refresh(LISTED)
    return served


def test_filings_are_told_in_the_contracts_words_and_counted(sourced: Api) -> None:
    with sourced.client(sourced.member("bea")) as client:
        answer = client.get("/sec-edgar", params={"symbol": "ACME"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["cik"], told["entityName"]) == ("0000000001", "Acme, Inc.")
        assert told["filings"][0] == {
            "form": "10-K",
            "filingDate": "2010-02-20",
            "reportDate": "2010-02-20",
            "accessionNumber": "0000000001-10-000001",
            "fileNumber": "001-00001",
            "description": "A 10-K",
            "items": [],
            "url": told["filings"][0]["url"],
        }
        assert told["filings"][0]["url"].endswith("/Archives/edgar/data/1/000000000110000001/acme-2010-02-20.htm")
        assert answer.headers["x-plan"] == "free"
        assert answer.headers["x-quota-metric"] == "sec_filings_month"
        assert answer.headers["x-quota-remaining"] == "2"
        assert answer.headers["x-quota-reset"].endswith("Z")
        assert answer.headers["cache-control"] == "no-store"
        by_cik = client.get("/sec-edgar", params={"cik": "CIK0000000001", "form": "8-K"})
        assert [filing["form"] for filing in by_cik.json()["filings"]] == ["8-K"]
        usage = client.get("/user/usage").json()["usage"]
        assert (usage["monthly"]["secFilings"]["used"], usage["monthly"]["requests"]["used"]) == (2, 0)


def test_each_asking_goes_to_the_sec_and_the_fourth_of_a_free_month_is_refused(
    sourced: Api, vendor: VendorServer
) -> None:
    with sourced.client(sourced.member("bea")) as client:
        for count in (1, 2, 3):
            assert client.get("/sec-edgar?symbol=ACME").status_code == 200
            assert vendor.count(SUBMISSIONS) == count
        refused = client.get("/sec-edgar?symbol=ACME")
        problem = assert_problem(refused, 429, "quota_exceeded")
        assert problem["reason"] == "Monthly SEC filing limit reached (3/month)"
        assert (problem["metric"], problem["limit"], problem["used"], problem["remaining"]) == (
            "sec_filings_month", 3, 3, 0,
        )  # fmt: skip
        assert problem["upgrade_url"]
        assert (refused.headers["x-quota-remaining"], vendor.count(SUBMISSIONS)) == ("0", 3)
        assert int(refused.headers["retry-after"]) > 0


def test_a_failure_of_the_sec_is_free_and_says_how_the_caller_stands(sourced: Api, vendor: VendorServer) -> None:
    vendor.answers[SUBMISSIONS] = 404
    with sourced.client(sourced.member("bea")) as client:
        answer = client.get("/sec-edgar?cik=1")
        assert_problem(answer, 404, "not_found")
        assert answer.headers["x-quota-remaining"] == "3"


def test_where_the_sec_asks_to_wait_the_caller_is_told_how_long_and_nothing_is_counted(
    sourced: Api, vendor: VendorServer
) -> None:
    vendor.reply("sec_edgar", status=429, headers={"Retry-After": "90"}, body="Slow down")
    with sourced.client(sourced.member("bea")) as client:
        answer = client.get("/sec-edgar?cik=1")
        assert_problem(answer, 503, "source_unavailable")
        assert 80 <= int(answer.headers["retry-after"]) <= 90
        assert answer.headers["x-quota-remaining"] == "3"


def test_a_request_that_is_sent_again_is_answered_again_and_counts_once(sourced: Api, vendor: VendorServer) -> None:
    with sourced.client(sourced.member("bea")) as client:
        key = {"Idempotency-Key": "one"}
        first, again = (client.get("/sec-edgar?symbol=ACME", headers=key) for _ in range(2))
        assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
        assert again.headers["x-request-id"] == first.headers["x-request-id"]
        assert (again.headers["x-quota-remaining"], vendor.count(SUBMISSIONS)) == ("2", 1)
        assert_problem(client.get("/sec-edgar?cik=1", headers=key), 409, "conflict")


@pytest.mark.parametrize(
    "query", ["", "symbol=ACME&cik=1", "cik=abc", "cik=0", "cik=12345678901", "symbol=A;B", "symbol=", "ticker=ACME"]
)
def test_what_names_no_company_is_refused_and_counts_nothing(sourced: Api, vendor: VendorServer, query: str) -> None:
    with sourced.client(sourced.member("bea")) as client:
        assert_problem(client.get(f"/sec-edgar?{query}"), 422, "invalid_request")
        assert_problem(client.get(f"/fundamentals?{query}"), 422, "invalid_request")
        assert client.get("/user/usage").json()["usage"]["monthly"]["secFilings"]["used"] == 0
        assert vendor.requests == []


def test_without_an_identity_only_what_is_shipped_is_there(api: Api) -> None:
    with api.client(api.member("bea")) as client:
        problem = assert_problem(client.get("/sec-edgar?cik=320193"), 501, "not_configured")
        assert "SEC_EDGAR_USER_AGENT" in str(problem["detail"])
        assert_problem(client.get("/fundamentals?cik=320193"), 501, "not_configured")
        assert "FINNHUB_API_KEY" in assert_problem(client.get("/news?symbols=AAPL"), 501, "not_configured")["detail"]  # type: ignore[operator]  # a text
        filings = client.get(f"/sec-edgar?symbol={ISSUER}").json()
        assert (filings["source"], filings["generated"], filings["asOf"]) == ("sample", True, "2010-08-20")
        assert {filing["url"] for filing in filings["filings"]} == {None}


def test_fundamentals_of_a_shipped_issuer_have_statements_statistics_and_the_price_of_its_day(api: Api) -> None:
    api.workbench.market.load_shipped()
    with api.client(api.member("bea")) as client:
        answer = client.get("/fundamentals", params={"symbol": ISSUER})
        assert answer.status_code == 200, answer.text
        told = answer.json()
    assert (told["generated"], told["currency"], told["as_of"]) == (True, "INR", "2010-08-20")
    quarterly = next(one for one in told["statements"] if (one["key"], one["frequency"]) == ("income", "quarterly"))
    revenue = quarterly["lines"][0]
    assert (revenue["key"], revenue["figures"][0]["derived"], revenue["figures"][1]["derived"]) == (
        "revenue", False, True,
    )  # fmt: skip
    assert quarterly["periods"][0] == {"start": "2010-04-01", "end": "2010-06-30"}
    figure = revenue["figures"][0]
    assert (figure["form"], figure["filed"], figure["unit"], figure["url"]) == ("10-Q", "2010-08-09", "INR", None)
    statistics = {one["key"]: one for one in told["statistics"]}
    assert statistics["market_cap"]["value"] == "21157500000"
    assert float(statistics["price_to_earnings"]["value"]) > 0
    assert statistics["dividend_yield"]["value"] is None
    assert "not reported" in statistics["dividend_yield"]["note"]


def test_figures_of_a_real_company_link_to_their_filings(sourced: Api) -> None:
    with sourced.client(sourced.member("bea")) as client:
        told = client.get("/fundamentals?cik=1").json()
    figure = told["statements"][0]["lines"][0]["figures"][0]
    assert figure["url"] == (
        "https://www.sec.gov/Archives/edgar/data/1/000000000126000001/0000000001-26-000001-index.htm"
    )
    assert (told["cik"], told["entity_name"], told["source"], told["stale"]) == (
        "0000000001", "Acme, Inc.", "sec_edgar", False,
    )  # fmt: skip


def test_news_tells_source_publisher_time_and_tone_and_which_source_failed(sourced: Api, vendor: VendorServer) -> None:
    vendor.answers[FINNHUB] = [finnhub("Acme <b>beats</b> estimates")]
    vendor.answers[BRAVE] = 503
    with sourced.client(sourced.member("bea")) as client:
        told = client.get("/news", params={"symbols": "acme"}).json()
    [piece] = told["news"]
    assert (piece["title"], piece["source"], piece["publisher"], piece["symbols"]) == (
        "Acme beats estimates", "finnhub", "Wire", ["ACME"],
    )  # fmt: skip
    assert piece["published_at"].endswith("Z")
    assert (piece["sentiment"]["tone"], piece["sentiment"]["method"]) == ("positive", "lexicon")
    assert piece["sentiment"]["words"][0]["text"] == "beats estimates"
    errors = {state["source"]: state["error"] for state in told["sources"]}
    assert errors == {"finnhub": None, "brave": "source_unavailable"}
    assert told["stale"]


@pytest.mark.parametrize(("plan", "asked"), [("free", 1), ("basic", 2), ("team", 3)])
def test_a_plan_says_how_often_news_is_fetched(
    sourced: Api, vendor: VendorServer, move_time: MoveTime, plan: str, asked: int
) -> None:
    vendor.answers[FINNHUB] = [finnhub("Acme beats estimates")]
    with sourced.client(sourced.member("bea", plan=plan)) as client:
        for minutes in (0, 16, 32):
            move_time(timedelta(minutes=minutes))
            assert client.get("/news?symbols=ACME,acme").status_code == 200
    assert vendor.count(FINNHUB) == asked


@pytest.mark.parametrize(
    "query", ["", "symbols=", "symbols=,", "symbols=A;B", "symbols=" + "A," * 21, "symbols=A&limit=0"]
)
def test_news_of_nothing_is_refused(api: Api, query: str) -> None:
    with api.client(api.member("bea")) as client:
        assert_problem(client.get(f"/news?{query}"), 422, "invalid_request")


def test_a_viewer_reads_news_but_fetches_no_filings(api: Api) -> None:
    with api.client(api.member("vic", role=Role.VIEWER)) as client:
        assert client.get(f"/news?symbols={ISSUER}").status_code == 200
        assert_problem(client.get(f"/sec-edgar?symbol={ISSUER}"), 403, "forbidden")


def test_the_document_describes_what_is_asked_and_told(api: Api) -> None:
    document = httpx2.get(f"{api.base_url}/openapi.json").json()
    for path, names in {
        "/sec-edgar": {"symbol", "cik", "form"},
        "/fundamentals": {"symbol", "cik"},
        "/news": {"symbols", "limit"},
    }.items():
        told = document["paths"][next(known for known in document["paths"] if known.endswith(path))]["get"]
        assert {parameter["name"] for parameter in told["parameters"] if parameter["in"] == "query"} == names
        assert "200" in told["responses"]
