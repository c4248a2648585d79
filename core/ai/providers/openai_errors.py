"""What every error of the OpenAI SDK, and of the HTTP client below it, is called here.

A sentence of ours never repeats the vendor's: that may echo the key or the prompt. For the same reason the
foreign error is not chained to ours, where a log or a report would print it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import openai

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

NO_CREDIT_RETRY_S = 3600.0
"""An account without credit is not asked again within seconds."""
MAX_RETRY_AFTER_S = 86_400.0


class MalformedChunk(Exception):
    """A piece of a stream that is not what the wire format says."""


class ErrorInStream(Exception):
    """The host answered 200, and then sent an error in the stream."""

    def __init__(self, status: int | None) -> None:
        super().__init__()
        self.status = status


KINDS: dict[type[Exception], type[ProviderError]] = {
    MalformedChunk: ProviderBroke,
    ErrorInStream: ProviderUnavailable,
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
    httpx2.TimeoutException: ProviderTimeout,
    httpx2.HTTPError: ProviderUnavailable,
    httpx2.StreamError: ProviderUnavailable,
    httpx2.InvalidURL: ProviderUnavailable,
    httpx2.CookieConflict: ProviderUnavailable,
}
"""Each foreign class and our kind for it; a class that is not here has that of its nearest parent."""

_BY_STATUS: dict[int, type[ProviderError]] = {
    400: ProviderRejectedRequest,
    401: ProviderRefusedKey,
    402: ProviderRateLimited,
    403: ProviderRefusedKey,
    404: ProviderRejectedRequest,
    408: ProviderTimeout,
    413: ProviderRejectedRequest,
    422: ProviderRejectedRequest,
    429: ProviderRateLimited,
}
"""For statuses that the SDK has no class for, and for errors inside a stream."""

_SENTENCES: dict[type[ProviderError], str] = {
    ProviderRefusedKey: "{label} did not accept the key. Set {key_variable} to a valid one.",
    ProviderRateLimited: "{label} asks us to wait{wait}. Try again then, or choose another model.",
    ProviderUnavailable: "{label} cannot be reached or has a fault. Try again, or choose another model.",
    ProviderTimeout: "{label} did not answer in time. Try again, or choose another model.",
    ProviderRejectedRequest: "{label} cannot serve this request. Shorten it, or choose another model.",
    ProviderBroke: "{label} broke off before the answer was complete. Ask again.",
}
_NO_CREDIT = "The account with {label} has no credit left; the operator can top it up. Choose another model."

FOREIGN = tuple(KINDS)
"""Everything that may be raised while the SDK works."""


def translated(error: Exception, host: Host, *, has_begun: bool) -> ProviderError:
    """Our error for a foreign one. After the first token every failure is a break."""
    if has_begun:
        return told(ProviderBroke, host)
    if _is_without_credit(error):
        return ProviderRateLimited(
            _NO_CREDIT.format(label=host.label), provider=host.name, retry_after_s=NO_CREDIT_RETRY_S
        )
    return told(_kind(error), host, retry_after_s=_retry_after_s(error))


def told(kind: type[ProviderError], host: Host, *, retry_after_s: float | None = None) -> ProviderError:
    """An error of this kind, with its sentence."""
    wait = f" {retry_after_s:.0f} s" if retry_after_s is not None else ""
    sentence = _SENTENCES[kind].format(label=host.label, key_variable=host.key_variable, wait=wait)
    return kind(sentence, provider=host.name, retry_after_s=retry_after_s)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that `Retry-After` asks for, as seconds or as an HTTP date; None where it is unreadable."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text, now)
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _seconds_until(text: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()


def _kind(error: Exception) -> type[ProviderError]:
    status = getattr(error, "status_code", None) if type(error) is openai.APIStatusError else None
    status = error.status if isinstance(error, ErrorInStream) else status
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return next((KINDS[kind] for kind in type(error).__mro__ if kind in KINDS), ProviderUnavailable)


def _is_without_credit(error: Exception) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code == 402 or "insufficient_quota" in {error.code, error.type}
    return isinstance(error, ErrorInStream) and error.status == 402


def _retry_after_s(error: Exception) -> float | None:
    if not isinstance(error, openai.APIStatusError):
        return None
    return retry_after_s(error.response.headers, datetime.now(UTC))
