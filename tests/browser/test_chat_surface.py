"""What stands around questions, in a real browser: models, templates, files, reactions, branches, export, waiting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from tests.browser.test_new_user import sign_in
from tests.browser.test_screener import quiet
from tests.conftest import LiveApp, copied
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.chat_server import ChatServer, Reply
from tests.fakes.live_app import start_app

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

ANSWER = "Spreading money over holdings that do not move together lowers the risk of the whole."
MODEL = "GPT-6 luna"
WITHIN_MS = 60_000
TABLE = b"symbol,quantity\nAAPL,10\n=1+1,5\n"
BROKEN = b"%PDF-1.7 and nothing more"


@dataclass(frozen=True)
class Desk:
    """A running application, and the provider that it asks."""

    app: LiveApp
    provider: ChatServer


@pytest.fixture(scope="module")
def desk(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Its one provider answers whatever is asked."""
    home = tmp_path_factory.mktemp("surface")
    with copied(server_url, template) as url, ChatServer() as provider:
        app = start_app(home, url, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=provider.base_url)
        yield Desk(app, provider)
        app.stop()


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def view(request: pytest.FixtureRequest, browser: Browser) -> Iterator[tuple[Page, str]]:
    """A page in one theme and width, and what its screenshots are called."""
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
    context.set_default_timeout(30_000)
    page = context.new_page()
    yield page, f"{scheme}-{width}"
    wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    context.close()
    assert not wider, "the page scrolls sideways"


def test_everything_around_a_question(desk: Desk, view: tuple[Page, str]) -> None:
    page, name = view
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, desk.app, desk.app.email, "/chat")
    _choose_a_model(page, name)
    _ask_by_template(desk, page, name)
    _ask_with_files(desk, page, name)
    _react(page, name)
    _export(page, name)
    _branch(page, name)
    _wait_for_a_limited_provider(desk, page, name)
    assert complaints == []


def _next(desk: Desk, reply: Reply) -> None:
    """What the provider answers next; what the cache answered in another view has left its own."""
    desk.provider.script[:] = [reply]


def _choose_a_model(page: Page, name: str) -> None:
    page.get_by_role("button", name="Auto", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Takes the cheapest healthy model")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-models-{name}")
    search = dialog.get_by_label("Search models")
    search.press_sequentially("gpt-6 luna")
    expect(dialog.get_by_text(re.compile("^1 of "))).to_be_visible()
    search.press("Tab")
    dialog.get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    expect(dialog.get_by_role("button", name="Use this model")).to_be_enabled()
    quiet(page)
    screenshot(page, f"chat-surface-models-found-{name}")
    dialog.get_by_role("button", name="Use this model").press("Enter")
    expect(page.get_by_role("button", name=MODEL)).to_be_visible()
    expect(dialog).to_have_count(0)


def _ask_by_template(desk: Desk, page: Page, name: str) -> None:
    _next(desk, Reply(text=ANSWER))
    page.get_by_role("button", name="Templates").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Earnings summary")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-templates-{name}")
    dialog.get_by_label("Search templates").press_sequentially("earnings call")
    expect(dialog.get_by_text("Earnings summary")).to_have_count(0)
    dialog.get_by_role("button", name="Use").click()
    dialog.get_by_label("Symbol").press_sequentially("aapl")
    expect(dialog.get_by_text("From the statements and filings of AAPL")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-template-{name}")
    dialog.get_by_role("button", name="Ask").click()
    expect(_last(page)).to_contain_text(ANSWER, timeout=WITHIN_MS)
    expect(_last(page)).to_contain_text(MODEL)


def _ask_with_files(desk: Desk, page: Page, name: str) -> None:
    files: list[FilePayload] = [
        {"name": "chart.png", "mimeType": "image/png", "buffer": _picture()},
        {"name": "trades.csv", "mimeType": "text/csv", "buffer": TABLE},
        {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": BROKEN},
    ]
    page.locator("[data-testid=stChatInput] input[type=file]").set_input_files(files)
    box = page.get_by_test_id("stChatInputTextArea")
    question = f"What do these say, in {name}?"
    box.fill(question)
    expect(page.get_by_test_id("stChatInput").get_by_text("chart.png")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-files-chosen-{name}")
    box.press("Enter")
    expect(page.get_by_text("Your question was not sent")).to_be_visible(timeout=WITHIN_MS)
    expect(box).to_have_value(question)
    expect(page.get_by_role("button", name="trades.csv")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-files-refused-{name}")
    _next(desk, Reply(text=ANSWER))
    box.press("Enter")
    asked = page.get_by_test_id("stChatMessage").filter(has_text=question)
    expect(asked.get_by_role("img", name="chart.png")).to_be_visible(timeout=WITHIN_MS)
    expect(asked).to_contain_text("trades.csv")
    expect(_last(page)).to_contain_text(ANSWER, timeout=WITHIN_MS)
    quiet(page)
    screenshot(page, f"chat-surface-files-{name}")
    sent = json.dumps(desk.provider.requests[-1].body)
    assert "data:image/" in sent
    assert "AAPL" in sent


def _react(page: Page, name: str) -> None:
    last = _last(page)
    last.get_by_role("radio", name="Thumbs up").click()
    quiet(page)
    last.get_by_role("button", name="Note").click()
    note = page.get_by_label("Your note")
    note.fill("The second line is of 2025.")
    quiet(page)
    screenshot(page, f"chat-surface-note-{name}")
    page.get_by_role("button", name="Save note").click()
    expect(_last(page).get_by_role("button", name="Noted")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-reacted-{name}")


def _export(page: Page, name: str) -> None:
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("button", name="Markdown")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-export-{name}")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Markdown").click()
    assert ANSWER in waiting.value.path().read_text("utf-8")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="JSON").click()
    assert ANSWER in json.dumps(json.loads(waiting.value.path().read_text("utf-8")))
    page.keyboard.press("Escape")


def _branch(page: Page, name: str) -> None:
    before = page.url
    page.get_by_role("button", name="Branch", exact=True).first.press(
        "Enter"
    )  # the first answer is above what is in view
    expect(page.get_by_text("You are in a new conversation")).to_be_visible()
    quiet(page)
    screenshot(page, f"chat-surface-branch-{name}")
    assert page.url != before
    expect(page.get_by_test_id("stChatMessage")).to_have_count(2)


def _wait_for_a_limited_provider(desk: Desk, page: Page, name: str) -> None:
    desk.provider.script[:] = [
        Reply(status=429, headers={"retry-after": "6"})
    ]  # what the cache answered before asked for nothing
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(f"What is inflation, in {name}?")
    box.press("Enter")
    expect(page.get_by_text("Please wait a moment.")).to_be_visible(timeout=WITHIN_MS)
    screenshot(page, f"chat-surface-waiting-{name}")
    expect(page.get_by_role("button", name=re.compile("Try again in"))).to_be_disabled()
    _next(desk, Reply(text=ANSWER))
    again = page.get_by_role("button", name="Try again", exact=True)
    expect(again).to_be_enabled(timeout=WITHIN_MS)
    again.click()
    expect(_last(page)).to_contain_text(ANSWER, timeout=WITHIN_MS)
    quiet(page)
    screenshot(page, f"chat-surface-end-{name}")


def _last(page: Page) -> Locator:
    return page.get_by_test_id("stChatMessage").last


def _picture() -> bytes:
    made = BytesIO()
    Image.linear_gradient("L").resize((640, 360)).save(made, "PNG")
    return made.getvalue()
