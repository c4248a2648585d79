"""Every page as axe reads it (WCAG 2.2 A and AA, and its best practices), in both themes and on a narrow window."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_new_user import sign_in
from tests.conftest import LiveApp, StartApp

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPERATOR = "admin@demo.example"
DOORS = ("usage", "sign_up", "forgot", "link")
PAGES = ("chat", "screener", "symbol", "verdicts", "portfolio", "usage", "billing", "members", "settings", "admin")
WINDOWS = (("light", 1280), ("dark", 1280), ("light", 390))

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def _told(page: Page, name: str) -> list[str]:
    """What axe finds wrong on the page as it stands, one line for each place."""
    found = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": RULES}).response["violations"]
    return [
        f"{name}: {rule['id']} ({rule['impact']}): {node['html'][:160]}" for rule in found for node in rule["nodes"]
    ]


def _settle(page: Page) -> None:
    expect(page.get_by_role("heading").first).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def test_axe_sees_what_is_planted(cold_app: StartApp, browser_page: Page) -> None:
    app = cold_app()
    sign_in(browser_page, app, app.email, "/usage")
    _settle(browser_page)
    browser_page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x><button></button>')")
    told = " ".join(_told(browser_page, "usage"))
    assert "image-alt (critical)" in told
    assert "button-name (critical)" in told


@pytest.mark.parametrize(("scheme", "width"), WINDOWS, ids=[f"{scheme}-{width}" for scheme, width in WINDOWS])
def test_every_page_can_be_read_by_everybody(cold_app: StartApp, browser: Browser, scheme: str, width: int) -> None:
    app = cold_app()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    told = _at_the_doors(page, app)
    sign_in(page, app, OPERATOR, "/usage")
    for name in PAGES:
        page.goto(f"{app.base_url}/{name}")
        _settle(page)
        told += _told(page, name)
    context.close()
    assert not told, "\n".join(told)


def _at_the_doors(page: Page, app: LiveApp) -> list[str]:
    told = []
    for name in DOORS:
        page.goto(f"{app.base_url}/{name}")
        _settle(page)
        told += _told(page, f"{name}, signed out")
    return told
