"""What the tests of the tools of the market share: a tool's use as a model asks for it, and its figures by measure."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID

from core.ai.evidence import Figure
from core.ai.tools import Tool, ToolContext, ToolResult
from core.principal import Principal


def ran(tool: Tool, principal: Principal, *, portfolio_id: UUID | None = None, **arguments: Any) -> ToolResult:
    """What a tool brings for arguments as a model writes them, which are JSON."""
    given = tool.arguments.model_validate_json(json.dumps(arguments, default=str))
    return tool.run(ToolContext(principal, portfolio_id), given)


def figures_of(result: ToolResult, measure: str, entity: str | None = None, day: date | None = None) -> list[Figure]:
    """The figures of a measure, of an entity and a day where they are named."""
    return [
        figure
        for figure in result.figures
        if figure.measure == measure and entity in (None, figure.entity) and day in (None, figure.day)
    ]


def value_of(result: ToolResult, measure: str, entity: str | None = None, day: date | None = None) -> float:
    """The one value of a measure."""
    values = {figure.value for figure in figures_of(result, measure, entity, day)}
    assert len(values) == 1, (measure, values)
    return values.pop()
