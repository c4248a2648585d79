"""What a hundred quotes take: from a source that answers after 200 ms, and from what is kept and fresh."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from random import Random
from uuid import UUID

from core.clock import SystemClock
from core.market.as_of import AsOf, Reason
from core.market.calendars import Calendars
from core.market.gate import Gate
from core.market.instruments import Instruments
from core.market.quote_ladder import Ladder
from core.market.quotes import PastQuote, QuoteParts, Quotes
from core.market.sources.registry import build_sources
from core.settings import load_settings
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.quick_market import AFTER_S, running_quick_market

SYMBOLS = 100
FETCHES = 40
READS = 500
ADDED = (Goal("p95", 50.0),)
KEPT = (Goal("p95", 5.0),)
ROOMY = {f"FMP_PER_{window}": "1000000" for window in ("SECOND", "MINUTE", "DAY")}


class _NoPast:
    def quotes(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None) -> Mapping[str, PastQuote]:
        """Of none."""
        return {}


def hundreds(ground: Ground) -> list[Figure]:
    """A hundred symbols that were never asked for, again and again; then the same hundred from what is kept."""
    with running_quick_market() as url, _quotes(ground, url) as quotes:
        fetched = [_timed(quotes, f"N{number}", "fmp") for number in range(ground.repetitions(FETCHES))]
        first, *others = [taken - 1000 * AFTER_S for taken in fetched]
        kept = [_timed(quotes, "N0", "cache") for _ in range(ground.repetitions(READS))]
    slowest = "the source takes 200 ms for each answer, which are taken off; its process shares the machine"
    return [
        figure("100 quotes from the network, first time, added", [first], note=f"connections are opened; {slowest}"),
        figure("100 quotes from the network, added", others, goals=ADDED, note=slowest),
        figure("100 quotes from the fresh cache", kept, goals=KEPT, note="one statement; as many for one quote"),
    ]


@contextmanager
def _quotes(ground: Ground, url: str) -> Iterator[Quotes]:
    clock, database = SystemClock(), ground.workbench.database
    settings = load_settings({"FMP_API_KEY": "a key", "FMP_BASE_URL": url, **ROOMY}, root=ground.work)
    sources = build_sources(settings, clock)
    with closing(Gate(database, clock, Random())) as gate:
        parts = QuoteParts(
            database=database,
            ladder=Ladder(gate, sources.quotes, clock),
            past=_NoPast(),
            instruments=Instruments(database, clock),
            sessions=Calendars(today=clock.now().date()),
            clock=clock,
            ttl_s=settings.quote_ttl_s,
        )
        try:
            yield Quotes(parts)
        finally:
            sources.close()


def _timed(quotes: Quotes, name: str, source: str) -> float:
    """Milliseconds until a hundred quotes are there."""
    now = SystemClock().now()
    symbols = [f"{name}X{number}" for number in range(SYMBOLS)]
    begun = time.perf_counter()
    found = quotes.get(symbols, AsOf(now.date(), Reason.LIVE, now))
    taken_ms = (time.perf_counter() - begun) * 1000
    if {quote.source for quote in found.values()} != {source}:
        raise RuntimeError("A quote came from elsewhere than it should.")
    return taken_ms
