"""What a mailed link is for, drawn by its purpose: an account, a new password, an invitation; or a link that is gone.

Drawing changes nothing; a form or a button does, and then leads into the workbench, since the link is used up.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.joining import FollowedLink
from core.accounts.people import MAX_NAME_CHARS
from core.errors import Conflict, NotFound
from core.principal import Principal
from pages.components import openid, session, signed_out, switcher
from pages.components.errors import show_error, show_errors, show_message
from pages.components.forms import submit_button, text_field
from pages.components.new_password import new_password_fields
from pages.components.theme import theme_color
from pages.components.words import plain

START = "chat.py"
_WHOSE = "link_whose"
_TITLES = {"join": "Create an account", "reset": "Choose a new password", "invitation": "Invitation"}


def show(token: str, principal: Principal | None) -> None:
    """The page for one link, as it stands now."""
    if principal is not None:
        switcher.notice(principal)
    # A second click ends the first one's run, in which the link was used up: what came of it is kept by then.
    tickets: dict[str, str] = st.session_state.setdefault("link_tickets", {})
    joined: dict[str, UUID] = st.session_state.setdefault("link_joined", {})
    if principal is not None and not token:
        st.switch_page(START)
    if principal is not None and token in joined:
        _enter(principal, joined[token])
    if token in tickets:
        session.open_session(tickets[token], at_start=True)
        st.markdown("Opening the workbench …")
        return
    try:
        followed = workbench.current().joining.look_at(token)
    except NotFound:
        _show_gone(principal)
        return
    with signed_out.column(_TITLES[followed.purpose], is_signed_in=principal is not None):
        if principal is not None and principal.email != followed.email:
            _show_for_another(principal, followed)
        else:
            _PURPOSES[followed.purpose](token, followed, principal)


def _show_gone(principal: Principal | None) -> None:
    """A link that is good for nothing: why that may be, and what to do next."""
    with signed_out.column("This link is no longer good", is_signed_in=principal is not None):
        st.markdown("It was used already, it is too old, or it was replaced by a newer one. Nothing was changed.")
        if principal is not None:
            st.page_link(START, label="Go to the workbench", icon=":material/arrow_forward:")
            return
        st.page_link("sign_in.py", label="Sign in", icon=":material/login:")
        st.page_link("forgot.py", label="Ask for a new password", icon=":material/key:")
        if workbench.current().joining.is_open:
            st.page_link("sign_up.py", label="Create an account", icon=":material/person_add:")
        st.caption("Was it an invitation? Whoever invited you can send it again.")


def _show_for_another(principal: Principal, followed: FollowedLink) -> None:
    """A link to somebody else than who is signed in."""
    show_message(
        f"This link is for {followed.email}.",
        f"You are signed in as {principal.email}. Sign out, and this page shows what the link is for.",
        icon=":material/switch_account:",
    )
    session.sign_out_button("link_sign_out")
    st.page_link(START, label="Stay signed in", icon=":material/arrow_back:")


def _make_account(token: str, followed: FollowedLink, principal: Principal | None) -> None:
    """A sign-up's link: name and password, and there is an account."""
    if principal is not None:
        show_message("You have an account already.", "This link is not needed any more.")
        st.page_link(START, label="Go to the workbench", icon=":material/arrow_forward:")
        return
    _show_account_form(token, followed, "Create the account")


def _reset_password(token: str, followed: FollowedLink, principal: Principal | None) -> None:
    """A reset's link: a new password, and every session ends."""
    with st.form("link_reset"):
        _show_whose(followed)
        password = new_password_fields("link_reset")
        st.caption("Every session of yours ends, on every device; you are signed in here.")
        if submit_button("Change the password", is_wide=True):
            with show_errors(has_action=False):
                tickets = st.session_state["link_tickets"]
                tickets[token] = workbench.current().joining.reset_password(token, password.agreed())
    _open_kept(token)


def _accept_invitation(token: str, followed: FollowedLink, principal: Principal | None) -> None:
    """An invitation: for a member of another organisation a button, for somebody new a form."""
    with st.container(gap="xsmall"):
        st.text(f"{followed.invited_by} invites you to")
        st.header(plain(followed.org_name), anchor=False)
        st.markdown(f"as **{plain(followed.role)}**.")
    if principal is not None:
        _show_accept_button(token, followed, principal)
    elif followed.has_account:
        st.markdown("Sign in to accept.")
        signed_out.sign_in_form(followed.email)
        if workbench.current().openid.providers:
            openid.show_buttons("link_openid")
            st.caption("After signing in there, open the link in the mail once more.")
        st.page_link("forgot.py", label="Forgot your password?")
    else:
        _show_account_form(token, followed, "Join")


def _show_accept_button(token: str, followed: FollowedLink, principal: Principal) -> None:
    """The button that joins, and what may stand against it."""
    if not st.button(f"Join {plain(followed.org_name)}", type="primary", width="stretch", key="link_join"):
        return
    with show_errors(has_action=False):
        joined = st.session_state["link_joined"]
        try:
            joined[token] = workbench.current().joining.accept(principal, token)
        except Conflict as error:
            show_error(error, has_action=False)
            st.page_link(START, label="Go to the workbench", icon=":material/arrow_forward:")
            return
        switcher.announce(f"You joined {followed.org_name}, and are in it now.")
        _enter(principal, joined[token])


def _enter(principal: Principal, org_id: UUID) -> None:
    """Into the workbench, in the organisation that was joined."""
    workbench.current().accounts.switch_organisation(principal, org_id)
    st.switch_page(START)


def _show_account_form(token: str, followed: FollowedLink, label: str) -> None:
    """Name and password of somebody new."""
    with st.form("link_join"):
        _show_whose(followed)
        name = text_field("Name", followed.name, required=True, max_chars=MAX_NAME_CHARS, autocomplete="name")
        password = new_password_fields("link_join")
        if submit_button(label, is_wide=True):
            with show_errors(has_action=False):
                tickets = st.session_state["link_tickets"]
                tickets[token] = workbench.current().joining.make_account(token, password.agreed(), name)
    _open_kept(token)
    signed_out.back_to_sign_in()


def _show_whose(followed: FollowedLink) -> None:
    """Whose account it is: to read, and for the browser's password manager; so it is as dark as what can be changed."""
    style = "-webkit-text-fill-color: COLOR; color: COLOR".replace("COLOR", theme_color("text"))
    st.html(f"<style>:root:root .st-key-{_WHOSE} :is(input, label p) {{ {style} }}</style>")
    st.text_input("Email", followed.email, disabled=True, autocomplete="username", key=_WHOSE)


def _open_kept(token: str) -> None:
    """Lets the browser open the session that the link has led to, if it has."""
    if token in st.session_state["link_tickets"]:
        session.open_session(st.session_state["link_tickets"][token], at_start=True)


_PURPOSES: dict[str, Callable[[str, FollowedLink, Principal | None], None]] = {
    "join": _make_account,
    "reset": _reset_password,
    "invitation": _accept_invitation,
}
