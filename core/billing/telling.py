"""Who is told what of an organisation's purchases: its managers, in their notifications."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.db import billing_dao as dao
from core.db.billing_dao import PaymentRow, SubscriptionRow
from core.db.engine import Transaction
from core.ops.notifications import Notice, Notifications

PAGE = "/billing"
KIND = "billing"


class Telling:
    """Tells the managers of an organisation, in the transaction of what happened."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    def credited(self, transaction: Transaction, payment: PaymentRow) -> None:
        """Credits were bought."""
        self._tell(
            transaction, payment.org_id, f"{_count(payment.credits)} credits have arrived", "They do not expire."
        )

    def taken_back(self, transaction: Transaction, payment: PaymentRow, change: Decimal) -> None:
        """Credits of a payment were taken back, or (below zero) given back."""
        if change > 0:
            words = "Their payment was refunded or is disputed. What was spent of them already is owed."
            self._tell(transaction, payment.org_id, f"{_count(change)} credits were taken back", words)
        else:
            words = "Their payment is no longer refunded or disputed."
            self._tell(transaction, payment.org_id, f"{_count(-change)} credits were given back", words)

    def plan_began(self, transaction: Transaction, org_id: UUID, label: str) -> None:
        """A subscription brought another plan."""
        self._tell(transaction, org_id, f"Your organisation is now on the plan {label}", "")

    def plan_ended(self, transaction: Transaction, org_id: UUID, label: str, *, is_unpaid: bool) -> None:
        """No subscription brings a plan any more."""
        why = "Its payment failed, and the time to pay it is over." if is_unpaid else "Its subscription has ended."
        words = f"{why} Everything is kept; a new subscription brings the plan back."
        self._tell(transaction, org_id, f"The plan {label} has ended; your organisation is now on Free", words)

    def payment_failed(self, transaction: Transaction, org_id: UUID, label: str, until: datetime) -> None:
        """The payment of a subscription failed."""
        words = f"Pay it or change the card by {until:%d %B %Y, %H:%M} UTC; until then the plan {label} stays."
        self._tell(transaction, org_id, "The payment of your subscription failed", words)

    def payment_recovered(self, transaction: Transaction, row: SubscriptionRow) -> None:
        """A payment that had failed was made."""
        self._tell(transaction, row.org_id, "Your subscription is paid again", "Nothing changes.")

    def paid_twice(self, transaction: Transaction, org_id: UUID, number: int) -> None:
        """There is more than one subscription, each of which is paid."""
        words = "Whoever runs this installation is told as well, and ends all but one. Nothing else changes until then."
        self._tell(transaction, org_id, f"Your organisation has {number} subscriptions at once", words)

    def _tell(self, transaction: Transaction, org_id: UUID, title: str, body: str) -> None:
        notice = Notice(KIND, title, body, PAGE)
        for user_id in dao.managers(transaction, org_id):
            self._notifications.add(org_id, user_id, notice, within=transaction)


def _count(amount: Decimal) -> str:
    return f"{amount:,.6f}".rstrip("0").rstrip(".")
