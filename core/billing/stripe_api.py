"""Stripe's API through its official client: the few calls that are made of it, and its errors as ours.

The client repeats a call that was lost, under one idempotency key. A call that makes something is given the key by us,
so that it makes one thing however often it is made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from core.billing.stripe_facts import (
    ChargeFacts,
    CheckoutFacts,
    IntentFacts,
    PreviewFacts,
    PriceFacts,
    SubscriptionFacts,
    charge_of,
    checkout_of,
    intent_of,
    preview_of,
    price_of,
    subscription_of,
)
from core.errors import AssayError, ConfigurationError, Conflict, InvalidRequest, NotConfigured
from core.ids import new_id
from core.settings import Settings

if TYPE_CHECKING:
    from stripe import StripeClient
    from stripe._stripe_object import StripeObject

CONNECT_S, READ_S = 5.0, 20.0
"""Longest waits for a connection to Stripe, and for its answer."""
REPEATS = 2
"""How often the client repeats a call that was lost."""
CONNECTIONS = 10
CALLER_WORDS = 300
SWITCHED_OFF = "Buying is switched off. Set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET; until then an operator grants."

_log = logging.getLogger(__name__)


class PaymentsUnavailable(AssayError):
    """Stripe cannot be reached, or fails; nothing was bought."""

    code, status, title = "source_unavailable", 503, "Stripe cannot be reached"


class PaymentDeclined(Conflict):
    """The customer's bank refused the payment."""

    title = "The payment was declined"


class GoneAtStripe(AssayError):
    """Stripe has no object of that id."""

    code, status, title = "not_found", 404, "Not found at Stripe"

    def __init__(self, detail: str, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.parameter = parameter
        """Of the call, where it is that which names it: `customer`."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a subscription is for."""

    price_id: str
    seats: int


@dataclass(frozen=True, slots=True)
class CreditsSale:
    """A package of credits on a hosted checkout."""

    name: str
    amount_minor: int
    currency: str


class StripeApi:
    """The calls. Each raises:

    NotConfigured: STRIPE_SECRET_KEY is unset, or Stripe refuses it.
    PaymentsUnavailable: Stripe cannot be reached.
    PaymentDeclined: the bank refused.
    GoneAtStripe: Stripe has no such object.
    InvalidRequest: Stripe refuses the request as it stands.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError where STRIPE_API_BASE is no address."""
        secret = settings.stripe_secret_key
        self._key = secret.get_secret_value().strip() if secret else None
        self._base = _checked_base(settings.stripe_api_base)
        self._session: Any = None
        """One for all threads, so that it can be closed; of the library that the client itself uses."""
        self._client: StripeClient | None = None
        self._opening = threading.Lock()

    @property
    def is_configured(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    @property
    def is_live(self) -> bool | None:
        """Whether money moves under this key; None where the key does not tell."""
        parts = (self._key or "").split("_")
        return {"live": True, "test": False}.get(parts[1]) if len(parts) > 2 else None

    def require_key(self) -> None:
        """Raises NotConfigured where there is no key."""
        if self._key is None:
            raise NotConfigured(SWITCHED_OFF)

    def create_customer(self, *, name: str, email: str, org_id: str) -> str:
        """Makes the customer of an organisation; gives its id."""
        params = {"name": name, "email": email, "metadata": {"org_id": org_id}}
        options = {"idempotency_key": f"assay-customer-{new_id()}"}
        return str(self._call(lambda client: client.v1.customers.create(_any(params), _any(options)))["id"])

    def create_intent(
        self, *, payment_id: str, amount_minor: int, currency: str, description: str, customer_id: str
    ) -> IntentFacts:
        """Makes the payment intent of a purchase, once for a customer."""
        params = {
            "amount": amount_minor,
            "customer": customer_id,
            "currency": currency,
            "description": description,
            "automatic_payment_methods": {"enabled": True},
            "metadata": {"payment_id": payment_id},
        }
        options = {"idempotency_key": f"assay-payment-{payment_id}-{customer_id}"}
        return intent_of(self._call(lambda client: client.v1.payment_intents.create(_any(params), _any(options))))

    def intent(self, intent_id: str) -> IntentFacts:
        """A payment intent with what was refunded of it."""
        params = {"expand": ["latest_charge"]}
        found, read_at = self._read(lambda client: client.v1.payment_intents.retrieve(intent_id, _any(params)))
        return replace(intent_of(found), read_at=read_at)

    def charge(self, charge_id: str) -> ChargeFacts:
        """A charge."""
        found, read_at = self._read(lambda client: client.v1.charges.retrieve(charge_id))
        return replace(charge_of(found), read_at=read_at)

    def price(self, price_id: str) -> PriceFacts:
        """A price."""
        return price_of(self._call(lambda client: client.v1.prices.retrieve(price_id)))

    def sell_credits(self, *, payment_id: str, sale: CreditsSale, customer_id: str, back_url: str) -> CheckoutFacts:
        """Makes the hosted checkout of a purchase of credits, once for a customer."""
        price = {
            "currency": sale.currency,
            "unit_amount": sale.amount_minor,
            "product_data": {"name": sale.name},
        }
        params = {
            "mode": "payment",
            "customer": customer_id,
            "line_items": [{"price_data": price, "quantity": 1}],
            "client_reference_id": payment_id,
            "success_url": f"{back_url}?section=credits&bought=1",
            "cancel_url": f"{back_url}?section=credits",
        }
        return self._checkout(params, f"assay-checkout-{payment_id}-{customer_id}")

    def sell_plan(self, *, line: Line, customer_id: str, back_url: str) -> CheckoutFacts:
        """Makes the hosted checkout of a subscription."""
        params = {
            "mode": "subscription",
            "customer": customer_id,
            "line_items": [{"price": line.price_id, "quantity": line.seats}],
            "success_url": f"{back_url}?bought=1",
            "cancel_url": back_url,
        }
        return self._checkout(params, f"assay-plan-{new_id()}")

    def checkout(self, checkout_id: str) -> CheckoutFacts:
        """A checkout."""
        return checkout_of(self._call(lambda client: client.v1.checkout.sessions.retrieve(checkout_id)))

    def checkout_of_intent(self, intent_id: str) -> CheckoutFacts | None:
        """The checkout that was paid with an intent; None where it was none of a checkout."""
        params = {"payment_intent": intent_id, "limit": 1}
        data = self._call(lambda client: client.v1.checkout.sessions.list(_any(params))).get("data")
        return checkout_of(data[0]) if isinstance(data, list) and data else None

    def expire_checkout(self, checkout_id: str) -> None:
        """Ends a checkout that is open.

        Raises:
            InvalidRequest: it is complete, or over.
        """
        self._call(lambda client: client.v1.checkout.sessions.expire(checkout_id))

    def subscription(self, subscription_id: str, plan_prices: Collection[str]) -> SubscriptionFacts:
        """A subscription as it is at this moment, with what its schedule has next; its plan is one of these prices."""
        params = {"expand": ["schedule"]}
        found = self._call(lambda client: client.v1.subscriptions.retrieve(subscription_id, _any(params)))
        return subscription_of(found, plan_prices)

    def preview(self, subscription_id: str, item_id: str, line: Line, *, at: int) -> PreviewFacts:
        """What it costs at once to change a subscription at that moment, in seconds since 1970."""
        details = {
            "items": [{"id": item_id, "price": line.price_id, "quantity": line.seats}],
            "proration_behavior": "always_invoice",
            "proration_date": at,
        }
        params = {"subscription": subscription_id, "subscription_details": details}
        return preview_of(self._call(lambda client: client.v1.invoices.create_preview(_any(params))))

    def change_now(self, subscription_id: str, item_id: str, line: Line, *, at: int | None, key: str) -> None:
        """Changes a subscription at once and bills the share of the period; where that is not paid nothing changes."""
        params: dict[str, Any] = {
            "items": [{"id": item_id, "price": line.price_id, "quantity": line.seats}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "error_if_incomplete",
            "cancel_at_period_end": False,
        }
        if at is not None:
            params["proration_date"] = at
        options = {"idempotency_key": key}
        self._call(lambda client: client.v1.subscriptions.update(subscription_id, _any(params), _any(options)))

    def change_later(self, facts: SubscriptionFacts, line: Line, *, key: str) -> None:
        """Changes a subscription when its period ends, by a schedule of Stripe's own, and lets it go on from there."""
        schedule_id = facts.schedule_id
        if schedule_id is None:
            made = {"from_subscription": facts.id}
            options = {"idempotency_key": key}
            schedule = self._call(lambda client: client.v1.subscription_schedules.create(_any(made), _any(options)))
            schedule_id = str(schedule["id"])
        start, end = int(facts.period_start.timestamp()), int(facts.period_end.timestamp())
        others = [{"price": price_id, "quantity": quantity} for price_id, quantity in facts.others]
        now: dict[str, Any] = {"start_date": start, "end_date": end}
        now["items"] = [{"price": facts.price_id, "quantity": facts.seats}, *others]
        then: dict[str, Any] = {"start_date": end, "duration": {"interval": "month", "interval_count": 1}}
        then["items"] = [{"price": line.price_id, "quantity": line.seats}, *others]
        params = {"end_behavior": "release", "phases": [now, then], "proration_behavior": "none"}
        scheduled = schedule_id
        self._call(lambda client: client.v1.subscription_schedules.update(scheduled, _any(params)))

    def forget_change(self, schedule_id: str) -> None:
        """Takes back a change that was to come; the subscription goes on as it is."""
        self._call(lambda client: client.v1.subscription_schedules.release(schedule_id))

    def set_ending(self, subscription_id: str, *, ends: bool) -> None:
        """Ends a subscription with its period, or takes that back."""
        params = {"cancel_at_period_end": ends}
        self._call(lambda client: client.v1.subscriptions.update(subscription_id, _any(params)))

    def portal(self, customer_id: str, *, back_url: str) -> str:
        """The address of the customer's own pages at Stripe, good for a short while."""
        params = {"customer": customer_id, "return_url": back_url}
        return str(self._call(lambda client: client.v1.billing_portal.sessions.create(_any(params)))["url"])

    def close(self) -> None:
        """Closes idle connections."""
        if self._session is not None:
            self._session.close()

    def _checkout(self, params: Mapping[str, Any], key: str) -> CheckoutFacts:
        options = {"idempotency_key": key}
        return checkout_of(self._call(lambda client: client.v1.checkout.sessions.create(_any(params), _any(options))))

    def _call(self, call: Callable[[StripeClient], StripeObject]) -> dict[str, Any]:
        return self._read(call)[0]

    def _read(self, call: Callable[[StripeClient], StripeObject]) -> tuple[dict[str, Any], datetime]:
        """What Stripe answers, and when it did by its own clock."""
        client = self._opened()
        import stripe

        try:
            found = call(client)
        except stripe.StripeError as error:
            raise translated(error) from error
        return found.to_dict(), _answered_at(found)

    def _opened(self) -> StripeClient:
        """The client, made by the first who needs it: importing it takes most of a second."""
        if self._key is None:
            raise NotConfigured(SWITCHED_OFF)
        with self._opening:
            if self._client is None:
                import stripe

                requests = stripe.RequestsClient().requests
                self._session = requests.Session()
                for scheme in ("https://", "http://"):
                    self._session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
                http_client = stripe.RequestsClient(timeout=(CONNECT_S, READ_S), session=self._session)
                self._client = stripe.StripeClient(
                    self._key,
                    base_addresses={"api": self._base} if self._base else None,
                    max_network_retries=REPEATS,
                    http_client=http_client,
                )
        return self._client


def translated(error: Exception) -> AssayError:
    """An error of the client's as ours; what Stripe says is told only where it is meant for the payer."""
    import stripe

    kinds: Sequence[tuple[type[Exception], Callable[[Any], AssayError]]] = (
        (stripe.CardError, _declined),
        (stripe.AuthenticationError, _refused_key),
        (stripe.PermissionError, _refused_key),
        (stripe.IdempotencyError, lambda _error: Conflict("This is being done already. Look again in a moment.")),
        (stripe.InvalidRequestError, _refused),
    )
    for kind, make in kinds:
        if isinstance(error, kind):
            return make(error)
    return PaymentsUnavailable("Stripe cannot be reached at the moment. Nothing was bought; try again soon.")


def _declined(error: Any) -> AssayError:
    said = (error.user_message or "").strip()[:CALLER_WORDS]
    return PaymentDeclined(f"The payment was declined, and nothing was changed. {said}".strip())


def _refused_key(_error: Any) -> AssayError:
    return NotConfigured("Stripe refuses the key. Check STRIPE_SECRET_KEY and what it may do.")


def _refused(error: Any) -> AssayError:
    if error.http_status == 404 or error.code == "resource_missing":
        return GoneAtStripe("Stripe does not know this any more.", error.param)
    _log.warning("Stripe refused a request: code %s, parameter %s.", error.code, error.param)
    return InvalidRequest(
        "Stripe does not accept this. Nothing was changed; your operator finds the reason in the log."
    )


def _answered_at(found: StripeObject) -> datetime:
    """The time in an answer's `Date` header, to the second; ours where there is none."""
    headers = getattr(found.last_response, "headers", None) or {}
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC)


def _checked_base(address: str | None) -> str | None:
    """The address of the API.

    Raises:
        ConfigurationError: it is none.
    """
    if address is None:
        return None
    parts = urlsplit(address.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError("STRIPE_API_BASE must be an address such as https://api.stripe.com, without a path.")
    return f"{parts.scheme}://{parts.netloc}"


def _any(value: Mapping[str, Any]) -> Any:
    """A mapping as the client's own types of parameters, which repeat Stripe's documentation key by key."""
    return cast("Any", value)
