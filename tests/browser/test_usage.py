"""Usage in a real browser: its files against its figures, a boost asked for, granted and seen in the limits."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_new_user import ask, sign_in
from tests.browser.test_settings import another_browser
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import VIEWS, open_section, screenshot, settle

OWNER, OPERATOR = "premium@demo.example", "admin@demo.example"
ADMIN = "Part of the administration"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def downloaded(page: Page, name: str) -> Path:
    """The file behind a button."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return Path(download.value.path())


def figure(page: Page, label: str) -> str:
    """What stands on the page under a label."""
    return (
        page.get_by_test_id("stMetric")
        .filter(has=page.get_by_text(label, exact=True))
        .get_by_test_id("stMetricValue")
        .inner_text()
    )


@pytest.mark.parametrize("email", [OWNER, "analyst@demo.example"])
def test_both_files_hold_what_the_page_sums_up(cold_app: StartApp, browser_page: Page, email: str) -> None:
    page, app = browser_page, cold_app()
    sign_in(page, app, email, "/chat")
    ask(page, "What is duration?")
    page.goto(f"{app.base_url}/usage")
    expect(page.get_by_text(re.compile("^Showing"))).to_be_visible()
    settle(page)
    text = downloaded(page, "Download all as CSV").read_text("utf-8-sig")
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text)))
    stored = pl.read_parquet(downloaded(page, "Download all as Parquet"))
    assert [str(each) for each in stored["request_id"]] == [row["request_id"] for row in rows]

    answered = [row for row in rows if row["status"] != "denied"]
    called = [row for row in rows if row["status"] != "cached"]  # a cached answer uses no tokens
    tokens = sum(int(row["prompt_tokens"]) + int(row["completion_tokens"]) for row in called)
    charged = sum((Decimal(row["charged_usd"]) for row in rows), Decimal(0))
    assert figure(page, "Requests") == f"{len(answered):,}"
    assert figure(page, "Tokens") == f"{tokens:,}"
    assert float(figure(page, "Charged, USD").replace(",", "")) == pytest.approx(float(charged), rel=0.001)
    paid = stored.filter(pl.col("status") != "cached")
    assert sum(paid["prompt_tokens"].to_list() + paid["completion_tokens"].to_list()) == tokens
    assert sum((Decimal(each) for each in stored["charged_usd"]), Decimal(0)) == charged


def test_a_boost_is_asked_for_granted_by_another_and_seen_in_the_limits(
    cold_app: StartApp, browser_page: Page, browser: Browser
) -> None:
    page, app, manager = browser_page, cold_app(), another_browser(browser)
    sign_in(page, app, app.email, "/usage")
    requests = page.get_by_test_id("stMain").get_by_text(re.compile(r"^[\d,]+ of 1\d\d,\d+ used, [\d,]+ left$"))
    expect(requests).to_be_visible()
    limit = _limit(requests.inner_text())
    page.get_by_text("Ask for more of a limit").click()
    page.get_by_role("combobox", name="Limit").click()
    page.get_by_role("option", name="AI requests a month", exact=True).click()
    page.get_by_role("spinbutton", name="How many more").fill("40")
    page.get_by_role("textbox", name="Why").fill("The quarterly report")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("40 more AI requests a month")).to_be_visible()
    waiting = page.get_by_test_id("stMain").locator(".stMarkdownBadge").get_by_text("Waits for a decision")
    expect(waiting).to_have_count(2)  # the demo has one of its own
    expect(requests).to_have_text(re.compile(f"of {limit:,} used"))
    screenshot(page, "usage-boost-asked-light")

    sign_in(manager, app, OPERATOR, "/admin?section=boosts")
    asked = manager.get_by_test_id("stMain").get_by_text(re.compile("Alex Analyst asked .*: The quarterly report"))
    expect(asked).to_be_visible()
    screenshot(manager, "admin-boost-waits-light")
    settle(manager)
    line = manager.get_by_test_id("stHorizontalBlock").filter(has_text="The quarterly report")
    line.get_by_role("button", name="Decide").click()
    dialog = manager.get_by_role("dialog")
    expect(dialog.get_by_text("The quarterly report")).to_be_visible()
    dialog.get_by_role("spinbutton", name="Amount").fill("30")
    dialog.get_by_role("textbox", name="Note for whoever asked").fill("Thirty will do")
    dialog.get_by_role("button", name="Grant").click()
    expect(manager.get_by_test_id("stToast")).to_contain_text("The boost is granted")
    expect(manager.get_by_text(re.compile("until .* · The quarterly report · Thirty will do"))).to_be_visible()
    open_section(manager, ADMIN, "People")
    manager.get_by_label("Search people").fill("Alex")
    manager.get_by_label("Search people").press("Enter")
    expect(manager.get_by_text("Chris Colleague")).to_have_count(0)
    settle(manager)
    manager.get_by_role("button", name="Limits").click()
    part = re.compile(rf"{limit + 30:,} = 100,000 plan .*30 boost \(The quarterly report, until .*\)")
    expect(manager.get_by_role("dialog").get_by_text(part)).to_be_visible()
    screenshot(manager, "admin-limits-boosted-light")

    page.reload()
    expect(requests).to_have_text(re.compile(f"of {limit + 30:,} used"))
    said = re.compile(r"The quarterly report · until \d.* · Thirty will do")
    expect(page.get_by_text(said)).to_be_visible()
    screenshot(page, "usage-boost-granted-light")
    manager.context.close()


def test_what_each_role_finds(cold_app: StartApp, browser: Browser) -> None:
    app = cold_app()
    for email, is_manager, may_ask in (
        (OPERATOR, True, True),
        (app.email, False, True),
        (app.add_viewer(), False, False),
    ):
        page = another_browser(browser)
        sign_in(page, app, email, "/usage")
        expect(page.get_by_role("heading", name="What was used")).to_be_visible()
        settle(page)
        expect(page.get_by_role("radiogroup", name="Whose")).to_have_count(int(is_manager))
        expect(page.get_by_text("Ask for more of a limit")).to_have_count(int(may_ask))
        if is_manager:
            page.get_by_role("radio", name="Organisation").click()
            expect(page.get_by_test_id("stMetric").filter(has_text="Providers' cost, USD")).to_be_visible()
        else:
            expect(page.get_by_test_id("stMetric").filter(has_text="Providers' cost, USD")).to_have_count(0)
        page.context.close()


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_usage(live_app: LiveApp, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, live_app, OPERATOR, "/usage")
    page.get_by_role("radio", name="Organisation").click()
    expect(page.get_by_test_id("stMetric").filter(has_text="Providers' cost, USD")).to_be_visible()
    settle(page)
    screenshot(page, f"page-usage-organisation-{scheme}-{width}", whole=True)
    wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    context.close()
    assert not wider, "the page scrolls sideways"


def _limit(words: str) -> int:
    found = re.search(r"of ([\d,]+) used", words)
    assert found is not None
    return int(found[1].replace(",", ""))
