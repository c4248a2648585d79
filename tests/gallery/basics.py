"""The components that every page is made of, in each of their states."""

from __future__ import annotations

import time

import streamlit as st

from core.errors import (
    AssayError,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    InvalidRequest,
    MeteringDenied,
    NotConfigured,
    PlanRequired,
    ProviderRefusedKey,
    Unauthenticated,
)
from pages.components import secret_once
from pages.components.avatar import avatar_svg, show_avatar
from pages.components.badges import PLANS, ROLES, Badge, role_badge, show_badge, show_plan_badge
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_error
from pages.components.forms import saving, submit_button, text_field
from pages.components.frame import show_sidebar, show_who
from pages.components.headings import page_head, section
from pages.components.rows import Row, person_row, show_list, show_row
from pages.components.states import show_denied, show_done, show_empty, show_failed, show_loading
from pages.components.words import plain
from tests.gallery.samples import denial, principal
from tests.gallery.texts import PEOPLE, TEXTS


def heads() -> None:
    """A page's first line, with a plan and something to do; a part of it"""
    with page_head("Members", plan="team"):
        st.button("Invite", icon=":material/person_add:", type="primary", key="heads_invite")
    page_head(TEXTS["markup"], plan="free")
    with section("Sessions", "Where you are signed in."):
        st.button("End all others", key="heads_end")
    section(PEOPLE["one endless word"][0], TEXTS["right to left"])


def avatars() -> None:
    """Initials of everybody"""
    with st.container(horizontal=True):
        for name, email in PEOPLE.values():
            show_avatar(name, email)
    with st.chat_message("user", avatar=avatar_svg(*PEOPLE["two words"])):
        st.text("In a conversation.")


def sidebar() -> None:
    """In the sidebar: who is signed in, for whom"""
    show_sidebar(principal("two words"))
    with st.sidebar, st.container(border=True, gap="small"):
        show_who(principal("one endless word", plan="enterprise", org_name=TEXTS["endless word"]))


def badges() -> None:
    """Plans, roles and states"""
    with st.container(horizontal=True):
        for plan in (*PLANS, "unknown"):
            show_plan_badge(plan)
        for role in ROLES:
            show_badge(role_badge(role))
        show_badge(Badge("Deactivated", "gray", ":material/block:"))
        show_badge(Badge("Expires soon", "orange", ":material/schedule:"))
        show_badge(Badge(TEXTS["markup"], "red"))


def errors() -> None:
    """Everything that the workbench raises on purpose"""
    ann = principal("two words")
    raised: tuple[AssayError, ...] = (
        InvalidRequest("That is not a complete e-mail address."),
        Unauthenticated("Sign in first."),
        Forbidden("Your role does not allow this."),
        PlanRequired("This model is part of the premium plan."),
        NotConfigured("Set SMTP_URL to send mails."),
        ProviderRefusedKey("The provider refused our key: check OPENAI_API_KEY.", provider="openai"),
        MeteringDenied(denial()),
        DatabaseUnavailable(),
    )
    for error in raised:
        show_error(error, ann)


def words() -> None:
    """Texts of people, of which nothing is read as markup or as a link"""
    for text in (*TEXTS.values(), *(name for name, _ in PEOPLE.values()), "ann@example.com", "1. www.example.com"):
        st.markdown(plain(text))


def people() -> None:
    """People, with what can be done at each"""
    with show_list("people_people"):
        for number, (name, email) in enumerate(PEOPLE.values()):
            badges = (role_badge("owner"), Badge("Deactivated", "gray", ":material/block:")) if number % 3 else ()
            with show_row(person_row(name, email, badges)):
                st.selectbox("Role", ROLES, key=f"people_role_{number}", label_visibility="collapsed", width=120)
                confirm_button(
                    f"people_remove_{number}",
                    "Remove",
                    Question(
                        "Remove this member?", "They lose access at once.", "Remove", subject=name, done="Removed"
                    ),
                    lambda: None,
                )


def sessions() -> None:
    """Sessions, with an icon in place of a person"""
    with show_list("people_sessions"):
        for number, badges in enumerate([(Badge("This one", "green"),), ()]):
            row = Row("Firefox on Linux", "Berlin · 192.0.2.7 · today at 11:02", badges, icon=":material/computer:")
            with show_row(row):
                st.button("End", key=f"people_end_{number}", type="tertiary", icon=":material/logout:")


def empty() -> None:
    """Empty"""
    show_empty(
        "No tokens yet", "A token lets a program ask in your name.", lambda: st.button("Make one", key="empty_one")
    )
    for text in TEXTS.values():
        show_empty(text, text)


def loading() -> None:
    """Loading"""
    if st.button("Load for five seconds", key="loading_start"):
        with show_loading("Reading the log"):
            time.sleep(5)


def denied() -> None:
    """Denied"""
    show_denied("This page is not part of your role.", "An owner of your organisation can change that.")
    show_denied(TEXTS["markup"], TEXTS["endless word"])


def failed() -> None:
    """Failed"""
    show_failed(
        "The mail could not be sent.", "Nothing was changed.", lambda: st.button("Send again", key="failed_again")
    )


def done() -> None:
    """Done"""
    show_done("Your password is changed.", "All other sessions have ended.")


def form() -> None:
    """A form: send a name; “taken” fails"""
    with st.form("gallery_form"):
        name = text_field("Name", "Ann Miller", required=True, max_chars=200, hint="As your colleagues see it.")
        text_field("Email", "", kind="email")
        text_field("Password", "", kind="password", required=True, autocomplete="new-password")
        if submit_button("Save"):
            with saving("Your profile is saved"):
                if name == "taken":
                    raise InvalidRequest("This name is taken. Choose another one.")


def questions() -> None:
    """What cannot be undone is asked first; one of these fails"""

    def fail() -> None:
        raise Conflict("You are the last owner. Make somebody else an owner first.")

    with st.container(horizontal=True):
        question = Question(
            "Delete this token?", "Programs that use it stop working at once.", "Delete", done="Deleted"
        )
        confirm_button("questions_delete", "Delete token", question, lambda: None)
        question = Question("Leave?", "You lose access.", "Leave", subject=PEOPLE["markup"][0])
        confirm_button("questions_leave", "Leave organisation", question, fail, kind="secondary", icon=None)


def secrets() -> None:
    """A secret that is shown once"""
    if not secret_once.show("secrets_token", "token") and st.button("Make a token", key="secrets_make"):
        secret_once.keep("secrets_token", "assay_" + "x7Qp" * 12)
        st.rerun()
