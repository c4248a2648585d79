"""The statements of notifications: added under the service role, read and marked by whom they are for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

_ADD = text(
    """
    INSERT INTO notifications (id, org_id, user_id, kind, title, body, link, created_at)
    VALUES (:id, :org_id, :user_id, :kind, :title, :body, :link, assay_now())
    """
)
_PRUNE = text(
    """
    DELETE FROM notifications WHERE org_id = :org_id AND user_id = :user_id
        AND (created_at < assay_now() - make_interval(days => :days) OR id IN (
            SELECT id FROM notifications WHERE org_id = :org_id AND user_id = :user_id
            ORDER BY created_at DESC, id DESC OFFSET :most))
    """
)
_PAGE = text(
    """
    SELECT id, kind, title, body, link, created_at, read_at FROM notifications
    WHERE org_id = bound_org() AND user_id = bound_user()
        AND created_at >= assay_now() - make_interval(days => :days)
        AND (NOT :only_unread OR read_at IS NULL)
        AND (cast(:before_at AS timestamptz) IS NULL OR (created_at, id) < (:before_at, cast(:before_id AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
_UNREAD = text(
    """
    SELECT count(*) FROM notifications WHERE org_id = :org_id AND user_id = :user_id AND read_at IS NULL
        AND created_at >= assay_now() - make_interval(days => :days)
    """
)
_MARK = text(
    """
    UPDATE notifications SET read_at = assay_now()
    WHERE org_id = bound_org() AND user_id = bound_user() AND read_at IS NULL
        AND (cast(:ids AS uuid[]) IS NULL OR id = ANY(cast(:ids AS uuid[])))
    """
)


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """Something that somebody was told in the pages."""

    id: UUID
    kind: str
    """What it is about: `alert`."""
    title: str
    body: str
    link: str | None
    """An address within the workbench."""
    created_at: datetime
    read_at: datetime | None


def add(
    connection: Connection,
    notification_id: UUID,
    *,
    org_id: UUID,
    user_id: UUID,
    kind: str,
    title: str,
    body: str,
    link: str | None,
) -> None:
    """Adds a notification for a member."""
    connection.execute(
        _ADD,
        {
            "id": notification_id,
            "org_id": org_id,
            "user_id": user_id,
            "kind": kind,
            "title": title,
            "body": body,
            "link": link,
        },
    )


def prune(connection: Connection, *, org_id: UUID, user_id: UUID, days: int, most: int) -> None:
    """Deletes a member's notifications that are too old, or that too many others came after."""
    connection.execute(_PRUNE, {"org_id": org_id, "user_id": user_id, "days": days, "most": most})


def page(
    connection: Connection, *, before: tuple[datetime, UUID] | None, only_unread: bool, days: int, most: int
) -> list[NotificationRow]:
    """The principal's notifications, the newest first, after a place in that order."""
    at, row_id = before or (None, None)
    rows = connection.execute(
        _PAGE, {"before_at": at, "before_id": row_id, "only_unread": only_unread, "days": days, "most": most}
    ).mappings()
    return [NotificationRow(**row) for row in rows]


def unread(connection: Connection, *, org_id: UUID, user_id: UUID, days: int) -> int:
    """How many of the principal's notifications are not read."""
    counted: int = connection.execute(_UNREAD, {"org_id": org_id, "user_id": user_id, "days": days}).scalar_one()
    return counted


def mark_read(connection: Connection, ids: Sequence[UUID] | None) -> None:
    """Marks some of the principal's notifications as read, or all of them; the time of the first reading stays."""
    connection.execute(_MARK, {"ids": None if ids is None else list(ids)})
