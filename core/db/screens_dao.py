"""The statements of saved screens, under the app role: what its policies let the principal see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

_SCREENS = text(
    """
    SELECT s.id, s.name, s.shared_with, s.made_by, s.user_id = bound_user() AS is_own, s.version, v.criteria, v.author,
        s.created_at, s.updated_at
    FROM screens s JOIN screen_versions v ON v.screen_id = s.id AND v.number = s.version
    WHERE s.org_id = bound_org() AND coalesce(s.id = :id, true)
    ORDER BY s.user_id <> bound_user(), lower(s.name), s.id LIMIT :most
    """
)
_ADD = text(
    """
    INSERT INTO screens (id, org_id, user_id, name, shared_with, made_by, version, created_at, updated_at)
    VALUES (:id, bound_org(), bound_user(), :name, :shared_with, :made_by, 1, assay_now(), assay_now())
    ON CONFLICT DO NOTHING RETURNING id
    """
)
_ADD_VERSION = text(
    """
    INSERT INTO screen_versions (screen_id, org_id, number, name, criteria, author, created_at)
    VALUES (:id, bound_org(), :number, :name, CAST(:criteria AS jsonb), :author, assay_now())
    """
)
_CHANGE = text(
    """
    UPDATE screens SET name = :name, shared_with = :shared_with, version = :version, updated_at = assay_now()
    WHERE id = :id
    """
)


@dataclass(frozen=True, slots=True)
class ScreenRow:
    """A saved screen as it holds."""

    id: UUID
    name: str
    shared_with: str | None
    """The least role that sees it; None: its maker alone."""
    made_by: str
    is_own: bool
    version: int
    """From 1 on."""
    criteria: Mapping[str, Any]
    author: str
    """Who wrote this version."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ScreenVersionRow:
    """What a screen was called and asked for."""

    number: int
    name: str
    criteria: Mapping[str, Any]
    author: str
    created_at: datetime


def screens(connection: Connection, screen_id: UUID | None = None, *, most: int) -> list[ScreenRow]:
    """The screens that the principal sees, their own first, by name; or the one of that id."""
    rows = connection.execute(_SCREENS, {"id": screen_id, "most": most}).mappings()
    return [ScreenRow(**row) for row in rows]


def count_own(connection: Connection) -> int:
    """How many screens the principal has; nobody else counts theirs before this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('screens ' || bound_user()::text, 0))"))
    statement = text("SELECT count(*) FROM screens WHERE org_id = bound_org() AND user_id = bound_user()")
    return int(connection.execute(statement).scalar_one())


def lock_screen(connection: Connection, screen_id: UUID) -> bool:
    """Nobody else changes the screen before this transaction ends; False where the principal may not change it."""
    statement = text("SELECT id FROM screens WHERE id = :id FOR UPDATE")
    return connection.execute(statement, {"id": screen_id}).scalar() is not None


def add_screen(connection: Connection, screen_id: UUID, name: str, shared_with: str | None, by: str) -> bool:
    """Makes a screen, without its first version; False where its maker has one of this name."""
    values = {"id": screen_id, "name": name, "shared_with": shared_with, "made_by": by}
    return connection.execute(_ADD, values).scalar() is not None


def add_version(
    connection: Connection, screen_id: UUID, number: int, *, name: str, criteria: Mapping[str, Any], author: str
) -> None:
    """Keeps a version of a screen."""
    values = {"id": screen_id, "number": number, "name": name, "criteria": json.dumps(criteria), "author": author}
    connection.execute(_ADD_VERSION, values)


def change_screen(connection: Connection, screen_id: UUID, *, name: str, shared_with: str | None, version: int) -> bool:
    """Changes a locked screen; False where its maker has another of this name."""
    values = {"id": screen_id, "name": name, "shared_with": shared_with, "version": version}
    try:
        with connection.begin_nested():
            connection.execute(_CHANGE, values)
    except IntegrityError:
        return False
    return True


def delete_screen(connection: Connection, screen_id: UUID) -> bool:
    """Deletes a screen with all its versions; False where the principal may not."""
    statement = text("DELETE FROM screens WHERE id = :id RETURNING id")
    return connection.execute(statement, {"id": screen_id}).scalar() is not None


def versions(connection: Connection, screen_id: UUID, *, most: int) -> list[ScreenVersionRow]:
    """Every version of a screen that the principal sees, the newest first."""
    rows = connection.execute(
        text(
            "SELECT number, name, criteria, author, created_at FROM screen_versions "
            "WHERE org_id = bound_org() AND screen_id = :id ORDER BY number DESC LIMIT :most"
        ),
        {"id": screen_id, "most": most},
    ).mappings()
    return [ScreenVersionRow(**row) for row in rows]
