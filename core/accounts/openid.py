"""Sign-in by OpenID Connect: what a provider says about somebody becomes a ticket for a session of our own.

Streamlit speaks with the provider and checks the answer's signature, issuer and nonce; what it then keeps in a cookie
would open its pages for 30 days. Here an answer is good for minutes and once, and is forgotten after that.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.accounts.accounts import Accounts
from core.accounts.addresses import normal_address
from core.accounts.audited import by_user, user_subject
from core.accounts.openid_providers import OpenIdProvider, openid_providers
from core.accounts.people import checked_name, make_person
from core.clock import Clock
from core.db import openid_dao as dao
from core.db import people_dao, sign_in_dao
from core.db.engine import Database, Transaction
from core.errors import Forbidden, InvalidRequest, Unauthenticated
from core.ops.audit import Audit, AuditAction
from core.settings import Settings

GOOD_FOR = timedelta(minutes=10)
"""How old a provider's answer may be: people come straight from there."""
AHEAD = timedelta(minutes=2)
"""How far a provider's clock may be ahead of ours."""
MAX_ISSUER_CHARS = 500
MAX_SUBJECT_CHARS = 255

_LATE = "The answer of your sign-in provider is too old; sign in again."
_USED = "The answer of your sign-in provider was used before; sign in again."
_DEACTIVATED = "This account was deactivated; an admin of your organisation can tell you more."
_HOMELESS = "You do not belong to any organisation any more. An admin of one can invite you."
_NO_EMAIL = "Your sign-in provider told us no e-mail address, so we cannot know who you are here."
_UNVERIFIED = "Your sign-in provider does not vouch for {email}; confirm the address there, or sign in by password."
_NOBODY = "There is no account for {email} here. An admin of your organisation can invite you."


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says about somebody, checked for form and age."""

    issuer: str
    subject: str
    """The provider's own, lasting name of them."""
    email: str | None
    """As an account has it; None: the provider told none that an account can have."""
    is_email_verified: bool
    name: str
    issued_at: datetime
    expires_at: datetime
    fingerprint: bytes
    """Of this one answer."""


class OpenId:
    """Providers, and what their answers open."""

    def __init__(self, database: Database, accounts: Accounts, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._accounts = accounts
        self._settings = settings
        self._clock = clock
        self.providers: tuple[OpenIdProvider, ...] = openid_providers(settings)

    def claims_of(self, user: Mapping[str, object]) -> Claims:
        """The claims of `st.user`.

        Raises:
            Unauthenticated: incomplete, of the wrong form, or too old.
        """
        issuer, subject = _text(user, "iss", MAX_ISSUER_CHARS), _text(user, "sub", MAX_SUBJECT_CHARS)
        issued_at, expires_at = _moment(user, "iat"), _moment(user, "exp")
        now = self._clock.now()
        if expires_at <= now or not now - GOOD_FOR <= issued_at <= now + AHEAD:
            raise Unauthenticated(_LATE)
        told = user.get("email_verified")
        email = _email(user.get("email"))
        answer = [issuer, subject, *(repr(user.get(name)) for name in ("iat", "exp", "nonce", "jti"))]
        return Claims(
            issuer=issuer,
            subject=subject,
            email=email,
            is_email_verified=told is True or told == "true" or issuer in self._settings.openid_trusted_issuers,
            name=_name(user.get("name"), email or ""),
            issued_at=issued_at,
            expires_at=expires_at,
            fingerprint=hashlib.sha256(json.dumps(answer).encode()).digest(),
        )

    def sign_in(self, claims: Claims) -> str:
        """A one-time ticket to open a session with, for whomever the claims are about.

        Who is known by the provider's subject is that user; a verified address is linked to the user who has it, or
        becomes a new user where strangers may sign up.

        Raises:
            Unauthenticated: the answer was used before, or the user was deactivated.
            Forbidden: they are nobody here and may not become somebody, or belong to no organisation any more.
        """
        with self._database.service() as transaction:
            if not dao.use_answer(transaction, claims.fingerprint):
                raise Unauthenticated(_USED)
            known = dao.use_identity(transaction, claims.issuer, claims.subject)
            user_id = known or self._link(transaction, claims)
            user = sign_in_dao.credential(transaction, user_id=user_id)
            if user is None:
                raise Unauthenticated(_DEACTIVATED)
            if user.org_id is None:
                raise Forbidden(_HOMELESS)
        return self._accounts.ticket(user.user_id, user.org_id, method="openid")

    def _link(self, transaction: Transaction, claims: Claims) -> UUID:
        """The user with the address of the claims, made where there is none: the provider's subject is theirs now."""
        email = claims.email
        if email is None:
            raise Forbidden(_NO_EMAIL)
        if not claims.is_email_verified:
            raise Forbidden(_UNVERIFIED.format(email=email))
        # Two answers about one new person come one after the other.
        people_dao.lock_name(transaction, email)
        found = people_dao.user_by_email(transaction, email)
        if found is not None:
            user_id = found.id
        elif self._settings.allows_sign_up:
            user_id, _ = make_person(transaction, email, claims.name)
        else:
            raise Forbidden(_NOBODY.format(email=email))
        dao.add_identity(transaction, claims.issuer, claims.subject, user_id)
        linked, after = user_subject(user_id), {"issuer": claims.issuer}
        Audit.record(transaction, by_user(user_id, None, AuditAction.IDENTITY_LINKED, linked, after=after))
        return user_id


def _text(user: Mapping[str, object], name: str, longest: int) -> str:
    value = user.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise _unusable(name)
    return value


def _moment(user: Mapping[str, object], name: str) -> datetime:
    value = user.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _unusable(name)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise _unusable(name) from None


def _email(value: object) -> str | None:
    try:
        return normal_address(value) if isinstance(value, str) else None
    except InvalidRequest:
        return None


def _name(value: object, email: str) -> str:
    """The name, or what stands before the @ where it is none that an account can have."""
    try:
        return checked_name(value if isinstance(value, str) else "")
    except InvalidRequest:
        return email.partition("@")[0]


def _unusable(claim: str) -> Unauthenticated:
    return Unauthenticated(f"The answer of your sign-in provider cannot be used: {claim} is missing or ill-formed.")
