"""A tool, and requests about it, for the tests of the adapters."""

from __future__ import annotations

import json
from typing import Any

from core.ai.providers.contract import ChatRequest, Message, ToolCall, ToolSpec

QUOTE = ToolSpec(
    "quote",
    "The last price of a symbol.",
    {
        "type": "object",
        "properties": {"symbol": {"type": "string", "maxLength": 12, "description": "As listed."}},
        "required": ["symbol"],
        "additionalProperties": False,
    },
)
RESULT = '{"step":1,"tool":"quote","result":{"price":187.25},"source":"Käufe"}'


def asking(*others: Message, tools: tuple[ToolSpec, ...] = (QUOTE,), model: str = "a-model") -> ChatRequest:
    """A request with a system message, a question, the turns after it, and tools."""
    messages = (Message("system", "Use tools."), Message("user", "What does AAPL cost?"), *others)
    return ChatRequest(model, messages, 500, None, tools=tools)


def used(*calls: ToolCall, text: str = "") -> tuple[Message, ...]:
    """The turn that asked for these calls, and their results."""
    return (Message("assistant", text, calls), *(Message("tool", RESULT, call=call) for call in calls))


def written(call: ToolCall) -> Any:
    """The arguments of a call."""
    return json.loads(call.arguments)
