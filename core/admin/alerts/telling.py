"""Who is told of an alert, and how: recorded in the transaction that raises it, before anything is sent.

In the app and by mail: the member whom it concerns, the managers of the organisation, or the operators. By Slack,
Discord and signed webhooks: the channels of the organisation or the installation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.admin.alerts.rules import RULES, is_at_least
from core.admin.alerts.words import message_of, notice_of
from core.db import oversight_alerts_dao as dao
from core.db.engine import Transaction
from core.db.oversight_alerts_dao import AlertRow, NewDelivery, PersonRow
from core.ids import new_id
from core.ops.notifications import Notice, Notifications

MAX_TOLD = 100
"""People who are told of one alert."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert is told beside the app and mail."""

    kind: str
    """`slack`, `discord` or `webhook`."""
    channel_id: UUID | None
    """None: the address that the installation's settings name."""


@dataclass(frozen=True)
class Telling:
    """Records what is to be told."""

    notifications: Notifications
    has_mail: bool
    """Whether the workbench sends mails."""
    named_by_settings: Sequence[str] = ()
    """Kinds of channels that the installation's settings give an address of."""

    def tell(self, transaction: Transaction, alert: AlertRow, event: str) -> bool:
        """Records an alert, or its end, on every channel; whether anything is to be sent."""
        message = message_of(alert, event)
        is_news = event == "raised"
        people = recipients(transaction, alert.org_id, alert.user_id)
        if is_news and (alert.rule not in RULES or RULES[alert.rule].tells_in_app):
            self.tell_in_app(transaction, people, notice_of(message))
        to_send: list[tuple[UUID | None, Place]] = []
        if is_news and self.has_mail:
            to_send += [(person.user_id, Place("mail", None)) for person in _once(people) if person.gets_notices]
        if alert.user_id is None:  # what concerns one member is not the others' to read
            to_send += [(None, place) for place in self._places(transaction, alert)]
        for user_id, place in to_send:
            delivery = NewDelivery(
                new_id(), alert.id, alert.org_id, user_id, place.kind, place.channel_id, event, message
            )
            dao.add_delivery(transaction, delivery)
        return bool(to_send)

    def tell_in_app(self, transaction: Transaction, people: Iterable[PersonRow], notice: Notice) -> None:
        """Tells people in the app, each in the organisation that they are named with."""
        for person in people:
            self.notifications.add(person.org_id, person.user_id, notice, within=transaction)

    def _places(self, transaction: Transaction, alert: AlertRow) -> list[Place]:
        named = [Place(kind, None) for kind in self.named_by_settings] if alert.org_id is None else []
        kept = dao.channels(transaction, alert.org_id)
        return named + [Place(row.kind, row.id) for row in kept if is_at_least(alert.level, row.least_level)]


def recipients(transaction: Transaction, org_id: UUID | None, user_id: UUID | None) -> Sequence[PersonRow]:
    """Whom an alert is for: the member, the managers, or the operators in each of their organisations."""
    if org_id is None:
        return dao.operators(transaction, most=MAX_TOLD)
    if user_id is not None:
        return dao.member(transaction, org_id, user_id)
    return dao.managers(transaction, org_id, most=MAX_TOLD)


def _once(people: Iterable[PersonRow]) -> list[PersonRow]:
    """Everybody once, however many organisations they belong to."""
    return list({person.user_id: person for person in people}.values())
