"""Back from Stripe's own pages: what became of it is asked for, so that nobody waits for an event."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.principal import Principal
from pages.components.forms import acknowledge

PARAMETER = "bought"


def look_again(principal: Principal) -> None:
    """Where the address says that somebody comes back: reads at Stripe what was paid, once."""
    if PARAMETER not in st.query_params:
        return
    del st.query_params[PARAMETER]
    billing = workbench.current().billing
    if not billing.is_configured or not may(principal, Action.BUY):
        return
    billing.purchases.look_again(principal)
    billing.subscriptions.look_again(principal)
    acknowledge("Thank you. What was paid is here as soon as Stripe has it.")
    st.rerun()
