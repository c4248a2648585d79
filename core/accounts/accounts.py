"""Who is asking: sign-in by password, sessions, tokens, and the memberships behind them."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from core.accounts.passwords import check_password, hash_password
from core.db import accounts_dao as dao
from core.db.engine import Database
from core.errors import Conflict, Denial, InvalidRequest, MeteringDenied, NotFound, Unauthenticated
from core.ids import new_id
from core.principal import Principal, Role

TICKET_LIFE = timedelta(seconds=30)
ADDRESS_WINDOW = timedelta(minutes=1)
ACCOUNT_WINDOW = timedelta(minutes=15)
ATTEMPTS_PER_ACCOUNT = 10
"""Wrong passwords of one account within 15 minutes, before it has to wait."""
TOKEN_PREFIX = "assay_"  # noqa: S105 (a prefix, no secret)
MAX_SECRET_CHARS = 200
MAX_AGENT_CHARS = 300
MAX_NAME_CHARS = 200

_EMAIL = re.compile(r"[^@\s\x00-\x1f\ud800-\udfff]{1,64}@[^@\s\x00-\x1f\ud800-\udfff]{1,255}")
_WRONG = "The e-mail address or the password is wrong."


class Accounts:
    """Users, organisations, memberships, sign-in, sessions and tokens."""

    def __init__(self, database: Database, *, session_days: int = 14, attempts_per_address: int = 30) -> None:
        self._database = database
        self._session_life = timedelta(days=session_days)
        self._attempts_per_address = attempts_per_address

    def sign_in(self, email: str, password: str, *, address: str) -> str:
        """Checks a password and gives a one-time ticket, valid 30 seconds, to open a session with.

        Raises:
            Unauthenticated: in the same words and time whether or not the address exists.
            MeteringDenied: too many attempts from this address or on this account.
        """
        normal = email.strip().lower()
        account = f"account:{_digest(normal).hex()}"
        with self._database.service() as connection:
            by_address = dao.count_attempt(connection, f"address:{_digest(address).hex()}", ADDRESS_WINDOW)
            by_account = dao.count_attempt(connection, account, ACCOUNT_WINDOW)
        if by_address > self._attempts_per_address:
            raise _too_many(self._attempts_per_address, ADDRESS_WINDOW)
        if by_account > ATTEMPTS_PER_ACCOUNT:
            raise _too_many(ATTEMPTS_PER_ACCOUNT, ACCOUNT_WINDOW)
        with self._database.service() as connection:
            found = dao.credential(connection, normal) if _EMAIL.fullmatch(normal) else None
        if not check_password(password, found.password_hash if found else None) or found is None:
            raise Unauthenticated(_WRONG)
        ticket = secrets.token_urlsafe(32)
        with self._database.service() as connection:
            dao.forget_attempts(connection, account)
            dao.add_ticket(connection, _digest(ticket), found.user_id, found.org_id, TICKET_LIFE)
        return ticket

    def redeem_ticket(self, ticket: str, *, address: str, agent: str) -> str:
        """Opens a session for a ticket, once; gives the opaque value of its cookie.

        Raises:
            Unauthenticated: the ticket is unknown, used or late.
        """
        with self._database.service() as connection:
            member = dao.take_ticket(connection, _digest(ticket[:MAX_SECRET_CHARS]))
            if member is not None:
                session = secrets.token_urlsafe(32)
                dao.add_session(
                    connection,
                    session_id=new_id(),
                    session_hash=_digest(session),
                    user_id=member[0],
                    org_id=member[1],
                    life=self._session_life,
                    address=address,
                    agent=agent[:MAX_AGENT_CHARS],
                )
                return session
        raise Unauthenticated("This sign-in is no longer valid; sign in again.")

    def principal_of_session(self, session: str) -> Principal | None:
        """Who has this session; None where it is unknown, ended or of a user who was deactivated."""
        if not session or len(session) > MAX_SECRET_CHARS:
            return None
        with self._database.single() as connection:
            row = dao.who_of_session(connection, _digest(session))
            if row is not None and row.is_long_unseen and row.credential_id is not None:
                dao.touch_session(connection, row.credential_id)
        return _principal(row, "session") if row else None

    def principal_of_token(self, token: str) -> Principal:
        """Who has this access token.

        Raises:
            Unauthenticated: malformed, unknown, ended, or of a user who was deactivated.
        """
        if not token.startswith(TOKEN_PREFIX) or len(token) > MAX_SECRET_CHARS:
            raise Unauthenticated("The access token is not valid.")
        with self._database.heart() as driver:
            row = dao.who_of_token(driver, _digest(token))
        if row is None:
            raise Unauthenticated("The access token is not valid.")
        if row.is_long_unseen and row.credential_id is not None:
            with self._database.single() as connection:
                dao.touch_token(connection, row.credential_id)
        return _principal(row, "token")

    def sign_out(self, session: str) -> None:
        """Ends a session; unknown ones are passed over."""
        with self._database.service() as connection:
            dao.revoke_session(connection, _digest(session[:MAX_SECRET_CHARS]))

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

        A changed password or role ends the user's sessions. `plan` is a plan's own name, checked by the caller.

        Raises:
            InvalidRequest: an address, name or password of the wrong form.
            Conflict: the organisation exists on another plan.
        """
        normal = email.strip().lower()
        if not _EMAIL.fullmatch(normal):
            raise InvalidRequest("The e-mail address must look like name@example.org.")
        if not 1 <= len(org_name.strip()) <= MAX_NAME_CHARS or not org_name.isprintable():
            raise InvalidRequest(f"The organisation's name has 1 to {MAX_NAME_CHARS} printable characters.")
        password_hash = hash_password(password) if password is not None else None
        with self._database.service() as connection:
            existing = dao.organisation(connection, org_name.strip())
            if existing is not None and existing[1] != plan:
                raise Conflict(f"The organisation is on the plan {existing[1]}; change it with `plan set`.")
            org_id = existing[0] if existing else new_id()
            if existing is None:
                dao.add_organisation(connection, org_id, org_name.strip(), plan)
            user_id = dao.user_of(connection, normal) or new_id()
            if dao.user_of(connection, normal) is None:
                dao.add_user(connection, user_id, normal, name or normal.split("@")[0], is_operator=is_operator)
            if password_hash is not None:
                dao.set_password_hash(connection, user_id, password_hash)
            if dao.put_membership(connection, org_id, user_id, role) or password_hash is not None:
                dao.revoke_sessions_of(connection, user_id)
        return user_id

    def create_token(self, email: str, *, org_name: str | None = None, name: str = "command line") -> str:
        """Makes an access token bound to one organisation of the user; it is shown this once.

        Raises:
            NotFound: no such user, or not a member of that organisation.
        """
        with self._database.service() as connection:
            user_id = dao.user_of(connection, email.strip().lower())
            member = dao.who_of_member(connection, user_id, org_name) if user_id else None
            if member is None:
                raise NotFound("There is no such user in such an organisation.")
            token = TOKEN_PREFIX + secrets.token_urlsafe(32)
            dao.add_token(
                connection,
                token_id=new_id(),
                token_hash=_digest(token),
                user_id=member.user_id,
                org_id=member.org_id,
                name=name,
            )
        return token

    def member(self, email: str, org_name: str | None = None) -> Principal:
        """The principal of a command that acts for a user.

        Raises:
            NotFound: no such user, or not a member of that organisation.
        """
        with self._database.service() as connection:
            user_id = dao.user_of(connection, email.strip().lower())
            row = dao.who_of_member(connection, user_id, org_name) if user_id else None
        if row is None:
            raise NotFound("There is no such user in such an organisation.")
        return _principal(row, "command")

    def has_user(self, email: str) -> bool:
        """Whether there is a user with that address."""
        with self._database.service() as connection:
            return dao.user_of(connection, email.strip().lower()) is not None

    def set_plan(self, org_name: str, plan: str) -> None:
        """Puts an organisation on a plan, from its next request on.

        Raises:
            NotFound: there is no such organisation.
        """
        with self._database.service() as connection:
            found = dao.organisation(connection, org_name)
            if found is None:
                raise NotFound("There is no organisation of that name.")
            dao.set_plan(connection, found[0], plan)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _principal(row: dao.WhoRow, via: str) -> Principal:
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
    )


def _too_many(limit: int, window: timedelta) -> MeteringDenied:
    minutes = int(window.total_seconds() // 60)
    return MeteringDenied(
        Denial(
            code="rate_limited",
            metric="sign_in_attempts",
            limit=Decimal(limit),
            used=Decimal(limit),
            remaining=Decimal(0),
            resets_at=None,
            retry_after_s=int(window.total_seconds()),
            reason=f"Too many sign-in attempts; try again in {minutes} minute{'s' if minutes > 1 else ''}",
        )
    )
