"""The area of portfolios, composed once; pages, routes and commands reach its services here."""

from __future__ import annotations

from dataclasses import dataclass

from core.accounts.profiles import Profiles
from core.db.engine import Database
from core.market.market import Market
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.metering.usage_log import UsageLog
from core.portfolio.analyses import Analyses, AnalysisParts
from core.portfolio.imports.imports import ImportParts, Imports
from core.portfolio.imports.presets import load_presets
from core.portfolio.journal import Journal
from core.portfolio.ledger import Books
from core.portfolio.portfolios import Portfolios
from core.portfolio.rebalancing import Rebalancing, Targets
from core.portfolio.reports import ReportParts, Reports
from core.portfolio.valuation import Valuer
from core.settings import DATA


@dataclass(frozen=True)
class PortfolioArea:
    """The services of portfolios."""

    portfolios: Portfolios
    journal: Journal
    imports: Imports
    reports: Reports
    analyses: Analyses
    rebalancing: Rebalancing
    targets: Targets


@dataclass(frozen=True)
class AreaParts:
    """What they are composed of."""

    database: Database
    plans: Plans
    meter: Meter
    usage_log: UsageLog
    market: Market
    profiles: Profiles


def open_portfolio(parts: AreaParts) -> PortfolioArea:
    """Composes the area.

    Raises:
        ConfigurationError: a file of `data/brokers` with a mistake.
    """
    database, market = parts.database, parts.market
    books = Books(market.bars, market.fx)
    portfolios = Portfolios(database, parts.plans)
    journal = Journal(database, parts.plans, books, market.time)
    valuer = Valuer(database, market.bars, market.fx)
    reports = Reports(ReportParts(database, portfolios, journal, books, valuer, market, parts.profiles))
    rebalancing = Rebalancing(database, reports, market)
    return PortfolioArea(
        portfolios=portfolios,
        journal=journal,
        imports=Imports(
            database,
            ImportParts(
                journal=journal,
                portfolios=portfolios,
                books=books,
                instruments=market.instruments,
                calendars=market.calendars,
                market_time=market.time,
                presets=load_presets(DATA / "brokers"),
            ),
        ),
        reports=reports,
        analyses=Analyses(
            AnalysisParts(database, parts.meter, parts.usage_log, portfolios, reports, market, parts.profiles)
        ),
        rebalancing=rebalancing,
        targets=rebalancing.targets,
    )
