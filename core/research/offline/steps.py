"""The steps of an answer under way: what was asked of tools, what they returned, and what is still wanted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from core.ai.providers.contract import Message, ToolCall

ID_CHARS = 12
NOT_OFFERED = "This cannot be looked up here."
NO_MORE = "This part is missing: the answer had used all the steps that one answer may take."


class WantedError(Exception):
    """An answer cannot be told before these calls are made. Caught by the planner alone; no error of a user's."""

    def __init__(self, calls: Sequence[ToolCall]) -> None:
        super().__init__("calls are wanted")
        self.calls = tuple(calls)


@dataclass(frozen=True, slots=True)
class Result:
    """What one use of a tool returned."""

    tool: str
    number: int = 0
    """Of the step, by which an answer cites it; 0: it was not made."""
    content: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    """Why it failed, in a sentence; empty where it did not."""
    notes: tuple[str, ...] = ()
    cut: int = 0
    """Rows that were left out."""

    @property
    def cite(self) -> str:
        """As an answer cites it."""
        return f"[{self.number}]" if self.number else ""

    @property
    def failure(self) -> str:
        """Why it failed, with its step; empty where it did not."""
        return f"{self.error} {self.cite}".strip() if self.error else ""

    def get(self, *names: str) -> Any:
        """A value of the content, by the names on the way to it; None where it has none."""
        value: Any = self.content
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def rows(self, *names: str) -> list[Mapping[str, Any]]:
        """Rows of the content; none where there are none."""
        value = self.get(*names)
        return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


Use = tuple[str, Mapping[str, Any]]
"""A tool, and its arguments."""


class Steps:
    """What was returned so far; whatever is missing is told by `WantedError`."""

    def __init__(self, turns: Sequence[Message], offered: Collection[str]) -> None:
        """`turns` are those after the question; `offered` the tools that may still be asked."""
        self._results = {key: result for key, result in map(_result, turns) if key is not None}
        self._offered = frozenset(offered)
        self.is_begun = bool(self._results)

    def use(self, tool: str, **arguments: Any) -> Result:
        """What a tool returned for these arguments.

        Raises:
            WantedError: it was not asked yet.
        """
        return self.use_all([(tool, arguments)])[0]

    def use_all(self, uses: Sequence[Use]) -> list[Result]:
        """What several returned, which are asked at the same time.

        Raises:
            WantedError: some were not asked yet.
        """
        calls = [call_of(tool, arguments) for tool, arguments in uses]
        missing = [call for call in calls if _key(call) not in self._results and call.name in self._offered]
        if missing:
            raise WantedError(missing)
        return [self._results.get(_key(call)) or self._left_out(call) for call in calls]

    def _left_out(self, call: ToolCall) -> Result:
        return Result(call.name, error=NO_MORE if self.is_begun else NOT_OFFERED)


def call_of(tool: str, arguments: Mapping[str, Any]) -> ToolCall:
    """A call, whose id is made from what it asks; arguments that are None or empty are left out."""
    given = {name: _plain(value) for name, value in arguments.items() if value not in (None, "", (), [])}
    written = json.dumps(given, sort_keys=True)
    digest = hashlib.sha256(f"{tool} {written}".encode()).hexdigest()
    return ToolCall(f"call_{digest[:ID_CHARS]}", tool, written)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _key(call: ToolCall) -> str:
    return f"{call.name} {call.arguments}"


def _result(turn: Message) -> tuple[str | None, Result]:
    if turn.role != "tool" or turn.call is None:
        return None, Result("")
    try:
        told = json.loads(turn.text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return _key(turn.call), Result(turn.call.name, error="The tool's result could not be read.")
    content, notes = told.get("result"), told.get("notes")
    number, cut, error = told.get("step"), told.get("cut"), told.get("error")
    return _key(turn.call), Result(
        tool=turn.call.name,
        number=number if isinstance(number, int) else 0,
        content=content if isinstance(content, dict) else {},
        error=str(error) if error else "" if isinstance(content, dict) else "The tool returned nothing.",
        notes=tuple(str(each) for each in notes) if isinstance(notes, list) else (),
        cut=cut if isinstance(cut, int) else 0,
    )
