"""The tool `news`: headlines about some symbols, with the tone that a word list reads in them."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from statistics import fmean
from typing import Any

from pydantic import BaseModel, Field

from core.ai.evidence import Cell, Figure, Source, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.market.market import Market
from core.market.news import MOST_SYMBOLS, SHOWN_DAYS, NewsPage, ToldNews
from core.market.sentiment import Tone
from core.metering.plans import Plans
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import (
    Symbol,
    cell,
    checked_symbols,
    day_words,
    entities_of,
    figure,
    listed,
    shown,
)

KEEP_S = 1_800.0
"""So long an answer that rests on headlines is fresh."""
TITLE_CHARS = 200
URL_CHARS = 300
COLUMNS = ("Published", "Symbols", "Headline", "Publisher", "Tone", "Score", "Address")
METHOD = "The tone is that of the headline's words by a word list (VADER, with words of finance); no model was asked."


class NewsArguments(Arguments):
    """News of which symbols."""

    symbols: tuple[Symbol, ...] = Field(min_length=1, max_length=MOST_SYMBOLS, description="Symbols, such as AAPL.")
    days: int = Field(30, ge=1, le=SHOWN_DAYS, description="So many days back.")
    most: int = Field(10, ge=1, le=30, description="The newest so many.")


class News:
    """Tells what was published, as the sources had it last; they are asked as often as the plan lets them be."""

    name = "news"
    description = (
        "Headlines about symbols, newest first, with time, publisher, address and the tone of their words "
        "(-1 to 1, by a word list)."
    )
    arguments: type[BaseModel] = NewsArguments
    needs_portfolio = False

    def __init__(self, market: Market, plans: Plans) -> None:
        self._market = market
        self._plans = plans

    def run(self, context: ToolContext, arguments: NewsArguments) -> ToolResult:
        """The headlines, none of them later than the principal's date.

        Raises:
            InvalidRequest: what cannot be a symbol.
            NotConfigured: no source of news is, and the symbols are not of the sample.
        """
        principal = context.principal
        as_of = self._market.time.of(principal)
        symbols = checked_symbols(arguments.symbols)
        minutes = self._plans.get(principal.plan).limits.news_refresh_minutes
        page = self._market.news.of(symbols, as_of, refresh_minutes=minutes)
        since = page.as_of - timedelta(days=arguments.days)
        found = [told for told in page.news if told.item.published_at >= since]
        told = found[: arguments.most]
        first = since.date()
        return ToolResult(
            words=f"News of {listed(symbols)}, {arguments.days} days up to {day_words(as_of.day)}",
            content={
                "first": first.isoformat(),
                "last": as_of.day.isoformat(),
                "total": len(found),
                "by_symbol": [_of_symbol(symbol, found) for symbol in symbols],
                "articles": [_told(each) for each in told],
                "not_shown": len(found) - len(told),
                "method": "word list",
            },
            figures=_figures(symbols, found, told, first, as_of.day),
            entities=entities_of(self._market, principal, symbols),
            source=_source(page, told, as_of.day),
            table=Table(columns=COLUMNS, rows=tuple(_row(each) for each in told), more=len(found) - len(told)),
            keep_s=KEEP_S,
            notes=_notes(page),
        )


def _about(symbol: str, found: list[ToldNews]) -> list[ToldNews]:
    return [each for each in found if symbol in each.item.symbols]


def _of_symbol(symbol: str, found: list[ToldNews]) -> dict[str, Any]:
    about = _about(symbol, found)
    tones = Counter(each.sentiment.tone for each in about)
    return {
        "symbol": symbol,
        "articles": len(about),
        "mean_score": shown(fmean(each.sentiment.score for each in about)) if about else None,
        **{tone.value: tones[tone] for tone in Tone},
    }


def _told(each: ToldNews) -> dict[str, Any]:
    item = each.item
    return {
        "published": item.published_at.isoformat(timespec="minutes"),
        "symbols": list(item.symbols),
        "tone": each.sentiment.tone.value,
        "score": shown(round(each.sentiment.score, 4)),
        "outside": {
            "title": cleaned(item.title, TITLE_CHARS),
            "publisher": cleaned(item.publisher, 60),
            "address": cleaned(item.url, URL_CHARS),
        },
    }


def _row(each: ToldNews) -> tuple[Cell, ...]:
    item, tone = each.item, each.sentiment
    return (
        item.published_at.date(),
        ", ".join(item.symbols),
        cleaned(item.title, TITLE_CHARS),
        cleaned(item.publisher, 60),
        tone.tone.value,
        cell(round(tone.score, 4)),
        item.url,
    )


def _figures(symbols: list[str], found: list[ToldNews], told: list[ToldNews], first: date, last: date) -> list[Figure]:
    figures: list[Figure] = []
    window: dict[str, Any] = {"day": last, "first": first}
    for symbol in symbols:
        summed = _of_symbol(symbol, found)
        figures += figure(symbol, "articles", summed["articles"], **window)
        figures += figure(symbol, "mean_sentiment", summed["mean_score"], **window)
        for tone in Tone:
            figures += figure(symbol, f"{tone.value}_articles", summed[tone.value], **window)
    for each in told:
        day = each.item.published_at.date()
        for symbol in each.item.symbols:
            figures += figure(symbol, "sentiment", round(each.sentiment.score, 4), day=day)
            figures += figure(symbol, "filed_day", day, day=day)
    return figures


def _source(page: NewsPage, told: list[ToldNews], day: date) -> Source:
    sources = sorted({state.source for state in page.states if state.source != "none"})
    is_generated = bool(told) and all(each.item.source == "sample" for each in told)
    named = ", ".join("shipped sample (generated)" if each == "sample" else each for each in sources)
    return Source(title=f"News: {named or 'no source'}", as_of=day, is_generated=is_generated)


def _notes(page: NewsPage) -> list[str]:
    notes = [METHOD]
    if page.failed:
        notes.append(f"These sources did not answer, and what they told before is shown: {listed(page.failed)}.")
    return notes
