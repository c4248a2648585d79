"""What the vendors' SDKs have in common, since one generator writes them: their errors, and that they want a key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from core.ai.providers.failures import BY_STATUS, Refusal, nearest, retry_after_s, told, told_no_credit, told_refused
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import mapping
from core.errors import ProviderBroke, ProviderError, ProviderUnavailable

Kinds = Mapping[type[Exception], type[ProviderError]]

NO_CREDIT_WORDS = frozenset(
    {
        "insufficient_quota",
        "blocked_api_access",
        "billing_error",
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
    }
)
"""What vendors call an account that may not spend, as `type` or `code` of an error."""
REFUSED_WORDS = frozenset({"moderation_blocked", "content_policy_violation"})
"""What vendors call a request whose content they do not allow, likewise."""
NO_KEY = "none"
"""Sent where a host needs no key, since the SDKs insist on one and look for it elsewhere otherwise."""


def key_text(key: SecretStr | None) -> str:
    """The key as an SDK takes it."""
    return key.get_secret_value() if key else NO_KEY


def sdk_translated(error: Exception, host: Host, kinds: Kinds, *, has_begun: bool) -> ProviderError:
    """Our error for a foreign one. After the first token every failure is a break."""
    if has_begun:
        return told(ProviderBroke, host)
    status = _status(error)
    if status == 402 or not NO_CREDIT_WORDS.isdisjoint(words_of(error)):
        return told_no_credit(host)
    if not REFUSED_WORDS.isdisjoint(words_of(error)):
        return told_refused(host)
    kind = nearest(error, kinds)
    if kind is ProviderUnavailable:  # the SDK has no class for the status, or it came in the stream
        kind = BY_STATUS.get(status or 0, kind)
    return told(kind, host, retry_after_s=_wait_s(error))


def words_of(error: Exception) -> set[str]:
    """The stable words of a refusal's body; never its sentence."""
    inner = inner_error(error)
    found = (inner.get("type"), inner.get("code"), mapping(inner.get("details")).get("error_code"))
    return {word for word in found if isinstance(word, str)}


def inner_error(error: Exception) -> dict[str, Any]:
    """The object that describes a refusal; the SDKs differ in whether they unpack it."""
    body = mapping(getattr(error, "body", None))
    return mapping(body["error"]) if "error" in body else body


def _status(error: Exception) -> int | None:
    status = error.status if isinstance(error, Refusal) else getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _wait_s(error: Exception) -> float | None:
    if isinstance(error, Refusal):
        return error.retry_after_s
    response = getattr(error, "response", None)
    return None if response is None else retry_after_s(response.headers, datetime.now(UTC))
