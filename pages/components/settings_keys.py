"""Keys of providers: with which a member, or the organisation, pays a provider themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st
from pydantic import SecretStr

from core import workbench
from core.accounts.provider_keys import MAX_NAME_CHARS, KeyChange, KeyDraft, KeyRow, KeyState, may_keep, state_of
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import begin_with, saving, submit_button, text_field
from pages.components.headings import section
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_denied, show_empty
from pages.components.words import usd, when

SENT = "settings_keys_sent"
MINE, OURS = "Mine: it pays for my questions alone", "The organisation's: it pays for those of all members"
BADGES = {
    KeyState.VALID: Badge("Valid", "green", ":material/check_circle:"),
    KeyState.EXPIRES_SOON: Badge("Expires soon", "orange", ":material/schedule:"),
    KeyState.EXPIRED: Badge("Expired", "red", ":material/event_busy:"),
    KeyState.REFUSED: Badge("Not accepted", "red", ":material/error:"),
    KeyState.REVOKED: Badge("Revoked", "gray", ":material/block:"),
}
"""How the state of a key is shown."""


def show(principal: Principal) -> None:
    """The member's own keys, those of the organisation, and the form for another one."""
    keys = workbench.current().provider_keys
    section(
        "Keys of providers",
        "Where you have a key, its provider bills you, and not your credits or budget; requests count as always.",
    )
    rows = keys.all(principal)
    own, shared = ([row for row in rows if row.is_shared is is_shared] for is_shared in (False, True))
    show_keys("settings_keys_own", own, principal, keys.providers, is_shared=False)
    if shared or may_keep(principal, is_shared=True):
        section(f"Keys of {principal.org_name}", "They pay for members who have none of their own.")
        show_keys("settings_keys_shared", shared, principal, keys.providers, is_shared=True)
    if not may_keep(principal, is_shared=False):
        show_denied("You may not keep keys", "An admin of your organisation can change your role.")
    elif not keys.can_be_kept:
        show_not_configured()
    else:
        _show_form(principal)


def show_keys(
    key: str, rows: Sequence[KeyRow], principal: Principal, labels: Mapping[str, str], *, is_shared: bool
) -> None:
    """A list of keys, with what may be done with each."""
    if not rows:
        show_none(is_shared=is_shared)
        return
    with show_list(key):
        for row in rows:
            with show_row(key_row(row, principal.zone, labels.get(row.provider, row.provider))):
                if row.revoked_at is None and may_keep(principal, is_shared=is_shared):
                    _show_actions(row)


def show_none(*, is_shared: bool) -> None:
    """Nothing is kept yet."""
    hint = "A key that you add is listed here by its last four characters; nobody sees the rest again."
    show_empty("No keys yet", "" if is_shared else hint, icon=":material/key:")


def key_row(row: KeyRow, zone: str, label: str) -> Row:
    """What one key says: whose it is to ask, what was used of it, until when it is valid."""
    used = f"{usd(row.used_usd)} used this month"
    if row.limit_usd_month is not None:
        used = f"{usd(row.used_usd)} of {usd(row.limit_usd_month)} used this month"
    details = [
        f"{label} …{row.last_four}",
        used,
        f"expires on {_day(row.expires_at, zone)}" if row.expires_at else "does not expire",
        f"last used {when(row.last_used_at, row.at, zone)}" if row.last_used_at else "never used",
    ]
    return Row(row.name, " · ".join(details), (BADGES[state_of(row)],), icon=":material/key:")


def show_not_configured() -> None:
    """What is missing where no key can be kept."""
    show_denied("Keys cannot be kept here", "The operator of this workbench can set ENCRYPTION_KEYS.")


def _show_actions(row: KeyRow) -> None:
    if st.button("Change", icon=":material/edit:", type="tertiary", key=f"settings_key_change_{row.id}"):
        st.dialog("Change this key", icon=":material/edit:")(_show_change)(row)
    question = Question(
        "Revoke this key?",
        "No question is asked with it any more, and it is deleted here; this cannot be taken back. At its provider it "
        "stays valid: revoke it there too.",
        "Revoke",
        subject=row.name,
        done="The key is revoked",
    )
    confirm_button(f"settings_key_revoke_{row.id}", "Revoke", question, partial(_revoke, row.id))


def _revoke(key_id: UUID) -> None:
    workbench.current().provider_keys.revoke(require(), key_id)


def _show_change(row: KeyRow) -> None:
    principal = require()
    sent = st.session_state.get(SENT, 0)
    with st.form(f"settings_key_form_{row.id}", border=False):
        name = text_field("Name", row.name, required=True, max_chars=MAX_NAME_CHARS, key=f"settings_key_name_{row.id}")
        secret = _secret_field("Another key in its place", f"settings_key_secret_{row.id}_{sent}", required=False)
        before = _last_day(row.expires_at, principal.zone)
        expires, limit = _bounds(str(row.id), before, row.limit_usd_month)
        if submit_button("Save key"):
            st.session_state[SENT] = sent + 1
            with saving("The key is saved", principal):
                change = KeyChange(
                    name=name,
                    expires_at=row.expires_at if expires == before else _moment(expires, principal.zone),
                    limit_usd_month=limit,
                    secret=SecretStr(secret) if secret else None,
                )
                workbench.current().provider_keys.change(principal, row.id, change)


def _show_form(principal: Principal) -> None:
    keys, sent = workbench.current().provider_keys, st.session_state.get(SENT, 0)
    labels = dict(sorted(keys.providers.items(), key=lambda each: each[1].casefold()))
    with st.form("settings_new_key"):
        st.markdown("**Add a key**")
        provider = st.selectbox("Provider", [*labels], format_func=labels.__getitem__, key="settings_key_provider")
        name = text_field("Name", required=True, max_chars=MAX_NAME_CHARS, autocomplete="off", key="settings_key_name")
        # Another field after each try: what was typed into it is nowhere kept.
        secret = _secret_field("Key", f"settings_key_secret_{sent}", required=True)
        whose = MINE
        if may_keep(principal, is_shared=True):
            whose = st.radio("Whose is it?", [MINE, OURS], key="settings_key_whose")
        expires, limit = _bounds("new", None, None)
        if submit_button("Add key"):
            st.session_state[SENT] = sent + 1
            with saving("The key is kept", principal):
                draft = KeyDraft(
                    provider=provider,
                    name=name,
                    secret=SecretStr(secret),
                    is_shared=whose == OURS,
                    expires_at=_moment(expires, principal.zone),
                    limit_usd_month=limit,
                )
                keys.add(principal, draft)


def _secret_field(label: str, key: str, *, required: bool) -> str:
    hint = "It is encrypted, and never shown again; only its last four characters are."
    return text_field(label, kind="password", required=required, autocomplete="off", hint=hint, key=key)


def _bounds(key: str, expires: date | None, limit: Decimal | None) -> tuple[date | None, Decimal | None]:
    """The last day and the monthly limit, as they are filled in."""
    left, right = st.columns(2)
    with left:
        day = st.date_input(
            "Last day",
            None,
            help="Empty: it does not expire here.",
            key=begin_with(f"settings_key_expires_{key}", expires),
        )
    with right:
        amount = st.number_input(
            "Most a month, USD",
            min_value=0.0,
            value=None,
            step=5.0,
            format="%.2f",
            help="By this workbench's table of prices; empty: no limit but the provider's.",
            key=begin_with(f"settings_key_limit_{key}", None if limit is None else float(limit)),
        )
    return day, None if amount is None else Decimal(f"{amount:.2f}")


def _moment(last_day: date | None, zone: str) -> datetime | None:
    """The end of a day in the reader's zone."""
    if last_day is None:
        return None
    return datetime.combine(last_day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def _last_day(moment: datetime | None, zone: str) -> date | None:
    return None if moment is None else (moment - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()


def _day(moment: datetime, zone: str) -> str:
    last = _last_day(moment, zone)
    assert last is not None
    return f"{last.day} {last:%B %Y}"
