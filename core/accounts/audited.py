"""Events of accounts, where there is no principal yet: sign-in, joining, and what commands do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.ops.audit import AuditAction, AuditEvent, Subject


def by_user(
    user_id: UUID,
    org_id: UUID | None,
    action: AuditAction,
    subject: Subject,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    address: str | None = None,
) -> AuditEvent:
    """What a user did who proved who they are, and who is not signed in yet."""
    return AuditEvent(org_id, user_id, "member", action, subject, before, after, address=address)


def by_command(
    org_id: UUID | None,
    action: AuditAction,
    subject: Subject,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """What somebody did at the machine's command line."""
    return AuditEvent(org_id, None, "command", action, subject, before, after)


def opened_session(
    user_id: UUID, org_id: UUID, session_id: UUID, *, after: Mapping[str, Any], address: str
) -> AuditEvent:
    """A sign-in."""
    subject = Subject("session", str(session_id))
    return by_user(user_id, org_id, AuditAction.SIGNED_IN, subject, after=after, address=address)


def failed_sign_in(org_id: UUID | None, subject: Subject, *, waits_s: int, address: str) -> AuditEvent:
    """A wrong password: of a user, or of an address that is nobody's; whether they now have to wait."""
    action = AuditAction.SIGN_IN_BLOCKED if waits_s else AuditAction.SIGN_IN_FAILED
    after = {"seconds_to_wait": waits_s} if waits_s else None
    return AuditEvent(org_id, None, "system", action, subject, None, after, address=address)


def user_subject(user_id: UUID) -> Subject:
    """A user, as what was changed."""
    return Subject("user", str(user_id))


def organisation_subject(org_id: UUID) -> Subject:
    """An organisation, as what was changed."""
    return Subject("organisation", str(org_id))
