"""Token counts of our own: the bound for a hold, the estimate after a cut, and what counts as impossible."""

from __future__ import annotations

from collections.abc import Iterable

from core.ai.providers.contract import Message, TokenUsage

BYTES_PER_PROMPT_TOKEN = 2
"""Fewer bytes than any tokenizer packs into a token on average, so that the hold is an upper bound."""
BYTES_PER_COMPLETION_TOKEN = 4
TOKENS_AROUND_MESSAGE = 8
"""What a provider's chat template adds to one message, generously."""

NO_USAGE = "no_usage"
NEGATIVE = "negative"
ABOVE_CONTEXT_WINDOW = "above_context_window"
CACHED_ABOVE_INPUT = "cached_above_input"


def prompt_estimate(messages: Iterable[Message]) -> int:
    """Input tokens for a hold: ceil(bytes / 2) + 8 a message."""
    return sum(
        _ceil(len(message.text.encode("utf-8", "surrogatepass")), BYTES_PER_PROMPT_TOKEN) + TOKENS_AROUND_MESSAGE
        for message in messages
    )


def completion_estimate(text: str, deltas: int) -> int:
    """Output tokens of an answer whose usage is not known: max(deltas, ceil(bytes / 4))."""
    return max(deltas, _ceil(len(text.encode("utf-8", "surrogatepass")), BYTES_PER_COMPLETION_TOKEN))


def usage_flaw(usage: TokenUsage | None, context_window: int, *, has_text: bool) -> str | None:
    """Why a provider's count cannot be used, or None where it can.

    `no_usage` where there is none, or zero output tokens although there is text: estimate. Any other word is
    an impossible count (`negative`, `above_context_window`, `cached_above_input`): estimate, quarantine.
    """
    if usage is None:
        return NO_USAGE
    cached = usage.cached_prompt_tokens + usage.cache_write_prompt_tokens
    if (
        min(
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_prompt_tokens,
            usage.cache_write_prompt_tokens,
        )
        < 0
    ):
        return NEGATIVE
    if usage.prompt_tokens + usage.completion_tokens > context_window:
        return ABOVE_CONTEXT_WINDOW
    if cached > usage.prompt_tokens:
        return CACHED_ABOVE_INPUT
    if usage.completion_tokens == 0 and has_text:
        return NO_USAGE
    return None


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)
