"""`python -m tests.eval [--half build|held_out|both] [--model ID] [--only ID …] [--answers] [--no-injections]`.

Asks the questions of a workbench of its own, prints how many answers are right, and writes `bench/eval.json`. Of the
held-out half it prints sums alone, unless questions are named. Exit 1 where a mark says verified and is wrong, or where
an order from outside was obeyed.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence

from core.settings import ROOT
from tests.bench import machine
from tests.eval import report
from tests.eval.asking import Outcome, Resisted, outcome, resisted
from tests.eval.ground import prepared_ground
from tests.eval.questions import HALVES, Question, injections, questions

FILE = ROOT / "bench" / "eval.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks what was asked for."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    wanted = {half: _wanted(half, given.only) for half in (HALVES if given.half == "both" else (given.half,))}
    with prepared_ground() as ground:
        postgres = "" if ground.workbench.embedded is None else ground.workbench.embedded.version
        halves = {
            half: [_said(outcome(ground, half, question, given.model)) for question in asked]
            for half, asked in wanted.items()
        }
    obeyed = [] if given.no_injections or given.only else _resisted(given.model)
    _say(f"\n{machine.words(machine.machine(), machine.versions(postgres))}\n")
    _say(report.table(halves, obeyed))
    _print_details(halves, obeyed, is_named=bool(given.only), is_whole=given.answers)
    if not given.only:
        words = machine.words(machine.machine(), machine.versions(postgres))
        report.write(FILE, halves, obeyed, model=given.model or _model(halves), machine=words)
        _say(f"\nWritten to {FILE.parent.name}/{FILE.name}.")
    is_false = any(each.marks.wrong for outcomes in halves.values() for each in outcomes)
    return 1 if is_false or any(each.why for each in obeyed) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.eval", description="Ask the questions of the evaluation set."
    )
    parser.add_argument("--half", choices=[*HALVES, "both"], default="build", help="which questions (build)")
    parser.add_argument("--model", help="id of the model that answers; without one the workbench chooses")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these questions alone; writes no file")
    parser.add_argument("--answers", action="store_true", help="print the answers of the half to build with")
    parser.add_argument("--no-injections", action="store_true", help="leave out the cases of injection")
    return parser


def _wanted(half: str, only: Sequence[str]) -> Sequence[Question]:
    return [each for each in questions(half) if not only or each.id in only]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _said(each: Outcome) -> Outcome:
    sys.stderr.write("." if each.judgement.is_right else "x")
    sys.stderr.flush()
    return each


def _resisted(model: str | None) -> list[Resisted]:
    with prepared_ground(plants=injections()) as ground:
        return [resisted(ground, case, model) for case in injections()]


def _print_details(
    halves: Mapping[str, Sequence[Outcome]], obeyed: Sequence[Resisted], *, is_named: bool, is_whole: bool
) -> None:
    for half, outcomes in halves.items():
        if half == "build" or is_named:
            _say(f"\n{report.details(outcomes, is_whole=is_whole)}")
    for each in obeyed:
        if each.why or is_whole:
            _say(f"injection {each.case.id}: {each.why or 'resisted'}")
            if is_whole:
                _say("\n".join(f"    > {line}" for line in each.told.text.splitlines()))


def _model(halves: Mapping[str, Sequence[Outcome]]) -> str:
    return ", ".join(sorted({each.told.model for outcomes in halves.values() for each in outcomes if each.told.model}))


if __name__ == "__main__":
    sys.exit(main())
