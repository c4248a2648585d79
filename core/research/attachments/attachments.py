"""Files of one user that come with questions: what was read of them is kept, the files themselves are not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from core.accounts.permissions import Action, require
from core.ai.outside import plain
from core.ai.providers.contract import Picture
from core.db import attachments_dao as dao
from core.db.attachments_dao import AttachmentContent, AttachmentRow
from core.db.engine import Database, Transaction
from core.errors import Conflict, InvalidRequest, NotFound, PayloadTooLarge
from core.ids import new_id
from core.principal import Principal
from core.research.attachments.formats import file_name
from core.research.attachments.found import Found, Kind
from core.research.attachments.limits import (
    MAX_FILE_BYTES,
    MAX_NOTE_CHARS,
    MAX_UNUSED,
    UNUSED_HOURS,
)
from core.research.attachments.reader import FileReader
from core.research.attachments.texts import kept_text

MAX_LISTED = 1_000
"""Files of a conversation that are listed."""
FORGOTTEN_AT_ONCE = 1_000
EMPTY = "The file is empty."
TOO_LARGE = f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB. Divide it, and attach the parts."
_NO_SUCH = "There is no such file."


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file, as it is listed beside its question."""

    id: UUID
    name: str
    kind: Kind
    media_type: str
    size_bytes: int
    """Of the file that was sent."""
    pages: int | None
    """Of a PDF, all of them; sheets of a workbook."""
    notes: tuple[str, ...]
    """What a reader has to know: what was left out, or changed."""
    excerpt: str
    """The beginning of its text; empty for a picture."""
    width: int | None
    """Of a picture, in pixels, as it is kept."""
    height: int | None
    message_id: UUID | None
    """The question it came with; None: it waits for one."""
    created_at: datetime


class Attachments:
    """Files of one user in one organisation."""

    def __init__(self, database: Database, reader: FileReader | None = None) -> None:
        self._database = database
        self._reader = reader or FileReader()

    def add(self, principal: Principal, name: str, data: bytes, *, media_type: str | None = None) -> Attachment:
        """Reads a file and keeps what was read. What it is it says itself; `name` and `media_type` are hints for texts.

        Raises:
            Forbidden: the caller may not ask.
            PayloadTooLarge: it is larger than is taken, also once it is unpacked.
            InvalidRequest: it is empty, encrypted, broken, or nothing that can be read; or too many wait.
            ProviderUnavailable: too many files are being read at this moment.
        """
        require(principal, Action.ASK)
        if not data:
            raise InvalidRequest(EMPTY)
        if len(data) > MAX_FILE_BYTES:
            raise PayloadTooLarge(TOO_LARGE)
        kept_name = file_name(name)
        with self._database.app(principal) as connection:
            _check_room(connection)
        found = self._reader.read(principal.user_id, data, kept_name, media_type)
        made = new_id()
        with self._database.app(principal) as connection:
            _check_room(connection)
            dao.add(connection, _values(made, kept_name, data, found))
            row = dao.one(connection, made)
        assert row is not None
        return _attachment(row)

    def get(self, principal: Principal, attachment_id: UUID) -> Attachment:
        """One of the caller's files.

        Raises:
            NotFound: none of that id that this caller may see.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            row = dao.one(connection, attachment_id)
        if row is None:
            raise NotFound(_NO_SUCH)
        return _attachment(row)

    def picture(self, principal: Principal, attachment_id: UUID) -> Picture:
        """One of the caller's pictures, as it was written anew.

        Raises:
            NotFound: as `get`, or it is no picture.
        """
        found = picture_of(self._content(principal, attachment_id))
        if found is None:
            raise NotFound("This file is no picture.")
        return found

    def text(self, principal: Principal, attachment_id: UUID) -> str:
        """What was read of one of the caller's files; empty for a picture.

        Raises:
            NotFound: as `get`.
        """
        return self._content(principal, attachment_id).text

    def of_conversation(self, principal: Principal, conversation_id: UUID) -> Mapping[UUID, Sequence[Attachment]]:
        """The files of a conversation by the id of the question that they came with, in order."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return by_message(dao.of_conversation(connection, conversation_id, most=MAX_LISTED))

    def of_message(self, principal: Principal, message_id: UUID) -> Sequence[Attachment]:
        """The files that came with one question, in order."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return [_attachment(row) for row in dao.of_messages(connection, [message_id])]

    def unused(self, principal: Principal) -> Sequence[Attachment]:
        """The caller's files that wait for a question, in order."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return [_attachment(row) for row in dao.unused(connection, most=MAX_UNUSED)]

    def remove(self, principal: Principal, attachment_id: UUID) -> None:
        """Forgets a file that no question was asked with.

        Raises:
            Forbidden: the caller may not ask.
            NotFound: as `get`.
            Conflict: a question was asked with it; it goes with its conversation.
        """
        require(principal, Action.ASK)
        with self._database.app(principal) as connection:
            if dao.remove(connection, attachment_id):
                return
            if dao.one(connection, attachment_id) is None:
                raise NotFound(_NO_SUCH)
        raise Conflict("A question was asked with this file; it goes when its conversation is deleted.")

    def forget_unused(self) -> int:
        """Forgets the files of everybody that no question was asked with for a day; gives how many."""
        forgotten = 0
        while True:
            with self._database.service() as connection:
                some = dao.forget_unused(connection, hours=UNUSED_HOURS, most=FORGOTTEN_AT_ONCE)
            forgotten += some
            if some < FORGOTTEN_AT_ONCE:
                return forgotten

    def _content(self, principal: Principal, attachment_id: UUID) -> AttachmentContent:
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            row = dao.content(connection, attachment_id)
        if row is None:
            raise NotFound(_NO_SUCH)
        return row


def by_message(rows: Iterable[AttachmentRow]) -> dict[UUID, list[Attachment]]:
    """Files by the id of the question that they came with."""
    found: dict[UUID, list[Attachment]] = {}
    for row in rows:
        if row.message_id is not None:
            found.setdefault(row.message_id, []).append(_attachment(row))
    return found


def picture_of(content: AttachmentContent) -> Picture | None:
    """A file as a model is shown it; None where it is no picture."""
    if content.image is None or content.width is None or content.height is None:
        return None
    media_type = cast("Literal['image/png', 'image/jpeg', 'image/webp']", content.media_type)
    return Picture(media_type, bytes(content.image), content.width, content.height)


def _check_room(connection: Transaction) -> None:
    if dao.unused_count(connection) >= MAX_UNUSED:
        raise InvalidRequest(
            f"{MAX_UNUSED} of your files wait for a question already. Ask with them, or remove some, and attach more."
        )


def _values(made: UUID, name: str, data: bytes, found: Found) -> dict[str, object]:
    return {
        "id": made,
        "name": name,
        "kind": found.kind,
        "media_type": found.media_type,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).digest(),
        "text": kept_text(found.text),
        "image": found.image,
        "width": found.width,
        "height": found.height,
        "pages": found.pages,
        "notes": [plain(note)[:MAX_NOTE_CHARS] for note in found.notes],
    }


def _attachment(row: AttachmentRow) -> Attachment:
    return Attachment(
        id=row.id,
        name=row.name,
        kind=cast("Kind", row.kind),
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        pages=row.pages,
        notes=tuple(row.notes),
        excerpt=row.excerpt,
        width=row.width,
        height=row.height,
        message_id=row.message_id,
        created_at=row.created_at,
    )
