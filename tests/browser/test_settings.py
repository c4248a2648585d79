"""Settings in a real browser: sessions that end elsewhere, a new password, a token that works until it is revoked."""

from __future__ import annotations

import re
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_new_user import sign_in
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import VIEWS, screenshot

NEW_PASSWORD = "seven maps of the old harbour"
SECTIONS = ("profile", "password", "sessions", "tokens", "organisation")

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def another_browser(browser: Browser) -> Page:
    """Somebody's second device."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    return context.new_page()


def go_to(page: Page, section: str) -> None:
    """Chooses a part of the settings, which the address then names."""
    page.get_by_test_id("stMain").get_by_role("radio", name=section).or_(
        page.get_by_test_id("stMain").get_by_role("button", name=section, exact=True)
    ).first.click()
    expect(page.get_by_role("heading", name=section, exact=True)).to_be_visible()


def status_of(app: LiveApp, token: str) -> int:
    """How the API answers to a token."""
    with closing(HTTPConnection(urlsplit(app.base_url).netloc, timeout=10)) as connection:
        connection.request("GET", "/api/user/quota", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status


def test_sessions_end_elsewhere_and_a_new_password_keeps_this_browser(
    cold_app: StartApp, browser_page: Page, browser: Browser
) -> None:
    app, page, elsewhere = cold_app(), browser_page, another_browser(browser)
    sign_in(elsewhere, app, app.email, "/settings")
    sign_in(page, app, app.email, "/settings")
    tab = page.context.new_page()
    tab.goto(f"{app.base_url}/settings?section=tokens")
    expect(tab.get_by_text("No tokens yet")).to_be_visible()
    go_to(page, "Sessions")
    expect(page).to_have_url(re.compile("section=sessions"))
    expect(page.get_by_text("This one")).to_have_count(1)
    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="End", exact=True)).to_have_count(0)
    elsewhere.get_by_role("button", name="Save profile").click()
    expect(elsewhere.get_by_label("Email")).to_be_visible()

    elsewhere.reload()
    sign_in(elsewhere, app, app.email, "/settings")
    go_to(page, "Password")
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("New password, again").fill(NEW_PASSWORD)
    page.get_by_label("New password, again").press("Enter")
    expect(page.get_by_text("The current password is wrong.")).to_be_visible()
    screenshot(page, "settings-password-wrong-light")
    page.get_by_label("Current password").fill(app.password)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()
    expect(page).to_have_url(re.compile("section=password$"))
    tab.reload()
    expect(tab.get_by_text("No tokens yet")).to_be_visible()
    elsewhere.get_by_role("button", name="Save profile").click()
    expect(elsewhere.get_by_label("Email")).to_be_visible()
    elsewhere.context.close()


def test_a_token_made_on_the_page_works_until_it_is_revoked_there(cold_app: StartApp, browser_page: Page) -> None:
    app, page = cold_app(), browser_page
    sign_in(page, app, app.email, "/settings?section=tokens")
    page.get_by_role("textbox", name="Name").fill("notebook <b>1</b>")
    page.get_by_role("button", name="Make token").press("Enter")
    secret = page.get_by_test_id("stCode").filter(has_text=re.compile("^assay_"))
    expect(secret).to_be_visible()
    token = secret.inner_text().strip()
    screenshot(page, "settings-token-once-light")
    assert status_of(app, token) == 200
    page.get_by_role("button", name="I have copied it").click()
    expect(secret).to_have_count(0)
    expect(page.get_by_text("notebook <b>1</b>")).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert status_of(app, token) == 200
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").press("Enter")
    expect(page.get_by_text("No tokens yet")).to_be_visible()
    assert status_of(app, token) == 401


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_settings(live_app: LiveApp, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, live_app, "admin@demo.example", "/settings")
    for section in SECTIONS:
        page.goto(f"{live_app.base_url}/settings?section={section}")
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        if section == "sessions":
            expect(page.get_by_text("This one")).to_be_visible()
        screenshot(page, f"page-settings-{section}-{scheme}-{width}")
        wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not wider, f"{section} scrolls sideways"
    context.close()
