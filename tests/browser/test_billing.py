"""Billing in a real browser: what each role finds there, and a purchase and a plan paid at Stripe's end to end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_new_user import sign_in
from tests.browser.test_settings import another_browser
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import VIEWS, cells, open_section, screenshot, sections, settle
from tests.fakes.stripe_server import StripeServer, signed

CHOICE = "Part of billing"
OWNER, OPERATOR = "premium@demo.example", "admin@demo.example"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def stripe() -> Iterator[StripeServer]:
    """A local server that speaks Stripe's API."""
    with StripeServer() as server:
        yield server


def tell(app: LiveApp, event: dict[str, Any], **how: Any) -> int:
    """Sends an event as Stripe does; how the workbench answers."""
    body, headers = signed(event, **how)
    return httpx2.post(f"{app.base_url}/api/webhooks/stripe", content=body, headers=headers, timeout=30).status_code


def checkout_of(stripe: StripeServer, page: Page) -> str:
    """The checkout to which the page leads."""
    link = page.get_by_role("dialog").get_by_role("link", name="Pay at Stripe")
    expect(link).to_be_visible()
    url = link.get_attribute("href")
    return next(str(each["id"]) for each in stripe.objects.values() if each.get("url") == url)


def way_back(stripe: StripeServer) -> str:
    """Where Stripe leads to once the newest checkout is paid."""
    return str(stripe.calls("POST /v1/checkout/sessions")[-1].form["success_url"])


def test_a_package_is_bought_at_stripe_and_its_credits_are_in_the_ledger(
    cold_app: StartApp, browser_page: Page, stripe: StripeServer
) -> None:
    app, page = cold_app(**stripe.environ), browser_page
    sign_in(page, app, OWNER, "/billing?section=credits")
    balance = page.get_by_test_id("stMetric").filter(has_text="Balance of the organisation")
    expect(balance).to_be_visible()
    settle(page)
    before = _figure(balance)
    page.get_by_role("button", name="Buy 100", exact=True).click()
    checkout = checkout_of(stripe, page)
    screenshot(page, "billing-checkout-light")
    paid, completed = stripe.pay_checkout(checkout)

    assert tell(app, paid, secret="whsec_of_somebody_else") == 400
    page.goto(f"{app.base_url}/billing?section=credits")
    settle(page)
    assert _figure(balance) == before
    assert [tell(app, event) for event in (completed, paid, paid)] == [200, 200, 200]

    page.goto(way_back(stripe))
    expect(page.get_by_test_id("stToast")).to_contain_text("Thank you")
    expect(balance.get_by_test_id("stMetricValue")).to_have_text(f"{before + 100:,g}")
    purchase = page.get_by_test_id("stMain").get_by_text(re.compile(r"^10\.00 USD · .* · Paz Premium$"))
    expect(purchase).to_have_count(1)
    screenshot(page, "billing-bought-light")

    page.set_viewport_size({"width": 2000, "height": 900})  # all columns are in sight
    open_section(page, CHOICE, "Ledger")
    row = cells(page, "Entries of the ledger")[0]
    assert (row["What"], row["From → to"]) == ("Bought", "payment → balance")
    assert [float(row[name]) for name in ("Before", "Change", "After")] == [before, 100, before + 100]
    assert app.command("doctor", "--accounting").returncode == 0


def test_a_plan_is_subscribed_to_and_ended_on_the_page(
    cold_app: StartApp, browser_page: Page, stripe: StripeServer
) -> None:
    app, page = cold_app(**stripe.environ), browser_page
    sign_in(page, app, app.free_email, "/billing")
    expect(page.get_by_text("There is nothing to pay.")).to_be_visible()
    page.get_by_role("button", name="Choose Basic").click()
    page.get_by_role("dialog").get_by_role("button", name="Continue to the payment").click()
    created, completed = stripe.subscribe(checkout_of(stripe, page))
    assert [tell(app, event) for event in (completed, created)] == [200, 200]
    page.goto(way_back(stripe))
    expect(page.get_by_text(re.compile("^It is paid until "))).to_be_visible()
    expect(page.get_by_text("0 of 100 used, 100 left")).to_be_visible()
    screenshot(page, "billing-subscribed-light")

    page.get_by_role("button", name="End subscription").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Everything is kept")).to_be_visible()
    dialog.get_by_role("button", name="End subscription").click()
    expect(page.get_by_text(re.compile("^It ends on .*; your organisation is on Free from then on"))).to_be_visible()
    page.get_by_role("button", name="Keep it as it is").click()
    expect(page.get_by_text(re.compile("^It is paid until "))).to_be_visible()


def test_what_a_member_finds_and_what_a_viewer(cold_app: StartApp, browser: Browser, stripe: StripeServer) -> None:
    app = cold_app(**stripe.environ)
    for email in (app.email, app.add_viewer()):
        page = another_browser(browser)
        sign_in(page, app, email, "/billing")
        expect(page.get_by_text("Owners and admins of your organisation choose the plan.")).to_be_visible()
        settle(page)
        expect(page.get_by_role("button", name=re.compile("^(Choose|Change seats|Go back|Manage)"))).to_have_count(0)
        open_section(page, CHOICE, "Credits")
        expect(page.get_by_text("Owners and admins of your organisation buy credits.")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("^Buy "))).to_have_count(0)
        open_section(page, CHOICE, "Ledger")
        expect(page.get_by_text(re.compile("^The entries of your own requests and purchases."))).to_be_visible()
        page.context.close()


def test_without_keys_a_manager_is_told_who_and_an_operator_how(live_app: LiveApp, browser: Browser) -> None:
    told = {OWNER: "Whoever runs this installation switches it on", OPERATOR: "Set STRIPE_SECRET_KEY"}
    for email, words in told.items():
        page = another_browser(browser)
        sign_in(page, live_app, email, "/billing")
        for section in ("Plan", "Credits"):
            open_section(page, CHOICE, section)
            expect(page.get_by_text("Nothing can be bought here yet")).to_be_visible()
            expect(page.get_by_text(re.compile(words))).to_be_visible()
            expect(page.get_by_role("button", name=re.compile("^(Choose|Buy) "))).to_have_count(0)
        page.context.close()


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_billing(
    cold_app: StartApp, browser: Browser, stripe: StripeServer, scheme: str, width: int
) -> None:
    app = cold_app(**stripe.environ)
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, app, OWNER, "/billing")
    for section in sections(page, CHOICE):
        open_section(page, CHOICE, section)
        screenshot(page, f"page-billing-{section.lower()}-{scheme}-{width}", whole=True)
        assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), f"{section} scrolls"
    context.close()


def _figure(metric: Any) -> float:
    return float(metric.get_by_test_id("stMetricValue").inner_text().replace(",", ""))
