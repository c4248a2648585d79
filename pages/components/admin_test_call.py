"""A button that asks a model a short question, as an operator finds out whether it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import streamlit as st

from core.admin.models import TEST_PROMPT, TestCall
from core.ai.catalogue import Model
from core.errors import AssayError
from core.principal import Principal
from pages.components.errors import show_error
from pages.components.words import plain, usd


class Tester(Protocol):
    """What makes test calls."""

    def test(self, principal: Principal, model_id: str) -> TestCall:
        """Asks a model a short question."""
        ...


def show(key: str, models: Sequence[Model], tester: Tester, principal: Principal) -> None:
    """The choice of a model, the button, and what came of it."""
    labels = {model.id: model.label for model in models if model.task == "chat"}
    with st.form(key):
        model_id = st.selectbox("Model", list(labels), format_func=lambda name: labels[name], key=f"{key}_model")
        st.caption(
            plain(
                f"Asks “{TEST_PROMPT}”, past the cache. It is metered like any other call: under your own limits, at "
                f"the cost of {principal.org_name}."
            )
        )
        is_sent = st.form_submit_button("Make a test call", icon=":material/bolt:")
    if not is_sent or model_id is None:
        return
    try:
        with st.spinner("Waiting for the answer"):
            made = tester.test(principal, model_id)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return
    show_result(made, labels.get(made.model, made.model))


def show_result(made: TestCall, label: str) -> None:
    """What came of a call."""
    if made.text is None:
        st.error(plain(f"{label} did not answer. {made.failure}"), icon=":material/error:")
        return
    took = "" if made.latency_ms is None else f" in {made.latency_ms:,} ms"
    st.success(
        plain(f"{label} answered{took}, for {usd(made.charged_usd)}, charged to {made.org_name}."),
        icon=":material/check_circle:",
    )
    st.text(made.text.strip() or "The answer is empty.")
