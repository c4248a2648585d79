"""`/api/ai/attachments`: files that come with questions."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from core.errors import InvalidRequest
from core.http.authentication import SignedIn, SignedInRoute
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.limits import LateBody, read_body, replayed
from core.http.models import Answer, Moment
from core.http.routes.chat import attachment_id_of
from core.research.attachments.attachments import Attachment
from core.research.attachments.found import Kind
from core.research.attachments.limits import MAX_FILE_BYTES

PATH = "/ai/attachments"
MAX_FORM_BYTES = MAX_FILE_BYTES + 64 * 1024
"""With what a form puts around the file."""
MAX_GIVEN_NAME_CHARS = 1_000
"""Of a name as it is given; it is shortened."""
FILE_WAIT_S = 60.0
"""Longest wait for a whole file."""
FORM = "multipart/form-data"
_NO_FILES = ("", "application/json", "application/x-www-form-urlencoded")
_TAKEN = (
    "Send the file as the field file of multipart/form-data, or as the body with its own Content-Type and its name as "
    "?name=."
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                    "required": ["file"],
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class AttachmentQuery(BaseModel):
    """What is said of a file beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field("", max_length=MAX_GIVEN_NAME_CHARS)
    """Its name; a form may give it with the file."""


class AttachmentAnswer(Answer):
    """A file, and what was read of it."""

    id: str
    name: str
    """Without folders and hidden characters."""
    kind: Kind
    size_bytes: int
    """Of the file that was sent, which is not kept."""
    pages: int | None
    """Of a PDF; sheets of a workbook; null for others."""
    notes: list[str]
    """What was left out or changed."""
    excerpt: str
    """The beginning of its text; empty for a picture."""
    width: int | None
    """Of a picture, in pixels, as it is kept."""
    height: int | None
    message_id: str | None
    """The question it came with; null: it waits for one, for a day."""
    created_at: Moment


class AttachmentsAnswer(Answer):
    """The files that wait for a question."""

    data: list[AttachmentAnswer]


router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.post(PATH, status_code=201, openapi_extra=_BODY, summary="Attach a file")
async def attach(
    asked: Annotated[AttachmentQuery, Query()], request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> AttachmentAnswer:
    """A PDF, CSV, Excel file (.xlsx), text or picture (PNG, JPEG, WebP, GIF) of at most 10 MB, for a later question.

    What it is its content says, whatever its name. It is read, and not kept itself; give its id in `attachment_ids` of
    a question. A file that no question is asked with is forgotten after a day.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in _NO_FILES:
        raise InvalidRequest(_TAKEN)
    if content_type == FORM:
        data, name, media_type = await _of_form(await _body(request, MAX_FORM_BYTES), request)
        name = asked.name or name
    else:
        data, name, media_type = await _body(request, MAX_FILE_BYTES), asked.name, content_type
    add = partial(bench.attachments.add, principal, name, data, media_type=media_type)
    return _told(await in_thread(add, threads))


@router.get(PATH, summary="Files that wait for a question")
async def list_attachments(principal: SignedIn, bench: Bench, threads: Threads) -> AttachmentsAnswer:
    """The caller's own, in the order in which they were attached."""
    found = await in_thread(partial(bench.attachments.unused, principal), threads)
    return AttachmentsAnswer(data=[_told(file) for file in found])


@router.get(f"{PATH}/{{attachment_id}}", summary="An attached file")
async def get_attachment(attachment_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> AttachmentAnswer:
    """One of the caller's own."""
    get = partial(bench.attachments.get, principal, attachment_id_of(attachment_id))
    return _told(await in_thread(get, threads))


@router.delete(f"{PATH}/{{attachment_id}}", status_code=204, summary="Remove an attached file")
async def remove_attachment(attachment_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """One that no question was asked with; any other goes with its conversation."""
    await in_thread(partial(bench.attachments.remove, principal, attachment_id_of(attachment_id)), threads)


async def _body(request: Request, most: int) -> bytes:
    try:
        return await read_body(request, most=most, wait_s=FILE_WAIT_S)
    except LateBody:
        caller_of(request).headers["Connection"] = "close"
        raise


async def _of_form(body: bytes, request: Request) -> tuple[bytes, str, str | None]:
    """The file of a form, its name and its type.

    Raises:
        InvalidRequest: the form cannot be read, or does not hold one file alone.
    """
    form_request = Request(request.scope, replayed(body, request.receive))
    try:
        async with form_request.form(max_files=1, max_fields=10, max_part_size=MAX_FORM_BYTES) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InvalidRequest("The form has no field file that is a file.")
            others = sorted({name for name, _ in form.multi_items()} - {"file"})
            if others:
                raise InvalidRequest(f"There is no field {others[0][:40]}; the form has the field file alone.")
            return await file.read(), file.filename or "", file.content_type
    except HTTPException as error:
        raise InvalidRequest("The form cannot be read; send one field named file, with the file in it.") from error


def _told(file: Attachment) -> AttachmentAnswer:
    return AttachmentAnswer(
        id=str(file.id),
        name=file.name,
        kind=file.kind,
        size_bytes=file.size_bytes,
        pages=file.pages,
        notes=list(file.notes),
        excerpt=file.excerpt,
        width=file.width,
        height=file.height,
        message_id=None if file.message_id is None else str(file.message_id),
        created_at=file.created_at,
    )
