"""What every error of the OpenAI SDK, and of the HTTP client below it, is called here."""

from __future__ import annotations

from datetime import UTC, datetime

import openai

from core.ai.providers.failures import BY_STATUS, HTTP_KINDS, Refusal, nearest, retry_after_s, told, told_no_credit
from core.ai.providers.hosts import Host
from core.errors import (
    ProviderBroke,
    ProviderError,
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
    openai.NotFoundError: ProviderRejectedRequest,
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
    if has_begun:
        return told(ProviderBroke, host)
    if _is_without_credit(error):
        return told_no_credit(host)
    return told(_kind(error), host, retry_after_s=_retry_after_s(error))


def _kind(error: Exception) -> type[ProviderError]:
    status = getattr(error, "status_code", None) if type(error) is openai.APIStatusError else None
    status = error.status if isinstance(error, Refusal) else status
    return BY_STATUS[status] if status in BY_STATUS else nearest(error, KINDS)


def _is_without_credit(error: Exception) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code == 402 or "insufficient_quota" in {error.code, error.type}
    return isinstance(error, Refusal) and error.status == 402


def _retry_after_s(error: Exception) -> float | None:
    if not isinstance(error, openai.APIStatusError):
        return None
    return retry_after_s(error.response.headers, datetime.now(UTC))
