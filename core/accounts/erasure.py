"""Erasing a person: they can never sign in again, and nothing that is kept names them.

What is their own goes; the books, the audit log and what an organisation shares keep the id, which names nobody. A call
under way ends and is charged as any other, since a hold knows its member by id alone.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from core.accounts.audited import user_subject
from core.accounts.permissions import require_operator
from core.accounts.secrets import digest
from core.db import erasure_dao as dao
from core.db import people_dao
from core.db.engine import Database, Transaction
from core.db.oversight_people_dao import left_without_owner, lock_account
from core.errors import Conflict, NotFound
from core.ops.audit import Audit, AuditAction, AuditEvent, audit_principal
from core.principal import Principal

ERASED_DOMAIN = "erased.invalid"
"""Of the addresses that stand for erased people: nobody can have one (RFC 2606)."""


class Erasure:
    """Erases people, for those who run the installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, principal: Principal, user_id: UUID) -> None:
        """Erases a person for good; nothing takes it back.

        Raises:
            Forbidden: not an operator.
            NotFound: there is no such user.
            Conflict: the principal themselves, or as `erase_person`.
        """
        require_operator(principal)
        if user_id == principal.user_id:
            raise Conflict("You cannot erase yourself; another operator has to do that.")
        subject = user_subject(user_id)
        with self._database.service() as transaction:
            erase_person(
                transaction,
                user_id,
                lambda org_id, deleted: audit_principal(
                    principal,
                    AuditAction.USER_ERASED,
                    subject,
                    after={"rows_deleted": deleted},
                    org_id=org_id,
                    as_operator=True,
                ),
            )


def erase_person(transaction: Transaction, user_id: UUID, event: Callable[[UUID | None, int], AuditEvent]) -> None:
    """Erases a person, and records it in each of their organisations, or else in the installation's log.

    Raises:
        NotFound: there is no such user.
        Conflict: erased already, the last owner of an organisation that others belong to, or the last member of one
            that pays on by a subscription.
    """
    account = lock_account(transaction, user_id)
    if account is None:
        raise NotFound("There is no such user.")
    if account.email.endswith(f"@{ERASED_DOMAIN}"):
        raise Conflict("This person is erased already.")
    if (name := left_without_owner(transaction, user_id)) is not None:
        raise Conflict(f"{name} would be left without an owner: make another of its members an owner first.")
    if (name := dao.paid_alone(transaction, user_id)) is not None:
        raise Conflict(f"{name} would be left with a subscription and no member: end the subscription first.")
    homes: list[UUID | None] = [row.org_id for row in people_dao.belongings(transaction, user_id)]
    deleted = dao.erase(transaction, _person(people_dao.user(transaction, user_id)))
    for org_id in homes or [None]:
        Audit.record(transaction, event(org_id, deleted))


def _person(user: people_dao.UserRow) -> dao.Person:
    hashed = digest(user.email).hex()
    return dao.Person(
        user_id=user.id,
        email=user.email,
        name=user.name,
        erased_email=f"erased-{user.id.hex[-12:]}@{ERASED_DOMAIN}",
        subjects=[f"account:{hashed}", f"mail:{hashed}"],
    )
