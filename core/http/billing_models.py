"""What the calls about buying take and give."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.http.models import Answer, Body, Moment, Money

MAX_NAME_CHARS = 60


class PurchaseWanted(Body):
    """A package to buy."""

    package_id: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    """One of `GET /api/credits/packages`."""


class PurchaseBegun(Answer):
    """With what the buyer pays, by Stripe's own means."""

    client_secret: str
    payment_intent_id: str


class PlanWanted(Body):
    """A plan to change to."""

    plan: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    """Name of a plan; `free` lets the subscription end with its period."""
    seats: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Seats, where the plan is paid by the seat; null leaves them as they are."""


class PlanChange(PlanWanted):
    """A change of the plan, as it was previewed."""

    at: Annotated[int, Field(ge=0)] | None = None
    """The preview's `at`: what is due is then what it said."""


class SeatsWanted(Body):
    """Seats of the plan."""

    seats: Annotated[int, Field(ge=1, le=10_000)]
    """More are there at once, and the share of the period is billed; fewer from the end of the period on."""


class PlanPreview(Answer):
    """What a change would do."""

    plan: str
    seats: int
    effect: Literal["checkout", "now", "later", "ends", "stays"]
    """By a first payment on the checkout, at once, when the period ends, back to Free then; or a change that was to
    come is taken back."""
    takes_effect_at: Moment | None
    """Null: at once."""
    due_usd: Money
    """Paid at once, before tax; below zero it is credited to the next invoices."""
    monthly_usd: Money
    """Paid a month from then on, before tax."""
    at: int | None
    """To be sent with the change."""


class SubscriptionAnswer(Answer):
    """A subscription."""

    plan: str
    seats: int
    status: str
    """In Stripe's words: `active`, `past_due` …"""
    period_end: Moment
    ends_at_period_end: bool
    next_plan: str | None
    """The plan that begins when the period ends."""
    next_seats: int | None
    grace_until: Moment | None
    """Until when the plan stays although the last payment failed."""


class BillingAnswer(Answer):
    """What an organisation has bought."""

    plan: str
    """The plan that it is on."""
    subscription: SubscriptionAnswer | None
    """Null: it has none, and the plan was given otherwise, or is free."""
    can_buy: bool
    """Whether anything can be bought here at all."""


class ChangeAnswer(Answer):
    """What came of a change."""

    checkout_url: str | None
    """Where a first payment is made; null: it is done."""
    subscription: SubscriptionAnswer | None


class PortalAnswer(Answer):
    """The organisation's own pages at Stripe."""

    url: str
    """Good for a short while."""


class ReceivedAnswer(Answer):
    """An event was taken."""

    received: Literal[True] = True


class PriceOf(Answer):
    """What a plan costs."""

    name: str
    label: str
    price_usd: Money | None
    """Null: by contract."""
    price_unit: Literal["month", "seat and month"]
    sold: bool
    """Whether it can be bought here."""
