"""`POST /v1/embeddings`: texts as vectors, metered as an AI request."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from core.ai.answer import Answer
from core.http.asking import Asker
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import idempotency_of
from core.http.streams import json_bytes
from core.http.v1.answers import embeddings
from core.http.v1.bodies import EmbeddingBody

router = APIRouter(route_class=SignedInRoute, tags=["OpenAI wire format"])


@router.post("/embeddings", response_model=None, summary="Turn texts into vectors, as OpenAI's clients do")
async def create_embeddings(
    body: EmbeddingBody, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """One vector for each text, in their order."""
    question = body.question(await idempotency_of(request))
    asker = Asker(request, principal, bench, threads)
    asked = await asker.whole(asker.errand(question))
    is_packed = body.encoding_format == "base64"
    content = await in_thread(partial(_content, asked.complete, is_packed=is_packed), threads)
    return Response(content, headers=asked.headers, media_type="application/json")


def _content(answer: Answer, *, is_packed: bool) -> bytes:
    """The body of the answer; a million numbers take their time to write, so not on the event loop."""
    return json_bytes(embeddings(answer, is_packed=is_packed))
