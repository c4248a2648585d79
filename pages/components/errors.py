"""How an error reads on a page: what happened, and the button that helps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import streamlit as st

from core.errors import (
    AssayError,
    Conflict,
    DatabaseUnavailable,
    Denial,
    Forbidden,
    InvalidRequest,
    MeteringDenied,
    NotConfigured,
    NotFound,
    PlanRequired,
    ProviderError,
    ProviderRefusedKey,
    Unauthenticated,
    place_of,
)
from core.principal import Principal
from pages.components.words import plain, when

OUTAGE_CHECK_S = 3
OUTAGE = "The database cannot be reached"
OUTAGE_HINT = "Nothing was started and nothing was charged. This page comes back by itself as soon as it can."

_log = logging.getLogger(__name__)


Box = Callable[..., object]


@dataclass(frozen=True, slots=True)
class _Look:
    """How one kind of error is shown."""

    icon: str
    box: Box = st.warning
    action: Callable[[], None] | None = None


def show_message(title: str, hint: str = "", *, icon: str = ":material/info:", box: Box = st.info) -> None:
    """One calm block: a sentence of what is the matter, and one of what to do."""
    box(f"**{plain(title.strip())}**" + (f"  \n{plain(hint)}" if hint else ""), icon=icon)


@contextmanager
def show_errors(principal: Principal | None = None, *, has_action: bool = True) -> Iterator[None]:
    """Show what the workbench raises on purpose inside this block, in place of what it would have shown.

    Streamlit ends a script by raising; those are no errors and pass. A principal's times are in their zone.
    Inside a form there can be no action: its own button is the one to press again.
    """
    try:
        yield
    except AssayError as error:
        show_error(error, principal, has_action=has_action)


def show_error(error: AssayError, principal: Principal | None = None, *, has_action: bool = True) -> None:
    """One error, with the button that helps where there is one; pages are linked for a principal only.

    Inside a form or a dialog there is no such button: theirs is the one to press again.
    """
    look = next(_LOOKS[kind] for kind in type(error).__mro__ if kind in _LOOKS)
    hint = _denial_hint(error.denial, principal) if isinstance(error, MeteringDenied) else ""
    show_message(error.detail, hint, icon=look.icon, box=look.box)
    if has_action and look.action is not None and (principal is not None or look.action is _try_again):
        look.action()


def show_unexpected(error: Exception) -> bool:
    """The last resort for a script that failed: a reference for the operator's log, nothing of the inside."""
    if isinstance(error, AssayError):
        show_error(error)
        return True
    reference = uuid4().hex[:12]
    _log.error("A page failed, reference %s: %s", reference, place_of(error))
    show_message(
        "Something went wrong on our side.",
        f"Try again. If it happens once more, give your operator this reference: {reference}",
        icon=":material/error:",
        box=st.error,
    )
    _try_again()
    return True


def show_outage(is_over: Callable[[], bool]) -> None:
    """The page while the database is away; it asks every few seconds and runs anew when the answer comes."""

    @st.fragment(run_every=OUTAGE_CHECK_S)
    def watch() -> None:
        if is_over():
            st.rerun()
        show_message(OUTAGE, OUTAGE_HINT, icon=":material/cloud_off:", box=st.warning)
        st.caption(f":material/progress_activity: Checking every {OUTAGE_CHECK_S} seconds")

    watch()


def _denial_hint(denial: Denial, principal: Principal | None) -> str:
    if denial.metric == "sign_in_attempts":
        return ""  # its sentence says how long to wait
    if denial.code == "rate_limited" and denial.retry_after_s is not None:
        return f"Try again in {denial.retry_after_s} seconds."
    if denial.code == "too_many_concurrent":
        return "Try again when one of the answers that are being written is finished."
    if denial.code == "insufficient_credits":
        return _credits_hint(denial, principal)
    if denial.resets_at is None:
        return "Waiting does not change this; a larger plan does."
    resets = f"It resets {_when(denial.resets_at, principal)}."
    if denial.code == "quota_exceeded":
        return f"{resets} Until then, what was asked before is still answered; a larger plan has a higher limit."
    return resets


def _credits_hint(denial: Denial, principal: Principal | None) -> str:
    if denial.metric != "credits":
        until = "" if denial.resets_at is None else f" Otherwise it resets {_when(denial.resets_at, principal)}."
        return f"An admin of your organisation can raise it.{until}"
    until = "" if denial.resets_at is None else f" Your plan covers it again {_when(denial.resets_at, principal)}."
    return f"Credits are bought on the page Billing.{until}"


def _when(moment: datetime, principal: Principal | None) -> str:
    """A moment in the user's zone, as "tomorrow at 01:00 (CET)"."""
    zone = principal.zone if principal else "UTC"
    return f"{when(moment, datetime.now(UTC), zone)} ({moment.astimezone(ZoneInfo(zone)).tzname()})"


def _try_again() -> None:
    st.button("Try again", icon=":material/refresh:", key="errors_try_again")


def _see_usage() -> None:
    st.page_link("usage.py", label="See what is left", icon=":material/data_usage:")


def _back_to_chat() -> None:
    st.page_link("chat.py", label="Back to Chat", icon=":material/arrow_back:")


_LOOKS: dict[type[BaseException], _Look] = {
    AssayError: _Look(":material/error:", st.error, _try_again),
    InvalidRequest: _Look(":material/edit_note:"),
    Unauthenticated: _Look(":material/lock:"),
    Forbidden: _Look(":material/block:"),
    NotFound: _Look(":material/search_off:", st.info, _back_to_chat),
    Conflict: _Look(":material/sync_problem:", st.warning, _try_again),
    PlanRequired: _Look(":material/workspace_premium:", st.info, _see_usage),
    MeteringDenied: _Look(":material/hourglass_bottom:", st.warning, _see_usage),
    NotConfigured: _Look(":material/toggle_off:", st.info),
    ProviderError: _Look(":material/cloud_off:", st.warning, _try_again),
    ProviderRefusedKey: _Look(":material/key_off:"),
    DatabaseUnavailable: _Look(":material/cloud_off:", st.warning, _try_again),
}
