"""Verdicts in the grid of matches: what was said of a symbol's signals, and how long ago."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.verdicts.validations import Brief
from pages.components import verdict_look
from pages.components.theme import badge_color

if TYPE_CHECKING:
    import polars as pl

COLUMN, AGE = "verdict", "verdict_age"
Verdicts = Mapping[tuple[str, str], Brief]
"""The newest verdict on each signal of a scan, by symbol and type."""


def by_symbol(verdicts: Verdicts) -> Mapping[str, Sequence[Brief]]:
    """Of a symbol's verdicts the newest of each decision, the newest first."""
    found: dict[str, list[Brief]] = {}
    for (symbol, _), brief in verdicts.items():
        found.setdefault(symbol, []).append(brief)
    return {symbol: _differing(briefs) for symbol, briefs in found.items()}


def _differing(briefs: Sequence[Brief]) -> Sequence[Brief]:
    newest: dict[str, Brief] = {}
    for brief in sorted(briefs, key=lambda each: each.created_at, reverse=True):
        newest.setdefault(brief.verdict, brief)
    return list(newest.values())


def added(rows: pl.DataFrame, verdicts: Verdicts, now: datetime) -> pl.DataFrame:
    """The rows with both columns; empty where nothing was said."""
    import polars as pl

    found = by_symbol(verdicts)
    of_rows = [found.get(symbol, ()) for symbol in rows["symbol"]]
    said = [[verdict_look.told(each.verdict, each.confidence) for each in briefs] for briefs in of_rows]
    ages = [verdict_look.aged(briefs[0].created_at, now) if briefs else None for briefs in of_rows]
    return rows.with_columns(pl.Series(COLUMN, said, dtype=pl.List(pl.String)), pl.Series(AGE, ages, dtype=pl.String))


def shown(rows: pl.DataFrame) -> Sequence[str]:
    """The names of both, where any of the rows has a verdict."""
    return (COLUMN, AGE) if rows[AGE].null_count() < rows.height else ()


def columns(rows: pl.DataFrame) -> dict[str, Any]:
    """How both are drawn."""
    present: Collection[str] = rows[COLUMN].explode().drop_nulls().unique().sort().to_list()
    return {
        COLUMN: st.column_config.MultiselectColumn(
            "Verdict",
            options=list(present) or [""],
            color=[badge_color(verdict_look.LOOKS[each.split()[1]].color) for each in present] or "primary",
            help="What models said of its signals, the newest of each verdict, with its confidence; open a row to ask.",
            width=140,
        ),
        AGE: st.column_config.TextColumn("Said", help="How long ago the newest verdict was given.", width=90),
    }
