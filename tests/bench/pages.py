"""Reruns of a page with a chart and a table, while many people work: from the click to the end of the script."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass
from decimal import Decimal
from time import monotonic

from core.ai.providers.contract import TokenUsage
from core.ids import new_id
from core.metering.meter import Feature
from core.metering.usage_log import FreeRow, UsageLog
from core.principal import Principal
from core.settings import ROOT
from tests.bench.application import SERVE, Application, running
from tests.bench.figures import Figure, Goal, Hotspot, figure
from tests.bench.ground import Ground
from tests.bench.kept_scan import keep_scan
from tests.bench.portfolio_page import HOLDINGS, TRANSACTIONS, keep_portfolio
from tests.bench.profiling import sampled_command, sampled_profile
from tests.bench.visitors import Place, Plan, Seen
from tests.core.metering.factories import hold_request, record

GOALS = {50: Goal("p95", 150.0), 100: Goal("p95", 300.0)}
USAGE = Place(
    page="usage",
    query="",
    widget="usage_period",
    choices=["90 days", "30 days"],
    needed=["plotly_chart", "dataframe", "button_group"],
)
SYMBOL = Place(
    page="symbol",
    query="symbol=AAPL",
    widget="symbol_chart_range",
    choices=["3M", "1Y"],
    needed=["plotly_chart", "button_group", "metric"],
)
SYMBOL_SESSIONS, SYMBOL_GOAL = 50, Goal("p95", 300.0)
SCREENER = Place(
    page="screener",
    query="preset=minervini_trend_template",
    widget="screener_choice_builder_1_match",
    choices=["any of these", "all of these"],
    needed=["plotly_chart", "dataframe", "button_group"],
)
SCREENER_SESSIONS, SCREENER_GOAL, SCANNED = 10, Goal("p95", 500.0), 5_000
PORTFOLIO = Place(
    page="portfolio",
    query="",
    widget="portfolio_tab",
    choices=["Holdings", "Overview", "Performance", "Income"],
    needed=["plotly_chart", "metric", "button_group"],
)
PORTFOLIO_SESSIONS, PORTFOLIO_GOAL = 3, Goal("p95", 400.0)
PEOPLE = 20
"""Who sign in; each has several tabs open."""
EVERY_S = 5.0
WARM_UP_S = 20.0
"""People open the page one after the other for so long; then each works on for a turn before we watch."""
WATCHED_S = 40.0
CALLS_EACH = 40
FREE_ROWS_EACH = 180
DAYS = 30
MODELS = (("openai", "gpt-4o-mini"), ("offline", "glossary"))
PASSWORD = "correct horse battery"
VISITORS_SLACK_S = 60.0


@dataclass(frozen=True, slots=True)
class Watched:
    """One round: what the visitors saw, and what took the time, where the process was sampled."""

    seen: Seen
    profile: tuple[Hotspot, ...] = ()


def reruns(ground: Ground) -> list[Figure]:
    """The Usage page of the real application in one process, with 50 and with 100 sessions."""
    cookies = _cookies(ground)
    words = f"another period at each rerun, 200 rows each for {len(cookies)} signed-in users in several tabs"
    return [_figure(ground, cookies, USAGE, sessions, goal, words) for sessions, goal in GOALS.items()]


def symbol_reruns(ground: Ground) -> list[Figure]:
    """The Symbol page of the real application in one process, on the shipped market."""
    words = "another range of the chart at each rerun, on the shipped market"
    return [_figure(ground, _cookies(ground), SYMBOL, SYMBOL_SESSIONS, SYMBOL_GOAL, words)]


def screener_reruns(ground: Ground) -> list[Figure]:
    """The Screener of the real application in one process, on a scan of many symbols."""
    symbols = SCANNED // 20 if ground.is_quick else SCANNED
    keep_scan(ground.workbench, symbols)
    words = f"another filter at each rerun, on a scan of {symbols:,} symbols"
    return [_figure(ground, _cookies(ground), SCREENER, SCREENER_SESSIONS, SCREENER_GOAL, words)]


def portfolio_reruns(ground: Ground) -> list[Figure]:
    """The Portfolio page of the real application in one process, with a large portfolio."""
    count = TRANSACTIONS // (10 if ground.is_quick else 1)
    cookie = keep_portfolio(ground, count)
    words = f"another part at each rerun, of {count:,} transactions and {HOLDINGS} holdings"
    return [_figure(ground, [cookie], PORTFOLIO, PORTFOLIO_SESSIONS, PORTFOLIO_GOAL, words)]


def _cookies(ground: Ground) -> list[str]:
    return [_signed_in(ground) for _ in range(3 if ground.is_quick else PEOPLE)]


def _figure(ground: Ground, cookies: list[str], place: Place, sessions: int, goal: Goal, words: str) -> Figure:
    seen = _watched(ground, cookies, place, sessions).seen
    found = figure(
        f"rerun of {place.page.capitalize()}, {sessions} sessions, each every {EVERY_S:g} s",
        seen.durations_ms,
        per_second=len(seen.durations_ms) / ground.seconds(WATCHED_S),
        goals=(goal,),
        note=f"{words}; {_words(seen)}",
    )
    if found.verdict == "missed":
        found = found.explained(_watched(ground, cookies, place, sessions, is_sampled=True).profile)
    return found


def _watched(ground: Ground, cookies: list[str], place: Place, sessions: int, *, is_sampled: bool = False) -> Watched:
    target = ground.work / f"{place.page}-{sessions}.json"
    command = sampled_command(target) if is_sampled else SERVE
    with running(ground.home, command=command, environ={"ASSAY_DEMO": "0"}) as application:
        seen = _visited(ground, application, cookies, place, sessions)
    return Watched(seen, tuple(sampled_profile(target)) if is_sampled else ())


def _visited(ground: Ground, application: Application, cookies: list[str], place: Place, sessions: int) -> Seen:
    plan = Plan(
        place=place,
        base_url=application.base_url,
        server_pid=application.process.pid,
        cookies=cookies,
        sessions=sessions,
        every_s=EVERY_S,
        warm_up_s=ground.seconds(WARM_UP_S) + EVERY_S,
        watched_s=ground.seconds(WATCHED_S),
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.visitors"],
        cwd=ROOT,
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        timeout=plan.warm_up_s + plan.watched_s + VISITORS_SLACK_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The visitors failed: {done.stderr.strip().splitlines()[-1]}")
    return Seen(**json.loads(done.stdout))


def _words(seen: Seen) -> str:
    server, machine = (
        "an unknown part" if share is None else f"{share:.0%}"
        for share in (seen.server_cpu_share, seen.machine_busy_share)
    )
    return (
        f"of one core the application used {server}, the visitors {seen.own_cpu_share:.0%}; "
        f"of the machine all used {machine}"
    )


def _signed_in(ground: Ground) -> str:
    """A new user with a month of usage; gives the value of a session's cookie."""
    principal = ground.member(f"Organisation {secrets.token_hex(4)}", plan="team", password=PASSWORD)
    _use(ground, principal)
    ticket = ground.accounts.sign_in(principal.email, PASSWORD, address="127.0.0.1")
    return ground.accounts.redeem_ticket(ticket, address="127.0.0.1", agent="bench")


def _use(ground: Ground, principal: Principal) -> None:
    """Calls that were charged today, and cached answers of every day of a month."""
    for _ in range(CALLS_EACH):
        hold = ground.meter.reserve(principal, hold_request(model=MODELS[0][1]))
        ground.meter.mark_in_flight(hold)
        ground.meter.settle(hold, "success", Decimal("0.0004"), record())
    log = UsageLog(ground.workbench.database)
    for number in range(FREE_ROWS_EACH):
        provider, model = MODELS[number % len(MODELS)]
        age_s = 86_400 * DAYS * number / FREE_ROWS_EACH
        log.add(_cached_row(principal, provider, model, age_s))
    log.close()


def _cached_row(principal: Principal, provider: str, model: str, age_s: float) -> FreeRow:
    return FreeRow(
        principal=principal,
        channel="page",
        status="cached",
        feature=Feature.CHAT_QUERY,
        provider=provider,
        model=model,
        request_id=new_id(),
        conversation_id=None,
        usage=TokenUsage(120, 240),
        noted=monotonic() - age_s,
    )
