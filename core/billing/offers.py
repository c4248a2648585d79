"""What is for sale: plans and their prices at Stripe. Packages of credits stand in `data/billing.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from core.errors import ConfigurationError, InvalidRequest, NotConfigured
from core.metering.plans import Plan, Plans
from core.settings import Settings

FREE = "free"
"""The plan of whoever has no subscription."""
PRICE_VARIABLE = "STRIPE_PRICE_"
MAX_SEATS = 10_000


class Offers:
    """The plans that are sold. Which Stripe price is which plan is a setting: nothing that an event says counts."""

    def __init__(self, plans: Plans, settings: Settings) -> None:
        """Raises ConfigurationError where two plans have one price."""
        self._plans = plans
        self._price_ids = {
            name: price_id
            for name in plans.plans
            if name != FREE and (price_id := settings.text(f"{PRICE_VARIABLE}{name.upper()}")) is not None
        }
        if len(set(self._price_ids.values())) < len(self._price_ids):
            raise ConfigurationError(f"Each {PRICE_VARIABLE}… names a price of its own; two name the same.")

    @property
    def price_ids(self) -> Mapping[str, str]:
        """The Stripe price of each plan that is sold."""
        return self._price_ids

    def all(self) -> list[Plan]:
        """Every plan, as the plans file has them."""
        return list(self._plans.plans.values())

    def plan(self, name: str) -> Plan:
        """The plan of that name.

        Raises:
            InvalidRequest: there is none.
        """
        return self._plans.get(name)

    def price_id(self, plan: Plan) -> str:
        """The Stripe price of a plan.

        Raises:
            NotConfigured: it is not sold here.
        """
        found = self._price_ids.get(plan.name)
        if found is None:
            raise NotConfigured(f"The plan {plan.label} is not sold here. Set {PRICE_VARIABLE}{plan.name.upper()}.")
        return found

    def is_sold(self, plan: Plan) -> bool:
        """Whether a plan has a price at Stripe."""
        return plan.name in self._price_ids

    def has_seats(self, plan: Plan) -> bool:
        """Whether a plan is paid by the seat."""
        return plan.price_unit == "seat and month"

    def checked_seats(self, plan: Plan, seats: int) -> int:
        """The seats that a plan may have.

        Raises:
            InvalidRequest: more than it has, or several where it is not paid by the seat.
        """
        if not self.has_seats(plan):
            if seats != 1:
                raise InvalidRequest(f"The plan {plan.label} is not sold by the seat.")
            return 1
        most = plan.limits.seats or MAX_SEATS
        if not 1 <= seats <= most:
            raise InvalidRequest(f"The plan {plan.label} has 1 to {most:,} seats.")
        return seats

    def monthly_usd(self, plan: Plan, seats: int) -> Decimal:
        """What a plan costs a month, before tax; what is by contract counts as dearer than all others."""
        return Decimal("Infinity") if plan.price_usd is None else plan.price_usd * seats
