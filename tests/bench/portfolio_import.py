"""An import of ten thousand rows: read, judged row by row, entered."""

from __future__ import annotations

import time

from core.market.calendars import Calendars
from core.portfolio.exports import csv_of
from core.portfolio.portfolios import PortfolioSettings
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.portfolio import FIRST, HOLDINGS, LAST, TRANSACTIONS, made_transactions

GOAL = Goal("p50", 3.0)
REPETITIONS = 5


def imported(ground: Ground) -> list[Figure]:
    """A file of our own form into an empty portfolio, and the same file a second time, which adds nothing."""
    bench = ground.workbench
    bench.market.load_shipped()
    owner = ground.member("Organisation that imports", plan="enterprise")
    universe = bench.market.lists.universes[0].id
    symbols = [each.symbol for each in bench.market.universes.members(owner, universe)][:HOLDINGS]
    days = Calendars(today=LAST).of("XNYS").between(FIRST, LAST).tolist()
    count = TRANSACTIONS // (10 if ground.is_quick else 1)
    content = csv_of(made_transactions(symbols, days, count))
    first: list[float] = []
    second: list[float] = []
    told: list[int] = []

    def tell(done: int, _total: int, _words: str) -> None:
        told.append(done)

    repetitions = ground.repetitions(REPETITIONS)
    for number in range(repetitions):
        info = bench.portfolio.portfolios.create(owner, PortfolioSettings(f"Imported {number}"))
        for seconds, added in ((first, count), (second, 0)):
            begun = time.perf_counter()
            result = bench.portfolio.imports.run(owner, info.id, content, "bench.csv", progress=tell)
            seconds.append(time.perf_counter() - begun)
            if len(result.transactions) != added:
                raise RuntimeError(f"{len(result.transactions)} rows were added, not {added}.")
    name = f"import of {count:,} rows into an empty portfolio"
    note = f"progress is told {len(told) // (2 * repetitions)} times"
    return [
        figure(name, first, unit="s", goals=(GOAL,), note=note),
        figure("the same file again, which adds nothing", second, unit="s", goals=(GOAL,)),
    ]
