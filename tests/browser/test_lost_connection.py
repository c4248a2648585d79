"""The server goes away under an open page and comes back: it is said in words, nothing is lost, and it goes on."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_new_user import QUESTION, ask, sign_in
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import screenshot
from tests.fakes.chat_server import ChatServer
from tests.fakes.live_app import start_again

TYPED = "a question that is half typed"
LOST = re.compile("The connection to the server is lost")

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
Restart = Callable[[LiveApp], None]


@pytest.fixture
def restart() -> Iterator[Restart]:
    """Starts a killed application again; ended with the test."""
    started: list[LiveApp] = []
    yield lambda app: started.append(start_again(app))
    for app in started:
        app.stop()


def _sign(page: Page) -> Locator:
    return page.locator("#assay-connection[role=status]")


def test_a_lost_connection_is_said_and_the_page_goes_on_by_itself(
    cold_app: StartApp, browser_page: Page, restart: Restart
) -> None:
    page, app = browser_page, cold_app()
    sign_in(page, app, app.email, "/chat")
    ask(page, QUESTION)
    address = page.url
    page.get_by_test_id("stChatInputTextArea").fill(TYPED)
    expect(_sign(page)).to_be_hidden()

    app.stop(signal.SIGKILL)
    expect(_sign(page)).to_have_text(LOST)
    screenshot(page, "chat-lost-light")
    page.wait_for_event("console", lambda message: "not responding" in message.text)
    expect(page.get_by_role("dialog")).to_have_count(0)  # Streamlit's own, which covers the page
    expect(page.get_by_text(QUESTION).first).to_be_visible()

    restart(app)
    expect(_sign(page)).to_have_text("Connected again.")
    expect(_sign(page)).to_be_hidden()
    assert page.url == address
    box = page.get_by_test_id("stChatInputTextArea")
    expect(box).to_have_value(TYPED)
    box.press("Enter")
    answers = page.get_by_test_id("stChatMessage").filter(has_text="Offline glossary")
    expect(answers).to_have_count(2)
    expect(page.get_by_test_id("stChatMessage").filter(has_text=TYPED)).to_have_count(1)


def test_a_question_under_way_is_kept_and_can_be_asked_again(
    cold_app: StartApp, browser_page: Page, restart: Restart, chat_server: ChatServer
) -> None:
    page = browser_page
    app = cold_app(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url)
    sign_in(page, app, app.email, "/chat")
    chat_server.reply(text="one two three four", hangs="between_tokens")
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.get_by_test_id("stChatMessage").nth(1)).to_contain_text("one")
    expect(page).to_have_url(re.compile("conversation="))

    app.stop(signal.SIGKILL)
    expect(_sign(page)).to_have_text(LOST)
    restart(app)
    expect(page.get_by_text("The answer is being written.").last).to_be_visible()
    expect(page.get_by_test_id("stChatMessage").filter(has_text=QUESTION)).to_have_count(1)
    chat_server.reply(text="Spreading money over things that do not move together.")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_test_id("stChatMessage").nth(1)).to_contain_text("Spreading money over things")
    expect(page.get_by_test_id("stChatMessage")).to_have_count(2)


def test_a_network_that_is_away_for_a_moment_is_said_too(live_app: LiveApp, browser_page: Page) -> None:
    page = browser_page
    sign_in(page, live_app, live_app.email, "/chat")
    page.context.set_offline(True)
    expect(_sign(page)).to_have_text(LOST)
    page.context.set_offline(False)
    expect(_sign(page)).to_have_text("Connected again.")
