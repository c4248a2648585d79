"""The statements of conversations, under the app role: a user's own, in the bound organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_MESSAGES = text(
    "SELECT id, role, text, state, request_id, provider, model, is_cached, is_offline, is_estimated, prompt_tokens, "
    "completion_tokens, cost_usd, credits, note, route, created_at FROM messages "
    "WHERE conversation_id = :id AND state <> 'replaced' ORDER BY created_at, id LIMIT :most"
)
_ADD_MESSAGE = text(
    """
    INSERT INTO messages (id, conversation_id, org_id, user_id, role, text, state, request_id, provider, model,
        is_cached, is_offline, is_estimated, prompt_tokens, completion_tokens, cost_usd, credits, note, route,
        evidence, created_at)
    VALUES (:id, :conversation_id, bound_org(), bound_user(), :role, :text, :state, :request_id, :provider, :model,
        :is_cached, :is_offline, :is_estimated, :prompt_tokens, :completion_tokens, :cost_usd, :credits, :note,
        :route, cast(:evidence AS jsonb), assay_now())
    """
)
_ROW = "c.id, c.title, c.created_at, c.updated_at, c.portfolio_id, c.branched_from"
_PAGE = """
    WHERE c.org_id = bound_org() AND c.user_id = bound_user()
        AND (cast(:before_id AS uuid) IS NULL OR (c.updated_at, c.id) < (cast(:before_at AS timestamptz), :before_id))
"""
_LATEST = text(
    f"SELECT {_ROW} FROM conversations c {_PAGE} ORDER BY c.updated_at DESC, c.id DESC LIMIT :most"  # noqa: S608 (ours)
)
# Compared by position and not by a pattern: every character of what is sought stands for itself. The messages are read
# once (90 ms for 10,000), not once for each conversation.
_FOUND = text(
    f"""
    WITH hits AS MATERIALIZED (
        SELECT DISTINCT ON (m.conversation_id) m.conversation_id, m.id FROM messages m
        WHERE m.org_id = bound_org() AND m.user_id = bound_user() AND m.state IN ('complete', 'partial')
            AND position(lower(:sought) IN lower(m.text)) > 0
        ORDER BY m.conversation_id, m.created_at DESC, m.id DESC)
    SELECT {_ROW},
        substring(m.text FROM greatest(place - :before_chars, 1) FOR least(place - 1, :before_chars)) AS before,
        substring(m.text FROM place FOR length(:sought) + :after_chars) AS rest
    FROM conversations c LEFT JOIN hits ON hits.conversation_id = c.id LEFT JOIN messages m ON m.id = hits.id,
        LATERAL (SELECT position(lower(:sought) IN lower(m.text)) AS place) AS found
    {_PAGE} AND (hits.id IS NOT NULL OR position(lower(:sought) IN lower(c.title)) > 0)
    ORDER BY c.updated_at DESC, c.id DESC LIMIT :most
    """  # noqa: S608 (the parts are written above)
)
_SHOWN_UNTIL = text(
    """
    SELECT m.id FROM messages m, messages until
    WHERE m.conversation_id = :id AND m.state <> 'replaced'
        AND until.id = :message_id AND until.conversation_id = :id AND until.state <> 'replaced'
        AND (m.created_at, m.id) <= (until.created_at, until.id)
    ORDER BY m.created_at, m.id
    """
)
_BRANCH = text(
    """
    INSERT INTO conversations (id, org_id, user_id, title, portfolio_id, branched_from, created_at, updated_at)
    SELECT :target, org_id, user_id, :title, portfolio_id, id, assay_now(), assay_now()
    FROM conversations WHERE id = :id
    """
)
_COPY_MESSAGES = text(
    """
    INSERT INTO messages (id, conversation_id, org_id, user_id, role, text, state, request_id, provider, model,
        is_cached, is_offline, is_estimated, prompt_tokens, completion_tokens, cost_usd, credits, note, route,
        evidence, created_at)
    SELECT copied.new_id, :target, m.org_id, m.user_id, m.role, m.text, m.state, m.request_id, m.provider, m.model,
        m.is_cached, m.is_offline, m.is_estimated, m.prompt_tokens, m.completion_tokens, m.cost_usd, m.credits, m.note,
        m.route, m.evidence, m.created_at
    FROM unnest(cast(:old_ids AS uuid[]), cast(:new_ids AS uuid[])) AS copied(old_id, new_id)
    JOIN messages m ON m.id = copied.old_id
    """
)
_COPY_ATTACHMENTS = text(
    """
    INSERT INTO attachments (id, org_id, user_id, conversation_id, message_id, name, kind, media_type, size_bytes,
        sha256, text, image, width, height, pages, notes, created_at)
    SELECT gen_random_uuid(), a.org_id, a.user_id, :target, copied.new_id, a.name, a.kind, a.media_type, a.size_bytes,
        a.sha256, a.text, a.image, a.width, a.height, a.pages, a.notes, a.created_at
    FROM unnest(cast(:old_ids AS uuid[]), cast(:new_ids AS uuid[])) AS copied(old_id, new_id)
    JOIN attachments a ON a.message_id = copied.old_id
    """
)
_ATTACHED = text(
    "SELECT message_id, id, name, kind, size_bytes FROM attachments "
    "WHERE conversation_id = :id AND message_id IS NOT NULL ORDER BY created_at, id"
)
_COST = text(
    """
    WITH opened AS (SELECT created_at, usage_kept_from() AS kept_from FROM conversations WHERE id = :id)
    SELECT coalesce(sum(charged_usd), 0) AS charged_usd,
        coalesce(sum(cost_usd) FILTER (WHERE status = 'unresolved'), 0) AS unresolved_usd,
        coalesce(bool_or(estimated) FILTER (WHERE charged_usd > 0), false) AS is_estimated,
        (SELECT kept_from FROM opened WHERE kept_from > created_at) AS counted_from
    FROM usage_log WHERE conversation_id = :id AND org_id = bound_org() AND user_id = bound_user()
        AND at >= (SELECT created_at FROM opened)
    """
)


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in the list."""

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    portfolio_id: UUID | None
    """The portfolio that its questions are about."""
    branched_from: UUID | None
    """The conversation whose beginning it shares; it may be gone."""


@dataclass(frozen=True, slots=True)
class FoundRow(ConversationRow):
    """A conversation that holds what was sought; the columns of its latest message that does, None where only the
    title does."""

    before: str | None
    """What stands right before the hit."""
    rest: str | None
    """From the hit on."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What a conversation cost, from the books: replaced, cut and deleted answers included."""

    charged_usd: Decimal
    """What its owner was charged."""
    unresolved_usd: Decimal
    """The most that its calls of unknown end may cost the provider's customer; nobody was charged for them."""
    is_estimated: bool
    """Whether a charge rests on our own estimate of the tokens."""
    counted_from: datetime | None = None
    """From when on calls are counted: those before are kept no more. None: all are."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as it is shown; the columns about an answer are None on a question."""

    id: UUID
    role: str
    text: str
    state: str
    request_id: UUID | None
    provider: str | None
    model: str | None
    is_cached: bool
    is_offline: bool
    is_estimated: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: Decimal | None
    note: str | None
    created_at: datetime
    route: str | None = None
    """Why this model answered, in words; None: nothing is to be said."""
    credits: Decimal = Decimal(0)
    """What it took in credits; 0 where the plan covered it."""


@dataclass(frozen=True, slots=True)
class AttachedRow:
    """A file that came with a question, without what is in it."""

    message_id: UUID
    id: UUID
    name: str
    kind: str
    size_bytes: int


Place = tuple[datetime, UUID]
"""Where a page of the list ends: time and id of its last row."""


def conversations(connection: Connection, *, most: int, before: Place | None = None) -> list[ConversationRow]:
    """The bound user's conversations, the latest first; `before` pages on from the last row seen."""
    rows = connection.execute(_LATEST, {"most": most, **_place(before)}).mappings()
    return [ConversationRow(**row) for row in rows]


def found(
    connection: Connection, sought: str, around: tuple[int, int], *, most: int, before: Place | None = None
) -> list[FoundRow]:
    """As `conversations`, those that hold the sought text in their title or a shown message, in whatever case.

    `around`: characters that are given before and after a hit.
    """
    values = {"sought": sought, "before_chars": around[0], "after_chars": around[1], "most": most, **_place(before)}
    return [FoundRow(**row) for row in connection.execute(_FOUND, values).mappings()]


def conversation(connection: Connection, conversation_id: UUID) -> ConversationRow | None:
    """One of the bound user's conversations; None where there is none of that id for them."""
    statement = text(f"SELECT {_ROW} FROM conversations c WHERE id = :id")  # noqa: S608 (ours)
    row = connection.execute(statement, {"id": conversation_id}).mappings().one_or_none()
    return ConversationRow(**row) if row else None


def add_conversation(
    connection: Connection, conversation_id: UUID, title: str, *, portfolio_id: UUID | None = None
) -> None:
    """Opens a conversation of the bound user."""
    connection.execute(
        text(
            "INSERT INTO conversations (id, org_id, user_id, title, portfolio_id, created_at, updated_at) "
            "VALUES (:id, bound_org(), bound_user(), :title, :portfolio_id, assay_now(), assay_now())"
        ),
        {"id": conversation_id, "title": title, "portfolio_id": portfolio_id},
    )


def set_portfolio(connection: Connection, conversation_id: UUID, portfolio_id: UUID | None) -> bool:
    """Says which portfolio the questions of one of the bound user's conversations are about; False where there is no
    such conversation."""
    statement = text("UPDATE conversations SET portfolio_id = :portfolio_id WHERE id = :id RETURNING id")
    values = {"id": conversation_id, "portfolio_id": portfolio_id}
    return connection.execute(statement, values).scalar() is not None


def rename_conversation(
    connection: Connection, conversation_id: UUID, title: str, *, only_from: str | None = None
) -> ConversationRow | None:
    """Names one of the bound user's conversations, or only one that is still called `only_from`; gives it as it is now,
    None where nothing was named. Its place in the list stays."""
    statement = text(
        "UPDATE conversations SET title = :title WHERE id = :id AND (cast(:only_from AS text) IS NULL "
        "OR title = :only_from) RETURNING id, title, created_at, updated_at, portfolio_id, branched_from"
    )
    values = {"id": conversation_id, "title": title, "only_from": only_from}
    row = connection.execute(statement, values).mappings().one_or_none()
    return ConversationRow(**row) if row else None


def touch_conversation(connection: Connection, conversation_id: UUID) -> None:
    """Moves a conversation to the top of the list."""
    connection.execute(
        text("UPDATE conversations SET updated_at = assay_now() WHERE id = :id"), {"id": conversation_id}
    )


def messages(connection: Connection, conversation_id: UUID, *, most: int) -> list[MessageRow]:
    """The messages of a conversation that are shown, in order."""
    rows = connection.execute(_MESSAGES, {"id": conversation_id, "most": most}).mappings()
    return [MessageRow(**row) for row in rows]


def evidence(connection: Connection, conversation_id: UUID) -> dict[UUID, Any]:
    """What the shown answers of a conversation rest on, as JSON, by the id of their message."""
    statement = text(
        "SELECT id, evidence FROM messages WHERE conversation_id = :id AND state <> 'replaced' AND evidence IS NOT NULL"
    )
    return {row.id: row.evidence for row in connection.execute(statement, {"id": conversation_id})}


def attached(connection: Connection, conversation_id: UUID) -> list[AttachedRow]:
    """The files that came with the questions of a conversation."""
    return [AttachedRow(**row) for row in connection.execute(_ATTACHED, {"id": conversation_id}).mappings()]


def shown_until(connection: Connection, conversation_id: UUID, message_id: UUID) -> list[UUID]:
    """The messages of a conversation that are shown, up to one of them; none where it is not one of them."""
    values = {"id": conversation_id, "message_id": message_id}
    return list(connection.execute(_SHOWN_UNTIL, values).scalars())


def branch(
    connection: Connection, conversation_id: UUID, target: UUID, title: str, copies: Mapping[UUID, UUID]
) -> None:
    """Opens a conversation with copies of another's messages and of what came with them; `copies` are the new ids."""
    values = {"id": conversation_id, "target": target, "title": title}
    connection.execute(_BRANCH, values)
    ids = {"target": target, "old_ids": list(copies), "new_ids": list(copies.values())}
    connection.execute(_COPY_MESSAGES, ids)
    connection.execute(_COPY_ATTACHMENTS, ids)


def cost(connection: Connection, conversation_id: UUID) -> CostRow:
    """What the bound user's questions in a conversation cost; nothing where there were none."""
    return CostRow(**connection.execute(_COST, {"id": conversation_id}).mappings().one())


def add_message(connection: Connection, values: Mapping[str, Any]) -> None:
    """Adds a message to one of the bound user's conversations; `evidence` is JSON text, or None."""
    connection.execute(_ADD_MESSAGE, values)


def replace_message(connection: Connection, message_id: UUID) -> None:
    """Shows a message no more: another takes its place."""
    connection.execute(text("UPDATE messages SET state = 'replaced' WHERE id = :id"), {"id": message_id})


def delete_conversation(connection: Connection, conversation_id: UUID) -> bool:
    """Deletes one of the bound user's conversations with its messages; False where there is none of that id."""
    deleted = connection.execute(
        text("DELETE FROM conversations WHERE id = :id RETURNING id"), {"id": conversation_id}
    ).scalar()
    return deleted is not None


def _place(before: Place | None) -> dict[str, object]:
    before_at, before_id = before or (None, None)
    return {"before_at": before_at, "before_id": before_id}
