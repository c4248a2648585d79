"""Questions about a portfolio in a real browser: steps, citations, marks and charts; what is charged; each state."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_new_user import sign_in
from tests.browser.test_screener import quiet
from tests.conftest import LiveApp, copied
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.chat_server import ChatServer, Reply
from tests.fakes.live_app import start_app
from tests.fakes.scripted_server import Wanted

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

QUESTION = "What drove my drawdown in March 2010?"
INVENTED = "98.7 %"
WINDOW = json.dumps({"first": "2010-03-01", "last": "2010-03-31", "show": "drawdown"})
CALLS = (Wanted("performance", WINDOW, id="call_1"), Wanted("holdings", "{}", id="call_2"))
OPEN_WITHIN_MS = 60_000


@dataclass(frozen=True)
class Desk:
    """A running application, and the provider that it asks."""

    app: LiveApp
    provider: ChatServer


@pytest.fixture(scope="module")
def desk(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Its provider calls tools well, and invents a figure."""
    home = tmp_path_factory.mktemp("chat")
    with copied(server_url, template) as url, ChatServer() as provider:
        app = start_app(home, url, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=provider.base_url)
        yield Desk(app, provider)
        app.stop()


def _answer(desk: Desk, *, gate: threading.Event | None = None) -> str:
    """The text of the second turn: a figure that the tool returned, and one that nothing did."""
    text = (
        "The portfolio fell in **March 2010** [1], and held these positions [2].\n\n"
        "| what | figure |\n|---|---|\n| invented | 98.7 % |\n\n"
        "Costs were $1,234.50 in all, up 2 % on `7.5`."
    )
    desk.provider.script.append(Reply(text="", wants=CALLS))
    desk.provider.script.append(Reply(text=text, gate=gate))
    return text


def _choose(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Portfolio that the question is about").click()
    page.get_by_role("option", name=re.compile(name)).click()
    expect(page.get_by_role("button", name="Explain this drawdown")).to_be_visible(timeout=OPEN_WITHIN_MS)


def _ask(page: Page, question: str) -> Locator:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")
    return page.get_by_test_id("stChatMessage").last


def _open_first_source(answer: Locator) -> None:
    """Follows [1] to its table; a second time where the end of the answer, still growing, pulled the page back."""
    link, table = answer.get_by_role("link", name="[1]"), answer.get_by_role("region").first
    link.click()
    with suppress(AssertionError):
        expect(table).to_be_in_viewport(ratio=0.5, timeout=5_000)
        return
    link.click()
    expect(table).to_be_in_viewport(ratio=0.5)


def test_a_question_about_a_portfolio_shows_its_steps_citations_and_marks(desk: Desk, browser_page: Page) -> None:
    page, complaints, gate = browser_page, list[str](), threading.Event()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, desk.app, desk.app.email, "/chat")
    _choose(page, "US stocks")
    assert "portfolio=" in page.url
    _answer(desk, gate=gate)
    answer = _ask(page, QUESTION)
    expect(answer.get_by_text("2 steps", exact=False)).to_be_visible(timeout=OPEN_WITHIN_MS)
    screenshot(page, "chat-research-running")
    gate.set()
    expect(answer.get_by_text("figures verified", exact=False)).to_be_visible(timeout=OPEN_WITHIN_MS)
    quiet(page)
    screenshot(page, "chat-research-answer")
    invented = answer.get_by_role("link", name=INVENTED)
    expect(invented).to_have_attribute("title", re.compile("^Unverified"))
    table = answer.get_by_role("region").first
    expect(table).to_be_hidden()
    _open_first_source(answer)
    quiet(page)
    screenshot(page, "chat-research-citation")
    invented.click()
    expect(answer.get_by_text("Not verified: they may be right", exact=False)).to_be_visible()
    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_text("Verified figures by model")).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_answers_about_a_portfolio(desk: Desk, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page, gate = context.new_page(), threading.Event()
    sign_in(page, desk.app, desk.app.email, "/chat")
    _choose(page, "US stocks")
    quiet(page)
    screenshot(page, f"chat-research-empty-{scheme}-{width}")
    _answer(desk, gate=gate)
    answer = _ask(page, f"{QUESTION} In {scheme}, {width} wide.")
    expect(answer.get_by_text("2 steps", exact=False)).to_be_visible(timeout=OPEN_WITHIN_MS)
    screenshot(page, f"chat-research-running-{scheme}-{width}")
    gate.set()
    expect(answer.get_by_text("figures verified", exact=False)).to_be_visible(timeout=OPEN_WITHIN_MS)
    quiet(page)
    _open_first_source(answer)
    quiet(page)
    screenshot(page, f"chat-research-open-{scheme}-{width}")
    answer.get_by_role("link", name=INVENTED).click()
    quiet(page)
    screenshot(page, f"chat-research-end-{scheme}-{width}")
    wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    context.close()
    assert not wider, "the page scrolls sideways"
