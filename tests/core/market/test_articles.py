"""News is text from strangers: it is made plain, and told once."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from core.db.engine import Database
from core.db.reading_dao import put_articles
from core.market.articles import MAX_TITLE, NewsItem, cleaned, merged, safe_url, url_key
from core.market.sources.contract import Article

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ARTICLE = Article("Acme rises", "https://example.com/1", "Wire", NOON)
ITEM = NewsItem("Acme raises full-year outlook", "https://example.com/1", "Wire", "finnhub", NOON, "", ("ACME",))


def item(minutes: int = 0, **changes: object) -> NewsItem:
    return replace(ITEM, published_at=NOON + timedelta(minutes=minutes), **changes)  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("Shares of <strong>Acme</strong> rose", "Shares of Acme rose"),
        ("AT&amp;T &lt;b&gt;soars&lt;/b&gt;", "AT&T soars"),
        ("Revenue < 5, profit > 2", "Revenue < 5, profit > 2"),
        ("<script>alert(1)</script>Acme", "alert(1)Acme"),
        ("Acme\u202egnp.exe\u0000 \n now", "Acme gnp.exe now"),
        ("x" * 1000, "x" * MAX_TITLE),
    ],
)
def test_a_title_is_text_without_markup_or_signs_that_are_not_seen(told: str, shown: str) -> None:
    found = cleaned(replace(ARTICLE, title=told))
    assert found is not None
    assert found.title == shown


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com/x",
        "//example.com/x",
        "https://",
        "https://user:secret@example.com/x",
        "https://example.com/a b",
        "https://example.com:x/",
        "https://example.com/" + "x" * 2000,
        "",
    ],
)
def test_an_address_that_is_not_of_the_web_drops_the_article(url: str) -> None:
    assert safe_url(url) is None
    assert cleaned(replace(ARTICLE, url=url)) is None


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("HTTPS://example.com/a", "https://example.com/a"),
        (" hTTp://EXAMPLE.com:8080/A?B=C#D ", "http://example.com:8080/A?B=C#D"),
        ("https://example.com/" + "x" * 1980, "https://example.com/" + "x" * 1980),
        ("https://\u0130.example/" + "x" * 1980, "https://i\u0307.example/" + "x" * 1980),
        ("https://\u0130.example/" + "x" * 1982, None),
    ],
)
def test_an_address_is_given_as_the_database_takes_it(database: Database, url: str, kept: str | None) -> None:
    found = cleaned(replace(ARTICLE, url=url))
    assert (found and found.url) == kept
    if found is not None:
        with database.service() as connection:
            put_articles(connection, "ACME", "finnhub", NOON.date(), [{**asdict(found), "url_key": "x"}])


@pytest.mark.parametrize(
    "changes",
    [
        {"title": " <b></b> "},
        {"published_at": datetime(2026, 11, 20, 12)},  # noqa: DTZ001 (that is the point)
        {"published_at": datetime(1970, 1, 1, tzinfo=UTC)},
    ],
)
def test_an_article_without_a_title_or_a_time_is_dropped(changes: dict[str, object]) -> None:
    assert cleaned(replace(ARTICLE, **changes)) is None  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    "url",
    [
        "http://www.example.com/news/1/",
        "https://example.com/news/1?utm_source=feed&utm_medium=rss",
        "https://example.com:443/news/1#top",
        "https://EXAMPLE.com/news/1?fbclid=abc",
        "https://amp.example.com/news/1/amp",
    ],
)
def test_copies_of_one_address_have_one_key(url: str) -> None:
    assert url_key(url) == url_key("https://example.com/news/1")


def test_what_an_address_reads_stays_in_its_key() -> None:
    assert url_key("https://example.com/?id=1") != url_key("https://example.com/?id=2")
    assert url_key("https://example.com/?b=2&a=1") == url_key("https://example.com/?a=1&b=2")


def test_one_piece_by_two_publishers_is_told_once_with_the_first_of_them() -> None:
    other = item(90, url="https://other.example/9", publisher="Post", title="Acme raises full-year outlook - Post")
    found = merged([other, item()])
    assert [(one.publisher, one.also) for one in found] == [("Wire", ("Post",))]


def test_one_address_for_two_instruments_names_both() -> None:
    found = merged([item(), item(symbols=("GLBX",), url="https://www.example.com/1?utm_source=x", summary="More.")])
    assert [(one.symbols, one.summary) for one in found] == [(("ACME", "GLBX"), "More.")]


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Acme cuts full-year outlook"},
        {"title": "Acme raises outlook of Q2", "minutes": 1},
        {"minutes": 60 * 25},
    ],
)
def test_another_piece_is_another(changes: dict[str, object]) -> None:
    minutes = changes.pop("minutes", 0)
    assert isinstance(minutes, int)
    assert len(merged([item(), item(minutes, url="https://other.example/2", **changes)])) == 2


def test_titles_that_differ_in_a_number_are_two() -> None:
    first = item(title="Acme posts results of the first quarter of 2026")
    second = item(1, title="Acme posts results of the third quarter of 2026", url="https://other.example/2")
    assert len(merged([first, second])) == 2


def test_news_is_told_newest_first() -> None:
    found = merged([item(0, title="Acme opens a plant"), item(5, title="Globex closes", url="https://example.com/2")])
    assert [one.title for one in found] == ["Globex closes", "Acme opens a plant"]


def test_a_thousand_articles_are_merged_in_a_moment() -> None:
    many = [item(n, title=f"Acme does thing {n} of its kind", url=f"https://example.com/{n}") for n in range(1000)]
    assert len(merged(many)) == 1000
