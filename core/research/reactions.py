"""What readers thought of answers: a thumb up or down, and a note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from core.accounts.permissions import Action, require
from core.db import reactions_dao as dao
from core.db.engine import Database, Transaction
from core.db.reactions_dao import ReactionRow
from core.errors import InvalidRequest, NotFound
from core.notebook.words import checked_text
from core.principal import Principal

Thumb = Literal["up", "down"]
MAX_NOTE_CHARS = 2_000
_NO_SUCH = "There is no such answer."


@dataclass(frozen=True, slots=True)
class Reaction:
    """What its reader thought of an answer; at least one of the two is there."""

    reaction: Thumb | None
    note: str | None
    changed_at: datetime


class Reactions:
    """Reactions of one user to answers in their conversations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def react(
        self,
        principal: Principal,
        message_id: UUID,
        reaction: Thumb | None,
        note: str | None = None,
        *,
        conversation_id: UUID | None = None,
    ) -> Reaction | None:
        """Keeps what the caller thinks of one of their answers, in place of what was kept; nothing of both: none.

        Of two at one moment the last one stays. With a conversation the answer has to be in it.

        Raises:
            NotFound: no answer of that id that this caller may see, or it failed or was replaced.
            InvalidRequest: a note that is too long, or holds what cannot be seen; or no such reaction.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.ASK)
        if reaction not in (None, "up", "down"):
            raise InvalidRequest("A reaction is up, down, or none.")
        written = checked_text(note or "", MAX_NOTE_CHARS, "note") or None
        with self._database.app(principal) as connection:
            if reaction is None and written is None:
                if not dao.delete(connection, message_id, conversation_id):
                    raise NotFound(_NO_SUCH)
                return None
            row = dao.put(connection, message_id, conversation_id, reaction, written)
        if row is None:
            raise NotFound(_NO_SUCH)
        return _reaction(row)

    def of(self, principal: Principal, message_ids: Iterable[UUID]) -> Mapping[UUID, Reaction]:
        """What the caller thought of these answers, by id; of those alone where something was kept."""
        with self._database.app(principal) as connection:
            return reactions_to(connection, message_ids)


def reactions_to(connection: Transaction, message_ids: Iterable[UUID]) -> Mapping[UUID, Reaction]:
    """As `Reactions.of`, in a transaction that is open."""
    return {row.message_id: _reaction(row) for row in dao.of(connection, list(message_ids))}


def _reaction(row: ReactionRow) -> Reaction:
    return Reaction(cast("Thumb | None", row.reaction), row.note, row.changed_at)
