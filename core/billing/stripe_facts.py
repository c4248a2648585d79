"""What Stripe says of payments and subscriptions: its objects, read into the few facts that matter here.

The same readers serve what an event brings and what is asked for. Shapes: https://docs.stripe.com/api. Amounts are
whole numbers of the smallest unit of a currency (cents); times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.errors import AssayError

Object = Mapping[str, Any]
"""An object of Stripe's as plain values."""

TAKING = frozenset({"needs_response", "under_review", "lost"})
"""States of a dispute in which the bank has taken the money; an inquiry (`warning_…`) takes none."""
LIVE = frozenset({"active", "trialing", "past_due"})
"""States of a subscription in which it may bring its plan."""
OVER = frozenset({"canceled", "incomplete_expired"})
"""States that a subscription never leaves."""


class UnreadableObject(AssayError):
    """Stripe's answer or event lacks what it has to have."""

    title = "Stripe's answer cannot be read"


@dataclass(frozen=True, slots=True)
class IntentFacts:
    """A payment intent."""

    id: str
    status: str
    """`succeeded`: it is paid; `canceled`: it never will be."""
    received_minor: int
    currency: str
    client_secret: str | None
    refunded_minor: int | None
    """Of its last charge, where that was asked for."""


@dataclass(frozen=True, slots=True)
class CheckoutFacts:
    """A hosted checkout."""

    id: str
    url: str | None
    mode: str
    """`payment` or `subscription`."""
    status: str
    """`open`, `complete` or `expired`."""
    is_paid: bool
    total_minor: int | None
    currency: str | None
    intent_id: str | None
    subscription_id: str | None


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """A charge, as far as refunds go."""

    intent_id: str | None
    refunded_minor: int
    """In all, not of one refund."""
    currency: str


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """A dispute."""

    id: str
    intent_id: str | None
    charge_id: str | None
    amount_minor: int
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription."""

    id: str
    customer_id: str
    status: str
    item_id: str
    price_id: str
    seats: int
    period_start: datetime
    period_end: datetime
    ends_at_period_end: bool
    schedule_id: str | None
    next_price_id: str | None
    """Of the phase that follows the running period; None: it stays as it is."""
    next_seats: int | None


@dataclass(frozen=True, slots=True)
class PreviewFacts:
    """What a change of a subscription would cost at once."""

    due_minor: int
    """Below zero: it is credited to the next invoices."""
    currency: str


def moment(seconds: object) -> datetime:
    """A time of Stripe's."""
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise UnreadableObject("Stripe sent a time that is none.")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise UnreadableObject("Stripe sent a time that is none.") from None


def intent_of(found: Object) -> IntentFacts:
    """Reads a payment intent."""
    charge = found.get("latest_charge")
    refunded = charge.get("amount_refunded") if isinstance(charge, Mapping) else None
    return IntentFacts(
        id=_text(found, "id"),
        status=_text(found, "status"),
        received_minor=_amount(found, "amount_received", default=0),
        currency=_text(found, "currency").lower(),
        client_secret=_maybe_text(found.get("client_secret")),
        refunded_minor=refunded if isinstance(refunded, int) and not isinstance(refunded, bool) else None,
    )


def checkout_of(found: Object) -> CheckoutFacts:
    """Reads a checkout session."""
    total, currency = found.get("amount_total"), found.get("currency")
    return CheckoutFacts(
        id=_text(found, "id"),
        url=_maybe_text(found.get("url")),
        mode=_text(found, "mode"),
        status=_maybe_text(found.get("status")) or "open",
        is_paid=found.get("payment_status") == "paid",
        total_minor=total if isinstance(total, int) else None,
        currency=currency.lower() if isinstance(currency, str) else None,
        intent_id=_id_of(found.get("payment_intent")),
        subscription_id=_id_of(found.get("subscription")),
    )


def charge_of(found: Object) -> ChargeFacts:
    """Reads a charge."""
    refunded = _amount(found, "amount_refunded", default=0)
    return ChargeFacts(_id_of(found.get("payment_intent")), refunded, _text(found, "currency").lower())


def dispute_of(found: Object) -> DisputeFacts:
    """Reads a dispute."""
    return DisputeFacts(
        id=_text(found, "id"),
        intent_id=_id_of(found.get("payment_intent")),
        charge_id=_id_of(found.get("charge")),
        amount_minor=_amount(found, "amount"),
        currency=_text(found, "currency").lower(),
        status=_text(found, "status"),
    )


def subscription_of(found: Object) -> SubscriptionFacts:
    """Reads a subscription with one item, and what its schedule has next where that was asked for.

    Raises:
        UnreadableObject: it has no item, or several: none of ours has.
    """
    items = _items(found)
    if len(items) != 1:
        raise UnreadableObject(f"The subscription has {len(items)} items; those of plans have one.")
    item = items[0]
    price = item.get("price")
    begin, end = (item.get(name, found.get(name)) for name in ("current_period_start", "current_period_end"))
    following = _following(found.get("schedule"), end)
    return SubscriptionFacts(
        id=_text(found, "id"),
        customer_id=_id_of(found.get("customer")) or "",
        status=_text(found, "status"),
        item_id=_text(item, "id"),
        price_id=_id_of(price) or "",
        seats=max(1, _amount(item, "quantity", default=1)),
        period_start=moment(begin),
        period_end=moment(end),
        ends_at_period_end=found.get("cancel_at_period_end") is True,
        schedule_id=_id_of(found.get("schedule")),
        next_price_id=_id_of(following.get("price")) if following else None,
        next_seats=max(1, _amount(following, "quantity", default=1)) if following else None,
    )


def preview_of(found: Object) -> PreviewFacts:
    """Reads the preview of an invoice."""
    return PreviewFacts(_amount(found, "total", default=0), _text(found, "currency").lower())


def subscription_id_of(found: Object) -> str | None:
    """The subscription that an invoice, a schedule or a subscription is of."""
    if found.get("object") == "subscription":
        return _id_of(found)
    parent = found.get("parent")
    details = parent.get("subscription_details") if isinstance(parent, Mapping) else None
    inside = details.get("subscription") if isinstance(details, Mapping) else None
    return _id_of(inside) or _id_of(found.get("subscription")) or _id_of(found.get("released_subscription"))


def _following(schedule: object, end: object) -> Object | None:
    """The item of the phase that begins when the running period ends."""
    if not isinstance(schedule, Mapping) or schedule.get("status") not in ("active", "not_started"):
        return None
    for phase in schedule.get("phases") or []:
        if isinstance(phase, Mapping) and phase.get("start_date") == end:
            items = [item for item in phase.get("items") or [] if isinstance(item, Mapping)]
            return items[0] if items else None
    return None


def _items(found: Object) -> list[Object]:
    listed = found.get("items")
    data = listed.get("data") if isinstance(listed, Mapping) else None
    return [item for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []


def _text(found: Object, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 255:
        raise UnreadableObject(f"Stripe sent an object without {name}.")
    return value


def _maybe_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _amount(found: Object, name: str, *, default: int | None = None) -> int:
    value = found.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise UnreadableObject(f"Stripe sent an object without {name}.")
    return value


def _id_of(value: object) -> str | None:
    """The id of an object that is given by its id, or whole."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) and 1 <= len(found) <= 255 else None
