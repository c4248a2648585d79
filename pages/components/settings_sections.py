"""The parts of a page of which one is shown at a time; the address says which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from core.principal import Principal

PARAMETER = "section"


@dataclass(frozen=True, slots=True)
class Section:
    """One part, by its name."""

    label: str
    draw: Callable[[Principal], None]


def show(key: str, sections: Mapping[str, Section], *, label: str = "Part of the settings") -> Section:
    """The part that the address names, or else the first, beneath the choice of another."""
    named = st.query_params.get(PARAMETER, "")
    st.session_state[key] = named if named in sections else next(iter(sections))
    st.pills(
        label,
        list(sections),
        format_func=lambda name: sections[name].label,
        required=True,
        key=key,
        label_visibility="collapsed",
        on_change=_go_to,
        args=(key,),
    )
    return sections[str(st.session_state[key])]


def _go_to(key: str) -> None:
    st.query_params[PARAMETER] = st.session_state[key]
