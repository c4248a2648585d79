"""What every error of the OpenAI SDK, and of the HTTP client below it, is called here."""

from __future__ import annotations

import openai

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
    openai.AuthenticationError: ProviderRefusedKey,
    openai.OAuthError: ProviderRefusedKey,
    openai.PermissionDeniedError: ProviderRefusedKey,
    openai.RateLimitError: ProviderRateLimited,
    openai.BadRequestError: ProviderRejectedRequest,
    openai.NotFoundError: ProviderLacksModel,
    openai.ConflictError: ProviderRejectedRequest,
    openai.UnprocessableEntityError: ProviderRejectedRequest,
    openai.LengthFinishReasonError: ProviderRejectedRequest,
    openai.ContentFilterFinishReasonError: ProviderRejectedRequest,
    openai.InternalServerError: ProviderUnavailable,
    openai.APITimeoutError: ProviderTimeout,
    openai.APIConnectionError: ProviderUnavailable,
    openai.APIResponseValidationError: ProviderUnavailable,
    openai.APIStatusError: ProviderUnavailable,
    openai.APIError: ProviderUnavailable,
    openai.WebSocketConnectionClosedError: ProviderUnavailable,
    openai.WebSocketQueueFullError: ProviderUnavailable,
    openai.OpenAIError: ProviderUnavailable,
    openai.InvalidWebhookSignatureError: ProviderUnavailable,
}
"""Each foreign class and our kind for it; a class that is not here has that of its nearest parent."""

FOREIGN = tuple(KINDS)
"""Everything that may be raised while the SDK works."""


def translated(error: Exception, host: Host, *, has_begun: bool) -> ProviderError:
    """Our error for a foreign one. After the first token every failure is a break."""
    return sdk_translated(error, host, KINDS, has_begun=has_begun)
