"""What an organisation buys: credits and plans, over Stripe; and what is done about it every so often."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from core.billing.customers import Customers
from core.billing.events import StripeEvents
from core.billing.fences import Work, each_fenced
from core.billing.handling import Handling
from core.billing.offers import Offers
from core.billing.payments import Payments
from core.billing.price_check import PriceCheck
from core.billing.purchases import Purchases
from core.billing.stripe_api import StripeApi
from core.billing.subscription_sync import SubscriptionSync
from core.billing.subscriptions import Subscriptions
from core.billing.telling import Telling
from core.billing.troubles import Troubles
from core.clock import Clock, SystemClock
from core.db import billing_dao as dao
from core.db.engine import Database
from core.metering.credits import Credits
from core.metering.plans import Plans
from core.metering.pricing import BillingFile
from core.ops.jobs import Queue
from core.ops.notifications import Notifications
from core.settings import Settings

EVENTS_MINUTES = 1
"""How often events are looked for that could not be worked on when they came."""
CARE_MINUTES = 10
"""How often what Stripe did not tell is asked for, and grace is ended."""


@dataclass(frozen=True)
class Billing:
    """The parts of billing that pages and routes may call."""

    api: StripeApi
    offers: Offers
    purchases: Purchases
    subscriptions: Subscriptions
    sync: SubscriptionSync
    events: StripeEvents
    price_check: PriceCheck
    troubles: Troubles

    @property
    def is_configured(self) -> bool:
        """Whether anything can be bought: there is a key."""
        return self.api.is_configured

    @property
    def missing_settings(self) -> list[str]:
        """The variables that are unset, and without which something is switched off."""
        given = {"STRIPE_SECRET_KEY": self.api.is_configured, "STRIPE_WEBHOOK_SECRET": self.events.is_configured}
        return [name for name, is_set in given.items() if not is_set]

    def care(self) -> None:
        """Ends grace that is over, and asks Stripe about what it should have told of; each whatever else fails.

        Raises:
            NotAllDone: a part of it failed. The queue keeps that as a failed job, of which operators are alerted.
        """
        parts: list[Work] = [
            ("The end of grace", self.sync.end_grace),
            ("The look at open payments", self.purchases.reconcile),
        ]
        if self.api.is_configured:
            parts.append(("The reading of subscriptions", self.sync.read_unread))
            parts.append(("The look at prices", self.price_check.look))
        each_fenced(parts)

    def close(self) -> None:
        """Closes idle connections to Stripe."""
        self.api.close()


@dataclass(frozen=True)
class BillingParts:
    """What billing is built over."""

    settings: Settings
    database: Database
    plans: Plans
    prices: BillingFile
    credits: Credits
    queue: Queue
    notifications: Notifications
    clock: Clock = field(default_factory=SystemClock)


def open_billing(parts: BillingParts) -> Billing:
    """Billing on this database; what it does every so often is in the queue.

    Raises:
        ConfigurationError: a setting with a mistake.
    """
    settings, database = parts.settings, parts.database
    api, offers, telling = StripeApi(settings), Offers(parts.plans, settings), Telling(parts.notifications)
    customers, payments = Customers(database, api, settings), Payments(parts.credits, telling)
    purchases = Purchases(database, api, parts.prices, customers, payments)
    grace = timedelta(days=settings.billing_grace_days)
    sync = SubscriptionSync(database, api, offers, telling, grace=grace)
    handling = Handling(api, customers, payments, purchases, sync)
    events = StripeEvents(database, settings, parts.clock, handling, parts.queue)
    subscriptions = Subscriptions(database, api, offers, customers, sync, now_s=lambda: parts.clock.now().timestamp())
    price_check = PriceCheck(database, api, offers, parts.prices.currency)
    if api.is_configured and offers.price_ids:
        with database.service() as connection:
            dao.remember_prices(connection, {price_id: plan for plan, price_id in offers.price_ids.items()})
    billing = Billing(api, offers, purchases, subscriptions, sync, events, price_check, Troubles(database))
    parts.queue.every("stripe_events", EVENTS_MINUTES, events.work_on_due)
    parts.queue.every("billing_care", CARE_MINUTES, billing.care)
    return billing
