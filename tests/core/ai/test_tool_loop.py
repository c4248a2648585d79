"""A loop of tools, step by step: what a model is shown, what a reader is told, and where it ends."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable

import pytest

from core.ai import tool_loop
from core.ai.evidence import Evidence, Figure, Mark, Step, Table
from core.ai.kept import storable
from core.ai.providers.contract import Message
from core.ai.tool_loop import Parts, ToolLoop
from core.ai.tools import MAX_ROUNDS, MAX_STEPS, Turn
from tests.core.ai.test_gateway import wait_until
from tests.core.ai.tool_desk import CLOSE, Desk, first, marked, wish


def loop_of(desk: Desk, *, time_s: float = 10.0) -> ToolLoop:
    return ToolLoop(desk, first(), marked, time_s=time_s)


def never() -> bool:
    return False


def no_one(_step: Step) -> None:
    return None


def after(loop: ToolLoop, *names: str, text: str = "", begin: int = 1) -> list[Message] | None:
    """The next messages after a turn that asks for these tools, each with arguments of its own."""
    calls = tuple(wish(name, number, n=number) for number, name in enumerate(names, start=begin))
    messages = loop.after(Turn(text, calls), no_one, never)
    return None if messages is None else list(messages)


def test_a_model_is_shown_its_own_turn_and_what_came_of_it() -> None:
    desk = Desk()
    told: list[Step] = []
    loop = loop_of(desk)
    call = wish()
    messages = loop.after(Turn("I look it up.", (call,)), told.append, never)
    assert messages is not None
    assert messages[:-1] == (*first(), Message("assistant", "I look it up.", calls=(call,)))
    assert (messages[-1].role, messages[-1].call, json.loads(messages[-1].text)["step"]) == ("tool", call, 1)
    assert [(step.number, step.tool, step.state) for step in told] == [(1, "quote", "running"), (1, "quote", "done")]
    assert loop.offers_tools
    assert loop.after(Turn("It closed at 181.2 [1].", ()), told.append, never) is None
    found = loop.evidence("It closed at 181.2 [1].")
    assert found.figures == (CLOSE.model_copy(update={"step": 1}),)
    assert (found.entities[0].names, found.notes, found.keep_s) == (("Apple",), ("The price is delayed.",), None)
    assert found.marks == (Mark(start=13, end=18, is_verified=True, step=1),)


def test_calls_of_one_turn_run_two_at_a_time_and_are_told_in_the_models_order() -> None:
    desk = Desk()
    desk.work_s = 0.05
    messages = after(loop_of(desk), *["quote"] * 5)
    assert messages is not None
    assert [json.loads(message.text)["step"] for message in messages[2:]] == [1, 2, 3, 4, 5]
    assert (desk.most_at_once, len(desk.ran)) == (tool_loop.AT_ONCE, 5)


def test_a_tool_is_given_the_figures_of_the_steps_before_it() -> None:
    desk = Desk()
    loop = loop_of(desk)
    after(loop, "quote", "broken")
    after(loop, "quote", begin=3)
    assert sorted(desk.seen) == [[], [], [1]]


def test_a_call_that_was_made_before_gets_what_came_of_that_and_is_no_step() -> None:
    desk = Desk()
    loop = loop_of(desk)
    one, other_order = wish(a=1, b=2), wish(number=2, b=2, a=1)
    loop.after(Turn("", (one,)), no_one, never)
    messages = loop.after(Turn("", (other_order, one)), no_one, never)
    assert messages is not None
    assert [json.loads(message.text)["step"] for message in messages[-2:]] == [1, 1]
    assert [message.call for message in messages[-2:]] == [other_order, one]
    assert (len(desk.ran), len(loop.evidence("").steps)) == (1, 1)


def test_a_model_that_asks_for_the_same_for_ever_has_to_answer() -> None:
    loop = loop_of(Desk())
    turn = Turn("", (wish(),))
    asked = 0
    messages: list[Message] = []
    while loop.offers_tools:
        messages = list(loop.after(turn, no_one, never) or [])
        asked += 1
    assert asked == 1 + tool_loop.MAX_REPEATS
    assert (messages[-1].role, "No more tools" in messages[-1].text) == ("system", True)
    assert loop.after(turn, no_one, never) is None


@pytest.mark.parametrize("name", ["broken", "defect"])
def test_after_three_failures_in_a_row_it_has_to_answer(name: str) -> None:
    loop = loop_of(Desk())
    turns = ((name, name), ("quote", name, name), (name,))
    offered = []
    for begin, names in zip((1, 3, 6), turns, strict=True):
        assert after(loop, *names, begin=begin) is not None
        offered.append(loop.offers_tools)
    assert offered == [True, True, False]
    found = loop.evidence("")
    assert [step.state for step in found.steps] == ["failed", "failed", "done", "failed", "failed", "failed"]
    assert found.keep_s == tool_loop.FAILED_KEEP_S


def test_an_answer_has_so_many_steps_and_no_more() -> None:
    desk = Desk()
    loop = loop_of(desk)
    messages = after(loop, *["quote"] * (MAX_STEPS + 3))
    assert messages is not None
    assert ["error" in json.loads(message.text) for message in messages[2:-1]] == [False] * MAX_STEPS + [True] * 3
    assert (len(desk.ran), loop.offers_tools) == (MAX_STEPS, False)


def test_the_last_of_so_many_rounds_has_no_tools() -> None:
    loop = loop_of(Desk())
    offered = []
    for asked in range(MAX_ROUNDS):
        offered.append(loop.offers_tools)
        messages = after(loop, "quote", begin=asked + 1)
    assert offered == [True] * (MAX_ROUNDS - 1) + [False]
    assert messages is None


def test_a_tool_that_takes_too_long_is_left_out_and_what_comes_later_is_dropped() -> None:
    desk = Desk()
    told: list[Step] = []
    loop = loop_of(desk, time_s=0.1)
    calls = (wish("slow", 1), wish("quote", 2))
    messages = loop.after(Turn("", calls), told.append, never)
    assert messages is not None
    assert "too long" in json.loads(messages[-2].text)["error"]
    assert "error" not in json.loads(messages[-1].text)
    desk.gate.set()
    wait_until(lambda: not desk.at_once)
    assert [step.state for step in loop.evidence("").steps] == ["failed", "done"]
    assert [(step.number, step.state) for step in told[2:]] == [(1, "failed"), (2, "done")]


def test_where_nobody_waits_it_ends_at_once() -> None:
    desk = Desk()
    loop = loop_of(desk)
    began = time.monotonic()
    assert loop.after(Turn("", (wish("slow"),)), no_one, lambda: True) is None
    assert time.monotonic() - began < 1
    desk.gate.set()


def test_no_more_tools_run_than_may_in_one_process_and_one_that_waited_too_long_never_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, hands = Desk(), threading.BoundedSemaphore(1)
    monkeypatch.setattr(tool_loop, "_hands", hands)
    messages = loop_of(desk, time_s=0.2).after(Turn("", (wish("slow", 1), wish("quote", 2))), no_one, never)
    assert messages is not None
    assert ["too long" in json.loads(message.text)["error"] for message in messages[-2:]] == [True, True]
    desk.gate.set()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "assay-tool"])
    assert desk.ran == [(1, "slow")]


def test_an_answer_that_ends_early_says_so_and_is_kept_for_nobody() -> None:
    loop = loop_of(Desk(keep_s=300))
    after(loop, "quote")
    assert loop.evidence("").keep_s == 300
    assert "cost" in loop.stopped("ceiling")
    found = loop.evidence("")
    assert (found.keep_s, "cost" in found.notes[-1]) == (0, True)


def test_figures_that_are_no_numbers_are_dropped() -> None:
    bad = [CLOSE.model_copy(update={"value": value}) for value in (math.nan, math.inf)]
    loop = loop_of(Desk(figures=[*bad, CLOSE]))
    after(loop, "quote")
    assert [figure.value for figure in loop.evidence("").figures] == [181.2]


def test_an_answer_whose_figures_cannot_be_checked_is_given_all_the_same() -> None:
    def defect(_text: str, _evidence: Evidence) -> tuple[Mark, ...]:
        raise RuntimeError("a defect")

    loop = ToolLoop(Desk(), first(), defect)
    after(loop, "quote")
    found = loop.evidence("It closed at 181.2.")
    assert (len(found.steps), found.marks, "not checked" in found.notes[-1]) == (1, (), True)


def test_numbers_are_checked_against_all_figures_before_some_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_loop, "MAX_FIGURES", 1)
    loop = loop_of(Desk(figures=[CLOSE.model_copy(update={"value": 1.0}), CLOSE]))
    after(loop, "quote")
    found = loop.evidence("It closed at 181.2.")
    assert (len(found.figures), found.marks[0].is_verified) == (1, True)


def test_steps_add_little_beside_their_own_work() -> None:
    """The goal of issue 9 is 20 ms a step."""
    desk = Desk()
    took = []
    for number in range(50):
        loop = loop_of(desk)
        began = time.perf_counter()
        after(loop, "quote", begin=number)
        took.append(time.perf_counter() - began)
    assert sorted(took)[25] < 0.02


def test_parts_are_asked_one_after_the_other() -> None:
    others = [[Message("user", "second")], [Message("user", "third")]]
    parts = Parts(others)
    turn = Turn("{}", ())
    assert [parts.after(turn, no_one, never) for _ in range(3)] == [tuple(others[0]), tuple(others[1]), None]
    assert (parts.offers_tools, parts.joint, parts.evidence("{}\n{}\n{}")) == (False, "\n", Evidence())


def test_parts_that_end_early_say_how_many_were_answered() -> None:
    parts = Parts([first(), first()])
    parts.after(Turn("{}", ()), no_one, never)
    assert parts.stopped("ceiling") == ""
    found = parts.evidence("{}")
    assert ("1 of 3 parts" in found.notes[0], found.keep_s) == (True, 0)


def _step(text: str) -> Step:
    table = Table(columns=("headline",), rows=((text,),))
    return Step(number=1, tool="news", arguments={"note": text[:20]}, words=text[:20], table=table)


@pytest.mark.parametrize(
    ("evidence", "holds"),
    [
        (Evidence(steps=(_step("a\x00b"),)), lambda e: e.steps[0].table.rows == (("a\ufffdb",),)),
        (Evidence(steps=(_step("fine"),)), lambda e: e.steps[0].words == "fine"),
        (Evidence(steps=(_step("half \ud800"),), notes=("kept",)), lambda e: not e.steps and e.notes[0] == "kept"),
        (Evidence(steps=(_step("x" * 1_100_000),)), lambda e: e.notes and e.keep_s is None),
        (
            Evidence(figures=tuple(Figure(entity="x" * 100, measure="m", value=i) for i in range(9000))),
            lambda e: not e.figures and "too long" in e.notes[0],
        ),
    ],
    ids=["NUL", "plain", "half a pair", "a long table", "many figures"],
)
def test_evidence_is_made_fit_to_be_stored(evidence: Evidence, holds: Callable[[Evidence], bool]) -> None:
    made = storable(evidence)
    assert holds(made)
    json.loads(made.model_dump_json())
