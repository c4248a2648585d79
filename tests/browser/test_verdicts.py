"""Verdicts in a real browser, on the shipped market: a signal validated, a batch, and the board read."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.db.scans_dao import SignalsWanted
from core.ops.jobs import JobStatus
from core.principal import Principal
from core.screener.records import MINIMUM_N
from core.verdicts.batches import Selection
from core.verdicts.validations import Filters
from core.verdicts.verdict_settings import VerdictChoices
from core.workbench import Workbench, open_workbench
from tests.browser.test_new_user import sign_in
from tests.browser.test_screener import WITHIN_MS, click_row, quiet, wait_until_idle
from tests.conftest import LiveApp, copied, make_settings
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.chat_server import ChatServer, Reply
from tests.fakes.jobs import finished
from tests.fakes.live_app import start_app

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

UNIVERSE = "sp500_2010"
PAST = date(2010, 6, 30)
"""As of this day signals were validated whose outcomes are known."""
HIGHS = "/screener?preset=new_52_week_highs"
INVENTED = "98.7"


@dataclass(frozen=True)
class Desk:
    """A running application, the provider that it asks, and a view behind its pages."""

    app: LiveApp
    provider: ChatServer
    bench: Workbench
    analyst: Principal


@pytest.fixture(scope="module")
def desk(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Its market is scanned as of its last session, and as of a day in the past, of which signals were validated."""
    home = tmp_path_factory.mktemp("verdicts")
    with copied(server_url, template) as url, ChatServer() as provider:
        variables = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.base_url}
        app = start_app(home, url, **variables)
        with closing(open_workbench(make_settings(url, home, ASSAY_HOME=str(home), **variables))) as bench:
            demo = bench.directory.member(app.email)
            analyst = replace(demo, as_of=None)
            opened = Desk(app, provider, bench, analyst)
            _validate_in_the_past(opened)
            yield opened
        app.stop()


def _validate_in_the_past(desk: Desk) -> None:
    """A model's moods, over signals whose outcome is known."""
    bench, past = desk.bench, replace(desk.analyst, as_of=PAST)
    bench.verdicts.settings.change(bench.directory.member("admin@demo.example"), VerdictChoices())  # nothing by itself
    for who in (desk.analyst, past):
        job = finished(bench.queue, bench.screener.scans.request(who, UNIVERSE), limit_s=WITHIN_MS / 1000)
        assert job.status is JobStatus.DONE, job.error
    wait_until_idle(desk.app)
    _validate_one_of_today(desk)
    for number in range(80):
        verdict = ("BUY", "BUY", "SELL", "AVOID", "BUY", "HOLD")[number % 6]
        desk.provider.script.append(Reply(text=_answer(verdict, 0.51 + (number * 7 % 45) / 100)))
    batch = bench.verdicts.batches.start(past, Selection(universe_id=UNIVERSE, most=80))
    job = finished(bench.queue, batch, limit_s=WITHIN_MS / 1000)
    assert job.status is JobStatus.DONE, job.error
    until = time.monotonic() + WITHIN_MS / 1000  # scored by a job of its own, soon after the batch
    while (total := bench.verdicts.scoreboard.of(past, include="retrospective").total).n - total.generated <= MINIMUM_N:
        assert time.monotonic() < until, "the verdicts are not scored"
        time.sleep(0.2)
    wait_until_idle(desk.app)
    desk.provider.script.clear()


def _validate_one_of_today(desk: Desk) -> None:
    """The signal of CRM that the screen of highs asks for, with numbers that hold, and one that does not."""
    scan = desk.bench.screener.scans.latest(desk.analyst, UNIVERSE)
    assert scan is not None
    wanted = SignalsWanted(symbol="CRM", type="breakout_52w")
    signal = desk.bench.screener.scans.signals(desk.analyst, scan.about.id, wanted)[0]
    words = f"The close of {signal.close:.2f} is the highest of the year; analysts see {INVENTED} within months."
    desk.provider.reply(text=_answer("BUY", 0.66, words))
    desk.bench.verdicts.validations.validate(desk.analyst, signal.id)


def _answer(verdict: str, confidence: float, reasoning: str = "The trend holds, and volume confirms it.") -> str:
    return json.dumps(
        {
            "verdict": verdict,
            "confidence": confidence,
            "reasoning": reasoning,
            "risk_factors": ["The market as a whole may turn.", "Volume may have been one buyer's."],
            "entry_suggestion": "At the next open, given up below the stop.",
        }
    )


def card(page: Page) -> Locator:
    """The verdict beneath the signal."""
    return page.locator("[class*=st-key-screener_detail_verdict][class*=_card]").first


def test_an_analyst_validates_a_signal_then_a_batch_and_reads_the_board(desk: Desk, browser_page: Page) -> None:
    page, complaints = browser_page, list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    desk.provider.reply(
        text=_answer("BUY", 0.64, f"Relative strength leads its sector, and {INVENTED} is the next level above.")
    )
    sign_in(page, desk.app, desk.app.email, HIGHS)
    expect(page.get_by_role("heading", name="4 of 499 match")).to_be_visible(timeout=WITHIN_MS)
    click_row(page, 0)
    ask = page.get_by_role("button", name="AI validate")
    expect(ask).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_text("validations left today").first).to_be_visible()
    quiet(page)
    screenshot(page, "verdict-before")
    ask.click()
    expect(card(page).get_by_text("64 % confidence")).to_be_visible(timeout=WITHIN_MS)
    expect(card(page).get_by_text("0 of 1 number verified")).to_be_visible()
    expect(card(page).locator("mark", has_text=INVENTED)).to_have_attribute("title", re.compile("unverified"))
    card(page).get_by_text("What the model saw").click()
    expect(card(page).get_by_text("Nothing later was sent", exact=False)).to_be_visible()
    quiet(page)
    screenshot(page, "verdict-card")
    page.reload()
    expect(card(page).get_by_text("64 % confidence")).to_be_visible(timeout=WITHIN_MS)

    page.get_by_role("button", name="Validate these…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("to ask about")).to_be_visible(timeout=WITHIN_MS)
    expect(dialog.get_by_text("At most 0.", exact=False)).to_be_visible()
    screenshot(page, "verdict-batch-estimate")
    dialog.get_by_role("button", name=re.compile(r"^Validate \d+ signals?$")).click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text(re.compile(r"Validated \d+ of \d+"))).to_be_visible(timeout=WITHIN_MS)
    quiet(page)
    screenshot(page, "verdict-batch-done")

    page.get_by_role("link", name="Verdicts").click()
    expect(page.get_by_role("heading", name="Verdicts", exact=True)).to_be_visible()
    expect(page.get_by_text("No prospective verdict is scored yet")).to_be_visible()
    page.get_by_role("button", name=re.compile(r"Show \d+ retrospective ones")).click()
    expect(page.get_by_text("What this says")).to_be_visible()
    expect(page.get_by_text("where always saying BUY was right", exact=False)).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(1)
    page.get_by_role("radio", name="20 sessions").click()
    expect(page.get_by_text("What this says")).to_be_visible()
    assert complaints == []


def test_a_batch_is_stopped_and_found_again_after_a_reload(desk: Desk, browser_page: Page) -> None:
    page = browser_page
    desk.provider.reply(text=_answer("HOLD", 0.5), delay_s=0.25)
    sign_in(page, desk.app, "admin@demo.example", "/screener?preset=golden_cross")
    past = replace(desk.analyst, as_of=date(2010, 7, 15))
    scan = desk.bench.screener.scans.request(past, UNIVERSE)
    assert finished(desk.bench.queue, scan, limit_s=WITHIN_MS / 1000).status is JobStatus.DONE
    job = desk.bench.verdicts.batches.start(past, Selection(universe_id=UNIVERSE, most=100))
    page.goto(f"{desk.app.base_url}/verdicts")
    stop = page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_visible()
    screenshot(page, "verdict-batch-running")
    page.reload()
    expect(stop).to_be_visible()
    stop.click()
    expect(page.get_by_text("Stopped after", exact=False)).to_be_visible(timeout=WITHIN_MS)
    ended = finished(desk.bench.queue, job)
    assert ended.done < 100
    desk.provider.reply()


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_screenshots_of_verdicts(desk: Desk, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1200}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    opened = desk.bench.verdicts.validations.page(desk.analyst, Filters(verdict="BUY")).verdicts[0]
    sign_in(page, desk.app, desk.app.email, f"/verdicts?verdict={opened.id}")
    quiet(page)
    page.get_by_role("button", name=re.compile(r"Show \d+ retrospective ones")).click()
    expect(page.get_by_text("What this says")).to_be_visible()
    quiet(page)
    expect(page.get_by_text("A model's answer, not advice", exact=False)).to_be_visible()
    _whole(page, width, f"page-verdicts-{scheme}-{width}")
    page.goto(f"{desk.app.base_url}{HIGHS}&symbol=CRM")
    expect(card(page).get_by_text("66 % confidence")).to_be_visible(timeout=WITHIN_MS)
    expect(card(page).get_by_text("1 of 2 numbers verified")).to_be_visible()
    _whole(page, width, f"page-screener-verdict-{scheme}-{width}")
    page.goto(f"{desk.app.base_url}/symbol?symbol=AKAM")
    page.get_by_role("radio", name="Signals and verdicts").click()
    expect(page.get_by_role("heading", name="Signals", exact=True)).to_be_visible()
    _whole(page, width, f"page-symbol-verdicts-{scheme}-{width}")
    context.close()


def _whole(page: Page, width: int, name: str) -> None:
    quiet(page)
    height = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    quiet(page)
    screenshot(page, name)
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), "it scrolls sideways"
    page.set_viewport_size({"width": width, "height": 1200})
