"""Members and the choice of the organisation in a real browser, with two tabs of one session."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_new_user import sign_in
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.mail_server import MailServer, link_of

OWNER, DEMO, OTHER = "admin@demo.example", "Demo organisation", "Harbour & <i>Sons</i>"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def choose(page: Page, label: str, option: str | re.Pattern[str]) -> None:
    """Chooses in a select by keyboard and mouse, as people do."""
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option).click()


def test_an_owner_invites_gives_roles_and_removes(
    cold_app: StartApp, browser_page: Page, mail_server: MailServer
) -> None:
    app, page = cold_app(SMTP_URL=mail_server.url), browser_page
    sign_in(page, app, OWNER, "/members")
    expect(page.get_by_text("3 of 50 seats")).to_be_visible()
    page.get_by_label("Invite by e-mail").fill("New@Else.Example")
    page.get_by_role("button", name="Invite", exact=True).press("Enter")
    expect(page.get_by_text("4 of 50 seats")).to_be_visible()
    first = link_of(mail_server.wait_for("new@else.example", "Invitation"))
    assert page.get_by_test_id("stCode").count() == 0
    page.get_by_role("button", name="Send again").click()
    assert link_of(mail_server.wait_for("new@else.example", "Invitation")) != first
    screenshot(page, "members-invited-light")
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(page.get_by_text("3 of 50 seats")).to_be_visible()

    page.get_by_role("button", name="Role", exact=True).nth(1).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Alex Analyst")).to_be_visible()
    dialog.get_by_role("combobox", name="Role").click()
    page.get_by_role("option", name=re.compile("Viewer")).click()
    screenshot(page, "members-role-light")
    dialog.get_by_role("button", name="Give role").click()
    expect(page.get_by_text("Viewer", exact=True)).to_be_visible()
    mail_server.wait_for(app.email)

    page.get_by_role("button", name="Remove", exact=True).last.click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Remove", exact=True).last.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("2 of 50 seats")).to_be_visible()


def test_switching_in_one_tab_is_noticed_by_the_other_before_it_acts(cold_app: StartApp, browser_page: Page) -> None:
    app, page = cold_app(), browser_page
    assert app.command("user", "add", OWNER, "--org", OTHER, "--plan", "team").returncode == 0
    sign_in(page, app, OWNER, "/members")
    page.get_by_label("Invite by e-mail").fill("meant@demo.example")
    chat = page.context.new_page()
    chat.goto(f"{app.base_url}/chat")
    box = chat.get_by_test_id("stChatInputTextArea")
    expect(box).to_be_visible()

    asked = page.context.new_page()
    asked.goto(f"{app.base_url}/members")
    asked.get_by_role("button", name="Remove", exact=True).first.click()
    expect(asked.get_by_role("dialog").get_by_text("Alex Analyst")).to_be_visible()

    other = page.context.new_page()
    other.goto(f"{app.base_url}/settings?section=organisation")
    choose(other, "Organisation", OTHER)
    expect(other.get_by_text(f"You are now in {OTHER}.")).to_be_visible()
    expect(other.get_by_role("heading", name="Settings")).to_be_visible()
    expect(other).not_to_have_url(re.compile("section="))
    screenshot(other, "switcher-light")

    told = re.compile("You are now in .* as switched in another tab")
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_text("1 of 50 seats")).to_be_visible()
    expect(page.get_by_label("Invite by e-mail")).to_have_value("")
    expect(page.get_by_text("Nobody is invited at the moment")).to_be_visible()
    screenshot(page, "switched-elsewhere-light")

    asked.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(asked.get_by_text(told)).to_be_visible()
    expect(asked.get_by_role("dialog")).to_have_count(0)
    expect(asked.get_by_text("1 of 50 seats")).to_be_visible()

    box.fill("What is duration?")
    box.press("Enter")
    expect(chat.get_by_text(told)).to_be_visible()
    expect(chat.get_by_text("What is duration?")).to_be_visible()
    expect(chat.get_by_text("Your conversations will be listed here.")).to_be_visible()
    screenshot(chat, "chat-switched-elsewhere-light")

    choose(other, "Organisation", DEMO)
    expect(other.get_by_text(f"You are now in {DEMO}.")).to_be_visible()
    other.goto(f"{app.base_url}/members")
    expect(other.get_by_text("3 of 50 seats")).to_be_visible()


def test_a_switch_to_where_the_page_is_closed_leads_to_the_chat(cold_app: StartApp, browser_page: Page) -> None:
    app, page = cold_app(), browser_page
    assert app.command("user", "add", OWNER, "--org", OTHER, "--role", "viewer").returncode == 0
    sign_in(page, app, OWNER, "/members")
    choose(page, "Organisation", OTHER)
    expect(page.get_by_text(f"You are now in {OTHER}.")).to_be_visible()
    expect(page.get_by_role("heading", name="Chat")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_members(live_app: LiveApp, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, live_app, OWNER, "/members")
    expect(page.get_by_role("heading", name="Open invitations")).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    screenshot(page, f"page-members-{scheme}-{width}")
    wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    context.close()
    assert not wider, "the page scrolls sideways"
