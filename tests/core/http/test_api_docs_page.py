"""The API's page in a real browser, under the content policy of the pages."""

from __future__ import annotations

import httpx2
import pytest
from playwright.sync_api import Page

from tests.fakes.live_app import LiveApp

REPORT = "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective));"


@pytest.mark.browser
def test_the_page_draws_every_call_and_breaks_no_rule_of_the_policy(live_app: LiveApp, browser_page: Page) -> None:
    said: list[str] = []
    asked: list[str] = []
    browser_page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    browser_page.on("pageerror", lambda error: said.append(f"error: {error}"))
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.add_init_script(REPORT)
    browser_page.goto(f"{live_app.base_url}/api/docs")
    browser_page.wait_for_selector(".opblock")
    paths = {text.replace("\u200b", "") for text in browser_page.locator(".opblock-summary-path").all_text_contents()}
    assert paths == set(httpx2.get(f"{live_app.base_url}/api/openapi.json").json()["paths"])
    assert {"/api/ai/chat", "/v1/chat/completions"} <= paths
    health = browser_page.locator(".opblock", has_text="/api/health")
    health.locator(".opblock-summary").click()
    health.get_by_role("button", name="Try it out").click()
    health.get_by_role("button", name="Execute").click()
    browser_page.wait_for_selector(".live-responses-table .response-col_status:has-text('200')")
    assert [line for line in said if line.startswith("error")] == []
    assert [url for url in asked if not url.startswith((live_app.base_url, "data:", "blob:"))] == []
