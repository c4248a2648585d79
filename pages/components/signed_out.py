"""What the pages of somebody who is not signed in share: their frame, the sign-in form, and what follows a request for
a mail."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core import workbench
from core.errors import AssayError, InvalidRequest
from pages.components import session
from pages.components.errors import show_error, show_errors, show_message
from pages.components.frame import wordmark
from pages.components.words import plain

MAX_CHARS = 400
COLUMN_PX = 360
WORDMARK_PX = 136


@contextmanager
def column(title: str = "", *, is_signed_in: bool = False) -> Iterator[None]:
    """The narrow column that such a page is; the wordmark stands above it where there is no sidebar with one."""
    if title:
        st.set_page_config(page_title=f"{title} · Assay")
    with st.container(horizontal_alignment="center"), st.container(width=COLUMN_PX):
        if not is_signed_in:
            st.space("large")
            _show_wordmark()
        if title:
            st.header(plain(title), anchor=False)
        yield


def sign_in_form(email: str = "") -> None:
    """Address and password; when they are right, the browser gets its session and loads the same page again."""
    with st.form("sign_in", border=True):
        email = st.text_input("Email", email, autocomplete="username", placeholder="you@company.com")
        password = st.text_input("Password", type="password", autocomplete="current-password")
        if st.form_submit_button("Sign in", type="primary", width="stretch"):
            with show_errors(has_action=False):
                session.open_session(_ticket(email.strip(), password))


def back_to_sign_in() -> None:
    """The way back."""
    st.page_link("sign_in.py", label="Back to sign-in", icon=":material/arrow_back:")


@contextmanager
def asking_for_mail(key: str, email: str) -> Iterator[None]:
    """When a form that asks for a mail was sent: what is wrong is said in the form; otherwise `show_asked` follows."""
    try:
        yield
    except AssayError as error:
        show_error(error, has_action=False)
        return
    st.session_state[f"{key}_asked"] = email
    st.rerun()


def show_asked(key: str, life: str) -> bool:
    """In place of the form, once it was sent: what was done, in the same words whoever has the address."""
    email = st.session_state.get(f"{key}_asked")
    if email is None:
        return False
    with st.container(border=True, gap="small"):
        st.markdown(":material/mail: **Look into your mailbox**")
        st.markdown("If this address can be used, a mail with a link is on its way to")
        st.text(email)
        st.caption(f"The link works once, within {life}. Nothing came? Look among the unwanted mails, or ask again.")
        if not workbench.current().mailer.is_configured:
            show_message(
                "Mail is not configured.",
                "The link is in the log where the workbench was started.",
                icon=":material/terminal:",
            )
        st.button("Ask again", key=f"{key}_ask_again", on_click=_ask_again, args=(key,), width="stretch")
    return True


def _show_wordmark() -> None:
    """The wordmark, without the button to enlarge it that an image of Streamlit's has."""
    image = b64encode(wordmark().read_bytes()).decode("ascii")
    st.html(f'<img alt="Assay" width="{WORDMARK_PX}" src="data:image/svg+xml;base64,{image}">')


def _ask_again(key: str) -> None:
    st.session_state.pop(f"{key}_asked", None)


def _ticket(email: str, password: str) -> str:
    """The one-time ticket for these credentials; what no account can have does not count as a try."""
    if not email or not password:
        raise InvalidRequest("Enter your e-mail address and your password.")
    # Bounded here too: the limits of a field hold in the browser only.
    if "@" not in email or len(email) > MAX_CHARS or len(password) > MAX_CHARS:
        raise InvalidRequest("That is not a complete e-mail address.")
    return workbench.current().accounts.sign_in(email, password, address=session.caller().address)
