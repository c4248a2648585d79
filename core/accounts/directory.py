"""What the operator does from the command line: users, their tokens, and the plans of organisations."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from core.accounts.accounts import TOKEN_PREFIX, principal_of
from core.accounts.addresses import looked_up, normal_address
from core.accounts.audited import by_command, organisation_subject, user_subject
from core.accounts.erasure import erase_person
from core.accounts.passwords import hash_password
from core.accounts.people import checked_name
from core.accounts.secrets import digest, new_secret
from core.db import joining_dao, sign_in_dao, tokens_dao
from core.db import people_dao as dao
from core.db.engine import Database, Transaction
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, Subject
from core.principal import EVERY_SCOPE, Principal, Role

_NO_USER = "There is no such user."
_NO_MEMBER = "There is no such user in such an organisation."


class Directory:
    """The installation's users and organisations; asks nobody for permission, so only commands may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_user(
        self,
        email: str,
        *,
        org_name: str,
        plan: str,
        role: Role,
        password: str | None = None,
        name: str | None = None,
        is_operator: bool = False,
    ) -> UUID:
        """Makes the user, the organisation and the membership, as far as they do not exist; gives the user's id.

        A changed password or role ends the user's sessions. `plan` is a plan's own name, checked by the caller. Seats
        are not counted: the operator may add anybody.

        Raises:
            InvalidRequest: an address, name or password of the wrong form.
            Conflict: the organisation exists on another plan, or several have this name.
        """
        normal, org = normal_address(email), checked_name(org_name, what="organisation's name")
        shown = checked_name(name) if name else normal.split("@")[0]
        password_hash = hash_password(password, email=normal, name=shown) if password is not None else None
        with self._database.service() as connection:
            dao.lock_name(connection, org)
            existing = _one_named(connection, org)
            if existing is not None and existing.plan != plan:
                raise Conflict(f"The organisation is on the plan {existing.plan}; change it with `plan set`.")
            org_id = existing.id if existing else new_id()
            if existing is None:
                dao.add_organisation(connection, org_id, org, plan)
                made, after = organisation_subject(org_id), {"plan": plan}
                Audit.record(connection, by_command(org_id, AuditAction.ORGANISATION_MADE, made, after=after))
            dao.lock_name(connection, normal)
            known = dao.user_by_email(connection, normal)
            user_id = known.id if known else new_id()
            if known is None:
                dao.add_user(connection, user_id, normal, shown, is_operator=is_operator)
            if password_hash is not None:
                dao.set_password_hash(connection, user_id, password_hash)
            is_raised = known is not None and is_operator and dao.make_operator(connection, user_id)
            before = dao.role_of(connection, org_id, user_id)
            if dao.put_membership(connection, org_id, user_id, role) or password_hash is not None or is_raised:
                sign_in_dao.revoke_sessions_of(connection, user_id)
            actions = {
                AuditAction.USER_MADE: known is None,
                AuditAction.PASSWORD_RESET: known is not None and password_hash is not None,
                AuditAction.OPERATOR_MADE: is_raised or (known is None and is_operator),
            }
            _record_user(connection, user_id, org_id, [action for action, is_done in actions.items() if is_done])
            _record_role(connection, user_id, org_id, before, role)
        return user_id

    def create_token(self, email: str, *, org_name: str | None = None, name: str = "command line") -> str:
        """Makes an access token of every scope, bound to one organisation of the user; it is shown this once.

        Raises:
            NotFound: no such user, or not a member of that organisation.
            Conflict: the user belongs to several organisations of that name.
        """
        member = self.member(email, org_name)
        token = TOKEN_PREFIX + new_secret()
        with self._database.service() as connection:
            token_id = new_id()
            tokens_dao.add_token(
                connection,
                token_id=token_id,
                token_hash=digest(token),
                user_id=member.user_id,
                org_id=member.org_id,
                name=name,
                scopes=sorted(EVERY_SCOPE),
                life=None,
            )
            made, after = Subject("token", str(token_id)), {"scopes": sorted(EVERY_SCOPE), "of": member.user_id}
            Audit.record(connection, by_command(member.org_id, AuditAction.TOKEN_MADE, made, after=after))
        return token

    def member(self, email: str, org_name: str | None = None) -> Principal:
        """The principal of a command that acts for a user, in the organisation of that name or id, or their first.

        Raises:
            NotFound: no such user, or not a member of that organisation.
            Conflict: the user belongs to several organisations of that name.
        """
        with self._database.service() as connection:
            user = dao.user_by_email(connection, looked_up(email))
            found = [] if user is None else dao.belongings(connection, user.id)
            if org_name is not None:
                found = [row for row in found if org_name in (row.name, str(row.org_id))]
                if len(found) > 1:
                    raise Conflict(_several(org_name, [row.org_id for row in found]))
            row = sign_in_dao.who_of_member(connection, user.id, found[0].org_id) if user and found else None
        if row is None:
            raise NotFound(_NO_MEMBER)
        return principal_of(row, "command")

    def owner(self, org_name: str) -> Principal:
        """The principal of a command that acts for an organisation, by name or id: its first owner.

        Raises:
            NotFound: there is no such organisation, or nobody owns it.
            Conflict: there are several of that name.
        """
        with self._database.service() as connection:
            found = _one_named(connection, org_name)
            owner = None if found is None else dao.first_owner(connection, found.id)
            row = None if found is None or owner is None else sign_in_dao.who_of_member(connection, owner, found.id)
        if row is None:
            raise NotFound("There is no organisation of that name, or nobody owns it.")
        return principal_of(row, "command")

    def has_user(self, email: str) -> bool:
        """Whether there is a user with that address."""
        with self._database.service() as connection:
            return dao.user_by_email(connection, looked_up(email)) is not None

    def set_active(self, email: str, *, is_active: bool) -> None:
        """Deactivates a user, or takes that back: then tokens work again.

        Sessions and tokens stop at once, and so do the invitations that the user sent.

        Raises:
            NotFound: there is no such user.
        """
        with self._database.service() as connection:
            user = dao.user_by_email(connection, looked_up(email))
            if user is None:
                raise NotFound(_NO_USER)
            dao.set_active(connection, user.id, is_active=is_active)
            if user.is_active != is_active:
                action = AuditAction.USER_REACTIVATED if is_active else AuditAction.USER_DEACTIVATED
                homes: list[UUID | None] = [row.org_id for row in dao.belongings(connection, user.id)]
                for org_id in homes or [None]:
                    _record_user(connection, user.id, org_id, [action])
            if not is_active:
                sign_in_dao.revoke_sessions_of(connection, user.id)
                joining_dao.end_invitations_by(connection, user.id)

    def erase(self, email: str) -> None:
        """Erases a person for good, as `erasure.erase_person`.

        Raises:
            NotFound: there is no such user.
            Conflict: as there.
        """
        with self._database.service() as connection:
            user = dao.user_by_email(connection, looked_up(email))
            if user is None:
                raise NotFound(_NO_USER)
            erased = user_subject(user.id)
            erase_person(
                connection,
                user.id,
                lambda org_id, deleted: by_command(
                    org_id, AuditAction.USER_ERASED, erased, after={"rows_deleted": deleted}
                ),
            )

    def organisation_id(self, org_name: str) -> UUID:
        """The id of an organisation, by name or id.

        Raises:
            NotFound: there is no such organisation.
            Conflict: there are several of that name.
        """
        with self._database.service() as connection:
            found = _one_named(connection, org_name)
        if found is None:
            raise NotFound("There is no organisation of that name.")
        return found.id

    def set_plan(self, org_name: str, plan: str) -> None:
        """Puts an organisation, by name or id, on a plan, from its next request on.

        Raises:
            NotFound: there is no such organisation.
            Conflict: there are several of that name.
        """
        with self._database.service() as connection:
            found = _one_named(connection, org_name)
            if found is None:
                raise NotFound("There is no organisation of that name.")
            dao.set_plan(connection, found.id, plan)
            if plan != found.plan:
                organisation, before, after = organisation_subject(found.id), {"plan": found.plan}, {"plan": plan}
                event = by_command(found.id, AuditAction.PLAN_SET, organisation, before=before, after=after)
                Audit.record(connection, event)


def _record_user(transaction: Transaction, user_id: UUID, org_id: UUID | None, actions: Iterable[AuditAction]) -> None:
    for action in actions:
        Audit.record(transaction, by_command(org_id, action, user_subject(user_id)))


def _record_role(transaction: Transaction, user_id: UUID, org_id: UUID, before: str | None, role: Role) -> None:
    if before == role:
        return
    action = AuditAction.MEMBER_JOINED if before is None else AuditAction.MEMBER_ROLE_CHANGED
    was = None if before is None else {"role": before}
    event = by_command(org_id, action, user_subject(user_id), before=was, after={"role": role})
    Audit.record(transaction, event)


def _one_named(transaction: Transaction, name: str) -> dao.OrganisationRow | None:
    found = dao.organisations_named(transaction, name)
    if len(found) > 1:
        raise Conflict(_several(name, [row.id for row in found]))
    return found[0] if found else None


def _several(name: str, ids: list[UUID]) -> str:
    return f"Several organisations are called {name}; name one by its id: {', '.join(map(str, ids))}."
