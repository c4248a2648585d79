"""What a provider's failure is called here, whatever its wire format.

A sentence of ours never repeats the vendor's: that may echo the key or the prompt. For the same reason the
foreign error is not chained to ours, where a log or a report would print it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from core.ai.providers.hosts import Host
from core.errors import (
    ProviderBroke,
    ProviderError,
    ProviderLacksModel,
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
    """A piece of an answer that is not what the wire format says."""


class Refusal(Exception):
    """The host said no: by the status of its answer, or by an error that it sent inside a stream."""

    def __init__(self, status: int | None, *, retry_after_s: float | None = None) -> None:
        super().__init__()
        self.status = status
        self.retry_after_s = retry_after_s


BY_STATUS: dict[int, type[ProviderError]] = {
    400: ProviderRejectedRequest,
    401: ProviderRefusedKey,
    402: ProviderRateLimited,
    403: ProviderRefusedKey,
    404: ProviderLacksModel,
    408: ProviderTimeout,
    409: ProviderRejectedRequest,
    413: ProviderRejectedRequest,
    422: ProviderRejectedRequest,
    429: ProviderRateLimited,
}
"""Our kind for a status of HTTP; every other one is a fault of the host."""

HTTP_KINDS: dict[type[Exception], type[ProviderError]] = {
    MalformedChunk: ProviderBroke,
    Refusal: ProviderUnavailable,
    httpx2.TimeoutException: ProviderTimeout,
    httpx2.HTTPError: ProviderUnavailable,
    httpx2.StreamError: ProviderUnavailable,
    httpx2.InvalidURL: ProviderUnavailable,
    httpx2.CookieConflict: ProviderUnavailable,
}
"""Our kind for what the HTTP client raises; a class that is not here has that of its nearest parent."""

HTTP_FOREIGN = tuple(HTTP_KINDS)
"""Everything that may be raised while one of our own adapters reads an answer."""

_SENTENCES: dict[type[ProviderError], str] = {
    ProviderRefusedKey: "{label} did not accept the key. Set {key_variable} to a valid one.",
    ProviderRateLimited: "{label} asks us to wait{wait}. Please wait a moment, or choose another model.",
    ProviderUnavailable: "{label} cannot be reached or has a fault. Try again, or choose another model.",
    ProviderTimeout: "{label} did not answer in time. Try again, or choose another model.",
    ProviderRejectedRequest: "{label} cannot serve this request. Shorten it, or choose another model.",
    ProviderLacksModel: "{label} does not serve this model. Choose another one.",
    ProviderBroke: "{label} broke off before the answer was complete. Ask again.",
}
_REFUSED = "{label} refuses to answer this: its rules do not allow what is asked for. Ask for something else."
_NO_CREDIT = "The account with {label} has no credit left; the operator can top it up. Choose another model."


def told(kind: type[ProviderError], host: Host, *, retry_after_s: float | None = None) -> ProviderError:
    """An error of this kind, with its sentence."""
    wait = f" {retry_after_s:.0f} s" if retry_after_s is not None else ""
    sentence = _SENTENCES[kind].format(label=host.label, key_variable=host.key_variable, wait=wait)
    return kind(sentence, provider=host.name, retry_after_s=retry_after_s)


def told_no_credit(host: Host) -> ProviderError:
    """The error of an account that has to be topped up."""
    return ProviderRateLimited(_NO_CREDIT.format(label=host.label), provider=host.name, retry_after_s=NO_CREDIT_RETRY_S)


def told_refused(host: Host) -> ProviderError:
    """The error of a request whose content the host does not allow."""
    return ProviderRejectedRequest(_REFUSED.format(label=host.label), provider=host.name)


def http_translated(error: Exception, host: Host, *, has_begun: bool) -> ProviderError:
    """Our error for one that our own HTTP client or reading raised. After the first token every failure is a break."""
    if has_begun:
        return told(ProviderBroke, host)
    if not isinstance(error, Refusal):
        return told(nearest(error, HTTP_KINDS), host)
    if error.status == 402:
        return told_no_credit(host)
    kind = BY_STATUS.get(error.status or 0, ProviderUnavailable)
    return told(kind, host, retry_after_s=error.retry_after_s)


def nearest(error: Exception, kinds: Mapping[type[Exception], type[ProviderError]]) -> type[ProviderError]:
    """Our kind for the nearest of its classes that the table names."""
    return next((kinds[kind] for kind in type(error).__mro__ if kind in kinds), ProviderUnavailable)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that `Retry-After` asks for, as seconds or as an HTTP date; None where it is unreadable."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text, now)
    return bounded_wait_s(seconds)


def bounded_wait_s(seconds: float) -> float | None:
    """A wait that a host asked for, within reason; None where it is no number."""
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _seconds_until(text: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
