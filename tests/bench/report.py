"""The figures as one table for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.machine import commit, versions

HEADINGS = ("measurement", "goal", "p50", "p95", "n", "per second", "result")
_NUMERIC = slice(2, 6)
Areas = Mapping[str, Sequence[Figure]]


def table(areas: Areas) -> str:
    """One table of all figures, with numbered notes below it."""
    notes: list[str] = []
    rows = [HEADINGS, *(_row(figure, notes) for figures in areas.values() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    numbered = [f"[{number}] {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([*lines, *([""] if notes else []), *numbered])


def write(path: Path, areas: Areas, *, machine: Mapping[str, str | int | float], postgres: str, is_quick: bool) -> None:
    """The same figures for programs, with date, commit, machine and versions."""
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "is_quick": is_quick,
        "machine": machine,
        "versions": versions(postgres),
        "figures": [
            {"area": area, **asdict(figure), "verdict": figure.verdict}
            for area, figures in areas.items()
            for figure in figures
        ],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _row(figure: Figure, notes: list[str]) -> tuple[str, ...]:
    name = figure.name
    words = figure.why_not or figure.note
    if words:
        if words not in notes:
            notes.append(words)
        name = f"{name} [{notes.index(words) + 1}]"
    goal = ", ".join(goal.words(figure.unit) for goal in figure.goals)
    count = f"{figure.n:,}" if figure.n else ""
    rate = f"{figure.per_second:,.0f}" if figure.per_second is not None else ""
    p50, p95 = (_amount(value, figure.unit) for value in (figure.p50, figure.p95))
    return name, goal, p50, p95, count, rate, figure.verdict


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.3g} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numeric = range(len(row))[_NUMERIC]
    cells = [
        cell.rjust(width) if column in numeric else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
