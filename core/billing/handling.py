"""What the handlers of Stripe's events are given."""

from __future__ import annotations

from dataclasses import dataclass

from core.billing.customers import Customers
from core.billing.payments import Payments
from core.billing.purchases import Purchases
from core.billing.stripe_api import StripeApi
from core.billing.subscription_sync import SubscriptionSync


@dataclass(frozen=True, slots=True)
class Handling:
    """The services that events lead to."""

    api: StripeApi
    customers: Customers
    payments: Payments
    purchases: Purchases
    sync: SubscriptionSync
