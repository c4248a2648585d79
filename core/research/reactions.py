"""What readers thought of answers: a thumb up or down, and a note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from core.db.engine import Database
from core.principal import Principal

Thumb = Literal["up", "down"]


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
        self, principal: Principal, message_id: UUID, reaction: Thumb | None, note: str | None = None
    ) -> Reaction | None:
        """Keeps what the caller thinks of one of their answers, in place of what was kept; nothing of both: none.

        Raises:
            NotFound: no answer of that id that this caller may see.
            InvalidRequest: a note that is too long, or holds what cannot be seen.
        """
        raise NotImplementedError

    def of(self, principal: Principal, message_ids: Iterable[UUID]) -> Mapping[UUID, Reaction]:
        """What the caller thought of these answers, by id; of those alone where something was kept."""
        raise NotImplementedError
