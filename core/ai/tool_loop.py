"""Courses: a model that is let use tools until it answers, and a request that is asked in parts."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.ai.evidence import Entity, Evidence, Figure, Mark, Step
from core.ai.outside import as_json, cleaned
from core.ai.providers.contract import Message, ToolCall
from core.ai.tools import MAX_ROUNDS, MAX_STEPS, TOOL_TIME_S, Course, Tell, ToolResult, Turn
from core.errors import place_of

AT_ONCE = 2
"""Tools of one answer that run at the same time."""
MAX_HANDS = 64
"""Tools that run at the same time in one process, others wait; one that does not come back keeps its place."""
MAX_FAILURES = 3
"""Steps that may fail one after the other; then the model has to answer with what it has."""
MAX_REPEATS = 2
"""Turns that ask for nothing new, one after the other; then the same."""
MAX_FIGURES = 5_000
"""Figures that are kept beside an answer, after its numbers were checked against all of them."""
MAX_CALLS = 60
"""Calls of one turn that are answered at all."""
FAILED_KEEP_S = 60.0
"""So long an answer is fresh of which a step failed: the next try may not."""
WAIT_S = 0.02
"""How often a waiting loop looks whether anybody still waits for it."""

_STOPS = {
    "ceiling": "Stopped here: going on would have cost more than one request may, or than the budget has left.",
    "time": "Stopped here: the time for one answer was nearly over.",
    "steps": f"Stopped here: an answer takes at most {MAX_STEPS} steps, in {MAX_ROUNDS} turns.",
    "empty": "The model gave no answer; what the steps before returned is all there is.",
    "length": "Stopped here: the conversation became too long for the model.",
}
_LAST_ROUND = "No more tools can be used. Answer now with what the steps before returned, and say what is missing."
_TOO_LONG = "It took too long and was left out."
_TOO_MANY = f"An answer takes at most {MAX_STEPS} steps; nothing was done. Answer with what you have."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of one call of a tool."""

    step: Step
    """`done` or `failed`, under the number that was given."""
    result: ToolResult | None
    """None where it failed."""
    text: str
    """The tool's turn, as the model is shown it: JSON on one line."""


class Runner(Protocol):
    """Has tools used for the principal who asked one question; two of its calls may run at the same time."""

    def run(self, call: ToolCall, number: int, figures: Sequence[Figure]) -> Ran:
        """Does what a model asked for, as step `number`, where the steps before it returned `figures`.

        Never raises: an unknown tool or a wrong argument is a failed step.
        """
        ...


Check = Callable[[str, Evidence], tuple[Mark, ...]]
"""Finds the numbers of a text, and which of them the evidence has."""


class ToolLoop(Course):
    """Asks a model, does what it asks for, and shows it what came of it, until it answers or a limit is reached.

    `messages` is the question as the model was asked it first. Wherever it has to end before the model does, the
    model is asked a last time, without tools.
    """

    def __init__(
        self, runner: Runner, messages: Sequence[Message], check: Check, *, time_s: float = TOOL_TIME_S
    ) -> None:
        self._runner = runner
        self._messages = list(messages)
        self._check = check
        self._time_s = time_s
        self._rounds = 0
        self._failures = 0
        self._repeats = 0
        self._is_last = False
        self._ran: dict[tuple[str, str], Ran] = {}
        self._taken = _Taken()
        self._numbers = 0

    @property
    def offers_tools(self) -> bool:
        """Whether the next call may ask for tools."""
        return not self._is_last

    def after(self, turn: Turn, tell: Tell, is_cut: Callable[[], bool]) -> Sequence[Message] | None:
        """What the model is shown next; None where it answered, or goes on asking where it may not."""
        self._rounds += 1
        if not turn.calls or self._is_last:
            return None
        calls = turn.calls[:MAX_CALLS]
        texts = self._done(calls, tell, is_cut)
        if texts is None:
            return None
        self._messages.append(Message("assistant", turn.text, calls=calls))
        self._messages += [Message("tool", text, call=call) for call, text in zip(calls, texts, strict=True)]
        self._is_last = (
            self._rounds >= MAX_ROUNDS - 1
            or self._numbers >= MAX_STEPS
            or self._failures >= MAX_FAILURES
            or self._repeats >= MAX_REPEATS
        )
        if self._is_last:
            self._messages.append(Message("system", _LAST_ROUND))
        return tuple(self._messages)

    def stopped(self, why: str) -> str:
        """The sentence that says why it ended early; such an answer is kept for nobody else."""
        sentence = _STOPS.get(why, _STOPS["steps"])
        self._taken.stop(sentence)
        return sentence

    def evidence(self, text: str) -> Evidence:
        """Steps, figures and entities as they were taken down, and marks on the text's numbers."""
        found = self._taken.evidence()
        try:
            marks = self._check(text, found)
        except Exception as error:  # noqa: BLE001 (an answer that cannot be checked is settled all the same)
            _log.error("The figures of an answer could not be checked: %s.", place_of(error))
            return found.model_copy(update={"notes": (*found.notes, "The figures of this answer were not checked.")})
        return found.model_copy(update={"marks": marks, "figures": found.figures[:MAX_FIGURES]})

    def _done(self, calls: Sequence[ToolCall], tell: Tell, is_cut: Callable[[], bool]) -> list[str] | None:
        """The turns of the tools, in the order of the calls; None where nobody waits any more.

        A call like an earlier one gets what came of that.
        """
        names = [_name(call) for call in calls]
        new: dict[tuple[str, str], _Job] = {}
        for call, name in zip(calls, names, strict=True):
            if name not in self._ran and name not in new and self._numbers < MAX_STEPS:
                self._numbers += 1
                new[name] = _Job(self._runner, call, self._numbers)
        self._repeats = 0 if new else self._repeats + 1
        jobs = list(new.values())
        for begin in range(0, len(jobs), AT_ONCE):
            if not self._run(jobs[begin : begin + AT_ONCE], tell, is_cut):
                return None
        for name, job in new.items():
            assert job.ran is not None
            self._ran[name] = job.ran
        return [self._ran[name].text if name in self._ran else _NOTHING_DONE for name in names]

    def _run(self, jobs: Sequence[_Job], tell: Tell, is_cut: Callable[[], bool]) -> bool:
        """Runs some side by side; False where nobody waits any more."""
        until = time.monotonic() + self._time_s
        for job in jobs:
            tell(_running(job.call, job.number))
            job.begin(tuple(self._taken.figures))
        for job in jobs:
            while not job.ended.wait(WAIT_S):
                if is_cut():
                    for each in jobs:
                        each.closed(0.0)
                    return False
                if time.monotonic() >= until:
                    break
            ran = job.closed(self._time_s)
            self._failures = 0 if ran.result is not None else self._failures + 1
            self._taken.add(ran)
            tell(ran.step)
        return True


class Parts(Course):
    """A request in several calls, since one would be too long: its text is that of its parts, joined by line ends.

    `following` holds the conversations that are asked after the question's own, which is the first part. They are no
    part of the cache's key: the question's `data_version` has to name all that they are built from. Where its text
    cannot be used as a whole, only the last part is asked for a repair.
    """

    joint = "\n"

    def __init__(self, following: Sequence[Sequence[Message]]) -> None:
        self._following = [tuple(messages) for messages in following]
        self._parts = 1 + len(self._following)
        self._asked = 0
        self._notes: tuple[str, ...] = ()

    @property
    def offers_tools(self) -> bool:
        """No part uses tools."""
        return False

    def after(self, turn: Turn, tell: Tell, is_cut: Callable[[], bool]) -> Sequence[Message] | None:
        """The next part."""
        self._asked += 1
        return self._following[self._asked - 1] if self._asked < self._parts else None

    def stopped(self, why: str) -> str:
        """Adds nothing to the text, which a program reads; the evidence says what is missing."""
        self._notes = (f"{_STOPS.get(why, _STOPS['steps'])} {self._asked} of {self._parts} parts were answered.",)
        return ""

    def evidence(self, text: str) -> Evidence:
        """What is missing, if anything is; such an answer is kept for nobody else."""
        return Evidence(notes=self._notes, keep_s=0.0 if self._notes else None)


class _Taken:
    """What the steps of an answer brought."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self._steps: list[Step] = []
        self._entities: dict[str, Entity] = {}
        self._notes: dict[str, None] = {}
        self._keep_s: float | None = None

    def add(self, ran: Ran) -> None:
        """Takes down a step that ended."""
        self._steps.append(ran.step)
        if ran.result is None:
            self._fresh_for(FAILED_KEEP_S)
            return
        number = ran.step.number
        self.figures += [
            figure.model_copy(update={"step": number}) for figure in ran.result.figures if math.isfinite(figure.value)
        ]
        for entity in ran.result.entities:
            known = self._entities.get(entity.key)
            names = entity.names if known is None else _once((*known.names, *entity.names))
            self._entities[entity.key] = Entity(key=entity.key, names=names)
        self._notes.update(dict.fromkeys(ran.result.notes))
        self._fresh_for(ran.result.keep_s)

    def stop(self, note: str) -> None:
        """Takes down why it ended early."""
        self._notes[note] = None
        self._fresh_for(0.0)

    def evidence(self) -> Evidence:
        """All of it, without marks."""
        return Evidence(
            steps=tuple(self._steps),
            entities=tuple(self._entities.values()),
            figures=tuple(self.figures),
            notes=tuple(self._notes),
            keep_s=self._keep_s,
        )

    def _fresh_for(self, seconds: float | None) -> None:
        if seconds is not None:
            self._keep_s = seconds if self._keep_s is None else min(self._keep_s, seconds)


_hands = threading.BoundedSemaphore(MAX_HANDS)


class _Job:
    """One use of a tool, in a thread of its own that nobody has to wait for."""

    def __init__(self, runner: Runner, call: ToolCall, number: int) -> None:
        self.call = call
        self.number = number
        self.ended = threading.Event()
        self.ran: Ran | None = None
        self._runner = runner
        self._hands = _hands
        self._lock = threading.Lock()

    def begin(self, figures: Sequence[Figure]) -> None:
        """Has it done as soon as a hand is free; `figures` are what the steps before it returned."""
        threading.Thread(target=self._run, args=(figures,), name="assay-tool", daemon=True).start()

    def closed(self, seconds: float) -> Ran:
        """What came of it so far; what comes later is dropped."""
        with self._lock:
            if self.ran is None:
                self.ran = _failed(self.call, self.number, _TOO_LONG, seconds)
            return self.ran

    def _run(self, figures: Sequence[Figure]) -> None:
        with self._hands:
            if self.ran is not None:  # it waited for so long that it is closed
                return
            ran = self._used(figures)
        with self._lock:
            if self.ran is None:
                self.ran = ran
        self.ended.set()

    def _used(self, figures: Sequence[Figure]) -> Ran:
        try:
            return self._runner.run(self.call, self.number, figures)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a tool's thread)
            _log.error("A tool ended by an unexpected error: %s.", place_of(error))
            return _failed(self.call, self.number, "It failed for a reason of the workbench's own.", 0.0)


def _name(call: ToolCall) -> tuple[str, str]:
    """By which two calls are the same: the tool, and its arguments in any order."""
    try:
        return call.name, json.dumps(json.loads(call.arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        return call.name, call.arguments


def _running(call: ToolCall, number: int) -> Step:
    tool = cleaned(call.name, 60)
    return Step(number=number, tool=tool, arguments={}, words=_words(tool), state="running")


def _failed(call: ToolCall, number: int, why: str, seconds: float) -> Ran:
    tool = cleaned(call.name, 60)
    step = Step(number=number, tool=tool, arguments={}, words=_words(tool), state="failed", error=why, seconds=seconds)
    return Ran(step, None, as_json({"step": number, "tool": tool, "error": why}))


def _words(tool: str) -> str:
    return tool.replace("_", " ").strip().capitalize() or "Unknown tool"


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


_NOTHING_DONE = as_json({"error": _TOO_MANY})
