"""Filings are listed as the SEC says now, kept for those who gather, and opened as text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.db import reading_dao as dao
from core.db.engine import Database
from core.errors import NoData, NotConfigured, NotFound, SourceDown
from core.market.companies import Companies
from core.market.filings import MOST_FILINGS, FilingArchive
from core.market.instruments import Instruments
from tests.conftest import MoveTime
from tests.core.market.edgar_answers import SUBMISSIONS, columns_of, submissions
from tests.core.market.reading import SHIPPED, Ground, chosen, ground, live

FILED = [("10-K", "2026-02-20"), ("8-K", "2026-01-28"), ("10-K/A", "2025-05-02"), ("10-Q", "2025-11-04")]
TODAY = live(datetime(2026, 11, 20, 12, tzinfo=UTC))


@pytest.fixture
def base(database: Database, database_url: str, tmp_path: Path) -> Iterator[Ground]:
    with ground(database, database_url, tmp_path) as found:
        found.server.answers[SUBMISSIONS] = submissions(FILED)
        yield found


@pytest.fixture
def archive(base: Ground) -> FilingArchive:
    return FilingArchive(base.database, base.gate, base.sources.filings, sample=base.sample)


def test_a_list_is_asked_for_each_time_and_kept_beside_for_six_hours(
    archive: FilingArchive, base: Ground, move_time: MoveTime
) -> None:
    acme = base.companies.of_symbol("ACME", TODAY)
    assert archive.kept(acme, TODAY) is None
    first, second = archive.fetch(acme, TODAY), archive.fetch(acme, TODAY)
    assert base.server.count(SUBMISSIONS) == 2
    assert first == second
    assert [filing.form for filing in first.filings] == ["10-K", "8-K", "10-Q", "10-K/A"]
    kept = archive.kept(acme, TODAY)
    assert kept is not None
    assert kept.filings == first.filings
    move_time(timedelta(hours=6, minutes=1))
    assert archive.kept(acme, TODAY) is None
    assert base.server.count(SUBMISSIONS) == 2


def test_a_form_and_its_amendments_can_be_chosen(archive: FilingArchive, base: Ground) -> None:
    found = archive.fetch(base.companies.of_cik(1, TODAY), TODAY, forms=["10-k"])
    assert [filing.form for filing in found.filings] == ["10-K", "10-K/A"]


def test_what_was_filed_later_is_not_seen(archive: FilingArchive, base: Ground) -> None:
    acme = base.companies.of_symbol("ACME", TODAY)
    found = archive.fetch(acme, chosen(date(2026, 1, 27)))
    assert [filing.filing_date for filing in found.filings] == [date(2025, 11, 4), date(2025, 5, 2)]
    kept = archive.kept(acme, chosen(date(2025, 5, 2)))
    assert kept is not None
    assert [filing.form for filing in kept.filings] == ["10-K/A"]


def test_the_newest_filing_is_seen_live_though_its_clock_is_not_known(archive: FilingArchive, base: Ground) -> None:
    """16:30 may be New York's or UTC; at 12:00 UTC, the SEC lists it already."""
    base.server.answers[SUBMISSIONS] = submissions([("8-K", "2026-11-20"), ("10-Q", "2026-11-03")])
    acme = base.companies.of_cik(1, TODAY)
    assert [one.form for one in archive.fetch(acme, TODAY).filings] == ["8-K", "10-Q"]


def test_what_was_accepted_late_in_the_evening_is_not_seen_on_that_day(archive: FilingArchive, base: Ground) -> None:
    told = submissions([("8-K", "2026-11-19"), ("10-Q", "2026-11-03")])
    told["filings"]["recent"]["acceptanceDateTime"] = ["2026-11-19T21:30:00.000Z", "2026-11-03T16:30:00.000Z"]
    base.server.answers[SUBMISSIONS] = told
    acme = base.companies.of_cik(1, TODAY)
    assert [one.form for one in archive.fetch(acme, chosen(date(2026, 11, 19))).filings] == ["10-Q"]


def test_a_day_long_past_is_found_on_a_page_of_older_filings(archive: FilingArchive, base: Ground) -> None:
    page = {"name": "CIK0000000001-submissions-001.json", "filingFrom": "2009-01-01", "filingTo": "2019-12-31"}
    base.server.answers[SUBMISSIONS] = submissions(FILED, pages=({**page, "filingCount": 1},))
    base.server.answers[f"/submissions/{page['name']}"] = columns_of([("10-K", "2012-03-01")])
    found = archive.fetch(base.companies.of_cik(1, TODAY), chosen(date(2012, 12, 31)))
    assert [filing.filing_date for filing in found.filings] == [date(2012, 3, 1)]


def test_a_form_is_found_behind_however_many_newer_filings_of_others(archive: FilingArchive, base: Ground) -> None:
    page = {"name": "CIK0000000001-submissions-001.json", "filingFrom": "2009-01-01", "filingTo": "2019-12-31"}
    base.server.answers[SUBMISSIONS] = submissions([("4", "2026-02-20")] * 250, pages=({**page, "filingCount": 1},))
    base.server.answers[f"/submissions/{page['name']}"] = columns_of([("10-K", "2012-03-01")])
    acme = base.companies.of_symbol("ACME", TODAY)
    assert len(archive.fetch(acme, TODAY).filings) == MOST_FILINGS
    assert archive.kept(acme, TODAY, forms=["10-K"]) is None, "its page was not read"
    assert [filing.form for filing in archive.fetch(acme, TODAY, forms=["10-K"]).filings] == ["10-K"]


def test_a_kept_list_is_not_told_of_a_day_for_which_a_page_was_not_read(archive: FilingArchive, base: Ground) -> None:
    many = [("4", (date(2026, 11, 19) - timedelta(days=back)).isoformat()) for back in range(250)]
    pages = [
        {"name": f"CIK0000000001-submissions-00{number}.json", "filingFrom": first, "filingTo": last, "filingCount": 1}
        for number, first, last in ((1, "2015-01-01", "2026-03-15"), (2, "2009-01-01", "2014-12-31"))
    ]
    base.server.answers[SUBMISSIONS] = submissions(many, pages=tuple(pages))
    base.server.answers[f"/submissions/{pages[0]['name']}"] = columns_of([("10-K", "2016-03-01")])
    base.server.answers[f"/submissions/{pages[1]['name']}"] = columns_of([("10-K", "2012-03-01")])
    acme, past, between = base.companies.of_cik(1, TODAY), chosen(date(2012, 12, 31)), chosen(date(2017, 1, 1))
    archive.fetch(acme, TODAY)
    assert archive.kept(acme, TODAY) is not None
    assert archive.kept(acme, past) is None
    archive.fetch(acme, past)
    kept = archive.kept(acme, past)
    assert kept is not None
    assert [filing.filing_date for filing in kept.filings] == [date(2012, 3, 1)]
    assert archive.kept(acme, between) is None, "the page of those years was not read"
    assert archive.kept(acme, TODAY) is not None
    assert len(archive.fetch(acme, between).filings) == 2


def test_a_document_is_read_once_a_day_and_cut_into_its_items(archive: FilingArchive, base: Ground) -> None:
    base.server.answers["/Archives/"] = "<html><p>Item 1A. Risk Factors</p><p>An anvil may <b>fall</b>.</p></html>"
    acme = base.companies.of_symbol("ACME", TODAY)
    filing = archive.fetch(acme, TODAY).filings[0]
    texts = [archive.document(acme, filing, TODAY) for _ in range(2)]
    assert base.server.count("/Archives/") == 1
    assert texts[0] == texts[1]
    assert texts[1].search("may fall")[0].item == "1A"
    with pytest.raises(NotFound, match="as of 2026-02-19"):
        archive.document(acme, filing, chosen(date(2026, 2, 19)))


@pytest.mark.parametrize(("answer", "error"), [(404, NoData), (503, SourceDown), ("<html>", SourceDown)])
def test_a_list_that_cannot_be_had_is_an_error_although_an_old_one_is_kept(
    archive: FilingArchive, base: Ground, answer: object, error: type[Exception]
) -> None:
    acme = base.companies.of_symbol("ACME", TODAY)
    archive.fetch(acme, TODAY)
    base.server.answers[SUBMISSIONS] = answer
    with pytest.raises(error):
        archive.fetch(acme, TODAY)


def test_without_an_identity_only_the_shipped_issuers_are_known(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    with ground(database, database_url, tmp_path, SEC_EDGAR_USER_AGENT="") as base:
        archive = FilingArchive(base.database, base.gate, base.sources.filings, sample=base.sample)
        with pytest.raises(NotConfigured, match="SEC_EDGAR_USER_AGENT"):
            archive.fetch(base.companies.of_symbol("ACME", TODAY), TODAY)
        found = archive.fetch(base.companies.of_symbol("DHARAPOW.NS", TODAY), SHIPPED)
        assert (found.name, found.source) == ("Dhara Power (generated)", "sample")
        assert max(filing.filing_date for filing in found.filings) <= SHIPPED.day
        assert "(generated)" in found.filings[0].description
        text = archive.document(base.companies.of_symbol("DHARAPOW.NS", TODAY), found.filings[0], SHIPPED)
        assert "The company does not exist." in text.text
        assert base.server.requests == []


def test_half_a_character_in_a_description_can_be_kept(archive: FilingArchive, base: Ground) -> None:
    told = submissions(FILED)
    told["filings"]["recent"]["primaryDocDescription"] = ["8-K \ud83d", "a\x00b", "10-K/A", "10-Q"]
    base.server.answers[SUBMISSIONS] = told
    acme = base.companies.of_cik(1, TODAY)
    assert archive.fetch(acme, TODAY).filings[0].description == "8-K"
    kept = archive.kept(acme, TODAY)
    assert kept is not None
    assert [filing.description for filing in kept.filings] == ["8-K", "ab", "10-Q", "10-K/A"]


def test_what_the_database_takes_in_no_text_is_left_out_of_what_is_kept(base: Ground) -> None:
    told = {"a\ud83d": ["x\x00\udfffy", {"n": 1, "none": None}], "path": "C:\\u0000"}
    with base.database.service() as connection:
        dao.keep(connection, "filer", "1", "sec_edgar", told, most=10)
        kept = dao.kept(connection, "filer", "1")
    assert kept is not None
    assert kept.value == {"a": ["xy", {"n": 1, "none": None}], "path": "C:\\u0000"}


def test_on_a_past_day_the_sec_is_not_asked_whose_symbol_it_is_today(base: Ground) -> None:
    """CB was Chubb Corp in 2010, and is Chubb Ltd, the former ACE, today."""
    filings = base.sources.filings
    base.server.answers["/files/company_tickers_exchange.json"] = {
        "fields": ["cik", "name", "ticker", "exchange"],
        "data": [[2, "Nobody, Inc.", "NOCIK", "NYSE"], [3, "Other, Inc.", "OTHER", "NYSE"]],
    }
    companies = Companies(Instruments(base.database, SystemClock()), base.sample, gate=base.gate, listings=filings)
    for symbol in ("NOCIK", "OTHER"):
        with pytest.raises(NotFound, match=symbol):
            companies.filer(chosen(date(2010, 8, 20)), symbol=symbol)
    assert base.server.requests == []
    assert [companies.filer(TODAY, symbol=symbol).cik for symbol in ("NOCIK", "OTHER")] == [2, 3]


def test_a_company_without_a_cik_files_nothing(archive: FilingArchive, base: Ground) -> None:
    with pytest.raises(NotFound, match="NOCIK"):
        archive.fetch(base.companies.of_symbol("NOCIK", TODAY), TODAY)
    with pytest.raises(NotFound, match="WHAT"):
        base.companies.filer(TODAY, symbol="what")
