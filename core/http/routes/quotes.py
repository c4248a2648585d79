"""`GET /api/quotes`: what symbols are worth, where that was learnt, and how old it is."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidRequest
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.market_models import QuoteAnswer, QuotesAnswer
from core.market.quotes import MAX_SYMBOLS, Quote
from core.market.symbols import MAX_SYMBOL_CHARS
from core.principal import Principal
from core.workbench import Workbench

router = APIRouter(route_class=SignedInRoute, tags=["Market"])


class QuotesQuery(BaseModel):
    """Whose quotes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    symbols: str = Field(min_length=1, max_length=10 * MAX_SYMBOL_CHARS * MAX_SYMBOLS)
    """Symbols, with commas between them; at most 200."""


@router.get("/quotes", summary="What symbols are worth")
async def quotes(
    asked: Annotated[QuotesQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> QuotesAnswer:
    """The last price of each symbol; one that nothing knows has none, and never fails the others."""
    return await in_thread(partial(_quotes, asked, principal, bench), threads)


def _quotes(asked: QuotesQuery, principal: Principal, bench: Workbench) -> QuotesAnswer:
    market = bench.market
    found = market.quotes.get(asked.symbols.split(","), market.time.of(principal), principal.org_id)
    if not found:
        raise InvalidRequest("Name at least one symbol: ?symbols=AAPL,MSFT.")
    return QuotesAnswer(quotes={symbol: _told(quote) for symbol, quote in found.items()})


def _told(quote: Quote) -> QuoteAnswer:
    return QuoteAnswer.model_validate(asdict(quote))
