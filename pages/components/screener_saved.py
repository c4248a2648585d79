"""What can be done with a screen: save it, name and share it, look at its versions, copy and delete it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.principal import Principal, Role
from core.screener.criteria import Screen, spoken
from core.screener.screens import MAX_NAME_CHARS, SHARED_WITH, SavedScreen
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_errors
from pages.components.forms import acknowledge, saving, submit_button, text_field
from pages.components.words import plain

SHOWN_VERSIONS = 20
Opened = Callable[[str], object]
"""Is told what to open in the run to come."""


def show(key: str, principal: Principal, screen: Screen | None, saved: SavedScreen | None, *, opened: Opened) -> None:
    """The buttons that this person may press; `screen` is what is in the builder, `saved` where it began."""
    if not may(principal, Action.KEEP_SCREENS):
        st.caption("As a viewer you may look at screens and change them here, and not save them.", width="content")
        return
    if screen is not None:
        with st.popover("Save", icon=":material/save:", key=f"{key}_save_as"):
            _show_save(key, principal, screen, saved, opened)
    if saved is None:
        return
    if saved.is_own:
        with st.popover("Name and sharing", icon=":material/group:", type="tertiary"):
            _show_naming(f"{key}_naming_{saved.id}", principal, saved, opened)
    with st.popover(
        "Versions", icon=":material/history:", type="tertiary", on_change="rerun", key=f"{key}_past"
    ) as past:
        if past.open:
            _show_versions(f"{key}_version", principal, saved)
    if st.button("Copy", icon=":material/content_copy:", type="tertiary", key=f"{key}_copy"):
        with show_errors(principal, has_action=False):
            made = workbench.current().screener.screens.copy(principal, saved.id)
            opened(f"screen:{made.id}")
            acknowledge(f"{made.name} is made")
            st.rerun()
    if saved.is_own or principal.role in (Role.OWNER, Role.ADMIN):
        question = Question(
            "Delete this screen?",
            "All its versions go with it, and alerts on it fall silent.",
            "Delete",
            subject=saved.name,
            done="The screen is deleted",
        )
        confirm_button(f"{key}_delete", "Delete", question, lambda: _delete(principal, saved, opened))


def _delete(principal: Principal, saved: SavedScreen, opened: Opened) -> None:
    bench = workbench.current()
    bench.screener.screens.delete(principal, saved.id)
    opened(f"preset:{next(iter(bench.screener.screens.presets))}")


def _show_save(key: str, principal: Principal, screen: Screen, saved: SavedScreen | None, opened: Opened) -> None:
    service = workbench.current().screener.screens
    if saved is not None and screen != saved.screen:
        with st.form(f"{key}_change_{saved.id}", border=False):
            st.markdown(f"**{plain(saved.name)}** becomes: {plain(spoken(screen))}")
            if submit_button(f"Save as version {saved.version + 1}", key=f"{key}_change"):
                with saving(f"Version {saved.version + 1} is saved"):
                    service.change(
                        principal,
                        saved.id,
                        name=saved.name,
                        screen=screen,
                        shared_with=saved.shared_with,
                        after=saved.version,
                    )
                    opened(f"screen:{saved.id}")
    with st.form(f"{key}_new", border=False):
        name = text_field("Save as a new screen named", required=True, max_chars=MAX_NAME_CHARS, key=f"{key}_name")
        shared_with = _show_sharing(f"{key}_shared", None)
        if submit_button("Save", key=f"{key}_make"):
            with saving(f"{name} is saved"):
                made = service.create(principal, name, screen, shared_with=shared_with)
                opened(f"screen:{made.id}")


def _show_naming(key: str, principal: Principal, saved: SavedScreen, opened: Opened) -> None:
    with st.form(key, border=False):
        name = text_field("Name", saved.name, required=True, max_chars=MAX_NAME_CHARS, key=f"{key}_name")
        shared_with = _show_sharing(f"{key}_shared", saved.shared_with)
        if submit_button("Save", key=f"{key}_save"):
            with saving():
                workbench.current().screener.screens.change(
                    principal,
                    saved.id,
                    name=name,
                    screen=saved.screen,
                    shared_with=shared_with,
                    after=saved.version,
                )
                opened(f"screen:{saved.id}")


def _show_versions(key: str, principal: Principal, saved: SavedScreen) -> None:
    with show_errors(principal, has_action=False):
        versions = workbench.current().screener.screens.versions(principal, saved.id)
        for version in versions[:SHOWN_VERSIONS]:
            st.markdown(
                f"**{version.number}** by {plain(version.author)}, {version.created_at:%d %b %Y}  \n"
                f":gray[{plain(spoken(version.screen))}]"
            )
            if version.number != saved.version:
                st.button(
                    "Put into the builder",
                    icon=":material/restore:",
                    type="tertiary",
                    key=f"{key}_{version.number}",
                    on_click=_restore,
                    args=(key, version.screen),
                )


def _restore(key: str, screen: Screen) -> None:
    st.session_state[f"{key}_restored"] = screen


def restored(key: str) -> Screen | None:
    """An older version that was asked for, once."""
    screen: Screen | None = st.session_state.pop(f"{key}_version_restored", None)
    return screen


def _show_sharing(key: str, shared_with: str | None) -> str | None:
    options = list(SHARED_WITH)
    return st.selectbox(
        "Seen by", options, options.index(shared_with), format_func=lambda each: SHARED_WITH[each], key=key
    )
