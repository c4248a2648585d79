"""Who may do what: one table, asked by every service before it acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import Forbidden
from core.principal import Principal, Role, Scope


class Action(StrEnum):
    """What a service does for a principal, in words that follow "may not"."""

    READ = "read this"
    ASK = "ask models"
    KEEP_NOTES = "write in the notebook"
    SET_ALERTS = "set alerts"
    KEEP_SCREENS = "save screens"
    FETCH_FILINGS = "fetch filings"
    KEEP_PORTFOLIOS = "keep portfolios"
    ANALYSE = "analyse portfolios"
    KEEP_TEMPLATES = "keep templates"
    KEEP_OWN_KEYS = "keep keys of providers"
    MANAGE_KEYS = "manage the organisation's keys of providers"
    KEEP_PROFILE = "change this profile"
    KEEP_SIGN_IN = "change how this user signs in"
    SEE_MEMBERS = "see the members"
    MANAGE_MEMBERS = "manage members"
    MANAGE_OWNERS = "make or change owners"
    SET_ORGANISATION = "change the organisation's settings"
    BUY = "buy credits and plans"
    SET_CAPS = "set what members may spend"
    ASK_FOR_BOOSTS = "ask for a boost"
    DECIDE_BOOSTS = "decide on boosts"
    SEE_OVERSIGHT = "see the administration"
    SET_OVERSIGHT = "set the organisation's alerts"
    SEE_AUDIT = "see the audit log"


@dataclass(frozen=True, slots=True)
class Permission:
    """What an action takes."""

    roles: frozenset[Role]
    scope: Scope
    needs_session: bool = False
    """Whether only a person at the page may do it, never a token."""


_EVERYONE = frozenset(Role)
_MANAGERS = frozenset({Role.OWNER, Role.ADMIN})

PERMISSIONS: dict[Action, Permission] = {
    Action.READ: Permission(_EVERYONE, Scope.READ),
    Action.ASK: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.KEEP_NOTES: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.KEEP_SCREENS: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.SET_ALERTS: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.FETCH_FILINGS: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.KEEP_PORTFOLIOS: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.ANALYSE: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.KEEP_TEMPLATES: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.KEEP_OWN_KEYS: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ADMIN),
    Action.MANAGE_KEYS: Permission(_MANAGERS, Scope.ADMIN),
    Action.KEEP_PROFILE: Permission(_EVERYONE, Scope.ADMIN),
    Action.KEEP_SIGN_IN: Permission(_EVERYONE, Scope.ADMIN, needs_session=True),
    Action.SEE_MEMBERS: Permission(_MANAGERS, Scope.READ),
    Action.MANAGE_MEMBERS: Permission(_MANAGERS, Scope.ADMIN),
    Action.MANAGE_OWNERS: Permission(frozenset({Role.OWNER}), Scope.ADMIN),
    Action.SET_ORGANISATION: Permission(_MANAGERS, Scope.ADMIN),
    Action.BUY: Permission(_MANAGERS, Scope.ADMIN),
    Action.SET_CAPS: Permission(_MANAGERS, Scope.ADMIN),
    Action.ASK_FOR_BOOSTS: Permission(frozenset({Role.OWNER, Role.ADMIN, Role.ANALYST}), Scope.ASK),
    Action.DECIDE_BOOSTS: Permission(_MANAGERS, Scope.ADMIN),
    Action.SEE_OVERSIGHT: Permission(_MANAGERS, Scope.READ),
    Action.SET_OVERSIGHT: Permission(_MANAGERS, Scope.ADMIN),
    Action.SEE_AUDIT: Permission(_MANAGERS, Scope.READ),
}


def require(principal: Principal, action: Action) -> None:
    """Does nothing where the principal may do this.

    Raises:
        Forbidden: their role or their token's scopes do not allow it; the sentence says which.
    """
    permission = PERMISSIONS[action]
    if principal.role not in permission.roles:
        who = "a viewer" if principal.role is Role.VIEWER else f"an {principal.role}"
        raise Forbidden(f"As {who} you may not {action}; an admin of your organisation can change your role.")
    if permission.needs_session and principal.via == "token":
        raise Forbidden(f"A token may not {action}; sign in to do that.")
    require_scope(principal, permission.scope)


def require_operator(principal: Principal) -> None:
    """Does nothing where the principal runs the installation.

    Raises:
        Forbidden: they do not, or a token lacks the scope admin.
    """
    if not principal.is_operator:
        raise Forbidden("That takes the role of an operator of this installation.")
    require_scope(principal, Scope.ADMIN)


def require_scope(principal: Principal, scope: Scope) -> None:
    """Does nothing where the session or token may be used for this.

    Raises:
        Forbidden: the token lacks the scope.
    """
    if scope not in principal.scopes:
        raise Forbidden(f"This token lacks the scope {scope}; it has {', '.join(sorted(principal.scopes))}.")


def may(principal: Principal, action: Action) -> bool:
    """Whether the principal may do this."""
    try:
        require(principal, action)
    except Forbidden:
        return False
    return True
