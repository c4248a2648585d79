"""The components of what is read on the Symbol page, with texts that somebody made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from core.errors import SourceDown
from core.market.articles import NewsItem
from core.market.as_of import AsOf, Reason
from core.market.companies import Company
from core.market.filing_text import read_filing
from core.market.filings import FilingList
from core.market.fundamentals import Fundamentals
from core.market.key_statistics import PriceTag, key_statistics
from core.market.news import NewsPage, NewsState, ToldNews
from core.market.sentiment import shipped_lexicon
from core.market.sources.contract import CompanyFacts
from core.market.sources.sample_reading import SampleReading
from core.market.statement_table import shipped_table
from core.market.statements import Ledger, build_statements
from core.metering.meter import QuotaState
from core.research.filings import CountedList
from pages.components import filings_list, news_list, statements_view
from tests.gallery.samples import principal
from tests.gallery.texts import TEXTS

ZONE = "Europe/Berlin"
NOW = datetime(2010, 8, 20, 18, tzinfo=UTC)
SAMPLE = SampleReading()
SHIPPED = AsOf(NOW.date(), Reason.SHIPPED, NOW)
CIK = 9_990_000_001
PRICE = PriceTag(Decimal("1511.25"), "INR", "sample", NOW.date())
TITLES = ("Acme beats estimates", "Acme recalls 3,000 anvils", "Acme to hold its annual meeting", *TEXTS.values())


def news() -> None:
    """News with strange titles, one source that failed and one that is asked"""
    told = [
        ToldNews(_item(number, title or "?"), shipped_lexicon().judge(title)) for number, title in enumerate(TITLES * 2)
    ]
    states = (
        NewsState("brave", "ACME", None, is_stale=True, error="source_unavailable"),
        NewsState("finnhub", "ACME", 7_300.0, is_stale=True, error="source_unavailable"),
    )
    news_list.show("news_many", NewsPage(tuple(told), states, NOW), ZONE)


def no_news() -> None:
    """No news at all"""
    news_list.show("news_none", NewsPage((), (), NOW), ZONE)


def filings() -> None:
    """Filings that were fetched, to be opened"""
    listed = filing_list()
    quota = QuotaState("sec_filings_month", 3, 2, NOW + timedelta(days=10))
    counted = CountedList(listed, uuid4(), None, quota)
    filings_list.show(
        "filings_some",
        principal("two words"),
        listed.symbol,
        SHIPPED,
        kept=lambda: listed,
        fetch=lambda: counted,
        open_text=lambda filing: read_filing(SAMPLE.document(filing.url)),
    )


def no_filings() -> None:
    """None were fetched yet, and the SEC is down"""

    def fail() -> CountedList:
        raise SourceDown("SEC EDGAR cannot be reached.", source="sec_edgar")

    filings_list.show(
        "filings_none",
        principal("two words"),
        "ACME",
        SHIPPED,
        kept=lambda: None,
        fetch=fail,
        open_text=lambda _: read_filing(""),
    )


def statements() -> None:
    """Key statistics and statements of an issuer that does not exist"""
    found = fundamentals(SAMPLE.company_facts(CIK))
    statements_view.show_statistics("statistics_some", found)
    statements_view.show("statements_some", found)


def poor_statements() -> None:
    """A company of one figure, which is out of scale, without a price; fetched long ago"""
    facts = SAMPLE.company_facts(CIK)
    revenue = [fact for fact in facts.facts if fact.tag == "Revenues"]
    wrong = [replace(fact, value=fact.value * 1000) if fact.end == date(2009, 9, 30) else fact for fact in revenue]
    found = replace(fundamentals(replace(facts, facts=tuple(wrong)), price=None), is_stale=True, age_s=200_000.0)
    statements_view.show_statistics("statistics_poor", found)
    statements_view.show("statements_poor", found)


def filing_list() -> FilingList:
    """The filings of a shipped issuer."""
    filer = SAMPLE.filer(CIK)
    return FilingList(CIK, filer.name, "CHAMELI.NS", filer.industry, (), filer.filings, "sample", NOW.date())


def fundamentals(facts: CompanyFacts, price: PriceTag | None = PRICE) -> Fundamentals:
    """What those facts make."""
    table = shipped_table()
    ledger = Ledger(facts, NOW.date(), table)
    return Fundamentals(
        company=Company("CHAMELI.NS", facts.name, CIK, is_generated=True),
        statements=build_statements(ledger, facts, table),
        statistics=key_statistics(ledger, price),
        source="sample",
        as_of=NOW.date(),
        age_s=0.0,
        is_stale=False,
    )


def _item(number: int, title: str) -> NewsItem:
    url = f"https://example.com/(news)/{number}?q=[a]&b=*c*"
    at = NOW - timedelta(hours=5 * number)
    also = ("Another Post",) if number == 1 else ()
    return NewsItem(title, url, "Made-up Wire", "finnhub", at, "A *summary*.", ("ACME",), also)
