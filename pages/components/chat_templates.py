"""Templates beside the input: one button, and behind it the list, the form to fill one in, and the one to write one.

The three are views of one dialog; what they do, the service does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import streamlit as st

from core.accounts.permissions import Action, may
from core.errors import AssayError
from core.principal import Principal
from core.research.templates import Template, TemplateDraft, Templates
from pages.components import chat_turn, template_edit, template_list, template_use
from pages.components.chat_turn import Turn
from pages.components.errors import show_error, show_errors

ICON = ":material/article:"
MAX_TITLE_CHARS = 60
"""Of a title that is made of a question."""


@dataclass(frozen=True, slots=True)
class View:
    """What the dialog shows: the list, or one template to be used, written anew or changed."""

    template_id: UUID | None = None
    draft: TemplateDraft | None = None
    """What a new one begins with."""
    is_edited: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where templates are kept, and for whom."""

    templates: Templates
    principal: Callable[[], Principal]
    """Who is at the page, checked anew."""
    last_question: str = ""
    """What can be kept as a template; empty: nothing was asked."""


def show(key: str, shelf: Shelf, *, is_busy: bool = False) -> None:
    """The button that opens the dialog."""
    pressed = st.button(
        "Templates",
        icon=ICON,
        key=key,
        help="Questions to fill in: those of the workbench, of your organisation, and your own.",
        disabled=is_busy,
        on_click=_go,
        args=(key, View()),
        wrap=False,
    )
    if pressed:
        st.dialog("Templates", icon=ICON, width="medium")(show_view)(key, shelf)


def show_view(key: str, shelf: Shelf) -> None:
    """What stands in the dialog."""
    place, view = st.empty(), st.session_state.get(_view(key), View())
    with show_errors(has_action=False):
        principal = shelf.principal()
        with place.container():
            has_left = _show(key, shelf, principal, view)
        if has_left:
            with place.container():
                _show_list(key, shelf, principal)


def _show(key: str, shelf: Shelf, principal: Principal, view: View) -> bool:
    """One view; whether what was to be done in it is done, so that the list follows."""
    if view == View():
        _show_list(key, shelf, principal)
        return False
    st.button(
        "All templates",
        icon=":material/arrow_back:",
        type="tertiary",
        key=f"{key}_back",
        on_click=_go,
        args=(key, View()),
    )
    if view.is_edited:
        return _show_edit(key, shelf.templates, principal, view)
    if view.template_id is not None:
        _show_use(key, shelf.templates, principal, view.template_id)
    return False


def _show_list(key: str, shelf: Shelf, principal: Principal) -> None:
    templates = shelf.templates
    sought, category = template_list.show_search(f"{key}_search", templates.categories(principal))
    page = templates.list(principal, sought=sought, category=category)
    template_list.show(
        f"{key}_list",
        page.rows,
        use=lambda template_id: _go(key, View(template_id)),
        change=lambda template_id: _go(key, View(template_id, is_edited=True)),
    )
    if page.next_place is not None:
        st.caption(f"The first {len(page.rows)} are shown: search for others.")
    if may(principal, Action.KEEP_TEMPLATES):
        _show_new(key, shelf.last_question)


def _show_new(key: str, question: str) -> None:
    with st.container(horizontal=True, gap="small"):
        st.button(
            "New template",
            icon=":material/add:",
            key=f"{key}_new",
            on_click=_go,
            args=(key, View(draft=TemplateDraft("", ""), is_edited=True)),
        )
        if question:
            st.button(
                "Keep the last question",
                icon=":material/bookmark_add:",
                key=f"{key}_keep",
                help="Makes a template of what was asked last in this conversation.",
                on_click=_go,
                args=(key, View(draft=TemplateDraft(_title_of(question), question), is_edited=True)),
            )


def _show_use(key: str, templates: Templates, principal: Principal, template_id: UUID) -> None:
    template = templates.get(principal, template_id)
    asked = template_use.show(f"{key}_use", template, lambda values: templates.filled(principal, template_id, values))
    if asked is not None:
        chat_turn.wish_turn(Turn(asked.text, template=asked))
        st.rerun()


def _show_edit(key: str, templates: Templates, principal: Principal, view: View) -> bool:
    """The form; whether the template was kept or deleted."""
    kept = None if view.template_id is None else templates.get(principal, view.template_id)
    form = f"{key}_edit_{view.template_id or 'new'}_{st.session_state.get(_done(key), 0)}"
    allowed = template_edit.Allowed(templates.categories(principal), may_publish=principal.is_operator)
    draft = template_edit.show(form, _draft_of(kept, view), allowed)
    if kept is not None and _show_delete(form, templates, principal, kept):
        return _leave(key, "The template is deleted")
    if draft is None:
        return False
    try:
        if kept is None:
            templates.create(principal, draft)
        else:
            templates.change(principal, kept.id, draft, after=kept.version)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return False
    return _leave(key, "The template is kept")


def _show_delete(form: str, templates: Templates, principal: Principal, kept: Template) -> bool:
    """The button, which asks first (a dialog cannot open another one); whether the template is deleted."""
    with st.popover("Delete", icon=":material/delete:", type="tertiary", key=f"{form}_delete"):
        st.markdown("It is gone for all who see it. Questions that were asked with it stay.")
        is_sure = st.button("Delete template", type="primary", key=f"{form}_delete_yes")
    if is_sure:
        templates.delete(principal, kept.id)
    return is_sure


def _leave(key: str, done: str) -> bool:
    """The list is what the dialog shows, and the next form begins anew."""
    st.session_state[_done(key)] = st.session_state.get(_done(key), 0) + 1
    _go(key, View())
    st.toast(done, icon=":material/check_circle:")
    return True


def _draft_of(kept: Template | None, view: View) -> TemplateDraft:
    if kept is None:
        return view.draft or TemplateDraft("", "")
    return TemplateDraft(kept.title, kept.text, kept.category, kept.description, kept.sharing, kept.variables)


def _title_of(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= MAX_TITLE_CHARS else f"{line[: MAX_TITLE_CHARS - 1].rstrip()}…"


def _go(key: str, view: View) -> None:
    st.session_state[_view(key)] = view


def _done(key: str) -> str:
    """Where it is kept how many forms were filled in."""
    return f"{key}_done"


def _view(key: str) -> str:
    return f"{key}_view"
