"""A portfolio in a real browser: created, filled from a broker's file, read tab by tab, analysed and rebalanced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.components.portfolio_sections import SECTIONS
from tests.browser.test_new_user import sign_in
from tests.browser.test_screener import WITHIN_MS, quiet, wait_until_idle
from tests.conftest import LiveApp, copied
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.live_app import start_app

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

DEMO = "US stocks"
RIBBON = ("Value", "Day's change", "Total gain", "Time-weighted return", "Money-weighted return", "Cash")
GERMAN = """Depotauszug;Muster GmbH;;;;;
;;;;;;
Datum;Art;Symbol;Anzahl;Preis;Gebühren;Währung
01.03.2010;Buy;AAPL;10;208,99;4,95;USD
15.03.2010;Buy;MSFT;100;29,29;4,95;USD
16.04.2010;Sell;AAPL;4;247,40;4,95;USD
20.04.2010;Sell;MSFT;500;31,00;4,95;USD
"""
"""A file with a preamble, semicolons and decimal commas; its last row sells more than is held."""


@pytest.fixture(scope="module")
def desk(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    """A running application with the demo, its portfolios among it."""
    with copied(server_url, template) as url:
        app = start_app(tmp_path_factory.mktemp("portfolio"), url)
        wait_until_idle(app)
        yield app
        app.stop()


def test_an_analyst_creates_imports_reads_analyses_and_rebalances(
    desk: LiveApp, browser_page: Page, tmp_path: Path
) -> None:
    page, complaints = browser_page, list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    sign_in(page, desk, desk.email, "/portfolio")
    _create(page, "My shares")
    _import_german(page, tmp_path / "depot.csv")
    _read_every_part(page)
    _analyse(page)
    _rebalance(page)
    assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_the_portfolio(desk: LiveApp, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1200}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, desk, desk.email, "/portfolio")
    expect(page.get_by_text("Value", exact=True).first).to_be_visible(timeout=WITHIN_MS)
    _choose(page, DEMO)
    for tab in SECTIONS:
        _open(page, tab)
        if tab == "Risk" and page.get_by_role("button", name="Analyse").count():
            page.get_by_role("button", name="Analyse").click()
            expect(page.get_by_text("Sharpe ratio").first).to_be_visible(timeout=WITHIN_MS)
        _whole(page, width, f"page-portfolio-{tab.lower()}-{scheme}-{width}")
    context.close()


def _create(page: Page, name: str) -> None:
    page.get_by_role("button", name="New portfolio").first.click(timeout=WITHIN_MS)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_text("Keep its cash").click()
    screenshot(page, "portfolio-create")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("Nothing is entered yet")).to_be_visible()


def _import_german(page: Page, path: Path) -> None:
    """One row is refused: nothing is imported until it is left out; the same file again adds nothing."""
    path.write_text(GERMAN, "utf-8")
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("What becomes of every row")).to_be_visible()
    expect(page.get_by_text("Refused: 1")).to_be_visible()
    quiet(page)
    screenshot(page, "portfolio-import-preview")
    expect(page.get_by_role("button", name="Import 3 rows")).to_be_disabled()
    page.get_by_text("Leave out the 1 refused row").click()
    page.get_by_role("button", name="Import 3 rows").click()
    expect(page.get_by_text("Time-weighted return").first).to_be_visible()
    _open(page, "Transactions")
    page.get_by_role("radio", name="Import").click()
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("There already: 3")).to_be_visible()
    screenshot(page, "portfolio-import-again")


def _read_every_part(page: Page) -> None:
    for tab in SECTIONS:
        _open(page, tab)
        for label in RIBBON:
            expect(page.get_by_text(label, exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"prices? (is|are) ")).first).to_be_visible()
    _open(page, "Overview")
    expect(page.locator(".js-plotly-plot")).to_have_count(5)
    _open(page, "Holdings")
    _choose_from(page, "Lots and costs of", "AAPL")
    expect(page.get_by_text("Lots, the oldest first")).to_be_visible()
    expect(page.get_by_text("Sales, the newest first")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Lots and costs of")).to_be_visible(timeout=WITHIN_MS)


def _analyse(page: Page) -> None:
    _open(page, "Risk")
    expect(page.get_by_text("It uses 1 portfolio analysis", exact=False)).to_be_visible()
    page.get_by_role("button", name="Analyse").click()
    expect(page.get_by_text("Sharpe ratio").first).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_text("Underwater")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Sharpe ratio").first).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_role("button", name="Analyse")).to_have_count(0)


def _rebalance(page: Page) -> None:
    _open(page, "Rebalance")
    page.get_by_role("button", name="Equal weights").click()
    quiet(page)
    page.get_by_role("button", name="Save targets").click()
    expect(page.get_by_text("Proposed trades")).to_be_visible()
    expect(page.get_by_text("nothing is sent", exact=False)).to_be_visible()
    expect(page.get_by_text("Turnover")).to_be_visible()
    quiet(page)
    screenshot(page, "portfolio-rebalance")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    rows = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert rows[0].startswith("symbol,side,quantity")
    assert {row.split(",")[1] for row in rows[1:]} == {"sell", "buy"}


def _open(page: Page, tab: str) -> None:
    page.get_by_role("radio", name=tab, exact=True).click()
    quiet(page)


def _choose(page: Page, name: str) -> None:
    _choose_from(page, "Portfolio", name)
    quiet(page)


def _choose_from(page: Page, label: str, name: str) -> None:
    box = page.get_by_test_id("stSelectbox").filter(has_text=label).first
    box.get_by_role("combobox").click()
    page.get_by_role("option", name=re.compile(f"^{re.escape(name)}")).first.click()


def _whole(page: Page, width: int, name: str) -> None:
    quiet(page)
    height = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(height, 600)})
    quiet(page)
    screenshot(page, name)
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), "it scrolls sideways"
    assert not page.evaluate("document.querySelector('.stMain').scrollWidth > window.innerWidth"), "it scrolls sideways"
    page.set_viewport_size({"width": width, "height": 1200})
