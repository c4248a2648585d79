"""Whose rows somebody may look over: their own organisation's, or those of the whole installation."""

from __future__ import annotations

from uuid import UUID

from core.accounts.permissions import Action, may, require, require_operator
from core.principal import Principal


def reach_of(principal: Principal, *, everything: bool) -> UUID | None:
    """The organisation whose rows the principal may look over; None: those of all.

    Managers look over their own organisation. Operators look over the one that they are in, whatever their role in it,
    or over everything.

    Raises:
        Forbidden: they manage nothing, or a member who is no operator asks for everything.
    """
    if everything:
        require_operator(principal)
        return None
    if principal.is_operator:
        require_operator(principal)
    else:
        require(principal, Action.SEE_OVERSIGHT)
    return principal.org_id


def may_oversee(principal: Principal) -> bool:
    """Whether there is anything that the principal may look over."""
    return principal.is_operator or may(principal, Action.SEE_OVERSIGHT)
