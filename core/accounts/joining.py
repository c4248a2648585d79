"""Joining: sign-up, forgotten passwords and invitations, each by a one-time link that was mailed.

Whoever asks is answered the same, and as fast, whether or not there is an account: what depends on that is done by the
mail's thread. An account exists only once its link was followed, so nobody can have one under another's address.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from core.accounts import mails
from core.accounts.accounts import Accounts
from core.accounts.addresses import normal_address
from core.accounts.audited import by_user, user_subject
from core.accounts.passwords import hash_password
from core.accounts.people import checked_name, make_person, make_user
from core.accounts.permissions import Action, require
from core.accounts.seats import Seats
from core.accounts.secrets import digest, new_secret
from core.db import joining_dao as dao
from core.db import people_dao as people
from core.db import sign_in_dao
from core.db.engine import Database, Transaction
from core.errors import Conflict, Forbidden, NotConfigured, NotFound
from core.ops.audit import Audit, AuditAction
from core.ops.mail import Mail, Mailer
from core.principal import Principal
from core.settings import Settings

JOIN_LIFE = timedelta(days=1)
RESET_LIFE = timedelta(hours=1)
INVITATION_LIFE = timedelta(days=7)
MAIL_WINDOW = timedelta(hours=1)
MAILS_PER_ADDRESS = 5
"""Mails with links that one address gets within an hour, whoever asks for them; more are not sent."""
REQUESTS_WINDOW = timedelta(minutes=1)

_GONE = "This link was used already, or is too old. Ask for a new one."


@dataclass(frozen=True, slots=True)
class FollowedLink:
    """What a link is for, told to whoever holds it; nothing has happened yet."""

    purpose: Literal["join", "reset", "invitation"]
    email: str
    name: str = ""
    """The name given at sign-up."""
    org_name: str = ""
    """The organisation invited to."""
    role: str = ""
    invited_by: str = ""
    has_account: bool = False
    """Whether an invited address has an account, which then has to accept."""


class Joining:
    """Makes accounts, gives new passwords, and lets invited people in."""

    def __init__(
        self, database: Database, accounts: Accounts, mailer: Mailer, seats: Seats, settings: Settings
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._mailer = mailer
        self._seats = seats
        self._settings = settings

    @property
    def is_open(self) -> bool:
        """Whether strangers may make an account."""
        return self._settings.allows_sign_up

    def request_account(self, email: str, name: str, *, address: str) -> None:
        """Mails the link with which an account is made; or, where there is one, says so in the mail alone.

        Raises:
            Forbidden: accounts are made by invitation only.
            InvalidRequest: an address or name that no account can have.
            NotConfigured: no mail can be sent.
            MeteringDenied: too many requests from this address.
        """
        if not self.is_open:
            raise Forbidden("Accounts are made by invitation here. Ask an admin of your organisation for one.")
        normal, shown = normal_address(email), checked_name(name)
        self._may_ask(address)

        def work() -> Mail | None:
            with self._database.service() as connection:
                if not _may_be_mailed(connection, normal):
                    return None
                if people.user_by_email(connection, normal) is not None:
                    return mails.already_there(normal, f"{self._place}/forgot", self._place)
                link = self._link(connection, "join", normal, shown, None, JOIN_LIFE)
            return mails.join(normal, link, self._place)

        self._mailer.later(work)

    def request_reset(self, email: str, *, address: str) -> None:
        """Mails the link with which a new password is chosen, where there is such an account.

        Raises:
            InvalidRequest: no account can have this address.
            NotConfigured: no mail can be sent.
            MeteringDenied: too many requests from this address.
        """
        normal = normal_address(email)
        self._may_ask(address)

        def work() -> Mail | None:
            with self._database.service() as connection:
                user = people.user_by_email(connection, normal)
                if user is None or not user.is_active or not _may_be_mailed(connection, normal):
                    return None
                link = self._link(connection, "reset", normal, user.name, user.id, RESET_LIFE)
            return mails.reset(normal, link, self._place)

        self._mailer.later(work)

    def look_at(self, token: str) -> FollowedLink:
        """What a link is for; changes nothing, so that programs that open links in mails use nothing up.

        Raises:
            NotFound: it is unknown, used, taken back or late.
        """
        with self._database.service() as connection:
            link = dao.link(connection, digest(token))
            if link is not None:
                return FollowedLink("reset" if link.user_id else "join", link.email, link.name)
            invited = dao.invited(connection, digest(token))
            if invited is None:
                raise NotFound(_GONE)
            has_account = people.user_by_email(connection, invited.email) is not None
        return FollowedLink(
            "invitation", invited.email, "", invited.org_name, invited.role, invited.invited_by, has_account
        )

    def make_account(self, token: str, password: str, name: str) -> str:
        """Follows a sign-up's or an invitation's link: makes the account, and gives a ticket to open a session with.

        At sign-up with an organisation of its own on the Free plan; invited, as a member of that organisation.

        Raises:
            NotFound: the link is unknown, used or late, or of another purpose.
            InvalidRequest: a name or password that no account can have; the link is still good.
            Conflict: there is an account with this address by now.
            PlanRequired: the organisation's seats are taken; the invitation stays.
        """
        shown = checked_name(name)
        followed = self.look_at(token)
        password_hash = hash_password(password, email=followed.email, name=shown)
        with self._database.service() as connection:
            people.lock_name(connection, followed.email)  # before any of its links, which end together
            link = dao.lock_link(connection, digest(token))
            if link is not None and link.user_id is None:
                user_id, org_id = make_person(connection, link.email, shown, password_hash)
            else:
                invited = self._locked_invitation(connection, token)
                user_id, org_id = make_user(connection, invited.email, shown, password_hash), invited.org_id
                Audit.record(connection, by_user(user_id, org_id, AuditAction.USER_MADE, user_subject(user_id)))
                self._join(connection, invited, user_id)
            dao.end_links(connection, followed.email)
        return self._accounts.ticket(user_id, org_id, method="link")

    def reset_password(self, token: str, password: str) -> str:
        """Follows a reset's link: every session ends, and a ticket is given to open the next with.

        Raises:
            NotFound: the link is unknown, used or late.
            InvalidRequest: the policy refuses the password; the link is still good.
            Forbidden: the user belongs to no organisation any more, or was deactivated.
        """
        followed = self.look_at(token)
        password_hash = hash_password(password, email=followed.email, name=followed.name)
        with self._database.service() as connection:
            people.lock_name(connection, followed.email)
            link = dao.lock_link(connection, digest(token))
            if link is None or link.user_id is None:
                raise NotFound(_GONE)
            found = sign_in_dao.credential(connection, user_id=link.user_id)
            if found is None or found.org_id is None:
                raise Forbidden("This account cannot sign in any more. Ask an admin of your organisation.")
            people.set_password_hash(connection, link.user_id, password_hash)
            after = {"sessions_ended": sign_in_dao.revoke_sessions_of(connection, link.user_id)}
            dao.end_links(connection, link.email)
            user = user_subject(link.user_id)
            event = by_user(link.user_id, found.org_id, AuditAction.PASSWORD_RESET, user, after=after)
            Audit.record(connection, event)
        self._accounts.forget_failures(link.email)
        self._mailer.send(mails.password_changed(link.email, f"{self._place}/forgot", self._place))
        return self._accounts.ticket(found.user_id, found.org_id, method="link")

    def accept(self, principal: Principal, token: str) -> UUID:
        """Accepts an invitation as the user who was invited; gives the organisation's id.

        Raises:
            NotFound: it is unknown, accepted, taken back or late.
            Forbidden: it is for another address, or accepted with a token.
            Conflict: the user is a member already.
            PlanRequired: the organisation's seats are taken; the invitation stays.
        """
        require(principal, Action.KEEP_SIGN_IN)
        with self._database.service() as connection:
            invited = self._locked_invitation(connection, token)
            if invited.email != principal.email:
                raise Forbidden("This invitation is for another address. Sign out, and open it again.")
            self._join(connection, invited, principal.user_id)
        return invited.org_id

    def _locked_invitation(self, transaction: Transaction, token: str) -> dao.InvitedRow:
        """An invitation that is about to be accepted; its organisation's members change one after the other."""
        seen = dao.invited(transaction, digest(token))
        if seen is not None:
            people.lock_organisation(transaction, seen.org_id)
        invited = dao.lock_invited(transaction, digest(token))
        if invited is None:
            raise NotFound(_GONE)
        return invited

    def _join(self, transaction: Transaction, invited: dao.InvitedRow, user_id: UUID) -> None:
        """Makes a user a member as they were invited, within the plan's seats."""
        organisation = people.organisation(transaction, invited.org_id)
        if people.role_of(transaction, invited.org_id, user_id) is not None:
            raise Conflict(f"You are a member of {organisation.name} already.")
        self._seats.require_free(transaction, organisation)
        people.put_membership(transaction, invited.org_id, user_id, invited.role)
        dao.delete_invitation(transaction, invited.id, invited.org_id)
        after = {"role": invited.role, "invitation": invited.id}
        event = by_user(user_id, invited.org_id, AuditAction.MEMBER_JOINED, user_subject(user_id), after=after)
        Audit.record(transaction, event)

    @property
    def _place(self) -> str:
        return self._settings.address

    def _link(
        self, transaction: Transaction, purpose: str, email: str, name: str, user_id: UUID | None, life: timedelta
    ) -> str:
        token = new_secret()
        dao.add_link(
            transaction, token_hash=digest(token), purpose=purpose, email=email, name=name, user_id=user_id, life=life
        )
        return link_to(self._place, token)

    def _may_ask(self, address: str) -> None:
        if not self._mailer.is_configured and not self._settings.is_development:
            raise NotConfigured("No mail can be sent from here: the operator has to set SMTP_URL.")
        self._accounts.count_request(f"link from {address}", REQUESTS_WINDOW)


def link_to(place: str, token: str) -> str:
    """The address that is mailed."""
    return f"{place}/link?token={token}"


def _may_be_mailed(transaction: Transaction, email: str) -> bool:
    return sign_in_dao.count_attempt(transaction, f"mail:{digest(email).hex()}", MAIL_WINDOW) <= MAILS_PER_ADDRESS
