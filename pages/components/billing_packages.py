"""Packages of credits; a manager pays for one on Stripe's own checkout."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from core import workbench
from core.errors import AssayError
from core.metering.pricing import USD_PER_CREDIT, Package
from core.principal import Principal
from pages.components.badges import Badge, show_badge
from pages.components.billing_change import show_checkout
from pages.components.billing_words import money
from pages.components.errors import show_error


def show(key: str, principal: Principal, packages: Sequence[Package], *, can_buy: bool) -> None:
    """A card for each package."""
    with st.grid(4, min_column_width=190):
        for package in packages:
            with st.container(border=True, height="stretch", gap="xsmall"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.markdown(f"**{package.name}**", width="content")
                    saved = _saved(package)
                    if saved:
                        show_badge(Badge(f"{saved} % more", "green"))
                st.markdown(f"{package.credits:,} credits")
                st.caption(f"{money(package.price_usd)}, before tax")
                if can_buy and st.button(
                    f"Buy {package.credits:,}",
                    key=f"{key}_{package.id}",
                    width="stretch",
                    icon=":material/toll:",
                    help="Leads to Stripe’s checkout. Nothing is paid before you confirm it there.",
                ):
                    _open(principal, package)


def _saved(package: Package) -> int:
    """How much more a package has than its price is worth, in percent."""
    worth = package.price_usd / USD_PER_CREDIT
    return int(100 * (Decimal(package.credits) - worth) / worth)


def _open(principal: Principal, package: Package) -> None:
    try:
        with st.spinner("Asking Stripe for a checkout"):
            url = workbench.current().billing.purchases.checkout(principal, package.id)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return

    @st.dialog(f"Buy {package.credits:,} credits", icon=":material/toll:")
    def lead_there() -> None:
        st.markdown(f"{package.credits:,} credits for {money(package.price_usd)}, before tax.")
        show_checkout(url)

    lead_there()
