"""Who looks at this page: read from the browser's cookie, checked on the server at every run."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import workbench
from core.ops.origin import NOWHERE, Origin, find_origin_by
from core.principal import Principal, Role
from core.settings import SESSION_COOKIE
from pages.components import switcher
from pages.components.errors import show_message
from pages.components.states import show_denied

FRESH_S = 1.0
"""So long after a run began its check of the session counts for the page."""
FAILED = "The server could not be reached. Reload the page and try again."

_arrived: ContextVar[tuple[Principal, float] | None] = ContextVar("arrived", default=None)
"""Who was found at the beginning of this thread's run, and when."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a browser brings along."""

    session: str | None
    """Value of the session cookie, unchecked."""
    address: str
    """Internet address that the request came from."""


def caller() -> Caller:
    """The browser that this run is for: the one function that reads cookies and addresses."""
    return Caller(session=st.context.cookies.get(SESSION_COOKIE), address=st.context.ip_address or "127.0.0.1")


def _origin() -> Origin:
    """Where the run at hand came from: any of it, before a page has begun and in a dialog, which runs without it."""
    is_run = get_script_run_ctx(suppress_warning=True) is not None
    return Origin(caller().address) if is_run else NOWHERE


find_origin_by(_origin)


def current_principal() -> Principal | None:
    """Who is signed in, as the server knows it now; None when nobody is, or no longer.

    Raises:
        DatabaseUnavailable: it cannot be known at the moment.
    """
    session = caller().session
    return workbench.current().accounts.principal_of_session(session) if session else None


def arrive() -> Principal | None:
    """As `current_principal`, for the script that every run begins with: the page's own check follows at once, and
    takes this one's answer instead of asking again.

    Raises:
        DatabaseUnavailable: it cannot be known at the moment.
    """
    principal = current_principal()
    _arrived.set(None if principal is None else (principal, time.monotonic()))
    return principal


def _checked() -> Principal | None:
    """The answer of this run's first check, once and while it is fresh; then a new one."""
    arrived = _arrived.get()
    _arrived.set(None)
    if arrived is not None and time.monotonic() - arrived[1] < FRESH_S:
        return arrived[0]
    return current_principal()


def require(*roles: Role) -> Principal:
    """The first line of every page: who is signed in, if they hold one of these roles (none named: any role).

    Everyone else gets a sentence in place of the page, and the script ends here.
    """
    principal = _checked()
    if principal is None:
        show_message("Your session has ended.", "Sign in again to go on.", icon=":material/lock_clock:")
        st.button("Sign in", type="primary", key="session_sign_in_again")
        st.stop()
    switcher.notice(principal)
    if roles and principal.role not in roles:
        show_denied("This page is not part of your role.", "An admin of your organisation can change that.")
        st.stop()
    return principal


def require_operator() -> Principal:
    """As `require`, for those who run the installation."""
    principal = require()
    if not principal.is_operator:
        show_denied("This page is for the operators of the platform.", "They run the installation for everybody.")
        st.stop()
    return principal


def open_session(ticket: str, *, at_start: bool = False) -> None:
    """Let the browser carry the ticket to the server, which sets the cookie; then the same page is loaded again.

    With `at_start` the workbench's first page is, since the address at hand has served its purpose.
    """
    _run_session_script(f'data-ticket="{escape(ticket)}"' + (' data-then="start"' if at_start else ""))


def forget_openid() -> None:
    """Let the browser drop a provider's answer that opened nothing, so that it is not offered again."""
    _run_session_script('data-action="forget-openid"')


def sign_out_button(key: str = "session_sign_out") -> None:
    """The button that ends the session, here and on the server; the same page is then loaded again."""
    if st.button("Sign out", icon=":material/logout:", width="stretch", key=key):
        _run_session_script('data-action="sign-out"')
        st.stop()


def _run_session_script(data: str) -> None:
    st.html(
        f'<p id="assay-session-status" role="status" data-failed="{FAILED}"></p>'
        f'<script src="/auth/session.js" {data}></script>',
        unsafe_allow_javascript=True,
    )
