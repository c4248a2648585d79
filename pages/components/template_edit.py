"""The form in which a template is written: its text, what its variables are, and who sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.research.template_texts import KINDS, MAX_CHOICES, MAX_LABEL_CHARS, MAX_VARIABLES, Kind, Variable, names_in
from core.research.templates import Sharing, TemplateDraft
from pages.components.words import plain

MAX_TITLE_CHARS, MAX_CATEGORY_CHARS, MAX_DESCRIPTION_CHARS, MAX_TEXT_CHARS = 80, 40, 500, 20_000
_SHARING: dict[Sharing, str] = {"private": "Only I", "shared": "My organisation", "public": "Everybody"}
_KINDS: dict[Kind, str] = {
    "text": "Text",
    "number": "Number",
    "date": "Date",
    "symbol": "Symbol",
    "choice": "One of a list",
}
TEXT_HELP = (
    "Write {{symbol}} where something is filled in each time: lower-case letters, digits and underscores. "
    "{{template:Title}} puts another template in that place."
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What somebody can choose here."""

    categories: Sequence[str]
    may_publish: bool
    """Whether they may write for every organisation."""


def show(key: str, draft: TemplateDraft, allowed: Allowed) -> TemplateDraft | None:
    """The form; gives the template as it is written in the run in which it is to be kept."""
    title = st.text_input("Title", draft.title, max_chars=MAX_TITLE_CHARS, required=True, key=f"{key}_title")
    text = st.text_area(
        "Question", draft.text, max_chars=MAX_TEXT_CHARS, height=130, help=plain(TEXT_HELP), key=f"{key}_text"
    )
    variables = show_variables(key, text or "", draft.variables)
    with st.container(horizontal=True, gap="small"):
        category = _show_category(key, draft.category, allowed.categories)
        sharing = _show_sharing(key, draft.sharing, may_publish=allowed.may_publish)
    description = st.text_input(
        "What it is for (optional)", draft.description, max_chars=MAX_DESCRIPTION_CHARS, key=f"{key}_description"
    )
    if not st.button("Save template", type="primary", key=f"{key}_save"):
        return None
    return TemplateDraft(
        (title or "").strip(), (text or "").strip(), category, (description or "").strip(), sharing, variables
    )


def show_variables(key: str, text: str, known: Sequence[Variable]) -> tuple[Variable, ...]:
    """One fold for each variable that stands in the text; gives them as they are described."""
    by_name = {variable.name: variable for variable in known}
    names = names_in(text)[:MAX_VARIABLES]
    if names:
        st.caption("Filled in each time")
    return tuple(
        _show_variable(f"{key}_{name}", by_name.get(name, Variable(name, kind=_kind_of(name)))) for name in names
    )


def _show_variable(key: str, variable: Variable) -> Variable:
    with st.expander(f"**{plain(variable.name)}**", key=f"{key}_fold"):
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            label = st.text_input("Asked as", variable.asked, max_chars=MAX_LABEL_CHARS, key=f"{key}_label", width=210)
            kind = st.selectbox(
                "Kind",
                list(_KINDS),
                index=KINDS.index(variable.kind),
                format_func=lambda name: _KINDS[name],
                key=f"{key}_kind",
                width=150,
            )
            default = st.text_input("Begins as (optional)", variable.default, key=f"{key}_default", width=170)
            is_required = st.checkbox("Needed", variable.is_required, key=f"{key}_required")
        choices = variable.choices
        if kind == "choice":
            typed = st.multiselect(
                "Choices",
                list(choices),
                list(choices),
                accept_new_options=True,
                max_selections=MAX_CHOICES,
                placeholder="Type one and press Enter",
                key=f"{key}_choices",
            )
            choices = tuple(typed)
    return Variable(
        variable.name,
        (label or "").strip(),
        kind,
        (default or "").strip(),
        choices if kind == "choice" else (),
        is_required,
    )


def _show_category(key: str, category: str, categories: Sequence[str]) -> str:
    options = list(dict.fromkeys([category, *categories]))
    chosen = st.selectbox(
        "Category",
        options,
        accept_new_options=True,
        help="Choose one, or type another.",
        key=f"{key}_category",
        width=210,
    )
    return (chosen or category).strip()[:MAX_CATEGORY_CHARS]


def _show_sharing(key: str, sharing: Sharing, *, may_publish: bool) -> Sharing:
    options = [each for each in _SHARING if each != "public" or may_publish or sharing == "public"]
    return st.segmented_control(
        "Who sees it",
        options,
        default=sharing,
        format_func=lambda each: _SHARING[each],
        required=True,
        key=f"{key}_sharing",
    )


def _kind_of(name: str) -> Kind:
    """What a variable of this name most likely is."""
    last = name.rpartition("_")[2]
    return "symbol" if last in ("symbol", "ticker") else "date" if last in ("date", "day") else "text"
