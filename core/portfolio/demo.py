"""The demo's portfolios: made-up trades at real prices, so that every figure of a portfolio has something to say."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from core.errors import Conflict
from core.ids import new_id
from core.portfolio.journal import ImportFacts, Journal
from core.portfolio.portfolios import Portfolios, PortfolioSettings
from core.portfolio.report import CostMethod
from core.portfolio.transactions import LABELS, Draft
from core.principal import Principal, Role
from core.settings import DATA

FOLDER = DATA / "demo"
_KINDS = {label: kind for kind, label in LABELS.items()}


@dataclass(frozen=True, slots=True)
class DemoPortfolio:
    """A portfolio of the demo, and the file of its transactions: an export, as `exports.csv_of` writes it."""

    settings: PortfolioSettings
    file_name: str


PORTFOLIOS = (
    DemoPortfolio(
        PortfolioSettings(
            name="US stocks",
            currency="USD",
            shared_with=Role.VIEWER.value,
            edited_with=Role.ANALYST.value,
        ),
        "us_stocks.csv",
    ),
    DemoPortfolio(
        PortfolioSettings(
            name="Two currencies",
            currency="EUR",
            cost_method=CostMethod.AVERAGE,
            has_cash=False,
            shared_with=Role.VIEWER.value,
            edited_with=Role.ANALYST.value,
        ),
        "two_currencies.csv",
    ),
)


def load_demo_portfolios(portfolios: Portfolios, journal: Journal, owner: Principal) -> int:
    """Makes those that `owner` has none of that name of, and gives how many; what is there stays as it is.

    One without any transaction, as a start that was cut off leaves it, is filled.

    Raises:
        Forbidden: the owner may not keep portfolios.
        PlanRequired: the plan has no room for them.
    """
    own = {info.name: info for info in portfolios.all(owner) if info.is_own}
    made = 0
    for demo in PORTFOLIOS:
        info = own.get(demo.settings.name)
        if info is None:
            with suppress(Conflict):  # another process is making it
                info = portfolios.create(owner, demo.settings)
        if info is not None and info.number == 0:
            _fill(journal, owner, info.id, FOLDER / demo.file_name)
            made += 1
    return made


def _fill(journal: Journal, owner: Principal, portfolio_id: UUID, path: Path) -> None:
    """Enters a file once, however many do so at once: rows of an import that are there are left out."""
    content = path.read_bytes()
    drafts = drafts_of(content)
    digest = hashlib.sha256(content).digest()
    journal.add(
        owner, portfolio_id, drafts, imported=ImportFacts(new_id(), path.name, digest, "generic", rows=len(drafts))
    )


def drafts_of(content: bytes) -> Sequence[Draft]:
    """The transactions of a shipped file."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    return [_draft(row) for row in rows]


def _draft(row: Mapping[str, str]) -> Draft:
    def number(heading: str) -> Decimal | None:
        return Decimal(row[heading]) if row[heading] else None

    return Draft(
        kind=_KINDS[row["Kind"]],
        day=date.fromisoformat(row["Date"]),
        currency=row["Currency"],
        symbol=row["Symbol"] or None,
        quantity=number("Quantity"),
        price=number("Price"),
        amount=number("Amount"),
        fees=number("Fees") or Decimal(0),
        taxes=number("Taxes") or Decimal(0),
        fx_rate=number("Exchange rate"),
        note=row["Note"],
    )
