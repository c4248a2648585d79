"""Whether prices at Stripe are what the plans say: customers pay what stands there, and read what stands here."""

from __future__ import annotations

from core.billing.offers import Offers
from core.billing.stripe_api import GoneAtStripe, StripeApi
from core.billing.stripe_facts import PriceFacts
from core.db import billing_dao as dao
from core.db.engine import Database
from core.metering.plans import Plan

CENTS = 100


class PriceCheck:
    """Compares each price that is sold with its plan."""

    def __init__(self, database: Database, api: StripeApi, offers: Offers, currency: str) -> None:
        self._database = database
        self._api = api
        self._offers = offers
        self._currency = currency

    def look(self) -> list[str]:
        """How prices differ now, as it is kept for operators; one sentence for each that does.

        Raises:
            NotConfigured, PaymentsUnavailable: Stripe cannot be asked; what was kept stays.
        """
        found = {price_id: self._said(plan, price_id) for plan, price_id in self._offers.price_ids.items()}
        said = {price_id: words for price_id, words in found.items() if words is not None}
        with self._database.service() as connection:
            dao.say_of_prices(connection, said)
        return list(said.values())

    def said(self) -> list[str]:
        """How prices differed when they were last looked at."""
        with self._database.service() as connection:
            return dao.prices_said(connection)

    def _said(self, name: str, price_id: str) -> str | None:
        plan = self._offers.plan(name)
        try:
            facts = self._api.price(price_id)
        except GoneAtStripe:
            return f"{plan.label}: Stripe has no price {price_id}."
        return difference(plan, facts, self._currency)


def difference(plan: Plan, facts: PriceFacts, currency: str) -> str | None:
    """How a price differs from its plan, in a sentence; None: it does not."""
    where = f"{plan.label}: the price {facts.id} at Stripe"
    if not facts.is_active:
        return f"{where} is not active."
    if facts.interval != "month":
        return f"{where} is not paid every month."
    if facts.currency != currency:
        return f"{where} is in {facts.currency.upper()}, not in {currency.upper()}."
    if plan.price_usd is not None and facts.amount_minor != plan.price_usd * CENTS:
        told = "no fixed amount" if facts.amount_minor is None else f"{facts.amount_minor / CENTS:,.2f}"
        return f"{where} is {told}; the plan says {plan.price_usd:,.2f}."
    return None
