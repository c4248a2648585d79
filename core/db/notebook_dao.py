"""The statements of watchlists, theses and checklists, under the app role: what its policies let the principal see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

_LISTS = text(
    """
    SELECT w.id, w.name, w.shared_with, w.made_by, w.user_id = bound_user() AS is_own,
        ARRAY(SELECT symbol FROM watchlist_symbols WHERE watchlist_id = w.id ORDER BY place, symbol) AS symbols
    FROM watchlists w WHERE w.org_id = bound_org() AND coalesce(w.id = :id, true)
    ORDER BY w.user_id <> bound_user(), w.created_at, w.id LIMIT :most
    """
)
_ADD_SYMBOLS = text(
    """
    INSERT INTO watchlist_symbols (watchlist_id, org_id, symbol, place)
    SELECT :id, bound_org(), given.symbol,
        at + coalesce((SELECT max(place) FROM watchlist_symbols WHERE watchlist_id = :id), 0)
    FROM unnest(cast(:symbols AS text[])) WITH ORDINALITY AS given(symbol, at)
    ON CONFLICT DO NOTHING
    """
)
_REORDER = text(
    """
    UPDATE watchlist_symbols s SET place = given.at - 1000000
    FROM unnest(cast(:symbols AS text[])) WITH ORDINALITY AS given(symbol, at)
    WHERE s.watchlist_id = :id AND s.symbol = given.symbol
    """
)
_RENUMBER = text(
    """
    UPDATE watchlist_symbols s SET place = numbered.number FROM (
        SELECT symbol, row_number() OVER (ORDER BY place, symbol) AS number FROM watchlist_symbols
        WHERE watchlist_id = :id) AS numbered
    WHERE s.watchlist_id = :id AND s.symbol = numbered.symbol
    """
)
_VERSIONS = text(
    """
    SELECT number, text, author, user_id = bound_user() AS is_own, as_of, created_at FROM thesis_versions
    WHERE org_id = bound_org() AND symbol = :symbol AND is_shared = :is_shared
        AND (is_shared OR user_id = bound_user())
    ORDER BY number DESC LIMIT :most
    """
)
_ADD_VERSION = text(
    """
    INSERT INTO thesis_versions (id, org_id, user_id, symbol, is_shared, number, text, author, as_of, created_at)
    VALUES (:id, bound_org(), bound_user(), :symbol, :is_shared, :number, :text, :author, :as_of, assay_now())
    """
)
_TEMPLATES = text(
    """
    SELECT id, title, items, updated_by, updated_at, withdrawn_at IS NOT NULL AS is_withdrawn FROM checklist_templates
    WHERE org_id = bound_org() AND coalesce(id = :id, true) ORDER BY lower(title), id LIMIT :most
    """
)
_TICK = text(
    """
    INSERT INTO checklist_ticks AS t (org_id, symbol, template, item, text, user_id, ticked_by, ticked_at, as_of)
    VALUES (bound_org(), :symbol, :template, :item, :text, bound_user(), :ticked_by, assay_now(), :as_of)
    ON CONFLICT (org_id, symbol, template, item) DO UPDATE SET text = excluded.text, user_id = excluded.user_id,
        ticked_by = excluded.ticked_by, ticked_at = excluded.ticked_at, as_of = excluded.as_of
    WHERE t.as_of > excluded.as_of
    """
)


@dataclass(frozen=True, slots=True)
class WatchlistRow:
    """A watchlist with its symbols in order."""

    id: UUID
    name: str
    shared_with: str | None
    """The least role that sees it; None: its maker alone."""
    made_by: str
    is_own: bool
    symbols: list[str]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One text of a thesis."""

    number: int
    """From 1 on; 1 is the first text."""
    text: str
    """Empty where the thesis was withdrawn."""
    author: str
    is_own: bool
    as_of: date
    """The date of the market that its author saw."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A checklist of the organisation's own."""

    id: UUID
    title: str
    items: list[dict[str, str]]
    updated_by: str
    updated_at: datetime
    is_withdrawn: bool


@dataclass(frozen=True, slots=True)
class TickRow:
    """Something that was ticked."""

    template: str
    item: str
    text: str
    """What it said when it was ticked."""
    ticked_by: str
    ticked_at: datetime
    as_of: date


def watchlists(connection: Connection, watchlist_id: UUID | None = None, *, most: int) -> list[WatchlistRow]:
    """The watchlists that the principal sees, their own first; or the one of that id."""
    rows = connection.execute(_LISTS, {"id": watchlist_id, "most": most}).mappings()
    return [WatchlistRow(**row) for row in rows]


def lock_watchlist(connection: Connection, watchlist_id: UUID) -> bool:
    """Nobody else changes the list before this transaction ends; False where the principal may not change it."""
    statement = text("SELECT id FROM watchlists WHERE id = :id FOR UPDATE")
    return connection.execute(statement, {"id": watchlist_id}).scalar() is not None


def add_watchlist(connection: Connection, watchlist_id: UUID, name: str, shared_with: str | None, by: str) -> bool:
    """Makes a list; False where its maker has one of this name."""
    made = connection.execute(
        text(
            "INSERT INTO watchlists (id, org_id, user_id, name, shared_with, made_by, created_at) "
            "VALUES (:id, bound_org(), bound_user(), :name, :shared_with, :by, assay_now()) "
            "ON CONFLICT DO NOTHING RETURNING id"
        ),
        {"id": watchlist_id, "name": name, "shared_with": shared_with, "by": by},
    ).scalar()
    return made is not None


def change_watchlist(connection: Connection, watchlist_id: UUID, name: str, shared_with: str | None) -> bool:
    """Changes one of the principal's own lists; False where they have another of this name."""
    statement = text(
        "UPDATE watchlists SET name = :name, shared_with = :shared_with WHERE id = :id AND user_id = bound_user()"
    )
    try:
        with connection.begin_nested():
            connection.execute(statement, {"id": watchlist_id, "name": name, "shared_with": shared_with})
    except IntegrityError:
        return False
    return True


def delete_watchlist(connection: Connection, watchlist_id: UUID) -> bool:
    """Deletes a list; False where the principal may not."""
    statement = text("DELETE FROM watchlists WHERE id = :id RETURNING id")
    return connection.execute(statement, {"id": watchlist_id}).scalar() is not None


def add_symbols(connection: Connection, watchlist_id: UUID, symbols: Sequence[str]) -> None:
    """Puts symbols at the end of a locked list; those that are on it stay where they are."""
    connection.execute(_ADD_SYMBOLS, {"id": watchlist_id, "symbols": list(symbols)})


def remove_symbol(connection: Connection, watchlist_id: UUID, symbol: str) -> None:
    """Takes a symbol off a list."""
    connection.execute(
        text("DELETE FROM watchlist_symbols WHERE watchlist_id = :id AND symbol = :symbol"),
        {"id": watchlist_id, "symbol": symbol},
    )


def reorder_symbols(connection: Connection, watchlist_id: UUID, symbols: Sequence[str]) -> None:
    """Puts these symbols of a locked list first, in this order; the others follow as they were."""
    connection.execute(_REORDER, {"id": watchlist_id, "symbols": list(symbols)})
    connection.execute(_RENUMBER, {"id": watchlist_id})


def thesis_versions(connection: Connection, symbol: str, *, is_shared: bool, most: int) -> list[VersionRow]:
    """Every text of the organisation's thesis, or of the principal's own, the newest first."""
    rows = connection.execute(_VERSIONS, {"symbol": symbol, "is_shared": is_shared, "most": most}).mappings()
    return [VersionRow(**row) for row in rows]


def add_thesis_version(connection: Connection, version_id: UUID, **values: Any) -> bool:
    """Keeps a text; False where somebody was faster with this number."""
    try:
        with connection.begin_nested():
            connection.execute(_ADD_VERSION, {"id": version_id, **values})
    except IntegrityError:
        return False
    return True


def templates(connection: Connection, template_id: UUID | None = None, *, most: int) -> list[TemplateRow]:
    """The organisation's own checklists, withdrawn ones too; or the one of that id."""
    rows = connection.execute(_TEMPLATES, {"id": template_id, "most": most}).mappings()
    return [TemplateRow(**row) for row in rows]


def add_template(connection: Connection, template_id: UUID, title: str, items: list[dict[str, str]], by: str) -> None:
    """Makes a checklist of the organisation's own."""
    connection.execute(
        text(
            "INSERT INTO checklist_templates (id, org_id, title, items, updated_by, updated_at) "
            "VALUES (:id, bound_org(), :title, cast(:items AS jsonb), :by, assay_now())"
        ),
        {"id": template_id, "title": title, "items": json.dumps(items), "by": by},
    )


def lock_template(connection: Connection, template_id: UUID) -> bool:
    """Nobody else changes the checklist before this transaction ends; False where there is none."""
    statement = text("SELECT id FROM checklist_templates WHERE id = :id FOR UPDATE")
    return connection.execute(statement, {"id": template_id}).scalar() is not None


def change_template(
    connection: Connection, template_id: UUID, title: str, items: list[dict[str, str]], by: str
) -> None:
    """Changes a checklist of the organisation's own."""
    connection.execute(
        text(
            "UPDATE checklist_templates SET title = :title, items = cast(:items AS jsonb), updated_by = :by, "
            "updated_at = assay_now() WHERE id = :id"
        ),
        {"id": template_id, "title": title, "items": json.dumps(items), "by": by},
    )


def withdraw_template(connection: Connection, template_id: UUID, by: str) -> bool:
    """Offers a checklist no longer; False where there is none."""
    done = connection.execute(
        text(
            "UPDATE checklist_templates SET withdrawn_at = coalesce(withdrawn_at, assay_now()), updated_by = :by "
            "WHERE id = :id RETURNING id"
        ),
        {"id": template_id, "by": by},
    ).scalar()
    return done is not None


def ticks(connection: Connection, symbol: str) -> list[TickRow]:
    """What the organisation ticked for a symbol, the first first."""
    rows = connection.execute(
        text(
            "SELECT template, item, text, ticked_by, ticked_at, as_of FROM checklist_ticks "
            "WHERE org_id = bound_org() AND symbol = :symbol ORDER BY ticked_at, item"
        ),
        {"symbol": symbol},
    ).mappings()
    return [TickRow(**row) for row in rows]


def tick(connection: Connection, *, symbol: str, template: str, item: str, text_: str, by: str, as_of: date) -> None:
    """Ticks an item; who ticked it first stays, unless the market was seen at a later date then."""
    connection.execute(
        _TICK,
        {"symbol": symbol, "template": template, "item": item, "text": text_, "ticked_by": by, "as_of": as_of},
    )


def untick(connection: Connection, *, symbol: str, template: str, item: str) -> None:
    """Takes a tick back."""
    connection.execute(
        text(
            "DELETE FROM checklist_ticks WHERE org_id = bound_org() AND symbol = :symbol AND template = :template "
            "AND item = :item"
        ),
        {"symbol": symbol, "template": template, "item": item},
    )
