"""Purchases of credits: what is offered is stored first, then Stripe is asked for a payment intent or a checkout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from core.accounts.permissions import Action, require
from core.billing.customers import Customers
from core.billing.fences import each_fenced
from core.billing.payments import Cause, Contradiction, Payments
from core.billing.stripe_api import CreditsSale, GoneAtStripe, StripeApi
from core.billing.stripe_facts import ChargeFacts, IntentFacts
from core.db import billing_dao as dao
from core.db.billing_dao import BoughtRow, NewPayment, PaymentRow
from core.db.engine import Database, Transaction
from core.errors import AssayError, Conflict, StillRunning
from core.ids import new_id
from core.metering.pricing import BillingFile, Package
from core.metering.repeats import Idempotency
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal

KEY_LASTS = timedelta(hours=24)
"""So long an Idempotency-Key stands for its purchase."""
LOST_AFTER = timedelta(minutes=2)
"""A purchase that is begun and got no intent in that time lost its process; its request may go on."""
LOOKED_AT_AFTER = timedelta(minutes=10)
"""Age from which on Stripe is asked about open purchases by ourselves: events may be lost."""
FORGOTTEN_AFTER = timedelta(days=30)
NOBODY_PAID = "Nobody paid it."
AT_ONCE, MAX_LISTED, LOOKED_AT_ONCE = 50, 100, 3
CENTS = 100


@dataclass(frozen=True, slots=True)
class Bought:
    """A purchase that its buyer now pays, with Stripe's own means."""

    payment_id: UUID
    intent_id: str
    client_secret: str
    is_replayed: bool
    """Whether a request with the same Idempotency-Key had begun it."""


class Purchases:
    """Sells packages of credits to managers."""

    def __init__(
        self, database: Database, api: StripeApi, billing: BillingFile, customers: Customers, payments: Payments
    ) -> None:
        self._database = database
        self._api = api
        self._billing = billing
        self._customers = customers
        self._payments = payments

    def buy(self, principal: Principal, package_id: str, *, idempotency: Idempotency | None = None) -> Bought:
        """Begins a purchase, for a buyer who pays with the client secret.

        Raises:
            Forbidden: not a manager.
            InvalidRequest: there is no such package.
            Conflict: the Idempotency-Key stands for another request, or one that is still running.
            NotConfigured, PaymentsUnavailable: Stripe cannot be asked.
        """
        require(principal, Action.BUY)
        package = self._billing.package(package_id)
        self._api.require_key()
        payment, is_replayed = self._begun(principal, package, idempotency)
        facts = (
            self._with_intent(principal, payment, package)
            if payment.intent_id is None
            else self._api.intent(payment.intent_id)
        )
        if facts.client_secret is None:
            raise Conflict("Stripe gave nothing to pay this purchase with. Try again.")
        return Bought(payment.id, facts.id, facts.client_secret, is_replayed)

    def checkout(self, principal: Principal, package_id: str) -> str:
        """Begins a purchase on Stripe's hosted checkout; gives its address.

        Raises:
            Forbidden, InvalidRequest, NotConfigured, PaymentsUnavailable: as `buy`.
        """
        require(principal, Action.BUY)
        package = self._billing.package(package_id)
        self._api.require_key()
        payment, _ = self._begun(principal, package, None)
        sale = CreditsSale(_words(package), payment.amount_minor, payment.currency)
        with self._freed(payment.id):
            made = self._customers.ask(
                principal,
                lambda customer_id: self._api.sell_credits(
                    payment_id=str(payment.id),
                    sale=sale,
                    customer_id=customer_id,
                    back_url=self._customers.back_url,
                ),
            )
        if made.url is None:
            raise Conflict("Stripe gave no address for this checkout. Try again.")
        with self._database.service() as connection:
            dao.begin_checkout(connection, payment.id, made.id)
        return made.url

    def all(self, principal: Principal) -> Sequence[BoughtRow]:
        """The organisation's purchases that were paid, the newest first, for managers.

        Raises:
            Forbidden: not a manager.
        """
        require(principal, Action.BUY)
        with self._database.app(principal) as connection:
            return dao.bought(connection, most=MAX_LISTED)

    def look_again(self, principal: Principal) -> None:
        """Asks Stripe about the organisation's newest open purchases: their buyer is back before the event is."""
        require(principal, Action.BUY)
        with self._database.service() as connection:
            rows = dao.open_payments_of(connection, principal.org_id, most=LOOKED_AT_ONCE)
        for row in rows:
            with suppress(AssayError):  # what Stripe cannot say now it says later
                self._look(row)

    def reconcile(self) -> None:
        """Asks Stripe about purchases of which no event came, and ends those that nobody paid for long.

        Raises:
            NotAllDone: some could not be looked at.
        """
        with self._database.service() as connection:
            rows = []
            if self._api.is_configured:
                rows = dao.take_open_payments(connection, after=LOOKED_AT_AFTER, most=AT_ONCE)
            dao.close_forgotten(connection, age=FORGOTTEN_AFTER, said=NOBODY_PAID)
            dao.forget_requests(connection, age=KEY_LASTS)
            now = dao.now(connection)
        each_fenced((f"The look at payment {row.id}", partial(self._look_or_end, row, now)) for row in rows)

    def found(self, intent_id: str) -> UUID | None:
        """The purchase of an intent; that of a checkout is found by asking Stripe. None: it is none of ours.

        Raises:
            PaymentsUnavailable: Stripe cannot be asked.
        """
        with self._database.service() as connection:
            known = dao.payment_by_intent(connection, intent_id)
        if known is not None or not self._api.is_configured:
            return known
        with suppress(GoneAtStripe):
            checkout = self._api.checkout_of_intent(intent_id)
            if checkout is not None:
                return self.bound(checkout.id, intent_id)
        return None

    def bound(self, checkout_id: str, intent_id: str) -> UUID | None:
        """The purchase of a checkout, which from now on has this intent.

        Raises:
            Contradiction: it was paid with another.
        """
        with self._database.service() as connection:
            payment_id = dao.payment_by_checkout(connection, checkout_id)
            if payment_id is not None and not dao.bind_intent(connection, payment_id, intent_id):
                raise Contradiction("The checkout was paid with another intent.")
        return payment_id

    def apply(self, payment_id: UUID, change: Callable[[Transaction], None]) -> None:
        """Does something about a purchase in a transaction; where that contradicts what is stored, says so in its row.

        Raises:
            Contradiction: it does.
        """
        try:
            with self._database.service() as connection:
                change(connection)
        except Contradiction as error:
            with self._database.service() as connection:
                self._payments.refuse(connection, payment_id, error.detail)
            raise

    def _look_or_end(self, row: PaymentRow, now: datetime) -> None:
        """Looks at one purchase, and ends it where it was begun long ago and is still not paid, or unknown there."""
        with suppress(GoneAtStripe):
            self._look(row)
        if row.created_at < now - FORGOTTEN_AFTER:
            with self._database.service() as connection:
                dao.close_payment(connection, row.id, NOBODY_PAID)

    def _look(self, row: PaymentRow) -> None:
        """What Stripe says of one purchase."""
        intent_id = row.intent_id
        if intent_id is None and row.checkout_id is not None:
            checkout = self._api.checkout(row.checkout_id)
            if checkout.status == "expired":
                with self._database.service() as connection:
                    dao.close_payment(connection, row.id, "The checkout was left.")
                return
            intent_id = checkout.intent_id
            if intent_id is not None:
                self.bound(row.checkout_id, intent_id)
        if intent_id is not None:
            self._apply_intent(row.id, self._api.intent(intent_id))

    def _apply_intent(self, payment_id: UUID, facts: IntentFacts) -> None:
        cause = Cause(f"read-{new_id()}", facts.read_at or datetime.now(UTC))

        def change(connection: Transaction) -> None:
            self._payments.on_intent(connection, payment_id, facts, cause)
            if facts.refunded_minor:
                charge = ChargeFacts(facts.id, facts.refunded_minor, facts.currency)
                self._payments.on_charge(connection, payment_id, charge, cause)

        self.apply(payment_id, change)

    def _begun(
        self, principal: Principal, package: Package, idempotency: Idempotency | None
    ) -> tuple[PaymentRow, bool]:
        """The purchase in the database; True where an earlier request with this key had begun it."""
        key = f"{idempotency.route} {idempotency.key}" if idempotency else None
        payment = NewPayment(
            id=new_id(),
            org_id=principal.org_id,
            user_id=principal.user_id,
            package_id=package.id,
            credits=Decimal(package.credits),
            amount_minor=int(package.price_usd * CENTS),
            currency=self._billing.currency,
            request_key=key,
            body_sha256=idempotency.body_sha256 if idempotency else None,
        )
        with self._database.service() as connection:
            if key is not None:
                dao.free_request_key(connection, principal.org_id, principal.user_id, key, age=KEY_LASTS)
            if dao.add_payment(connection, payment):
                after = {"package": package.id, "credits": package.credits, "price_usd": package.price_usd}
                subject = Subject("payment", str(payment.id))
                event = audit_principal(principal, AuditAction.CHECKOUT_BEGUN, subject, after=after)
                Audit.record(connection, event)
                return dao.payment(connection, payment.id), False
            earlier = dao.payment_of_request(connection, principal.org_id, principal.user_id, key or "")
            moment = dao.now(connection)
        if earlier is None:  # it failed at this moment, and the key is free again
            raise StillRunning("A request with this Idempotency-Key is still running. Ask again in a second.")
        if earlier.body_sha256 != payment.body_sha256:
            raise Conflict("This Idempotency-Key was used for another request.")
        if earlier.intent_id is None and moment - earlier.created_at < LOST_AFTER:
            raise StillRunning("A request with this Idempotency-Key is still running. Ask again in a second.")
        return earlier, True

    def _with_intent(self, principal: Principal, payment: PaymentRow, package: Package) -> IntentFacts:
        with self._freed(payment.id):
            facts = self._customers.ask(
                principal,
                lambda customer_id: self._api.create_intent(
                    payment_id=str(payment.id),
                    amount_minor=payment.amount_minor,
                    currency=payment.currency,
                    description=_words(package),
                    customer_id=customer_id,
                ),
            )
        with self._database.service() as connection:
            dao.begin_intent(connection, payment.id, facts.id)
        return facts

    @contextmanager
    def _freed(self, payment_id: UUID) -> Iterator[None]:
        """Ends a purchase whose payment could not be asked for: its Idempotency-Key is free again."""
        try:
            yield
        except AssayError as error:
            with self._database.service() as connection:
                dao.close_payment(connection, payment_id, error.detail)
            raise


def _words(package: Package) -> str:
    return f"{package.credits:,} credits ({package.name})"
