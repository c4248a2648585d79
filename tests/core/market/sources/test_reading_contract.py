"""What every source of news and filings promises of what it answers, the shipped reading too."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import urlsplit

import pytest

from core.errors import NoData
from core.market.sources.contract import FilingSource, NewsSource
from core.market.sources.registry import Sources
from core.market.sources.sample_reading import SampleReading
from tests.core.market.sources import asking
from tests.core.market.sources.asking import FIRST, LAST

NOBODY = 9_999_999_999
EVER = (date(1990, 1, 1), date(2100, 1, 1))


@pytest.fixture(params=["finnhub", "brave", "sample"])
def news_source(request: pytest.FixtureRequest, sources: Sources) -> tuple[NewsSource, str, date, date]:
    """A source of news, a symbol that it knows, and days of which it has some."""
    if request.param != "sample":
        return asking.news(sources, request.param), "ACME", FIRST, LAST
    sample = SampleReading()
    told = [(listing.symbol, sample.news(listing.symbol, listing.name, *EVER)) for listing in sample.tickers()]
    symbol, articles = max(told, key=lambda one: len(one[1]))
    return sample, symbol, articles[-1].published_at.date(), articles[0].published_at.date()


@pytest.fixture(params=["sec_edgar", "sample"])
def filing_source(request: pytest.FixtureRequest, sources: Sources) -> FilingSource:
    """A source of filings."""
    return asking.filings(sources) if request.param == "sec_edgar" else SampleReading()


def test_news_are_plain_dated_newest_first_and_of_the_days_asked_for(
    news_source: tuple[NewsSource, str, date, date],
) -> None:
    source, symbol, first, last = news_source
    articles = source.news(symbol, "Acme", first, last)
    moments = [article.published_at for article in articles]
    assert moments and moments == sorted(moments, reverse=True)
    assert all(moment.utcoffset() == timedelta(0) and first <= moment.date() <= last for moment in moments)
    for article in articles:
        assert article.title.strip() and article.publisher.strip() and urlsplit(article.url).scheme
        assert "<" not in article.title + article.summary


def test_news_of_fewer_days_are_a_part_of_those_of_more(news_source: tuple[NewsSource, str, date, date]) -> None:
    source, symbol, first, last = news_source
    articles = list(source.news(symbol, "Acme", first, last))
    middle = articles[len(articles) // 2].published_at.date()
    kept = [article for article in articles if article.published_at.date() <= middle]
    assert list(source.news(symbol, "Acme", first, middle)) == kept


def test_each_listing_leads_to_its_filer_facts_and_documents(filing_source: FilingSource) -> None:
    listings = filing_source.tickers()
    assert listings
    for listing in listings:
        assert listing.symbol and listing.name and listing.cik
        filer = filing_source.filer(listing.cik)
        assert filer.cik == listing.cik and listing.symbol in filer.tickers
        days = [filing.filing_date for filing in filer.filings]
        assert days and days == sorted(days, reverse=True)
        facts = filing_source.company_facts(listing.cik)
        assert facts.cik == listing.cik and facts.facts
        assert all(fact.value.is_finite() and fact.end <= fact.filed for fact in facts.facts)
        assert filing_source.document(filer.filings[0].url).strip()


def test_pages_of_older_filings_are_named_by_the_filer(filing_source: FilingSource) -> None:
    cik = filing_source.tickers()[0].cik
    assert cik is not None
    for page in filing_source.filer(cik).older:
        found = filing_source.older_filings(cik, page)
        assert found and all(page.first <= filing.filing_date <= page.last for filing in found)


def test_a_company_that_nobody_knows_and_a_document_of_elsewhere_are_no_data(filing_source: FilingSource) -> None:
    for ask in (filing_source.filer, filing_source.company_facts):
        with pytest.raises(NoData):
            ask(NOBODY)
    for address in ("https://example.com/a.htm", "file:///etc/passwd", "", "http://[::1"):
        with pytest.raises(NoData):
            filing_source.document(address)
