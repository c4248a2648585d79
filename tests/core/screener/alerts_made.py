"""Alerts for tests, on scans as the database keeps them and screens that somebody saved."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import text

from core.accounts.encryption import Encryption
from core.db import scans_dao
from core.db.engine import Database
from core.db.scans_dao import ScanRow
from core.ids import new_id
from core.ops.notifications import Notifications
from core.principal import Principal
from core.screener.alert_matching import AlertMatching
from core.screener.alert_watch import AlertWatch
from core.screener.alerts import Alerts, AlertSettings, KeptAlert
from core.screener.conditions import Condition, Group, Match, Screen
from core.screener.fields import Operator
from core.screener.frames import bytes_of, frame_of
from core.screener.scans import Scan
from core.screener.screens import Screens
from core.screener.version import FORMULA_VERSION
from tests.core.screener.screens_made import frame_of as rows_of

DAY = date(2010, 8, 20)
UNIVERSE = "first"
Closes = Mapping[str, float]
"""Last closes by symbol; the screens of these tests ask for one above 10."""


_FINISHED = text(
    """
    INSERT INTO scans (id, org_id, universe_id, as_of, formula_version, bars_version, status, parts, total, scanned,
        skipped, market, results, started_at, finished_at, stamped_at)
    VALUES (:id, :org_id, :universe, :day, :formula, 1, 'done', 1, :total, :total, '[]', '{}', :results, assay_now(),
        assay_now(), assay_now())
    """
)


def above(least: float) -> Screen:
    """Asks for a close above it."""
    return Screen(Group(Match.ALL, (Condition("close", Operator.ABOVE, least),)))


@dataclass
class Bench:
    """The services of alerts on a test's database."""

    database: Database
    woken: int = 0

    def __post_init__(self) -> None:
        self._days = itertools.count()
        self.screens = Screens(self.database)
        matching = AlertMatching(self.screens, lambda _, universe_id: universe_id, self.latest)
        self.notifications = Notifications(self.database)
        self._matching = matching
        self.alerts = Alerts(self.database, matching, has_mail=True)
        self.watch = AlertWatch(self.database, matching, self.notifications, self.wake)

    def encrypt(self, encryption: Encryption) -> None:
        """From now on secrets are kept under keys."""
        self.alerts = Alerts(self.database, self._matching, has_mail=True, encryption=encryption)

    def wake(self) -> None:
        self.woken += 1

    def latest(self, principal: Principal, universe_id: str) -> Scan | None:
        """As `Scans.latest`, at the newest day."""
        with self.database.app(principal) as connection:
            found = scans_dao.latest(
                connection, universe_id, date.max, formula_version=FORMULA_VERSION, org_id=principal.org_id
            )
            written = scans_dao.results(connection, found.id) if found else None
        return Scan(found, frame_of(written), 0) if found and written else None

    def screen(self, who: Principal, least: float = 10.0, *, shared_with: str | None = None) -> UUID:
        """A saved screen."""
        name = f"Above {least:g}, {new_id().hex[-6:]}"
        return self.screens.create(who, name, above(least), shared_with=shared_with).id

    def change_screen(self, who: Principal, screen_id: UUID, least: float) -> None:
        """Another version of a screen."""
        old = self.screens.get(who, screen_id)
        self.screens.change(
            who, screen_id, name=old.name, screen=above(least), shared_with=old.shared_with, after=old.version
        )

    def alert(self, who: Principal, screen_id: UUID | None = None, **settings: Any) -> KeptAlert:
        """An alert; it tells in the app unless the settings say otherwise."""
        wanted = AlertSettings("Mine", screen_id or self.screen(who), UNIVERSE)
        return self.alerts.create(who, replace(wanted, **settings))

    def scanned(
        self, closes: Closes, *, day: date | None = None, org_id: UUID | None = None, universe_id: str = UNIVERSE
    ) -> ScanRow:
        """A finished scan, of the next day unless one is given; nobody is told yet."""
        frame = rows_of([{"symbol": symbol, "close": close} for symbol, close in closes.items()])
        frame = frame.with_columns(pl.concat_str("symbol", pl.lit(" Inc")).alias("name"))
        return self.scanned_frame(frame, day or DAY + timedelta(days=next(self._days)), org_id, universe_id)

    def scanned_frame(self, frame: pl.DataFrame, day: date, org_id: UUID | None, universe_id: str) -> ScanRow:
        scan_id = new_id()
        values = {
            "id": scan_id,
            "org_id": org_id,
            "universe": universe_id,
            "day": day,
            "formula": FORMULA_VERSION,
            "total": frame.height,
            "results": bytes_of(frame),
        }
        with self.database.service() as connection:
            connection.execute(_FINISHED, values)
            found = scans_dao.scan(connection, scan_id)
        assert found is not None
        return found

    def stamp(self, scan: ScanRow, *, is_stamped: bool = True) -> None:
        """Whether a scan's signals have their confidences."""
        statement = text("UPDATE scans SET stamped_at = CASE WHEN :is_stamped THEN assay_now() END WHERE id = :id")
        with self.database.service() as connection:
            connection.execute(statement, {"id": scan.id, "is_stamped": is_stamped})

    def night(self, closes: Closes, **options: Any) -> ScanRow:
        """A scan, and what alerts do after it."""
        scan = self.scanned(closes, **options)
        self.watch.after_scan(scan)
        return scan

    def told(self, who: Principal) -> list[str]:
        """Titles of what somebody was told in the app, the first first."""
        return [row.title for row in reversed(self.notifications.page(who))]
