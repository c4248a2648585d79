"""A process that asks for quotes, or takes from an allowance, as the test says on its input.

Arguments: the address of the market's server. It says `ready` and then answers each line of its input with one line of
JSON: `take SOURCE LIMIT TIMES` takes one at a time from a daily allowance and says how many it got; `quotes SYMBOL …`
says source and price of each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from uuid import UUID

from core.clock import SystemClock
from core.db.engine import Database
from core.market.as_of import AsOf, Reason
from core.market.calendars import Calendars
from core.market.gate import Gate
from core.market.quote_ladder import Ladder, Traded
from core.market.quotes import PastQuote, QuoteParts, Quotes
from core.market.sources.contract import Allowance
from core.market.sources.registry import build_sources
from core.settings import load_settings


@dataclass(frozen=True)
class Named:
    """As much of a source as an allowance needs."""

    name: str
    allowance: Allowance


class Nothing:
    """Knows no instrument and no past."""

    def many(self, symbols: Sequence[str], as_of: AsOf) -> Mapping[str, Traded]:
        """None of them."""
        return {}

    def quotes(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None) -> Mapping[str, PastQuote]:
        """None of them."""
        return {}


def main() -> None:
    """Does what it is told until its input ends."""
    settings, clock, nothing = load_settings(), SystemClock(), Nothing()
    sources = build_sources(settings, clock)
    assert settings.database_url is not None
    with (
        closing(Database(settings.database_url.get_secret_value())) as database,
        closing(Gate(database, clock, Random())) as gate,
    ):
        ladder = Ladder(gate, sources.quotes, clock)
        now = clock.now()
        parts = QuoteParts(database, ladder, nothing, nothing, Calendars(today=now.date()), clock, settings.quote_ttl_s)
        quotes = Quotes(parts)
        say("ready")
        for line in sys.stdin:
            order, *words = line.split()
            if order == "take":
                source = Named(words[0], Allowance(per_day=int(words[1])))
                say([gate.take(source) for _ in range(int(words[2]))])
            else:
                found = quotes.get(words, AsOf(now.date(), Reason.LIVE, clock.now()))
                say(
                    {
                        symbol: [quote.source, quote.price and f"{quote.price.normalize():f}"]
                        for symbol, quote in found.items()
                    }
                )


def told(price: Decimal | None) -> str | None:
    """A price without zeros at its end."""
    return None if price is None else f"{price.normalize():f}"


def say(word: object) -> None:
    """Tells the test."""
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
