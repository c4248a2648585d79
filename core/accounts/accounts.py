"""Who is asking: sign-in by password, sessions, and the principals behind sessions and tokens."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from core.accounts.addresses import looked_up
from core.accounts.audited import by_user, failed_sign_in, opened_session
from core.accounts.passwords import check_password, hash_password
from core.accounts.permissions import Action, require
from core.accounts.secrets import MAX_SECRET_CHARS, digest, new_secret
from core.db import people_dao as people
from core.db import sign_in_dao as dao
from core.db import tokens_dao
from core.db.engine import Database, Transaction
from core.errors import Denial, Forbidden, InvalidRequest, MeteringDenied, NotFound, Unauthenticated
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import EVERY_SCOPE, Principal, Role, Scope

TICKET_LIFE = timedelta(seconds=30)
ADDRESS_WINDOW = timedelta(minutes=1)
FREE_FAILURES = 5
"""Wrong passwords of one account that may follow one another at once."""
LONGEST_ACCOUNT_WAIT = timedelta(minutes=15)
ACCOUNT_FORGOTTEN_AFTER = timedelta(days=1)
LONGEST_ADDRESS_WAIT = timedelta(minutes=1)
"""Shorter than an account's: a whole office may share an address."""
ADDRESS_FORGOTTEN_AFTER = timedelta(hours=1)
LONGEST_SESSION = timedelta(days=90)
"""A session that is used lives on, but no longer than this."""
TOKEN_PREFIX = "assay_"  # noqa: S105 (a prefix, no secret)
MAX_AGENT_CHARS = 300

_WRONG = "The e-mail address or the password is wrong."
_WRONG_CURRENT = "The current password is wrong."
_HOMELESS = "You do not belong to any organisation any more. An admin of one can invite you."


class Accounts:
    """Sign-in, sessions, and who has a session or token."""

    def __init__(self, database: Database, *, session_days: int = 14, attempts_per_address: int = 30) -> None:
        self._database = database
        self._session_life = timedelta(days=session_days)
        self._attempts_per_address = attempts_per_address

    def sign_in(self, email: str, password: str, *, address: str) -> str:
        """Checks a password and gives a one-time ticket, valid 30 seconds, to open a session with.

        Raises:
            Unauthenticated: in the same words and time whether or not the address exists.
            MeteringDenied: this address, or this account, has to wait.
            Forbidden: the password is right, but the user belongs to no organisation any more.
        """
        normal = looked_up(email)
        self._take_turn(normal, address)
        with self._database.service() as connection:
            found = dao.credential(connection, email=normal)
        if not check_password(password, found.password_hash if found else None) or found is None:
            self._note_failure(found, normal, address)
            raise Unauthenticated(_WRONG)
        self._forgive(normal, address)
        if found.org_id is None:
            raise Forbidden(_HOMELESS)
        with self._database.service() as connection:
            if not people.holds_password(connection, found.user_id, found.password_hash):
                raise Unauthenticated(_WRONG)  # it was changed meanwhile
            return _new_ticket(connection, found.user_id, found.org_id, method="password")

    def ticket(self, user_id: UUID, org_id: UUID, *, method: str) -> str:
        """A one-time ticket for somebody who proved who they are: by `password`, `openid` or `link`."""
        with self._database.service() as connection:
            return _new_ticket(connection, user_id, org_id, method=method)

    def redeem_ticket(self, ticket: str, *, address: str, agent: str, replaced: str | None = None) -> str:
        """Opens a session for a ticket, once; gives the opaque value of its cookie.

        The session that the browser had before (`replaced`) ends.

        Raises:
            Unauthenticated: the ticket is unknown, used or late.
        """
        with self._database.service() as connection:
            member = dao.take_ticket(connection, digest(ticket))
            if member is not None:
                session, session_id = new_secret(), new_id()
                user_id, org_id, method = member
                dao.add_session(
                    connection,
                    session_id=session_id,
                    session_hash=digest(session),
                    user_id=user_id,
                    org_id=org_id,
                    life=self._session_life,
                    address=address,
                    agent=agent[:MAX_AGENT_CHARS],
                    method=method,
                )
                after = {"method": method}
                Audit.record(connection, opened_session(user_id, org_id, session_id, after=after, address=address))
                if replaced:
                    _end(connection, replaced)
                return session
        raise Unauthenticated("This sign-in is no longer valid; sign in again.")

    def principal_of_session(self, session: str) -> Principal | None:
        """Who has this session; None where it is unknown, ended, of a user who was deactivated or who left."""
        if not session or len(session) > MAX_SECRET_CHARS:
            return None
        with self._database.heart() as driver:
            row = dao.who_of_session(driver, digest(session))
        if row is not None and row.is_long_unseen and row.credential_id is not None:
            with self._database.single() as connection:
                dao.touch_session(connection, row.credential_id, life=self._session_life, longest=LONGEST_SESSION)
        return principal_of(row, "session") if row else None

    def principal_of_token(self, token: str) -> Principal:
        """Who has this access token.

        Raises:
            Unauthenticated: malformed, unknown, ended, of a user who was deactivated or who left.
        """
        if not token.startswith(TOKEN_PREFIX) or len(token) > MAX_SECRET_CHARS:
            raise Unauthenticated("The access token is not valid.")
        with self._database.heart() as driver:
            row = dao.who_of_token(driver, digest(token))
        if row is None:
            raise Unauthenticated("The access token is not valid.")
        if row.is_long_unseen and row.credential_id is not None:
            with self._database.single() as connection:
                tokens_dao.touch_token(connection, row.credential_id)
        return principal_of(row, "token")

    def sign_out(self, session: str) -> None:
        """Ends a session; unknown ones are passed over."""
        with self._database.service() as connection:
            _end(connection, session)

    def sessions(self, principal: Principal) -> list[dao.SessionRow]:
        """The user's open sessions in all their organisations, the last used first."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return dao.sessions(connection)

    def end_session(self, principal: Principal, session_id: UUID) -> None:
        """Ends one of the user's sessions.

        Raises:
            NotFound: they have none of that id that is open.
        """
        require(principal, Action.KEEP_SIGN_IN)
        with self._database.service() as connection:
            if not dao.revoke_own_session(connection, session_id, principal.user_id):
                raise NotFound("This session has ended already.")
            ended = Subject("session", str(session_id))
            Audit.record(connection, audit_principal(principal, AuditAction.SESSIONS_ENDED, ended))

    def end_other_sessions(self, principal: Principal) -> int:
        """Ends all of the user's sessions but the one at hand; gives their number."""
        require(principal, Action.KEEP_SIGN_IN)
        with self._database.service() as connection:
            number = dao.revoke_sessions_of(connection, principal.user_id, but=principal.credential_id)
            if number:
                ended, after = Subject("user", str(principal.user_id)), {"ended": number}
                Audit.record(connection, audit_principal(principal, AuditAction.SESSIONS_ENDED, ended, after=after))
        return number

    def change_password(self, principal: Principal, current: str, new: str, *, address: str) -> str:
        """Changes the password and ends every session, this one too; gives a ticket to open the next with.

        Raises:
            Unauthenticated: the current password is wrong.
            InvalidRequest: the policy refuses the new one, or there is no password yet.
            MeteringDenied: too many wrong ones.
        """
        require(principal, Action.KEEP_SIGN_IN)
        self._take_turn(principal.email, address)
        with self._database.service() as connection:
            found = dao.credential(connection, user_id=principal.user_id)
        if found is not None and found.password_hash is None:
            raise InvalidRequest("You have no password yet. Sign out and ask for a link by “Forgot your password?”.")
        if found is None or not check_password(current, found.password_hash):
            self._note_failure(found, principal.email, address)
            raise Unauthenticated(_WRONG_CURRENT)
        self._forgive(principal.email, address)
        if new == current:
            raise InvalidRequest("The new password is the current one.")
        password_hash = hash_password(new, email=principal.email, name=principal.name)
        with self._database.service() as connection:
            if not people.holds_password(connection, principal.user_id, found.password_hash):
                raise Unauthenticated(_WRONG_CURRENT)  # it was changed meanwhile
            people.set_password_hash(connection, principal.user_id, password_hash)
            after = {"sessions_ended": dao.revoke_sessions_of(connection, principal.user_id)}
            user = Subject("user", str(principal.user_id))
            Audit.record(connection, audit_principal(principal, AuditAction.PASSWORD_CHANGED, user, after=after))
            return _new_ticket(connection, principal.user_id, principal.org_id, method="password")

    def organisations(self, principal: Principal) -> list[people.BelongingRow]:
        """The organisations that the user belongs to, the first one first."""
        require(principal, Action.READ)
        with self._database.single() as connection:
            return people.belongings(connection, principal.user_id)

    def switch_organisation(self, principal: Principal, org_id: UUID) -> None:
        """Puts the session at hand into another organisation of its user.

        Raises:
            NotFound: they do not belong to it.
        """
        require(principal, Action.KEEP_SIGN_IN)
        session = principal.credential_id if principal.via == "session" else None
        with self._database.service() as connection:
            if session is None or not dao.move_session(connection, session, principal.user_id, org_id):
                raise NotFound("You do not belong to this organisation.")
            for whose, said in ((principal.org_id, "left"), (org_id, "entered")):
                moved, after = Subject("session", str(session)), {"session": said}
                event = audit_principal(principal, AuditAction.SESSION_MOVED, moved, after=after, org_id=whose)
                Audit.record(connection, event)

    def count_request(self, subject: str, window: timedelta) -> None:
        """Counts what costs a mail, within the limit of sign-in attempts.

        Raises:
            MeteringDenied: too many within the window.
        """
        with self._database.service() as connection:
            attempts = dao.count_attempt(connection, digest(subject).hex(), window)
        if attempts > self._attempts_per_address:
            raise _has_to_wait(int(window.total_seconds()), self._attempts_per_address, "requests")

    def forget_failures(self, email: str) -> None:
        """Lets an account be tried at once again: its owner proved who they are in another way."""
        with self._database.service() as connection:
            dao.forgive(connection, _subjects(email, "")[0], wholly=True)

    def _take_turn(self, email: str, address: str) -> None:
        """Counts an attempt, as wrong until it is known to be right.

        Raises:
            MeteringDenied: it has to wait; then the password is not even looked at.
        """
        account, place = _subjects(email, address)
        most = self._attempts_per_address
        with self._database.service() as connection:
            attempts = dao.count_attempt(connection, place, ADDRESS_WINDOW)
            waits = None
            if attempts <= most:
                by_address = {"longest": LONGEST_ADDRESS_WAIT, "forgotten_after": ADDRESS_FORGOTTEN_AFTER}
                by_account = {"longest": LONGEST_ACCOUNT_WAIT, "forgotten_after": ACCOUNT_FORGOTTEN_AFTER}
                waits = dao.take_turn(connection, place, free=most, **by_address) or dao.take_turn(
                    connection, account, free=FREE_FAILURES, **by_account
                )
        if attempts > most:
            raise _has_to_wait(int(ADDRESS_WINDOW.total_seconds()), most)
        if waits is not None:
            raise _has_to_wait(waits, FREE_FAILURES)

    def _note_failure(self, found: dao.CredentialRow | None, email: str, address: str) -> None:
        """Records a wrong password, and whether account or address have to wait from now on; as fast for nobody's."""
        with self._database.service() as connection:
            waits = [dao.wait_of(connection, subject) for subject in _subjects(email, address)]
            of_nobody = Audit.pseudonym(connection, email)
            user = Subject("user", str(found.user_id)) if found else Subject("address", of_nobody)
            whose = found.org_id if found else None
            Audit.record(connection, failed_sign_in(whose, user, waits_s=max(waits), address=address))

    def _forgive(self, email: str, address: str) -> None:
        account, place = _subjects(email, address)
        with self._database.service() as connection:
            # In the order in which turns are taken, so that nobody waits for whoever waits for them.
            dao.forgive(connection, place, wholly=False)
            dao.forgive(connection, account, wholly=True)
            dao.clear_attempts(connection)


def principal_of(row: dao.WhoRow, via: str) -> Principal:
    """The principal of a membership as it stands in the database."""
    return Principal(
        user_id=row.user_id,
        org_id=row.org_id,
        role=Role(row.role),
        plan=row.plan,
        via=via,
        zone=row.user_zone or row.org_zone,
        email=row.email,
        name=row.name,
        org_name=row.org_name,
        is_operator=row.is_operator,
        credential_id=row.credential_id,
        scopes=EVERY_SCOPE if row.scopes is None else frozenset(map(Scope, row.scopes)),
        default_model=row.default_model,
        uses_router=row.uses_router,
        allowed_models=None if row.allowed_models is None else tuple(row.allowed_models),
        allowed_providers=None if row.allowed_providers is None else tuple(row.allowed_providers),
        org_default_model=row.org_default_model,
        asks_models=row.asks_models,
        as_of=row.as_of,
    )


def _new_ticket(transaction: Transaction, user_id: UUID, org_id: UUID, *, method: str) -> str:
    ticket = new_secret()
    dao.add_ticket(transaction, digest(ticket), user_id, org_id, TICKET_LIFE, method=method)
    return ticket


def _end(transaction: Transaction, session: str) -> None:
    ended = dao.revoke_session(transaction, digest(session))
    if ended is not None:
        session_id, user_id, org_id = ended
        Audit.record(transaction, by_user(user_id, org_id, AuditAction.SIGNED_OUT, Subject("session", str(session_id))))


def _subjects(email: str, address: str) -> tuple[str, str]:
    return f"account:{digest(email).hex()}", f"address:{digest(address).hex()}"


def _has_to_wait(seconds: int, limit: int, what: str = "sign-in attempts") -> MeteringDenied:
    minutes = -(-seconds // 60)
    wait = f"{seconds} second{'s' if seconds > 1 else ''}" if seconds < 60 else f"{minutes} minute{'s' * (minutes > 1)}"
    return MeteringDenied(
        Denial(
            code="rate_limited",
            metric="sign_in_attempts",
            limit=Decimal(limit),
            used=Decimal(limit),
            remaining=Decimal(0),
            resets_at=None,
            retry_after_s=seconds,
            reason=f"Too many {what}; try again in {wait}",
        )
    )
