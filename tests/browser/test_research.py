"""Research on a portfolio in a real browser: agreed to, made while one looks, read; three chat queries, then none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_new_user import sign_in
from tests.browser.test_portfolio import _whole
from tests.browser.test_screener import WITHIN_MS, quiet
from tests.conftest import LiveApp, copied
from tests.core.research.bundles_made import GENERATED
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.live_app import start_app

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

NAME = "Held for reading"
HELD = (*GENERATED, "AAPL", "MSFT")
ROWS = "\n".join(
    ["Date,Kind,Symbol,Quantity,Price,Currency"]
    + [f"2010-03-01,Buy,{symbol},10,50,{'INR' if symbol.endswith('.NS') else 'USD'}" for symbol in HELD]
)


@pytest.fixture(scope="module")
def desk(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    """A running application with the demo, whose models are offline."""
    with copied(server_url, template) as url:
        app = start_app(tmp_path_factory.mktemp("research"), url)
        yield app
        app.stop()


def test_opening_uses_three_chat_queries_and_reading_uses_none(
    desk: LiveApp, browser_page: Page, tmp_path: Path
) -> None:
    page, complaints = browser_page, list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    sign_in(page, desk, desk.free_email, "/portfolio")
    _fill(page, tmp_path / "held.csv")
    _open_research(page)
    expect(page.get_by_text("10 of 10 chat queries left today")).to_be_visible(timeout=WITHIN_MS)
    screenshot(page, "research-question")
    page.get_by_role("button", name="Agree and open · 3 chat queries").click()
    expect(page.get_by_text("fresh until")).to_have_count(3, timeout=WITHIN_MS)
    expect(_items(page).first).to_be_visible()
    quiet(page)
    screenshot(page, "research-open")
    _read(page)
    page.reload()
    expect(_items(page).first).to_be_visible(timeout=WITHIN_MS)
    _summarise(page)
    page.goto(f"{desk.base_url}/usage")
    expect(page.get_by_text("4 of 10 used, 6 left")).to_be_visible(timeout=WITHIN_MS)
    assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_research(desk: LiveApp, browser: Browser, scheme: str, width: int, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1200}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, desk, desk.free_email, "/portfolio")
    expect(
        page.get_by_text("Value", exact=True).or_(page.get_by_role("button", name="New portfolio")).first
    ).to_be_visible(timeout=WITHIN_MS)
    if page.get_by_text("No portfolio yet").count():
        _fill(page, tmp_path / "held.csv")
    _open_research(page)
    agree = page.get_by_role("button", name="Agree and open")
    expect(agree.or_(_items(page).first)).to_be_visible(timeout=WITHIN_MS)
    if agree.count():
        agree.click()
    expect(page.get_by_text("fresh until")).to_have_count(3, timeout=WITHIN_MS)
    _whole(page, width, f"page-portfolio-research-{scheme}-{width}")
    _items(page).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    quiet(page)
    screenshot(page, f"research-detail-{scheme}-{width}")
    context.close()


def _fill(page: Page, path: Path) -> None:
    path.write_text(ROWS, "utf-8")
    page.get_by_role("button", name="New portfolio").first.click(timeout=WITHIN_MS)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(NAME)
    dialog.get_by_text("Keep its cash").click()
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Import 5 rows").click(timeout=WITHIN_MS)
    expect(page.get_by_text("Time-weighted return").first).to_be_visible(timeout=WITHIN_MS)


def _open_research(page: Page) -> None:
    page.get_by_role("radio", name="Research", exact=True).click(timeout=WITHIN_MS)
    quiet(page)


def _items(page: Page) -> Locator:
    return page.locator("[class*=timeline_items] button")


def _read(page: Page) -> None:
    """Filtered, searched and opened: nothing of it counts."""
    page.get_by_role("button", name="Filings", exact=True).click()
    quiet(page)
    expect(_items(page).first).to_contain_text("filed a")
    _items(page).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Read it here · free").click()
    expect(dialog.get_by_text("Section", exact=True)).to_be_visible()
    quiet(page)
    screenshot(page, "research-filing")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Filings", exact=True).click()
    page.get_by_label("Search in titles").fill("no such title")
    page.get_by_label("Search in titles").press("Enter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_label("Search in titles").fill("")
    page.get_by_label("Search in titles").press("Enter")
    expect(_items(page).first).to_be_visible()
    box = page.get_by_test_id("stMultiSelect").get_by_role("combobox")
    box.click()
    page.get_by_role("option", name=GENERATED[0]).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name=re.compile(f"Ask about {re.escape(GENERATED[0])}"))).to_be_visible()
    quiet(page)
    screenshot(page, "research-holding")


def _summarise(page: Page) -> None:
    """One chat query more."""
    _items(page).filter(has_text=re.compile("^newspaper")).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("7 of 10 chat queries left today").first).to_be_visible()
    dialog.get_by_role("button", name="Summarise · 1 chat query").click()
    expect(dialog.get_by_text("1 chat query used")).to_be_visible(timeout=WITHIN_MS)
    quiet(page)
    screenshot(page, "research-summary")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
