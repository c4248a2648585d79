"""Payments for credits: what came of each, and that the wallet holds what was bought, no more and no less.

A payment's row says what its buyer was offered; that is credited, once, when Stripe says that just this amount was paid
in just this currency. What else comes (refunds, disputes) is kept as of the moment Stripe said it, and the credits that
are taken back always follow from what is kept. So events may come twice, late, and in any order.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from core.billing.stripe_facts import TAKING, ChargeFacts, DisputeFacts, IntentFacts
from core.billing.telling import Telling
from core.db import billing_dao as dao
from core.db.billing_dao import DisputeRow, PaymentRow
from core.db.engine import Transaction
from core.errors import AssayError
from core.ids import new_id
from core.metering.credits import Credits
from core.metering.pricing import CREDIT

_log = logging.getLogger(__name__)


class Contradiction(AssayError):
    """What Stripe says contradicts what is stored; nothing is credited for it."""

    title = "It contradicts what is stored"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a payment is looked at."""

    id: str
    """Of the event; what is taken back for it is taken once."""
    at: datetime
    """When Stripe said it."""


class Payments:
    """Brings payments, and the wallets behind them, into line with what Stripe says. In the caller's transaction."""

    def __init__(self, credits_: Credits, telling: Telling) -> None:
        self._credits = credits_
        self._telling = telling

    def on_intent(self, transaction: Transaction, payment_id: UUID, facts: IntentFacts, cause: Cause) -> None:
        """An intent was paid, or never will be.

        Raises:
            Contradiction: another amount or currency was paid; the payment is refused.
        """
        payment = dao.payment(transaction, payment_id, is_locked=True)
        if facts.status == "canceled" and payment.state == "open":
            dao.close_payment(transaction, payment.id, "It was canceled.")
        if facts.status != "succeeded" or payment.state == "paid":
            return
        if (facts.received_minor, facts.currency) != (payment.amount_minor, payment.currency):
            said = (
                f"{facts.received_minor} {facts.currency} were paid, {payment.amount_minor} {payment.currency} asked."
            )
            raise Contradiction(said)
        self._credit(transaction, payment, cause)

    def refuse(self, transaction: Transaction, payment_id: UUID, said: str) -> None:
        """Marks a payment as one that an operator has to look at."""
        if dao.close_payment(transaction, payment_id, said, state="refused"):
            _log.warning("Payment %s was refused: %s", payment_id, said)

    def on_charge(self, transaction: Transaction, payment_id: UUID, facts: ChargeFacts, cause: Cause) -> None:
        """So much of a payment is refunded in all.

        Raises:
            Contradiction: less than nothing, more than was paid, or in another currency.
        """
        payment = dao.payment(transaction, payment_id, is_locked=True)
        if facts.currency != payment.currency or not 0 <= facts.refunded_minor <= payment.amount_minor:
            said = f"{facts.refunded_minor} {facts.currency} of {payment.amount_minor} {payment.currency}"
            raise Contradiction(f"{said} cannot be refunded.")
        known = (payment.refunds_as_of, payment.refunded_minor)
        if payment.refunds_as_of is not None and (cause.at, facts.refunded_minor) <= known:
            return
        dao.set_refunded(transaction, payment.id, facts.refunded_minor, cause.at)
        words = "Refunded by Stripe" if facts.refunded_minor > payment.refunded_minor else "A refund failed at Stripe"
        self._settle(transaction, payment.id, cause, words)

    def on_dispute(self, transaction: Transaction, payment_id: UUID, facts: DisputeFacts, cause: Cause) -> None:
        """A dispute stands so: while it is open or lost the credits are gone, when it is won they come back.

        Raises:
            Contradiction: less than nothing, or in another currency.
        """
        payment = dao.payment(transaction, payment_id, is_locked=True)
        if facts.currency != payment.currency or facts.amount_minor < 0:
            raise Contradiction(f"{facts.amount_minor} {facts.currency} cannot be disputed of {payment.currency}.")
        known = next((row for row in dao.disputes(transaction, payment.id) if row.dispute_id == facts.id), None)
        if known is not None and (cause.at, _rank(facts.status)) <= (known.as_of, _rank(known.status)):
            return
        dao.put_dispute(transaction, DisputeRow(facts.id, payment.id, facts.amount_minor, facts.status, cause.at))
        self._settle(transaction, payment.id, cause, f"Dispute {facts.id}: {facts.status.replace('_', ' ')}")

    def _credit(self, transaction: Transaction, payment: PaymentRow, cause: Cause) -> None:
        self._credits.purchased(
            transaction, payment.org_id, payment.credits, payment=str(payment.id), user_id=payment.user_id
        )
        dao.set_paid(transaction, payment.id)
        self._telling.credited(transaction, payment)
        self._settle(transaction, payment.id, cause, "Refunded or disputed before it was credited")

    def _settle(self, transaction: Transaction, payment_id: UUID, cause: Cause, reason: str) -> None:
        """Takes back, or gives back, what the payment's row now says; nothing before it was credited."""
        payment = dao.payment(transaction, payment_id, is_locked=True)
        if payment.credited_at is None:
            return
        target = _taken(payment, dao.disputes(transaction, payment.id))
        change = target - payment.taken_credits
        entry = f"{cause.id}/{new_id()}"  # one event may settle twice; once each time, as the payment's row is locked
        if change:
            move = self._credits.taken_back if change > 0 else self._credits.given_back
            move(transaction, payment.org_id, abs(change), payment=str(payment.id), event=entry, reason=reason)
            dao.set_taken(transaction, payment.id, target)
            self._telling.taken_back(transaction, payment, change)


def _taken(payment: PaymentRow, disputes: list[DisputeRow]) -> Decimal:
    """The credits that a payment's refunds and disputes take: their share of it, the part of a unit in its favour."""
    disputed = sum(row.amount_minor for row in disputes if row.status in TAKING)
    lost = min(payment.refunded_minor + disputed, payment.amount_minor)
    if lost == payment.amount_minor:
        return payment.credits
    return (payment.credits * lost / payment.amount_minor).quantize(CREDIT, rounding=ROUND_DOWN)


def _rank(status: str) -> int:
    """Of two states said in the same second the one that ends it is the later."""
    return int(status in {"won", "lost", "warning_closed", "prevented"})
