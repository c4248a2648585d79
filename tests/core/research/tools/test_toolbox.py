"""Wishes of models become steps: those that are right, and every one that is wrong, within limits."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field

from core.ai.evidence import MAX_ROWS, Entity, Figure, Source, Table
from core.ai.providers.contract import MAX_ARGUMENT_CHARS, ToolCall
from core.ai.tool_loop import Ran
from core.ai.tools import MAX_RESULT_CHARS, ToolContext, ToolResult
from core.errors import NotFound
from core.principal import Principal, Role
from core.research.tools.arguments import Arguments, schema_of
from core.research.tools.calculate import CalculateArguments
from core.research.tools.fitting import MAX_FIGURES, fitted, result_text
from core.research.tools.holdings import HoldingsArguments
from core.research.tools.performance import PerformanceArguments
from core.research.tools.risk import RiskArguments
from core.research.tools.toolbox import FAILED, Toolbox
from core.research.tools.transactions import TransactionsArguments
from core.research.tools.what_if import WhatIfArguments

MINE, OTHERS = UUID(int=1), UUID(int=2)
PRINCIPAL = Principal(uuid4(), uuid4(), Role.ANALYST, "free", "session", "UTC", "ann@test.example", "Ann", "Acme")


class EchoArguments(Arguments):
    """What is echoed."""

    words: str = Field("none", max_length=20, description="Any words")
    day: date | None = Field(None, description="A day")
    sort: Literal["up", "down"] = "up"
    count: int = Field(1, ge=1, le=5, description="How many")


class Echo:
    """A tool that does what a test says."""

    name = "echo_words"
    description = "Echoes."
    arguments: type[BaseModel] = EchoArguments
    needs_portfolio = False

    def __init__(self, does: Callable[[ToolContext, Any], ToolResult] | None = None, **like: Any) -> None:
        self._does = does
        self.seen: list[tuple[ToolContext, Any]] = []
        for name, value in like.items():
            setattr(self, name, value)

    def run(self, context: ToolContext, arguments: EchoArguments) -> ToolResult:
        """What the test says, or the arguments again."""
        self.seen.append((context, arguments))
        if self._does is not None:
            return self._does(context, arguments)
        return ToolResult("Echoed", arguments.model_dump())


def run(tool: Echo, arguments: str = "{}", *, name: str = "echo_words", figures: tuple[Figure, ...] = ()) -> Ran:
    """One use, as step 3."""
    return Toolbox([tool]).runner(PRINCIPAL, None).run(ToolCall("id", name, arguments), 3, figures)


def gives(result: ToolResult) -> Echo:
    """A tool with this result."""
    return Echo(lambda _context, _arguments: result)


def test_a_step_says_what_was_done() -> None:
    result = ToolResult(
        "Words of 1 day",
        {"words": "x", "price": Decimal("1.5")},
        source=Source(title="Bars", as_of=datetime(2024, 3, 1, tzinfo=UTC)),
        notes=["One is missing."],
    )
    ran = run(gives(result), '{"day": "2024-03-01", "words": null}')
    assert json.loads(ran.text) == {
        "step": 3,
        "tool": "echo_words",
        "result": {"words": "x", "price": 1.5},
        "source": "Bars",
        "as_of": "2024-03-01T00:00:00+00:00",
        "notes": ["One is missing."],
    }
    assert (ran.step.number, ran.step.tool, ran.step.state) == (3, "echo_words", "done")
    assert ran.step.words == "Words of 1 day"
    assert ran.step.arguments == {"day": "2024-03-01"}
    assert "\n" not in ran.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{", "The arguments are no JSON"),
        ("[1]", "not a JSON object"),
        ('"x"', "not a JSON object"),
        ("[" * 3_000, "The arguments are no JSON"),
        ('{"a":' * 700, "The arguments are no JSON"),
        ('{"count": NaN}', "The arguments are no JSON"),
        ('{"count": Infinity}', "The arguments are no JSON"),
        ('{"count": 1e999}', "'count' (How many): Input should be a finite number"),
        ('{"count": 10000}', "'count' (How many): Input should be less than or equal to 5"),
        ('{"count": "many"}', "'count' (How many): Input should be a valid integer"),
        ('{"count": [1]}', "'count' (How many)"),
        ('{"day": "yesterday"}', "'day' (A day): Input should be a valid date"),
        ('{"sort": "sideways"}', "'sort': Input should be 'up' or 'down'"),
        ('{"words": "' + "x" * 21 + '"}', "'words' (Any words): String should have at most 20 characters"),
        ('{"portfolio_id": "…"}', "There is no argument 'portfolio_id'; it takes words, day, sort, count."),
        ('{"user_id": 1, "org_id": 2, "as_of": "2030-01-01", "plan": 1}', "There are 1 more such problems."),
        ('{"words": "' + "x" * MAX_ARGUMENT_CHARS + '"}', "more than 4,000 characters"),
        ('{"<b>`x`</b>": 1}', "'‹b›'x'‹/b›'"),
    ],
    ids=[
        "cut",
        "a list",
        "a text",
        "deep lists",
        "deep objects",
        "NaN",
        "Infinity",
        "overflow",
        "too many",
        "words for a number",
        "a list for a number",
        "no day",
        "no choice",
        "long",
        "another portfolio",
        "another person",
        "huge",
        "marks",
    ],
)
def test_wrong_arguments_are_a_failed_step_that_says_what_is_right(arguments: str, words: str) -> None:
    tool = Echo()
    ran = run(tool, arguments)
    assert tool.seen == []
    assert ran.result is None
    assert (ran.step.state, ran.step.arguments) == ("failed", {})
    assert words in ran.step.error
    told = json.loads(ran.text)
    assert set(told) == {"step", "tool", "error"}
    assert "<" not in ran.text
    assert len(ran.text) < 500


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("echo_word", "There is no tool 'echo_word'; did you mean echo_words?"),
        ("EchoWords", "did you mean echo_words?"),
        ("rm -rf /", "There is no tool 'rm -rf /'; there are echo_words."),
        ("", "There is no tool ''; there are echo_words."),
        ("x" * 5_000, "there are echo_words."),
        ("</tool>\n`hm`", "There is no tool '‹/tool› 'hm''"),
    ],
    ids=["nearly", "camel", "another", "none", "long", "marks"],
)
def test_an_unknown_tool_is_a_failed_step_that_names_the_nearest(name: str, words: str) -> None:
    ran = run(Echo(), name=name)
    assert words in ran.step.error
    assert len(ran.step.tool) <= 60
    assert ran.step.state == "failed"


def test_portfolio_tools_are_offered_where_there_is_a_portfolio() -> None:
    box = Toolbox([Echo(), Echo(name="mine", needs_portfolio=True)])
    assert [each.name for each in box.specs(with_portfolio=False)] == ["echo_words"]
    assert [each.name for each in box.specs(with_portfolio=True)] == ["echo_words", "mine"]
    refused = box.runner(PRINCIPAL, None).run(ToolCall("id", "mine", "{}"), 1, ())
    assert "has to be chosen first" in refused.step.error
    assert box.runner(PRINCIPAL, MINE).run(ToolCall("id", "mine", "{}"), 1, ()).step.state == "done"
    unknown = box.runner(PRINCIPAL, None).run(ToolCall("id", "min", "{}"), 1, ())
    assert "mine" not in unknown.step.error


def test_a_tool_works_for_the_principal_and_portfolio_that_were_checked() -> None:
    tool = Echo(needs_portfolio=True)
    figure = Figure(entity="AAPL", measure="close", value=1.0, step=1)
    runner = Toolbox([tool]).runner(PRINCIPAL, MINE)
    runner.run(ToolCall("id", "echo_words", f'{{"words": "{str(OTHERS)[:20]}"}}'), 2, (figure,))
    ((context, _),) = tool.seen
    assert (context.principal, context.portfolio_id, tuple(context.figures)) == (PRINCIPAL, MINE, (figure,))


def test_an_error_that_is_meant_is_told() -> None:
    def missing(_context: ToolContext, _arguments: Any) -> ToolResult:
        raise NotFound("There is no such thing <here>.")

    ran = run(Echo(missing), '{"count": 2}')
    assert ran.step.error == "There is no such thing <here>."
    assert json.loads(ran.text)["error"] == "There is no such thing ‹here›."
    assert ran.step.arguments == {"count": 2}
    assert ran.step.words == "Echo words failed"


def test_an_error_that_is_not_meant_says_nothing_of_its_words(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_context: ToolContext, _arguments: Any) -> ToolResult:
        raise RuntimeError("postgres://secret@server/x")

    with caplog.at_level(logging.ERROR):
        ran = run(Echo(broken))
    assert ran.step.error == FAILED
    assert "secret" not in caplog.text + ran.text
    assert "RuntimeError in broken, test_toolbox.py" in caplog.text


def test_10_000_rows_are_cut_to_what_a_model_may_be_shown() -> None:
    rows = [{"symbol": f"S{number}", "close": number / 7} for number in range(10_000)]
    result = ToolResult(
        "Rows",
        {"first": "2024", "rows": rows, "few": [1, 2, 3]},
        table=Table(columns=("n",), rows=tuple((number,) for number in range(10_000)), more=5),
        figures=[Figure(entity="A", measure="close", value=number) for number in range(10_000)],
    )
    ran = run(gives(result))
    told = json.loads(ran.text)
    assert MAX_RESULT_CHARS - 200 < len(ran.text) <= MAX_RESULT_CHARS
    assert told["cut"] + len(told["result"]["rows"]) == 10_000
    assert told["result"]["rows"] == json.loads(json.dumps(rows))[: len(told["result"]["rows"])] or told["cut"]
    assert told["result"]["few"] == [1, 2, 3]
    assert ran.result is not None
    assert ran.result.table is not None
    assert (len(ran.result.table.rows), ran.result.table.more) == (MAX_ROWS, 5 + 10_000 - MAX_ROWS)
    assert len(ran.result.figures) == MAX_FIGURES


def test_whatever_is_long_is_cut() -> None:
    for content in (
        {"rows": [{"text": "x" * 9_000}]},
        {"text": "x" * 90_000},
        {f"n{number}": "x" * 100 for number in range(1_000)},
        {"a": {"b": {"c": [["y" * 50] * 100] * 100}}},
        {"rows": [[number] * 20 for number in range(5_000)], "others": ["<" * 100] * 5_000},
    ):
        text = run(gives(ToolResult("Long", content))).text
        assert len(text) <= MAX_RESULT_CHARS
        assert json.loads(text)["step"] == 3


def test_numbers_that_are_none_are_null() -> None:
    result = ToolResult(
        "Odd",
        {"a": float("nan"), "b": float("inf"), "c": Decimal("NaN"), "d": [1.0, float("-inf")], "e": 0.1 + 0.2},
        figures=[
            Figure(entity="A", measure="close", value=float("nan")),
            Figure(entity="A", measure="close", value=2.0),
        ],
        table=Table(columns=("n", "m"), rows=((float("nan"), 1.0),)),
        entities=[Entity(key="A")],
    )
    ran = run(gives(result))
    assert json.loads(ran.text)["result"] == {"a": None, "b": None, "c": None, "d": [1.0, None], "e": 0.3}
    assert ran.result is not None
    assert [(each.value, each.step) for each in ran.result.figures] == [(2.0, 3)]
    assert ran.result.table is not None
    assert ran.result.table.rows == ((None, 1.0),)


def test_texts_cannot_end_the_fence_of_a_result() -> None:
    ran = run(gives(ToolResult("Odd\u202e</x>\nwords", {"outside": "</outside> `x` \u2028 <system>"})))
    assert not set("<>`\u2028\n") & set(ran.text)
    assert json.loads(ran.text)["result"] == {"outside": "</outside> `x` \u2028 <system>"}
    assert ran.step.words == "Odd</x> words"


@pytest.mark.parametrize(
    "form",
    [
        CalculateArguments,
        HoldingsArguments,
        PerformanceArguments,
        RiskArguments,
        TransactionsArguments,
        WhatIfArguments,
        EchoArguments,
    ],
    ids=lambda form: form.__name__,
)
def test_schemas_are_compact_and_whole(form: type[BaseModel]) -> None:
    schema = schema_of(form)
    text = json.dumps(schema)
    assert len(text) < 900
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert not any(word in text for word in ("$ref", "$defs", '"title"', '"default"', '"null"'))
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert set(properties) == set(form.model_fields)
    assert len(properties) <= 8


def test_two_tools_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="one name"):
        Toolbox([Echo(), Echo()])


def test_fitting_leaves_a_result_that_fits_as_it_is() -> None:
    result = fitted(ToolResult("Fits", {"rows": [1, 2]}), 2)
    assert json.loads(result_text(2, "echo", result)) == {"step": 2, "tool": "echo", "result": {"rows": [1, 2]}}
    assert replace(result, words="") == ToolResult("", {"rows": [1, 2]}, figures=(), entities=(), notes=())


def test_a_column_of_shares_is_known_by_its_figures() -> None:
    table = Table(columns=("Symbol", "Weight", "Price"), rows=(("AAPL", 0.25, 179.5), ("MSFT", 0.5, None)))
    figures = [
        Figure(entity="AAPL", measure="weight", value=0.25, unit="fraction"),
        Figure(entity="MSFT", measure="weight", value=0.5, unit="fraction"),
        Figure(entity="AAPL", measure="close", value=179.5, unit="price"),
    ]
    found = fitted(ToolResult("Holdings", {}, figures, table=table), 1)
    assert found.table is not None
    assert found.table.shares == ("Weight",)
