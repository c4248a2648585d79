"""What the month will come to, with how that is reckoned; or why nothing can be said yet."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import streamlit as st

from core.metering.forecast import LEAST_DAYS, METHOD, Forecast
from pages.components.words import usd_figure

CENT = Decimal("0.01")


def show(forecast: Forecast | None, today: date) -> None:
    """One figure with its range, n and method."""
    month = f"{today:%B}"
    if forecast is None:
        st.caption(f":material/info: A forecast for {month} takes {LEAST_DAYS} full days of usage before today.")
        return
    figure, words = st.columns([2, 5], vertical_alignment="center")
    with figure:
        st.metric(
            f"{month} by its end, USD",
            _rounded(forecast.total),
            f"{_rounded(forecast.charged)} so far",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Projected: what was charged so far, and a likely rest of the month.",
        )
    with words:
        st.caption(
            f"**{_rounded(forecast.least)} to {_rounded(forecast.most)} USD** with 80 % likelihood, "
            f"n = {forecast.days} full days. {METHOD}"
        )


def _rounded(amount: Decimal) -> str:
    """To the cent; of less than a cent two digits that count."""
    if amount == 0 or amount >= CENT:
        return f"{amount.quantize(CENT):,}"
    return usd_figure(amount.quantize(Decimal(1).scaleb(amount.adjusted() - 1)))
