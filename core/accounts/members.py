"""Belonging to an organisation: its members, their roles, invitations, and leaving."""

from __future__ import annotations

from uuid import UUID

from core.accounts import mails
from core.accounts.addresses import normal_address
from core.accounts.audited import user_subject
from core.accounts.joining import INVITATION_LIFE, link_to
from core.accounts.permissions import Action, require
from core.accounts.seats import Seats
from core.accounts.secrets import digest, new_secret
from core.db import joining_dao, sign_in_dao
from core.db import people_dao as dao
from core.db.engine import Database, Transaction
from core.errors import Conflict, NotConfigured, NotFound
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.ops.mail import Mailer
from core.principal import Principal, Role
from core.settings import Settings

_NOT_HERE = "There is no such member."


class Members:
    """The members of the principal's organisation."""

    def __init__(self, database: Database, mailer: Mailer, seats: Seats, settings: Settings) -> None:
        self._database = database
        self._mailer = mailer
        self._seats = seats
        self._settings = settings

    def all(self, principal: Principal) -> list[dao.MemberRow]:
        """The members, owners first."""
        require(principal, Action.SEE_MEMBERS)
        with self._database.app(principal) as connection:
            return dao.members(connection)

    def invitations(self, principal: Principal) -> list[joining_dao.InvitationRow]:
        """The invitations that nobody accepted yet, the newest first; late ones too, to be sent again."""
        require(principal, Action.SEE_MEMBERS)
        with self._database.app(principal) as connection:
            return joining_dao.invitations(connection)

    def seats(self, principal: Principal) -> int | None:
        """The organisation's seats; None is unlimited."""
        with self._database.app(principal) as connection:
            return self._seats.of(connection, principal.org_id, principal.plan)

    def invite(self, principal: Principal, email: str, role: Role) -> str | None:
        """Invites an address, or invites it again: an earlier link is good no more.

        The link is mailed; where no mail can be sent in development it is given back, to be passed on by hand.

        Raises:
            Forbidden: not a manager, or an admin who would make an owner, or invites whom an owner made one.
            InvalidRequest: no account can have this address.
            Conflict: it is a member's already.
            PlanRequired: all seats of the plan are taken.
            NotConfigured: no mail can be sent.
        """
        require(principal, Action.MANAGE_MEMBERS)
        if not self._mailer.is_configured and not self._settings.is_development:
            raise NotConfigured("No mail can be sent from here: the operator has to set SMTP_URL.")
        normal, token = normal_address(email), new_secret()
        with self._database.service() as connection:
            organisation = dao.lock_organisation(connection, principal.org_id)
            _check_owners(principal, role, joining_dao.role_invited(connection, principal.org_id, normal))
            user = dao.user_by_email(connection, normal)
            if user is not None and dao.role_of(connection, principal.org_id, user.id) is not None:
                raise Conflict(f"{normal} is a member already.")
            self._seats.require_free(connection, organisation, invited=normal)
            invitation_id = new_id()
            joining_dao.put_invitation(
                connection,
                invitation_id=invitation_id,
                org_id=principal.org_id,
                email=normal,
                role=role,
                token_hash=digest(token),
                invited_by=principal.user_id,
                life=INVITATION_LIFE,
            )
            made, after = Subject("invitation", str(invitation_id)), {"role": role, "address": normal}
            Audit.record(connection, audit_principal(principal, AuditAction.INVITED, made, after=after))
        link, place = link_to(self._settings.address, token), self._settings.address
        self._mailer.send(
            mails.invitation(normal, link, place, org_name=organisation.name, invited_by=principal.name, role=role)
        )
        return None if self._mailer.is_configured else link

    def invite_again(self, principal: Principal, invitation_id: UUID) -> str | None:
        """Sends an invitation again, with a new link and a new week; as `invite`.

        Raises:
            NotFound: it was accepted or taken back.
        """
        require(principal, Action.MANAGE_MEMBERS)
        with self._database.service() as connection:
            found = joining_dao.invitation_of(connection, principal.org_id, invitation_id)
        if found is None:
            raise NotFound("This invitation was accepted or taken back.")
        return self.invite(principal, found.email, Role(found.role))

    def take_back(self, principal: Principal, invitation_id: UUID) -> None:
        """Ends an invitation; its link is good no more.

        Raises:
            Forbidden: not a manager, or an admin, and it would make an owner.
            NotFound: it was accepted or taken back.
        """
        require(principal, Action.MANAGE_MEMBERS)
        with self._database.service() as connection:
            found = joining_dao.invitation_of(connection, principal.org_id, invitation_id)
            _check_owners(principal, found.role if found else None)
            if not joining_dao.delete_invitation(connection, invitation_id, principal.org_id):
                raise NotFound("This invitation was accepted or taken back.")
            ended, before = Subject("invitation", str(invitation_id)), {"role": found.role if found else None}
            event = audit_principal(principal, AuditAction.INVITATION_WITHDRAWN, ended, before=before)
            Audit.record(connection, event)

    def set_role(self, principal: Principal, user_id: UUID, role: Role) -> None:
        """Gives a member another role; all their sessions end, and unless they own it, the invitations they sent.

        Raises:
            Forbidden: not a manager, or an admin who would make or change an owner.
            NotFound: there is no such member.
            Conflict: it is the last owner.
        """
        require(principal, Action.MANAGE_MEMBERS)
        with self._database.service() as connection:
            organisation, before = self._locked(connection, principal, user_id)
            _check_owners(principal, role, before)
            if role is before:
                return
            self._keep_an_owner(connection, principal.org_id, user_id, before)
            dao.put_membership(connection, principal.org_id, user_id, role)
            if role is not Role.OWNER:
                joining_dao.end_invitations_by(connection, user_id, org_id=principal.org_id)
            sign_in_dao.revoke_sessions_of(connection, user_id)
            self._record(connection, principal, AuditAction.MEMBER_ROLE_CHANGED, user_id, before, role)
            user = dao.user(connection, user_id)
        self._notify(user, organisation.name, role)

    def remove(self, principal: Principal, user_id: UUID) -> None:
        """Lets a member go, or the principal themselves: sessions and tokens of this membership stop at once, and so
        do the invitations that they sent.

        Raises:
            Forbidden: not a manager, or an admin who would remove an owner.
            NotFound: there is no such member.
            Conflict: the last owner cannot leave.
        """
        if user_id != principal.user_id:
            require(principal, Action.MANAGE_MEMBERS)
        else:
            require(principal, Action.KEEP_SIGN_IN)
        with self._database.service() as connection:
            organisation, before = self._locked(connection, principal, user_id)
            if user_id != principal.user_id:
                _check_owners(principal, before)
            self._keep_an_owner(connection, principal.org_id, user_id, before)
            dao.end_membership(connection, principal.org_id, user_id)
            joining_dao.end_invitations_by(connection, user_id, org_id=principal.org_id)
            left = user_id == principal.user_id
            action = AuditAction.MEMBER_LEFT if left else AuditAction.MEMBER_REMOVED
            self._record(connection, principal, action, user_id, before, None)
            user = dao.user(connection, user_id)
        if user_id != principal.user_id:
            self._notify(user, organisation.name, None)

    def _locked(
        self, transaction: Transaction, principal: Principal, user_id: UUID
    ) -> tuple[dao.OrganisationRow, Role]:
        """The organisation, whose members now change one after the other, and the member's role in it."""
        organisation = dao.lock_organisation(transaction, principal.org_id)
        role = dao.role_of(transaction, principal.org_id, user_id)
        if role is None:
            raise NotFound(_NOT_HERE)
        return organisation, Role(role)

    def _keep_an_owner(self, transaction: Transaction, org_id: UUID, user_id: UUID, before: Role) -> None:
        if before is Role.OWNER and not dao.has_other_owner(transaction, org_id, user_id):
            raise Conflict("The last owner cannot leave, nor become less: make another member an owner first.")

    def _record(
        self,
        transaction: Transaction,
        principal: Principal,
        action: AuditAction,
        user_id: UUID,
        before: Role,
        after: Role | None,
    ) -> None:
        member, was, becomes = user_subject(user_id), {"role": before}, None if after is None else {"role": after}
        Audit.record(transaction, audit_principal(principal, action, member, before=was, after=becomes))

    def _notify(self, user: dao.UserRow, org_name: str, role: Role | None) -> None:
        if user.gets_notices:
            self._mailer.send(mails.role_changed(user.email, self._settings.address, org_name=org_name, role=role))


def _check_owners(principal: Principal, *roles: str | None) -> None:
    """Does nothing unless one of the roles is that of owners, of whom only owners dispose."""
    if Role.OWNER in roles:
        require(principal, Action.MANAGE_OWNERS)
