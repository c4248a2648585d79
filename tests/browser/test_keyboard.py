"""The workbench by the keyboard alone: signing in, asking, the tour, and deciding on a boost, without a click."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_settings import another_browser
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import screenshot, settle

OPERATOR = "admin@demo.example"
MOST_STEPS = 150
"""More presses of Tab than there are places on any of the pages."""
RING = "e => ({style: getComputedStyle(e).outlineStyle, width: parseFloat(getComputedStyle(e).outlineWidth)})"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def reach(page: Page, wanted: Locator) -> None:
    """Presses Tab until the focus is on something, as whoever has no mouse does."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_STEPS):
        if wanted.evaluate("e => e === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


def sign_in_by_keyboard(page: Page, app: LiveApp, email: str, path: str) -> None:
    """Signs in with Tab, letters and Enter."""
    page.goto(app.base_url + path)
    reach(page, page.get_by_role("textbox", name="Email"))
    page.keyboard.type(email)
    reach(page, page.get_by_role("textbox", name="Password", exact=True))
    page.keyboard.type(app.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()
    settle(page)


def press(page: Page, wanted: Locator) -> None:
    """Reaches a button, whose focus can be seen, and presses it."""
    reach(page, wanted)
    ring = wanted.evaluate(RING)
    assert ring["style"] == "solid", f"nobody sees the focus on {wanted}"
    assert ring["width"] >= 2
    page.keyboard.press("Enter")


def test_a_question_is_asked_by_the_keyboard_alone(cold_app: StartApp, browser_page: Page) -> None:
    page, app = browser_page, cold_app()
    sign_in_by_keyboard(page, app, app.free_email, "/usage")
    reach(page, page.get_by_test_id("stSidebarNav").get_by_role("link", name="Chat"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/chat"))
    reach(page, page.get_by_test_id("stChatInputTextArea"))
    page.keyboard.type("What is duration?")
    page.keyboard.press("Enter")
    answer = page.get_by_test_id("stChatMessage").filter(has_text="Offline glossary")
    expect(answer).to_contain_text("tokens in")
    screenshot(page, "keyboard-chat-light")


def test_the_tour_is_walked_by_the_keyboard_alone(cold_app: StartApp, browser_page: Page) -> None:
    page, app = browser_page, cold_app()
    sign_in_by_keyboard(page, app, app.free_email, "/chat")
    press(page, page.get_by_role("button", name="Take the tour"))
    onward = page.get_by_role("button", name=re.compile("^Next: "))
    place = page.get_by_text(re.compile(r"^\d+ of \d+: "))
    stops: list[str] = []
    for _ in range(2):
        stops.append(_stop(page, place))
        press(page, onward)
        expect(place).not_to_contain_text(stops[-1])
    press(page, page.get_by_role("button", name="Leave the tour"))
    expect(place).to_have_count(0)
    settle(page)
    press(page, page.get_by_role("button", name="Resume the tour"))
    stops.append(_stop(page, place))
    while onward.count():
        press(page, onward)
        expect(place).not_to_contain_text(stops[-1])
        stops.append(_stop(page, place))
    assert stops == [f"{number} of {len(stops)}:" for number in range(1, len(stops) + 1)]
    press(page, page.get_by_role("button", name="End the tour"))
    expect(place).to_have_count(0)
    expect(page.get_by_role("button", name="Tour of the pages")).to_be_visible()


def _stop(page: Page, place: Locator) -> str:
    """Where the tour is, once its page is drawn: "2 of 7:"."""
    expect(place).to_be_visible()
    settle(page)
    return place.inner_text().partition(":")[0] + ":"


def test_a_boost_is_asked_for_and_granted_by_the_keyboard_alone(
    cold_app: StartApp, browser_page: Page, browser: Browser
) -> None:
    page, app, manager = browser_page, cold_app(), another_browser(browser)
    sign_in_by_keyboard(page, app, app.email, "/usage")
    reach(page, page.locator("summary").filter(has_text="Ask for more of a limit"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("textbox", name="Why"))
    page.keyboard.type("The half-year report")
    press(page, page.get_by_role("button", name="Ask", exact=True))
    expect(page.get_by_test_id("stToast")).to_contain_text("Your request waits for a decision")

    sign_in_by_keyboard(manager, app, OPERATOR, "/admin")
    parts = manager.get_by_role("radiogroup", name="Part of the administration")
    reach(manager, parts.get_by_role("radio", name="Overview"))
    boosts = parts.get_by_role("radio", name="Boosts")
    for _ in range(parts.get_by_role("radio").count()):
        if boosts.evaluate("e => e === document.activeElement"):
            break
        manager.keyboard.press("ArrowRight")
    manager.keyboard.press("Space")
    asked = manager.get_by_text(re.compile("Alex Analyst asked .*: The half-year report"))
    expect(asked).to_be_visible()
    settle(manager)
    row = manager.get_by_test_id("stHorizontalBlock").filter(has=asked)
    press(manager, row.get_by_role("button", name="Decide"))
    dialog = manager.get_by_role("dialog")
    reach(manager, dialog.get_by_role("textbox", name="Note for whoever asked"))
    manager.keyboard.type("Granted without a mouse")
    screenshot(manager, "keyboard-boost-light")
    press(manager, dialog.get_by_role("button", name="Grant"))
    expect(manager.get_by_test_id("stToast")).to_contain_text("The boost is granted")
    expect(manager.get_by_text(re.compile("Granted without a mouse"))).to_be_visible()
    manager.context.close()
