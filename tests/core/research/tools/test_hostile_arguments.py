"""Every tool with arguments that no sensible model writes: refused in a sentence or answered, never broken."""

from __future__ import annotations

import json

from core.ai.providers.contract import ToolCall
from core.ai.tools import MAX_RESULT_CHARS
from core.portfolio.demo import load_demo_portfolios
from core.research.tools.toolbox import FAILED
from core.workbench import Workbench
from tests.conftest import member_factory

ODD: dict[str, list[object]] = {
    "string": ["", " ", "\x00", "AAPL'; drop table users; --", "A" * 400, "😀", "../../etc/passwd", "[1]", "1e999"],
    "number": [-1, 0, 1e308, -1e308, 10**30, "NaN", True, [1]],
    "integer": [-1, 0, 10_000, 10**30, 1.5, "many"],
    "array": [[], [""], ["AAPL"] * 10_000, [None], [["AAPL"]], {}],
    "date": ["0001-01-01", "9999-12-31", "2010-02-30", "1970-01-01", "2010-08-21", 0, "today"],
    "object": [[], {"": 1}, {"x": {}}],
    "boolean": ["maybe", 2],
}
WHOLE = ["", "null", "[]", "{", '{"a": NaN}', '{"symbol": "\\ud800"}', "[" * 5_000, '{"portfolio_id": "1"}', "1e999"]
MAY_BE: dict[str, object] = {"symbol": "AAPL", "symbols": ["AAPL"], "query": "revenue", "expression": "1 + 1"}


def _odd(schema: dict[str, object]) -> list[object]:
    kind = "date" if schema.get("format") == "date" else str(schema.get("type", "string"))
    return ODD.get(kind, ODD["string"])


def test_no_argument_breaks_a_tool(shipped: Workbench) -> None:
    ann = member_factory(shipped)("odd", plan="team", org="Odd")
    area = shipped.portfolio
    load_demo_portfolios(area.portfolios, area.journal, ann)
    portfolio_id = area.portfolios.all(ann)[0].id
    toolbox = shipped.research.toolbox
    runner = toolbox.runner(ann, portfolio_id)
    broken = []
    for spec in toolbox.specs(with_portfolio=True):
        properties = spec.parameters.get("properties", {})
        assert isinstance(properties, dict)
        valid = {name: value for name, value in MAY_BE.items() if name in properties}
        texts = [*WHOLE, *(json.dumps({**valid, name: odd}) for name, of in properties.items() for odd in _odd(of))]
        for text in texts:
            ran = runner.run(ToolCall("call", spec.name, text), 1, ())
            if FAILED in ran.step.error:
                broken.append((spec.name, text[:120]))
            assert len(ran.text) <= MAX_RESULT_CHARS + 500, (spec.name, text[:120])
            assert "NaN" not in ran.text or "NaN" in text, (spec.name, text[:120])

    assert not broken
