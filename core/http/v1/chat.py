"""`POST /v1/chat/completions`: the chat of OpenAI's clients, metered as a chat query."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from core.http.asking import Asker
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads
from core.http.idempotency import idempotency_of
from core.http.v1.answers import Chunks, completion
from core.http.v1.bodies import ChatBody
from core.http.v1.stream import chunk_stream

router = APIRouter(route_class=SignedInRoute, tags=["OpenAI wire format"])


@router.post("/chat/completions", response_model=None, summary="Ask a model, as OpenAI's clients do")
async def chat_completions(
    body: ChatBody, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """The answer to a conversation, whole or as it comes."""
    question = body.question(await idempotency_of(request))
    asker = Asker(request, principal, bench, threads)
    if not body.stream:
        asked = await asker.whole(asker.errand(question))
        return JSONResponse(completion(asked.complete), headers=asked.headers)
    asked = await asker.begun(asker.errand(question))
    chunks = Chunks(asked.request_id, asked.model, includes_usage=body.includes_usage)
    return chunk_stream(asked, chunks)
