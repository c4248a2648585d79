"""Notifications: what the workbench tells a member in its pages, kept for a while, unread until they are seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.db import notifications_dao as dao
from core.db.engine import Database, Transaction
from core.db.notifications_dao import NotificationRow
from core.ids import new_id
from core.principal import Principal

KEPT_DAYS = 90
MAX_KEPT = 500
"""Of one person in one organisation; the oldest go."""
MAX_PAGE = 100
MAX_TITLE_CHARS, MAX_BODY_CHARS = 200, 4_000

_WITHIN = re.compile(r"/[a-z][^\s\\]{0,499}")
"""An address within the workbench, which can lead nowhere else."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody is told: plain text, and where to go."""

    kind: str
    title: str
    body: str = ""
    link: str | None = None
    """An address within the workbench, as `/screener`."""

    def __post_init__(self) -> None:
        if self.link is not None and not _WITHIN.fullmatch(self.link):
            raise ValueError("a notification leads to an address within the workbench")


class Notifications:
    """Notifications of one person in one organisation at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, org_id: UUID, user_id: UUID, notice: Notice, *, within: Transaction | None = None) -> UUID:
        """Tells a member something, in a transaction of its own or `within` one of the service role."""
        if within is not None:
            return _added(within, org_id, user_id, notice)
        with self._database.service() as connection:
            return _added(connection, org_id, user_id, notice)

    def unread_count(self, principal: Principal) -> int:
        """How many of the principal's notifications are not read."""
        with self._database.single() as connection:  # every run of every page asks: one statement, no transaction
            return _unread(connection, principal)

    def page(
        self,
        principal: Principal,
        *,
        before: tuple[datetime, UUID] | None = None,
        only_unread: bool = False,
        most: int = MAX_PAGE,
    ) -> Sequence[NotificationRow]:
        """The principal's own, the newest first; `before` is time and id of the last one that was seen."""
        with self._database.app(principal) as connection:
            return dao.page(
                connection, before=before, only_unread=only_unread, days=KEPT_DAYS, most=min(most, MAX_PAGE + 1)
            )

    def mark_read(self, principal: Principal, ids: Sequence[UUID] | None = None) -> int:
        """Marks these, or all of the principal's notifications, as read; gives how many are not.

        Ids of what is not there, or another's, are passed over.
        """
        with self._database.app(principal) as connection:
            dao.mark_read(connection, None if ids is None else ids[:MAX_KEPT])
            return _unread(connection, principal)


def _unread(connection: Transaction, principal: Principal) -> int:
    return dao.unread(connection, org_id=principal.org_id, user_id=principal.user_id, days=KEPT_DAYS)


def _added(transaction: Transaction, org_id: UUID, user_id: UUID, notice: Notice) -> UUID:
    made = new_id()
    title, body = _cut(notice.title, MAX_TITLE_CHARS), _cut(notice.body, MAX_BODY_CHARS)
    dao.add(
        transaction,
        made,
        org_id=org_id,
        user_id=user_id,
        kind=notice.kind,
        title=title,
        body=body,
        link=notice.link,
    )
    dao.prune(transaction, org_id=org_id, user_id=user_id, days=KEPT_DAYS, most=MAX_KEPT)
    return made


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
