"""Delivery of what alerts have recorded: by mail, Slack, Discord and signed webhooks, at least once, then given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from core.accounts.encryption import Encryption, Undecryptable
from core.admin.alerts.telling import Telling, recipients
from core.admin.alerts.words import BODIES, failure_notice, mail_of
from core.db import oversight_alerts_dao as dao
from core.db.engine import Database, Transaction
from core.db.oversight_alerts_dao import DueRow
from core.errors import NotConfigured
from core.ops.mail import Mailer
from core.ops.outbox import KEPT, LEASE, deliver_due, next_wait, outcome_of
from core.ops.webhooks import Message, Outcome, Webhooks

PRUNED_AT_ONCE = 1_000
"""Of old alerts and messages, in one transaction."""
MAX_STEPS = 100
"""Of each, in one round."""


@dataclass(frozen=True)
class OversightDelivery:
    """Sends what is due."""

    database: Database
    telling: Telling
    mailer: Mailer
    webhooks: Webhooks
    address: str
    """Of the workbench, as users see it."""
    encryption: Encryption
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The installation's own addresses by kind, as its settings name them."""

    def deliver_due(self) -> int:
        """Makes an attempt at everything that is due; how many there were."""
        return deliver_due(self._claimed, self._attempt, threads="assay-oversight")

    def send_now(self, delivery_id: UUID) -> Outcome:
        """Makes the first attempt at a delivery in the caller's thread, and says what came of it."""
        with self.database.service() as connection:
            due = dao.claim_one(connection, delivery_id, lease=LEASE)
        if due is None:
            return Outcome(is_delivered=False, said="It is being sent already: look again in a moment.")
        return self._attempt(due)

    def tidy(self) -> None:
        """Forgets alerts that have cleared, and what was told of them, long ago."""
        for prune in (dao.prune_deliveries, dao.prune_alerts):
            for _ in range(MAX_STEPS):
                with self.database.service() as connection:
                    if prune(connection, KEPT, most=PRUNED_AT_ONCE) < PRUNED_AT_ONCE:
                        break

    def close(self) -> None:
        """Ends look-ups of names."""
        self.webhooks.close()

    def _claimed(self, most: int) -> list[DueRow]:
        with self.database.service() as connection:
            return dao.claim(connection, most=most, lease=LEASE)

    def _attempt(self, due: DueRow) -> Outcome:
        outcome = outcome_of(lambda: self._sent(due))
        with self.database.service() as connection:
            if outcome.is_delivered:
                dao.set_delivered(connection, due.id, due.attempts)
                return outcome
            is_test = due.event == "test"  # whoever tests it looks at it now
            again = None if is_test else next_wait(due.attempts, outcome)
            has_failed = dao.set_failed(connection, due.id, due.attempts, said=outcome.said, again=again)
            if outcome.retry_after_s is not None:
                dao.hold_back(connection, due.channel, due.channel_id, timedelta(seconds=outcome.retry_after_s))
            if has_failed and not is_test:
                self._tell_failed(connection, due, outcome)
        return outcome

    def _tell_failed(self, connection: Transaction, due: DueRow, outcome: Outcome) -> None:
        """In the app alone: a mail that failed to whom it was for, another channel's message to all of them."""
        people = recipients(connection, due.org_id, due.user_id)
        to = [person for person in people if due.user_id in (None, person.user_id)]
        self.telling.tell_in_app(connection, to, failure_notice(due.message["title"], due.channel, outcome.said))

    def _sent(self, due: DueRow) -> Outcome:
        send: Callable[[DueRow], Outcome] = self._mailed if due.channel == "mail" else self._posted
        return send(due)

    def _mailed(self, due: DueRow) -> Outcome:
        """To the person's address as it is now, if they may still be told."""
        with self.database.service() as connection:
            of_member = due.message["alert"]["member"] is not None
            people = recipients(connection, due.org_id, due.user_id if of_member else None)
        to = next((person for person in people if person.user_id == due.user_id and person.gets_notices), None)
        if to is None:
            return Outcome(is_delivered=False, said="They are not told of this by e-mail any more.")
        if not self.mailer.is_configured:
            return Outcome(is_delivered=False, said="This workbench sends no e-mail; its operator can set SMTP_URL.")
        try:
            self.mailer.hand_over(mail_of(due.message, to.email, self.address, due.id))
        except OSError:
            return Outcome(is_delivered=False, said="The mail server did not take it.")
        return Outcome(is_delivered=True)

    def _posted(self, due: DueRow) -> Outcome:
        """To the channel's address as it is now."""
        if due.channel_id is None:
            url, secret = self.urls.get(due.channel), None
        else:
            with self.database.service() as connection:
                kept = dao.channel_secrets(connection, due.channel_id)
            if kept is None:
                return Outcome(is_delivered=False, said="The channel was removed.")
            try:
                url = self.encryption.decrypt_text(kept[0])
                secret = None if kept[1] is None else self.encryption.decrypt_text(kept[1])
            except (Undecryptable, NotConfigured):
                return Outcome(is_delivered=False, said="Its address cannot be read any more: give the channel anew.")
        if url is None:
            return Outcome(is_delivered=False, said="The settings name no address of it any more.")
        body = BODIES[due.channel](due.message, due.id, self.address)
        return self.webhooks.deliver(Message(url, secret, str(due.id), body))
