"""Stripe's events that are not solved, for operators: what each was, why it was not done, and what to do with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import streamlit as st

from core.db.stripe_events_dao import UnsolvedRow
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import plain, when

_STATES = {
    "waiting": Badge("tried again", "orange", ":material/schedule:"),
    "refused": Badge("refused", "red", ":material/block:"),
    "failed": Badge("given up", "red", ":material/error:"),
}


class EventDesk(Protocol):
    """What has an event worked on again, or set aside."""

    def run_again(self, principal: Principal, event_id: str) -> None:
        """Has it worked on now."""
        ...

    def set_aside(self, principal: Principal, event_id: str) -> None:
        """Ends it."""
        ...


def show(
    key: str,
    rows: Sequence[UnsolvedRow],
    troubles: Sequence[str],
    desk: EventDesk,
    principal: Principal,
    now: datetime,
) -> None:
    """What is the matter with billing, and each event that is not solved, the latest first."""
    for trouble in troubles:
        st.warning(plain(trouble), icon=":material/warning:")
    if not rows:
        show_empty("No event is left over", "Each event of Stripe was worked on.", icon=":material/task_alt:")
        return
    with show_list(key):
        for row in rows:
            with show_row(_row(row, now, principal.zone)), st.container(horizontal=True, gap="small"):
                _buttons(f"{key}_{row.id}", row, desk, principal)


def _row(row: UnsolvedRow, now: datetime, zone: str) -> Row:
    tries = f"{row.tries:,} {'try' if row.tries == 1 else 'tries'}"
    details = f"{row.said or 'It ended without a word.'}\n{row.id} · {tries} · came {when(row.received_at, now, zone)}"
    if row.state == "waiting" and row.due_at is not None:
        details += f" · next try {when(row.due_at, now, zone)}"
    return Row(row.type, details, (_STATES[row.state],), icon=":material/webhook:")


def _buttons(key: str, row: UnsolvedRow, desk: EventDesk, principal: Principal) -> None:
    confirm_button(
        f"{key}_again",
        "Run again",
        Question(
            "Run this event again?",
            "It is worked on as if it had just come. What was done of it already is not done twice.",
            "Run again",
            subject=row.type,
            done="The event is worked on",
        ),
        partial(desk.run_again, principal, row.id),
        icon=":material/replay:",
    )
    confirm_button(
        f"{key}_aside",
        "Set aside",
        Question(
            "Set this event aside?",
            "Nothing more comes of it, and what it said is forgotten. Do that where you have solved it by other means.",
            "Set aside",
            subject=row.type,
            done="The event is set aside",
        ),
        partial(desk.set_aside, principal, row.id),
        icon=":material/inventory_2:",
    )
