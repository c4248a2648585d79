"""The form of one template: a field for each variable, the question as it would be asked, and the button that asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date

import streamlit as st

from core.errors import InvalidRequest
from core.research.template_texts import MAX_VALUE_CHARS, Value, Variable
from core.research.templates import FilledTemplate, Template
from pages.components.template_list import facts
from pages.components.words import plain

PREVIEW_PX = 150
Fill = Callable[[Mapping[str, Value]], FilledTemplate]
"""Makes the question of the values; what is missing or wrong is an `InvalidRequest`."""


def show(key: str, template: Template, fill: Fill) -> FilledTemplate | None:
    """The form; gives the question in the run in which it is to be asked."""
    st.markdown(f"**{plain(template.title)}** {facts(template)}")
    if template.description:
        st.caption(plain(template.description))
    values = show_fields(f"{key}_{template.id}", template.inputs)
    filled, flaw = None, None
    try:
        filled = fill(values)
    except InvalidRequest as error:
        flaw = error
    st.caption("The question as it will be asked" if filled else "The question")
    with st.container(height=PREVIEW_PX, border=True, key=f"{key}_preview"):
        st.text(template.text if filled is None else filled.text)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(plain(flaw.detail) if flaw else "Asking counts as one question.", width="stretch")
        if st.button("Ask", type="primary", key=f"{key}_ask", disabled=filled is None) and filled is not None:
            return filled
    return None


def show_fields(key: str, variables: Sequence[Variable]) -> dict[str, Value]:
    """A field for each variable, by its kind; gives what is filled in."""
    values: dict[str, Value] = {}
    for variable in variables:
        value = _FIELDS[variable.kind](f"{key}_{variable.name}", variable)
        if value not in (None, ""):
            values[variable.name] = value
    return values


def _text(key: str, variable: Variable) -> Value:
    return st.text_input(_label(variable), variable.default, max_chars=MAX_VALUE_CHARS, live="500ms", key=key) or ""


def _symbol(key: str, variable: Variable) -> Value:
    typed = st.text_input(_label(variable), variable.default, max_chars=20, placeholder="AAPL", live="500ms", key=key)
    return (typed or "").strip().upper()


def _number(key: str, variable: Variable) -> Value:
    default = None
    with suppress(ValueError):
        default = float(variable.default)
    typed = st.number_input(_label(variable), value=default, format="%g", step=1.0, key=key)
    if typed is None:
        return ""
    return int(typed) if float(typed).is_integer() else typed  # 5, and not 5.0


def _date(key: str, variable: Variable) -> Value:
    default = None
    with suppress(ValueError):
        default = date.fromisoformat(variable.default)
    chosen = st.date_input(_label(variable), default, format="YYYY-MM-DD", key=key)
    return chosen.isoformat() if isinstance(chosen, date) else ""


def _choice(key: str, variable: Variable) -> Value:
    options = list(variable.choices)
    index = options.index(variable.default) if variable.default in options else None
    return st.selectbox(_label(variable), options, index=index, placeholder="Choose", key=key) or ""


def _label(variable: Variable) -> str:
    return plain(variable.asked) if variable.is_required else f"{plain(variable.asked)} (optional)"


_FIELDS: dict[str, Callable[[str, Variable], Value]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "symbol": _symbol,
    "choice": _choice,
}
"""The field for each kind."""
