"""Fundamentals say what is known on a date, of whom, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.db.engine import Database
from core.errors import InvalidRequest, NoData, NotConfigured, NotFound, SourceDown
from core.market import fundamentals as module
from core.market.fundamentals import FundamentalsReader, SharePrice
from core.market.key_statistics import PriceTag, Statistic, key_statistics
from core.market.quotes import Quote
from core.market.sources.contract import ActionKind, CompanyFacts, CorporateAction, Fact
from core.market.statement_table import shipped_table
from core.market.statements import Frequency, Ledger
from tests.conftest import MoveTime
from tests.core.market.edgar_answers import FACTS, company_facts
from tests.core.market.facts import company, day, fact, year_2025
from tests.core.market.reading import SHIPPED, Ground, chosen, ground, live

LATE = date(2026, 3, 1)


@pytest.fixture
def base(database: Database, database_url: str, tmp_path: Path) -> Iterator[Ground]:
    with ground(database, database_url, tmp_path) as found:
        found.server.answers[FACTS] = company_facts()
        yield found


@pytest.fixture
def reader(base: Ground) -> FundamentalsReader:
    return reader_of(base)


def reader_of(base: Ground) -> FundamentalsReader:
    clock = SystemClock()
    return FundamentalsReader(base.database, base.gate, base.sources.filings, base.companies, clock, sample=base.sample)


def test_statements_of_a_real_company_are_made_of_what_it_reported(reader: FundamentalsReader) -> None:
    found = reader.of(live(), symbol="acme")
    [line] = found.statements.statement("income", Frequency.ANNUAL).lines
    cell = line.cells[0]
    assert cell is not None
    assert (line.key, cell.value, cell.accession_number) == ("revenue", 400, "0000000001-26-000001")
    assert (found.source, found.is_stale, found.company.name) == ("sec_edgar", False, "Acme, Inc.")


def test_the_facts_of_a_day_are_fetched_once_by_all_processes_and_kept_small(
    reader: FundamentalsReader, base: Ground
) -> None:
    reader.of(live(), symbol="ACME")
    reader.of(live(), cik=1)
    reader_of(base).of(live(), cik=1)
    assert base.server.count(FACTS) == 1
    with base.database.service() as connection:
        value = connection.exec_driver_sql("SELECT value FROM kept_readings").scalar_one()
    assert [one["tag"] for one in value["facts"]] == ["Revenues"]


def test_when_the_source_fails_what_is_kept_is_shown_as_stale(base: Ground, move_time: MoveTime) -> None:
    reader_of(base).of(live(), cik=1)
    base.server.answers[FACTS] = 503
    move_time(timedelta(hours=25))
    found = reader_of(base).of(live(), cik=1)
    assert found.is_stale
    assert found.age_s > 24 * 3600


def test_what_is_kept_in_another_form_is_fetched_anew(base: Ground) -> None:
    reader_of(base).of(live(), cik=1)
    with base.database.service() as connection:
        connection.exec_driver_sql('UPDATE kept_readings SET value = \'{"an": "older form"}\'')
    assert reader_of(base).of(live(), cik=1).statements.currency == "USD"
    assert base.server.count(FACTS) == 2


@pytest.mark.parametrize(("answer", "error"), [(404, NoData), (503, SourceDown), ({"cik": 2}, SourceDown)])
def test_a_company_that_cannot_be_read_is_an_error(
    reader: FundamentalsReader, base: Ground, answer: object, error: type[Exception]
) -> None:
    base.server.answers[FACTS] = answer
    with pytest.raises(error):
        reader.of(live(), cik=1)


def test_before_its_first_report_a_company_has_no_figures(reader: FundamentalsReader) -> None:
    with pytest.raises(NotFound, match="until 2026-02-19"):
        reader.of(chosen(date(2026, 2, 19)), symbol="ACME")


@pytest.mark.parametrize("asked", [{}, {"symbol": "ACME", "cik": 1}, {"cik": 0}, {"cik": 10**10}, {"symbol": "A;B"}])
def test_what_names_no_company_is_refused(reader: FundamentalsReader, asked: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        reader.of(live(), **asked)  # type: ignore[arg-type]  # as a caller may send it


def test_a_shipped_issuer_needs_no_source_and_is_labelled_generated(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    with ground(database, database_url, tmp_path, SEC_EDGAR_USER_AGENT="") as base:
        reader = reader_of(base)
        with pytest.raises(NotConfigured, match="SEC_EDGAR_USER_AGENT"):
            reader.of(live(), symbol="ACME")
        tag = PriceTag(Decimal("1511.25"), "INR", "sample", SHIPPED.day)
        found = reader.of(SHIPPED, symbol="CHAMELI.NS", priced_by=lambda _: SharePrice(tag))
        assert "(generated)" in found.company.name
        assert (found.source, found.statements.currency) == ("sample", "INR")
        assert all(statistic.value is not None for statistic in found.statistics if statistic.key != "dividend_yield")
        corrected = reader.of(chosen(date(2009, 5, 21)), symbol="AROHICEM.NS"), reader.of(SHIPPED, symbol="AROHICEM.NS")
        revenue = [
            next(
                line.cells[-1]
                for line in one.statements.statement("income", Frequency.ANNUAL).lines
                if line.key == "revenue"
            )
            for one in corrected
        ]
        assert [cell.value for cell in revenue if cell is not None][1] == 20_010_000_000
        assert revenue[0] is not None
        assert revenue[0].value != 20_010_000_000


def test_what_this_process_has_at_hand_is_bounded(
    reader: FundamentalsReader, base: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 0)
    reader.of(live(), cik=1)
    assert reader._at_hand == {}


# Key statistics ------------------------------------------------------------------------------------------------------

SHARES = "WeightedAverageNumberOfDilutedSharesOutstanding"
BOOKS = (
    *year_2025(),
    *year_2025("NetIncomeLoss", (10, 11, 12), 46),
    fact("Revenues", "2024-01-01", "2024-12-31", 400, filed="2025-02-20", form="10-K"),
    fact(SHARES, "2025-01-01", "2025-12-31", 20, filed="2026-02-20", form="10-K", unit="shares"),
    fact("dei:EntityCommonStockSharesOutstanding", None, "2026-02-10", 19, filed="2026-02-20", unit="shares"),
    fact("Assets", None, "2025-12-31", 900, filed="2026-02-20", form="10-K"),
    fact("StockholdersEquity", None, "2025-12-31", 230, filed="2026-02-20", form="10-K"),
)
TAG = PriceTag(Decimal(23), "USD", "fmp", LATE)


def statistics(
    *facts: Fact, price: PriceTag | None = TAG, as_of: date = LATE, splits: tuple[CorporateAction, ...] = ()
) -> dict[str, Statistic]:
    told: CompanyFacts = company(*facts)
    return {one.key: one for one in key_statistics(Ledger(told, as_of, shipped_table()), price, splits=splits)}


def test_key_statistics_are_made_of_the_statements_and_the_price() -> None:
    found = {key: one.value for key, one in statistics(*BOOKS).items() if one.value is not None}
    assert found == {
        "market_cap": 437,
        "price_to_earnings": 10,
        "price_to_sales": Decimal("0.95"),
        "price_to_book": Decimal("1.9"),
        "earnings_per_share": Decimal("2.3"),
        "shares": 19,
        "revenue": 460,
        "revenue_growth": Decimal("0.15"),
        "net_margin": Decimal("0.1"),
        "return_on_equity": Decimal("0.2"),
    }


def test_what_is_not_defined_has_no_value_and_says_why() -> None:
    found = statistics(*BOOKS, price=None)
    assert found["price_to_earnings"].value is None
    assert "no price is known" in found["price_to_earnings"].note
    assert "is not reported" in found["gross_margin"].note
    loss = statistics(*BOOKS, fact("NetIncomeLoss", "2025-01-01", "2025-12-31", -46, filed="2026-02-21", form="10-K/A"))
    assert loss["price_to_earnings"].value is None
    assert "not above zero" in loss["price_to_earnings"].note
    assert loss["net_margin"].value == Decimal("-0.1")
    assert all(one.value is None for one in statistics(price=TAG).values())


def test_a_price_in_another_currency_makes_no_ratio() -> None:
    found = statistics(*BOOKS, price=PriceTag(Decimal(23), "GBP", "fmp", LATE))
    assert found["market_cap"].value is None
    assert "GBP" in found["market_cap"].note
    assert found["net_margin"].value is not None


def test_twelve_months_are_the_last_four_quarters_where_there_is_a_newer_one() -> None:
    newer = [
        fact("Revenues", "2026-01-01", "2026-03-31", 140, filed="2026-05-05"),
        fact("NetIncomeLoss", "2026-01-01", "2026-03-31", 20, filed="2026-05-05"),
    ]
    found = statistics(*BOOKS, *newer, as_of=date(2026, 6, 1))
    assert found["revenue"].value == 110 + 120 + 130 + 140
    assert found["net_margin"].value == (Decimal(11 + 12 + 13 + 20) / 500).quantize(Decimal("0.000001"))
    assert statistics(*BOOKS, *newer, as_of=date(2026, 5, 4))["revenue"].value == 460


def test_shares_that_were_split_since_they_were_counted_are_split_here_too() -> None:
    split = CorporateAction(day("2026-02-25"), ActionKind.SPLIT, Decimal(4))
    paid = CorporateAction(day("2026-02-25"), ActionKind.DIVIDEND, Decimal(4))
    found = statistics(*BOOKS, splits=(split, paid))
    assert (found["shares"].value, found["earnings_per_share"].value) == (76, Decimal("0.575"))
    assert statistics(*BOOKS, splits=(split,), as_of=date(2026, 2, 24))["shares"].value == 19
    earlier = CorporateAction(day("2026-02-15"), ActionKind.SPLIT, Decimal(4))
    told = statistics(*BOOKS, splits=(earlier,))
    assert (told["shares"].value, told["earnings_per_share"].value) == (76, Decimal("2.3"))


def test_a_dividend_is_told_for_a_share_of_the_price_s_day() -> None:
    paid = fact(
        "CommonStockDividendsPerShareDeclared",
        "2025-01-01",
        "2025-12-31",
        "9.2",
        filed="2026-02-20",
        form="10-K",
        unit="USD/shares",
    )
    split = CorporateAction(day("2026-02-25"), ActionKind.SPLIT, Decimal(4))
    assert statistics(*BOOKS, paid)["dividend_yield"].value == Decimal("0.4")
    assert statistics(*BOOKS, paid, splits=(split,))["dividend_yield"].value == Decimal("0.1")
    reported_since = CorporateAction(day("2026-02-20"), ActionKind.SPLIT, Decimal(4))
    assert statistics(*BOOKS, paid, splits=(reported_since,))["dividend_yield"].value == Decimal("0.4")


@pytest.mark.parametrize(
    ("price", "is_old"),
    [
        (replace(TAG, day=day("2026-02-19")), False),
        (replace(TAG, day=day("2026-02-18")), True),
        (replace(TAG, is_stale=True), True),
    ],
)
def test_an_old_price_makes_no_statistic_and_says_of_when_it_is(price: PriceTag, is_old: bool) -> None:
    found = statistics(*BOOKS, price=price)
    for key in ("market_cap", "price_to_earnings"):
        assert (found[key].value is None) is is_old
        assert (f"the last price that is known is of {price.day}" in found[key].note) is is_old
    assert found["net_margin"].value is not None


def test_shares_are_those_of_the_day_of_the_price() -> None:
    split = CorporateAction(day("2026-02-25"), ActionKind.SPLIT, Decimal(4))
    before = replace(TAG, day=day("2026-02-24"))
    assert statistics(*BOOKS, price=before, splits=(split,))["market_cap"].value == 437
    assert statistics(*BOOKS, price=replace(TAG, day=split.ex_date), splits=(split,))["market_cap"].value == 4 * 437


def test_a_number_of_shares_that_was_reported_long_ago_is_none() -> None:
    """A company with several classes of shares stops reporting one number."""
    books = [one for one in BOOKS if one.tag != "EntityCommonStockSharesOutstanding"]
    old = fact("dei:EntityCommonStockSharesOutstanding", None, "2011-01-18", 5, filed="2011-02-01", unit="shares")
    found = statistics(*books, old)
    for key in ("shares", "market_cap", "price_to_book"):
        assert found[key].value is None
        assert "last reported of 2011-01-18" in found[key].note


def test_a_price_is_told_with_its_day_and_whether_it_is_stale() -> None:
    at = datetime(2026, 2, 20, 21, tzinfo=UTC)
    quote = Quote("ACME", "stale", Decimal(23), "USD", as_of=at, is_stale=True)
    assert module.tag_of(quote) == PriceTag(Decimal(23), "USD", "stale", at.date(), is_stale=True)
    assert module.tag_of(replace(quote, is_stale=None)) == PriceTag(Decimal(23), "USD", "stale", at.date())
    assert module.tag_of(Quote("ACME")) is None
