"""Requests as the assistant makes them, and tools that are played by what they would return."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from core.ai.providers.contract import ChatRequest, Message, ToolCall, ToolSpec
from core.market.shipped_lists import ShippedLists, load_shipped_lists
from core.research.offline.plan import Planner
from core.settings import DATA

TOOLS = (
    *("quote", "price_history", "indicators", "screen", "signal_record", "filings", "filing_search", "news"),
    *("statements", "holdings", "transactions", "performance", "risk", "what_if", "calculate"),
)
US = {"name": "US stocks", "currency": "USD", "holdings": ["AAPL", "GOOG", "IBM", "MSFT", "KO", "JNJ"]}
NAMES = ("US stocks", "Two currencies")
LABEL = "Offline answer: computed by rules from the tools' results; no model was asked."
Calls = list[tuple[str, dict[str, Any]]]


class Shipped:
    """The shipped lists, as the market has them."""

    lists: ShippedLists = load_shipped_lists(DATA)


@lru_cache(maxsize=1)
def planner() -> Planner:
    """One for all tests: its index is made once."""
    return Planner(Shipped())


def request(
    question: str,
    *,
    portfolio: Mapping[str, object] | None = US,
    earlier: Sequence[tuple[str, str]] = (),
    turns: Sequence[Message] = (),
    tools: Sequence[str] = TOOLS,
) -> ChatRequest:
    """A question with its context; `earlier` holds questions and answers before it."""
    told = {"as_of": "2010-08-20", "portfolio": portfolio, "benchmark": "SP500", "portfolios": list(NAMES)}
    system = Message("system", f"You are the assistant.\nContext, as JSON: {json.dumps(told)}")
    before = [each for asked, said in earlier for each in (Message("user", asked), Message("assistant", said))]
    messages = (system, *before, Message("user", question), *turns)
    specs = tuple(ToolSpec(name, "", {}) for name in tools)
    return ChatRequest("offline-glossary", messages, 1024, None, tools=specs)


def calls(question: str, **given: Any) -> Calls:
    """The tools that a question is answered with first; none where it is answered at once."""
    found = planner().answer(request(question, **given))
    return [(each.name, json.loads(each.arguments)) for each in found] if isinstance(found, tuple) else []


def text(question: str, **given: Any) -> str:
    """What is answered at once."""
    found = planner().answer(request(question, **given))
    assert isinstance(found, str), found
    return found


def answered(question: str, *results: Mapping[str, Any] | str, **given: Any) -> str:
    """The answer where the tools return these, in the order of their calls; a text is why one failed."""
    turns: list[Message] = []
    left = list(results)
    for _ in range(len(results) + 1):
        found = planner().answer(request(question, turns=turns, **given))
        if isinstance(found, str):
            assert not left, left
            return found
        assert found is not None
        turns += [_turn(call, number, left.pop(0)) for number, call in enumerate(found, start=len(turns) + 1)]
    raise AssertionError("it goes on asking")


def _turn(call: ToolCall, number: int, result: Mapping[str, Any] | str) -> Message:
    told: dict[str, Any] = {"step": number, "tool": call.name}
    told |= {"error": result} if isinstance(result, str) else {"result": result}
    return Message("tool", json.dumps(told), call=call)
