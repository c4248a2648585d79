"""The audit log: looked through, with what was before and after side by side; exported; checked against its seals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from core.admin.audit_log import MEDIA_TYPES, MOST_EXPORTED, AuditPage, EventRow, Format, Report, Wanted
from core.ops.audit_actions import AuditAction
from core.principal import Principal
from pages.components.badges import Badge, show_badge
from pages.components.states import show_empty
from pages.components.words import plain, when

DAYS = 30
"""Days that are looked through unless others are chosen."""
MAX_TEXT_CHARS = 200
MAX_CHANGE_CHARS = 100
ANYTHING = "Anything"
AREAS = {
    "sign_in": "Sign-in",
    "sessions": "Sessions",
    "password": "Passwords",
    "identity": "Sign-in providers",
    "token": "Access tokens",
    "user": "Users",
    "invitation": "Invitations",
    "member": "Members",
    "organisation": "Organisations",
    "plan": "Plans",
    "provider_key": "Keys of providers",
    "encryption": "Encryption",
    "flag": "Flags",
    "experiment": "Experiments",
    "model": "Models and providers",
    "credits": "Credits",
    "boost": "Boosts",
    "billing": "Billing",
    "alert": "Alerts",
    "webhook": "Webhooks",
    "job": "Jobs",
    "template": "Templates",
    "checklist": "Checklists",
    "verdict": "Verdicts",
    "usage": "Usage",
    "audit": "Audit log",
    "demo": "Demo",
}
"""What the first part of an action's name is called."""
KINDS = {"operator": "an operator", "command": "a command", "system": "the workbench", "stripe": "Stripe"}
TROUBLES = frozenset({AuditAction.SIGN_IN_FAILED, AuditAction.SIGN_IN_BLOCKED, AuditAction.BILLING_EVENT_REFUSED})
FORMATS: tuple[tuple[Format, str], ...] = (("csv", "CSV"), ("jsonl", "JSON Lines"))
MOST_FOUND = 50
"""Findings that are listed; a command lists more."""


class Log(Protocol):
    """What reads the audit log."""

    def search(
        self,
        principal: Principal,
        wanted: Wanted | None = None,
        *,
        everything: bool = False,
        after: tuple[datetime, UUID] | None = None,
    ) -> AuditPage:
        """Some lines, the newest first."""
        ...

    def export(
        self, principal: Principal, wanted: Wanted | None = None, *, form: Format, everything: bool = False
    ) -> bytes:
        """The lines as a file."""
        ...

    def verify(self, principal: Principal, *, everything: bool = False) -> Report:
        """Reads the chains through."""
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """Where lines are looked for, and by whom."""

    key: str
    log: Log
    principal: Principal
    now: datetime
    everything: bool


def show(key: str, log: Log, principal: Principal, now: datetime, *, everything: bool) -> None:
    """What is looked for, the lines, the files, and the check."""
    place = _Place(key, log, principal, now, everything)
    wanted = _show_choices(place)
    pages: list[tuple[datetime, UUID]] = st.session_state.setdefault(f"{key}_pages", [])
    page = log.search(principal, wanted, everything=everything, after=pages[-1] if pages else None)
    if not page.events:
        show_empty("Nothing found", "No line of the audit log is like that.", icon=":material/search_off:")
    else:
        with st.container(border=True, gap="small", key=f"{key}_lines"):
            for event in page.events:
                _show_event(event, place)
        _show_turns(key, pages, page)
    _show_files(place, wanted)
    _show_check(place)


def action_words(action: str) -> str:
    """What an action is called: `token.made` is Access tokens: made."""
    area, _, what = action.partition(".")
    return f"{AREAS.get(area, area.replace('_', ' ').capitalize())}: {what.replace('_', ' ')}"


def change_words(event: EventRow) -> str:
    """A change in a few words: `role: analyst → viewer`."""
    before, after = event.before or {}, event.after or {}
    words = []
    for name in dict.fromkeys([*before, *after]):
        sides = [_said(side, name) for side in (event.before, event.after) if side is not None]
        words.append(f"{name.replace('_', ' ')}: {' → '.join(sides)}")
    line = ", ".join(words)
    return line if len(line) <= MAX_CHANGE_CHARS else f"{line[: MAX_CHANGE_CHARS - 1]}…"


def who(event: EventRow) -> str:
    """Who did it, by today's name, or by id where nobody has it any more."""
    if event.actor_name is not None:
        return event.actor_name
    if event.actor_kind in KINDS:
        return KINDS[event.actor_kind]
    return f"user {event.actor}"


def about(event: EventRow) -> str:
    """What was changed, by today's name where it has one."""
    if event.subject_kind == "organisation" and event.subject_id == str(event.org_id) and event.org_name:
        return event.org_name
    return event.subject_name or f"{event.subject_kind.replace('_', ' ')} {event.subject_id}"


def _show_choices(place: _Place) -> Wanted:
    key, zone = place.key, ZoneInfo(place.principal.zone)
    today = place.now.astimezone(zone).date()
    forget = _forgetting(key)
    with st.grid("auto", min_column_width=200):
        first = st.date_input(
            "From", today - timedelta(days=DAYS), max_value=today, key=f"{key}_first", on_change=forget
        )
        last = st.date_input("To", today, max_value=today, key=f"{key}_last", on_change=forget)
        area = st.selectbox(
            "What",
            [ANYTHING, *AREAS],
            format_func=lambda name: AREAS.get(name, name),
            key=f"{key}_area",
            on_change=forget,
        )
        person = st.text_input(
            "Who, or whom",
            key=f"{key}_person",
            max_chars=MAX_TEXT_CHARS,
            on_change=forget,
            placeholder="Name or address",
        )
        subject = st.text_input(
            "About",
            key=f"{key}_subject",
            max_chars=MAX_TEXT_CHARS,
            on_change=forget,
            placeholder="Kind or id",
            help="What was changed: an organisation, a boost, a token … or its id.",
        )
    return Wanted(
        since=_start_of(first, zone),
        until=_start_of(last, zone, days=1),
        area="" if area == ANYTHING else f"{area}.",
        person=person.strip(),
        subject=subject.strip(),
    )


def _forgetting(key: str) -> Callable[[], None]:
    """Begins at the newest line again, and forgets files of another search."""

    def forget() -> None:
        for name in (f"{key}_pages", f"{key}_file"):
            st.session_state.pop(name, None)

    return forget


def _start_of(chosen: Any, zone: ZoneInfo, *, days: int = 0) -> datetime | None:
    if not isinstance(chosen, date):
        return None
    return datetime.combine(chosen + timedelta(days=days), datetime.min.time(), zone)


def _show_event(event: EventRow, place: _Place) -> None:
    with st.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(f"**{plain(action_words(event.action))}**", width="content")
            if event.action in TROUBLES:
                show_badge(Badge("trouble", "orange"))
            if place.everything:
                show_badge(Badge(event.org_name or "installation"))
        st.text(f"{when(event.at, place.now, place.principal.zone)} · by {who(event)} · {about(event)}")
    if event.before or event.after:
        with st.expander(plain(change_words(event))):
            _show_sides(event)


def _show_sides(event: EventRow) -> None:
    before, after = event.before or {}, event.after or {}
    names = list(dict.fromkeys([*before, *after]))
    rows = {
        "Field": [name.replace("_", " ") for name in names],
        "Before": [_said(before, name) for name in names],
        "After": [_said(after, name) for name in names],
    }
    st.dataframe(rows, hide_index=True, width="stretch", key=f"audit_sides_{event.id}")


def _said(side: Mapping[str, Any], name: str) -> str:
    """A value as it is read; a dash where there is none on this side."""
    value = side.get(name)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _show_turns(key: str, pages: list[tuple[datetime, UUID]], page: AuditPage) -> None:
    with st.container(horizontal=True, gap="small"):
        if st.button("Newer", key=f"{key}_newer", disabled=not pages):
            pages.pop()
            st.rerun()
        if st.button("Older", key=f"{key}_older", disabled=page.following is None) and page.following is not None:
            pages.append(page.following)
            st.rerun()


def _show_files(place: _Place, wanted: Wanted) -> None:
    key = place.key
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for form, label in FORMATS:
            if st.button(f"Make {label}", key=f"{key}_make_{form}", icon=":material/description:"):
                content = place.log.export(place.principal, wanted, form=form, everything=place.everything)
                st.session_state[f"{key}_file"] = (form, content)
        if f"{key}_file" in st.session_state:
            form, content = st.session_state[f"{key}_file"]
            st.download_button(
                f"Download audit.{form}", content, f"audit.{form}", MEDIA_TYPES[form], key=f"{key}_download"
            )
    st.caption(
        f"At most {MOST_EXPORTED:,} lines, the newest of what is looked for; people are ids in it. "
        "That a file was made is itself a line."
    )


def _show_check(place: _Place) -> None:
    key = place.key
    if st.button(
        "Check the seals",
        key=f"{key}_check",
        icon=":material/verified_user:",
        help="Each block of lines holds the hash of the one before: a line that was changed or removed shows.",
    ):
        with st.spinner("Reading every row and block …"):
            st.session_state[f"{key}_report"] = place.log.verify(place.principal, everything=place.everything)
    report: Report | None = st.session_state.get(f"{key}_report")
    if report is not None:
        show_report(report, is_operator=place.principal.is_operator)


def show_report(report: Report, *, is_operator: bool) -> None:
    """What reading the chains through came to."""
    rows, blocks = sum(chain.rows for chain in report.chains), sum(chain.blocks for chain in report.chains)
    if report.holds:
        st.success(f"Everything is as it was sealed: {rows:,} rows in {blocks:,} blocks.", icon=":material/verified:")
    else:
        noun = "difference" if report.count == 1 else "differences"
        st.error(f"{report.count:,} {noun} between the log and its seals.", icon=":material/gpp_bad:")
        _show_findings(report)
    waiting = sum(chain.unsealed for chain in report.chains)
    if waiting:
        st.caption(f"{waiting:,} newer rows are sealed within minutes.")
    if report.usage_kept_from:
        st.caption(f"AI requests of before {report.usage_kept_from} were dropped by retention; their hashes are kept.")
    if is_operator and report.anchor is not None:
        st.caption("Keep this elsewhere: what is cut off the end of the log with all its seals shows only against it.")
        st.code(str(report.anchor), language=None, wrap_lines=True)


def _show_findings(report: Report) -> None:
    shown: Sequence[Any] = report.findings[:MOST_FOUND]
    rows = {
        "What": [str(finding.kind) for finding in shown],
        "Block": ["none" if finding.block is None else f"{finding.block:,}" for finding in shown],
        "Place": ["the block itself" if finding.seq is None else f"{finding.seq:,}" for finding in shown],
        "Row": [str(finding.row or "") for finding in shown],
        "Id": [str(finding.row_id or "") for finding in shown],
    }
    st.dataframe(rows, hide_index=True, width="stretch", key="audit_findings")
