"""The portfolio that questions are about: chosen, changed and cleared beside the input, kept with the conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import streamlit as st

from core.db.conversations_dao import ConversationRow
from core.portfolio.portfolios import PortfolioInfo
from pages.components.errors import show_message
from pages.components.words import numbered, plain

PARAMETER = "portfolio"
"""Of the page's address, so that a question about a portfolio can be linked to."""
NONE = "No portfolio"
Keep = Callable[[UUID, UUID | None], object]
"""Says which portfolio the next questions of a conversation are about."""


def named(row: ConversationRow | None) -> str:
    """The id of the conversation's portfolio, or in a new one that of the address; empty: none."""
    if row is None:
        return st.query_params.get(PARAMETER, "")
    return "" if row.portfolio_id is None else str(row.portfolio_id)


def chosen(portfolios: Sequence[PortfolioInfo], row: ConversationRow | None) -> PortfolioInfo | None:
    """The portfolio that the next question is about; None: none, or one that is gone."""
    wanted = named(row)
    return next((each for each in portfolios if str(each.id) == wanted), None)


def show(
    key: str, portfolios: Sequence[PortfolioInfo], row: ConversationRow | None, keep: Keep, *, is_busy: bool = False
) -> None:
    """The choice; `row` is the open conversation, None a new one."""
    if not portfolios:
        return
    found = chosen(portfolios, row)
    names = dict(
        zip((str(each.id) for each in portfolios), numbered([_name(each) for each in portfolios]), strict=True)
    )
    widget = f"{key}_{'new' if row is None else row.id}"
    st.session_state[widget] = None if found is None else str(found.id)
    st.selectbox(
        "Portfolio that the question is about",
        list(names),
        index=None,
        format_func=lambda each: f"About {names.get(each, '')}",
        placeholder=NONE,
        key=widget,
        on_change=_keep,
        args=(widget, None if row is None else row.id, keep),
        disabled=is_busy,
        label_visibility="collapsed",
        width=240,
    )


def show_missing(key: str, portfolios: Sequence[PortfolioInfo], row: ConversationRow | None, keep: Keep) -> bool:
    """Says that the portfolio is gone, with the button to go on without it; whether it is."""
    if not named(row) or chosen(portfolios, row) is not None:
        return False
    show_message(
        "The portfolio of this conversation is not there." if row else "There is no such portfolio.",
        "It was deleted, or is no longer shared with you. Choose another one below, or go on without.",
        icon=":material/link_off:",
        box=st.warning,
    )
    st.button(
        "Go on without it",
        key=key,
        icon=":material/close:",
        on_click=_clear,
        args=(None if row is None else row.id, keep),
    )
    return True


def show_told(portfolios: Sequence[PortfolioInfo], row: ConversationRow | None) -> None:
    """Which portfolio a conversation is about, for who may only read it."""
    found = chosen(portfolios, row)
    if found is not None:
        st.caption(f":material/account_balance: About {plain(_name(found))}")


def follow(row: ConversationRow | None) -> None:
    """The address names the portfolio of the open conversation."""
    if row is None:
        return
    wanted = named(row)
    if wanted:
        if st.query_params.get(PARAMETER) != wanted:
            st.query_params[PARAMETER] = wanted
    elif PARAMETER in st.query_params:
        st.query_params.pop(PARAMETER)


def _keep(widget: str, conversation_id: UUID | None, keep: Keep) -> None:
    value = st.session_state[widget]
    if value is None:
        _clear(conversation_id, keep)
        return
    st.query_params[PARAMETER] = value
    if conversation_id is not None:
        keep(conversation_id, UUID(value))


def _clear(conversation_id: UUID | None, keep: Keep) -> None:
    st.query_params.pop(PARAMETER, None)
    if conversation_id is not None:
        keep(conversation_id, None)


def _name(info: PortfolioInfo) -> str:
    return info.name if info.is_own else f"{info.name} ({info.made_by})"
