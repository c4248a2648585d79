"""Checklists for a security: what was ticked, by whom and when, and the checklists of one's own."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.market.as_of import AsOf
from core.market.market_time import spoken
from core.notebook.checklists import MAX_ITEM_CHARS, MAX_ITEMS, MAX_TITLE_CHARS, Checklists, Item, Line, Progress
from core.principal import Principal
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_errors
from pages.components.forms import saving, submit_button, text_field
from pages.components.quote_line import told
from pages.components.words import numbered, plain

HINT = "One item a line. A line that stays the same, or changes in its place, keeps what was ticked."


def show(key: str, principal: Principal, symbol: str, as_of: AsOf) -> None:
    """One checklist at a time for a symbol, ticked by the organisation together."""
    service = workbench.current().checklists
    with show_errors(principal):
        every = {each.template.id: each for each in service.progress(principal, symbol, as_of)}
        labels = dict(zip(every, numbered([_label(each) for each in every.values()]), strict=True))
        chosen = st.selectbox(
            "Checklist", list(every), format_func=lambda each: labels.get(each, ""), key=f"{key}_chosen"
        )
        if chosen not in every:
            return
        progress, may_write = every[chosen], may(principal, Action.KEEP_NOTES)
        st.progress(progress.done / progress.total, f"{progress.done} of {progress.total} done")
        for line in progress.lines:
            _show_line(f"{key}_{symbol}_{chosen}", service, principal, progress, line, symbol=symbol, as_of=as_of)
        if may_write:
            with st.container(horizontal=True, gap="small"):
                with st.popover("New checklist", icon=":material/add:", type="tertiary"):
                    _show_form(f"{key}_new_{len(every)}", service, principal, None)
                if progress.template.is_own and not progress.template.is_withdrawn:
                    with st.popover("Change", icon=":material/edit:", type="tertiary"):
                        _show_form(f"{key}_{chosen}", service, principal, progress)
                    _show_withdraw(f"{key}_{chosen}_withdraw", service, principal, progress)


def _show_line(
    key: str, service: Checklists, principal: Principal, progress: Progress, line: Line, *, symbol: str, as_of: AsOf
) -> None:
    is_done = line.tick is not None
    is_fixed = not may(principal, Action.KEEP_NOTES) or (progress.template.is_withdrawn and not is_done)
    # What was ticked in another state is no wish in this one, so the state is part of the key.
    widget_key = f"{key}_{line.item.id}_{is_done}_{as_of.day}"
    with st.container(gap=None):
        wished = st.checkbox(plain(line.item.text), is_done, key=widget_key, disabled=is_fixed, wrap=True)
        if line.tick is not None:
            st.caption(plain(_told(line, principal)))
    if wished == is_done:
        return
    with show_errors(principal, has_action=False):
        service.tick(principal, symbol, progress.template.id, line.item.id, as_of, is_done=wished)
        st.rerun()


def _told(line: Line, principal: Principal) -> str:
    """Who ticked it and when, and what has become of it since."""
    tick = line.tick
    assert tick is not None
    words = f"{tick.ticked_by}, {told(tick.ticked_at, principal.zone)}, as of {spoken(tick.as_of)}"
    if line.is_dropped:
        return f"{words}; no longer on the checklist"
    return f"{words}; it then said “{tick.text}”" if line.has_changed else words


def _show_form(key: str, service: Checklists, principal: Principal, progress: Progress | None) -> None:
    template = progress.template if progress else None
    place = f"{key}_since"
    since = st.session_state.setdefault(place, template.updated_at) if template else None
    key = f"{key}_{since}" if template else key  # what is typed belongs to the checklist that it was typed into
    with st.form(f"{key}_form", border=False):
        title = text_field(
            "Title", template.title if template else "", required=True, max_chars=MAX_TITLE_CHARS, key=f"{key}_title"
        )
        written = st.text_area(
            "Items",
            "\n".join(item.text for item in template.items) if template else "",
            height=200,
            max_chars=MAX_ITEMS * (MAX_ITEM_CHARS + 1),
            key=f"{key}_items",
            help=HINT,
        )
        if submit_button("Save" if template else "Make it", key=f"{key}_save"):
            lines = [line.strip() for line in written.splitlines() if line.strip()]
            with saving(f"{title} is kept"):
                if template is None:
                    service.create(principal, title, lines)
                else:
                    service.change(principal, template.id, title, matched(template.items, lines), since=since)
                    st.session_state.pop(place)
    if template is not None and since != template.updated_at:
        st.button("Show it as it is now", key=f"{key}_anew", on_click=st.session_state.pop, args=(place,))


def _show_withdraw(key: str, service: Checklists, principal: Principal, progress: Progress) -> None:
    question = Question(
        "Withdraw this checklist?",
        "It is offered no longer. Where something was ticked, it can still be seen.",
        "Withdraw",
        subject=progress.template.title,
    )
    confirm_button(
        key, "Withdraw", question, lambda: service.withdraw(principal, progress.template.id), icon=":material/archive:"
    )


def matched(items: Sequence[Item], lines: Sequence[str]) -> list[Item]:
    """The lines as items: one that says what an item says is that item, otherwise the item in its place if that one is
    gone, otherwise a new one."""
    by_text = {item.text: item for item in items if item.text in lines}
    used = {item.id for item in by_text.values()}
    kept: list[Item] = []
    for number, line in enumerate(lines):
        same = by_text.pop(line, None)
        there = items[number] if number < len(items) and items[number].id not in used else None
        if same is None and there is not None:
            used.add(there.id)
        found = same or there
        kept.append(Item(found.id if found else "", line))
    return kept


def _label(progress: Progress) -> str:
    return f"{progress.template.title}{', withdrawn' if progress.template.is_withdrawn else ''}"
