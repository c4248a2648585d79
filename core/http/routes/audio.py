"""`POST /api/ai/audio/transcribe`: recordings written down."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from core.ai.recordings import MAX_RECORDING_BYTES, recording_of, transcription_question
from core.ai.router import AUTO
from core.errors import InvalidRequest
from core.http.asking import Asker
from core.http.authentication import SignedIn, SignedInRoute
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import idempotency_of
from core.http.limits import LateBody, read_body, replayed
from core.http.media_models import Transcript, TranscriptWanted
from core.http.routes.images import CHANNEL, media_facts, where_live

FORM = "multipart/form-data"
MAX_FORM_BYTES = MAX_RECORDING_BYTES + 64 * 1024
"""With what a form puts around the file."""
FILE_WAIT_S = 60.0
"""Longest wait for a whole file."""
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        **TranscriptWanted.model_json_schema()["properties"],
                    },
                    "additionalProperties": False,
                    "required": ["file"],
                }
            }
        },
    }
}

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.post("/ai/audio/transcribe", response_model=Transcript, openapi_extra=_FORM, summary="Write a recording down")
async def transcribe(request: Request, principal: SignedIn, bench: Bench, threads: Threads) -> Response:
    """What is said in the file of a form (`file`, at most 25 MB and two hours), with `model` and `language` beside it.

    MP3, M4A, WAV, FLAC, OGG and WebM are read. The same recording again is cached for a week in the organisation, and
    free. Without a live provider that writes recordings down it is `provider_unavailable`.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM:
        raise InvalidRequest(f"Send the recording as the field file of a form, with Content-Type: {FORM}.")
    data, wanted = await _of_form(await _body(request), request)
    recording = await in_thread(partial(recording_of, data), threads)
    told = {"file": hashlib.sha256(data).hexdigest(), **wanted.model_dump()}
    question = transcription_question(
        recording,
        language=wanted.language,
        model=wanted.model or AUTO,
        channel=CHANNEL,
        idempotency=await idempotency_of(request, query=told),
    )
    asker = Asker(request, principal, bench, threads)
    async with where_live():
        asked = await asker.whole(asker.errand(question))
    answer = asked.complete
    content = Transcript(text=answer.text, seconds=recording.seconds, **media_facts(answer))
    return Response(content.model_dump_json(), headers=asked.headers, media_type="application/json")


async def _body(request: Request) -> bytes:
    try:
        return await read_body(request, most=MAX_FORM_BYTES, wait_s=FILE_WAIT_S)
    except LateBody:
        caller_of(request).headers["Connection"] = "close"
        raise


async def _of_form(body: bytes, request: Request) -> tuple[bytes, TranscriptWanted]:
    """The file of a form, and what is asked for beside it.

    Raises:
        InvalidRequest: the form cannot be read, does not hold one file, or has a field that is given twice.
        RequestValidationError: a field that there is not, or that cannot be.
    """
    form_request = Request(request.scope, replayed(body, request.receive))
    try:
        async with form_request.form(max_files=1, max_fields=10, max_part_size=MAX_FORM_BYTES) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InvalidRequest("The form has no field file that is a file.")
            return await file.read(), _wanted(form)
    except HTTPException as error:
        raise InvalidRequest("The form cannot be read; send one field named file, with the recording in it.") from error


def _wanted(form: FormData) -> TranscriptWanted:
    given = [(name, value) for name, value in form.multi_items() if name != "file"]
    fields = dict(given)
    if len(fields) < len(given):
        raise InvalidRequest("The form gives a field twice.")
    try:
        return TranscriptWanted.model_validate(fields)
    except ValidationError as error:
        flaws = [{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors(include_url=False)]
        raise RequestValidationError(flaws) from None
