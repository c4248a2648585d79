"""News of instruments: asked of every source, kept for all processes, told once, newest first.

A source is asked for the news of an instrument at most every so many minutes, by one process at a time; what it told
before is shown meanwhile. A source that fails leaves the others, is named, and what it told before is shown as stale.
Fictitious issuers are asked of the sample alone, and the sample of them alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta

from core.db import reading_dao as dao
from core.db.engine import Database
from core.errors import AssayError, InvalidRequest, NoData, NotConfigured
from core.market.articles import NewsItem, cleaned, merged, url_key
from core.market.as_of import AsOf
from core.market.companies import Companies, Company
from core.market.gate import Gate
from core.market.sentiment import Lexicon, Sentiment, shipped_lexicon
from core.market.sources.contract import Article, NewsSource
from core.market.sources.sample_reading import SampleReading
from core.market.symbols import alias

WINDOW_DAYS = 30
"""So far back a source is asked."""
SHOWN_DAYS = 90
"""So far back is shown what was told before."""
MINUTES = 30
"""How long news is fresh, unless a plan says otherwise."""
PAST_FRESH_S = 86_400.0
"""How long news up to a day that is over is fresh."""
RETRY_S = 60.0
"""A source that failed, or that another process is asking, is left alone for so long."""
MOST_SYMBOLS = 20
MOST_ITEMS = 200
MOST_KEPT = 1_000
"""Articles of one source about one instrument."""
MOST_FETCH_DAYS = 400
AT_ONCE = 8
NOBODY = "none"
"""In place of a source, where none is configured."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToldNews:
    """A piece of news with the tone of its title."""

    item: NewsItem
    sentiment: Sentiment


@dataclass(frozen=True, slots=True)
class NewsState:
    """How one source stands for the news that is shown."""

    source: str
    symbol: str
    age_s: float | None
    """Seconds since it last answered; None: never."""
    is_stale: bool
    """Whether what is shown of it is older than it should be."""
    error: str | None
    """Kind of the failure that its last asking ended with."""


@dataclass(frozen=True, slots=True)
class NewsPage:
    """What is known of some instruments until a moment."""

    news: tuple[ToldNews, ...]
    states: tuple[NewsState, ...]
    as_of: datetime

    @property
    def failed(self) -> tuple[str, ...]:
        """The sources that failed, by name."""
        return tuple(dict.fromkeys(state.source for state in self.states if state.error is not None))

    @property
    def is_stale(self) -> bool:
        """Whether some of it is older than it should be."""
        return any(state.is_stale for state in self.states)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One source, one company, up to a day."""

    source: NewsSource
    company: Company
    last: date


class News:
    """Collects news."""

    def __init__(
        self,
        database: Database,
        gate: Gate,
        sources: Sequence[NewsSource],
        companies: Companies,
        *,
        sample: SampleReading,
        lexicon: Lexicon | None = None,
    ) -> None:
        self._database = database
        self._gate = gate
        self._live = tuple(sources)
        self._sample = sample
        self._companies = companies
        self._lexicon = lexicon or shipped_lexicon()
        self._threads = ThreadPoolExecutor(AT_ONCE, "assay-news")
        self._under_way: dict[tuple[str, str, date], Future[None]] = {}
        self._lock = threading.Lock()

    def of(
        self, symbols: Sequence[str], as_of: AsOf, *, refresh_minutes: int = MINUTES, most: int = MOST_ITEMS
    ) -> NewsPage:
        """The news of some instruments, newest first, none of it later than `as_of`.

        Raises:
            InvalidRequest: no symbol, too many, or what cannot be one.
            NotConfigured: no source of news is configured, and not all of them are of the sample.
        """
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            raise InvalidRequest(f"The field symbols takes 1 to {MOST_SYMBOLS} symbols.")
        found = {company.symbol: company for company in (self._companies.of_symbol(one, as_of) for one in symbols)}
        companies = list(found.values())
        last = min(as_of.day, as_of.moment.date())
        askings = [_Asking(source, company, last) for company in companies for source in self._sources(company)]
        if not askings and any(not company.is_generated for company in companies):
            raise NotConfigured("No source of news is configured: set FINNHUB_API_KEY or BRAVE_API_KEY.")
        is_past = last < as_of.now.date()
        fresh_s = PAST_FRESH_S if is_past else 60.0 * refresh_minutes
        for future in wait([self._started(asking, fresh_s) for asking in askings]).done:
            future.result()
        page = self._page(askings, as_of, fresh_s=fresh_s, most=min(most, MOST_ITEMS))
        unasked = [company.symbol for company in companies if not self._sources(company)]
        return replace(page, states=(*page.states, *map(_nobody_asked, unasked)))

    def kept(self, symbol: str, as_of: AsOf, *, most: int) -> NewsPage:
        """What is known already of one instrument, newest first, none of it later than `as_of`.

        No live source is asked, which would use up its allowance; the sample is, which is free.

        Raises:
            InvalidRequest, NotConfigured: as `of`.
        """
        company = self._companies.of_symbol(symbol, as_of)
        last = min(as_of.day, as_of.moment.date())
        askings = [_Asking(source, company, last) for source in self._sources(company)]
        if not askings and not company.is_generated:
            raise NotConfigured("No source of news is configured: set FINNHUB_API_KEY or BRAVE_API_KEY.")
        if company.is_generated:
            for asking in askings:
                self._started(asking, PAST_FRESH_S).result()
        return self._page(askings, as_of, fresh_s=PAST_FRESH_S, most=min(most, MOST_ITEMS))

    def close(self) -> None:
        """Waits for what is under way."""
        self._threads.shutdown()

    def _sources(self, company: Company) -> tuple[NewsSource, ...]:
        if not company.is_generated:
            return self._live
        return (self._sample,) if self._sample.issuer(company.symbol) else ()

    def _started(self, asking: _Asking, fresh_s: float) -> Future[None]:
        """The asking of a source, which whoever wants the same at the same time waits for too."""
        key = (asking.source.name, asking.company.symbol, asking.last)
        with self._lock:
            future = self._under_way.get(key)
            if future is None:
                future = self._under_way[key] = self._threads.submit(self._refreshed, asking, fresh_s)
                future.add_done_callback(lambda _: self._under_way.pop(key, None))
            return future

    def _refreshed(self, asking: _Asking, fresh_s: float) -> None:
        """Asks a source where what is there is old and nobody else asks it; what came of it is written down."""
        company, source, last = asking.company, asking.source, asking.last
        with self._database.service() as connection:
            if not dao.claim_fetch(
                connection, company.symbol, source.name, last, fresh_s=fresh_s, retry_s=min(RETRY_S, fresh_s)
            ):
                return
        try:
            articles = self._asked(asking)
        except AssayError as error:
            _log.warning("News of %s failed: %s.", source.name, type(error).__name__)
            with self._database.service() as connection:
                dao.fetch_failed(connection, company.symbol, source.name, last, error.problem_code)
            return
        with self._database.service() as connection:
            dao.put_articles(connection, company.symbol, source.name, last, _rows(articles))
            dao.trim_news(connection, company.symbol, source.name, last, most=MOST_KEPT, days=MOST_FETCH_DAYS)

    def _asked(self, asking: _Asking) -> Sequence[Article]:
        company, source = asking.company, asking.source
        first = asking.last - timedelta(days=WINDOW_DAYS)
        try:
            if company.is_generated:
                return source.news(company.symbol, company.name, first, asking.last)
            symbol = alias(company.symbol, source.name)
            return self._gate.call(source, lambda: source.news(symbol, company.name, first, asking.last))
        except NoData:
            return ()

    def _page(self, askings: Sequence[_Asking], as_of: AsOf, *, fresh_s: float, most: int) -> NewsPage:
        symbols = [asking.company.symbol for asking in askings]
        sources = [asking.source.name for asking in askings]
        since = as_of.moment - timedelta(days=SHOWN_DAYS)
        if not askings:
            return NewsPage((), (), as_of.moment)
        with self._database.service() as connection:
            fetches = dao.fetches(connection, symbols, sources, askings[0].last)
            rows = dao.articles(connection, symbols, sources, since=since, until=as_of.moment, most=MOST_ITEMS)
        items = merged(_item(row) for row in rows)[:most]
        states = tuple(
            NewsState(
                source=fetch.source,
                symbol=fetch.symbol,
                age_s=fetch.age_s,
                is_stale=fetch.error is not None or fetch.age_s is None or fetch.age_s > fresh_s + RETRY_S,
                error=fetch.error,
            )
            for fetch in sorted(fetches, key=lambda one: (one.symbol, one.source))
        )
        told = tuple(ToldNews(item, self._lexicon.judge(item.title)) for item in items)
        return NewsPage(told, states, as_of.moment)


def _rows(articles: Sequence[Article]) -> list[dict[str, object]]:
    """What is kept of a source's answer, oldest first: each address once, and nothing that cannot be shown."""
    by_key = {url_key(article.url): article for article in map(cleaned, articles) if article is not None}
    by_age = sorted(by_key.items(), key=lambda one: one[1].published_at)
    kept = ("url", "title", "publisher", "summary", "published_at")
    return [{"url_key": key, **{name: asdict(article)[name] for name in kept}} for key, article in by_age]


def _nobody_asked(symbol: str) -> NewsState:
    return NewsState(NOBODY, symbol, None, is_stale=True, error=NotConfigured.code)


def _item(row: dao.ArticleRow) -> NewsItem:
    return NewsItem(row.title, row.url, row.publisher, row.source, row.published_at, row.summary, (row.symbol,))
