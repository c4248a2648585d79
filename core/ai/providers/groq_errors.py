"""What every error of the Groq SDK, and of the HTTP client below it, is called here."""

from __future__ import annotations

import groq
import httpx

from core.ai.providers.failures import HTTP_KINDS
from core.ai.providers.hosts import Host
from core.ai.providers.sdk import sdk_translated
from core.errors import (
    ProviderError,
    ProviderLacksModel,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
)

KINDS: dict[type[Exception], type[ProviderError]] = {
    **HTTP_KINDS,
    groq.AuthenticationError: ProviderRefusedKey,
    groq.PermissionDeniedError: ProviderRefusedKey,
    groq.RateLimitError: ProviderRateLimited,
    groq.BadRequestError: ProviderRejectedRequest,
    groq.NotFoundError: ProviderLacksModel,
    groq.ConflictError: ProviderRejectedRequest,
    groq.UnprocessableEntityError: ProviderRejectedRequest,
    groq.InternalServerError: ProviderUnavailable,
    groq.APITimeoutError: ProviderTimeout,
    groq.APIConnectionError: ProviderUnavailable,
    groq.APIResponseValidationError: ProviderUnavailable,
    groq.APIStatusError: ProviderUnavailable,
    groq.APIError: ProviderUnavailable,
    groq.GroqError: ProviderUnavailable,
    httpx.TimeoutException: ProviderTimeout,
    httpx.HTTPError: ProviderUnavailable,
    httpx.StreamError: ProviderUnavailable,
    httpx.InvalidURL: ProviderUnavailable,
    httpx.CookieConflict: ProviderUnavailable,
}
"""Each foreign class and our kind for it; a class that is not here has that of its nearest parent."""

FOREIGN = tuple(KINDS)
"""Everything that may be raised while the SDK works."""


def translated(error: Exception, host: Host, *, has_begun: bool) -> ProviderError:
    """Our error for a foreign one. After the first token every failure is a break."""
    return sdk_translated(error, host, KINDS, has_begun=has_begun)
