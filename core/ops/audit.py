"""The audit record: who changed what, written in the transaction of the change; never changed, never deleted.

People are ids: a name is looked up when a line is shown, so that an erased person stays a pseudonym. What else could
name somebody is masked before it is kept, and a field that holds a secret or what somebody typed is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from core.db import audit_dao as dao
from core.db.engine import Transaction
from core.ids import new_id
from core.ops.audit_actions import AuditAction
from core.ops.origin import origin
from core.principal import Principal

__all__ = ["Audit", "AuditAction", "AuditEvent", "Subject", "audit_principal", "changed", "masked"]

ActorKind = Literal["member", "operator", "command", "system", "stripe"]
MAX_TEXT_CHARS = 200
MAX_LISTED = 50
"""Values of a list that are kept; more are counted."""
MAX_FIELDS = 40
WITHHELD = "withheld"
"""Stands for a value that changed and may not be kept, such as a person's name."""
_REFUSED = re.compile(r"password|secret|prompt|credential|e-?mail|cookie|_hash$")
_ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")


@dataclass(frozen=True, slots=True)
class Subject:
    """What was changed: a kind such as `user`, `organisation`, `token`, and its id."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the audit log."""

    org_id: UUID | None
    """Whose managers see it; None: the installation's, for operators alone."""
    actor: UUID | None
    """The user who did it; None where nobody is known."""
    actor_kind: ActorKind
    action: AuditAction
    subject: Subject
    before: Mapping[str, Any] | None = None
    """The changed fields alone, as they were; None: there was nothing."""
    after: Mapping[str, Any] | None = None
    """The same fields as they are; None: there is nothing any more."""
    address: str | None = None
    """The network address that it came from; only its keyed hash is kept."""
    request_id: UUID | None = None


class Audit:
    """Writes the audit record."""

    @staticmethod
    def record(transaction: Transaction, event: AuditEvent) -> None:
        """Adds a line, in the transaction of the change: there is none without the other.

        The service role adds any; a member's own role lines of what they did in their organisation. What the event
        does not say of the request is that of the request at hand.

        Raises:
            ValueError: a field that must not be kept, or a value that cannot be: a mistake of ours.
        """
        request = origin()
        dao.add(
            transaction,
            dao.NewEvent(
                id=new_id(),
                org_id=event.org_id,
                actor=event.actor,
                actor_kind=event.actor_kind,
                action=event.action,
                subject_kind=event.subject.kind,
                subject_id=masked(event.subject.id)[:MAX_TEXT_CHARS],
                before=_fields(event.before),
                after=_fields(event.after),
                request_id=event.request_id or request.request_id,
                address=event.address or request.address,
            ),
        )

    @staticmethod
    def pseudonym(transaction: Transaction, address: str) -> str:
        """What stands for an e-mail address that is nobody's: the same address, the same 32 characters."""
        return dao.pseudonym(transaction, address).hex()


def audit_principal(
    principal: Principal,
    action: AuditAction,
    subject: Subject,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    org_id: UUID | None = None,
    as_operator: bool = False,
) -> AuditEvent:
    """The event of something that a principal did, in their organisation or, as an operator, in another.

    As an operator and without an `org_id` it is the installation's.
    """
    is_command = principal.via == "command"
    kind: ActorKind = "command" if is_command else "operator" if as_operator else "member"
    whose = org_id if as_operator else org_id or principal.org_id
    return AuditEvent(whose, principal.user_id, kind, action, subject, before, after)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The fields that differ, as they were and as they are; one that is missing on a side is None there."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def masked(text: str) -> str:
    """A text in which each e-mail address shows its first letter and its domain alone."""
    return _ADDRESS.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    local, _, domain = found[0].partition("@")
    return f"{local[:1]}…@{domain}"


def _fields(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    if len(values) > MAX_FIELDS:
        raise ValueError(f"An audit event has at most {MAX_FIELDS} fields.")
    refused = [name for name in values if _REFUSED.search(name.lower())]
    if refused:
        raise ValueError(f"The audit log does not keep {', '.join(refused)}.")
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """A value as JSON holds it without loss: figures as text, times in RFC 3339."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        text = masked(value)
        return text if len(text) <= MAX_TEXT_CHARS else f"{text[:MAX_TEXT_CHARS]}…"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, UUID | float):
        return str(value)
    if isinstance(value, Mapping):
        return _fields({str(name): entry for name, entry in value.items()})
    if isinstance(value, Set):
        return _plain(sorted(value, key=str))
    if isinstance(value, list | tuple):
        kept = [_plain(entry) for entry in value[:MAX_LISTED]]
        return [*kept, f"and {len(value) - MAX_LISTED} more"] if len(value) > MAX_LISTED else kept
    raise ValueError(f"The audit log cannot keep a {type(value).__name__}.")
