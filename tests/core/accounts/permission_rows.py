"""What the rows of the table of permissions are made of: who tries, with what, and what they may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid4

from core.errors import AssayError
from core.principal import Principal, Scope
from core.workbench import Workbench


class Caller(StrEnum):
    """Who tries; a column of the table."""

    OWNER = "owner"
    ADMIN = "admin"
    ANALYST = "analyst"
    VIEWER = "viewer"
    OPERATOR = "operator"
    """Of the platform, and a viewer here: that opens nothing more."""
    READ_TOKEN = "an owner's token to read"
    ASK_TOKEN = "an owner's token to ask"
    ADMIN_TOKEN = "an owner's token to manage"
    ANONYMOUS = "nobody"
    DEACTIVATED = "a deactivated owner"
    LEFT = "an owner who left"


C = Caller
PEOPLE = frozenset({C.OWNER, C.ADMIN, C.ANALYST, C.VIEWER, C.OPERATOR})
TOKENS = {C.READ_TOKEN: Scope.READ, C.ASK_TOKEN: Scope.ASK, C.ADMIN_TOKEN: Scope.ADMIN}
OUTSIDERS = frozenset({C.ANONYMOUS, C.DEACTIVATED, C.LEFT})

READERS = PEOPLE | {C.READ_TOKEN}
ASKERS = frozenset({C.OWNER, C.ADMIN, C.ANALYST, C.ASK_TOKEN})
THEMSELVES = PEOPLE | {C.ADMIN_TOKEN}
AT_THE_PAGE = PEOPLE
MANAGERS_SEE = frozenset({C.OWNER, C.ADMIN, C.READ_TOKEN})
MANAGERS = frozenset({C.OWNER, C.ADMIN, C.ADMIN_TOKEN})
OWNERS = frozenset({C.OWNER, C.ADMIN_TOKEN})
INSIDERS = PEOPLE | frozenset(TOKENS)
"""Services that show people their own alone, or count nothing: the scope of a token is looked at by the route."""
EVERYBODY = frozenset(Caller)


@dataclass(frozen=True, slots=True)
class Trial:
    """What an attempt is made with."""

    bench: Workbench
    who: Principal
    conversation_id: UUID
    """Of a conversation of theirs."""
    nothing: UUID = field(default_factory=uuid4)
    """The id of nothing."""


@dataclass(frozen=True, slots=True)
class Method:
    """A row of a service's method."""

    allowed: frozenset[Caller]
    attempt: Callable[[Trial], object]
    ends: type[AssayError] | None = None
    """How the attempt ends for those who are allowed, since it is made on nothing."""


@dataclass(frozen=True, slots=True)
class Route:
    """A row of an address of the API."""

    allowed: frozenset[Caller]
    status: int = 200
    """What those who are allowed are answered."""
    body: Mapping[str, object] | None = None
