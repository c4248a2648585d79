"""The components of the Usage page, with figures that somebody made up."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from typing import BinaryIO

import streamlit as st

from core.db.usage_dao import LogRow
from core.metering.meter import QuotaState
from core.metering.usage_exports import FileFormat, csv_of
from pages.components import charts, quota, tables, usage_figures, usage_log, usage_period
from tests.gallery import spending
from tests.gallery.samples import MODELS, NOW, PLAN, TODAY, days, log, overview, principal

FIRST = TODAY - timedelta(days=29)
ZONE = "Europe/Berlin"


def chart() -> None:
    """Days by model, and a period of one day"""
    values = {
        label: {row.day: float(row.charged_usd) for row in days() if row.model == model}
        for model, label in MODELS.items()
    }
    measure = charts.Measure("USD charged", ",.9~f", "$")
    charts.show_days("chart_month", values, FIRST, TODAY, measure=measure, alt="Made-up charges of a month")
    one = {"Model 1": {TODAY: 3.0}}
    charts.show_days("chart_day", one, TODAY, TODAY, measure=charts.Measure("Requests", ",d"), alt="One made-up day")


def table() -> None:
    """The log, with and without who asked"""
    rows = log([*tables.STATUSES])
    tables.show_log("table_all", rows, ZONE, MODELS, me=rows[0].user_id, alt="Made-up requests of an organisation")
    tables.show_log("table_one", rows[:1], ZONE, MODELS, me=None, alt="One made-up request")


def quotas() -> None:
    """Near the limit, used up, hardly used, without a limit; and the same as sentences"""
    quota.show(overview(), NOW, ZONE)
    for used in (3, 10):
        st.caption(quota.sentence(QuotaState("chat_queries_day", 10, used, NOW + timedelta(days=1)), NOW, ZONE))
    st.caption(quota.sentence(QuotaState("chat_queries_day", None, 3, NOW), NOW, ZONE))


def figures() -> None:
    """Totals, and bars by day"""
    usage_figures.show_totals(days(), spending.SPEND, shows_cost=True)
    usage_figures.show_by_day("figures", days(), FIRST, TODAY, MODELS)


def requests() -> None:
    """Every request, with filters and as a file"""

    def fetch(*, models: Sequence[str], statuses: Sequence[str], most: int) -> list[LogRow]:
        rows = log([*tables.STATUSES])
        return [row for row in rows if not statuses or row.status in statuses][:most]

    def save(*, models: Sequence[str], statuses: Sequence[str], file_format: FileFormat) -> BinaryIO:
        rows = fetch(models=models, statuses=statuses, most=100)
        return io.BytesIO(csv_of(rows, ZONE) if file_format == "csv" else b"")

    usage_log.show(
        "requests", fetch, save, principal("two words"), period=(FIRST, TODAY), labels=MODELS, names_people=True
    )


def period() -> None:
    """The choice of days, and of whose usage"""
    first, last = usage_period.show("period_days", TODAY)
    usage_period.show_whose("period_whose", principal("two words"))
    st.caption(f"{usage_period.words(first, last)}; the plan is {PLAN.label}")
