"""Usage: what is left of each limit, what was used and spent, what the month comes to, and the log of every request."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import streamlit as st

from core import workbench
from pages.components import (
    quota,
    usage_boost,
    usage_checks,
    usage_figures,
    usage_file,
    usage_forecast,
    usage_log,
    usage_period,
    usage_prompts,
    usage_spend,
)
from pages.components.errors import show_errors
from pages.components.headings import page_head, section
from pages.components.session import require
from pages.components.states import show_empty

CHECKED_DAYS = 30
BOOSTS_SHOWN = 10

st.set_page_config(layout="wide")
principal = require()
bench = workbench.current()
usage, spending, zone = bench.usage, bench.metering.spending, principal.zone
now = datetime.now(UTC)
today = now.astimezone(ZoneInfo(zone)).date()

page_head("Usage", plan=principal.plan)
with show_errors(principal):
    overview = usage.overview(principal)
    quota.show(overview, now, zone)
    usage_boost.show(
        "usage_boost",
        bench.boosts.mine(principal, most=BOOSTS_SHOWN),
        partial(bench.boosts.request, principal),
        principal,
        now,
        limited=[metric for metric, allowance in overview.allowances.items() if allowance.limit is not None],
    )

    section("What was used")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, last = usage_period.show("usage_period", today)
        is_whole = usage_period.show_whose("usage_whose", principal)
    st.caption(f"{usage_period.words(first, last)}, in {zone.replace('_', ' ')}")
    usage_period.show_kept_from(usage.kept_from(), first, zone, is_whole=is_whole)
    days = usage.by_day(principal, first, last, whole_organisation=is_whole)
    if not days:
        show_empty(
            "Nothing was used in this period",
            "Each question that is asked is counted here, with its cost.",
            lambda: st.page_link("chat.py", label="Go to Chat", icon=":material/forum:", width="content"),
        )
        st.stop()
    names = {model.id: model.label for model in bench.catalogue.all()}
    labels = {row.model: names.get(row.model, row.model) for row in days}
    span = spending.span(principal, first, last)
    spend = spending.by_feature(principal, span, whole_organisation=is_whole)
    usage_figures.show_totals(days, spend, shows_cost=is_whole)
    usage_figures.show_by_day("usage_days", days, first, last, labels)
    usage_forecast.show(spending.forecast(principal, now, whole_organisation=is_whole), today)

    if spend:
        section("Where it went", "By feature and model, the dearest first.")
        usage_spend.show("usage_spend", spend, labels, shows_cost=is_whole)
    top = spending.top_prompts(principal, span, whole_organisation=is_whole)
    if top.intents or top.templates:
        section("What was asked most", "Kinds of questions as the router took them, and templates; never their texts.")
        titles = {row.id.hex[-8:]: row.title for row in bench.templates.list(principal).rows} if top.templates else {}
        usage_prompts.show(top, titles)

    section("Every request")
    usage_log.show(
        "usage_log",
        partial(usage.log, principal, first, last, whole_organisation=is_whole),
        partial(usage_file.made, bench.metering.exports, principal, span, whole_organisation=is_whole),
        principal,
        period=(first, last),
        labels=labels,
        names_people=is_whole,
    )

    checks = [each for each in bench.answer_checks.by_model(principal, CHECKED_DAYS) if each.figures or each.steps]
    if checks:
        section(
            "Verified figures by model",
            f"Numbers in answers of the last {CHECKED_DAYS} days that a tool returned, of all that were looked up.",
        )
        usage_checks.show(checks, names)
