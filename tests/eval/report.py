"""The table of a run, and the file that keeps its figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

from tests.eval.asking import Outcome, Resisted

KINDS = ("exact", "tolerance", "refusal", "ambiguous")
FEW = 5
"""Wrong or missing marks that are printed of an answer."""


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What a run, or a half of it, comes to."""
    asked: Counter[str] = Counter(each.question.kind for each in outcomes)
    right: Counter[str] = Counter(each.question.kind for each in outcomes if each.judgement.is_right)
    marks = [each.marks for each in outcomes]
    firsts = sorted(each.told.first_word_s for each in outcomes if each.told.first_word_s is not None)
    number, equal = sum(each.marks for each in marks), sum(each.equal for each in marks)
    alarms = sum(len(each.alarms) for each in marks)
    cost = sum((each.told.cost_usd for each in outcomes), Decimal(0))
    return {
        "right": {kind: [right[kind], asked[kind]] for kind in KINDS if asked[kind]},
        "right_in_all": [sum(right.values()), len(outcomes)],
        "first_word_s": {"median": _quantile(firsts, 0.5), "p95": _quantile(firsts, 0.95)},
        "numbers_marked": number,
        "numbers_unmarked": sum(len(each.unmarked) for each in marks),
        "verified_share": _share(sum(each.verified for each in marks), number),
        "wrong_verified": sum(len(each.wrong) for each in marks),
        "false_alarms": alarms,
        "false_alarm_share": _share(alarms, equal),
        "cost_usd": str(cost),
        "errors": sum(bool(each.told.error) for each in outcomes),
    }


def table(halves: Mapping[str, Sequence[Outcome]], resisted: Sequence[Resisted]) -> str:
    """What a run came to, as text."""
    shown = {half: figures_of(outcomes) for half, outcomes in halves.items()}
    rows = [
        ("", *halves),
        *((f"right, {kind}", *(_of(_right(each, kind)) for each in shown.values())) for kind in (*KINDS, "in all")),
        ("seconds to the first word, median / p95", *(_seconds(each["first_word_s"]) for each in shown.values())),
        (
            "numbers with a mark / without one",
            *(_two(each, "numbers_marked", "numbers_unmarked") for each in shown.values()),
        ),
        ("verified", *(_percent(each["verified_share"]) for each in shown.values())),
        ("marked verified and wrong", *(str(each["wrong_verified"]) for each in shown.values())),
        ("false alarms", *(_alarms(each) for each in shown.values())),
        ("cost, USD", *(f"{Decimal(each['cost_usd']):.6f}" for each in shown.values())),
        ("errors", *(str(each["errors"]) for each in shown.values())),
    ]
    if resisted:
        kept = sum(not each.why for each in resisted)
        rows.append(("injections resisted", f"{kept} of {len(resisted)}", *("" for _ in list(halves)[1:])))
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(halves) + 1)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows
    )


def details(outcomes: Iterable[Outcome], *, is_whole: bool = False) -> str:
    """What was wrong, question by question; with `is_whole` every answer too."""
    lines = []
    for each in outcomes:
        marks = each.marks
        if each.judgement.is_right and not (marks.wrong or marks.alarms or marks.unmarked or is_whole):
            continue
        lines.append(f"{each.question.id}: {each.judgement.why or 'right'}")
        if marks.wrong:
            lines.append(f"    verified and wrong: {'; '.join(marks.wrong[:FEW])}")
        if marks.alarms:
            lines.append(f"    false alarms: {'; '.join(marks.alarms[:FEW])}")
        if marks.unmarked and each.told.evidence is not None:
            lines.append(f"    without a mark: {'; '.join(marks.unmarked[:FEW])}")
        if is_whole:
            lines += [
                f"    ? {each.question.question.strip()}",
                *(f"    > {line}" for line in each.told.text.splitlines()),
            ]
    return "\n".join(lines)


def write(
    path: Path, halves: Mapping[str, Sequence[Outcome]], resisted: Sequence[Resisted], *, model: str, machine: str
) -> None:
    """Writes the figures; of single questions those of the half to build with alone."""
    content = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model,
        "machine": machine,
        "halves": {half: figures_of(outcomes) for half, outcomes in halves.items()},
        "build": [_row(each) for each in halves.get("build", ())],
        "injections": [{"id": each.case.id, "resisted": not each.why, "why": each.why} for each in resisted],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _row(each: Outcome) -> dict[str, Any]:
    return {
        "id": each.question.id,
        "right": each.judgement.is_right,
        "why": each.judgement.why,
        "first_word_s": None if each.told.first_word_s is None else round(each.told.first_word_s, 4),
        "verified": each.marks.verified,
        "marks": each.marks.marks,
        "wrong": list(each.marks.wrong),
        "alarms": list(each.marks.alarms),
    }


def _right(figures: Mapping[str, Any], kind: str) -> Sequence[int]:
    found: Sequence[int] = figures["right_in_all"] if kind == "in all" else figures["right"].get(kind, (0, 0))
    return found


def _of(counts: Sequence[int]) -> str:
    return f"{counts[0]} of {counts[1]}" if counts[1] else ""


def _two(figures: Mapping[str, Any], first: str, second: str) -> str:
    return f"{figures[first]} / {figures[second]}"


def _alarms(figures: Mapping[str, Any]) -> str:
    return f"{figures['false_alarms']} ({_percent(figures['false_alarm_share'])})"


def _seconds(quantiles: Mapping[str, float | None]) -> str:
    return " / ".join("" if each is None else f"{each:.3f}" for each in quantiles.values())


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f} %"


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _quantile(values: Sequence[float], share: float) -> float | None:
    return round(values[max(ceil(share * len(values)) - 1, 0)], 4) if values else None
