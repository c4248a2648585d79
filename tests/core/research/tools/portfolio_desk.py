"""Portfolios of somebody on the shipped market, and the tools that are let at them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ai.evidence import Figure
from core.ai.providers.contract import ToolCall
from core.ai.tool_loop import Ran
from core.ids import new_id
from core.portfolio.demo import load_demo_portfolios
from core.portfolio.portfolios import PortfolioSettings
from core.portfolio.transactions import Draft, Kind
from core.principal import Principal
from core.research.tools.calculate import Calculate
from core.research.tools.holdings import Holdings
from core.research.tools.performance import Performance
from core.research.tools.risk import Risk
from core.research.tools.toolbox import Toolbox
from core.research.tools.transactions import Transactions
from core.research.tools.what_if import WhatIf
from core.workbench import Workbench
from tests.conftest import member_factory

DAY = date(2010, 8, 20)
"""The last shipped session."""


@dataclass
class Desk:
    """Somebody's portfolios, and the tools."""

    workbench: Workbench
    owner: Principal
    box: Toolbox
    demos: dict[str, UUID] = field(default_factory=dict)

    def run(
        self, tool: str, portfolio_id: UUID | None, /, *, figures: Sequence[Figure] = (), number: int = 1, **more: Any
    ) -> Ran:
        """One use of a tool by the owner."""
        return self.run_as(self.owner, tool, portfolio_id, json.dumps(more), figures=figures, number=number)

    def run_as(
        self,
        principal: Principal,
        tool: str,
        portfolio_id: UUID | None,
        arguments: str = "{}",
        *,
        figures: Sequence[Figure] = (),
        number: int = 1,
    ) -> Ran:
        """One use of a tool by anybody, with arguments as a model writes them."""
        return self.box.runner(principal, portfolio_id).run(ToolCall("call", tool, arguments), number, figures)

    def made(self, *drafts: Draft, **settings: Any) -> UUID:
        """A new portfolio of the owner's."""
        area, wanted = self.workbench.portfolio, replace(PortfolioSettings(f"Made {new_id()}"), **settings)
        info = area.portfolios.create(self.owner, wanted)
        if drafts:
            area.journal.add(self.owner, info.id, drafts)
        return info.id


def opened_desk(workbench: Workbench, name: str) -> Desk:
    """The desk of a new user with the demo's portfolios."""
    owner = member_factory(workbench)(name, plan="team", org=f"{name}'s desk")
    area, market, profiles = workbench.portfolio, workbench.market, workbench.profiles
    load_demo_portfolios(area.portfolios, area.journal, owner)
    box = Toolbox(
        [
            Holdings(area.reports),
            Transactions(area.portfolios, area.journal, market),
            Performance(area.reports, market),
            Risk(area.reports, area.portfolios, profiles, market),
            WhatIf(area.reports, area.portfolios, profiles, market),
            Calculate(),
        ]
    )
    return Desk(workbench, owner, box, {info.name: info.id for info in area.portfolios.all(owner)})


def shown(ran: Ran) -> dict[str, Any]:
    """What the model was shown of a step that is done."""
    assert ran.step.state == "done", ran.step.error
    told: dict[str, Any] = json.loads(ran.text)
    assert told["step"] == ran.step.number
    return told


def result(ran: Ran) -> dict[str, Any]:
    """The result in it."""
    found: dict[str, Any] = shown(ran)["result"]
    return found


def value(ran: Ran, entity: str, measure: str, **like: Any) -> float:
    """The one figure of an entity and measure."""
    found = {each.value for each in figures(ran, entity, measure, **like)}
    assert len(found) == 1, (entity, measure, found)
    return found.pop()


def figures(ran: Ran, entity: str, measure: str, **like: Any) -> list[Figure]:
    """All figures of an entity and measure."""
    assert ran.result is not None, ran.step.error
    return [
        each
        for each in ran.result.figures
        if (each.entity, each.measure) == (entity, measure)
        and all(getattr(each, name) == wanted for name, wanted in like.items())
    ]


def buy(symbol: str, quantity: str, price: str, day: date = date(2010, 1, 4), currency: str = "USD") -> Draft:
    """A purchase."""
    return Draft(Kind.BUY, day, currency, symbol=symbol, quantity=Decimal(quantity), price=Decimal(price))


def deposit(amount: str, day: date = date(2010, 1, 4), currency: str = "USD") -> Draft:
    """Money from outside."""
    return Draft(Kind.DEPOSIT, day, currency, amount=Decimal(amount))
