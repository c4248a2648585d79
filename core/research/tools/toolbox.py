"""The tools that models are offered, and how a wish of theirs becomes a step: checked, done, told and cut to size."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from core.ai.evidence import Figure, Step
from core.ai.outside import cleaned, plain
from core.ai.providers.contract import ToolCall, ToolSpec
from core.ai.tool_loop import Ran
from core.ai.tools import Tool, ToolContext
from core.errors import AssayError, InvalidRequest, place_of
from core.principal import Principal
from core.research.tools.arguments import MAX_WORD_CHARS, parsed, schema_of
from core.research.tools.fitting import failure_text, fitted, result_text

MAX_WORDS_CHARS = 300
"""Characters of the sentence that tells a reader what was done."""
FAILED = "The tool failed; this is our fault. Try another way, or say that this part is missing."
NO_PORTFOLIO_CHOSEN = "This question is not about a portfolio: it has to be chosen first, above the question."

_log = logging.getLogger(__name__)


class Toolbox:
    """All tools by name."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            raise ValueError("Two tools have one name.")
        self._specs = [(tool.needs_portfolio, _spec(tool)) for tool in tools]

    def specs(self, *, with_portfolio: bool) -> tuple[ToolSpec, ...]:
        """What models are told of them; without a portfolio those that need none."""
        return tuple(spec for needs_portfolio, spec in self._specs if with_portfolio or not needs_portfolio)

    def runner(self, principal: Principal, portfolio_id: UUID | None) -> ToolRunner:
        """For one question of a principal's; `portfolio_id` is of one that they were found to see."""
        return ToolRunner(self._tools, ToolContext(principal, portfolio_id))


class ToolRunner:
    """Runs the tools that one question needs; keeps nothing of a step, and its steps may run at the same time."""

    def __init__(self, tools: Mapping[str, Tool], context: ToolContext) -> None:
        self._tools = tools
        self._context = context

    def run(self, call: ToolCall, number: int, figures: Sequence[Figure]) -> Ran:
        """What came of a model's wish, as step `number`: done, or failed with a sentence. Never raises.

        `figures` are those that the steps before it returned.
        """
        begun = time.monotonic()
        name = cleaned(call.name, MAX_WORD_CHARS) or "no name"
        arguments: dict[str, object] = {}
        try:
            tool = self._tool(call.name)
            taken = parsed(tool.arguments, call.arguments)
            arguments = taken.model_dump(mode="json", exclude_unset=True)
            result = fitted(tool.run(replace(self._context, figures=figures), taken), number)
        except AssayError as error:
            return _failed(number, name, arguments, error.detail, begun)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a step: a model is told, the rest goes on)
            _log.error("The tool %s ended by an unexpected error: %s.", name, place_of(error))
            return _failed(number, name, arguments, FAILED, begun)
        step = Step(
            number=number,
            tool=tool.name,
            arguments=arguments,
            words=plain(result.words)[:MAX_WORDS_CHARS],
            seconds=time.monotonic() - begun,
            source=result.source,
            table=result.table,
            chart=result.chart,
        )
        return Ran(step, result, result_text(number, tool.name, result))

    def _tool(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            offered = [each for each, of in self._tools.items() if self._is_offered(of)]
            near = get_close_matches(name[:MAX_WORD_CHARS].lower(), offered, 1)
            help_ = f"did you mean {near[0]}?" if near else f"there are {', '.join(offered)}."
            raise InvalidRequest(f"There is no tool '{cleaned(name, MAX_WORD_CHARS)}'; {help_}")
        if not self._is_offered(tool):
            raise InvalidRequest(NO_PORTFOLIO_CHOSEN)
        return tool

    def _is_offered(self, tool: Tool) -> bool:
        return self._context.portfolio_id is not None or not tool.needs_portfolio


def _spec(tool: Tool) -> ToolSpec:
    return ToolSpec(tool.name, tool.description, schema_of(tool.arguments))


def _failed(number: int, name: str, arguments: dict[str, Any], detail: str, begun: float) -> Ran:
    step = Step(
        number=number,
        tool=name,
        arguments=arguments,
        words=f"{name.replace('_', ' ').capitalize()} failed",
        state="failed",
        error=plain(detail)[:MAX_WORDS_CHARS],
        seconds=time.monotonic() - begun,
    )
    return Ran(step, None, failure_text(number, name, detail))
