"""Billing: the plan beside the others, credits and where they went; managers buy."""

from __future__ import annotations

import streamlit as st

from pages.components import billing_credits, billing_ledger, billing_plan, billing_return, settings_sections
from pages.components.errors import show_errors
from pages.components.headings import page_head
from pages.components.session import require
from pages.components.settings_sections import Section

SECTIONS = {
    "plan": Section("Plan", billing_plan.show),
    "credits": Section("Credits", billing_credits.show),
    "ledger": Section("Ledger", billing_ledger.show),
}

st.set_page_config(layout="wide")
principal = require()
with show_errors(principal):
    billing_return.look_again(principal)
page_head("Billing", plan=principal.plan)
chosen = settings_sections.show("billing_section", SECTIONS, label="Part of billing")
with show_errors(principal):
    chosen.draw(principal)
