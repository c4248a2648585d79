"""Alerts: a member is told when a symbol newly matches one of their saved screens, in the app, by mail or by webhook.

What matches when an alert is made, changed or let go on after a pause is known already and not told: an alert tells of
what comes after. A symbol that stops matching and matches again is told again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from core.accounts.encryption import UNENCRYPTED, Encryption
from core.accounts.permissions import Action, require
from core.accounts.secrets import new_secret
from core.db import alerts_dao as dao
from core.db.alerts_dao import AlertRow, DeliveryRow
from core.db.engine import Database, Transaction
from core.errors import InvalidRequest, NotConfigured, NotFound
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.ops.webhooks import checked_url
from core.principal import Principal
from core.screener.alert_matching import AlertMatching, Matched

MAX_ALERTS = 50
"""Of one person in one organisation."""
MAX_NAME_CHARS = 80
MAX_DELIVERIES = 100
"""That are listed of one alert."""
SECRET_PREFIX = "whsec_"  # noqa: S105 (a prefix, no secret)
_NO_SUCH = "There is no such alert; it may have been deleted."


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What a member sets of an alert."""

    name: str
    screen_id: UUID
    universe_id: str
    tells_in_app: bool = True
    tells_by_mail: bool = False
    """To the owner's own address, and no other."""
    webhook_url: str | None = None

    @property
    def place(self) -> tuple[UUID, str]:
        """What it is an alert on: a screen of a universe."""
        return self.screen_id, self.universe_id

    @classmethod
    def of(cls, row: AlertRow) -> AlertSettings:
        """Those of an alert that there is."""
        return cls(**{name: getattr(row, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert with how its last messages fared."""

    row: AlertRow
    deliveries: Sequence[DeliveryRow]
    """The last one on each channel."""


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert that was made or changed."""

    row: AlertRow
    webhook_secret: str | None
    """What its messages are signed with from now on, shown this once; None where it has no new one."""


class Alerts:
    """A principal's own alerts."""

    def __init__(
        self,
        database: Database,
        alert_matching: AlertMatching,
        *,
        has_mail: bool,
        encryption: Encryption = UNENCRYPTED,
    ) -> None:
        """`has_mail` says whether mails reach people; the secrets of webhooks are kept under `encryption`."""
        self._database = database
        self._encryption = encryption
        self._matching = alert_matching
        self.has_mail = has_mail

    def list(self, principal: Principal) -> Sequence[Alert]:
        """The principal's alerts, the oldest first."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            rows, last = dao.own(connection, most=MAX_ALERTS), dao.last_deliveries(connection)
        return [Alert(row, [each for each in last if each.alert_id == row.id]) for row in rows]

    def get(self, principal: Principal, alert_id: UUID) -> Alert:
        """One alert.

        Raises:
            NotFound: the principal has none of that id.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            row, last = _one(connection, alert_id), dao.last_deliveries(connection)
        return Alert(row, [each for each in last if each.alert_id == row.id])

    def deliveries(self, principal: Principal, alert_id: UUID) -> Sequence[DeliveryRow]:
        """The last messages of an alert, the newest first.

        Raises:
            NotFound: the principal has none of that id.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            _one(connection, alert_id)
            return dao.deliveries(connection, alert_id, most=MAX_DELIVERIES)

    def create(self, principal: Principal, settings: AlertSettings) -> KeptAlert:
        """Makes an alert; what its screen matches at the newest scan is known, and not told.

        Raises:
            NotFound: no such screen or universe that the principal sees.
            InvalidRequest: no channel, a name or webhook that cannot be, a screen that matches too much, or too many.
            NotConfigured: by mail, where the workbench sends none.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.SET_ALERTS)
        wanted = self._checked(settings)
        matched = self._matching.look(principal, wanted.screen_id, wanted.universe_id)
        alert_id, secret = new_id(), SECRET_PREFIX + new_secret() if wanted.webhook_url else None
        with self._database.app(principal) as connection:
            if dao.count_own(connection) >= MAX_ALERTS:
                raise InvalidRequest(f"A person has at most {MAX_ALERTS} alerts; delete one first.")
            dao.add(connection, alert_id, **asdict(wanted), webhook_secret=self._kept(secret))
            _take_as_known(connection, alert_id, matched)
            _record_webhook(connection, principal, alert_id, None, wanted.webhook_url)
            return KeptAlert(_one(connection, alert_id), secret)

    def change(
        self,
        principal: Principal,
        alert_id: UUID,
        changes: Mapping[str, Any],
        *,
        renews_secret: bool = False,
        is_paused: bool | None = None,
    ) -> KeptAlert:
        """Changes settings of an alert, by their names, pauses it or lets it go on, all or nothing; the rest stays.

        Another screen or universe starts it afresh, and one that goes on knows what matches by then; another webhook
        has another secret. Raises as `create`, and `NotFound` where the principal has none of that id.
        """
        require(principal, Action.SET_ALERTS)
        with self._database.app(principal) as connection:
            row = _one(connection, alert_id)
        seen = AlertSettings.of(row)
        # The rest of an alert can be changed though its screen is gone, and it can be paused whatever it says.
        wanted = self._checked(replace(seen, **changes)) if changes else seen
        is_afresh = wanted.place != seen.place or (row.is_paused and is_paused is False)
        matched = self._matching.look(principal, wanted.screen_id, wanted.universe_id) if is_afresh else None
        with self._database.app(principal) as connection:
            before = _locked(connection, alert_id)
            secret = None
            if changes or renews_secret:
                if wanted.webhook_url and (renews_secret or wanted.webhook_url != before.webhook_url):
                    secret = SECRET_PREFIX + new_secret()
                if secret is not None or wanted.webhook_url is None:
                    dao.set_webhook(connection, alert_id, wanted.webhook_url, self._kept(secret))
                dao.change(connection, alert_id, **asdict(wanted))
                _record_webhook(connection, principal, alert_id, before.webhook_url, wanted.webhook_url)
            if is_paused is not None:
                dao.pause(connection, alert_id, is_paused=is_paused)
            goes_on = before.is_paused and is_paused is False
            if is_afresh or goes_on or wanted.place != AlertSettings.of(before).place:
                _take_as_known(connection, alert_id, matched)
            return KeptAlert(_one(connection, alert_id), secret)

    def pause(self, principal: Principal, alert_id: UUID, *, is_paused: bool) -> AlertRow:
        """Pauses an alert, or lets it go on: what matches by then is known, and not told.

        Raises:
            NotFound: the principal has none of that id; going on, or its screen or universe is gone.
            Forbidden: a viewer, or a token without the scope.
        """
        return self.change(principal, alert_id, {}, is_paused=is_paused).row

    def delete(self, principal: Principal, alert_id: UUID) -> None:
        """Deletes an alert; what it has not sent yet is not sent.

        Raises:
            NotFound: the principal has none of that id.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.SET_ALERTS)
        with self._database.app(principal) as connection:
            found = dao.own(connection, alert_id, most=1)
            if not dao.delete(connection, alert_id):
                raise NotFound(_NO_SUCH)
            _record_webhook(connection, principal, alert_id, found[0].webhook_url, None)

    def _kept(self, secret: str | None) -> str | None:
        return None if secret is None else self._encryption.encrypt_text(secret)

    def _checked(self, settings: AlertSettings) -> AlertSettings:
        name = " ".join(settings.name.split())
        if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise InvalidRequest(f"An alert needs a name of 1 to {MAX_NAME_CHARS} characters that can be seen.")
        url = checked_url(settings.webhook_url) if settings.webhook_url else None
        if not (settings.tells_in_app or settings.tells_by_mail or url):
            raise InvalidRequest("Choose how the alert tells you: in the app, by e-mail or by webhook.")
        if settings.tells_by_mail and not self.has_mail:
            raise NotConfigured("This workbench sends no e-mail; its operator can set SMTP_URL.")
        return AlertSettings(
            name, settings.screen_id, settings.universe_id, settings.tells_in_app, settings.tells_by_mail, url
        )


def _record_webhook(
    transaction: Transaction, principal: Principal, alert_id: UUID, before: str | None, after: str | None
) -> None:
    """Writes down where an alert's messages go, by host, since an address may hold a secret."""
    if before == after:
        return
    was, becomes = ({"host": urlsplit(url).hostname} if url else None for url in (before, after))
    action = AuditAction.WEBHOOK_REMOVED if after is None else AuditAction.WEBHOOK_SET
    subject = Subject("alert", str(alert_id))
    Audit.record(transaction, audit_principal(principal, action, subject, before=was, after=becomes))


def _one(transaction: Transaction, alert_id: UUID) -> AlertRow:
    found = dao.own(transaction, alert_id, most=1)
    if not found:
        raise NotFound(_NO_SUCH)
    return found[0]


def _locked(transaction: Transaction, alert_id: UUID) -> AlertRow:
    """The alert, which no scan changes meanwhile, as it is once it was locked."""
    dao.lock_own(transaction, alert_id)
    return _one(transaction, alert_id)


def _take_as_known(transaction: Transaction, alert_id: UUID, matched: Matched | None) -> None:
    """What matches now is not told later; without a scan yet, the next one is the first."""
    dao.know_nothing(transaction, alert_id)
    if matched is not None:
        dao.know(transaction, _one(transaction, alert_id), matched.known)
