"""Rows of the table of permissions for portfolios."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

from core.errors import NotFound
from core.portfolio.imports.outcomes import Choice
from core.portfolio.ledger import Books, NoRates
from core.portfolio.market_facts import NoFacts
from core.portfolio.portfolios import PortfolioSettings
from core.portfolio.rebalancing import TradeCosts
from core.portfolio.transactions import Draft, Kind
from tests.core.accounts.permission_rows import ASKERS, INSIDERS, READERS, C, Method, Route, Trial

DRAFT = Draft(Kind.DEPOSIT, date(2010, 1, 4), "USD", amount=Decimal(100))
EMPTY = Books().book(uuid4(), [], "USD", True, NoFacts(), NoRates(), until=date(2010, 1, 4))
BODY = {"kind": "deposit", "date": "2010-01-04", "currency": "USD", "amount": "100"}
CSV = b"Date,Kind,Currency,Amount\n2010-01-04,Deposit,USD,100\n"


def _settings(trial: Trial) -> PortfolioSettings:
    return PortfolioSettings(name=str(trial.nothing))


READ_AND_ASK = ASKERS - {C.ASK_TOKEN}
"""What shows the portfolio that it works on: a token needs both scopes."""

METHODS: dict[str, Method] = {
    "portfolio.portfolios.all": Method(READERS, lambda t: t.bench.portfolio.portfolios.all(t.who)),
    "portfolio.portfolios.get": Method(
        READERS, lambda t: t.bench.portfolio.portfolios.get(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.portfolios.limit": Method(READERS, lambda t: t.bench.portfolio.portfolios.limit(t.who)),
    "portfolio.portfolios.create": Method(ASKERS, lambda t: t.bench.portfolio.portfolios.create(t.who, _settings(t))),
    "portfolio.portfolios.change": Method(
        ASKERS, lambda t: t.bench.portfolio.portfolios.change(t.who, t.nothing, _settings(t)), ends=NotFound
    ),
    "portfolio.portfolios.alter": Method(
        ASKERS, lambda t: t.bench.portfolio.portfolios.alter(t.who, t.nothing, {"name": "A name"}), ends=NotFound
    ),
    "portfolio.portfolios.delete": Method(
        ASKERS, lambda t: t.bench.portfolio.portfolios.delete(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.journal.transactions": Method(
        READERS, lambda t: t.bench.portfolio.journal.transactions(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.journal.known": Method(
        READERS, lambda t: t.bench.portfolio.journal.known(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.journal.latest_day": Method(INSIDERS, lambda t: t.bench.portfolio.journal.latest_day(t.who)),
    "portfolio.journal.add": Method(
        ASKERS, lambda t: t.bench.portfolio.journal.add(t.who, t.nothing, [DRAFT]), ends=NotFound
    ),
    "portfolio.journal.check_room": Method(
        INSIDERS, lambda t: t.bench.portfolio.journal.check_room(t.who, EMPTY, EMPTY, [DRAFT])
    ),
    "portfolio.journal.reverse": Method(
        ASKERS, lambda t: t.bench.portfolio.journal.reverse(t.who, t.nothing, t.nothing), ends=NotFound
    ),
    "portfolio.journal.correct": Method(
        ASKERS, lambda t: t.bench.portfolio.journal.correct(t.who, t.nothing, t.nothing, DRAFT), ends=NotFound
    ),
    "portfolio.imports.preview": Method(
        READ_AND_ASK, lambda t: t.bench.portfolio.imports.preview(t.who, t.nothing, CSV, "a.csv"), ends=NotFound
    ),
    "portfolio.imports.run": Method(
        READ_AND_ASK, lambda t: t.bench.portfolio.imports.run(t.who, t.nothing, CSV, "a.csv"), ends=NotFound
    ),
    "portfolio.imports.run_once": Method(
        READ_AND_ASK,
        lambda t: t.bench.portfolio.imports.run_once(t.who, t.nothing, CSV, "a.csv", Choice(), key=None),
        ends=NotFound,
    ),
    "portfolio.imports.past": Method(
        READERS, lambda t: t.bench.portfolio.imports.past(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.reports.of": Method(READERS, lambda t: t.bench.portfolio.reports.of(t.who, t.nothing), ends=NotFound),
    "portfolio.reports.performance": Method(
        READERS, lambda t: t.bench.portfolio.reports.performance(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.analyses.run": Method(
        READ_AND_ASK, lambda t: t.bench.portfolio.analyses.run(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.analyses.kept": Method(
        READERS, lambda t: t.bench.portfolio.analyses.kept(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.analyses.of_returns": Method(
        ASKERS,
        lambda t: t.bench.portfolio.analyses.of_returns(t.who, [0.01, 0.02], [0.01, 0.0], risk_free_rate=0.0),
    ),
    "portfolio.targets.get": Method(READERS, lambda t: t.bench.portfolio.targets.get(t.who, t.nothing)),
    "portfolio.targets.set": Method(
        ASKERS, lambda t: t.bench.portfolio.targets.set(t.who, t.nothing, {}), ends=NotFound
    ),
    "portfolio.rebalancing.drift": Method(
        READERS, lambda t: t.bench.portfolio.rebalancing.drift(t.who, t.nothing), ends=NotFound
    ),
    "portfolio.rebalancing.trades": Method(
        READERS, lambda t: t.bench.portfolio.rebalancing.trades(t.who, t.nothing, TradeCosts()), ends=NotFound
    ),
}

ONE = "/api/portfolios/{portfolio_id}"
TRANSACTION = f"{ONE}/transactions/{{transaction_id}}"
ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/portfolios"): Route(READERS),
    ("POST", "/api/portfolios"): Route(ASKERS, 422, body={"name": ""}),
    ("GET", ONE): Route(READERS, 404),
    ("PATCH", ONE): Route(ASKERS, 404, body={"name": "A name"}),
    ("DELETE", ONE): Route(ASKERS, 404),
    ("GET", f"{ONE}/transactions"): Route(READERS, 404),
    ("POST", f"{ONE}/transactions"): Route(ASKERS, 404, body=BODY),
    ("GET", f"{ONE}/transactions.csv"): Route(READERS, 404),
    ("POST", f"{TRANSACTION}/reverse"): Route(ASKERS, 404, body={}),
    ("POST", f"{TRANSACTION}/correct"): Route(ASKERS, 404, body=BODY),
    ("GET", f"{ONE}/holdings"): Route(READERS, 404),
    ("GET", f"{ONE}/performance"): Route(READERS, 404),
    ("POST", "/api/risk-metrics"): Route(
        ASKERS, body={"portfolioReturns": [0.01], "marketReturns": [0.0], "riskFreeRate": 0}
    ),
}
