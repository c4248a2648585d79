"""Screener in a real browser, on the shipped market: scanned, built, drawn, saved, shared, exported and watched."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_new_user import sign_in
from tests.conftest import LiveApp, copied
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.live_app import start_app

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

WITHIN_MS = 90_000
"""A first scan starts processes, and reads the whole market."""
JOBS = re.compile(r"^\w*jobs_(?:waiting|running)\S* (\d+)", re.MULTILINE)
ROW_PX, HEAD_PX = 38, 35


@pytest.fixture(scope="module")
def market_app(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    """A running application whose market was scanned, for the tests of this file."""
    with copied(server_url, template) as url:
        app = start_app(tmp_path_factory.mktemp("screener"), url)
        yield app
        app.stop()


def scanned(page: Page, app: LiveApp, path: str = "/screener") -> None:
    """Signs in, and scans where nobody has yet."""
    sign_in(page, app, app.email, path)
    line = page.get_by_text("Scan of", exact=False).first
    button = page.get_by_role("button", name="Scan now")
    expect(line.or_(button).first).to_be_visible()
    if button.is_visible():
        button.click()
        expect(line).to_be_visible(timeout=WITHIN_MS)
        wait_until_idle(app)
    quiet(page)


def wait_until_idle(app: LiveApp) -> None:
    """Waits until no job is left: what signals were worth is computed after the first scan."""
    until = time.monotonic() + WITHIN_MS / 1000
    while any(int(count) for count in JOBS.findall(httpx2.get(f"{app.base_url}/metrics").text)):
        assert time.monotonic() < until, "the queue does not become empty"
        time.sleep(0.2)


def quiet(page: Page) -> None:
    """Waits until the page is drawn to the end."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def grid(page: Page) -> Locator:
    """The rows that match."""
    return page.get_by_label("Symbols that match the screen", exact=False).first


def click_row(page: Page, number: int) -> None:
    """Clicks the name in a row of the grid, which is a drawing."""
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 160, box["y"] + HEAD_PX + ROW_PX * number + ROW_PX / 2)


def test_an_analyst_scans_builds_a_screen_and_sees_why_rows_matched(market_app: LiveApp, browser_page: Page) -> None:
    page, complaints = browser_page, list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    scanned(page, market_app)
    expect(page.get_by_text("499 of 499 scanned")).to_be_visible()
    expect(page).to_have_url(re.compile(r"universe=sp500_2010"))
    page.get_by_role("combobox", name="Screen").click()
    page.get_by_role("option", name="New screen").click()
    expect(page.get_by_text("Symbols where RSI is below 30.")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile(r"\d+ of 499 match"))).to_be_visible()
    value = page.get_by_role("spinbutton", name="Value")
    expect(value).to_have_count(1)  # that of the screen before is gone
    value.fill("40")
    value.press("Enter")
    expect(page.get_by_text("Symbols where RSI is below 40.")).to_be_visible()
    page.get_by_role("button", name="Add condition").click()
    expect(page.get_by_text("Symbols where RSI is below 40 and RSI is below 30.")).to_be_visible()
    page.get_by_role("radio", name="any of these").click()
    expect(page.get_by_text("Symbols where either RSI is below 40 or RSI is below 30.")).to_be_visible()
    quiet(page)
    screenshot(page, "screener-built")
    assert complaints == []


def test_a_click_opens_the_chart_with_what_such_signals_were_worth(market_app: LiveApp, browser_page: Page) -> None:
    page = browser_page
    scanned(page, market_app, "/screener?preset=new_52_week_highs")
    expect(page.get_by_role("heading", name="4 of 499 match")).to_be_visible()
    click_row(page, 0)
    expect(page.get_by_role("heading", name="Akamai Technologies Inc")).to_be_visible()
    expect(page).to_have_url(re.compile("symbol=AKAM"))
    expect(page.get_by_text("What such signals were worth")).to_be_visible()
    expect(page.get_by_text("On S&P 500, August 2009 to August 2010")).to_be_visible(timeout=WITHIN_MS)
    chart = page.locator("[aria-label*='Daily bars of AKAM'], [alt*='Daily bars of AKAM']").first
    expect(chart).to_be_attached()
    page.get_by_role("radio", name="1Y").click()
    quiet(page)
    page.reload()
    expect(page.get_by_role("heading", name="Akamai Technologies Inc")).to_be_visible()


def test_a_screen_is_saved_and_shared_and_its_matches_exported_and_watched(
    market_app: LiveApp, browser_page: Page, browser: Browser, tmp_path: Path
) -> None:
    page = browser_page
    scanned(page, market_app, "/screener?preset=new_52_week_highs")
    page.get_by_role("button", name="Save", exact=True).first.click()
    page.get_by_role("textbox", name="Save as a new screen named").fill("Highs of mine")
    page.get_by_role("combobox", name="Seen by").click()
    page.get_by_role("option", name="Everybody in the organisation").click()
    page.get_by_test_id("stForm").get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_test_id("stToast")).to_contain_text("Highs of mine is saved")
    expect(page).to_have_url(re.compile("screen="))
    address = page.url
    quiet(page)

    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    path = tmp_path / "matches.csv"
    download.value.save_as(path)
    assert download.value.suggested_filename == "highs-of-mine-sp500_2010-2010-08-20.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    assert [row["Symbol"] for row in rows] == ["AKAM", "CRM", "INTU", "MKC"]
    assert all(row["Why"] for row in rows)

    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box is not None
    for number in (0, 1):
        page.mouse.click(box["x"] + 16, box["y"] + HEAD_PX + ROW_PX * number + ROW_PX / 2)
    page.get_by_role("button", name="Watch 2 symbols").click()
    page.get_by_role("textbox", name="New list").fill("Found by the screener")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_test_id("stToast")).to_contain_text("Found by the screener is made")

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    theirs = context.new_page()
    sign_in(theirs, market_app, "colleague@demo.example", address.removeprefix(market_app.base_url))
    expect(theirs.get_by_role("heading", name="4 of 499 match")).to_be_visible()
    expect(theirs.get_by_role("combobox", name="Screen")).to_have_value(re.compile("Highs of mine, by"))
    context.close()


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_the_screener(market_app: LiveApp, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1200}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    scanned(page, market_app, "/screener?preset=double_bottom&symbol=AKAM")
    expect(page.get_by_text("What such signals were worth")).to_be_visible()
    page.get_by_text("Filters", exact=True).click()
    quiet(page)
    height = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    screenshot(page, f"page-screener-{scheme}-{width}")
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), "it scrolls sideways"
    context.close()
