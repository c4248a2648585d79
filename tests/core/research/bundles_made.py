"""Bundles over local servers in the places of a provider and of the sources of news and filings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from core.ai.prompts import load_prompt
from core.ai.providers.contract import Message
from core.ai.providers.offline import Offline
from core.market.sources.contract import Listing
from core.metering.books import audit
from core.portfolio.portfolios import PortfolioSettings
from core.portfolio.transactions import Draft, Kind
from core.principal import Principal
from core.research import offline_bundle
from core.research.bundle import Bundle
from core.research.bundle_calls import facts_of
from core.research.bundles import BundleParts, Bundles
from core.research.details import Details
from core.settings import DATA
from core.workbench import Workbench, open_workbench
from tests.conftest import make_settings
from tests.core.market.edgar_answers import submissions
from tests.core.market.test_news import FINNHUB, finnhub
from tests.core.market.vendor_server import VendorServer
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Received, Reply

PROMPTS = ("news", "sentiment", "filing_list", "news_detail", "filing_detail", "company_profile")
SUBMISSIONS = "/submissions/CIK"
GENERATED = ("AROHICEM.NS", "CHAMELI.NS", "DHARAPOW.NS")
"""Issuers that do not exist, whose news and filings are shipped."""
BOUGHT = date(2010, 1, 4)
WAIT_S = 60.0

Replies = Callable[[str, Sequence[str]], Reply]
"""Makes the reply to a part's question, of these symbols."""


def answered(part: str, symbols: Sequence[str]) -> Reply:
    """What a model that does as it is told answers."""
    return Reply(text=written(part, symbols))


def written(part: str, symbols: Sequence[str]) -> str:
    """The JSON of such an answer."""
    tone = {"tone": "positive"} if part == "sentiment" else {}
    told = [{"symbol": symbol, "summary": f"What is told of {symbol}.", **tone} for symbol in symbols]
    return json.dumps({"holdings": told})


class PartServer(ChatServer):
    """A provider that answers the questions of bundles; `replies` says how."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: Replies = answered
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        """Part and symbols of each call."""

    def _next(self, received: Received) -> Reply:
        default = super()._next(received)
        messages = [Message(each["role"], each.get("content") or "") for each in received.body.get("messages", [])]
        facts = facts_of(messages)
        if facts is None or "part" not in facts:
            return default
        symbols = tuple(str(holding["symbol"]) for holding in facts["holdings"])
        self.asked.append((str(facts["part"]), symbols))
        return self.replies(str(facts["part"]), symbols)


def symbols_of(count: int) -> list[str]:
    """Symbols of companies that the local SEC knows."""
    return [f"S{number:03d}" for number in range(count)]


def live_environ(server: ChatServer, vendor: VendorServer) -> dict[str, str]:
    """The settings under which provider, news and SEC are local servers, and the day is today."""
    vendor.answers.setdefault(FINNHUB, [finnhub("Acme beats estimates"), finnhub("Acme names a director", 90, 2)])
    vendor.answers.setdefault(SUBMISSIONS, submissions([("10-K", "2010-02-20"), ("8-K", "2010-01-28")]))
    keys = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url, "FMP_API_KEY": "k", "FINNHUB_API_KEY": "k"}
    sources = {f"{name}_BASE_URL": vendor.url for name in ("FMP", "FINNHUB", "SEC_EDGAR", "SEC_EDGAR_WWW")}
    who = {"SEC_EDGAR_USER_AGENT": "Test test@test.example"}
    return {**keys, **sources, **who, "SEC_EDGAR_PER_SECOND": "1000", "FINNHUB_PER_MINUTE": "9999"}


@contextmanager
def live_bench(
    database_url: str, home: Path, server: ChatServer, vendor: VendorServer, **environ: str
) -> Iterator[Workbench]:
    """A workbench under them, which knows sixty companies."""
    settings = make_settings(database_url, home, **{**live_environ(server, vendor), **environ})
    with closing(open_workbench(settings)) as opened:
        opened.market.instruments.refresh([Listing(each, f"{each} Inc.", 1, "Nasdaq") for each in symbols_of(60)])
        yield opened


@contextmanager
def bundles_of(workbench: Workbench) -> Iterator[Bundles]:
    """The bundles of a workbench, closed behind the test."""
    made = Bundles(parts_of(workbench))
    try:
        yield made
    finally:
        made.close()


def details_of(workbench: Workbench) -> Details:
    """The details of a workbench."""
    return Details(parts_of(workbench))


def parts_of(workbench: Workbench) -> BundleParts:
    """What bundles are composed of; the offline provider is handed their rule."""
    offline = cast("Offline", workbench.providers["offline"])
    if offline_bundle.answer not in offline._answerers:
        offline._answerers = (*offline._answerers, offline_bundle.answer)
    return BundleParts(
        database=workbench.database,
        gateway=workbench.gateway,
        usage=workbench.usage,
        usage_log=workbench.usage_log,
        plans=workbench.plans,
        market=workbench.market,
        reports=workbench.portfolio.reports,
        prompts={name: load_prompt(DATA / "prompts", name) for name in PROMPTS},
        total_s=workbench.settings.total_timeout_s,
    )


def portfolio(
    workbench: Workbench, principal: Principal, symbols: Sequence[str], *, name: str = "Shares", **settings: Any
) -> UUID:
    """A portfolio of ten shares each."""
    area = workbench.portfolio
    info = area.portfolios.create(principal, PortfolioSettings(name=name, has_cash=False, **settings))
    if symbols:
        area.journal.add(principal, info.id, [bought(symbol) for symbol in symbols])
    return info.id


def bought(symbol: str) -> Draft:
    """Ten shares."""
    currency = "INR" if symbol.endswith(".NS") else "USD"
    return Draft(Kind.BUY, BOUGHT, currency, symbol=symbol, quantity=Decimal(10), price=Decimal(50))


def used(workbench: Workbench, principal: Principal, metric: str = "chat_queries_day") -> int:
    """How much of a quota was used."""
    return int(workbench.usage.overview(principal).allowances[metric].used)


def settled(bundles: Bundles, principal: Principal, portfolio_id: UUID) -> Bundle:
    """The bundle once nothing of it is being made."""
    until = time.monotonic() + WAIT_S
    while (bundle := bundles.state(principal, portfolio_id)).is_making:
        assert time.monotonic() < until, "a bundle was not made in time"
        time.sleep(0.02)
    for thread in list(bundles._making._threads):  # its last word is the settling of the call
        thread.join(WAIT_S)
    return bundle


def opened(bundles: Bundles, principal: Principal, portfolio_id: UUID) -> Bundle:
    """The bundle after somebody opened it."""
    bundles.begin(principal, portfolio_id)
    return settled(bundles, principal, portfolio_id)


def rows(workbench: Workbench, principal: Principal) -> list[tuple[str, str, str | None]]:
    """Status, model and level of each row of chat queries in the log, the newest first."""
    workbench.usage_log.flush()
    today = datetime.now(UTC).date()
    log = workbench.usage.log(principal, today - timedelta(days=1), today + timedelta(days=1))
    return [(row.status, row.model, row.cache_level) for row in log if row.feature == "chat_query"]


def assert_balanced(workbench: Workbench) -> None:
    """The books balance."""
    assert list(audit(workbench.database).differences) == []
