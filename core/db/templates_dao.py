"""The statements of templates: under the app role what its policies let the principal see; public ones are written, and
uses counted, by the service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_HEAD = (
    "id, title, category, description, sharing, version, used, updated_at, lower(title) AS place, "
    "coalesce(org_id = bound_org() AND user_id = bound_user(), false) AS is_own"
)
_PAGE = text(
    f"""
    SELECT {_HEAD} FROM prompt_templates
    WHERE (:sought = '' OR position(lower(:sought) IN lower(title)) > 0
            OR position(lower(:sought) IN lower(description)) > 0 OR position(lower(:sought) IN lower(text)) > 0)
        AND (:category = '' OR lower(category) = lower(:category))
        AND (cast(:sharing AS text) IS NULL OR sharing = :sharing)
        AND (cast(:after_id AS uuid) IS NULL
            OR (lower(title) COLLATE "C", id) > (cast(:after AS text) COLLATE "C", :after_id))
    ORDER BY lower(title) COLLATE "C", id LIMIT :most
    """  # noqa: S608 (ours)
)
_WHOLE = f"SELECT {_HEAD}, text, variables FROM prompt_templates"  # noqa: S608 (ours)
_ADD = text(
    """
    INSERT INTO prompt_templates (id, org_id, user_id, sharing, title, category, description, text, variables,
        created_at, updated_at)
    VALUES (:id, :org_id, :user_id, :sharing, :title, :category, :description, :text, cast(:variables AS jsonb),
        assay_now(), assay_now())
    """
)
_CHANGE = text(
    """
    UPDATE prompt_templates SET sharing = :sharing, title = :title, category = :category, description = :description,
        text = :text, variables = cast(:variables AS jsonb), version = version + 1, updated_at = assay_now()
    WHERE id = :id AND version = :after RETURNING id
    """
)
_USED = text(
    """
    UPDATE prompt_templates SET used = used + 1, used_at = assay_now()
    WHERE id = :id AND (sharing = 'public' OR (org_id = :org_id AND (sharing = 'shared' OR user_id = :user_id)))
    """
)
_SHIPPED_USED = text(
    """
    INSERT INTO shipped_template_uses (template_id, used, used_at) VALUES (:id, 1, assay_now())
    ON CONFLICT (template_id) DO UPDATE SET used = shipped_template_uses.used + 1, used_at = excluded.used_at
    """
)


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A template without its text."""

    id: UUID
    title: str
    category: str
    description: str
    sharing: str
    version: int
    used: int
    updated_at: datetime
    place: str
    """What it is ordered by, before its id."""
    is_own: bool


@dataclass(frozen=True, slots=True)
class TemplateRow(HeadRow):
    """A template."""

    text: str
    variables: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which templates of a list."""

    sought: str = ""
    category: str = ""
    sharing: str | None = None
    after: tuple[str, UUID] | None = None
    """Place and id of the last one that was seen."""
    most: int = 200


def page(connection: Connection, wanted: Wanted) -> list[HeadRow]:
    """Templates that the bound user sees, by title."""
    after, after_id = wanted.after or (None, None)
    values = {
        "sought": wanted.sought,
        "category": wanted.category,
        "sharing": wanted.sharing,
        "after": after,
        "after_id": after_id,
        "most": wanted.most,
    }
    return [HeadRow(**row) for row in connection.execute(_PAGE, values).mappings()]


def categories(connection: Connection) -> list[str]:
    """Categories of the templates that the bound user sees."""
    return list(connection.execute(text("SELECT DISTINCT category FROM prompt_templates")).scalars())


def get(connection: Connection, template_id: UUID) -> TemplateRow | None:
    """One template that the bound user sees; None where there is none of that id for them."""
    row = connection.execute(text(f"{_WHOLE} WHERE id = :id"), {"id": template_id}).mappings().one_or_none()
    return TemplateRow(**row) if row else None


def titled(connection: Connection, title: str, *, most: int) -> list[TemplateRow]:
    """Templates of a title that the bound user sees, in whatever case."""
    statement = text(f"{_WHOLE} WHERE lower(title) = lower(:title) ORDER BY created_at, id LIMIT :most")
    return [TemplateRow(**row) for row in connection.execute(statement, {"title": title, "most": most}).mappings()]


def count_own(connection: Connection) -> int:
    """How many templates the bound user made."""
    statement = "SELECT count(*) FROM prompt_templates WHERE org_id = bound_org() AND user_id = bound_user()"
    count: int = connection.execute(text(statement)).scalar_one()
    return count


def add(connection: Connection, template_id: UUID, author: tuple[UUID, UUID], values: Mapping[str, object]) -> None:
    """Adds a template of an author: organisation and user."""
    written = {**values, "variables": json.dumps(values["variables"])}
    connection.execute(_ADD, {"id": template_id, "org_id": author[0], "user_id": author[1], **written})


def change(connection: Connection, template_id: UUID, values: Mapping[str, object], *, after: int) -> bool:
    """Gives a template another text; False where its version is not `after` any more, or it may not be changed."""
    written = {**values, "variables": json.dumps(values["variables"]), "id": template_id, "after": after}
    return connection.execute(_CHANGE, written).scalar() is not None


def delete(connection: Connection, template_id: UUID) -> bool:
    """Deletes a template; False where there is none of that id that may be deleted."""
    statement = text("DELETE FROM prompt_templates WHERE id = :id RETURNING id")
    return connection.execute(statement, {"id": template_id}).scalar() is not None


def count_use(connection: Connection, template_id: UUID, org_id: UUID, user_id: UUID) -> None:
    """Under the service role: counts a use of a template that this user of this organisation sees."""
    connection.execute(_USED, {"id": template_id, "org_id": org_id, "user_id": user_id})


def count_shipped_use(connection: Connection, template_id: UUID) -> None:
    """Under the service role: counts a use of a shipped template."""
    connection.execute(_SHIPPED_USED, {"id": template_id})


def shipped_uses(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How often shipped templates were used, by id; of those alone that were."""
    statement = text("SELECT template_id, used FROM shipped_template_uses WHERE template_id = ANY(:ids)")
    return {row.template_id: row.used for row in connection.execute(statement, {"ids": list(ids)})}
