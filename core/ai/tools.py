"""The contract of tools: what a model may have done while it answers, for the principal who asked and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel

from core.ai.evidence import Chart, Entity, Evidence, Figure, Source, Step, Table
from core.ai.providers.contract import Message, ToolCall
from core.principal import Principal

MAX_STEPS = 12
"""Uses of tools in one answer."""
MAX_ROUNDS = 6
"""Times that a model is asked within one answer, the last without tools."""
MAX_RESULT_CHARS = 6_000
"""Characters of one result that a model is shown."""
TOOL_TIME_S = 10.0
"""Longest that one step may take."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a tool works; no part of it ever comes from a model."""

    principal: Principal
    portfolio_id: UUID | None = None
    """The portfolio that the question is about, which the principal sees."""
    figures: Sequence[Figure] = ()
    """What the steps before it returned."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What one use of a tool brought."""

    words: str
    """What was done, in a sentence for the reader."""
    content: Mapping[str, Any]
    """What the model is shown, as JSON; what is too long is cut by the toolbox, and the model told so."""
    figures: Sequence[Figure] = ()
    """Every number in `content` and `table` that an answer may state."""
    entities: Sequence[Entity] = ()
    source: Source | None = None
    table: Table | None = None
    chart: Chart | None = None
    keep_s: float | None = None
    """So long it is fresh; None: as long as any answer."""
    notes: Sequence[str] = field(default=())
    """What a reader has to know of it."""


class Tool(Protocol):
    """Something that a model may have done. Read-only, safe to share between threads."""

    name: str
    """Lower case, words joined by underscores."""
    description: str
    """One or two sentences for the model: what it gives, in which unit, for what."""
    arguments: type[BaseModel]
    """Its arguments; it forbids extra ones, and each has a description and limits."""
    needs_portfolio: bool
    """Whether it is offered only where the question is about a portfolio."""

    def run(self, context: ToolContext, arguments: Any) -> ToolResult:
        """Does it for `context.principal`, within the limits of rows and size.

        Raises:
            AssayError: it cannot be done; the model is told the sentence.
        """
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """What a model said when it was asked once."""

    text: str
    calls: tuple[ToolCall, ...]
    """What it wants to have done; empty: the text is its answer."""


Tell = Callable[[Step], None]
"""Tells a reader of a step that begins (`running`) or ended; must not block."""


class Course(Protocol):
    """How a request goes on that takes several calls of a model, all under one hold. Made anew for each request."""

    joint: str = "\n\n"
    """What stands between the texts of two turns in the answer."""

    def after(self, turn: Turn, tell: Tell, is_cut: Callable[[], bool]) -> Sequence[Message] | None:
        """What the model is shown next, from the first message on; None where the turn ended the request.

        `is_cut` says whether nobody waits any more; then it returns None soon. Never raises.
        """
        ...

    @property
    def offers_tools(self) -> bool:
        """Whether the next call may ask for tools."""
        ...

    def stopped(self, why: str) -> str:
        """What is added to the text where the request has to stop before its end, with what it has."""
        ...

    def evidence(self, text: str) -> Evidence:
        """What the answer of this text rests on."""
        ...
