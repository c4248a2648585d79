"""Who sent a request, as far as it says; found by `authentication`, read by whatever answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from starlette.requests import HTTPConnection

from core.errors import AssayError, Unauthenticated
from core.principal import Principal

HOW_TO = "Send an access token, as the header Authorization: Bearer TOKEN."
SCOPE_KEY = "assay.caller"


@dataclass(slots=True)
class Caller:
    """Who sent a request, as far as it says."""

    principal: Principal | None = None
    """Whoever has the token, or else the session; a session may read the API's pages and nothing more."""
    refusal: AssayError = field(default_factory=lambda: Unauthenticated(HOW_TO))
    """Why there is no principal."""
    headers: dict[str, str] = field(default_factory=dict)
    """What an error that this request ends with says beside its document."""


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sent this request."""
    return cast("Caller", connection.scope[SCOPE_KEY])
