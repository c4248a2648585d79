"""Sign-in at a provider of OpenID Connect: the buttons that lead there, and what happens on the way back."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.accounts.openid_providers import OUTCOME, Outcome
from core.errors import AssayError, DatabaseUnavailable, Unauthenticated
from pages.components import session
from pages.components.errors import show_error, show_errors
from pages.components.words import plain

TICKET = "openid_ticket"
FAILURE = "openid_failure"

_SENTENCES = {
    Outcome.CANCELLED: "You were not signed in: your sign-in provider says that you did not agree.",
    Outcome.FAILED: "The answer of your sign-in provider could not be trusted, so nothing was opened. Sign in again.",
    Outcome.UNREACHABLE: "Your sign-in provider cannot be reached. Try again soon.",
    Outcome.BUSY: "Too many sign-ins came from your address. Try again in a minute.",
}


def show_buttons(key: str) -> None:
    """One button for each provider that the operator set up."""
    for provider in workbench.current().openid.providers:
        label = f"Sign in with {plain(provider.label)}"
        if st.button(label, icon=":material/login:", width="stretch", key=f"{key}_{provider.name}"):
            st.login(provider.name)


def finish() -> None:
    """Where somebody comes back from a provider: open a session of ours, or say once why there is none."""
    _keep_outcome()
    with show_errors():
        _exchange()
    if TICKET in st.session_state:
        session.open_session(st.session_state[TICKET])
    elif FAILURE in st.session_state:
        show_error(st.session_state[FAILURE])
        session.forget_openid()


def _keep_outcome() -> None:
    """What the server says about a sign-in that opened nothing; out of the address, or it would be said again."""
    told = st.query_params.get(OUTCOME)
    if told is None:
        return
    del st.query_params[OUTCOME]
    if told in _SENTENCES:
        st.session_state[FAILURE] = Unauthenticated(_SENTENCES[Outcome(told)])


def _exchange() -> None:
    """A provider's answer for a ticket, once: whatever comes of it stands in this page's own state."""
    openid, state = workbench.current().openid, st.session_state
    if not openid.providers or TICKET in state or FAILURE in state or not st.user.is_logged_in:
        return
    try:
        state[TICKET] = openid.sign_in(openid.claims_of(st.user.to_dict()))
    except DatabaseUnavailable:
        raise  # the answer is still good when it is back
    except AssayError as error:
        state[FAILURE] = error
