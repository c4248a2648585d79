"""News comes from every source that answers, and says what did not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.db.engine import Database
from core.errors import InvalidRequest, NotConfigured
from core.market.news import MOST_SYMBOLS, News
from core.market.sentiment import Tone
from tests.conftest import MoveTime
from tests.core.market.reading import SHIPPED, Ground, chosen, ground, live

FINNHUB, BRAVE = "/api/v1/company-news", "/res/v1/news/search"


def finnhub(headline: str, minutes_ago: int = 60, number: int = 1, **changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    row = {"datetime": int(at.timestamp()), "headline": headline, "id": number, "related": "ACME", "source": "Wire"}
    return {**row, "summary": "", "url": f"https://example.com/news/{number}", **changes}


def brave(title: str, minutes_ago: int = 60, number: int = 1) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).replace(tzinfo=None)
    told = {"title": title, "url": f"https://post.example/{number}", "description": "A <strong>story</strong>."}
    return {**told, "page_age": at.isoformat(timespec="seconds"), "meta_url": {"hostname": "post.example"}}


@pytest.fixture
def base(database: Database, database_url: str, tmp_path: Path) -> Iterator[Ground]:
    with ground(database, database_url, tmp_path) as found:
        found.server.answers[FINNHUB] = [finnhub("Acme beats estimates"), finnhub("Acme names a director", 90, 2)]
        found.server.answers[BRAVE] = {
            "results": [brave("Acme beats estimates", 50), brave("Acme wins contract", 30, 2)]
        }
        yield found


@contextmanager
def service(base: Ground) -> Iterator[News]:
    with closing(News(base.database, base.gate, base.sources.news, base.companies, sample=base.sample)) as opened:
        yield opened


@pytest.fixture
def news(base: Ground) -> Iterator[News]:
    with service(base) as opened:
        yield opened


def test_sources_are_merged_each_piece_once_with_source_publisher_time_and_tone(news: News) -> None:
    page = news.of(["acme"], live())
    assert [one.item.title for one in page.news] == [
        "Acme wins contract",
        "Acme beats estimates",
        "Acme names a director",
    ]
    beats = page.news[1]
    assert (beats.item.source, beats.item.publisher, beats.item.also) == ("finnhub", "Wire", ("post.example",))
    assert beats.item.published_at.tzinfo is UTC or beats.item.published_at.utcoffset() == timedelta(0)
    assert (beats.sentiment.tone, beats.sentiment.method) == (Tone.POSITIVE, "lexicon")
    assert (page.failed, page.is_stale) == ((), False)


def test_what_was_fetched_is_not_asked_for_again_for_as_long_as_the_plan_says(
    news: News, base: Ground, move_time: MoveTime
) -> None:
    news.of(["ACME"], live(), refresh_minutes=60)
    move_time(timedelta(minutes=31))
    news.of(["ACME"], live(), refresh_minutes=60)
    assert base.server.count(FINNHUB) == 1
    news.of(["ACME"], live(), refresh_minutes=30)
    assert base.server.count(FINNHUB) == 2


def test_one_process_asks_for_all(base: Ground) -> None:
    with ThreadPoolExecutor(8) as pool, service(base) as one, service(base) as other:
        pages = list(pool.map(lambda _: one.of(["ACME"], live()), range(8)))
        list(pool.map(lambda n: (one, other)[n % 2].of(["ACME"], live()), range(16)))
    assert [len(page.news) for page in pages] == [3] * 8
    assert (base.server.count(FINNHUB), base.server.count(BRAVE)) == (1, 1)


def test_what_is_known_already_is_told_without_asking_anybody(news: News, base: Ground, move_time: MoveTime) -> None:
    assert news.kept("ACME", live(), most=5).news == ()
    assert (base.server.count(FINNHUB), base.server.count(BRAVE)) == (0, 0)
    news.of(["ACME"], live())
    move_time(timedelta(days=3))
    kept = news.kept("ACME", live(), most=2)
    assert [one.item.title for one in kept.news] == ["Acme wins contract", "Acme beats estimates"]
    assert (base.server.count(FINNHUB), base.server.count(BRAVE)) == (1, 1)


@pytest.mark.parametrize("failure", [503, "<html>Sorry</html>", {"unexpected": 1}])
def test_a_source_that_fails_leaves_the_others_and_is_named(news: News, base: Ground, failure: object) -> None:
    base.server.answers[BRAVE] = failure
    page = news.of(["ACME"], live())
    assert [one.item.title for one in page.news] == ["Acme beats estimates", "Acme names a director"]
    assert page.failed == ("brave",)
    assert page.is_stale
    assert [(state.source, state.age_s is None) for state in page.states] == [("brave", True), ("finnhub", False)]


def test_what_a_source_told_before_it_failed_is_shown_as_stale_and_it_is_left_alone_for_a_minute(
    news: News, base: Ground, move_time: MoveTime
) -> None:
    news.of(["ACME"], live())
    base.server.answers[FINNHUB] = base.server.answers[BRAVE] = 503
    move_time(timedelta(minutes=31))
    page, again = news.of(["ACME"], live()), news.of(["ACME"], live())
    assert len(page.news) == len(again.news) == 3
    assert page.failed == ("brave", "finnhub")
    assert all(state.is_stale and state.age_s is not None and state.age_s > 1800 for state in again.states)
    assert base.server.count(FINNHUB) == 2
    base.server.answers[FINNHUB] = []
    move_time(timedelta(minutes=33))
    assert news.of(["ACME"], live()).failed == ("brave",)


def test_nothing_later_than_the_chosen_day_is_seen(news: News, base: Ground) -> None:
    news.of(["ACME"], live())
    before = chosen((datetime.now(UTC) - timedelta(days=2)).date())
    assert news.of(["ACME"], before).news == ()
    assert base.server.requests[-1].path in (FINNHUB, BRAVE)
    told = [received.query["to"] for received in base.server.requests if received.path == FINNHUB]
    assert told[-1] == before.day.isoformat()


def test_of_each_source_and_instrument_only_so_many_articles_are_kept(
    news: News, base: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.market.news.MOST_KEPT", 5)
    base.server.answers[BRAVE] = {"results": []}
    base.server.answers[FINNHUB] = [finnhub(f"Acme does thing {n} of its kind", n, n) for n in range(1, 21)]
    news.of(["ACME"], live())
    with base.database.service() as connection:
        titles = (
            connection.exec_driver_sql("SELECT title FROM news_articles ORDER BY published_at DESC").scalars().all()
        )
    assert titles == [f"Acme does thing {n} of its kind" for n in range(1, 6)]


def test_news_of_a_past_day_is_not_forgotten_for_newer_articles(
    news: News, base: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.market.news.MOST_KEPT", 5)
    base.server.answers[BRAVE] = {"results": []}
    base.server.answers[FINNHUB] = [finnhub(f"Acme does thing {n} of its kind", n, n) for n in range(1, 6)]
    news.of(["ACME"], live())
    past = datetime.now(UTC) - timedelta(days=60)
    base.server.answers[FINNHUB] = [finnhub(f"Acme did thing {n} of old", 60 * 24 * 60 + n, 10 + n) for n in range(3)]
    assert len(news.of(["ACME"], chosen(past.date())).news) == 3
    assert len(news.of(["ACME"], chosen(past.date())).news) == 3
    asked = base.server.count(FINNHUB)
    base.server.answers[FINNHUB] = [finnhub(f"Acme does thing {n} of its kind", n, n) for n in range(1, 6)]
    assert len(news.of(["ACME"], live()).news) == 5
    assert base.server.count(FINNHUB) == asked + 1, "what was forgotten is asked for anew"


def test_an_article_of_the_future_is_not_shown_before_its_time(news: News, base: Ground) -> None:
    base.server.answers[FINNHUB] = [finnhub("Acme will have beaten estimates", -30, 9)]
    assert all("will have" not in one.item.title for one in news.of(["ACME"], live()).news)


def test_articles_without_a_time_or_with_a_strange_address_are_left_out(news: News, base: Ground) -> None:
    base.server.answers[BRAVE] = {"results": []}
    base.server.answers[FINNHUB] = [
        finnhub("No time", datetime=0),
        finnhub("A trap", url="javascript:alert(1)", number=3),
        finnhub("A good one", number=4),
    ]
    assert [one.item.title for one in news.of(["ACME"], live()).news] == ["A good one"]


def test_a_fictitious_issuer_is_asked_of_the_sample_alone_and_says_so(news: News, base: Ground) -> None:
    page = news.of(["CHAMELI.NS"], SHIPPED)
    assert page.news[0].item.title.startswith("Chameli Soaps beats estimates")
    assert (page.news[0].item.publisher, page.news[0].item.also) == ("Generated Wire", ("Invented Post",))
    assert {one.item.source for one in page.news} == {"sample"}
    assert base.server.requests == []
    earlier = news.of(["CHAMELI.NS"], chosen(date(2010, 8, 12)))
    assert earlier.news[0].item.published_at.date() == date(2010, 8, 11)


def test_the_sample_says_nothing_about_a_real_company(database: Database, database_url: str, tmp_path: Path) -> None:
    with ground(database, database_url, tmp_path, FINNHUB_API_KEY="", BRAVE_API_KEY="") as base, service(base) as news:
        assert news.of(["AROHICEM.NS"], SHIPPED).news
        with pytest.raises(NotConfigured, match="FINNHUB_API_KEY"):
            news.of(["ACME"], SHIPPED)
        both = news.of(["AROHICEM.NS", "ACME"], SHIPPED)
        assert both.news
        assert [(state.symbol, state.source, state.error) for state in both.states] == [
            ("AROHICEM.NS", "sample", None),
            ("ACME", "none", "not_configured"),
        ]


@pytest.mark.parametrize("symbols", [[], [""], ["A;B"], ["x" * 40], [f"S{n}" for n in range(MOST_SYMBOLS + 1)]])
def test_symbols_that_cannot_be_are_refused(news: News, symbols: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        news.of(symbols, live())
