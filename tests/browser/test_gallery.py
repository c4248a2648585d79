"""The gallery in a real browser: both themes, a narrow window, the keyboard, and names for who cannot see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.settings import ROOT
from tests.fakes.browser import screenshot
from tests.fakes.live_app import free_port
from tests.gallery.exhibits import EXHIBITS

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

VIEWS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
MAX_TABS = 1_500
DRAWN_MS = 120_000
"""All components with their charts on one page take their time."""
ROLES = frozenset("button link textbox combobox radio checkbox switch tab menuitem spinbutton slider".split())
"""What a person acts on, as a screen reader calls it."""
FIND = """() => window.found = [...document.querySelectorAll('button, a[href], input, select, textarea, canvas')]
    .filter((e) => e.tabIndex >= 0 && !e.disabled && !e.closest('header, [inert]'))
    .filter((e) => e.checkVisibility({visibilityProperty: true}))"""
STEP = "() => window.found.indexOf(document.activeElement)"
"""Number of what has the focus; -1 for anything else, as the frame around all."""
LOOK = """async (number) => {
    const line = []
    for (let e = window.found[number]; e && line.length < 5; e = e.parentElement) line.push(e)
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))
    await Promise.allSettled(line.flatMap((e) => e.getAnimations()).map((fading) => fading.finished))
    return line.map((e) => getComputedStyle(e))
        .map((s) => [s.outline, s.boxShadow, s.borderColor, s.backgroundColor].join()).join()
}"""
"""What it and the boxes around it look like, once they are drawn to the end."""
WIDER = """() => [...document.querySelectorAll('.stMain [data-testid], .stSidebar [data-testid]')]
    .filter((e) => !e.closest('[data-testid=stDataFrame], [data-testid=stHtml]') && e.checkVisibility())
    .filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1 && e.getBoundingClientRect().left >= 0)
    .map((e) => e.dataset.testid)"""

DIM = Path(__file__).with_name("contrast.js").read_text("utf-8")


@dataclass
class Gallery:
    """The gallery, started as `make gallery` starts it."""

    base_url: str
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said on any page, and scripts that failed."""

    def open(self, page: Page, component: str = "") -> None:
        """Shows one component, or all, drawn to the end."""
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self.base_url}/?component={component}" if component else self.base_url)
        last = EXHIBITS[component or [*EXHIBITS][-1]][-1]
        expect(page.get_by_text((last.__doc__ or "").strip(), exact=True)).to_be_attached(timeout=DRAWN_MS)
        expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
        expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=60_000)


CHARTS = 32
NAMES = """window.found
    .map((e) => (e.tagName === 'CANVAS' ? e.tagName : e.ariaLabel || e.textContent || e.tagName))"""
"""What is read out of each; a table's drawing has its cells as text once somebody may read them."""
GROUPED = """window.found.map(
    (e) => e.role === 'radio' || e.type === 'radio' || !!e.closest('[data-testid=stButtonGroup]'))"""


@pytest.fixture(scope="module")
def gallery() -> Iterator[Gallery]:
    """One gallery for all tests here."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "tests/gallery/app.py", "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = next(line for line in process.stdout if "URL" in line or "rror" in line)
    assert "URL" in said
    yield Gallery(f"http://127.0.0.1:{port}")
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def view(request: pytest.FixtureRequest, browser: Browser) -> Iterator[tuple[Page, str, int]]:
    """A page in one theme and width."""
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(30_000)
    yield context.new_page(), scheme, width
    context.close()


def test_it_fits_every_window_and_can_be_read_in_both_themes(gallery: Gallery, view: tuple[Page, str, int]) -> None:
    page, scheme, width = view
    gallery.open(page)
    height = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    expect(page.locator(".js-plotly-plot")).to_have_count(CHARTS)
    screenshot(page, f"gallery-{scheme}-{width}")
    assert page.evaluate(WIDER) == []
    assert not page.evaluate("document.querySelector('.stMain').scrollWidth > window.innerWidth")
    assert page.evaluate(DIM) == []
    assert page.locator(".st-key-exhibit_words_words a").count() == 0, "a text became a link"
    assert gallery.complaints == []


@pytest.mark.timeout(1_200)  # some seven hundred steps, each drawn to its end
def test_everything_that_can_be_used_is_reached_by_the_keyboard_and_seen_to_be(
    gallery: Gallery, browser_page: Page
) -> None:
    page = browser_page
    gallery.open(page)
    expect(page.locator(".js-plotly-plot")).to_have_count(CHARTS)  # what is drawn late takes the focus away
    page.evaluate(FIND)
    names = page.evaluate(NAMES)
    plain = page.evaluate(f"Promise.all(window.found.map((e, number) => ({LOOK})(number)))")
    reached: dict[int, str] = {}
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        number = page.evaluate(STEP)
        if number in reached and names[number] != "CANVAS":  # a table has its own steps, cell by cell
            break
        if number >= 0:
            reached[number] = page.evaluate(LOOK, number)
    grouped = page.evaluate(GROUPED)  # the arrow keys lead on among them
    there = page.evaluate("window.found.map((e) => e.isConnected)")  # a table that is sized anew is drawn as another
    missed = [
        name for number, name in enumerate(names) if number not in reached and not grouped[number] and there[number]
    ]
    assert missed == []
    unseen = [names[number] for number, look in reached.items() if look == plain[number] and names[number] != "CANVAS"]
    assert unseen == []


def test_everything_that_can_be_used_has_a_name(gallery: Gallery, browser_page: Page) -> None:
    page = browser_page
    gallery.open(page)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    used = [node for node in tree if not node["ignored"] and _word(node, "role") in ROLES]
    assert len(used) > 50
    assert [node for node in used if not _word(node, "name")] == []
    assert [
        _word(node, "name") for node in used if _word(node, "name").startswith(("refresh", "delete", "data_"))
    ] == []
    images = [node for node in tree if not node["ignored"] and _word(node, "role") == "image"]
    assert sum(_word(image, "name").startswith("Picture of") for image in images) > 10
    for table in page.locator("[data-testid=stDataFrame]:not(details:not([open]) *)").all():
        expect(table).to_be_visible()
    for words in ("Made-up charges of a month", "One made-up day", "Made-up requests of an organisation"):
        assert any(words in _word(node, "name") for node in tree), f"no alternative text: {words}"


def test_what_cannot_be_undone_is_asked_first_and_what_fails_is_said_there(
    gallery: Gallery, browser_page: Page
) -> None:
    page = browser_page
    gallery.open(page, "confirm")
    page.get_by_role("button", name="Leave organisation").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text('<b onclick="alert(1)">')).to_be_visible()
    dialog.get_by_role("button", name="Leave", exact=True).click()
    expect(dialog.get_by_text("You are the last owner.")).to_be_visible()
    screenshot(page, "gallery-confirm")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Delete token").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_test_id("stToast")).to_contain_text("Deleted")
    expect(dialog).to_have_count(0)
    assert gallery.complaints == []


def test_a_form_says_what_is_wrong_beside_it_and_keeps_what_was_typed(gallery: Gallery, browser_page: Page) -> None:
    page = browser_page
    gallery.open(page, "forms")
    name = page.get_by_role("textbox", name="Name")
    name.fill("taken")
    page.get_by_role("textbox", name="Password").fill("secret")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This name is taken.")).to_be_visible()
    expect(name).to_have_value("taken")
    name.fill("Ann")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_test_id("stToast")).to_contain_text("Your profile is saved")
    expect(page.get_by_text("This name is taken.")).to_have_count(0)


def test_loading_is_said_and_gone(gallery: Gallery, browser_page: Page) -> None:
    gallery.open(browser_page, "states")
    browser_page.get_by_role("button", name="Load for five seconds").click()
    expect(browser_page.get_by_text("Reading the log")).to_be_visible()
    expect(browser_page.get_by_text("Reading the log")).to_have_count(0)


def _word(node: Any, name: str) -> str:
    return str(node.get(name, {}).get("value", ""))
