"""Findings about a portfolio as tools tell them, and the figures that their sentences state."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.ai.evidence import Figure, Unit
from core.ai.outside import cleaned
from core.portfolio.checks import OK, TOP
from core.portfolio.income import share, total
from core.portfolio.report import Report
from core.research.tools.market_material import figure
from core.research.tools.portfolio_material import PORTFOLIO

UNSTATED = frozenset({"fees"})
"""Checks whose sentence states figures that the report has not; transactions have them."""


def told_checks(report: Report) -> list[dict[str, Any]]:
    """The findings that are more than well, each with its sentence."""
    return [
        {"id": check.id, "severity": check.severity} | ({} if check.id in UNSTATED else {"words": cleaned(check.words)})
        for check in report.checks
        if check.severity != OK
    ]


def check_figures(report: Report) -> list[Figure]:
    """What the sentences of the findings state."""
    value, lines = report.ribbon.value, report.holdings
    weights = [line.weight for line in lines if line.weight is not None]
    generated = [line for line in lines if line.price.is_generated]
    foreign = total(part for code, part in report.currencies.items() if code != report.currency)
    missing = int(np.isnan(report.series.value).sum())
    has_all = bool(lines) and len(weights) == len(lines)
    found: tuple[tuple[str, float | None, Unit], ...] = (
        ("herfindahl", sum(each * each for each in weights) if has_all else None, "number"),
        ("top_weights", sum(weights[:TOP]) if has_all else None, "fraction"),
        ("foreign_share", share(foreign, value), "fraction"),
        ("stale_prices", float(report.ribbon.stale), "number"),
        ("stale_share", report.ribbon.stale_share, "fraction"),
        ("generated_prices", float(len(generated)), "number"),
        ("generated_share", share(total(line.value for line in generated), value), "fraction"),
        ("missing_days", float(missing), "number"),
        ("sessions", float(len(report.series.days)), "number"),
    )
    day = report.day
    return [each for measure, number, unit in found for each in figure(PORTFOLIO, measure, number, unit, day=day)]
