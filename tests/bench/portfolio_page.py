"""A portfolio of ten thousand transactions over ten years and two hundred holdings: what its page is measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

import numpy as np

from core.market.calendars import Calendars
from core.portfolio.portfolios import PortfolioSettings
from core.portfolio.transactions import Draft, Kind
from tests.bench.ground import Ground
from tests.bench.records import fill_walks

TRANSACTIONS, HOLDINGS, YEARS = 10_000, 200, 10
CAPITAL = Decimal(20_000_000)
MOST_SHARES = 40
PASSWORD = "correct horse battery"
SEED = 9


def keep_portfolio(ground: Ground, transactions: int) -> str:
    """Keeps it as of the last shipped session; gives the value of its owner's cookie."""
    bench = ground.workbench
    bench.market.load_shipped()
    last = bench.market.lists.last_session
    sessions = Calendars(today=last).of("XNYS").between(last.replace(year=last.year - YEARS), last)
    symbols = fill_walks(bench.market.store, HOLDINGS, sessions)
    owner = ground.member("Organisation with a portfolio", plan="enterprise", password=PASSWORD)
    info = bench.portfolio.portfolios.create(owner, PortfolioSettings("Ten years"))
    bench.portfolio.journal.add(owner, info.id, list(_drafts(symbols, sessions.tolist(), transactions)))
    ticket = ground.accounts.sign_in(owner.email, PASSWORD, address="127.0.0.1")
    return ground.accounts.redeem_ticket(ticket, address="127.0.0.1", agent="bench")


def _drafts(symbols: Sequence[str], sessions: Sequence[date], count: int) -> Iterator[Draft]:
    """A deposit, then each symbol in turn: purchases, now and then a sale of a part, a dividend or a fee."""
    random = np.random.Generator(np.random.PCG64(SEED))
    yield Draft(Kind.DEPOSIT, sessions[0], "USD", amount=CAPITAL)
    held = dict.fromkeys(symbols, 0)
    for number in range(count - 1):
        symbol, day = symbols[number % len(symbols)], sessions[number * len(sessions) // count]
        what = int(random.integers(0, 10)) if held[symbol] else 0
        shares = int(random.integers(1, MOST_SHARES))
        if what == 9:
            yield Draft(Kind.DIVIDEND, day, "USD", symbol=symbol, amount=Decimal(held[symbol]) / 4)
            continue
        is_sale = what >= 7
        shares = min(shares, held[symbol]) if is_sale else shares
        held[symbol] += -shares if is_sale else shares
        kind = Kind.SELL if is_sale else Kind.BUY
        yield Draft(kind, day, "USD", symbol=symbol, quantity=Decimal(shares), price=Decimal(50), fees=Decimal(1))
