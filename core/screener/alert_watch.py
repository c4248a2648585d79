"""What alerts do after a scan: find new matches, and record what is to be told before any of it is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.accounts.accounts import principal_of
from core.accounts.permissions import Action, may
from core.db import alerts_dao as dao
from core.db import scans_dao, sign_in_dao
from core.db.alerts_dao import AlertRow
from core.db.engine import Database, Transaction
from core.db.scans_dao import ScanRow
from core.errors import DatabaseUnavailable, Forbidden, InvalidRequest, NotFound, place_of
from core.ids import new_id
from core.ops.notifications import Notifications
from core.screener.alert_matching import AlertMatching, Matched
from core.screener.alert_words import Told, message_of, notice_of
from core.screener.criteria import matching
from core.screener.frames import frame_of
from core.screener.screens import SavedScreen

if TYPE_CHECKING:
    import polars as pl

OWN_FIRST = timedelta(days=7)
"""So long after a scan of the organisation's own bars one of everybody's says nothing: two sets of bars differ, and a
symbol that goes to and fro between them is no news."""

SETTLED = timedelta(hours=1)
"""A scan that ended so long ago was told of if anybody lived to do it."""

_LEFT = "Its owner does not belong to the organisation any more."
_ROLE = "The role of its owner does not allow alerts any more."

_log = logging.getLogger(__name__)

Wake = Callable[[], None]
"""Has what was recorded delivered soon; what is not is found by the next round."""


@dataclass(frozen=True)
class AlertWatch:
    """Evaluates alerts: each once for a scan, whoever does it and however often it is begun."""

    database: Database
    matching: AlertMatching
    notifications: Notifications
    wake: Wake

    def after_scan(self, about: ScanRow, _results: pl.DataFrame | None = None) -> None:
        """Looks at each alert on the universe of a finished scan: of its organisation, or of all where it is shared.

        Where it is not the newest that its owner sees, one as of a past date or one that another has overtaken, it
        changes nothing: the other is told of once its signals have their confidences.
        """
        self._look_at(universe_id=about.universe_id, org_id=about.org_id, scan_id=about.id)

    def catch_up(self) -> None:
        """Looks at every alert that has missed a scan which ended a while ago: its process died before it told."""
        self._look_at(settled_for=SETTLED)

    def awaited(self) -> Sequence[tuple[str, UUID | None]]:
        """Universes of which alerts wait for a scan every night, and whose scan it is; None: everybody's."""
        with self.database.service() as connection:
            return dao.awaited(connection)

    def _look_at(
        self,
        *,
        universe_id: str | None = None,
        org_id: UUID | None = None,
        scan_id: UUID | None = None,
        settled_for: timedelta = timedelta(0),
    ) -> None:
        with self.database.service() as connection:
            watched = dao.watched(connection, universe_id=universe_id, org_id=org_id)
            latest_end = dao.now(connection) - settled_for
        has_news = False
        for alert_id in watched:
            try:
                has_news |= self._look(alert_id, latest_end, scan_id)
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 (the outermost edge of one alert: it holds up no other)
                _log.warning("An alert was not evaluated, and is by the next round: %s.", place_of(error))
        if has_news:
            self.wake()

    def _look(self, alert_id: UUID, latest_end: datetime, scan_id: UUID | None) -> bool:
        """Evaluates one alert, at a scan where one is named; whether there is something to deliver."""
        with self.database.service() as connection:
            alert = dao.get(connection, alert_id)
            if alert is None:
                return False
            row = sign_in_dao.who_of_member(connection, alert.user_id, alert.org_id)
        if row is None:
            return self._silence(alert, _LEFT)
        owner = principal_of(row, "command")
        if not may(owner, Action.SET_ALERTS):
            return self._silence(alert, _ROLE)
        try:
            seen = (alert.scan_id, alert.screen_version)
            matched = self.matching.look(owner, alert.screen_id, alert.universe_id, but=seen)
        except (NotFound, InvalidRequest, Forbidden) as error:
            return self._silence(alert, error.detail)
        if matched is None or matched.finished_at > latest_end or scan_id not in (None, matched.scan_id):
            return False
        return self._record(alert, matched)

    def _silence(self, alert: AlertRow, because: str) -> bool:
        """Says why the alert is silent; when it speaks again, what matches by then is known."""
        if alert.silent_because != because:
            with self.database.service() as connection:
                if dao.get(connection, alert.id, lock=True) is not None:
                    dao.know_nothing(connection, alert.id, because)
        return False

    def _record(self, seen: AlertRow, matched: Matched) -> bool:
        """Keeps what matches now and what is to be told of it, in one transaction."""
        with self.database.service() as connection:
            alert = dao.get(connection, seen.id, lock=True)
            if alert is None or not _is_next(alert, seen, matched):
                return False
            known = _known(connection, alert, matched.screen)
            dao.know(connection, alert, matched.known)
            if matched.is_own:
                dao.set_own_as_of(connection, alert.id, matched.as_of)
            new = matched.rows.clear() if known is None else _without(matched.rows, known)
            if new.is_empty():
                return False
            told = Told(alert, matched.screen, matched.scan_id, matched.as_of, new)
            self._tell(connection, told)
            return alert.tells_by_mail or alert.webhook_url is not None

    def _tell(self, transaction: Transaction, told: Told) -> None:
        alert, message = told.alert, message_of(told)
        channels: Mapping[str, bool] = {
            "app": alert.tells_in_app,
            "mail": alert.tells_by_mail,
            "webhook": alert.webhook_url is not None,
        }
        for channel, is_wanted in channels.items():
            if is_wanted:
                self._add(transaction, told, channel, message)
        if alert.tells_in_app:
            self.notifications.add(alert.org_id, alert.user_id, notice_of(message), within=transaction)
        dao.set_told(transaction, alert.id)

    @staticmethod
    def _add(transaction: Transaction, told: Told, channel: str, message: Mapping[str, Any]) -> None:
        dao.add_delivery(
            transaction,
            new_id(),
            told.alert,
            scan_id=told.scan_id,
            channel=channel,
            message=message,
            is_done=channel == "app",  # its notification is in this very transaction
        )


def _is_next(alert: AlertRow, seen: AlertRow, matched: Matched) -> bool:
    """Whether the alert is as it was seen, and this scan is one that it has not had."""
    if alert.is_paused or (alert.screen_id, alert.universe_id) != (seen.screen_id, seen.universe_id):
        return False
    if not matched.is_own and alert.own_as_of is not None and matched.as_of - alert.own_as_of < OWN_FIRST:
        return False
    if alert.as_of is None or alert.scanned_at is None:
        return True
    if alert.scan_id == matched.scan_id:
        return alert.screen_version != matched.screen.version
    return (matched.as_of, matched.finished_at) > (alert.as_of, alert.scanned_at)


def _known(transaction: Transaction, alert: AlertRow, screen: SavedScreen) -> frozenset[str] | None:
    """What is no news; None where everything is known, since this scan is the first.

    Where the screen was changed since, it is what the changed one would have matched at the scan before.
    """
    if alert.scan_id is None:
        return None
    if alert.screen_version == screen.version:
        return dao.known_symbols(transaction, alert.id)
    written = scans_dao.results(transaction, alert.scan_id)
    if written is None:
        return None
    return frozenset(matching(frame_of(written), screen.screen)["symbol"].to_list())


def _without(rows: pl.DataFrame, known: frozenset[str]) -> pl.DataFrame:
    return rows.filter(~rows["symbol"].is_in(list(known)))
