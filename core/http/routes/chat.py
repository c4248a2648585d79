"""`POST /api/ai/chat`: a question and its answer, whole or as it comes."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request, Response

from core.ai.answer import Answer
from core.errors import AssayError, NotFound
from core.http.authentication import SignedIn, SignedInRoute
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.metered import metered_headers, refused_headers
from core.http.models import ChatAnswer, ChatQuestion, ChatSummary, RouteTaken, Tokens
from core.http.streams import EventStream, Listener
from core.research.assistant import Exchange

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.post("/ai/chat", response_model=ChatAnswer, summary="Ask a model")
async def chat(
    question: ChatQuestion, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """The answer to one message, in one of the caller's conversations or in a new one.

    With `stream: true`: `data: {"delta", "model"}` …, `data: {…}` with what is known at the end,
    `data: [DONE]`; a failure after the first event is `data: {"error": problem}`.
    An answer of the cache is free and moves no quota.
    """
    ask = partial(
        bench.assistant.ask,
        principal,
        question.message,
        conversation_id=_conversation_id(question.conversation_id),
        model=question.model,
        channel="api",
    )
    try:
        exchange = await in_thread(ask, threads)
        listener = Listener(exchange.session, request.receive, threads)
        async with listener.watching():
            first = await listener.piece() if question.stream else None
            answer = listener.answer if question.stream else await listener.whole()
            headers = await in_thread(partial(metered_headers, bench.usage, principal, answer), threads)
    except AssayError as error:
        headers = await in_thread(partial(refused_headers, bench.usage, principal, error), threads)
        caller_of(request).headers.update(headers)
        raise
    headers["X-Request-Id"] = str(exchange.session.request_id)
    if question.stream:
        model = exchange.session.model
        summary = partial(_summary, exchange)
        return EventStream(listener, first, model=model, headers=headers, summary=summary)
    assert answer is not None
    content = ChatAnswer(text=answer.text, **dict(_summary(exchange, answer)))
    return Response(content.model_dump_json(), headers=headers, media_type="application/json")


def _summary(exchange: Exchange, answer: Answer) -> ChatSummary:
    used = answer.usage
    return ChatSummary(
        model=answer.model,
        provider=answer.provider,
        offline=answer.is_offline,
        state=answer.state,
        cached=answer.is_cached,
        sources=[],
        usage=Tokens(
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            total_tokens=used.prompt_tokens + used.completion_tokens,
        ),
        estimated=answer.is_estimated,
        cost_usd=answer.cost_usd,
        credits=Decimal(0),
        conversation_id=str(exchange.conversation_id),
        message_id=str(exchange.message_id),
        confidence=None,
        route=RouteTaken(reason=answer.route_reason, candidates=answer.considered),
    )


def _conversation_id(given: str | None) -> UUID | None:
    """The id of a conversation; what cannot be an id names none that exists."""
    if given is None:
        return None
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("There is no such conversation.") from None
