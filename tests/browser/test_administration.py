"""Admin in a real browser: what each role finds there, and what an operator and a manager change and look up."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from tests.browser.test_accessibility import faults
from tests.browser.test_new_user import ask, sign_in
from tests.browser.test_settings import another_browser
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import VIEWS, button_of, open_section, screenshot, sections, settle

CHOICE = "Part of the administration"
OPERATOR, MANAGER = "admin@demo.example", "premium@demo.example"
DEMO, FREE = "Demo organisation", "Free analyst's organisation"
OF_OPERATORS = {"Plans", "Simulator", "Books", "Models", "Sources", "Flags", "Experiments"}
OF_MANAGERS = {"Overview", "People", "Boosts", "Changes", "Abuse", "AI quality", "Jobs", "Data checks", "Audit log"}
QUESTIONS = ("duration", "beta", "a dividend", "liquidity", "inflation", "an ETF", "a bond", "a 10-K")
NEARLY_ALL = re.compile("[12] of 10 questions left today")
MINUTES = 3
"""Alerts are looked for every minute."""

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def see_everything(page: Page) -> None:
    """Looks at the whole installation instead of one organisation."""
    page.get_by_role("radio", name="Everything").click()
    expect(page.get_by_role("radio", name="Everything")).to_be_checked()
    settle(page)


def downloaded(page: Page, name: str) -> str:
    """The text of the file behind a button."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return Path(download.value.path()).read_text("utf-8-sig")


def test_what_each_role_finds(cold_app: StartApp, browser: Browser) -> None:
    app = cold_app()
    operator, manager = another_browser(browser), another_browser(browser)
    sign_in(operator, app, OPERATOR, "/admin")
    expect(operator.get_by_role("heading", name="Admin", level=1)).to_be_visible()
    assert set(sections(operator, CHOICE)) >= OF_OPERATORS | OF_MANAGERS
    sign_in(manager, app, MANAGER, "/admin?section=books")
    expect(manager.get_by_role("heading", name="At one look")).to_be_visible()
    expect(manager.get_by_text("Premium analyst's organisation").first).to_be_visible()
    assert set(sections(manager, CHOICE)) >= OF_MANAGERS
    assert not set(sections(manager, CHOICE)) & OF_OPERATORS
    expect(manager.get_by_role("radio", name="Everything")).to_have_count(0)
    open_section(manager, CHOICE, "People")
    expect(manager.get_by_text("Paz Premium").last).to_be_visible()
    expect(manager.get_by_text("Frida Free")).to_have_count(0)
    expect(manager.get_by_role("button", name="Plan", exact=True)).to_have_count(0)
    manager.context.close()
    operator.context.close()
    for email in (app.email, app.add_viewer()):
        page = another_browser(browser)
        sign_in(page, app, email, "/admin")
        expect(page.locator("h1", has_text="Chat")).to_be_attached()
        settle(page)
        page.keyboard.press("Escape")  # "Page not found", where the page had not run once more by then
        screenshot(page, "admin-refused-light")
        expect(page.locator("h1", has_text="Admin")).to_have_count(0)
        expect(page.get_by_text("At one look")).to_have_count(0)
        navigation = page.get_by_test_id("stSidebarNav")
        expect(navigation.locator("a", has_text="Usage")).to_be_visible()
        expect(navigation.locator("a", has_text="Admin")).to_have_count(0)
        expect(navigation.locator("a", has_text="Members")).to_have_count(0)
        page.context.close()


def test_an_operator_changes_a_plan_and_the_audit_log_tells_it(
    cold_app: StartApp, browser_page: Page, browser: Browser
) -> None:
    page, app, frida = browser_page, cold_app(), another_browser(browser)
    sign_in(frida, app, app.free_email, "/usage")
    expect(frida.get_by_text(re.compile(r"of 10 used, \d+ left"))).to_be_visible()
    sign_in(page, app, OPERATOR, "/admin?section=people")
    see_everything(page)
    button_of(page, FREE, "Plan").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Plan").click()
    page.get_by_role("option", name="Basic", exact=True).click()
    screenshot(page, "admin-plan-asked-light")
    dialog.get_by_role("button", name="Set plan").click()
    expect(page.get_by_test_id("stToast")).to_contain_text("The plan is set")
    expect(dialog).to_have_count(0)
    frida.reload()
    expect(frida.get_by_text(re.compile(r"of 100 used, \d+ left"))).to_be_visible()
    frida.context.close()

    open_section(page, CHOICE, "Audit log")
    page.get_by_role("combobox", name="What", exact=True).click()
    page.get_by_role("option", name="Plans", exact=True).click()
    page.get_by_role("textbox", name="Who, or whom").fill("Ada")
    page.get_by_role("textbox", name="Who, or whom").press("Enter")
    line = page.get_by_text(re.compile(f"by Ada Admin · {FREE}"))
    expect(line).to_be_visible()
    change = page.get_by_text(re.compile("plan: free → basic"))
    expect(change).to_be_visible()
    change.click()
    screenshot(page, "admin-audit-plan-light")
    page.get_by_role("textbox", name="Who, or whom").fill("Nobody of that name")
    page.get_by_role("textbox", name="Who, or whom").press("Enter")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.get_by_role("textbox", name="Who, or whom").fill("")
    page.get_by_role("textbox", name="Who, or whom").press("Enter")
    expect(line).to_be_visible()

    page.get_by_role("button", name="Make CSV").click()
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "Download audit.csv"))))
    page.get_by_role("button", name="Make JSON Lines").click()
    lines = [json.loads(line) for line in downloaded(page, "Download audit.jsonl").splitlines()]
    assert [row["id"] for row in rows] == [line["id"] for line in lines]
    assert [(line["before"], line["after"]) for line in lines] == [({"plan": "free"}, {"plan": "basic"})]
    page.get_by_role("button", name="Check the seals").click()
    expect(page.get_by_text(re.compile(r"^Everything is as it was sealed: [\d,]+ rows"))).to_be_visible(timeout=60_000)
    screenshot(page, "admin-audit-checked-light")


def test_a_file_with_one_wrong_line_changes_nothing_and_a_right_one_is_applied_once(
    cold_app: StartApp, browser_page: Page
) -> None:
    page, app = browser_page, cold_app()
    header = "change,organisation,user,value,metric,days,reason\n"
    right = f"role,{DEMO},colleague@demo.example,viewer,,,\ncredits,{DEMO},,25,,,goodwill\n"
    sign_in(page, app, OPERATOR, "/admin?section=bulk")
    _give(page, f"{header}{right}plan,{DEMO},,gold,,,\n")
    expect(page.get_by_text("1 line is wrong; nothing is applied.")).to_be_visible()
    expect(page.get_by_text(re.compile("Line 4: There is no plan"))).to_be_visible()
    settle(page)
    expect(page.get_by_role("button", name=re.compile("^Apply"))).to_have_count(0)
    screenshot(page, "admin-bulk-wrong-light", whole=True)

    _give(page, f"{header}{right}")
    page.get_by_role("button", name="Apply 2 lines").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile("2 of which change something"))).to_be_visible()
    screenshot(page, "admin-bulk-asked-light")
    dialog.get_by_role("button", name="Apply", exact=True).click()
    expect(page.get_by_text(re.compile("^This file was applied "))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Apply"))).to_have_count(0)

    open_section(page, CHOICE, "People")
    colleague = page.get_by_test_id("stHorizontalBlock").filter(has_text="Chris Colleague").last
    expect(colleague.get_by_text("Viewer", exact=True)).to_be_visible()
    page.goto(f"{app.base_url}/billing?section=ledger")
    expect(page.get_by_role("region", name=re.compile("^Entries of the ledger"))).to_be_visible()
    assert app.command("doctor", "--accounting").returncode == 0


def test_a_changed_plan_is_simulated_over_the_log(cold_app: StartApp, browser_page: Page) -> None:
    page, app = browser_page, cold_app()
    sign_in(page, app, OPERATOR, "/admin?section=simulator")
    expect(page.get_by_text("Nothing is simulated yet")).to_be_visible()
    page.get_by_role("combobox", name="Plan", exact=True).click()
    page.get_by_role("option", name="Premium", exact=True).click()
    questions = page.get_by_role("spinbutton", name="Chat questions a day")
    expect(questions).to_have_value("")  # unlimited: the form of the plan that was chosen
    questions.fill("1")
    page.get_by_role("button", name="Simulate").click()
    figures = page.get_by_role("table").filter(has_text="As changed").first
    expect(figures).to_be_visible(timeout=60_000)
    settle(page)
    refused, limited = _row(figures, "Refused"), _row(figures, "Users limited (of n)")
    assert int(refused[1].replace(",", "")) > int(refused[0].replace(",", ""))
    assert limited[1].startswith("1 of ")
    expect(page.get_by_role("table").filter(has_text="Refused by")).to_contain_text("Chat questions a day")
    assert faults(page, "simulated") == []
    screenshot(page, "admin-simulated-light", whole=True)


def test_a_rule_is_set_and_an_alert_is_seen_and_acknowledged(cold_app: StartApp, browser_page: Page) -> None:
    page, app = browser_page, cold_app()
    sign_in(page, app, app.free_email, "/admin?section=alerts")
    expect(page.get_by_text("Cost of a day")).to_be_visible()
    settle(page)
    button_of(page, "Cost of a day", "Change").click()
    page.get_by_role("spinbutton", name="Threshold, in USD").fill("12.50")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_test_id("stToast")).to_contain_text("The rule is set")
    expect(page.get_by_text(re.compile("from 12.50 USD on"))).to_be_visible()
    expect(page.get_by_text("Set here")).to_be_visible()

    page.goto(f"{app.base_url}/chat")
    for term in QUESTIONS:
        answer = ask(page, f"What is {term}?")
        if NEARLY_ALL.search(answer.inner_text()):
            break
    fires = page.get_by_text(re.compile("^80 % used: chat questions", re.IGNORECASE))
    _look_until(page, f"{app.base_url}/admin?section=alerts", fires)
    screenshot(page, "admin-alert-fires-light")
    page.get_by_role("button", name="Acknowledge").first.click()
    expect(page.get_by_text(re.compile("Frida Free sees to it"))).to_be_visible()
    page.get_by_role("button", name=re.compile("^Notifications: [0-9]+ new")).click()
    told = page.get_by_test_id("stPopoverBody").get_by_text(re.compile("80 % used", re.IGNORECASE))
    expect(told.first).to_be_visible()
    screenshot(page, "admin-alert-told-light")


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
@pytest.mark.parametrize("email", [OPERATOR, MANAGER], ids=["operator", "manager"])
def test_screenshots_of_admin(live_app: LiveApp, browser: Browser, scheme: str, width: int, email: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, live_app, email, "/admin")
    who = "manager"
    if email == OPERATOR:
        see_everything(page)
        who = "operator"
    for section in sections(page, CHOICE):
        open_section(page, CHOICE, section)
        screenshot(page, f"page-admin-{who}-{section.lower().replace(' ', '-')}-{scheme}-{width}", whole=True)
        assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), f"{section} scrolls"
    context.close()


def _give(page: Page, lines: str) -> None:
    """Chooses a file of changes."""
    file = {"name": "changes.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]


def _row(table: Locator, label: str) -> list[str]:
    """The figures of a row, after its label."""
    row = table.get_by_role("row").filter(has=table.page.get_by_role("cell", name=label, exact=True))
    return row.get_by_role("cell").all_inner_texts()[1:]


def _look_until(page: Page, url: str, wanted: Locator) -> None:
    """Opens a page again and again until something is on it."""
    for _ in range(MINUTES * 6):
        page.goto(url)
        try:
            wanted.first.wait_for(timeout=10_000)
            return
        except TimeoutError:
            continue
    expect(wanted.first).to_be_visible()
