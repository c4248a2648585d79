"""How a person comes to be: the user and an organisation of their own, in one transaction."""

from __future__ import annotations

from uuid import UUID

from core.accounts.audited import by_user, organisation_subject, user_subject
from core.db import people_dao as dao
from core.db.engine import Transaction
from core.errors import Conflict, InvalidRequest
from core.ids import new_id
from core.ops.audit import Audit, AuditAction
from core.principal import Role

FIRST_PLAN = "free"
MAX_NAME_CHARS = 200
_WHOSE = "’s organisation"
_JOINERS = dict.fromkeys((0x200C, 0x200D))
"""Two marks that cannot be seen and that names in Persian or Hindi are written with."""


def make_person(
    transaction: Transaction, email: str, name: str, password_hash: str | None = None, *, plan: str = FIRST_PLAN
) -> tuple[UUID, UUID]:
    """Makes a user who owns an organisation of their own; gives the ids of both. `email` is in its normal form.

    Raises:
        Conflict: there is a user with this address.
    """
    user_id = make_user(transaction, email, name, password_hash)
    org_id = new_id()
    dao.add_organisation(transaction, org_id, f"{name[: MAX_NAME_CHARS - len(_WHOSE)]}{_WHOSE}", plan)
    dao.put_membership(transaction, org_id, user_id, Role.OWNER)
    user, organisation, after = user_subject(user_id), organisation_subject(org_id), {"plan": plan}
    Audit.record(transaction, by_user(user_id, org_id, AuditAction.USER_MADE, user))
    Audit.record(transaction, by_user(user_id, org_id, AuditAction.ORGANISATION_MADE, organisation, after=after))
    return user_id, org_id


def make_user(transaction: Transaction, email: str, name: str, password_hash: str | None) -> UUID:
    """Makes a user who belongs nowhere yet.

    Raises:
        Conflict: there is a user with this address.
    """
    dao.lock_name(transaction, email)
    if dao.user_by_email(transaction, email) is not None:
        raise Conflict("There is an account with this address already; sign in.")
    user_id = new_id()
    dao.add_user(transaction, user_id, email, name)
    if password_hash is not None:
        dao.set_password_hash(transaction, user_id, password_hash)
    return user_id


def checked_name(name: str, *, what: str = "name") -> str:
    """A name as it is kept: in one line, without spaces around it.

    Raises:
        InvalidRequest: empty, longer than 200 characters, or with characters that cannot be shown.
    """
    line = " ".join(name.split())
    seen = line.translate(_JOINERS)
    if not seen or len(line) > MAX_NAME_CHARS or not seen.isprintable():
        raise InvalidRequest(f"The {what} has 1 to {MAX_NAME_CHARS} characters that can be shown.")
    return line
