"""What looks like abuse, each with the lines that show it, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from core.admin.abuse import SPANS, Finding, Kind
from core.admin.changes import Effect
from core.principal import Principal
from pages.components.badges import Badge, BadgeColor
from pages.components.confirm import Question, confirm_button
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty

KINDS: dict[Kind, tuple[str, str, BadgeColor]] = {
    Kind.VOLUME: ("Unusual volume", ":material/trending_up:", "orange"),
    Kind.REFUSALS: ("Repeated refusals", ":material/block:", "orange"),
    Kind.SHARED_TOKEN: ("Shared token", ":material/key:", "red"),
    Kind.INJECTION: ("Injection attempts", ":material/bug_report:", "red"),
}
"""What each kind is called, with its sign and colour."""


class Ender(Protocol):
    """What ends tokens."""

    def revoke_token(self, principal: Principal, token_id: UUID, *, everything: bool) -> None:
        """Ends one."""
        ...


class Keeper(Protocol):
    """What deactivates accounts, and lets members go."""

    def remove(self, principal: Principal, org_id: UUID, user_id: UUID) -> None:
        """Lets a member go."""
        ...

    def set_active(self, principal: Principal, user_id: UUID, *, is_active: bool) -> Effect:
        """Deactivates one."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks, over what, and what they can do."""

    principal: Principal
    ender: Ender
    keeper: Keeper
    everything: bool


def show_span(key: str) -> int:
    """The choice of the days that are looked at."""
    chosen = st.segmented_control(
        "Days",
        SPANS,
        default=SPANS[0],
        required=True,
        format_func=lambda days: "Today" if days == 1 else f"{days} days",
        key=key,
        help="Days of UTC: today, as far as it has come, and those before it.",
    )
    return int(chosen or SPANS[0])


def show(key: str, findings: Sequence[Finding], desk: Desk) -> None:
    """Each finding with its figures, its evidence and its buttons."""
    if not findings:
        show_empty(
            "Nothing looks like abuse",
            "Volumes against the own past and the plan, refusals, places of tokens and guards are looked at.",
            icon=":material/verified_user:",
        )
        return
    for number, finding in enumerate(findings):
        _show_finding(f"{key}_{number}", finding, desk)


def _show_finding(key: str, finding: Finding, desk: Desk) -> None:
    label, icon, color = KINDS[finding.kind]
    where = f", {finding.org_name}" if desk.everything else ""
    row = Row(f"{finding.email}{where}", finding.words, (Badge(label, color),), icon=icon)
    with show_list(key):
        with show_row(row):
            _show_buttons(key, finding, desk)
        with st.expander("Evidence", icon=":material/list:"):
            for line in finding.evidence:
                st.text(f"{_time_words(line.at, desk.principal.zone)}  {line.words}")


def _time_words(at: date, zone: str) -> str:
    """A moment in the reader's zone, a whole day as what it is: of UTC."""
    return f"{at.astimezone(ZoneInfo(zone)):%d %b %H:%M}" if isinstance(at, datetime) else f"{at:%d %b} UTC"


def _show_buttons(key: str, finding: Finding, desk: Desk) -> None:
    if finding.token_id is not None:
        question = Question(
            "Revoke this token?",
            "What uses it stops at once; its owner can make another.",
            "Revoke",
            no="Keep",
            subject=finding.email,
            done="The token is revoked",
        )
        do = partial(_revoke, desk, finding.token_id)
        confirm_button(f"{key}_revoke", "Revoke token", question, do, icon=":material/key_off:")
    if finding.user_id == desk.principal.user_id:
        return
    if desk.principal.is_operator:
        question = Question(
            "Deactivate this account?",
            "Its sessions, tokens and invitations stop at once, in every organisation.",
            "Deactivate",
            no="Keep",
            subject=finding.email,
            done="The account is deactivated",
        )
        do = partial(_deactivate, desk, finding.user_id)
        confirm_button(f"{key}_deactivate", "Deactivate", question, do, icon=":material/block:")
    else:
        question = Question(
            "Remove this member?",
            "They lose access to the organisation at once; their sessions and tokens here end.",
            "Remove",
            no="Keep",
            subject=finding.email,
            done="The member is removed",
        )
        do = partial(_remove, desk, finding)
        confirm_button(f"{key}_remove", "Remove", question, do, icon=":material/person_remove:")


def _revoke(desk: Desk, token_id: UUID) -> None:
    desk.ender.revoke_token(require(), token_id, everything=desk.everything)


def _remove(desk: Desk, finding: Finding) -> None:
    desk.keeper.remove(require(), finding.org_id, finding.user_id)


def _deactivate(desk: Desk, user_id: UUID) -> None:
    desk.keeper.set_active(require(), user_id, is_active=False)
