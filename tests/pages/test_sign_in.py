"""Nobody sees a page before they have signed in, and everybody who has lands where they wanted to go."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from core.accounts.accounts import FREE_FAILURES
from core.errors import DatabaseUnavailable
from core.principal import Principal, Role
from core.settings import ROOT
from core.settings import SESSION_COOKIE as COOKIE
from core.workbench import Workbench
from pages.components import session
from tests.core.http.page_socket import page_socket, run_page

if TYPE_CHECKING:
    from tests.conftest import LiveApp, MakeMember

MAIN = str(ROOT / "pages" / "main.py")
PASSWORD = "correct horse battery"
WRONG = "**The e-mail address or the password is wrong.**"
PAGES = ("chat", "usage", "members", "settings", "admin")
DOORS = ("sign_up", "forgot", "link")


@pytest.fixture
def visitor(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A browser without a cookie, which AppTest cannot be by itself."""
    monkeypatch.setattr(session, "caller", lambda: session.Caller(session=None, address="127.0.0.1"))
    return workbench


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """Somebody who can sign in."""
    return member("ann", password=PASSWORD, role=Role.ANALYST)


def _form() -> AppTest:
    return AppTest.from_file(MAIN, default_timeout=20).run()


def _sent(form: AppTest, email: str, password: str) -> AppTest:
    form.text_input[0].set_value(email)
    form.text_input[1].set_value(password)
    return form.button[0].click().run()


def _tickets(app: AppTest) -> list[str]:
    """Scripts of our own that open a session."""
    return [block.value for block in app.html if '<script src="/auth/session.js" data-ticket="' in block.value]


def _sentences(app: AppTest) -> list[str]:
    return [box.value for box in (*app.warning, *app.error, *app.info)]


def test_a_visitor_finds_the_form_and_nothing_else(visitor: Workbench) -> None:
    form = _form()
    assert [field.label for field in form.text_input] == ["Email", "Password"]
    assert [button.label for button in form.button] == ["Sign in"]
    assert [field.proto.autocomplete for field in form.text_input] == ["username", "current-password"]
    assert not form.sidebar.children
    assert not form.exception


@pytest.mark.parametrize("is_open", [True, False])
def test_a_visitor_is_led_to_a_new_account_only_where_strangers_may_have_one(
    visitor: Workbench, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    monkeypatch.setattr(type(visitor.joining), "is_open", is_open)
    links = [str(link.proto.label) for link in _form().get("page_link")]
    assert links == ["Forgot your password?", *(["Create an account"] if is_open else [])]


def test_the_right_password_gives_the_browser_a_ticket_for_our_own_script(visitor: Workbench, ann: Principal) -> None:
    form = _sent(_form(), ann.email, PASSWORD)
    assert not _sentences(form)
    assert len(_tickets(form)) == 1


@pytest.mark.parametrize("email", ["ann@test.example", "nobody@test.example"])
def test_a_wrong_password_and_an_unknown_address_read_alike(visitor: Workbench, ann: Principal, email: str) -> None:
    form = _sent(_form(), email, "wrong")
    assert _sentences(form) == [WRONG]
    assert "wrong" in _sentences(form)[0]
    assert not any("session.js" in block.value for block in form.html)


@pytest.mark.parametrize(
    ("email", "password"), [("", ""), ("ann@test.example", ""), ("no address", "x"), ("a@" + "b" * 500, "x")]
)
def test_what_cannot_be_an_account_does_not_count_as_a_try(
    visitor: Workbench, monkeypatch: pytest.MonkeyPatch, email: str, password: str
) -> None:
    monkeypatch.setattr(type(visitor.accounts), "sign_in", lambda *_a, **_k: pytest.fail("counted as a try"))
    form = _sent(_form(), email, password)
    assert len(_sentences(form)) == 1
    assert not form.exception


def test_who_has_to_wait_is_told_how_long_in_words_whoever_they_are(visitor: Workbench, ann: Principal) -> None:
    for email in (ann.email, "nobody@test.example"):
        form = _form()
        for _ in range(FREE_FAILURES * 3):
            form = _sent(form, email, "wrong")
            if _sentences(form) != [WRONG]:
                break
        assert re.fullmatch(r"\*\*Too many sign-in attempts; try again in \d+ seconds?\*\*", _sentences(form)[0])
        assert not _tickets(_sent(form, email, PASSWORD))


def test_a_database_that_goes_away_during_sign_in_is_said_in_the_form(
    visitor: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_given: object, **_named: object) -> str:
        raise DatabaseUnavailable

    monkeypatch.setattr(type(visitor.accounts), "sign_in", down)
    form = _sent(_form(), "ann@test.example", PASSWORD)
    assert not form.exception
    assert "The database cannot be reached" in _sentences(form)[0]
    assert [field.value for field in form.text_input] == ["ann@test.example", PASSWORD]


def test_a_database_that_is_down_says_so_and_comes_back_by_itself(
    ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(session, "current_principal", down)
    app = _form()
    assert "The database cannot be reached" in _sentences(app)[0]
    assert not app.exception
    monkeypatch.setattr(session, "current_principal", lambda: ann)
    app.run()
    assert not _sentences(app)
    assert "Sign out" in [button.label for button in app.sidebar.button]


def test_a_page_refuses_a_role_that_it_was_not_made_for(ann: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "current_principal", lambda: ann)

    def page() -> None:
        import streamlit as st

        from core.principal import Role
        from pages.components import session

        session.require(Role.OWNER)
        st.text("inside")

    app = AppTest.from_function(page).run()
    assert not app.text
    assert "not part of your role" in _sentences(app)[0]


@pytest.mark.parametrize("page", PAGES)
def test_a_cold_process_shows_an_anonymous_visitor_the_form_alone(cold_app: Callable[[], LiveApp], page: str) -> None:
    # By its address, and by the number that Streamlit gives to the files of a folder named `pages`.
    for wish in ({"name": page}, {"script_hash": _hash(f"{ROOT}/pages/{page}.py")}):
        with page_socket(cold_app().base_url) as anonymous:
            drawn = run_page(anonymous, **wish)
        assert 'label: "Password"' in drawn
        assert 'label: "Sign out"' not in drawn
        assert "chat_input" not in drawn


def test_a_cold_process_opens_the_doors_to_an_anonymous_visitor(cold_app: Callable[[], LiveApp]) -> None:
    app = cold_app()
    for door in DOORS:
        for wish in ({"name": door}, {"script_hash": _hash(f"{ROOT}/pages/{door}.py")}):
            with page_socket(app.base_url) as anonymous:
                drawn = run_page(anonymous, **wish)
            assert ('label: "Email"' in drawn) or "no longer good" in drawn
            assert 'label: "Sign out"' not in drawn


def _hash(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.browser
def test_a_deep_link_survives_sign_in_and_sign_out_ends_it(live_app: LiveApp, browser_page: Page) -> None:
    page, foreign, complaints = browser_page, list[str](), list[str]()
    page.on("request", lambda request: foreign.extend(_foreign(request.url, live_app.base_url)))
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(f"{live_app.base_url}/usage?from=mail")
    page.get_by_label("Email").fill(live_app.email)
    page.get_by_label("Password", exact=True).fill("not it")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("password is wrong")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(live_app.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert urlsplit(page.url).path == "/usage"

    cookie = next(cookie for cookie in page.context.cookies() if cookie["name"] == COOKIE)
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Lax"
    assert COOKIE not in page.evaluate("document.cookie")

    page.goto(live_app.base_url)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.wait_for_url("**/chat")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Email")).to_be_visible()
    assert not [cookie for cookie in page.context.cookies() if cookie["name"] == COOKIE]

    page.context.add_cookies([{"name": COOKIE, "value": cookie["value"], "url": live_app.base_url}])
    page.reload()
    expect(page.get_by_label("Email")).to_be_visible()
    assert not foreign
    assert not [text for text in complaints if "Content Security Policy" in text or "violates" in text]


def _foreign(url: str, base_url: str) -> list[str]:
    parts = urlsplit(url)
    is_ours = parts.scheme in {"data", "blob"} or parts.netloc == urlsplit(base_url).netloc
    return [] if is_ours else [url]
