"""Arithmetic with returned figures alone: what no step returned is refused by name."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from core.ai.evidence import Figure, Unit
from core.ai.providers.contract import ToolCall
from core.ai.tool_loop import Ran
from core.ai.tools import ToolContext
from core.principal import Principal
from core.research.tools.calculate import Calculate
from core.research.tools.toolbox import Toolbox, ToolRunner

DAY = date(2024, 3, 28)


def known(entity: str, measure: str, value: float, unit: Unit = "number", **more: Any) -> Figure:
    """A figure that a step returned."""
    return Figure(entity=entity, measure=measure, value=value, unit=unit, **{"day": DAY, "step": 1} | more)


FIGURES = (
    known("AAPL", "close", 171.48, "price", currency="USD"),
    known("AAPL", "close", 169.3, "price", currency="USD", day=date(2024, 3, 25), step=2),
    known("MSFT", "close", 420.72, "price", currency="USD"),
    known("portfolio", "time_weighted", 0.12345678912, "fraction", first=date(2024, 1, 1)),
    known("portfolio", "benchmark_return", 0.1007, "fraction", first=date(2024, 1, 1)),
    known("portfolio", "max_drawdown", -0.0512, "fraction"),
    known("portfolio", "portfolio_value", 138022.95, "money", currency="USD", step=3),
    known("SAP.DE", "close", 180.46, "price", currency="EUR"),
    known("AAPL", "day", float(DAY.toordinal()), "date"),
    known("AAPL", "quantity", 7),
    known("portfolio", "beta", 0.00001234),
)


@pytest.fixture
def runner() -> ToolRunner:
    # No tool is asked for anything of the principal's.
    return ToolRunner({"calculate": Calculate()}, ToolContext(principal=None))  # type: ignore[arg-type]


def run(runner: ToolRunner, expression: str, **more: Any) -> Ran:
    arguments = json.dumps({"expression": expression, "label": "It"} | more)
    return runner.run(ToolCall("call", "calculate", arguments), 5, FIGURES)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("171.48 - 169.3", 2.18),
        ("171.48 / 169.3 - 1", 171.48 / 169.3 - 1),
        ("(171.48 + 420.72) / 2", 296.1),
        ("0.1234567891 - 0.1007", 0.12345678912 - 0.1007),
        ("0.1235 - 0.1007", 0.12345678912 - 0.1007),
        ("12.35% - 10.07%", 0.12345678912 - 0.1007),
        ("138022.95 * 12.3 %", 138022.95 * 0.12345678912),
        ("138023 * 1", 138022.95),
        ("-0.0512 * 138022.95", -0.0512 * 138022.95),
        ("abs(-5.12%)", 0.0512),
        ("(1 + 0.1007) ^ (12/3) - 1", 1.1007**4 - 1),
        ("sqrt(252) * 0.1007", 252**0.5 * 0.1007),
        ("min(171.48, 420.72, 169.3)", 169.3),
        ("max(171.48, -169.3)", 171.48),
        ("round(171.48, 1)", 171.5),
        ("round(420.72)", 421),
        ("171.48 × 7", 171.48 * 7),
        ("7 * 1", 7),
        ("2 - -0.0512", 2.0512),
        ("1.234e-05 * 1000000", 12.34),
        ("0.1007 ** 2", 0.1007**2),
    ],
)
def test_what_is_computed(runner: ToolRunner, expression: str, value: float) -> None:
    ran = run(runner, expression)
    assert ran.result is not None, ran.step.error
    assert all(each.value == pytest.approx(value, rel=1e-9) for each in ran.result.figures)
    assert json.loads(ran.text)["result"]["value"] == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("171.48 - 150", "No step returned 150;"),
        ("171.48 * 1.05", "No step returned 1.05;"),
        ("42 - 7", "No step returned 42;"),
        ("171.48 - 0.0512", "0.0512 was returned as -0.0512: write (-0.0512)"),
        ("10.07 - 1", "10.07 was returned as a fraction: write 10.07%"),
        ("171.48% * 2", "No step returned 171.48%;"),
        ("738973 - 7", "No step returned 738973;"),
        ("12 * 100 / 3", "holds no figure that a step returned"),
        ("0 * 5", "holds no figure"),
        ("171.48 / (7 - 7)", "divides by zero"),
        ("sqrt(-171.48)", "has no value"),
        ("(0 - 171.48) ^ 0.1007", "has no value"),
        ("171.48 ^ 171.48", "too large"),
        ("138022.95 ^ 138022.95", "An exponent is at most 1,000."),
        ("1000000 ^ 12", "too large"),
        ("171.48 +", "ends too early"),
        ("171.48 169.3", "'169.3' cannot stand where it does"),
        ("(171.48", "has its end where ')' is needed"),
        ("171.48)", "')' cannot stand where it does"),
        ("min()", "')'"),
        ("abs(171.48, 7)", "abs takes 1 numbers"),
        ("round(171.48, 99)", "round takes a whole number of decimals"),
        ("exec(1)", "'exec' is not known"),
        ("__import__('os')", "'_' cannot stand in an expression"),
        ("171.48; 7", "';' cannot stand in an expression"),
        ("171,48", "cannot stand where it does"),
        ("(" * 60 + "7" + ")" * 60, "at most 100 numbers and signs"),
        ("(" * 40 + "7" + ")" * 40, "at most 20 parentheses deep"),
        ("-" * 99 + "7" + "+7", "at most 100 numbers"),
        ("7^" * 49 + "7", "n"),
        ("  ", "'expression'"),
    ],
)
def test_what_is_refused(runner: ToolRunner, expression: str, words: str) -> None:
    ran = run(runner, expression)
    assert ran.result is None
    assert words in ran.step.error


def test_a_rounded_number_that_may_be_two_figures_is_asked_for_in_full(runner: ToolRunner) -> None:
    figures = (known("AAPL", "close", 171.48), known("MSFT", "close", 171.49))
    call = ToolCall("call", "calculate", json.dumps({"expression": "171.5 * 2", "label": "It"}))
    ran = runner.run(call, 1, figures)
    assert "171.5 may be several figures (AAPL close 171.48 and MSFT close 171.49)" in ran.step.error


def test_the_result_is_about_what_it_came_from(runner: ToolRunner) -> None:
    ran = run(runner, "171.48 - 169.3", unit="price")
    assert ran.result is not None
    (figure,) = ran.result.figures
    assert (figure.entity, figure.measure, figure.unit, figure.currency) == ("AAPL", "result", "price", "USD")
    assert (figure.first, figure.day, figure.step) == (date(2024, 3, 25), DAY, 5)
    assert ran.step.source is not None
    assert ran.step.source.title == "Computed from steps 1 and 2"
    both = run(runner, "420.72 / 171.48")
    assert both.result is not None
    assert [each.entity for each in both.result.figures] == ["MSFT", "AAPL"]


def test_entity_and_measure_may_be_named(runner: ToolRunner) -> None:
    ran = run(runner, "12.35% - 10.07%", unit="fraction", measure="excess_return", entity="Portfolio")
    assert ran.result is not None
    (figure,) = ran.result.figures
    assert (figure.entity, figure.measure) == ("portfolio", "excess_return")
    wrong = run(runner, "171.48 - 169.3", entity="MSFT")
    assert wrong.step.error == "The expression holds figures of AAPL, none of 'MSFT'."
    # A tool's own measure is never taken by what a model computed.
    other = run(runner, "171.48 * 2", measure="close")
    assert other.result is not None
    assert other.result.figures[0].measure == "result"


def test_amounts_of_two_currencies_are_not_mixed(runner: ToolRunner) -> None:
    assert "mixes EUR and USD" in run(runner, "171.48 + 180.46", unit="money").step.error
    assert run(runner, "171.48 / 180.46", unit="number").result is not None


def test_without_steps_there_is_nothing_to_compute_with() -> None:
    box = Toolbox([Calculate()])
    principal: Principal = None  # type: ignore[assignment]
    call = ToolCall("call", "calculate", '{"expression": "3.5 * 2", "label": "It"}')
    assert "No step returned 3.5" in box.runner(principal, None).run(call, 1, ()).step.error
