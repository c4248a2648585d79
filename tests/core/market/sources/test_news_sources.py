"""Finnhub and Brave Search: news as plain text, with a time, of the days that are asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from core.errors import NoData, NotConfigured, RateLimited, SourceDown
from core.market.sources.contract import Article, NewsSource
from core.market.sources.registry import Sources
from tests.core.market.sources import asking
from tests.core.market.sources.asking import FIRST, LAST
from tests.fakes.market_answers import DAYS
from tests.fakes.market_server import KEY, MarketServer


@pytest.fixture
def finnhub(sources: Sources) -> NewsSource:
    return asking.news(sources, "finnhub")


@pytest.fixture
def brave(sources: Sources) -> NewsSource:
    return asking.news(sources, "brave")


def test_finnhub_is_asked_by_symbol_and_days_with_its_key_in_a_header(
    finnhub: NewsSource, market_server: MarketServer
) -> None:
    articles = finnhub.news("ACME", "Acme", DAYS[1], DAYS[2])
    assert articles[-1] == Article(
        title="Acme, Inc. raises full-year outlook",
        url="https://example.com/news/4",
        publisher="Reuters",
        published_at=datetime(2025, 9, 16, 14, tzinfo=UTC),
        symbols=("ACME",),
    )
    received = market_server.requests[0]
    assert received.query == {"symbol": "ACME", "from": "2025-09-16", "to": "2025-09-17"}
    assert received.headers["x-finnhub-token"] == KEY


def test_brave_is_asked_by_the_companys_name_with_its_key_in_a_header(
    brave: NewsSource, market_server: MarketServer
) -> None:
    articles = brave.news("ACME", "Acme, Inc.", FIRST, LAST)
    assert articles[0] == Article(
        title="Acme & Sons rise",
        url="https://example.com/found/2025-09-22",
        publisher="example.com",
        published_at=datetime(2025, 9, 22, 12, tzinfo=UTC),
        summary="Shares of Acme rose 4%.",
    )
    received = market_server.requests[0]
    assert received.query["q"] == "Acme, Inc. stock" and received.query["freshness"] == "2025-09-15to2025-09-22"
    assert received.headers["x-subscription-token"] == KEY


@pytest.mark.parametrize("name", ["finnhub", "brave"])
def test_news_are_of_the_days_asked_for_newest_first(name: str, sources: Sources) -> None:
    articles = asking.news(sources, name).news("ACME", "Acme", DAYS[1], DAYS[3])
    assert [article.published_at.date() for article in articles] == [DAYS[3], DAYS[2], DAYS[1]]


def test_no_news_is_an_answer(finnhub: NewsSource, brave: NewsSource, market_server: MarketServer) -> None:
    assert finnhub.news("NOSUCH", "", FIRST, LAST) == ()
    market_server.reply("brave", body={"type": "news", "results": []})
    assert brave.news("NOSUCH", "", FIRST, LAST) == ()


@pytest.mark.parametrize(
    ("told", "plain"),
    [
        ("<strong>Acme</strong> &amp; Co", "Acme & Co"),
        ("&lt;img src=x onerror=alert(1)&gt;Acme", "Acme"),
        ("Yield < 5% and > 3%", "Yield < 5% and > 3%"),
        ("Two\nlines\tand\u202e turned\u200b", "Two lines and turned"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("Acme \ud83d rises", "Acme rises"),
    ],
)
def test_text_from_outside_is_plain(told: str, plain: str, brave: NewsSource, market_server: MarketServer) -> None:
    row = {"title": told, "url": "https://example.com/a", "page_age": "2025-09-22T12:00:00"}
    market_server.reply("brave", body={"results": [row]})
    assert [article.title for article in brave.news("ACME", "Acme", FIRST, LAST)] == [plain]


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "javascript:alert(1)"},
        {"url": ""},
        {"url": "https://"},
        {"url": "http://[::1"},
        {"title": "<b></b>"},
        {"page_age": None},
        {"page_age": "2 hours ago"},
        {"page_age": "2027-01-01T00:00:00"},
    ],
)
def test_what_has_no_title_no_address_or_no_time_is_left_out(
    changes: dict[str, Any], brave: NewsSource, market_server: MarketServer
) -> None:
    row = {"title": "Acme", "url": "https://example.com/a", "page_age": "2025-09-22T12:00:00", **changes}
    market_server.reply("brave", body={"results": [row]})
    assert brave.news("ACME", "Acme", FIRST, LAST) == ()


def test_a_time_with_a_zone_is_told_in_utc(brave: NewsSource, market_server: MarketServer) -> None:
    row = {"title": "Acme", "url": "https://example.com/a", "page_age": "2025-09-22T23:30:00-04:00"}
    market_server.reply("brave", body={"results": [row]})
    article = brave.news("ACME", "Acme", FIRST, date(2025, 9, 23))[0]
    assert article.published_at == datetime(2025, 9, 23, 3, 30, tzinfo=UTC)
    assert brave.news("ACME", "Acme", FIRST, LAST) == (), "by UTC it is of the next day"


def test_finnhubs_403_is_about_the_company_and_its_401_about_the_key(
    finnhub: NewsSource, market_server: MarketServer
) -> None:
    market_server.reply("finnhub", status=403, body={"error": "You don't have access to this resource."})
    with pytest.raises(NoData, match="plan behind FINNHUB_API_KEY does not include this symbol"):
        finnhub.news("ACME", "Acme", FIRST, LAST)
    market_server.reply("finnhub", status=401, body={"error": "Invalid API key"})
    with pytest.raises(NotConfigured, match="check FINNHUB_API_KEY"):
        finnhub.news("ACME", "Acme", FIRST, LAST)


def test_braves_422_is_about_the_key_only_where_its_code_says_so(
    brave: NewsSource, market_server: MarketServer
) -> None:
    error = {
        "status": 422,
        "detail": "?",
        "meta": {"component": "authentication"},
        "code": "SUBSCRIPTION_TOKEN_INVALID",
    }
    market_server.reply("brave", status=422, body={"type": "ErrorResponse", "error": error})
    with pytest.raises(NotConfigured, match="check BRAVE_API_KEY"):
        brave.news("ACME", "Acme", FIRST, LAST)
    market_server.reply("brave", status=422, body={"type": "ErrorResponse", "error": {"code": "VALIDATION"}})
    with pytest.raises(SourceDown):
        brave.news("ACME", "Acme", FIRST, LAST)
    market_server.reply("brave", status=429, body={"type": "ErrorResponse", "error": {"code": "RATE_LIMITED"}})
    with pytest.raises(RateLimited):
        brave.news("ACME", "Acme", FIRST, LAST)
