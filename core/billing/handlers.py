"""What each kind of Stripe's events leads to, in one table; kinds that are not in it are ignored.

Nothing is taken from metadata: a payment is found by its intent or checkout, an organisation by its customer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

from core.billing.handling import Handling
from core.billing.payments import Cause
from core.billing.stripe_api import GoneAtStripe
from core.billing.stripe_facts import (
    ChargeFacts,
    DisputeFacts,
    Object,
    UnreadableObject,
    charge_of,
    checkout_of,
    dispute_of,
    intent_of,
    subscription_id_of,
)
from core.db.stripe_events_dao import EventRow
from core.errors import AssayError


class Ignored(AssayError):
    """The event is none of ours; the sentence says why."""

    title = "Ignored"


def handle(handling: Handling, kind: str, event: Object, row: EventRow) -> None:
    """Does what an event of that kind leads to.

    Raises:
        Ignored, NotOurs: nothing.
        Contradiction, UnreadableObject: it is refused.
        AssayError: it could not be done now.
    """
    if row.account is not None:
        raise Ignored("It is of another account.")
    mode, is_live = event.get("livemode"), handling.api.is_live
    if is_live is not None and isinstance(mode, bool) and mode != is_live:
        raise Ignored("It is of Stripe's other mode: one is for tests, one moves money.")
    found = HANDLERS.get(kind)
    if found is None:
        raise Ignored("Nothing depends on events of this kind.")
    data = event.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(about, Mapping):
        raise UnreadableObject("The event is about nothing.")
    found(handling, about, Cause(row.id, row.created_at))


def _intent(handling: Handling, about: Object, cause: Cause) -> None:
    facts = intent_of(about)
    payment_id = _payment(handling, facts.id)
    handling.purchases.apply(
        payment_id, lambda connection: handling.payments.on_intent(connection, payment_id, facts, cause)
    )


def _checkout(handling: Handling, about: Object, cause: Cause) -> None:
    facts = checkout_of(about)
    if facts.mode == "subscription":
        if facts.subscription_id is None:
            raise Ignored("The checkout came to no subscription.")
        handling.sync.read(facts.subscription_id)
        handling.customers.checkout_ended(facts.id)
        return
    if facts.intent_id is None:
        raise Ignored("The checkout came to no payment.")
    payment_id = handling.purchases.bound(facts.id, facts.intent_id)
    if payment_id is None:
        raise Ignored("The checkout is none of ours.")
    intent = handling.api.intent(facts.intent_id)
    handling.purchases.apply(
        payment_id, lambda connection: handling.payments.on_intent(connection, payment_id, intent, cause)
    )


def _charge(handling: Handling, about: Object, cause: Cause) -> None:
    _refunded(handling, charge_of(about), cause)


def _refund(handling: Handling, about: Object, cause: Cause) -> None:
    """A single refund says nothing of the others: what is refunded in all is asked for."""
    charge = about.get("charge")
    charge_id = charge.get("id") if isinstance(charge, Mapping) else charge
    if not isinstance(charge_id, str):
        raise Ignored("The refund is of no charge.")
    try:
        facts = handling.api.charge(charge_id)
    except GoneAtStripe:
        raise Ignored("The charge is none of ours.") from None
    _refunded(handling, facts, replace(cause, at=facts.read_at or cause.at))


def _refunded(handling: Handling, facts: ChargeFacts, cause: Cause) -> None:
    if facts.intent_id is None:
        raise Ignored("The charge is of no payment intent.")
    payment_id = _payment(handling, facts.intent_id)
    handling.purchases.apply(
        payment_id, lambda connection: handling.payments.on_charge(connection, payment_id, facts, cause)
    )


def _dispute(handling: Handling, about: Object, cause: Cause) -> None:
    facts = dispute_of(about)
    payment_id = _payment(handling, _intent_of_dispute(handling, facts))
    handling.purchases.apply(
        payment_id, lambda connection: handling.payments.on_dispute(connection, payment_id, facts, cause)
    )


def _intent_of_dispute(handling: Handling, facts: DisputeFacts) -> str:
    intent_id = facts.intent_id
    if intent_id is None and facts.charge_id is not None:
        try:
            intent_id = handling.api.charge(facts.charge_id).intent_id
        except GoneAtStripe:
            raise Ignored("The charge is none of ours.") from None
    if intent_id is None:
        raise Ignored("The dispute is of no payment intent.")
    return intent_id


def _payment(handling: Handling, intent_id: str) -> UUID:
    found = handling.purchases.found(intent_id)
    if found is None:
        raise Ignored("The payment is of no purchase of credits.")
    return found


def _subscription(handling: Handling, about: Object, _cause: Cause) -> None:
    """Whatever the event says: the subscription is read as it is now."""
    subscription_id = subscription_id_of(about)
    if subscription_id is None:
        raise Ignored("It is of no subscription.")
    try:
        handling.sync.read(subscription_id)
    except GoneAtStripe:
        raise Ignored("Stripe does not know the subscription.") from None


def _customer_deleted(handling: Handling, about: Object, _cause: Cause) -> None:
    customer_id = about.get("id")
    if not isinstance(customer_id, str) or not handling.customers.forget(customer_id):
        raise Ignored("The customer is none of ours.")


Handler = Callable[[Handling, Object, Cause], None]
HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(("payment_intent.succeeded", "payment_intent.canceled"), _intent),
    **dict.fromkeys((f"checkout.session.{name}" for name in ("completed", "async_payment_succeeded")), _checkout),
    "charge.refunded": _charge,
    **dict.fromkeys(("charge.refund.updated", "refund.created", "refund.updated", "refund.failed"), _refund),
    **dict.fromkeys(
        (f"charge.dispute.{name}" for name in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")),
        _dispute,
    ),
    **dict.fromkeys(
        (
            f"customer.subscription.{name}"
            for name in ("created", "updated", "deleted", "paused", "resumed", "pending_update_applied")
        ),
        _subscription,
    ),
    **dict.fromkeys(
        (f"subscription_schedule.{name}" for name in ("created", "updated", "released", "canceled", "completed")),
        _subscription,
    ),
    **dict.fromkeys(
        (f"invoice.{name}" for name in ("paid", "payment_failed", "payment_action_required", "marked_uncollectible")),
        _subscription,
    ),
    "customer.deleted": _customer_deleted,
}
"""The kinds that are acted upon: those to send to the webhook."""
