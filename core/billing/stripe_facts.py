"""What Stripe says of payments and subscriptions: its objects, read into the few facts that matter here.

The same readers serve what an event brings and what is asked for. Shapes: https://docs.stripe.com/api. Amounts are
whole numbers of the smallest unit of a currency (cents); times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    read_at: datetime | None = None
    """When Stripe answered so, by its clock; None: an event says so."""


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
    intent_id: str | None
    subscription_id: str | None


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """A charge, as far as refunds go."""

    intent_id: str | None
    refunded_minor: int
    """In all, not of one refund."""
    currency: str
    read_at: datetime | None = None
    """As of an intent."""


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
    others: tuple[tuple[str, int], ...] = ()
    """Prices and quantities of its other items, which are of no plan."""


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """A price."""

    id: str
    is_active: bool
    amount_minor: int | None
    """None: it is no whole number of cents for each unit."""
    currency: str
    interval: str | None
    """`month` where it recurs every month; None: it does not recur."""


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
    return CheckoutFacts(
        id=_text(found, "id"),
        url=_maybe_text(found.get("url")),
        mode=_text(found, "mode"),
        status=_maybe_text(found.get("status")) or "open",
        is_paid=found.get("payment_status") == "paid",
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


def subscription_of(found: Object, plan_prices: Collection[str] = ()) -> SubscriptionFacts:
    """Reads a subscription, and what its schedule has next where that was asked for.

    Of several items the first whose price is one of `plan_prices` counts, or else the first of all.

    Raises:
        UnreadableObject: it has no item.
    """
    items = _items(found)
    if not items:
        raise UnreadableObject("The subscription has no item.")
    item = _of_plan(items, plan_prices)
    begin, end = (item.get(name, found.get(name)) for name in ("current_period_start", "current_period_end"))
    following = _following(found.get("schedule"), end, plan_prices)
    return SubscriptionFacts(
        id=_text(found, "id"),
        customer_id=_id_of(found.get("customer")) or "",
        status=_text(found, "status"),
        item_id=_text(item, "id"),
        price_id=_id_of(item.get("price")) or "",
        seats=_quantity(item),
        period_start=moment(begin),
        period_end=moment(end),
        ends_at_period_end=found.get("cancel_at_period_end") is True,
        schedule_id=_id_of(found.get("schedule")),
        next_price_id=_id_of(following.get("price")) if following else None,
        next_seats=_quantity(following) if following else None,
        others=tuple((_id_of(each.get("price")) or "", _quantity(each)) for each in items if each is not item),
    )


def price_of(found: Object) -> PriceFacts:
    """Reads a price."""
    recurring = found.get("recurring")
    every = recurring if isinstance(recurring, Mapping) else {}
    interval, number = _maybe_text(every.get("interval")), every.get("interval_count", 1)
    return PriceFacts(
        id=_text(found, "id"),
        is_active=found.get("active") is not False,
        amount_minor=_amount(found, "unit_amount") if found.get("unit_amount") is not None else None,
        currency=_text(found, "currency").lower(),
        interval=interval if number == 1 else f"{number} {interval}s",
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


def _following(schedule: object, end: object, plan_prices: Collection[str]) -> Object | None:
    """The item of the phase that begins when the running period ends."""
    if not isinstance(schedule, Mapping) or schedule.get("status") not in ("active", "not_started"):
        return None
    for phase in schedule.get("phases") or []:
        if isinstance(phase, Mapping) and phase.get("start_date") == end:
            items = [item for item in phase.get("items") or [] if isinstance(item, Mapping)]
            return _of_plan(items, plan_prices) if items else None
    return None


def _of_plan(items: list[Object], plan_prices: Collection[str]) -> Object:
    return next((item for item in items if _id_of(item.get("price")) in plan_prices), items[0])


def _quantity(item: Object) -> int:
    return max(1, _amount(item, "quantity", default=1))


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
