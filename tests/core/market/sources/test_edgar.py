"""SEC EDGAR: who we are, ten digits, columns, two clocks, and documents of its own archive alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import NoData, NotConfigured, RateLimited, SourceDown
from core.market.sources.contract import Fact, Filing, FilingSource, Listing
from core.market.sources.registry import Sources
from tests.core.market.sources import asking
from tests.core.market.sources.asking import PAGE, opened
from tests.fakes.market_answers import Company
from tests.fakes.market_server import IDENTITY, MarketServer, Reply


@pytest.fixture
def edgar(sources: Sources) -> FilingSource:
    return asking.filings(sources)


def test_each_request_says_who_we_are(edgar: FilingSource, market_server: MarketServer) -> None:
    edgar.filer(1)
    edgar.tickers()
    assert [received.headers["user-agent"] for received in market_server.requests] == [IDENTITY, IDENTITY]


@pytest.mark.parametrize("identity", ["José jose@assay.example", "Assay\r\nX-Forged: 1"])
def test_an_identity_that_cannot_be_sent_names_its_variable(
    identity: str, market_server: MarketServer, tmp_path: Path
) -> None:
    environ = {**market_server.environ, "SEC_EDGAR_USER_AGENT": identity}
    with opened(environ, tmp_path) as sources, pytest.raises(NotConfigured, match="SEC_EDGAR_USER_AGENT"):
        asking.filings(sources).filer(1)
    assert not market_server.requests


def test_a_filer_is_asked_for_by_ten_digits_and_told_whole(edgar: FilingSource, market_server: MarketServer) -> None:
    filer = edgar.filer(1)
    assert market_server.requests[0].path == "/submissions/CIK0000000001.json"
    assert (filer.cik, filer.name, filer.tickers, filer.exchanges) == (1, "Acme, Inc.", ("ACME",), ("Nasdaq",))
    assert filer.industry == "Motor Vehicles & Passenger Car Bodies" and filer.fiscal_year_end == "1231"
    assert filer.former_names == ("ACME MOTORS INC",)
    assert filer.older == (PAGE,)
    assert filer.filings[1] == Filing(
        form="8-K",
        filing_date=date(2026, 10, 28),
        report_date=None,
        accepted_at=datetime(2026, 10, 28, 20, 5, tzinfo=UTC),
        accession_number="0000000001-26-000009",
        file_number="001-00001",
        description="8-K",
        items=("2.02", "9.01"),
        url=f"{market_server.url}/Archives/edgar/data/1/000000000126000009/acme-20261028.htm",
    )


def test_older_filings_come_page_by_page(edgar: FilingSource, market_server: MarketServer) -> None:
    filings = edgar.older_filings(1, edgar.filer(1).older[0])
    assert market_server.requests[-1].path == "/submissions/CIK0000000001-submissions-001.json"
    assert [(filing.form, filing.filing_date) for filing in filings] == [("10-K", date(2009, 3, 2))]
    archive = f"{market_server.url}/Archives/edgar/data/1"
    assert filings[0].url == f"{archive}/0000000001-09-000001.txt", "the oldest have no document of their own"


@pytest.mark.parametrize(
    ("told", "accepted_at"),
    [
        # EDGAR is open from 6 to 22 in New York, and a company's times are all by one clock.
        (("2026-11-02T23:05:00.000Z", "2026-10-28T16:05:00.000Z"), datetime(2026, 11, 2, 23, 5, tzinfo=UTC)),
        (("2026-11-02T10:31:05.000Z", "2026-10-28T07:05:00.000Z"), datetime(2026, 11, 2, 15, 31, 5, tzinfo=UTC)),
        (("2026-11-02T16:31:05.000Z", "2026-10-28T16:05:00.000Z"), datetime(2026, 11, 2, 21, 31, 5, tzinfo=UTC)),
    ],
    ids=["UTC, since New York is closed", "New York, since it is night by UTC", "either, so the later"],
)
def test_times_that_are_all_called_utc_are_read_by_the_clock_they_were_told_by(
    told: tuple[str, str], accepted_at: datetime, edgar: FilingSource, market_server: MarketServer
) -> None:
    def change(answer: Any) -> Any:
        answer["filings"]["recent"]["acceptanceDateTime"] = [*told]
        return answer

    market_server.reply("sec_edgar", change=change)
    assert edgar.filer(1).filings[0].accepted_at == accepted_at


@pytest.mark.parametrize("cik", [0, -1, 10**10])
def test_a_number_that_is_no_cik_is_not_asked(cik: int, edgar: FilingSource, market_server: MarketServer) -> None:
    for ask in (edgar.filer, edgar.company_facts):
        with pytest.raises(NoData):
            ask(cik)
    assert not market_server.requests


def test_an_unknown_company_is_no_data_and_another_is_refused(edgar: FilingSource, market_server: MarketServer) -> None:
    for ask in (edgar.filer, edgar.company_facts):
        with pytest.raises(NoData):
            ask(99)
    market_server.reply("sec_edgar", change=lambda answer: {**answer, "cik": 2})
    for ask in (edgar.filer, edgar.company_facts):
        with pytest.raises(SourceDown, match="not asked for"):
            ask(1)


def test_columns_of_different_lengths_are_refused(edgar: FilingSource, market_server: MarketServer) -> None:
    def shorten(answer: Any) -> Any:
        answer["filings"]["recent"]["form"].pop()
        return answer

    market_server.reply("sec_edgar", change=shorten)
    with pytest.raises(SourceDown):
        edgar.filer(1)


def test_facts_keep_their_unit_period_and_filing(edgar: FilingSource) -> None:
    facts = edgar.company_facts(1)
    assert (facts.cik, facts.name) == (1, "Acme, Inc.")
    assert facts.facts[1] == Fact(
        taxonomy="us-gaap",
        tag="Revenues",
        label="Revenues",
        unit="USD",
        start=date(2026, 7, 1),
        end=date(2026, 9, 30),
        value=Decimal(26_000_000_000),
        fiscal_year=2026,
        fiscal_period="Q3",
        form="10-Q",
        filed=date(2026, 11, 2),
        accession_number="0000000001-26-000010",
    )
    assert facts.facts[0].start is None


def test_tickers_come_with_their_cik_and_exchange(edgar: FilingSource, market_server: MarketServer) -> None:
    market_server.companies["TSLA"] = Company("TSLA", "Tesla, Inc.", 1_318_605)
    assert edgar.tickers() == (
        Listing("ACME", "Acme, Inc.", 1, "Nasdaq"),
        Listing("TSLA", "Tesla, Inc.", 1_318_605, "Nasdaq"),
    )


def test_where_the_list_with_exchanges_is_gone_the_older_one_serves(
    edgar: FilingSource, market_server: MarketServer
) -> None:
    older = {"0": {"cik_str": 320_193, "ticker": "AAPL", "title": "Apple Inc."}}
    market_server.script.extend([Reply(status=404, body=""), Reply(body=older)])
    assert edgar.tickers() == (Listing("AAPL", "Apple Inc.", 320_193, None),)
    assert [received.path for received in market_server.requests] == [
        "/files/company_tickers_exchange.json",
        "/files/company_tickers.json",
    ]


def test_a_document_is_read_as_text_whatever_its_encoding(edgar: FilingSource, market_server: MarketServer) -> None:
    url = edgar.filer(1).filings[0].url
    assert edgar.document(url) == market_server.document
    for written in ("“Item” – §1".encode(), "“Item” – §1".encode("cp1252"), "\ufeff“Item” – §1".encode()):
        market_server.reply("sec_edgar", body=written)
        assert edgar.document(url) == "“Item” – §1"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/Archives/edgar/data/1/a.htm",
        "{host}.evil.example/Archives/edgar/data/1/a.htm",
        "{host}@evil.example/Archives/edgar/data/1/a.htm",
        "{host}/Archives/../admin",
        "{host}/Archives/%2e%2e/admin",
        "{host}/Archives/a.htm\r\nX: y",
        "{host}/files/company_tickers.json",
        "{host}/Archives/a.htm?next=http://evil.example",
        "{host}/Archives\\a.htm",
        "file:///etc/passwd",
        "http://[::1",
        "",
    ],
)
def test_a_document_of_anybody_else_is_not_asked_for(
    address: str, edgar: FilingSource, market_server: MarketServer
) -> None:
    with pytest.raises(NoData):
        edgar.document(address.format(host=market_server.url))
    assert not market_server.requests


def test_a_block_is_a_wait_of_ten_minutes_that_names_the_identity(
    edgar: FilingSource, market_server: MarketServer
) -> None:
    market_server.reply("sec_edgar", status=403, body="<html>Request Rate Threshold Exceeded</html>")
    with pytest.raises(RateLimited, match="SEC_EDGAR_USER_AGENT") as caught:
        edgar.filer(1)
    assert caught.value.retry_after_s == 600.0


def test_the_two_hosts_are_asked_each_for_its_own(market_server: MarketServer, tmp_path: Path) -> None:
    with MarketServer() as www:
        environ = {**market_server.environ, "SEC_EDGAR_WWW_BASE_URL": f"{www.url}/"}
        with opened(environ, tmp_path) as sources:
            edgar = asking.filings(sources)
            edgar.document(edgar.filer(1).filings[0].url)
            edgar.tickers()
        assert [received.path[:7] for received in market_server.requests] == ["/submis"]
        assert [received.path[:7] for received in www.requests] == ["/Archiv", "/files/"]


def test_facts_of_one_company_may_be_large_and_are_read_in_time(
    edgar: FilingSource, market_server: MarketServer
) -> None:
    def many(answer: Any) -> Any:
        rows = answer["facts"]["us-gaap"]["Revenues"]["units"]["USD"] * 40_000
        return {**answer, "facts": {"us-gaap": {"Revenues": {"label": "", "units": {"USD": rows}}}}}

    market_server.reply("sec_edgar", change=many)
    facts = edgar.company_facts(1).facts
    assert len(facts) == 40_000 and replace(facts[0], label="") == facts[-1]
