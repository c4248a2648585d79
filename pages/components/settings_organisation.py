"""The organisation: what holds for all its members, which its managers change; and the way out of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.accounts.profiles import OrganisationSettings, zones
from core.errors import AssayError, InvalidRequest
from core.principal import Principal
from pages.components import settings_models, switcher
from pages.components.badges import role_badge, show_badge, show_plan_badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, submit_button, text_field
from pages.components.headings import section
from pages.components.session import require
from pages.components.words import plain

MAX_RATE_CHARS = 20


def show(principal: Principal) -> None:
    """Name, plan and role; the settings, to be read or changed; leaving."""
    settings = workbench.current().profiles.organisation(principal)
    section("Organisation", "What holds for everybody in it.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(settings.name, width="content")
        show_plan_badge(principal.plan)
        show_badge(role_badge(principal.role))
    if may(principal, Action.SET_ORGANISATION):
        _show_form(principal, settings)
    else:
        _show_settings(settings)
    _show_leave(principal)


def percent(rate: Decimal) -> str:
    """A fraction in percent, with every digit that counts: 0.0425 is "4.25"."""
    return f"{rate.scaleb(2).normalize():f}"


def fraction(percentage: str) -> Decimal:
    """Percent as people type it, as a fraction: "4.25", "4,25 %".

    Raises:
        InvalidRequest: this is no number.
    """
    typed = percentage.strip().removesuffix("%").replace(",", ".").strip()
    try:
        return Decimal(typed if len(typed) <= MAX_RATE_CHARS else "").scaleb(-2)
    except InvalidOperation:
        raise InvalidRequest("The risk-free rate is a number in percent, such as 4.25.") from None


def _show_form(principal: Principal, settings: OrganisationSettings) -> None:
    with st.form("settings_organisation"):
        name = text_field("Name of the organisation", settings.name, required=True)
        zone = st.selectbox(
            "Time zone of the organisation",
            zones(),
            index=zones().index(settings.zone) if settings.zone in zones() else None,
            help="The days and months of all limits begin in it.",
            filter_mode="contains",
        )
        left, right = st.columns(2)
        with left:
            rate = text_field(
                "Risk-free rate, % a year",
                percent(settings.risk_free_rate),
                required=True,
                hint="Measures such as the Sharpe ratio are taken over it.",
            )
        with right:
            benchmark = text_field(
                "Benchmark",
                settings.benchmark,
                required=True,
                hint="Symbol of the index or fund that performance is compared with.",
            )
        changed = settings_models.show_fields(settings, settings_models.names())
        if submit_button("Save organisation"):
            with saving("The organisation is saved", principal):
                kept = replace(changed, name=name, zone=zone or "", risk_free_rate=fraction(rate), benchmark=benchmark)
                workbench.current().profiles.keep_organisation(principal, kept)


def _show_settings(settings: OrganisationSettings) -> None:
    """What others than managers read."""
    lines = {
        "Time zone": settings.zone.replace("_", " "),
        "Risk-free rate": f"{percent(settings.risk_free_rate)} % a year",
        "Benchmark": settings.benchmark,
        **settings_models.told(settings, settings_models.names()),
    }
    with st.container(border=True, gap="xsmall", key="settings_organisation_read"):
        for label, value in lines.items():
            st.markdown(f":gray[{label}]  \n{plain(value)}")
    st.caption("An admin of your organisation can change this.")


def _show_leave(principal: Principal) -> None:
    section("Leave")
    others = [row for row in workbench.current().accounts.organisations(principal) if row.org_id != principal.org_id]
    after = (
        f"You go on in {others[0].name}."
        if others
        else "It is your only one: you cannot sign in any more until somebody invites you."
    )
    question = Question(
        "Leave this organisation?",
        f"You lose access to it at once, and your tokens for it end. {after}",
        "Leave",
        no="Stay",
        subject=principal.org_name,
    )
    next_id = others[0].org_id if others else None
    confirm_button(
        "settings_leave",
        "Leave this organisation",
        question,
        lambda: leave(require(), next_id),
        icon=":material/logout:",
        kind="secondary",
    )


def leave(principal: Principal, next_id: UUID | None) -> None:
    """Leaves the organisation; the session goes on in the next one, or ends where there is none.

    Raises:
        Conflict: the last owner cannot leave; then the session stays where it is.
        NotFound: they do not belong to the next one any more.
    """
    bench = workbench.current()
    if next_id is not None:
        bench.accounts.switch_organisation(principal, next_id)  # first, or the session would end with the membership
    try:
        bench.members.remove(principal, principal.user_id)
    except AssayError:
        if next_id is not None:
            with suppress(AssayError):
                bench.accounts.switch_organisation(principal, principal.org_id)
        raise
    switcher.announce(f"You have left {principal.org_name}.")
