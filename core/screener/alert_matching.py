"""What a saved screen matches at the newest scan of a universe, as the owner of an alert sees both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from core.db.alerts_dao import KnownRow
from core.errors import InvalidRequest
from core.principal import EVERY_SCOPE, Principal
from core.screener.criteria import matching
from core.screener.screens import SavedScreen, Screens

if TYPE_CHECKING:
    import polars as pl

    from core.screener.scans import Scan

MAX_MATCHING = 1_000
"""A screen that matches more symbols is none to be told of."""


FindUniverse = Callable[[Principal, str], object]
"""Gives a universe that the principal may screen; `NotFound` otherwise."""
LatestScan = Callable[[Principal, str], "Scan | None"]
"""The newest finished scan of a universe that the principal sees."""


@dataclass(frozen=True)
class Matched:
    """What a screen matches at a scan."""

    screen: SavedScreen
    scan_id: UUID
    as_of: date
    finished_at: datetime
    is_own: bool
    """Whether the scan is the organisation's own, of bars that it brought."""
    rows: pl.DataFrame

    @property
    def known(self) -> KnownRow:
        """As it is kept."""
        symbols = self.rows["symbol"].to_list()
        return KnownRow(self.screen.version, self.scan_id, self.as_of, self.finished_at, symbols)


class AlertMatching:
    """Screens on newest scans, of the present day: the date that somebody chose for their session changes nothing."""

    def __init__(self, screens: Screens, find_universe: FindUniverse, latest_scan: LatestScan) -> None:
        self._screens = screens
        self._find_universe = find_universe
        self._latest_scan = latest_scan

    def look(
        self,
        principal: Principal,
        screen_id: UUID,
        universe_id: str,
        *,
        but: tuple[UUID | None, int | None] | None = None,
    ) -> Matched | None:
        """What the screen matches now; None where the universe has not been scanned, or the newest scan's signals
        still lack their confidences, or since (`but`, a scan and a version of the screen) nothing has changed.

        Raises:
            NotFound: the screen or the universe is gone, or the principal sees it no more.
            InvalidRequest: the screen makes no sense any more, or matches too many symbols.
        """
        now = replace(principal, as_of=None, scopes=EVERY_SCOPE)  # who asks has looked at what the token is for
        screen = self._screens.get(now, screen_id)
        self._find_universe(now, universe_id)
        scan = self._latest_scan(now, universe_id)
        if scan is None or scan.about.stamped_at is None or but == (scan.about.id, screen.version):
            return None
        about = scan.about
        assert about.finished_at is not None  # as that of every finished scan
        rows = matching(scan.results, screen.screen)
        if rows.height > MAX_MATCHING:
            raise InvalidRequest(
                f"The screen matches {rows.height:,} symbols; an alert is for at most {MAX_MATCHING:,}: narrow it."
            )
        return Matched(screen, about.id, about.as_of, about.finished_at, about.org_id is not None, rows)
