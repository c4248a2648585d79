"""`POST /api/ai/completions` and `/api/ai/embeddings`: models asked without a conversation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from core.ai.answer import Answer, Question
from core.ai.providers.contract import Message
from core.ai.providers.vectors import vectors_of
from core.ai.router import AUTO
from core.errors import InvalidRequest, PayloadTooLarge
from core.http.asking import Asker
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import idempotency_of
from core.http.models import Completion, Prompt, RouteTaken, Texts, Tokens, Vectors
from core.http.parameters import MAX_INPUTS, embedding_question
from core.research.large_requests import HINT

CHANNEL = "api"


class OrdinaryRoute(SignedInRoute):
    """A route that says of a body which is too large where it can be sent instead."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        app = self.app

        async def telling(scope: AsgiScope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except PayloadTooLarge as error:
                raise PayloadTooLarge(f"{error.detail} {HINT}") from None

        self.app = telling


router = APIRouter(route_class=OrdinaryRoute, tags=["AI"])


@router.post("/ai/completions", response_model=Completion, summary="Ask a model without a conversation")
async def complete(body: Prompt, request: Request, principal: SignedIn, bench: Bench, threads: Threads) -> Response:
    """The answer to one prompt. The same again, but for white space at its ends, is cached, and free."""
    question = Question(
        messages=(Message("user", body.prompt),),
        model=body.model or "",
        task="completion",
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        json_schema=body.json_schema,
        channel=CHANNEL,
        idempotency=await idempotency_of(request),
    )
    asker = Asker(request, principal, bench, threads)
    asked = await asker.whole(asker.errand(question))
    content = Completion(text=asked.complete.text, **answer_facts(asked.complete))
    return Response(content.model_dump_json(), headers=asked.headers, media_type="application/json")


@router.post("/ai/embeddings", response_model=Vectors, summary="Turn texts into vectors")
async def embed(body: Texts, request: Request, principal: SignedIn, bench: Bench, threads: Threads) -> Response:
    """One vector for each text, in their order."""
    if isinstance(body.input, list) and len(body.input) > MAX_INPUTS:
        raise InvalidRequest(f"The field input holds {len(body.input):,} texts, of at most {MAX_INPUTS:,}. {HINT}")
    question = embedding_question(
        body.input, model=body.model or AUTO, channel=CHANNEL, idempotency=await idempotency_of(request)
    )
    asker = Asker(request, principal, bench, threads)
    asked = await asker.whole(asker.errand(question))
    content = await in_thread(partial(_vectors, asked.complete), threads)
    return Response(content, headers=asked.headers, media_type="application/json")


def answer_facts(answer: Answer) -> dict[str, Any]:
    """The fields of an answer that every call tells."""
    return {
        "model": answer.model,
        "provider": answer.provider,
        "offline": answer.is_offline,
        "state": answer.state,
        "cached": answer.is_cached,
        "sources": [],
        "usage": _tokens(answer),
        "estimated": answer.is_estimated,
        "cost_usd": answer.cost_usd,
        "credits": answer.credits,
        "confidence": None,
        "route": RouteTaken(reason=answer.route_reason, candidates=answer.considered),
    }


def _vectors(answer: Answer) -> str:
    """The body of the answer; a million numbers take their time to write, so not on the event loop."""
    return Vectors(
        data=vectors_of(answer.text),
        model=answer.model,
        provider=answer.provider,
        offline=answer.is_offline,
        usage=_tokens(answer),
        estimated=answer.is_estimated,
        cost_usd=answer.cost_usd,
        credits=answer.credits,
        cached=answer.is_cached,
    ).model_dump_json()


def _tokens(answer: Answer) -> Tokens:
    prompt, completion = answer.usage.prompt_tokens, answer.usage.completion_tokens
    return Tokens(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
