"""Verdicts: what models said of signals, what happened, how well calibrated they were, and what a right one cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core import workbench
from core.errors import NotFound
from core.verdicts.scoreboard import Board
from core.verdicts.validations import Filters, Page
from pages.components import verdict_ask, verdict_board, verdict_list, verdict_nightly, verdict_progress
from pages.components.errors import show_errors
from pages.components.headings import page_head, section
from pages.components.session import require
from pages.components.states import show_empty
from pages.components.verdict_board import Choice

st.set_page_config(layout="wide")
principal = require()
bench = workbench.current()
verdicts = bench.verdicts
labels = {model.id: model.label for model in bench.catalogue.all()}

HOW = (
    "Open a signal in the Screener and press AI validate. A verdict is scored once 5, and then 20, sessions have "
    "closed after it: from the next open, at the close. To fill the board at once, go to a past day with “Another "
    "date” on the Screener, scan, and validate: such verdicts are scored right away, and marked as retrospective."
)


def read_board(choice: Choice) -> Board:
    """The organisation's board."""
    return verdicts.scoreboard.of(
        principal,
        horizon=choice.horizon,
        against=choice.against,
        include=choice.include,
        group=choice.group,
    )


def read_page(filters: Filters, cursor: tuple[datetime, UUID] | None, most: int) -> Page:
    """The organisation's verdicts."""
    return verdicts.validations.page(principal, filters, cursor=cursor, most=most)


def show_card(opened: UUID) -> None:
    """The verdict that was clicked, or that the address names."""
    with show_errors(principal, has_action=False):
        try:
            verdict_ask.show_card("verdicts_card", principal, verdicts.validations.get(principal, opened))
        except NotFound as missing:
            st.caption(missing.detail)


def show_part(title: str, hint: str, show: Callable[[], None]) -> None:
    """A part of the page, which fails alone."""
    section(title, hint)
    with show_errors(principal, has_action=False):
        show()


def show_verdicts() -> None:
    """The list, and the card of the one that is open."""
    opened = verdict_list.show("verdicts_list", read_page, labels, now=datetime.now(UTC))
    if opened is not None:
        show_card(opened)


page_head("Verdicts", plan=principal.plan)
if principal.as_of is not None:
    st.caption(":material/history: The record stands as it is today, whatever date the market is seen as of.")
verdict_progress.show("verdicts_batch", principal)
with show_errors(principal):
    if verdicts.validations.page(principal, Filters(has_replays=True), most=1).verdicts:
        show_part(
            "Scoreboard",
            "What verdicts turned out to be worth, beside what always buying, or the signals alone, came to.",
            lambda: verdict_board.show("verdicts_board", read_board, labels),
        )
        show_part("All verdicts", "Newest first; a click opens the card.", show_verdicts)
    else:
        show_empty(
            "No verdict yet",
            HOW,
            lambda: st.page_link("screener.py", label="Go to the Screener", icon=":material/filter_alt:"),
            icon=":material/verified:",
        )
    verdict_nightly.show("verdicts_nightly", principal)
