"""The builder of a screen: conditions in groups of which all or any must hold. What is typed stays until another screen
is opened, also while another page is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import streamlit as st

from core.errors import InvalidRequest
from core.screener.criteria import Condition, Group, Match, Screen, checked, conditions_of, spoken
from pages.components import screener_condition
from pages.components.screener_condition import Known
from pages.components.words import plain

EDITED_DEPTH = 2
"""Groups deeper than these are shown in words."""
_MATCHES = {Match.ALL: "all of these", Match.ANY: "any of these"}


@dataclass(frozen=True, slots=True)
class _Row:
    """A condition as it began, under a number that no other row of the session has."""

    id: int
    condition: Condition


@dataclass(frozen=True, slots=True)
class _Block:
    """A group as it began."""

    id: int
    match: Match
    name: str
    items: tuple[_Row | _Block, ...]


def load(key: str, screen: Screen) -> None:
    """From now on the builder shows this screen."""
    numbers = st.session_state.setdefault(f"{key}_numbers", count(1))
    st.session_state[f"{key}_draft"] = _block(screen.root, numbers)
    st.session_state[f"{key}_now"] = screen
    st.session_state[f"{key}_is_new"] = True


def is_loaded(key: str) -> bool:
    """Whether there is a screen in the builder."""
    return f"{key}_now" in st.session_state


def show(key: str, known: Known) -> Screen:
    """Draws the screen, and gives it as it is now; whether it makes sense, `show_sentence` says."""
    draft: _Block = st.session_state[f"{key}_draft"]
    if not st.session_state[f"{key}_is_new"] and f"{key}_{draft.id}_match" not in st.session_state:
        load(key, st.session_state[f"{key}_now"])  # its widgets went with another page
        draft = st.session_state[f"{key}_draft"]
    st.session_state[f"{key}_is_new"] = False
    screen = Screen(_show_block(key, draft, known, depth=1))
    st.session_state[f"{key}_now"] = screen
    return screen


def show_sentence(screen: Screen) -> Screen | None:
    """The whole screen in a sentence; where it makes no sense, the sentence that says why, and None."""
    try:
        made = checked(screen)
    except InvalidRequest as error:
        is_marked = any(_mistake(condition) for condition in conditions_of(screen.root))
        sentence = "A condition makes no sense yet; it is marked among the filters." if is_marked else error.detail
        st.warning(plain(sentence), icon=":material/edit_note:")
        return None
    st.markdown(f":material/filter_alt: {plain(spoken(made))}")
    return made


def _show_block(key: str, block: _Block, known: Known, *, depth: int) -> Group:
    with st.container(border=depth > 1, gap="small"):
        match = _show_match(key, block, depth=depth)
        items = [_show_item(key, block, item, known, depth=depth) for item in block.items]
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Add condition",
                icon=":material/add:",
                type="tertiary",
                key=f"{key}_{block.id}_add",
                on_click=_add,
                args=(key, block.id, screener_condition.new()),
            )
            if depth < EDITED_DEPTH:
                st.button(
                    "Add group",
                    icon=":material/library_add:",
                    type="tertiary",
                    key=f"{key}_{block.id}_add_group",
                    on_click=_add,
                    args=(key, block.id, Group(Match.ANY, (screener_condition.new(),))),
                    help="Conditions in brackets, of which all or any must hold.",
                )
    return Group(match, tuple(items), block.name)


def _show_match(key: str, block: _Block, *, depth: int) -> Match:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        title = f"**{plain(block.name)}:** meets" if block.name else "Symbols that meet" if depth == 1 else "meets"
        st.markdown(title, width="content")
        chosen = st.segmented_control(
            "How many must hold",
            list(_MATCHES),
            format_func=lambda each: _MATCHES[each],
            default=block.match,
            required=True,
            key=f"{key}_{block.id}_match",
            label_visibility="collapsed",
        )
        if depth > 1:
            _show_remove(key, block.id, "Remove group")
    return chosen or block.match


def _show_item(key: str, block: _Block, item: _Row | _Block, known: Known, *, depth: int) -> Condition | Group:
    if isinstance(item, _Row):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            condition = screener_condition.show(f"{key}_{item.id}", item.condition, known)
            _show_remove(key, item.id, "Remove condition")
        _show_mistake(condition)
        return condition
    if depth < EDITED_DEPTH:
        return _show_block(key, item, known, depth=depth + 1)
    group = _group(item)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":gray[{plain(spoken(Screen(group)))}]")
        _show_remove(key, item.id, "Remove group")
    return group


def _show_mistake(condition: Condition) -> None:
    mistake = _mistake(condition)
    if mistake:
        st.markdown(f":orange[:material/edit_note: {plain(mistake)}]")


def _mistake(condition: Condition) -> str:
    """What is wrong with a condition alone."""
    try:
        checked(Screen(Group(Match.ALL, (condition,))))
    except InvalidRequest as error:
        return error.detail
    return ""


def _show_remove(key: str, item_id: int, label: str) -> None:
    st.button(
        "Remove",
        icon=":material/close:",
        type="tertiary",
        key=f"{key}_{item_id}_remove",
        on_click=_remove,
        args=(key, item_id),
        help=label,
    )


def _add(key: str, block_id: int, item: Condition | Group) -> None:
    numbers = st.session_state[f"{key}_numbers"]
    made = _Row(next(numbers), item) if isinstance(item, Condition) else _block(item, numbers)
    st.session_state[f"{key}_draft"] = _with(st.session_state[f"{key}_draft"], block_id, made)


def _remove(key: str, item_id: int) -> None:
    st.session_state[f"{key}_draft"] = _without(st.session_state[f"{key}_draft"], item_id)


def _with(block: _Block, block_id: int, made: _Row | _Block) -> _Block:
    items = tuple(_with(each, block_id, made) if isinstance(each, _Block) else each for each in block.items)
    return replace(block, items=(*items, made) if block.id == block_id else items)


def _without(block: _Block, item_id: int) -> _Block:
    kept = (each for each in block.items if each.id != item_id)
    return replace(block, items=tuple(_without(each, item_id) if isinstance(each, _Block) else each for each in kept))


def _block(group: Group, numbers: Iterator[int]) -> _Block:
    number = next(numbers)
    items = (_block(each, numbers) if isinstance(each, Group) else _Row(next(numbers), each) for each in group.items)
    return _Block(number, group.match, group.name, tuple(items))


def _group(block: _Block) -> Group:
    items = (_group(each) if isinstance(each, _Block) else each.condition for each in block.items)
    return Group(block.match, tuple(items), block.name)
