"""Research: the assistant with its tools, bundles and details, and what was found in answers, composed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.accounts.profiles import Profiles
from core.ai.experiments import Experiments
from core.ai.gateway import Gateway
from core.ai.prompts import load_prompt
from core.ai.tools import Tool
from core.db.engine import Database
from core.market.market import Market
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.metering.usage import Usage
from core.metering.usage_log import UsageLog
from core.ops.jobs import Queue
from core.portfolio.portfolio import PortfolioArea
from core.principal import Principal
from core.research.answer_checks import AnswerChecks
from core.research.assistant import Assistant, AssistantParts
from core.research.attachments.attachments import Attachments
from core.research.bundled import Bundled
from core.research.bundles import BundleParts, Bundles
from core.research.conversations import Conversations
from core.research.details import Details
from core.research.filings import Filings
from core.research.large_requests import LargeParts, LargeRequests, open_large_requests
from core.research.measures import load_measures
from core.research.reactions import Reactions
from core.research.shipped_templates import load_templates
from core.research.templates import Templates
from core.research.tools.calculate import Calculate
from core.research.tools.filing_search import FilingSearch
from core.research.tools.filings import Filings as FilingsTool
from core.research.tools.holdings import Holdings
from core.research.tools.indicators import Indicators
from core.research.tools.news import News
from core.research.tools.performance import Performance
from core.research.tools.price_history import PriceHistory
from core.research.tools.quote import Quote
from core.research.tools.risk import Risk
from core.research.tools.screen import Screen
from core.research.tools.signal_record import SignalRecord
from core.research.tools.statements import Statements
from core.research.tools.toolbox import Toolbox
from core.research.tools.transactions import Transactions
from core.research.tools.what_if import WhatIf
from core.screener.screener import Screener
from core.settings import DATA

FORGET_MINUTES = 6 * 60.0
"""How often files are forgotten that no question was asked with."""


@dataclass(frozen=True)
class ResearchArea:
    """The services of research."""

    assistant: Assistant
    conversations: Conversations
    bundles: Bundles
    details: Details
    checks: AnswerChecks
    filings: Filings
    toolbox: Toolbox
    templates: Templates
    reactions: Reactions
    attachments: Attachments
    large_requests: LargeRequests

    def close(self) -> None:
        """Waits a little for what is under way; after the gateway was closed."""
        self.bundles.close()


@dataclass(frozen=True)
class ResearchParts:
    """What they are composed of."""

    database: Database
    gateway: Gateway
    experiments: Experiments
    meter: Meter
    plans: Plans
    usage: Usage
    usage_log: UsageLog
    market: Market
    screener: Screener
    portfolio: PortfolioArea
    profiles: Profiles
    queue: Queue
    total_s: float
    """Longest that an answer may take."""


def open_research(parts: ResearchParts) -> ResearchArea:
    """Composes the area.

    Raises:
        ConfigurationError: a prompt, or the file of measures, with a mistake.
    """
    database, market, prompts = parts.database, parts.market, DATA / "prompts"
    conversations, checks, toolbox = Conversations(database), AnswerChecks(database), Toolbox(_tools(parts))
    shipped = {path.stem: load_prompt(prompts, path.stem) for path in sorted(prompts.glob("*.md"))}
    reading = BundleParts(
        database=database,
        gateway=parts.gateway,
        usage=parts.usage,
        usage_log=parts.usage_log,
        plans=parts.plans,
        market=market,
        reports=parts.portfolio.reports,
        prompts=shipped,
        total_s=parts.total_s,
    )
    measures, bundles = load_measures(DATA / "measures.yaml"), Bundles(reading)
    attachments, templates = Attachments(database), Templates(database, load_templates(DATA / "templates.yaml"))
    assistant = Assistant(
        AssistantParts(
            database=database,
            gateway=parts.gateway,
            prompts=shipped,
            experiments=parts.experiments,
            conversations=conversations,
            market=market,
            portfolio=parts.portfolio,
            profiles=parts.profiles,
            toolbox=toolbox,
            measures=measures,
            checks=checks,
            bundled=Bundled(bundles, measures),
            templates=templates,
        )
    )
    parts.queue.every("forget_attachments", FORGET_MINUTES, lambda: _forget(attachments))
    return ResearchArea(
        assistant=assistant,
        conversations=conversations,
        bundles=bundles,
        details=Details(reading),
        checks=checks,
        filings=Filings(parts.meter, parts.usage_log, market.filings, market.companies, market.time),
        toolbox=toolbox,
        templates=templates,
        reactions=Reactions(database),
        attachments=attachments,
        large_requests=open_large_requests(LargeParts(database, parts.queue, parts.gateway, parts.meter, parts.plans)),
    )


def _forget(attachments: Attachments) -> None:
    attachments.forget_unused()


def _tools(parts: ResearchParts) -> Sequence[Tool]:
    """Everything that a model may have done, in the order in which it is told of it."""
    market, screener, portfolio = parts.market, parts.screener, parts.portfolio

    def holdings_of(principal: Principal, portfolio_id: UUID) -> Sequence[str]:
        return [line.symbol for line in portfolio.reports.of(principal, portfolio_id).holdings]

    return (
        Quote(market),
        PriceHistory(market),
        Indicators(market),
        Screen(market, screener, holdings_of),
        SignalRecord(market, screener),
        Holdings(portfolio.reports),
        Transactions(portfolio.portfolios, portfolio.journal, market),
        Performance(portfolio.reports, market),
        Risk(portfolio.reports, portfolio.portfolios, parts.profiles, market),
        WhatIf(portfolio.reports, portfolio.portfolios, parts.profiles, market),
        FilingsTool(market),
        FilingSearch(market),
        News(market, parts.plans),
        Statements(market),
        Calculate(),
    )
