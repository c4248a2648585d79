"""Who asks: the user, the organisation they act for, and what they may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a member may do in an organisation, from most to least."""

    OWNER = "owner"
    ADMIN = "admin"
    ANALYST = "analyst"
    VIEWER = "viewer"

    @property
    def may_ask(self) -> bool:
        """Whether this role may start AI calls."""
        return self is not Role.VIEWER

    @property
    def manages(self) -> bool:
        """Whether this role manages the organisation: members, settings, the usage of all."""
        return self in (Role.OWNER, Role.ADMIN)


class Scope(StrEnum):
    """What an access token may be used for; a session has all of them, within the member's role."""

    READ = "read"
    """See what its owner sees."""
    ASK = "ask"
    """Ask models and keep conversations, at the cost of its owner's limits."""
    ADMIN = "admin"
    """Change the profile, and what the role may manage in the organisation."""


EVERY_SCOPE = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """One signed-in caller, bound to one organisation by a checked session or token.

    Built by `core.accounts` alone; no field of it ever comes from a request.
    """

    user_id: UUID
    org_id: UUID
    role: Role
    plan: str
    """Name of the organisation's plan, a key of the plans file."""
    via: str
    """How they signed in: `session`, `token` or `command`."""
    zone: str
    """IANA zone in which times are shown to this user."""
    email: str
    name: str
    org_name: str
    is_operator: bool = False
    credential_id: UUID | None = None
    """The session or token this principal was read from."""
    scopes: frozenset[Scope] = EVERY_SCOPE
    """What the session or token may be used for."""
    default_model: str | None = None
    """Model of a question that names none; None is that of the installation."""
    uses_router: bool = True
    """Whether `auto` chooses a model; otherwise `auto` is `default_model`."""
    allowed_models: tuple[str, ...] | None = None
    """Ids of the models that the organisation allows; None is all."""
    allowed_providers: tuple[str, ...] | None = None
    """Providers that the organisation allows; None is all."""
    org_default_model: str | None = None
    """The organisation's model for a question that names none, where the user has none; None is the installation's."""
    asks_models: bool = True
    """Whether the organisation's members may ask models of providers at all."""
    as_of: date | None = None
    """The date that the user chose to see the market as of, in this session; None: they chose none."""
