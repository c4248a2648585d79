"""Symbol in a real browser, on the shipped market: found by name, drawn, and looked at as of another day."""

from __future__ import annotations

import re

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_new_user import sign_in
from tests.conftest import LiveApp
from tests.fakes.browser import VIEWS, screenshot

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def test_an_analyst_finds_a_company_by_name_and_reads_where_its_price_is_from(
    live_app: LiveApp, browser_page: Page
) -> None:
    page = browser_page
    sign_in(page, live_app, live_app.email, "/symbol")
    expect(page.get_by_text("No instrument is chosen")).to_be_visible()
    box = page.get_by_role("textbox", name="Symbol, name or CIK")
    box.fill("microsoft")
    box.press("Enter")
    page.get_by_role("button", name="MSFT").first.click()
    expect(page.get_by_role("heading", name="Microsoft")).to_be_visible()
    expect(page.get_by_text("shipped sample")).to_be_visible()
    expect(page.get_by_text("of Fri 20 Aug 2010, 16:00 New York").first).to_be_visible()
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart).to_be_visible()
    expect(page).to_have_url(f"{live_app.base_url}/symbol?symbol=MSFT")
    page.get_by_role("radio", name="Log").click()
    page.get_by_role("radio", name="All").click()
    expect(page.get_by_text("known from 01 Mar 2000")).to_be_visible()
    expect(chart).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Microsoft")).to_be_visible()


def test_filings_that_are_asked_for_twice_at_once_count_once(live_app: LiveApp, browser_page: Page) -> None:
    page, before = browser_page, filings_used(live_app)
    sign_in(page, live_app, live_app.email, "/symbol?symbol=CHAMELI.NS")
    page.get_by_role("radio", name="Filings").click()
    page.get_by_role("button", name=re.compile("Fetch")).dblclick()
    expect(page.get_by_text("13 filings until 20 Aug 2010")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    assert filings_used(live_app) == before + 1


def filings_used(app: LiveApp) -> int:
    """How many filings of the month the demo's analyst has used."""
    token = app.command("user", "token", app.email).stdout.strip()
    answer = httpx2.get(f"{app.base_url}/api/user/usage", headers={"Authorization": f"Bearer {token}"})
    used: int = answer.json()["usage"]["monthly"]["secFilings"]["used"]
    return used


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_symbol(live_app: LiveApp, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1200}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    for symbol in ("AAPL", "CHAMELI.NS"):
        if symbol == "AAPL":
            sign_in(page, live_app, live_app.email, f"/symbol?symbol={symbol}")
        else:
            page.goto(f"{live_app.base_url}/symbol?symbol={symbol}")
        expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible()
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        screenshot(page, f"page-symbol-{symbol}-{scheme}-{width}")
        assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), "it scrolls sideways"
    context.close()
