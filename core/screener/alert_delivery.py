"""Delivery of what alerts have recorded: by mail and webhook, at least once, tried again for a while, then given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.accounts.accounts import principal_of
from core.accounts.encryption import UNENCRYPTED, Encryption, Undecryptable
from core.accounts.permissions import Action, may
from core.db import alerts_dao as dao
from core.db import sign_in_dao
from core.db.alerts_dao import DueRow
from core.db.engine import Database
from core.errors import NotConfigured
from core.ops.mail import Mailer
from core.ops.notifications import Notifications
from core.ops.outbox import KEPT, LEASE, RETRIES, deliver_due, next_wait, outcome_of
from core.ops.webhooks import Message, Outcome, Webhooks
from core.screener.alert_words import body_of, failure_notice, mail_of

__all__ = ["LEASE", "RETRIES", "AlertDelivery"]


@dataclass(frozen=True)
class AlertDelivery:
    """Sends what is due."""

    database: Database
    notifications: Notifications
    mailer: Mailer
    webhooks: Webhooks
    address: str
    """Of the workbench, as users see it."""
    encryption: Encryption = UNENCRYPTED
    """Under which the secrets of webhooks are kept; one from before encryption is read as it is."""

    def deliver_due(self) -> int:
        """Makes an attempt at everything that is due; how many there were."""
        return deliver_due(self._claimed, self._attempt, threads="assay-alert")

    def tidy(self) -> None:
        """Forgets what was delivered, or failed, long ago."""
        with self.database.service() as connection:
            dao.prune(connection, KEPT)

    def close(self) -> None:
        """Ends look-ups of names."""
        self.webhooks.close()

    def _claimed(self, most: int) -> list[DueRow]:
        with self.database.service() as connection:
            return dao.claim(connection, most=most, lease=LEASE)

    def _attempt(self, due: DueRow) -> None:
        outcome = outcome_of(lambda: self._sent(due))
        with self.database.service() as connection:
            if outcome.is_delivered:
                dao.set_delivered(connection, due.id, due.attempts)
                return
            again = next_wait(due.attempts, outcome)
            if dao.set_failed(connection, due.id, due.attempts, said=outcome.said, again=again):
                notice = failure_notice(due.name, due.channel, outcome.said)
                self.notifications.add(due.org_id, due.user_id, notice, within=connection)

    def _sent(self, due: DueRow) -> Outcome:
        """One attempt, to where the alert says now, if its owner may still have it."""
        with self.database.service() as connection:
            row = sign_in_dao.who_of_member(connection, due.user_id, due.org_id)
        if row is None or not may(principal_of(row, "command"), Action.SET_ALERTS):
            return Outcome(is_delivered=False, said="Its owner may not have alerts any more.")
        ways: Mapping[str, Callable[[], Outcome]] = {
            "mail": lambda: self._mailed(due, row.email),
            "webhook": lambda: self._posted(due),
        }
        return ways[due.channel]()

    def _mailed(self, due: DueRow, to: str) -> Outcome:
        if not due.tells_by_mail:
            return Outcome(is_delivered=False, said="The alert tells by e-mail no more.")
        if not self.mailer.is_configured:
            return Outcome(is_delivered=False, said="This workbench sends no e-mail; its operator can set SMTP_URL.")
        try:
            self.mailer.hand_over(mail_of(due.message, to, self.address))
        except OSError:
            return Outcome(is_delivered=False, said="The mail server did not take it.")
        return Outcome(is_delivered=True)

    def _posted(self, due: DueRow) -> Outcome:
        if due.webhook_url is None or due.webhook_secret is None:
            return Outcome(is_delivered=False, said="The alert has no webhook any more.")
        try:
            secret = self.encryption.decrypt_text(due.webhook_secret)
        except (Undecryptable, NotConfigured):
            return Outcome(is_delivered=False, said="Its secret cannot be read any more: give the webhook another one.")
        body = body_of(due.message, due.id, self.address)
        return self.webhooks.deliver(Message(due.webhook_url, secret, str(due.id), body))
