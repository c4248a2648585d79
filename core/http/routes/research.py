"""`/api/portfolios/{id}/research`: news, filings and sentiment of all holdings, and questions about one of them."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from core.http.asking import Asker
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import REPLAYED_HEADER, idempotency_of
from core.http.metered import CACHE, CHAT_QUOTA, COST, metered_headers
from core.http.research_models import (
    ResearchAnswer,
    ResearchItem,
    ResearchPart,
    ResearchQuestion,
    ResearchSummary,
    ResearchTold,
    ResearchWanted,
)
from core.http.routes.portfolios import PATH, id_of
from core.market.articles import safe_url
from core.principal import Principal
from core.research.bundle import Bundle, Part, SymbolAnswer, TimelineItem
from core.workbench import Workbench

CHANNEL = "api"
RESEARCH = f"{PATH}/{{portfolio_id}}/research"

router = APIRouter(route_class=SignedInRoute, tags=["Portfolios"])


@router.get(RESEARCH, summary="The research bundle of a portfolio")
async def research(portfolio_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> ResearchAnswer:
    """As it stands, with all that is on its timeline. It counts against nothing."""
    return _bundle(await in_thread(partial(bench.bundles.state, principal, id_of(portfolio_id)), threads))


@router.post(RESEARCH, status_code=202, response_model=ResearchAnswer, summary="Have the research bundle made")
async def begin_research(
    portfolio_id: str, body: ResearchWanted, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """Makes the parts that are not there, one chat query each, whatever the size of the portfolio: `GET` tells how far.

    A part that is being made is joined. Where fewer chat queries are left than it uses, nothing is begun.
    """
    idempotency = await idempotency_of(request)
    begin = partial(bench.bundles.begin, principal, id_of(portfolio_id), body.parts, channel=CHANNEL)
    async with Asker(request, principal, bench, threads).refusing(CHAT_QUOTA):
        found = await in_thread(partial(begin, idempotency=idempotency), threads)
    headers = await in_thread(partial(metered_headers, bench.usage, principal), threads)
    return _written(_bundle(found), headers, 202)


@router.post(f"{RESEARCH}/ask", response_model=ResearchTold, summary="Ask about one symbol")
async def ask_research(
    portfolio_id: str, body: ResearchQuestion, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """Free where the bundle has the symbol; otherwise one chat query, or none where the cache has the answer."""
    idempotency = await idempotency_of(request)
    ask = partial(bench.bundles.ask_symbol, principal, id_of(portfolio_id), body.kind, body.symbol, channel=CHANNEL)
    async with Asker(request, principal, bench, threads).refusing(CHAT_QUOTA):
        found = await in_thread(partial(ask, idempotency=idempotency), threads)
    headers = await in_thread(partial(_headers, found, principal, bench), threads)
    return _written(_told(found), headers, 200)


def _headers(found: SymbolAnswer, principal: Principal, bench: Workbench) -> dict[str, str]:
    headers = metered_headers(bench.usage, principal, found.answer)
    if found.answer is None:
        headers |= {COST: "0", CACHE: "hit"}
    if found.is_replayed:
        headers[REPLAYED_HEADER] = "true"
    return headers | {"X-Request-Id": str(found.request_id)}


def _written(content: ResearchAnswer | ResearchTold, headers: dict[str, str], status: int) -> Response:
    return Response(content.model_dump_json(), status_code=status, headers=headers, media_type="application/json")


def _bundle(found: Bundle) -> ResearchAnswer:
    return ResearchAnswer(
        portfolio_id=str(found.portfolio_id),
        as_of=found.as_of,
        needs=found.needs,
        held=list(found.held),
        uncovered=list(found.uncovered),
        unknown=list(found.unknown),
        parts=[_part(part) for part in found.parts],
        items=[_item(item) for item in found.items],
    )


def _part(part: Part) -> ResearchPart:
    content = part.content
    return ResearchPart(
        name=part.name,
        state=part.state,
        symbols=list(part.symbols),
        summaries=[
            ResearchSummary(symbol=each.symbol, text=each.text, tone=each.tone or None) for each in content.summaries
        ],
        lacking=content.lacking,
        notes=list(content.notes),
        reason=part.reason or None,
        author=part.author or None,
        model=content.model or None,
        offline=content.is_offline,
        made_at=content.made_at,
        expires_at=part.expires_at,
    )


def _item(item: TimelineItem) -> ResearchItem:
    same = ("kind", "symbol", "at", "title", "publisher", "summary", "source")
    return ResearchItem(
        **{name: getattr(item, name) for name in same},
        url=safe_url(item.url),
        tone=item.tone or None,
        generated=item.is_generated,
        accession_number=item.reference or None,
    )


def _told(found: SymbolAnswer) -> ResearchTold:
    same = ("kind", "symbol", "text", "model", "provider")
    return ResearchTold(
        **{name: getattr(found, name) for name in same},
        items=[_item(item) for item in found.items],
        free=found.is_free,
        of_bundle=found.is_of_bundle,
        offline=found.is_offline,
        notes=list(found.notes),
    )
