"""What is wrong with the bars of a universe, looked for when somebody asks, and how old they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from core.admin.reach import reach_of
from core.db.instruments_dao import UniverseRow
from core.market.bar_checks import Check, Finding, Severity
from core.market.market import Market
from core.principal import Principal

MOST_FINDINGS = 200
"""Findings that are told, worst first; all are counted."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """What was found in the bars of one universe."""

    universe: str
    as_of: date
    """Bars up to this day were looked at."""
    symbols: int
    findings: Sequence[Finding]
    """At most `MOST_FINDINGS`, worst first."""
    counts: Mapping[Severity, int]
    """All findings, by how bad they are."""
    stale: int
    """Symbols whose last bar is older than the exchange's last session, or that have none."""


class DataChecks:
    """Looks through the bars that an organisation sees."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def universes(self, principal: Principal) -> Sequence[UniverseRow]:
        """What can be looked through: the shipped universes, and the organisation's own.

        Raises:
            Forbidden: as `reach_of`.
        """
        reach_of(principal, everything=False)
        return self._market.universes.list(principal)

    def run(self, principal: Principal, universe_id: str) -> DataReport:
        """Every finding in a universe's bars as its members' organisation sees them; it takes seconds for hundreds.

        Raises:
            NotFound: there is no such universe for them.
            Forbidden: as `reach_of`.
        """
        reach_of(principal, everything=False)
        market = self._market
        universe = market.universes.get(principal, universe_id)
        symbols = [member.symbol for member in market.universes.members(principal, universe_id)]
        as_of = market.time.of(principal)
        found = market.checks.run(symbols, as_of, principal.org_id)
        counts = Counter(each.severity for each in found)
        return DataReport(
            universe=universe.title,
            as_of=as_of.day,
            symbols=len(symbols),
            findings=found[:MOST_FINDINGS],
            counts={severity: counts[severity] for severity in Severity},
            stale=len({each.symbol for each in found if each.check is Check.STALE}),
        )
