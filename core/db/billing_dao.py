"""The statements of billing accounts, payments and subscriptions; for the service role where nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class AccountRow:
    """Which customer of Stripe an organisation is."""

    org_id: UUID
    customer_id: str | None
    checkout_id: str | None
    checkout_by: UUID | None
    applied_plan: str | None


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A package that was bought, or was about to be."""

    id: UUID
    org_id: UUID
    user_id: UUID
    package_id: str
    credits: Decimal
    amount_minor: int
    currency: str
    state: str
    intent_id: str | None
    checkout_id: str | None
    body_sha256: bytes | None
    refunded_minor: int
    refunds_as_of: datetime | None
    taken_credits: Decimal
    said: str | None
    created_at: datetime
    credited_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A purchase that begins."""

    id: UUID
    org_id: UUID
    user_id: UUID
    package_id: str
    credits: Decimal
    amount_minor: int
    currency: str
    request_key: str | None
    body_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class BoughtRow:
    """A purchase as the members of its organisation see it."""

    id: UUID
    package_id: str
    credits: Decimal
    amount_minor: int
    currency: str
    state: str
    refunded_minor: int
    taken_credits: Decimal
    said: str | None
    buyer: str
    created_at: datetime
    credited_at: datetime | None


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A payment that its payer contests."""

    dispute_id: str
    payment_id: UUID
    amount_minor: int
    status: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription, as Stripe last described it."""

    subscription_id: str
    org_id: UUID
    plan: str
    seats: int
    status: str
    item_id: str
    period_end: datetime
    ends_at_period_end: bool
    schedule_id: str | None
    next_plan: str | None
    next_seats: int | None
    grace_until: datetime | None
    asked_by: UUID | None
    """Who asks for a change of it, or did in the last 15 minutes."""
    gone_at: datetime | None
    """Since when Stripe knows it no more; None: it does."""
    version: int
    created_at: datetime
    is_in_grace: bool
    """Whether the grace after a failed payment still runs."""


_ACCOUNT = "SELECT org_id, customer_id, checkout_id, checkout_by, applied_plan FROM billing_accounts"
_PAYMENT = (
    "SELECT id, org_id, user_id, package_id, credits, amount_minor, currency, state, intent_id, checkout_id, "
    "body_sha256, refunded_minor, refunds_as_of, taken_credits, said, created_at, credited_at "
    "FROM payments"
)
_SUBSCRIPTION = (
    "SELECT subscription_id, org_id, plan, seats, status, item_id, period_end, ends_at_period_end, schedule_id, "
    "next_plan, next_seats, grace_until, gone_at, version, created_at, "
    "CASE WHEN asked_at > assay_now() - interval '15 minutes' THEN asked_by END AS asked_by, "
    "coalesce(grace_until > assay_now(), false) AS is_in_grace "
    "FROM subscriptions"
)


def now(connection: Connection) -> datetime:
    """The database's time, the one clock of money."""
    found: datetime = connection.execute(text("SELECT assay_now()")).scalar_one()
    return found


def managers(connection: Connection, org_id: UUID) -> list[UUID]:
    """Who manages an organisation."""
    statement = text(
        "SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org_id = :org_id "
        "AND m.role IN ('owner', 'admin') AND m.ended_at IS NULL AND u.deactivated_at IS NULL "
        "ORDER BY m.created_at, m.user_id LIMIT 100"
    )
    return list(connection.execute(statement, {"org_id": org_id}).scalars())


def account(connection: Connection, org_id: UUID) -> AccountRow | None:
    """An organisation's account; None where it never bought anything."""
    row = connection.execute(text(f"{_ACCOUNT} WHERE org_id = :org_id"), {"org_id": org_id}).mappings().one_or_none()
    return AccountRow(**row) if row else None


def lock_account(connection: Connection, org_id: UUID) -> AccountRow:
    """An organisation's account, made when missing, and locked until the transaction ends."""
    connection.execute(
        text(
            "INSERT INTO billing_accounts (org_id, created_at) VALUES (:org_id, assay_now()) "
            "ON CONFLICT (org_id) DO NOTHING"
        ),
        {"org_id": org_id},
    )
    statement = text(f"{_ACCOUNT} WHERE org_id = :org_id FOR UPDATE")
    return AccountRow(**connection.execute(statement, {"org_id": org_id}).mappings().one())


def org_of_customer(connection: Connection, customer_id: str) -> UUID | None:
    """Which organisation a customer of Stripe is."""
    statement = text("SELECT org_id FROM billing_accounts WHERE customer_id = :id")
    found: UUID | None = connection.execute(statement, {"id": customer_id}).scalar_one_or_none()
    return found


def org_of_subscription(connection: Connection, subscription_id: str) -> UUID | None:
    """Whose a subscription is that is known."""
    statement = text("SELECT org_id FROM subscriptions WHERE subscription_id = :id")
    found: UUID | None = connection.execute(statement, {"id": subscription_id}).scalar_one_or_none()
    return found


def set_customer(connection: Connection, org_id: UUID, customer_id: str | None) -> None:
    """Keeps which customer an organisation is; what the one before had begun is left."""
    statement = text(
        "UPDATE billing_accounts SET customer_id = :customer_id, checkout_id = NULL, checkout_by = NULL "
        "WHERE org_id = :org_id"
    )
    connection.execute(statement, {"org_id": org_id, "customer_id": customer_id})


def end_checkout(connection: Connection, checkout_id: str) -> None:
    """Forgets the checkout of a subscription that came to one, or to nothing."""
    statement = text(
        "UPDATE billing_accounts SET checkout_id = NULL, checkout_by = NULL WHERE checkout_id = :checkout_id"
    )
    connection.execute(statement, {"checkout_id": checkout_id})


def begin_plan_checkout(connection: Connection, org_id: UUID, checkout_id: str, by: UUID) -> bool:
    """Keeps the checkout of a subscription that is open, and who began it; False where another is open."""
    statement = text(
        "UPDATE billing_accounts SET checkout_id = :checkout_id, checkout_by = :by "
        "WHERE org_id = :org_id AND checkout_id IS NULL"
    )
    return connection.execute(statement, {"org_id": org_id, "checkout_id": checkout_id, "by": by}).rowcount == 1


def set_applied_plan(connection: Connection, org_id: UUID, plan: str | None) -> None:
    """Keeps which plan its subscriptions brought an organisation."""
    statement = text("UPDATE billing_accounts SET applied_plan = :plan WHERE org_id = :org_id")
    connection.execute(statement, {"org_id": org_id, "plan": plan})


def add_payment(connection: Connection, payment: NewPayment) -> bool:
    """Begins a purchase; False where one with this request key is there."""
    done = connection.execute(
        text(
            "INSERT INTO payments (id, org_id, user_id, package_id, credits, amount_minor, currency, state, "
            "request_key, body_sha256, created_at) VALUES (:id, :org_id, :user_id, :package_id, :credits, "
            ":amount_minor, :currency, 'open', :request_key, :body_sha256, assay_now()) "
            "ON CONFLICT (org_id, user_id, request_key) WHERE request_key IS NOT NULL DO NOTHING"
        ),
        {name: getattr(payment, name) for name in NewPayment.__slots__},
    )
    return done.rowcount == 1


def free_request_key(connection: Connection, org_id: UUID, user_id: UUID, key: str, *, age: timedelta) -> None:
    """Frees a key that was used so long ago."""
    connection.execute(
        text(
            "UPDATE payments SET request_key = NULL, body_sha256 = NULL WHERE org_id = :org_id "
            "AND user_id = :user_id AND request_key = :key AND created_at <= assay_now() - :age"
        ),
        {"org_id": org_id, "user_id": user_id, "key": key, "age": age},
    )


def payment_of_request(connection: Connection, org_id: UUID, user_id: UUID, key: str) -> PaymentRow | None:
    """The purchase that was begun with this request key."""
    statement = text(f"{_PAYMENT} WHERE org_id = :org_id AND user_id = :user_id AND request_key = :key")
    found = connection.execute(statement, {"org_id": org_id, "user_id": user_id, "key": key}).mappings().one_or_none()
    return PaymentRow(**found) if found else None


def payment(connection: Connection, payment_id: UUID, *, is_locked: bool = False) -> PaymentRow:
    """A purchase, locked until the transaction ends where that is asked for."""
    statement = text(f"{_PAYMENT} WHERE id = :id" + (" FOR UPDATE" if is_locked else ""))
    return PaymentRow(**connection.execute(statement, {"id": payment_id}).mappings().one())


def payment_by_intent(connection: Connection, intent_id: str) -> UUID | None:
    """The purchase of a payment intent."""
    statement = text("SELECT id FROM payments WHERE intent_id = :id")
    found: UUID | None = connection.execute(statement, {"id": intent_id}).scalar_one_or_none()
    return found


def payment_by_checkout(connection: Connection, checkout_id: str) -> UUID | None:
    """The purchase of a checkout."""
    statement = text("SELECT id FROM payments WHERE checkout_id = :id")
    found: UUID | None = connection.execute(statement, {"id": checkout_id}).scalar_one_or_none()
    return found


def begin_intent(connection: Connection, payment_id: UUID, intent_id: str) -> None:
    """Keeps the intent of a purchase."""
    statement = text("UPDATE payments SET intent_id = :intent_id WHERE id = :id")
    connection.execute(statement, {"id": payment_id, "intent_id": intent_id})


def begin_checkout(connection: Connection, payment_id: UUID, checkout_id: str) -> None:
    """Keeps the checkout of a purchase."""
    statement = text("UPDATE payments SET checkout_id = :checkout_id WHERE id = :id")
    connection.execute(statement, {"id": payment_id, "checkout_id": checkout_id})


def bind_intent(connection: Connection, payment_id: UUID, intent_id: str) -> bool:
    """Keeps with which intent a checkout was paid; False where it was another."""
    statement = text(
        "UPDATE payments SET intent_id = :intent_id WHERE id = :id AND (intent_id IS NULL OR intent_id = :intent_id)"
    )
    return connection.execute(statement, {"id": payment_id, "intent_id": intent_id}).rowcount == 1


def close_payment(connection: Connection, payment_id: UUID, said: str, *, state: str = "closed") -> bool:
    """Ends a purchase that came to nothing, or is refused; False where it is not open. One is refused again."""
    statement = text(
        "UPDATE payments SET state = :state, said = :said, request_key = NULL, "
        "body_sha256 = NULL WHERE id = :id AND state IN ('open', CASE WHEN :state = 'refused' THEN 'refused' END)"
    )
    return connection.execute(statement, {"id": payment_id, "state": state, "said": said}).rowcount == 1


def set_paid(connection: Connection, payment_id: UUID) -> None:
    """A purchase was paid and credited."""
    statement = text("UPDATE payments SET state = 'paid', said = NULL, credited_at = assay_now() WHERE id = :id")
    connection.execute(statement, {"id": payment_id})


def set_refunded(connection: Connection, payment_id: UUID, refunded_minor: int, as_of: datetime) -> None:
    """Keeps how much of a payment was refunded in all, as of that moment."""
    statement = text("UPDATE payments SET refunded_minor = :refunded, refunds_as_of = :as_of WHERE id = :id")
    connection.execute(statement, {"id": payment_id, "refunded": refunded_minor, "as_of": as_of})


def set_taken(connection: Connection, payment_id: UUID, taken: Decimal) -> None:
    """Keeps how many of a payment's credits are taken back."""
    connection.execute(
        text("UPDATE payments SET taken_credits = :taken WHERE id = :id"), {"id": payment_id, "taken": taken}
    )


def put_dispute(connection: Connection, dispute: DisputeRow) -> None:
    """Keeps how a dispute stands."""
    connection.execute(
        text(
            "INSERT INTO payment_disputes (dispute_id, payment_id, amount_minor, status, as_of) VALUES (:dispute_id, "
            ":payment_id, :amount_minor, :status, :as_of) ON CONFLICT (dispute_id) DO UPDATE SET "
            "amount_minor = excluded.amount_minor, status = excluded.status, as_of = excluded.as_of"
        ),
        {name: getattr(dispute, name) for name in DisputeRow.__slots__},
    )


def disputes(connection: Connection, payment_id: UUID) -> list[DisputeRow]:
    """The disputes about a payment."""
    rows = connection.execute(
        text(
            "SELECT dispute_id, payment_id, amount_minor, status, as_of FROM payment_disputes "
            "WHERE payment_id = :id ORDER BY dispute_id LIMIT 100"
        ),
        {"id": payment_id},
    ).mappings()
    return [DisputeRow(**row) for row in rows]


def take_open_payments(connection: Connection, *, after: timedelta, most: int) -> list[PaymentRow]:
    """Purchases that are open since so long, those first of which Stripe was not asked for longest; it is asked now.

    The next time is after a tenth of the purchase's age, so that old ones keep nobody waiting.
    """
    rows = connection.execute(
        text(
            "WITH taken AS (UPDATE payments SET asked_at = assay_now() WHERE id IN (SELECT id FROM payments "  # noqa: S608 (a constant)
            "WHERE state = 'open' AND created_at <= assay_now() - :after "
            "AND (intent_id IS NOT NULL OR checkout_id IS NOT NULL) "
            "AND (asked_at IS NULL OR asked_at <= assay_now() - (assay_now() - created_at) / 10) "
            "ORDER BY asked_at NULLS FIRST, created_at LIMIT :most FOR UPDATE SKIP LOCKED) "
            f"RETURNING id) {_PAYMENT} WHERE id IN (SELECT id FROM taken) ORDER BY created_at, id"
        ),
        {"after": after, "most": most},
    ).mappings()
    return [PaymentRow(**row) for row in rows]


def open_payments_of(connection: Connection, org_id: UUID, *, most: int) -> list[PaymentRow]:
    """An organisation's purchases that are open, the newest first."""
    rows = connection.execute(
        text(
            f"{_PAYMENT} WHERE org_id = :org_id AND state = 'open' AND (intent_id IS NOT NULL "
            "OR checkout_id IS NOT NULL) ORDER BY created_at DESC, id LIMIT :most"
        ),
        {"org_id": org_id, "most": most},
    ).mappings()
    return [PaymentRow(**row) for row in rows]


def forget_requests(connection: Connection, *, age: timedelta) -> None:
    """Frees request keys that were used so long ago, and forgets what their answers held."""
    statement = text(
        "UPDATE payments SET request_key = NULL, body_sha256 = NULL WHERE state <> 'open' "
        "AND created_at < assay_now() - :age AND request_key IS NOT NULL"
    )
    connection.execute(statement, {"age": age})


def close_forgotten(connection: Connection, *, age: timedelta, said: str) -> int:
    """Ends purchases that were begun so long ago, and for which Stripe was never asked; says how many."""
    statement = text(
        "UPDATE payments SET state = 'closed', said = :said, request_key = NULL, body_sha256 = NULL "
        "WHERE state = 'open' AND created_at < assay_now() - :age AND intent_id IS NULL AND checkout_id IS NULL"
    )
    return connection.execute(statement, {"age": age, "said": said}).rowcount


def bought(connection: Connection, *, most: int) -> list[BoughtRow]:
    """The bound organisation's purchases that came to something, the newest first; for the app role."""
    rows = connection.execute(
        text(
            "SELECT p.id, p.package_id, p.credits, p.amount_minor, p.currency, p.state, p.refunded_minor, "
            "p.taken_credits, p.said, coalesce(u.name, '') AS buyer, p.created_at, p.credited_at FROM payments p "
            "LEFT JOIN users u ON u.id = p.user_id WHERE p.org_id = bound_org() AND p.state IN ('paid', 'refused') "
            "ORDER BY p.created_at DESC, p.id LIMIT :most"
        ),
        {"most": most},
    ).mappings()
    return [BoughtRow(**row) for row in rows]


def subscription(connection: Connection, subscription_id: str, *, is_locked: bool = False) -> SubscriptionRow | None:
    """A subscription, locked until the transaction ends where that is asked for."""
    statement = text(f"{_SUBSCRIPTION} WHERE subscription_id = :id" + (" FOR UPDATE" if is_locked else ""))
    row = connection.execute(statement, {"id": subscription_id}).mappings().one_or_none()
    return SubscriptionRow(**row) if row else None


def subscriptions(connection: Connection, org_id: UUID) -> list[SubscriptionRow]:
    """An organisation's subscriptions, the newest first; for either role."""
    statement = text(f"{_SUBSCRIPTION} WHERE org_id = :org_id ORDER BY created_at DESC, subscription_id LIMIT 50")
    return [SubscriptionRow(**row) for row in connection.execute(statement, {"org_id": org_id}).mappings()]


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What is kept of a subscription as it was read."""

    subscription_id: str
    org_id: UUID
    plan: str
    seats: int
    status: str
    item_id: str
    period_end: datetime
    ends_at_period_end: bool
    schedule_id: str | None
    next_plan: str | None
    next_seats: int | None
    grace_until: datetime | None


def put_subscription(connection: Connection, change: SubscriptionChange) -> None:
    """Keeps how a subscription stands."""
    connection.execute(
        text(
            "INSERT INTO subscriptions (subscription_id, org_id, plan, seats, status, item_id, period_end, "
            "ends_at_period_end, schedule_id, next_plan, next_seats, grace_until, version, created_at, read_at) "
            "VALUES (:subscription_id, :org_id, :plan, :seats, :status, :item_id, :period_end, :ends_at_period_end, "
            ":schedule_id, :next_plan, :next_seats, :grace_until, 1, assay_now(), assay_now()) "
            "ON CONFLICT (subscription_id) DO UPDATE SET plan = excluded.plan, seats = excluded.seats, "
            "status = excluded.status, item_id = excluded.item_id, period_end = excluded.period_end, "
            "ends_at_period_end = excluded.ends_at_period_end, schedule_id = excluded.schedule_id, "
            "next_plan = excluded.next_plan, next_seats = excluded.next_seats, grace_until = excluded.grace_until, "
            "gone_at = NULL, version = subscriptions.version + 1, read_at = excluded.read_at"
        ),
        {name: getattr(change, name) for name in SubscriptionChange.__slots__},
    )


def set_asked(connection: Connection, subscription_id: str, by: UUID | None) -> None:
    """Keeps who asks for a change of a subscription from now on; None: nobody."""
    statement = text(
        "UPDATE subscriptions SET asked_by = :by, asked_at = CASE WHEN CAST(:by AS uuid) IS NOT NULL "
        "THEN assay_now() END WHERE subscription_id = :id"
    )
    connection.execute(statement, {"id": subscription_id, "by": by})


def set_gone(connection: Connection, subscription_id: str) -> None:
    """Keeps that Stripe knows a subscription no more."""
    statement = text(
        "UPDATE subscriptions SET gone_at = coalesce(gone_at, assay_now()), read_at = assay_now() "
        "WHERE subscription_id = :id AND status <> 'canceled'"
    )
    connection.execute(statement, {"id": subscription_id})


def end_subscription(connection: Connection, subscription_id: str) -> bool:
    """Ends a subscription that Stripe knows no more, once its period is over; False where it is not, or has ended."""
    statement = text(
        "UPDATE subscriptions SET status = 'canceled', ends_at_period_end = false, next_plan = NULL, "
        "next_seats = NULL, schedule_id = NULL, grace_until = NULL, version = version + 1, read_at = assay_now() "
        "WHERE subscription_id = :id AND status <> 'canceled' AND period_end <= assay_now()"
    )
    return connection.execute(statement, {"id": subscription_id}).rowcount == 1


def remember_prices(connection: Connection, prices: Mapping[str, str]) -> None:
    """Keeps which plan each price is that is sold now, by the price."""
    statement = text(
        "INSERT INTO plan_prices (price_id, plan) VALUES (:price_id, :plan) ON CONFLICT (price_id) "
        "DO UPDATE SET plan = excluded.plan WHERE plan_prices.plan <> excluded.plan"
    )
    if prices:
        connection.execute(statement, [{"price_id": price_id, "plan": plan} for price_id, plan in prices.items()])


def plan_prices(connection: Connection) -> dict[str, str]:
    """The plan of every price that is or was sold."""
    return {row.price_id: row.plan for row in connection.execute(text("SELECT price_id, plan FROM plan_prices"))}


def say_of_prices(connection: Connection, said: Mapping[str, str]) -> None:
    """Keeps how prices differ from their plans; of all others nothing is said any more."""
    connection.execute(text("UPDATE plan_prices SET said = NULL WHERE said IS NOT NULL"))
    for price_id, words in said.items():
        statement = text("UPDATE plan_prices SET said = :said WHERE price_id = :id")
        connection.execute(statement, {"id": price_id, "said": words})


def prices_said(connection: Connection) -> list[str]:
    """How prices differ from their plans."""
    statement = text("SELECT said FROM plan_prices WHERE said IS NOT NULL ORDER BY plan, price_id")
    return list(connection.execute(statement).scalars())


def paying_twice(connection: Connection, *, most: int) -> list[UUID]:
    """Organisations with more than one subscription that lives."""
    statement = text(
        "SELECT org_id FROM subscriptions WHERE status IN ('active', 'trialing', 'past_due') AND gone_at IS NULL "
        "GROUP BY org_id HAVING count(*) > 1 ORDER BY org_id LIMIT :most"
    )
    return list(connection.execute(statement, {"most": most}).scalars())


def count_gone(connection: Connection) -> int:
    """How many subscriptions Stripe knows no more that bring their plans still."""
    statement = text(
        "SELECT count(*) FROM subscriptions WHERE status IN ('active', 'trialing', 'past_due') AND gone_at IS NOT NULL"
    )
    return int(connection.execute(statement).scalar_one())


def over_grace(connection: Connection, *, most: int) -> list[SubscriptionRow]:
    """Subscriptions whose grace after a failed payment is over, and still bring their plan."""
    rows = connection.execute(
        text(
            f"{_SUBSCRIPTION} WHERE grace_until <= assay_now() AND status = 'past_due' AND (org_id, plan) IN "  # noqa: S608 (a constant)
            "(SELECT a.org_id, a.applied_plan FROM billing_accounts a) "
            "ORDER BY grace_until, subscription_id LIMIT :most"
        ),
        {"most": most},
    ).mappings()
    return [SubscriptionRow(**row) for row in rows]


def unread(connection: Connection, *, age: timedelta, most: int) -> list[str]:
    """Subscriptions whose period ended so long ago, or that Stripe knew no more, and that were not read since."""
    statement = text(
        "SELECT subscription_id FROM subscriptions WHERE status IN ('active', 'trialing', 'past_due') "
        "AND (period_end < assay_now() - :age OR gone_at IS NOT NULL) AND read_at < assay_now() - :age "
        "ORDER BY read_at LIMIT :most"
    )
    return list(connection.execute(statement, {"age": age, "most": most}).scalars())


def seats_bought(connection: Connection, org_id: UUID) -> int | None:
    """The seats of the subscription that brings an organisation its plan; None where none does."""
    statement = text(
        "SELECT max(s.seats) FROM subscriptions s JOIN billing_accounts a ON a.org_id = s.org_id "
        "JOIN organisations o ON o.id = s.org_id AND o.plan = a.applied_plan "
        "WHERE s.org_id = :org_id AND s.plan = a.applied_plan AND s.status IN ('active', 'trialing', 'past_due')"
    )
    found: int | None = connection.execute(statement, {"org_id": org_id}).scalar_one_or_none()
    return found
