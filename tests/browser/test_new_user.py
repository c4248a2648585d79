"""The new user's journey in a real browser, from the sign-in form to the eleventh question."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import VIEWS, screenshot

QUESTION = "What is portfolio diversification?"
OTHERS = (
    "What is duration?",
    "What is beta?",
    "What is a dividend?",
    "What is liquidity?",
    "What is inflation?",
    "What is an ETF?",
    "What is the Sharpe ratio?",
    "What is a 10-K?",
    "What is a bond?",
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def sign_in(page: Page, app: LiveApp, email: str, path: str = "") -> None:
    """Signs in by the form."""
    page.goto(app.base_url + path)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(app.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()


def ask(page: Page, question: str) -> Locator:
    """Asks in the chat, and gives the answer's message once it is whole."""
    answers = page.get_by_test_id("stChatMessage").filter(has_text=re.compile("Offline glossary"))
    before = answers.count()
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")
    answer = answers.nth(before)
    expect(answer).to_contain_text("tokens in")
    return answer


def test_the_new_users_journey(cold_app: StartApp, browser_page: Page) -> None:
    page, app, complaints = browser_page, cold_app(), list[str]()
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(app.base_url)
    expect(page.get_by_label("Email")).to_be_visible()
    screenshot(page, "sign-in-light")
    sign_in(page, app, app.free_email)

    expect(ask(page, QUESTION)).to_contain_text("9 of 10 questions left today")
    screenshot(page, "chat-answer-light")
    again = ask(page, "  what is PORTFOLIO   diversification? ")
    expect(again).to_contain_text("Cached")
    expect(again).to_contain_text("9 of 10 questions left today")

    for question in OTHERS:
        last = ask(page, question)
    expect(last).to_contain_text("none of 10 questions left")
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill("What is convexity?")
    box.press("Enter")
    expect(page.get_by_text("Daily chat query limit reached (10/day)")).to_be_visible()
    expect(page.get_by_text(re.compile("It resets tomorrow at 00:00"))).to_be_visible()
    screenshot(page, "chat-denied-light")
    expect(ask(page, QUESTION)).to_contain_text("Cached")

    page.reload()
    expect(page.get_by_text(OTHERS[-1])).to_be_visible()
    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_role("heading", name="Usage")).to_be_visible()
    expect(page.get_by_text("10 of 10 used")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    screenshot(page, "usage-light")
    assert complaints == []

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Email")).to_be_visible()
    assert app.command("doctor", "--accounting").returncode == 0


def test_the_history_survives_a_reload_and_a_second_tab(cold_app: StartApp, browser_page: Page) -> None:
    page, app = browser_page, cold_app()
    sign_in(page, app, app.email, "/chat")
    ask(page, QUESTION)
    second = page.context.new_page()
    second.goto(page.url)
    expect(second.get_by_text("spreading money over holdings")).to_be_visible()


def test_a_stopped_answer_is_kept_and_marked(cold_app: StartApp, browser_page: Page) -> None:
    page, app = browser_page, cold_app()
    sign_in(page, app, app.email, "/chat")
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill("Compare the Sharpe ratio and the Sortino ratio")
    box.press("Enter")
    expect(page.get_by_test_id("stChatMessage").nth(1)).to_contain_text("ratio")
    page.get_by_role("button", name=re.compile("stop", re.IGNORECASE)).last.click()
    expect(page.get_by_text("Stopped")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Stopped")).to_be_visible()
    assert app.command("doctor", "--accounting").returncode == 0


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_every_page(live_app: LiveApp, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(live_app.base_url)
    expect(page.get_by_label("Email")).to_be_visible()
    screenshot(page, f"page-sign-in-{scheme}-{width}")
    sign_in(page, live_app, live_app.email)
    ask(page, QUESTION)
    screenshot(page, f"page-chat-{scheme}-{width}")
    page.goto(f"{live_app.base_url}/usage")
    expect(page.get_by_text("Every request")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    screenshot(page, f"page-usage-{scheme}-{width}")
    wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    context.close()
    assert not wider, "the page scrolls sideways"
