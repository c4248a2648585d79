"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ARTEFACTS = Path(__file__).resolve().parent.parent / "artefacts"
"""Screenshots of the last run, kept to be looked at."""
VIEWS = [("light", 1280), ("dark", 390)]
"""Themes and widths of a page's pictures: each once. Every component is seen in all four together, in the gallery."""
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome, or None."""
    named = os.environ.get("CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return named or next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the run; tests that need it are left out, and named, where there is none."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium was found")
    with sync_playwright() as playwright:
        expect.set_options(timeout=20_000)
        started = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A fresh page without cookies, in the light theme."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def settle(page: Page) -> None:
    """Waits until a page of the workbench is drawn to the end, whatever is on it."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached(timeout=60_000)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=60_000)


def sections(page: Page, choice: str) -> list[str]:
    """The names of a page's sections; `choice` is how their choice is called."""
    group = page.get_by_role("radiogroup", name=choice)
    expect(group).to_be_visible()
    return group.get_by_role("radio").all_inner_texts()


def open_section(page: Page, choice: str, name: str) -> None:
    """Chooses a section of a page, and waits until it is drawn."""
    radio = page.get_by_role("radiogroup", name=choice).get_by_role("radio", name=name, exact=True)
    if radio.get_attribute("aria-checked") != "true":
        before = page.url
        radio.click()
        page.wait_for_url(lambda url: url != before)  # the workbench writes the section into the address
    settle(page)


def button_of(page: Page, title: str, name: str) -> Locator:
    """A button of the row that has this title."""
    wanted = page.get_by_role("button", name=name, exact=True)
    row = page.get_by_test_id("stHorizontalBlock").filter(has_text=title).filter(has=wanted)
    return row.last.get_by_role("button", name=name, exact=True)


def cells(page: Page, about: str) -> list[dict[str, str]]:
    """The rows and columns of a table that are in sight, by the columns' names; `about` begins its description."""
    table = page.get_by_role("region", name=re.compile(f"^{re.escape(about)}"))
    table.scroll_into_view_if_needed()
    expect(table.locator("canvas td").first).to_be_attached()
    names = table.locator("canvas th").all_text_contents()
    rows = [row.locator("td").all_text_contents() for row in table.locator("canvas tbody tr").all()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def screenshot(page: Page, name: str, *, whole: bool = False) -> Path:
    """Keeps what the window shows, or the whole of what there is to scroll to."""
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    before = page.viewport_size
    if whole and before is not None:
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": before["width"], "height": max(before["height"], height)})
        settle(page)
    page.screenshot(path=str(path))
    if whole and before is not None:
        page.set_viewport_size(before)
    return path
