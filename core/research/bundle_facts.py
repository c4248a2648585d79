"""What is known of holdings before a model is asked: headlines and filings, collected within a time that has an end.

What did not come in time, or whose source failed, is named; the rest is served. The reads of EDGAR's lists count no
`sec_filing`: nobody asked for a list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from core.ai.outside import cleaned, plain
from core.errors import AssayError, NotConfigured, NotFound
from core.market.as_of import AsOf
from core.market.market import Market
from core.market.news import MOST_SYMBOLS, SHOWN_DAYS, ToldNews
from core.market.sources.contract import Filing
from core.research.bundle import TimelineItem, moment_of

MOST_HEADLINES = 8
"""Of one holding."""
MOST_FILINGS = 10
FACTS_S = 60.0
"""Longest that facts are collected."""
AT_ONCE = 4
MAX_TITLE_CHARS, MAX_SUMMARY_CHARS, MAX_WORD_CHARS, MAX_URL_CHARS = 300, 600, 80, 2_000
NO_NEWS = f"No headline of the last {SHOWN_DAYS} days is known."
NO_FILINGS = "No filing is known until that day."
TOO_LATE = "It did not come in time and was left out."
RECENT = timedelta(days=30)
"""Headlines of so long decide the tone."""

_Asked = TypeVar("_Asked")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Lexical:
    """The tone of a holding's headlines by the lexicon, no model asked."""

    score: float
    """Mean of the headlines' scores, -1 to 1."""
    positive: int
    negative: int
    neutral: int
    words: tuple[str, ...]
    """The words that decided, the heaviest first."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of some holdings for one part."""

    symbols: tuple[str, ...]
    items: Mapping[str, tuple[TimelineItem, ...]]
    """By symbol, newest first; symbols of which nothing is known are not in it."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """By symbol, why nothing is known of it, or not all."""
    notes: tuple[str, ...] = ()
    tones: Mapping[str, Lexical] = field(default_factory=dict)

    @property
    def known(self) -> tuple[str, ...]:
        """The symbols of which something is known."""
        return tuple(symbol for symbol in self.symbols if self.items.get(symbol))


class FactsReader:
    """Collects facts from the market; safe to share between threads."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def headlines(
        self, symbols: Sequence[str], as_of: AsOf, *, refresh_minutes: int, within_s: float = FACTS_S
    ) -> Facts:
        """The newest headlines of each, none later than `as_of`; what cannot be had is named."""
        until = time.monotonic() + within_s
        batches = [tuple(symbols[begin : begin + MOST_SYMBOLS]) for begin in range(0, len(symbols), MOST_SYMBOLS)]
        news, notes, late, told = self._market.news, dict[str, None](), set[str](), dict[str, Sequence[ToldNews]]()

        def refreshed(batch: tuple[str, ...]) -> Sequence[str]:
            page = news.of(batch, as_of, refresh_minutes=refresh_minutes)
            return [f"{source} failed; what it told before is shown." for source in page.failed if source != "none"]

        for batch, found in _all(batches, refreshed, until):
            if isinstance(found, AssayError):
                notes[found.detail] = None
            elif found is None:
                late |= {*batch}
            else:
                notes |= dict.fromkeys(found)
        lacking: dict[str, str] = {}
        for symbol in symbols:
            try:
                told[symbol] = news.kept(symbol, as_of, most=MOST_HEADLINES).news
            except NotConfigured:
                told[symbol] = ()
            except AssayError as error:
                lacking[symbol] = error.detail
                continue
            if symbol in late or not told[symbol]:
                lacking[symbol] = TOO_LATE if symbol in late else NO_NEWS
        items = {symbol: tuple(self._headline(symbol, one) for one in found) for symbol, found in told.items() if found}
        tones = {symbol: _lexical(found) for symbol, found in told.items() if found}
        return Facts(tuple(symbols), items, lacking, tuple(notes), tones)

    def filings(self, symbols: Sequence[str], as_of: AsOf, *, within_s: float = FACTS_S) -> Facts:
        """The newest filings of each, none later than `as_of`; a list that was read lately is not asked for again."""
        until = time.monotonic() + within_s
        items: dict[str, tuple[TimelineItem, ...]] = {}
        lacking: dict[str, str] = {}
        notes: dict[str, None] = {}
        for symbol, found in _all(symbols, lambda one: self._filed(one, as_of), until):
            if isinstance(found, NotConfigured):
                notes[found.detail] = None
                lacking[symbol] = "Nobody who knows its filings is configured."
            elif isinstance(found, AssayError):
                lacking[symbol] = found.detail
            elif found:
                items[symbol] = tuple(found)
            else:
                lacking[symbol] = TOO_LATE if found is None else NO_FILINGS
        return Facts(tuple(symbols), items, lacking, tuple(notes))

    def _headline(self, symbol: str, told: ToldNews) -> TimelineItem:
        item = told.item
        return TimelineItem(
            kind="news",
            symbol=symbol,
            at=item.published_at,
            title=cleaned(item.title, MAX_TITLE_CHARS),
            url=plain(item.url)[:MAX_URL_CHARS],
            publisher=cleaned(item.publisher, MAX_WORD_CHARS),
            summary=cleaned(item.summary, MAX_SUMMARY_CHARS),
            tone=told.sentiment.tone.value,
            source=item.source,
            is_generated=item.source == "sample",
        )

    def _filed(self, symbol: str, as_of: AsOf) -> list[TimelineItem]:
        company = self._market.companies.filer(as_of, symbol=symbol)
        if company.cik is None:
            raise NotFound(f"{symbol} files nothing with the SEC, as far as is known.")
        archive = self._market.filings
        listed = archive.kept(company, as_of) or archive.fetch(company, as_of)
        return [
            filing_item(symbol, filing, listed.source, is_generated=company.is_generated)
            for filing in listed.filings[:MOST_FILINGS]
        ]


def filing_item(symbol: str, filing: Filing, source: str, *, is_generated: bool) -> TimelineItem:
    """A filing on the timeline."""
    form = cleaned(filing.form, MAX_WORD_CHARS)
    items = f"; items {', '.join(filing.items[:20])}" if filing.items else ""
    return TimelineItem(
        kind="filing",
        symbol=symbol,
        at=filing.accepted_at or moment_of(filing.filing_date),
        title=f"{symbol} filed a {form}",
        url=plain(filing.url)[:MAX_URL_CHARS],
        publisher=form,
        summary=cleaned(f"{filing.description or form}{items}", MAX_SUMMARY_CHARS),
        source=source,
        is_generated=is_generated,
        reference=plain(filing.accession_number),
    )


def _lexical(told: Sequence[ToldNews]) -> Lexical:
    """Of the headlines of the last 30 days before the newest."""
    newest = told[0].item.published_at
    recent = [one.sentiment for one in told if newest - one.item.published_at <= RECENT]
    tones = [sentiment.tone.value for sentiment in recent]
    heavy = sorted((word for sentiment in recent for word in sentiment.words), key=lambda word: -abs(word.weight))
    return Lexical(
        score=round(sum(sentiment.score for sentiment in recent) / len(recent), 4),
        positive=tones.count("positive"),
        negative=tones.count("negative"),
        neutral=tones.count("neutral"),
        words=tuple(dict.fromkeys(cleaned(word.text, MAX_WORD_CHARS) for word in heavy))[:5],
    )


def _all(
    asked: Iterable[_Asked], find: Callable[[_Asked], _Found], until: float
) -> Iterator[tuple[_Asked, _Found | AssayError | None]]:
    """What comes of each, a few at a time, in their order: an error where it failed, None where it came too late."""
    pool = ThreadPoolExecutor(AT_ONCE, "assay-facts")
    try:
        futures: list[tuple[_Asked, Future[_Found]]] = [(one, pool.submit(find, one)) for one in asked]
        for one, future in futures:
            try:
                yield one, future.result(max(0.0, until - time.monotonic()))
            except TookTooLong:
                yield one, None
            except AssayError as error:
                yield one, error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
