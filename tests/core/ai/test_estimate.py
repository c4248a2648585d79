"""Token counts of our own."""

from __future__ import annotations

import pytest

from core.ai.estimate import (
    TOKENS_AROUND_CALL,
    TOKENS_AROUND_TOOLS,
    completion_estimate,
    prompt_estimate,
    usage_flaw,
)
from core.ai.providers.contract import Message, TokenUsage, ToolCall, ToolSpec


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [((), 0), (("",), 8), (("abc",), 10), (("abcd", "abcde"), 10 + 11), (("é€",), 11), (("\ud800",), 10)],
)
def test_input_for_the_hold_is_half_the_bytes_and_eight_a_message(texts: tuple[str, ...], tokens: int) -> None:
    assert prompt_estimate(Message("user", text) for text in texts) == tokens


def test_tools_that_are_offered_and_calls_in_the_conversation_count_as_input() -> None:
    call = ToolCall("call_1", "quote", '{"symbol": "AAPL"}')
    asked = Message("user", "abcd")
    plain = prompt_estimate([asked, Message("assistant", ""), Message("tool", "{}")])
    with_calls = prompt_estimate(
        [asked, Message("assistant", "", calls=(call, call)), Message("tool", "{}", call=call)]
    )
    assert with_calls == plain + (2 * 29 + 1) // 2 + 2 * TOKENS_AROUND_CALL + 3 + TOKENS_AROUND_CALL
    tool = ToolSpec("quote", "Price.", {"type": "object"})
    one, two = prompt_estimate([asked], [tool]), prompt_estimate([asked], [tool, tool])
    assert (two - one, one - prompt_estimate([asked])) == (
        15 + TOKENS_AROUND_CALL,
        15 + TOKENS_AROUND_CALL + TOKENS_AROUND_TOOLS,
    )


def test_calls_count_as_output() -> None:
    call = ToolCall("1234", "abcd", "12345678")
    assert completion_estimate("", 0, [call, call]) == 2 * (4 + TOKENS_AROUND_CALL)


@pytest.mark.parametrize(
    ("text", "deltas", "tokens"), [("", 0, 0), ("abcd", 1, 1), ("abcde", 1, 2), ("ab", 5, 5), ("€€€", 1, 3)]
)
def test_output_without_usage_is_the_deltas_or_a_quarter_of_the_bytes(text: str, deltas: int, tokens: int) -> None:
    assert completion_estimate(text, deltas) == tokens


@pytest.mark.parametrize(
    ("usage", "has_text", "flaw"),
    [
        (None, True, "no_usage"),
        (TokenUsage(10, 5), True, None),
        (TokenUsage(10, 5, 10), True, None),
        (TokenUsage(60, 40), True, None),
        (TokenUsage(61, 40), True, "above_context_window"),
        (TokenUsage(-1, 5), True, "negative"),
        (TokenUsage(10, -5), True, "negative"),
        (TokenUsage(10, 5, -1), True, "negative"),
        (TokenUsage(10, 5, 0, -1), True, "negative"),
        (TokenUsage(10, 5, 11), True, "cached_above_input"),
        (TokenUsage(10, 5, 6, 5), True, "cached_above_input"),
        (TokenUsage(10, 0), True, "no_usage"),
        (TokenUsage(0, 0), False, None),
        (TokenUsage(10, 0), False, None),
        (TokenUsage(10**30, 10**30), True, "above_context_window"),
    ],
)
def test_impossible_and_missing_usage_is_found(usage: TokenUsage | None, has_text: bool, flaw: str | None) -> None:
    assert usage_flaw(usage, 100, has_text=has_text) == flaw
