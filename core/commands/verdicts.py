"""`python -m core verdicts replay`: what another model, or another prompt, says of the snapshots that were kept."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import get_args

from core.ai.prompts import read_prompt
from core.errors import AssayError, InvalidRequest
from core.settings import Settings
from core.verdicts.answer import Decision
from core.verdicts.comparison import SCORED_OVER, Comparison, Score, Side
from core.verdicts.replays import ReplayPlan, ReplayRequest, ReplayResult
from core.workbench import open_workbench

DECISIONS: tuple[Decision, ...] = get_args(Decision)
MOST_LINES = 20
"""Failed snapshots that are printed; all are counted."""
WIDTHS = (44, 26, 26)
"""Of the columns of the comparison."""
UNCHANGED = (
    "Nothing was changed: which model nightly verdicts ask is set under Verdicts, and all are asked under "
    "data/prompts/validate_signal.md."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said on the command line."""

    org: str
    model: str
    prompt: Path | None
    budget_usd: Decimal
    most: int
    is_scored_only: bool
    is_agreed: bool
    """Whether it was said beforehand that it may cost something."""


def replay(settings: Settings, asked: Asked) -> int:
    """Says what a replay would cost, asks, shows the snapshots, and prints the comparison; 1 where nothing came."""
    if asked.prompt is not None and not asked.prompt.is_file():
        raise InvalidRequest(f"There is no file {asked.prompt.name}.")
    prompt = None if asked.prompt is None else read_prompt(asked.prompt)
    request = ReplayRequest(asked.model, asked.budget_usd, prompt, asked.most, asked.is_scored_only)
    with closing(open_workbench(settings)) as opened:
        principal, replays = opened.directory.owner(asked.org), opened.verdicts.replays
        plan = replays.plan(principal, request)
        _print_plan(plan, principal.org_name, opened.usage.quota(principal, "signal_validations_day").remaining)
        if plan.waiting and not plan.fitting:
            raise InvalidRequest(f"The budget covers no call: the first costs up to {_first_usd(plan)} USD.")
        if plan.waiting and not asked.is_agreed and not _agreed():
            print("Nothing was asked.")
            return 0
        result = replays.run(principal, plan, _told)
    return _print_result(result, plan)


class _Failed(AssayError):
    """No snapshot was answered."""

    title = "The replay failed"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise InvalidRequest("Nothing was asked: say --yes where nobody can be asked whether it may cost this.")
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _told(done: int, total: int) -> None:
    print(f"{done:,} of {total:,}", flush=True)


def _print_plan(plan: ReplayPlan, org: str, quota_left: int | None) -> None:
    request, waiting = plan.request, len(plan.waiting)
    print(f"{org}: {_snapshots(len(plan.kept))} through {request.model}, prompt {plan.prompt_version}.")
    print(f"Kept verdicts are of {_listed(row.model for row in plan.kept)}.")
    if waiting < len(plan.kept):
        print(f"Answered by an earlier run, and free: {len(plan.kept) - waiting:,}.")
    if not waiting:
        return
    left = "unlimited" if quota_left is None else f"{quota_left:,}"
    print(
        f"To be asked: {waiting:,}, for at most {_usd(plan.total_usd)} USD in all. The budget of "
        f"{_usd(request.budget_usd)} USD covers {plan.fitting:,} at worst. Each counts one signal validation of the "
        f"organisation; left today: {left}."
    )


def _print_result(result: ReplayResult, plan: ReplayPlan) -> int:
    for problem in result.problems[:MOST_LINES]:
        print(f"{problem.symbol:12}{problem.words}")
    if len(result.problems) > MOST_LINES:
        print(f"and {len(result.problems) - MOST_LINES:,} more")
    if result.stopped is not None:
        print(f"Stopped after {result.asked:,} of {len(plan.waiting):,}: {result.stopped.rstrip('.')}.")
    if result.comparison is None:
        raise _Failed(result.stopped or "No snapshot was answered.")
    unusable = sum(problem.is_unusable for problem in result.problems)
    print(
        f"{_snapshots(result.comparison.n)} compared: {result.asked:,} asked now, {result.earlier:,} before; "
        f"{unusable:,} unusable, {len(result.problems) - unusable:,} failed, {result.waiting:,} not asked. "
        f"Spent {_usd(result.spent_usd)} of {_usd(plan.request.budget_usd)} USD."
    )
    _print_comparison(result.comparison)
    print("\nThe outcome was known when the replay was asked: a model trained since may know it.")
    print(UNCHANGED)
    return 0


def _print_comparison(compared: Comparison) -> None:
    print(f"\nAgreed on {compared.agreed:,} of {compared.n:,}. Rows: verdicts kept; columns: of the replay.")
    print(f"{'':8}" + "".join(f"{decision:>8}" for decision in DECISIONS))
    for kept in DECISIONS:
        print(f"{kept:8}" + "".join(f"{compared.matrix.get((kept, replay), 0):>8,}" for replay in DECISIONS))
    print()
    _print_row("", "kept", "replay")
    for sessions in SCORED_OVER:
        scores = compared.kept.scores[sessions], compared.replay.scores[sessions]
        _print_row(f"right over {sessions} sessions (95 % interval)", *map(_hit_rate, scores))
        _print_row(f"Brier score over {sessions} sessions", *(_or_none(each.brier, ".3f") for each in scores))
        _print_row(f"USD for each right one over {sessions} sessions", *(_usd(each.usd_per_hit) for each in scores))
    sides = compared.kept, compared.replay
    _print_row("numbers verified", *map(_verified, sides))
    _print_row("USD for each verdict", *(_usd(side.usd_per_verdict) for side in sides))
    _print_row("median time of a call", *(_or_none(side.latency_ms, ",.0f", " ms") for side in sides))


def _print_row(*cells: str) -> None:
    print("".join(f"{cell:{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip())


def _hit_rate(score: Score) -> str:
    if score.hit_rate is None:
        return "n/a"
    return f"{score.hit_rate:.0%} of {score.n:,} ({score.low:.0%} to {score.high:.0%})"


def _verified(side: Side) -> str:
    return f"{side.numbers_verified / side.numbers:.0%} of {side.numbers:,}" if side.numbers else "n/a"


def _or_none(value: float | None, form: str, unit: str = "") -> str:
    return "n/a" if value is None else f"{value:{form}}{unit}"


def _usd(amount: Decimal | None) -> str:
    if amount is None:
        return "n/a"
    return f"{amount.quantize(Decimal('0.000001'), ROUND_UP).normalize():f}"


def _first_usd(plan: ReplayPlan) -> str:
    return _usd(plan.most_usd[plan.waiting[0].snapshot_id])


def _snapshots(number: int) -> str:
    return f"{number:,} snapshot{'' if number == 1 else 's'}"


def _listed(names: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    parts: Sequence[str] = [f"{name} ({n:,})" for name, n in sorted(counts.items(), key=lambda item: -item[1])]
    return ", ".join(parts)
