"""Files of one user that come with questions: what was read of them is kept, the files themselves are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from core.ai.providers.contract import Picture
from core.db.engine import Database
from core.principal import Principal

Kind = Literal["pdf", "csv", "xlsx", "text", "image"]


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

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, principal: Principal, name: str, data: bytes, *, media_type: str | None = None) -> Attachment:
        """Reads a file and keeps what was read. What it is it says itself; `media_type` is a hint for text alone.

        Raises:
            Forbidden: the caller may not ask.
            PayloadTooLarge: it is larger than is taken, also once it is unpacked.
            InvalidRequest: it is empty, encrypted, broken, or nothing that can be read; or too many wait for a question.
            ProviderUnavailable: too many files are being read at this moment.
        """
        raise NotImplementedError

    def get(self, principal: Principal, attachment_id: UUID) -> Attachment:
        """One of the caller's files.

        Raises:
            NotFound: none of that id that this caller may see.
        """
        raise NotImplementedError

    def picture(self, principal: Principal, attachment_id: UUID) -> Picture:
        """One of the caller's pictures, as it was written anew.

        Raises:
            NotFound: as `get`, or it is no picture.
        """
        raise NotImplementedError

    def text(self, principal: Principal, attachment_id: UUID) -> str:
        """What was read of one of the caller's files; empty for a picture.

        Raises:
            NotFound: as `get`.
        """
        raise NotImplementedError

    def of_conversation(self, principal: Principal, conversation_id: UUID) -> Mapping[UUID, Sequence[Attachment]]:
        """The files of a conversation by the id of the question that they came with, in order."""
        raise NotImplementedError

    def of_message(self, principal: Principal, message_id: UUID) -> Sequence[Attachment]:
        """The files that came with one question, in order."""
        raise NotImplementedError

    def unused(self, principal: Principal) -> Sequence[Attachment]:
        """The caller's files that wait for a question, in order."""
        raise NotImplementedError

    def remove(self, principal: Principal, attachment_id: UUID) -> None:
        """Forgets a file that no question was asked with.

        Raises:
            NotFound: as `get`.
            Conflict: a question was asked with it; it goes with its conversation.
        """
        raise NotImplementedError

    def forget_unused(self) -> int:
        """Forgets the files of everybody that no question was asked with for a day; gives how many."""
        raise NotImplementedError
