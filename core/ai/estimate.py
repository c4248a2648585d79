"""Token counts of our own: the bound for a hold, the estimate after a cut, and what counts as impossible."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from core.ai.pictures import picture_tokens
from core.ai.providers.contract import Message, TokenUsage, ToolCall, ToolSpec

BYTES_PER_PROMPT_TOKEN = 2
"""Fewer bytes than any tokenizer packs into a token on average, so that the hold is an upper bound."""
BYTES_PER_COMPLETION_TOKEN = 4
TOKENS_AROUND_MESSAGE = 8
"""What a provider's chat template adds to one message, generously."""
TOKENS_AROUND_CALL = 64
"""What it adds to one call of a tool, to its result, or to a tool that is told of; the text protocol's fence fits."""
TOKENS_AROUND_TOOLS = 800
"""What a provider, or the text protocol, writes about the use of tools, where a model is offered any."""

NO_USAGE = "no_usage"
NEGATIVE = "negative"
ABOVE_CONTEXT_WINDOW = "above_context_window"
CACHED_ABOVE_INPUT = "cached_above_input"


def prompt_estimate(messages: Iterable[Message], tools: Sequence[ToolSpec] = ()) -> int:
    """Input tokens for a hold: ceil(bytes / 2) + 8 a message, with the calls in it and the tools that are offered."""
    told = sum(_told(message) for message in messages)
    return told + (TOKENS_AROUND_TOOLS + sum(_described(tool) for tool in tools) if tools else 0)


def completion_estimate(text: str, deltas: int, calls: Sequence[ToolCall] = ()) -> int:
    """Output tokens of an answer whose usage is not known: max(deltas, ceil(bytes / 4)), and those of its calls."""
    written = max(deltas, _ceil(_bytes(text), BYTES_PER_COMPLETION_TOKEN))
    return written + sum(_ceil(_call_bytes(call), BYTES_PER_COMPLETION_TOKEN) + TOKENS_AROUND_CALL for call in calls)


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


def _told(message: Message) -> int:
    around, named = TOKENS_AROUND_MESSAGE + TOKENS_AROUND_CALL * len(message.calls), 0
    if message.call is not None:
        around, named = around + TOKENS_AROUND_CALL, _bytes(message.call.name)
    carried = sum(_bytes(call.carried) for call in message.calls)
    written = _bytes(message.text) + named + carried + sum(map(_call_bytes, message.calls))
    return _ceil(written, BYTES_PER_PROMPT_TOKEN) + around + sum(map(picture_tokens, message.pictures))


def _described(tool: ToolSpec) -> int:
    schema = json.dumps(tool.parameters, ensure_ascii=False)
    written = _bytes(tool.name) + _bytes(tool.description) + _bytes(schema)
    return _ceil(written, BYTES_PER_PROMPT_TOKEN) + TOKENS_AROUND_CALL


def _call_bytes(call: ToolCall) -> int:
    return _bytes(call.id) + _bytes(call.name) + _bytes(call.arguments)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)
