"""What tests of tool loops share: a desk that runs tools as a test says, and replies that ask for them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from core.ai.answer import Question
from core.ai.evidence import Entity, Evidence, Figure, Mark, Step
from core.ai.outside import as_json
from core.ai.providers.contract import Message, ToolCall, ToolSpec
from core.ai.tool_loop import Ran, ToolLoop
from core.ai.tools import ToolResult
from tests.fakes.scripted_server import Reply

SPECS = (ToolSpec("quote", "The last price of a share.", {"type": "object", "properties": {}}),)
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
CLOSE = Figure(entity="AAPL", measure="close", value=181.2, unit="price", day=date(2024, 3, 1), currency="USD")


class Desk:
    """Runs tools: `quote` works, `broken` fails, `slow` waits for the gate, `defect` raises."""

    def __init__(self, *, keep_s: float | None = None, figures: Sequence[Figure] = (CLOSE,)) -> None:
        self.ran: list[tuple[int, str]] = []
        self.seen: list[list[int]] = []
        """The steps whose figures each run was given."""
        self.at_once = 0
        self.most_at_once = 0
        self.gate = threading.Event()
        self.on_run: Callable[[int], None] = _nothing
        """Called with the number of each step."""
        self.work_s = 0.0
        self._keep_s = keep_s
        self._figures = figures
        self._lock = threading.Lock()

    def run(self, call: ToolCall, number: int, figures: Sequence[Figure] = ()) -> Ran:
        """Does as it is told."""
        with self._lock:
            self.ran.append((number, call.name))
            self.seen.append([figure.step for figure in figures])
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._run(call, number)
        finally:
            with self._lock:
                self.at_once -= 1

    def _run(self, call: ToolCall, number: int) -> Ran:
        self.on_run(number)
        time.sleep(self.work_s)
        if call.name == "slow":
            self.gate.wait(20)
        if call.name == "defect":
            raise RuntimeError("a defect")
        if call.name == "broken":
            step = Step(number=number, tool=call.name, arguments={}, words="Broken", state="failed", error="It broke.")
            return Ran(step, None, as_json({"step": number, "error": "It broke."}))
        result = ToolResult(
            words="Price of AAPL",
            content={"close": 181.2},
            figures=self._figures,
            entities=[Entity(key="AAPL", names=("Apple",))],
            keep_s=self._keep_s,
            notes=["The price is delayed."],
        )
        step = Step(number=number, tool=call.name, arguments={"symbol": "AAPL"}, words=result.words)
        return Ran(step, result, as_json({"step": number, "result": {"close": 181.2}}))


def wish(name: str = "quote", number: int = 1, **arguments: Any) -> ToolCall:
    """A call of a tool."""
    return ToolCall(f"call_{number}", name, json.dumps({"symbol": "AAPL", **arguments}))


def asks(*calls: ToolCall, text: str = "", usage: Any = "honest", **changes: Any) -> Reply:
    """A reply that asks for tools, as Chat Completions has it."""
    pieces = [
        {
            "index": place,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for place, call in enumerate(calls)
    ]
    chunks = [
        *([_chunk({"content": text}, None)] if text else []),
        _chunk({"tool_calls": pieces}, None),
        _chunk({}, "tool_calls"),
        *([{**_chunk({}, None), "choices": [], "usage": USAGE if usage == "honest" else usage}] if usage else []),
    ]
    return Reply(chunks=tuple(chunks), **changes)


def researched(desk: Desk, text: str = "Where does Apple stand?", **changes: Any) -> Question:
    """A question that may use tools."""
    messages = (Message("user", text),)
    asked = Question(
        messages=messages,
        model="gpt-4o-mini",
        max_tokens=64,
        is_normalised=True,
        tools=SPECS,
        course=lambda: ToolLoop(desk, messages, marked),
    )
    return replace(asked, **changes)


def marked(text: str, evidence: Evidence) -> tuple[Mark, ...]:
    """Marks the close where a text states it."""
    start = text.find("181.2")
    values = {figure.value: figure.step for figure in evidence.figures}
    return (
        (Mark(start=start, end=start + 5, is_verified=181.2 in values, step=values.get(181.2)),) if start >= 0 else ()
    )


def first() -> tuple[Message, ...]:
    """A conversation of one question."""
    return (Message("user", "Where does Apple stand?"),)


def _chunk(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def _nothing(_number: int) -> None:
    return None
