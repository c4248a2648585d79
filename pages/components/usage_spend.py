"""What was spent by feature and model, and how long their answers took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.db.usage_dao import SpendRow

FEATURES = {
    "chat_query": "Chat",
    "signal_validation": "Signal validation",
    "portfolio_analysis": "Portfolio analysis",
    "sec_filing": "SEC filings",
}
OTHER = "Other"
"""AI requests that are counted as no feature: embeddings, images, research."""


def show(key: str, rows: Sequence[SpendRow], labels: Mapping[str, str], *, shows_cost: bool) -> None:
    """A table, the dearest first; `labels` names models."""
    import pyarrow as pa

    columns = {
        "Feature": [FEATURES.get(row.feature or "", OTHER) for row in rows],
        "Model": [labels.get(row.model, row.model) or "none" for row in rows],
        "Charged, USD": [float(row.charged_usd) for row in rows],
        "Requests": [row.requests for row in rows],
        "Credits": [float(row.credits) for row in rows],
        "Providers' cost, USD": [float(row.cost_usd) for row in rows],
        "Mean answer, s": [row.latency_ms / row.answered / 1000 if row.answered else None for row in rows],
        "Answers timed": [row.answered for row in rows],
    }
    if not shows_cost:
        del columns["Providers' cost, USD"]
    if not any(row.credits for row in rows):
        del columns["Credits"]
    plain = st.column_config.NumberColumn(format="plain")
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        column_config={
            "Feature": st.column_config.TextColumn(width=140),
            "Model": st.column_config.TextColumn(width=160),
            "Requests": st.column_config.NumberColumn(format="localized"),
            "Charged, USD": plain,
            "Credits": plain,
            "Providers' cost, USD": plain,
            "Mean answer, s": st.column_config.NumberColumn(
                format="%.2f", help="From the request to the last word, over the answers of the next column."
            ),
            "Answers timed": st.column_config.NumberColumn(format="localized", help="n: calls that answered."),
        },
        alt="Charges and time of answers by feature and model, the dearest first",
    )


def mean_seconds(rows: Sequence[SpendRow]) -> tuple[float | None, int]:
    """Mean time of an answer over all rows, in seconds, and n."""
    answered = sum(row.answered for row in rows)
    return (sum(row.latency_ms for row in rows) / answered / 1000 if answered else None), answered
