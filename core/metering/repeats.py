"""Requests that may be sent again and must be charged once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key for a request that may be sent again."""

    route: str
    """Method and path it was sent to; one key names one request of a user on one route, for 24 hours."""
    key: str
    body_sha256: bytes
    """SHA-256 of the canonical body; the same key with another body is a conflict."""
    context: Mapping[str, str] = field(default_factory=dict)
    """What the route needs to answer again in the same words: ids of the conversation and the message."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a request with an Idempotency-Key was answered, and charged."""

    value: Mapping[str, Any]
    """`answer`, `context` and `charged_usd`, as they were given to `Meter.settle`."""
