"""The files of one question: its own, and those that came with earlier questions of its conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.ai.providers.contract import Picture
from core.db import attachments_dao as dao
from core.db.attachments_dao import AttachmentContent
from core.db.conversations_dao import MessageRow
from core.db.engine import Database, Transaction
from core.errors import InvalidRequest, NotFound
from core.ids import new_id
from core.principal import Principal
from core.research.attachments.attachments import picture_of
from core.research.attachments.limits import MAX_OF_QUESTION, MAX_QUESTION_CHARS
from core.research.attachments.shown import Shown, shown

LEAST_ROOM = 4_000
"""Characters of files below which a question is refused that is too long for its asker's plan."""
MAX_EARLIER = 10
"""Files of earlier questions that are shown with the next, the latest."""
_NO_SUCH = "There is no such file."


@dataclass(frozen=True, slots=True)
class Files:
    """What a question comes with."""

    own: Sequence[AttachmentContent] = ()
    earlier: Sequence[AttachmentContent] = ()
    """Of earlier questions, in order."""
    is_private: bool = False
    """Whether these, or what was said in the conversation, are the caller's alone."""
    room: int = MAX_QUESTION_CHARS
    """Characters of their texts that are shown."""
    sees_earlier: bool = True
    """Whether pictures of earlier questions are shown again."""

    @property
    def has_text(self) -> bool:
        """Whether there is any that could be shown in part."""
        return any(file.text for file in (*self.own, *self.earlier))

    def shorter(self) -> Files:
        """The same, with half of the room."""
        return replace(self, room=self.room // 2)

    def blind(self) -> Files:
        """The same, for a model that sees no pictures of earlier questions."""
        return replace(self, sees_earlier=False)

    def shown(self, after: Sequence[MessageRow]) -> Shown:
        """As a model is shown them that is also shown these turns."""
        seen = {file.id for file in (*self.own, *self._seen(after))}
        return shown(self.own, self.earlier, seen, self.room)

    def pictures(self) -> tuple[Picture, ...]:
        """Those that are shown with the question."""
        return _pictures(self.own)

    def earlier_pictures(self, turns: Sequence[MessageRow]) -> Mapping[UUID, tuple[Picture, ...]]:
        """Those that are shown with these turns: the latest, as far as one question may have pictures."""
        found: dict[UUID, tuple[Picture, ...]] = {}
        for file in self._seen(turns):
            assert file.message_id is not None
            found[file.message_id] = (*found.get(file.message_id, ()), *_pictures([file]))
        return found

    def _seen(self, turns: Sequence[MessageRow]) -> Sequence[AttachmentContent]:
        room = MAX_OF_QUESTION - len(self.pictures())
        known = {row.id for row in turns}
        seen = [file for file in self.earlier if file.message_id in known and file.image is not None]
        return seen[max(len(seen) - room, 0) :] if self.sees_earlier and room > 0 else []

    def as_of(self, turns: Sequence[MessageRow]) -> Files:
        """What the last of these turns came with."""
        before = {row.id for row in turns[:-1]}
        return replace(
            self,
            own=[file for file in self.earlier if file.message_id == turns[-1].id],
            earlier=[file for file in self.earlier if file.message_id in before],
        )


class ConversationFiles:
    """Reads the files that questions come with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def given(
        self,
        principal: Principal,
        attachment_ids: Sequence[UUID],
        conversation_id: UUID | None,
        turns: Sequence[MessageRow],
    ) -> Files:
        """The files that a new question is given, after these turns.

        Raises:
            NotFound: none of that id that this caller may see.
            InvalidRequest: more than one question takes.
        """
        wanted = list(dict.fromkeys(attachment_ids))
        if len(wanted) > MAX_OF_QUESTION:
            raise InvalidRequest(f"A question comes with at most {MAX_OF_QUESTION} files; these are {len(wanted)}.")
        if not wanted and not turns:
            return Files()
        with self._database.app(principal) as connection:
            own = [dao.content(connection, each) for each in wanted]
            earlier, is_private = _earlier(connection, conversation_id, turns)
        found = [each for each in own if each is not None]
        if len(found) < len(wanted):
            raise NotFound(_NO_SUCH)
        return Files(found, earlier, is_private or bool(found))

    def of_question(self, principal: Principal, conversation_id: UUID, turns: Sequence[MessageRow]) -> Files:
        """The files of the question that is the last of these turns."""
        with self._database.app(principal) as connection:
            files, is_private = _earlier(connection, conversation_id, turns)
        return Files((), files, is_private).as_of(turns)


def bind_files(
    connection: Transaction, files: Sequence[AttachmentContent], conversation_id: UUID, message_id: UUID
) -> None:
    """Gives files to the question that was asked with them.

    Raises:
        NotFound: one was removed meanwhile.
    """
    for file in files:
        if not dao.bind(connection, file.id, conversation_id=conversation_id, message_id=message_id, new_id=new_id()):
            raise NotFound(_NO_SUCH)


def _earlier(
    connection: Transaction, conversation_id: UUID | None, turns: Sequence[MessageRow]
) -> tuple[list[AttachmentContent], bool]:
    asked = [row.id for row in turns if row.role == "user"]
    if conversation_id is None or not asked:
        return [], False
    is_private = dao.is_private(connection, conversation_id)
    if not is_private:
        return [], False
    return dao.latest_contents(connection, asked, most=MAX_EARLIER), True


def _pictures(files: Sequence[AttachmentContent]) -> tuple[Picture, ...]:
    return tuple(picture for file in files if (picture := picture_of(file)) is not None)
