"""A list of things with something to do at each: members, sessions, tokens, invitations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.avatar import show_avatar
from pages.components.badges import Badge, show_badge
from pages.components.words import plain


@dataclass(frozen=True, slots=True)
class Row:
    """What one row says; its texts are shown as they are, never as markup."""

    title: str
    details: str = ""
    badges: tuple[Badge, ...] = ()
    person: tuple[str, str] | None = None
    """Name and address of whom it is about; they get their circle."""
    icon: str = ""
    """Instead of a person."""


def person_row(name: str, email: str, badges: tuple[Badge, ...] = ()) -> Row:
    """A row about a person; who has no name yet is called by their address."""
    return Row(name or email, email if name else "", badges, person=(name, email))


@contextmanager
def show_list(key: str) -> Iterator[None]:
    """The frame around a list; its rows are drawn inside."""
    with st.container(border=True, gap="small", key=key):
        yield


def show_row(row: Row) -> DeltaGenerator:
    """One row, which wraps where the window is narrow. Gives the place of its buttons, at the end."""
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with line:
        if row.person is not None:
            show_avatar(*row.person)
        elif row.icon:
            st.markdown(f":gray[{row.icon}]", width="content")
        with st.container(gap=None, width="stretch"):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.markdown(f"**{plain(row.title.strip())}**", width="content")
                for badge in row.badges:
                    show_badge(badge)
            if row.details:
                st.text(row.details)
        return st.container(horizontal=True, vertical_alignment="center", gap="small", width="content")
