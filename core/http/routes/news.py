"""`GET /api/news`: what is written about some instruments, from every source that answers."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.market_models import NewsAnswer, NewsPiece, NewsSourceState, NewsTone, NewsWord
from core.market.news import MINUTES, MOST_ITEMS, MOST_SYMBOLS, NewsPage, ToldNews
from core.market.symbols import MAX_SYMBOL_CHARS
from core.principal import Principal
from core.workbench import Workbench

router = APIRouter(route_class=SignedInRoute, tags=["Market"])


class NewsQuery(BaseModel):
    """Whose news."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    symbols: str = Field(min_length=1, max_length=10 * MAX_SYMBOL_CHARS * MOST_SYMBOLS)
    """Symbols, with commas between them."""
    limit: int = Field(50, ge=1, le=MOST_ITEMS)


@router.get("/news", summary="News of some instruments")
async def news(asked: Annotated[NewsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads) -> NewsAnswer:
    """News newest first, each piece once; a source that failed is named, and what it told before is marked stale."""
    return await in_thread(partial(_news, asked, principal, bench), threads)


def _news(asked: NewsQuery, principal: Principal, bench: Workbench) -> NewsAnswer:
    minutes = bench.plans.get(principal.plan).limits.news_refresh_minutes
    symbols = [symbol for symbol in asked.symbols.split(",") if symbol.strip()]
    page = bench.market.news.of(
        symbols, bench.market.time.of(principal), refresh_minutes=int(minutes or MINUTES), most=asked.limit
    )
    return _told(page)


def _told(page: NewsPage) -> NewsAnswer:
    return NewsAnswer(
        news=[_piece(told) for told in page.news],
        sources=[
            NewsSourceState(
                source=state.source, symbol=state.symbol, age_s=state.age_s, stale=state.is_stale, error=state.error
            )
            for state in page.states
        ],
        as_of=page.as_of,
        stale=page.is_stale,
    )


def _piece(told: ToldNews) -> NewsPiece:
    tone = told.sentiment
    words = [NewsWord(text=word.text, weight=word.weight) for word in tone.words]
    return NewsPiece(
        **asdict(told.item),
        sentiment=NewsTone(tone=tone.tone.value, score=tone.score, method="lexicon", words=words),
    )
