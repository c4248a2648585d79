"""Which screen is looked at: a preset, a saved one, or one of one's own making, in the builder and in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import streamlit as st

from core import workbench
from core.principal import Principal
from core.screener.criteria import Group, Match, Screen
from core.screener.screens import SavedScreen
from pages.components import screener_builder, screener_condition, screener_saved
from pages.components.badges import Badge, show_badge
from pages.components.screener_condition import Known
from pages.components.words import numbered, plain

PRESET, SAVED, NEW = "preset", "screen", "new"
"""Kinds of origin; the first two are parameters of the page's address too."""
GONE = "The screen of this address is not there: it was deleted, or is not shared with you."


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the screen in the builder began."""

    label: str
    about: str
    screen: Screen
    saved: SavedScreen | None = None
    icon: str = ":material/filter_alt:"


def show(key: str, principal: Principal, known: Known) -> tuple[Screen | None, str, SavedScreen | None]:
    """The choice, what can be done with it, and the builder.

    Gives the screen, None where it makes no sense; what it is called; and the saved one that it is, unchanged.
    """
    origins = _origins(principal)
    name = _begin(key, origins)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _show_box(key, origins)
        actions = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content")
    origin = origins[name]
    sentence = st.container(gap="xxsmall")
    with st.expander("Filters", icon=":material/tune:", expanded=name == NEW, key=f"{key}_{name}_filters"):
        now = screener_builder.show(f"{key}_builder", known)
    is_changed = now != origin.screen
    with sentence:
        if origin.about and not is_changed:
            st.caption(plain(origin.about))
        screen = screener_builder.show_sentence(now)
    with actions:
        if is_changed and name != NEW:
            show_badge(Badge("changed", "orange"))
            st.button(
                "Undo", icon=":material/undo:", type="tertiary", key=f"{key}_undo", on_click=_want, args=(key, name)
            )
        screener_saved.show(f"{key}_saved", principal, screen, origin.saved, opened=lambda each: _want(key, each))
    _tell_address(name, is_changed=is_changed)
    return screen, origin.label, None if is_changed else origin.saved


def _origins(principal: Principal) -> dict[str, Origin]:
    """Everything that can be opened: own screens, those of others, presets, and a new one."""
    service = workbench.current().screener.screens
    found = {}
    for saved in service.all(principal):
        whose = "" if saved.is_own else f", by {saved.made_by}"
        about = f"Version {saved.version} by {saved.author}, {saved.updated_at:%d %b %Y}."
        found[f"{SAVED}:{saved.id}"] = Origin(f"{saved.name}{whose}", about, saved.screen, saved, ":material/bookmark:")
    for preset in service.presets.values():
        about = f"{preset.summary} Source: {preset.source}."
        found[f"{PRESET}:{preset.id}"] = Origin(preset.title, about, preset.screen)
    found[NEW] = Origin("New screen", "", Screen(Group(Match.ALL, (screener_condition.new(),))), icon=":material/add:")
    return found


def _begin(key: str, origins: Mapping[str, Origin]) -> str:
    """What is open: what was just asked for, what was open before, or what the address says."""
    wanted = st.session_state.pop(f"{key}_wanted", None)
    before = st.session_state.get(f"{key}_open")
    name = wanted or before or _of_address(origins)
    if name not in origins:
        st.info(GONE, icon=":material/search_off:")
        name = next(each for each in origins if each.startswith(PRESET))
    if name != before or wanted is not None or not screener_builder.is_loaded(f"{key}_builder"):
        screener_builder.load(f"{key}_builder", origins[name].screen)
        st.session_state[f"{key}_open"] = name
        st.session_state[f"{key}_box"] = name
    elif f"{key}_box" not in st.session_state:  # another page was looked at
        st.session_state[f"{key}_box"] = name
    older = screener_saved.restored(f"{key}_saved")
    if older is not None:
        screener_builder.load(f"{key}_builder", older)
    return name


def _of_address(origins: Mapping[str, Origin]) -> str:
    for kind in (SAVED, PRESET):
        given = st.query_params.get(kind)
        if given:
            return f"{kind}:{_id(given)}"
    return next(each for each in origins if each.startswith(PRESET))


def _id(given: str) -> str:
    """An id as we write it, where it is one."""
    try:
        return str(UUID(given))
    except ValueError:
        return given


def _show_box(key: str, origins: Mapping[str, Origin]) -> None:
    labels = dict(zip(origins, numbered([origin.label for origin in origins.values()]), strict=True))
    st.selectbox(
        "Screen",
        list(origins),
        format_func=lambda each: labels.get(each, ""),
        key=f"{key}_box",
        on_change=_open_chosen,
        args=(key,),
        help="Your screens and those shared with you come first, then screens that analysts know by name.",
        width=320,
    )


def _open_chosen(key: str) -> None:
    chosen = st.session_state.get(f"{key}_box")
    if chosen:
        _want(key, chosen)


def _want(key: str, name: str) -> None:
    """In the run to come this is opened."""
    st.session_state[f"{key}_wanted"] = name


def _tell_address(name: str, *, is_changed: bool) -> None:
    """The address names what is seen, and nothing where what is seen is nowhere kept."""
    kind, _, given = name.partition(":")
    for parameter in (PRESET, SAVED):
        told = given if parameter == kind and not is_changed else None
        if told is None:
            st.query_params.pop(parameter, None)
        elif st.query_params.get(parameter) != told:
            st.query_params[parameter] = told
