"""Access tokens: named, scoped, expiring, shown once, bound to one organisation of their owner."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from core.accounts.accounts import TOKEN_PREFIX
from core.accounts.people import checked_name
from core.accounts.permissions import PERMISSIONS, Action, require
from core.accounts.secrets import digest, new_secret
from core.db import people_dao
from core.db import tokens_dao as dao
from core.db.engine import Database
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal, Role, Scope

MAX_TOKENS = 50
"""Valid tokens of one member."""
MAX_DAYS = 365


class Tokens:
    """A member's own tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, principal: Principal, name: str, *, scopes: Collection[Scope], days: int) -> str:
        """Makes a token that expires after so many days; it is given this once and kept as a hash.

        Raises:
            InvalidRequest: a name, scopes or days that no token can have, or a scope that the role cannot use.
            Conflict: the member has as many tokens as one may have.
            Forbidden: asked for with a token, or by somebody who has left.
        """
        require(principal, Action.KEEP_SIGN_IN)
        label = checked_name(name)
        if not scopes:
            raise InvalidRequest("A token has at least one scope.")
        lacking = set(scopes) - scopes_of(principal.role)
        if lacking:
            raise InvalidRequest(f"As {principal.role} you cannot use the scope {', '.join(sorted(lacking))}.")
        if not 1 <= days <= MAX_DAYS:
            raise InvalidRequest(f"A token is valid for 1 to {MAX_DAYS} days.")
        token = TOKEN_PREFIX + new_secret()
        with self._database.service() as connection:
            # Tokens of one member are made one after the other, and none for whoever has just left.
            if not people_dao.lock_membership(connection, principal.org_id, principal.user_id):
                raise Forbidden("You do not belong to this organisation any more.")
            if dao.count_tokens(connection, principal.user_id, principal.org_id) >= MAX_TOKENS:
                raise Conflict(f"You have {MAX_TOKENS} tokens; revoke one that is not used any more.")
            token_id = new_id()
            dao.add_token(
                connection,
                token_id=token_id,
                token_hash=digest(token),
                user_id=principal.user_id,
                org_id=principal.org_id,
                name=label,
                scopes=sorted(set(scopes)),
                life=timedelta(days=days),
            )
            made, after = Subject("token", str(token_id)), {"scopes": sorted(set(scopes)), "days": days}
            Audit.record(connection, audit_principal(principal, AuditAction.TOKEN_MADE, made, after=after))
        return token

    def all(self, principal: Principal) -> list[dao.TokenRow]:
        """The member's valid tokens in this organisation, the newest first."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return dao.tokens(connection)

    def revoke(self, principal: Principal, token_id: UUID) -> None:
        """Ends one of the member's tokens, at once.

        Raises:
            NotFound: they have none of that id that is valid.
        """
        require(principal, Action.KEEP_SIGN_IN)
        with self._database.service() as connection:
            if not dao.revoke_token(connection, token_id, principal.user_id, principal.org_id):
                raise NotFound("This token has ended already.")
            ended = Subject("token", str(token_id))
            Audit.record(connection, audit_principal(principal, AuditAction.TOKEN_REVOKED, ended))


def scopes_of(role: Role) -> frozenset[Scope]:
    """The scopes that are of use to a member with this role."""
    return frozenset(permission.scope for permission in PERMISSIONS.values() if role in permission.roles)
