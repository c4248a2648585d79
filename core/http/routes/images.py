"""`POST /api/ai/images/generate`: pictures made of texts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from core.ai.answer import Answer, PictureWish
from core.ai.painting import picture_question
from core.ai.providers.painted import painted
from core.ai.providers.shown import base64_text
from core.ai.router import AUTO
from core.errors import NotConfigured, ProviderUnavailable
from core.http.asking import Asker
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import idempotency_of
from core.http.media_models import PictureMade, Pictures, PictureWanted
from core.http.models import Tokens
from core.http.parameters import checked_text

CHANNEL = "api"

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.post("/ai/images/generate", response_model=Pictures, summary="Make a picture")
async def generate(
    body: PictureWanted, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """One picture of what the prompt says. The same again is cached for 90 days in the organisation, and free.

    Without a live provider that makes pictures it is `provider_unavailable`.
    """
    question = picture_question(
        checked_text(body.prompt, "prompt"),
        PictureWish(body.size, body.quality),
        model=body.model or AUTO,
        channel=CHANNEL,
        idempotency=await idempotency_of(request),
    )
    asker = Asker(request, principal, bench, threads)
    async with where_live():
        asked = await asker.whole(asker.errand(question))
    content = await in_thread(partial(_pictures, asked.complete), threads)
    return Response(content, headers=asked.headers, media_type="application/json")


@asynccontextmanager
async def where_live() -> AsyncIterator[None]:
    """Says of a model that nobody can be asked for that it is unavailable: no key would make a caller's request right.

    Raises:
        ProviderUnavailable: no provider is live that does what is asked for.
    """
    try:
        yield
    except NotConfigured as error:
        raise ProviderUnavailable(error.detail, provider="") from error


def media_facts(answer: Answer) -> dict[str, Any]:
    """The fields of an answer that pictures and transcripts tell."""
    prompt, completion = answer.usage.prompt_tokens, answer.usage.completion_tokens
    return {
        "model": answer.model,
        "provider": answer.provider,
        "usage": Tokens(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion),
        "estimated": answer.is_estimated,
        "cost_usd": answer.cost_usd,
        "credits": answer.credits,
        "cached": answer.is_cached,
    }


def _pictures(answer: Answer) -> str:
    picture = painted(answer.text)
    made = PictureMade(b64_json=base64_text(picture.data), media_type=picture.media_type)
    return Pictures(data=[made], **media_facts(answer)).model_dump_json()
