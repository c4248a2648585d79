"""The statements that erase a person: their own content goes, and what the organisation keeps names nobody."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

ERASED_NAME = "Erased person"
"""What is shown of whoever was erased, wherever a name is looked up."""
_PAID_ALONE = text(
    """
    SELECT o.name FROM subscriptions s JOIN organisations o ON o.id = s.org_id
        JOIN memberships m ON m.org_id = o.id AND m.user_id = :user_id AND m.ended_at IS NULL
    WHERE s.status IN ('active', 'trialing', 'past_due') AND NOT s.ends_at_period_end
        AND NOT EXISTS (SELECT FROM memberships x JOIN users u ON u.id = x.user_id
            WHERE x.org_id = o.id AND x.user_id <> m.user_id AND x.ended_at IS NULL AND u.deactivated_at IS NULL)
    ORDER BY o.name LIMIT 1
    """
)
_OF_USER = "user_id = :user_id"
_AT_HOME = "org_id IN (SELECT org_id FROM memberships WHERE user_id = :user_id)"
_OWN: dict[str, str] = {
    "sign_in_tickets": _OF_USER,
    "sessions": _OF_USER,
    "openid_identities": _OF_USER,
    "one_time_links": f"{_OF_USER} OR email = :email",
    "invitations": "invited_by = :user_id OR email = :email",
    "attempt_buckets": "subject = ANY (:subjects)",
    "sign_in_delays": "subject = ANY (:subjects)",
    "token_uses": "token_id IN (SELECT id FROM access_tokens WHERE user_id = :user_id)",
    "notifications": _OF_USER,
    "oversight_deliveries": _OF_USER,
    "oversight_alerts": _OF_USER,
    "kept_answers": _OF_USER,
    "cache_entries": _OF_USER,
    "message_reactions": _OF_USER,
    "attachments": _OF_USER,
    "conversations": _OF_USER,
    "large_requests": _OF_USER,
    "prompt_templates": f"{_OF_USER} AND sharing = 'private'",
    "watchlists": f"{_OF_USER} AND shared_with IS NULL",
    "thesis_versions": f"{_OF_USER} AND NOT is_shared",
    "alerts": _OF_USER,
    "screens": f"{_OF_USER} AND shared_with IS NULL",
    "portfolios": f"{_OF_USER} AND shared_with IS NULL",
    "portfolio_mappings": _OF_USER,
    "research_choices": _OF_USER,
}
"""What is deleted, with what hangs on it: the way in, what was told, and content that nobody else sees."""
_MADE_BY: dict[str, str] = {
    "watchlists": "made_by",
    "thesis_versions": "author",
    "checklist_ticks": "ticked_by",
    "portfolios": "made_by",
    "screens": "made_by",
}
"""Shared content whose row knows its author's id, and the column that holds the name."""
_SIGNED: dict[str, str] = {
    "checklist_templates": "updated_by",
    "own_universes": "updated_by",
    "portfolio_imports": "author",
    "portfolio_transactions": "author",
    "portfolio_analyses": "author",
    "research_parts": "author",
    "screen_versions": "author",
}
"""Content of an organisation that knows its author by name alone: a namesake's there cannot be told apart."""
_ANONYMOUS = (
    "UPDATE access_tokens SET revoked_at = coalesce(revoked_at, assay_now()), name = 'erased' WHERE user_id = :user_id",
    "UPDATE provider_keys SET name = 'erased', last_four = '', secret = NULL, "
    "revoked_at = coalesce(revoked_at, assay_now()) WHERE user_id = :user_id AND NOT is_shared",
    "UPDATE stripe_events SET body = NULL WHERE state <> 'waiting' AND position(:email IN lower(body)) > 0",
    # An organisation of nobody else is called after its owner.
    "UPDATE organisations o SET name = :shown || '’s organisation ' || right(o.id::text, 12) FROM memberships m "
    "WHERE m.org_id = o.id AND m.user_id = :user_id AND position(lower(:name) IN lower(o.name)) > 0 AND NOT EXISTS ("
    "SELECT FROM memberships x WHERE x.org_id = o.id AND x.user_id <> m.user_id AND x.ended_at IS NULL)",
    "UPDATE memberships SET ended_at = coalesce(ended_at, assay_now()) WHERE user_id = :user_id",
    "UPDATE users SET email = :erased_email, name = :shown, password_hash = NULL, zone = NULL, default_model = NULL, "
    "uses_router = true, uses_credits = false, gets_notices = false, is_operator = false, toured_at = NULL, "
    "deactivated_at = coalesce(deactivated_at, assay_now()) WHERE id = :user_id",
)
"""What stays without a name: the books and the audit log name the id."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever is erased, and what they are called from then on."""

    user_id: UUID
    email: str
    name: str
    erased_email: str
    subjects: list[str]
    """Under which attempts to sign in were counted."""


def paid_alone(connection: Connection, user_id: UUID) -> str | None:
    """The name of an organisation that pays on by a subscription and would have no member left."""
    found: str | None = connection.execute(_PAID_ALONE, {"user_id": user_id}).scalar()
    return found


def erase(connection: Connection, person: Person) -> int:
    """Deletes a person's own content and takes their name from the rest; how many rows were deleted, for one."""
    values = {name: getattr(person, name) for name in Person.__slots__} | {"shown": ERASED_NAME}
    deleted = 0
    for table, condition in _OWN.items():
        deleted += _run(connection, f"DELETE FROM {table} WHERE {condition}", values)  # noqa: S608 (ours)
    for table, column in _MADE_BY.items():
        _run(connection, f"UPDATE {table} SET {column} = :shown WHERE {_OF_USER}", values)  # noqa: S608 (ours)
    for table, column in _SIGNED.items():
        _run(connection, f"UPDATE {table} SET {column} = :shown WHERE {_AT_HOME} AND {column} = :name", values)  # noqa: S608 (ours)
    for statement in _ANONYMOUS:
        _run(connection, statement, values)
    return deleted


def _run(connection: Connection, statement: str, values: dict[str, object]) -> int:
    prepared = text(statement)
    return connection.execute(prepared, {name: values[name] for name in prepared.compile().params}).rowcount
