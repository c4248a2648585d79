"""Keys with which an organisation, or one of its members, pays a provider themselves.

A key is encrypted before it is kept, and shown by its last four characters from then on. It is used for its owner
alone: a member's for that member in that organisation, the organisation's for its members who may ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from core.accounts.encryption import Encryption, Undecryptable
from core.accounts.people import checked_name
from core.accounts.permissions import Action, may, require
from core.db import people_dao
from core.db import provider_keys_dao as dao
from core.db.engine import Database, Transaction
from core.db.provider_keys_dao import KeyRow, LockedKey
from core.errors import Conflict, Forbidden, InvalidRequest, NotConfigured, NotFound
from core.ids import new_id
from core.ops.audit import WITHHELD, Audit, AuditAction, Subject, audit_principal, changed
from core.ops.notifications import Notice, Notifications
from core.principal import Principal

__all__ = ["KeyChange", "KeyDraft", "KeyRow", "KeyState", "ProviderKeys", "UsableKey", "state_of"]

MAX_KEYS = 50
"""Keys that one member has given in one organisation and that are not revoked."""
MAX_NAME_CHARS = 80
MIN_CHARS, MAX_CHARS = 12, 500
MAX_LIMIT_USD = Decimal(1_000_000)
LIMIT_PLACES = Decimal("0.01")
SOON = timedelta(days=7)
"""Its keepers are told so long before a key expires."""
WARN_MINUTES = 60
WARNED_AT_ONCE = 100
MAX_TOLD = 50
MAX_LISTED = 500
SETTINGS_PAGE = "/settings"
KIND = "provider_key"

_KEY = re.compile(r"[!-~]+")
PREFIXES: Mapping[str, str] = {
    "sk-ant-": "anthropic",
    "sk-or-": "openrouter",
    "gsk_": "groq",
    "AIza": "google",
    "xai-": "xai",
    "pplx-": "perplexity",
}
"""How keys begin that can be told by their beginning; other hosts give keys of any form."""
_NO_SUCH = "You have no such key that is not revoked."


class KeyState(StrEnum):
    """Whether a key can be used."""

    VALID = "valid"
    EXPIRES_SOON = "expires soon"
    EXPIRED = "expired"
    REFUSED = "refused"
    """Its provider did not accept it when it was last used."""
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """A key as its owner gives it."""

    provider: str
    name: str
    secret: SecretStr = field(repr=False)
    is_shared: bool = False
    expires_at: datetime | None = None
    limit_usd_month: Decimal | None = None
    """Most that it may be used for in a calendar month, by our table of prices; None: no limit but the provider's."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What a key is to be from now on, all of it; only its secret stays where none is given."""

    name: str
    expires_at: datetime | None = None
    limit_usd_month: Decimal | None = None
    secret: SecretStr | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UsableKey:
    """A key that a caller may use, decrypted, or why it cannot be used."""

    id: UUID
    name: str
    provider: str
    last_four: str
    is_shared: bool
    secret: SecretStr | None = field(repr=False)
    flaw: str | None
    """A sentence for its owner; None where there is a secret."""


class ProviderKeys:
    """The keys of one member and of their organisation at a time."""

    def __init__(
        self,
        database: Database,
        encryption: Encryption,
        notifications: Notifications,
        *,
        providers: Mapping[str, str],
    ) -> None:
        """`providers` are those that are asked with a key: by name, what users read."""
        self._database = database
        self._encryption = encryption
        self._notifications = notifications
        self.providers = providers
        self.version = 0
        """Goes up with every change in this process, for whoever remembers what is usable."""

    @property
    def can_be_kept(self) -> bool:
        """Whether the installation has a key to encrypt them under."""
        return self._encryption.is_configured

    def add(self, principal: Principal, draft: KeyDraft) -> UUID:
        """Keeps a key; gives its id.

        Raises:
            Forbidden: a viewer, a token without the scope, or, for the organisation's, no manager.
            InvalidRequest: a provider, name, key, expiry or limit that cannot be; the key is not repeated.
            NotConfigured: the installation cannot encrypt it.
            Conflict: there is one of this provider already, or there are too many.
        """
        _require(principal, is_shared=draft.is_shared)
        label = self._label(draft.provider)
        plain = self._checked_secret(draft.provider, draft.secret)
        key = dao.NewKey(
            id=new_id(),
            org_id=principal.org_id,
            user_id=principal.user_id,
            is_shared=draft.is_shared,
            provider=draft.provider,
            name=_checked_name(draft.name),
            secret=self._encryption.encrypt(plain),
            last_four=plain[-4:],
            limit_usd_month=_checked_limit(draft.limit_usd_month),
            expires_at=_checked_expiry(draft.expires_at),
        )
        with self._database.service() as connection:
            _require_future(connection, key.expires_at)
            if not people_dao.lock_membership(connection, principal.org_id, principal.user_id):
                raise Forbidden("You do not belong to this organisation any more.")
            if dao.count(connection, principal.org_id, principal.user_id) >= MAX_KEYS:
                raise Conflict(f"You have given {MAX_KEYS} keys; revoke one that is not used any more.")
            if not dao.add(connection, key):
                whose = "Your organisation has" if draft.is_shared else "You have"
                raise Conflict(f"{whose} a key of {label} already: change it, or revoke it first.")
            added = _told(LockedKey(key.is_shared, key.provider, key.name, key.limit_usd_month, key.expires_at))
            _record(connection, principal, AuditAction.PROVIDER_KEY_ADDED, key.id, after=added)
        self.version += 1
        return key.id

    def all(self, principal: Principal) -> Sequence[KeyRow]:
        """The member's own keys and the organisation's, those revoked in the last 30 days at the end."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return dao.seen(connection, most=MAX_LISTED)

    def change(self, principal: Principal, key_id: UUID, change: KeyChange) -> None:
        """Gives a key another name, expiry or limit, and another secret where one is given.

        Raises:
            NotFound: they have no such key that is not revoked.
            Forbidden, InvalidRequest, NotConfigured: as `add`.
        """
        require(principal, Action.KEEP_OWN_KEYS)
        name, limit = _checked_name(change.name), _checked_limit(change.limit_usd_month)
        with self._database.service() as connection:
            before = self._locked(connection, principal, key_id)
            expires_at = change.expires_at
            if expires_at != before.expires_at:
                expires_at = _checked_expiry(expires_at)
                _require_future(connection, expires_at)
            after = replace(before, name=name, limit_usd_month=limit, expires_at=expires_at)
            dao.change(connection, key_id, after)
            if change.secret is not None:
                plain = self._checked_secret(before.provider, change.secret)
                kept = self._encryption.encrypt(plain)
                dao.replace_secret(connection, key_id, secret=kept, last_four=plain[-4:])
            was, becomes = changed(
                {**_told(before), "label": WITHHELD if name != before.name else None},
                {**_told(after), "is_replaced": change.secret is not None or None},
            )
            if becomes:
                action = AuditAction.PROVIDER_KEY_CHANGED
                _record(connection, principal, action, key_id, before=was, after=becomes)
        self.version += 1

    def revoke(self, principal: Principal, key_id: UUID) -> None:
        """Ends a key at once: no request begins with it any more, and its secret is gone.

        Raises:
            NotFound: they have no such key that is not revoked.
            Forbidden: as `add`.
        """
        with self._database.service() as connection:
            before = _told(self._locked(connection, principal, key_id))
            dao.revoke(connection, key_id)
            _record(connection, principal, AuditAction.PROVIDER_KEY_REVOKED, key_id, before=before)
        self.version += 1

    def usable(self, principal: Principal) -> list[UsableKey]:
        """The keys that the caller may use, one or two of a provider; for the gateway.

        One that has expired or cannot be decrypted is among them, with its flaw: the platform's is not used instead.
        """
        if not may(principal, Action.ASK):
            return []
        with self._database.single() as connection:
            rows = dao.usable(connection, principal.org_id, principal.user_id)
        return [self._usable(row) for row in rows]

    def note_refused(self, principal: Principal, key_id: UUID) -> None:
        """Notes that its provider did not accept a key of the caller's, and tells those who keep it, once."""
        with self._database.service() as connection:
            key = dao.note_refused(connection, key_id, org_id=principal.org_id, user_id=principal.user_id)
            if key is not None:
                label = self.providers.get(key.provider, key.provider)
                self._tell(connection, key, f"was not accepted by {label}", "Replace it in Settings.")
                after = {"provider": key.provider, "is_shared": key.is_shared}
                _record(connection, principal, AuditAction.PROVIDER_KEY_REFUSED, key_id, after=after)

    def warn(self) -> int:
        """Tells those who keep keys that expire soon or have expired, each once; gives how many keys."""
        with self._database.service() as connection:
            due = dao.due_warnings(connection, ahead=SOON, most=WARNED_AT_ONCE)
            for key in due:
                assert key.expires_at is not None
                said = "has expired" if key.has_expired else f"expires on {key.expires_at:%d %B %Y} (UTC)"
                self._tell(connection, key, said, "Replace it, or give it another date, in Settings.")
        return len(due)

    def _usable(self, row: dao.SecretRow) -> UsableKey:
        secret, flaw = None, None
        whose = "Your organisation's key" if row.is_shared else "Your key"
        if row.has_expired:
            flaw = f"{whose} {row.name} (…{row.last_four}) has expired; replace it in Settings."
        else:
            try:
                secret = SecretStr(self._encryption.decrypt(row.secret))
            except (Undecryptable, NotConfigured):
                flaw = f"{whose} {row.name} (…{row.last_four}) cannot be read any more; enter it again in Settings."
        return UsableKey(row.id, row.name, row.provider, row.last_four, row.is_shared, secret, flaw)

    def _locked(self, connection: Transaction, principal: Principal, key_id: UUID) -> dao.LockedKey:
        require(principal, Action.KEEP_OWN_KEYS)
        found = dao.locked(connection, key_id, org_id=principal.org_id, user_id=principal.user_id)
        if found is None:
            raise NotFound(_NO_SUCH)
        _require(principal, is_shared=found.is_shared)
        return found

    def _tell(self, connection: Transaction, key: dao.TroubledKey, said: str, advice: str) -> None:
        label = self.providers.get(key.provider, key.provider)
        whose = f"The organisation's {label} key" if key.is_shared else f"Your {label} key"
        notice = Notice(KIND, f"{whose} {key.name} (…{key.last_four}) {said}.", advice, SETTINGS_PAGE)
        for user_id in dao.keepers(connection, key, most=MAX_TOLD):
            self._notifications.add(key.org_id, user_id, notice, within=connection)

    def _label(self, provider: str) -> str:
        if provider not in self.providers:
            raise InvalidRequest(f"Keys can be kept for {', '.join(sorted(self.providers.values()))}.")
        return self.providers[provider]

    def _checked_secret(self, provider: str, secret: SecretStr) -> str:
        """The key without spaces around it; no sentence of an error repeats any of it."""
        plain = secret.get_secret_value().strip()
        if not MIN_CHARS <= len(plain) <= MAX_CHARS or not _KEY.fullmatch(plain):
            raise InvalidRequest(
                f"This is no key: one has {MIN_CHARS} to {MAX_CHARS} letters, digits and signs, without spaces."
            )
        looks_like = next((name for prefix, name in PREFIXES.items() if plain.startswith(prefix)), provider)
        if looks_like != provider and looks_like in self.providers:
            raise InvalidRequest(
                f"This looks like a key of {self.providers[looks_like]}, not of {self._label(provider)}."
            )
        return plain


def state_of(key: KeyRow) -> KeyState:
    """Whether a key can be used, as of when it was read."""
    if key.revoked_at is not None:
        return KeyState.REVOKED
    if key.expires_at is not None and key.expires_at <= key.at:
        return KeyState.EXPIRED
    if key.refused_at is not None:
        return KeyState.REFUSED
    if key.expires_at is not None and key.expires_at <= key.at + SOON:
        return KeyState.EXPIRES_SOON
    return KeyState.VALID


def may_keep(principal: Principal, *, is_shared: bool) -> bool:
    """Whether the caller may add and change keys of their own, or the organisation's."""
    return may(principal, Action.MANAGE_KEYS if is_shared else Action.KEEP_OWN_KEYS)


def _told(key: LockedKey) -> Mapping[str, Any]:
    """What the audit log keeps of a key: neither its secret nor the name that its owner gave it."""
    shared, limit, expires_at = key.is_shared, key.limit_usd_month, key.expires_at
    return {"provider": key.provider, "is_shared": shared, "limit_usd_month": limit, "expires_at": expires_at}


def _record(
    connection: Transaction,
    principal: Principal,
    action: AuditAction,
    key_id: UUID,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    subject = Subject("provider_key", str(key_id))
    Audit.record(connection, audit_principal(principal, action, subject, before=before, after=after))


def _require(principal: Principal, *, is_shared: bool) -> None:
    require(principal, Action.MANAGE_KEYS if is_shared else Action.KEEP_OWN_KEYS)


def _checked_name(name: str) -> str:
    checked = checked_name(name)
    if len(checked) > MAX_NAME_CHARS:
        raise InvalidRequest(f"The name of a key has 1 to {MAX_NAME_CHARS} characters that can be shown.")
    return checked


def _checked_limit(limit: Decimal | None) -> Decimal | None:
    if limit is None:
        return None
    if not limit.is_finite() or not 0 <= limit <= MAX_LIMIT_USD:
        raise InvalidRequest(f"A monthly limit is between 0 and {MAX_LIMIT_USD:,} USD; leave it empty for none.")
    return limit.quantize(LIMIT_PLACES)


def _checked_expiry(expires_at: datetime | None) -> datetime | None:
    if expires_at is None:
        return None
    if expires_at.tzinfo is None:
        raise InvalidRequest("A key expires at a time in a time zone.")
    return expires_at.astimezone(UTC)


def _require_future(connection: Transaction, expires_at: datetime | None) -> None:
    if expires_at is not None and dao.is_past(connection, expires_at):
        raise InvalidRequest("A key expires in the future; leave the date empty for one that does not expire.")
