"""Conversations in a real browser: found, named and deleted by keyboard alone, in two tabs and on a telephone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_new_user import QUESTION, ask, sign_in
from tests.conftest import StartApp
from tests.fakes.browser import VIEWS, screenshot

MARKUP = "About <b>risk</b> *and* `more`"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def _search(page: Page, text: str) -> None:
    field = page.get_by_label("Search conversations")
    field.fill(text)
    field.press("Enter")


def test_a_conversation_is_found_named_and_deleted_by_keyboard_and_a_second_tab_reads_right(
    cold_app: StartApp, browser_page: Page
) -> None:
    page, app = browser_page, cold_app()
    sign_in(page, app, "colleague@demo.example", "/chat")  # who has none in the demo
    ask(page, QUESTION)
    expect(page.get_by_text(re.compile(r"This conversation free · your month \d+\.\d+ USD"))).to_be_visible()
    second = page.context.new_page()
    second.goto(page.url)
    expect(second.get_by_role("button", name="Rename")).to_be_visible()

    page.get_by_role("button", name="New conversation").press("Enter")
    _search(page, "nobody wrote this")
    expect(page.get_by_text("No conversation holds this.")).to_be_visible()
    _search(page, "SPREADING money")
    expect(page.get_by_text("1 found")).to_be_visible()
    side = page.get_by_test_id("stSidebar")
    side.get_by_role("button", name=QUESTION).press("Enter")
    page.get_by_role("button", name="Rename").press("Enter")
    title = page.get_by_label("Title")
    title.fill(MARKUP)
    title.press("Enter")
    expect(page.get_by_text("Renamed", exact=True)).to_be_visible()
    expect(side.get_by_role("button", name=MARKUP)).to_be_visible()

    page.get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(MARKUP)
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_text("Your conversations will be listed here.")).to_be_visible()

    box = second.get_by_test_id("stChatInputTextArea")
    box.fill("What is inflation?")
    box.press("Enter")
    expect(second.get_by_text("There is no such conversation.")).to_be_visible()
    second.get_by_role("button", name="Start a new one").press("Enter")
    expect(second.get_by_text("This question was not sent.")).to_be_visible()
    second.get_by_role("button", name="Try again").press("Enter")
    expect(second.get_by_test_id("stChatMessage").last).to_contain_text("Offline glossary")
    assert app.command("doctor", "--accounting").returncode == 0


def test_screenshots_of_conversations(cold_app: StartApp, browser: Browser) -> None:
    app = cold_app()
    for scheme, width in VIEWS:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        context.set_default_timeout(30_000)
        page = context.new_page()
        sign_in(page, app, app.email, "/chat")
        ask(page, QUESTION)
        expect(page.get_by_text(re.compile("your month"))).to_be_visible()
        screenshot(page, f"chat-conversation-{scheme}-{width}")
        page.get_by_role("button", name="Rename").click()
        expect(page.get_by_label("Title")).to_be_visible()
        screenshot(page, f"chat-rename-{scheme}-{width}")
        page.keyboard.press("Escape")
        if width < 400:
            page.get_by_test_id("stExpandSidebarButton").click()
        _search(page, "spreading")
        expect(page.get_by_text(re.compile(r"\d+ found"))).to_be_visible()
        screenshot(page, f"chat-search-{scheme}-{width}")
        wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        context.close()
        assert not wider, "the page scrolls sideways"
