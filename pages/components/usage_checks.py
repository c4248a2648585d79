"""How many figures of answers were verified, by the model that wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.research.answer_checks import ModelChecks

ALT = "Figures in answers and how many of them a tool returned, by model"


def show(key: str, checks: Sequence[ModelChecks], labels: Mapping[str, str]) -> None:
    """A table of the models, most asked first."""
    import pyarrow as pa

    st.dataframe(
        pa.table(
            {
                "Model": [labels.get(each.model, each.model) for each in checks],
                "Answers": [each.answers for each in checks],
                "Figures": [each.figures for each in checks],
                "Verified": [each.verified for each in checks],
                "Share verified": [None if each.share is None else 100 * each.share for each in checks],
                "Steps": [each.steps for each in checks],
                "Failed steps": [each.failed_steps for each in checks],
            }
        ),
        key=key,
        hide_index=True,
        column_config={
            "Model": st.column_config.TextColumn(pinned=True),
            "Share verified": st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100),
        },
        alt=ALT,
    )
