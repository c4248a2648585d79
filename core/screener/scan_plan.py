"""What a scan is of: the universe's members, the session it is as of, and whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median_low
from uuid import UUID

from core.db.instruments_dao import MemberRow, UniverseRow
from core.errors import NotEnoughData, NotFound, StaleBars
from core.market.as_of import AsOf
from core.market.bar_store import BarStore
from core.market.calendars import Calendars
from core.market.market_time import spoken
from core.market.panel import Days
from core.market.universes import Universes

MOST_SESSIONS_BEHIND = 1
"""Sessions that bars may lack: after a close the evening's are still to come."""
SESSIONS_READ_DAYS = 366


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What one scan reads."""

    universe: UniverseRow
    members: Sequence[MemberRow]
    """Those of the day."""
    day: date
    """The session whose bars are the last that are read."""
    exchange: str | None
    """Where most members are listed."""
    org_id: UUID | None
    """Whose scan it is; None where universe and bars are everybody's, and so is the scan."""
    bars_version: int

    @property
    def symbols(self) -> list[str]:
        """What is scanned, in alphabetical order."""
        return sorted({member.symbol for member in self.members})


class ScanPlanner:
    """Says what a scan would be of."""

    def __init__(self, universes: Universes, store: BarStore, calendars: Calendars) -> None:
        self._universes = universes
        self._store = store
        self._calendars = calendars

    def plan(self, universe_id: str, as_of: AsOf, org_id: UUID | None) -> ScanPlan:
        """The plan of a scan as of a day.

        Raises:
            NotFound: there is no such universe that the organisation may screen.
            NotEnoughData: it has no members, or there are no bars of them, up to that day.
            StaleBars: the bars end too many sessions before that day.
        """
        universe, all_members = self._universes.of_job(universe_id, org_id)
        day = min(as_of.day, universe.last_day or as_of.day)  # past it bars are stale, not companies gone
        members = [member for member in all_members if _is_member(member, day)]
        if not members:
            begins = f": it begins on {spoken(universe.first_day)}" if universe.first_day else ""
            raise NotEnoughData(f"{universe.title} has no members on {spoken(as_of.day)}{begins}.")
        version = self._store.writes()
        chosen = self._store.chosen([member.symbol for member in members], as_of, org_id)
        if not chosen:
            raise NotEnoughData(f"There are no bars of {universe.title} up to {spoken(as_of.day)}.")
        exchange = _exchange(members)
        # What half of the universe has: of a few symbols others may bring longer histories.
        newest = median_low(min(found.series.last_day, as_of.day) for found in chosen)
        session = self._session(exchange, newest)
        self._refuse_stale(universe, exchange, session, as_of)
        is_own = universe.is_own or any(found.kind == "own" for found in chosen)
        return ScanPlan(universe, members, session, exchange, org_id if is_own else None, version)

    def universe(self, universe_id: str, org_id: UUID | None) -> tuple[UniverseRow, Sequence[MemberRow]]:
        """A universe and all its members, whenever; raises NotFound as `plan`."""
        return self._universes.of_job(universe_id, org_id)

    def exchange(self, universe_id: str, org_id: UUID | None) -> str | None:
        """Where most members of a universe are listed, whenever; None where nothing says, or the universe is gone."""
        return self._universes.exchange_of_job(universe_id, org_id)

    def sessions_behind(self, exchange: str | None, day: date, as_of: AsOf) -> int:
        """How many sessions have closed since `day`, up to the moment that is seen; 0 where no calendar says."""
        if exchange is None:
            return 0
        try:
            return self._calendars.sessions_between(exchange, day, self._calendars.last_session(exchange, as_of.moment))
        except NotFound:
            return 0

    def sessions(self, exchange: str | None, day: date) -> Days | None:
        """The sessions of about a year up to a day; None where no calendar says."""
        if exchange is None:
            return None
        try:
            return self._calendars.of(exchange).between(day - timedelta(days=SESSIONS_READ_DAYS), day)
        except NotFound:
            return None

    def _session(self, exchange: str | None, newest: date) -> date:
        """The last session up to a day; the day itself where no calendar says."""
        sessions = self.sessions(exchange, newest)
        return newest if sessions is None or not len(sessions) else sessions[-1].item()

    def _refuse_stale(self, universe: UniverseRow, exchange: str | None, day: date, as_of: AsOf) -> None:
        behind = self.sessions_behind(exchange, day, as_of)
        if behind > MOST_SESSIONS_BEHIND:
            raise StaleBars(
                f"The bars of {universe.title} end on {spoken(day)}, {behind:,} sessions before "
                f"{spoken(as_of.day)}: signals of that age would mislead.",
                day,
            )


def _is_member(member: MemberRow, day: date) -> bool:
    return (member.first_day or day) <= day <= (member.last_day or day)


def _exchange(members: Sequence[MemberRow]) -> str | None:
    found = Counter(member.exchange for member in members if member.exchange)
    return found.most_common(1)[0][0] if found else None
