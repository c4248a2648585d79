"""Subscriptions as Stripe has them, and the plan that they bring.

Events about a subscription come in any order, so none is believed for what it says: each is a reason to read the
subscription anew. Of two readings at once the later to be kept is made again, by a version in the row, so that an older
one never overwrites a newer one; no transaction is open while Stripe is asked.

Which plan a subscription brings is decided by its price: one that is sold now, or that was. Who asked for a change is
kept while it is asked for, so that the audit log names them even where Stripe's event is here before Stripe's answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from core.billing.fences import each_fenced
from core.billing.offers import FREE, Offers
from core.billing.stripe_api import GoneAtStripe, StripeApi
from core.billing.stripe_facts import LIVE, OVER, SubscriptionFacts
from core.billing.telling import Telling
from core.db import billing_dao as dao
from core.db import people_dao
from core.db.billing_dao import SubscriptionChange, SubscriptionRow
from core.db.engine import Database, Transaction
from core.errors import AssayError, Conflict, NotConfigured
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject, changed

READINGS = 5
"""How often a subscription is read anew because another reading came between."""
AT_ONCE = 100
UNREAD_AFTER = timedelta(hours=1)
"""So long after a period's end Stripe has told of the next; where it has not, it is asked."""


GONE = (
    "Stripe knows this subscription no more. Its plan stays until the paid period ends; "
    "choose a plan to begin a new one."
)


class NotOurs(AssayError):
    """The subscription is of a customer who is none of ours."""

    title = "Of an unknown customer"


@dataclass(frozen=True, slots=True)
class _Read:
    """A reading, and what was known before it."""

    facts: SubscriptionFacts
    version: int | None
    """Of the row; None: there was none."""
    prices: Mapping[str, str]
    """The plan of each price."""
    by: UUID | None
    """Who asked for what is read; None: nobody here did, as far as is known."""


class SubscriptionSync:
    """Keeps subscriptions, and the plans of organisations, as Stripe has them."""

    def __init__(
        self, database: Database, api: StripeApi, offers: Offers, telling: Telling, *, grace: timedelta
    ) -> None:
        self._database = database
        self._api = api
        self._offers = offers
        self._telling = telling
        self._grace = grace

    def read(self, subscription_id: str, *, by: UUID | None = None) -> SubscriptionFacts:
        """Reads a subscription at Stripe, and keeps it and what follows from it; `by` asked for what has changed.

        Raises:
            NotOurs: its customer is unknown.
            PaymentsUnavailable, GoneAtStripe, NotConfigured: it could not be read.
        """
        for _ in range(READINGS):
            with self._database.service() as connection:
                before = dao.subscription(connection, subscription_id)
                prices = dao.plan_prices(connection)
            prices |= {price_id: plan for plan, price_id in self._offers.price_ids.items()}
            facts = self._asked_for(subscription_id, prices)
            asker = by or (before.asked_by if before else self._who_began(facts))
            read = _Read(facts, before.version if before else None, prices, asker)
            with self._database.service() as connection:
                if self._keep(connection, read):
                    return read.facts
        raise Conflict("This subscription changes at the moment. Look again in a minute.")

    def _asked_for(self, subscription_id: str, prices: Mapping[str, str]) -> SubscriptionFacts:
        """What Stripe says of a subscription; that it knows it no more is kept."""
        try:
            return self._api.subscription(subscription_id, prices)
        except GoneAtStripe:
            with self._database.service() as connection:
                dao.set_gone(connection, subscription_id)
            raise GoneAtStripe(GONE) from None

    def end_grace(self) -> None:
        """Lets plans fall back to Free whose payment was not made in time.

        Raises:
            NotAllDone: some could not.
        """
        with self._database.service() as connection:
            rows = dao.over_grace(connection, most=AT_ONCE)
        each_fenced(
            (f"The end of the grace of {row.subscription_id}", partial(self._fall_back, row.org_id)) for row in rows
        )

    def read_unread(self) -> None:
        """Reads subscriptions that Stripe should have told of, and has not, and those that it knew no more.

        Raises:
            NotAllDone: some could not be read.
        """
        with self._database.service() as connection:
            unread = dao.unread(connection, age=UNREAD_AFTER, most=AT_ONCE)
        each_fenced((f"The reading of {each}", partial(self._read_or_end, each)) for each in unread)

    def _fall_back(self, org_id: UUID) -> None:
        with self._database.service() as connection:
            self._entitle(connection, org_id, None)

    def _read_or_end(self, subscription_id: str) -> None:
        """Reads a subscription; one that Stripe knows no more ends with the period that was paid."""
        try:
            self.read(subscription_id)
        except GoneAtStripe:
            with self._database.service() as connection:
                org_id = dao.org_of_subscription(connection, subscription_id)
                if org_id is None:
                    return
                dao.lock_account(connection, org_id)
                before = dao.subscription(connection, subscription_id, is_locked=True)
                if before is not None and dao.end_subscription(connection, subscription_id):
                    differences = ({"status": before.status}, {"status": "canceled"})
                    subject = Subject("subscription", subscription_id)
                    Audit.record(
                        connection, _event(org_id, AuditAction.SUBSCRIPTION_CHANGED, subject, differences, None)
                    )
                    self._entitle(connection, org_id, None)

    def _who_began(self, facts: SubscriptionFacts) -> UUID | None:
        """Who began the checkout that a subscription came of, of which nothing is known yet."""
        with self._database.service() as connection:
            org_id = dao.org_of_customer(connection, facts.customer_id)
            account = dao.account(connection, org_id) if org_id else None
        if account is not None and account.checkout_id is not None:
            with suppress(GoneAtStripe):
                if self._api.checkout(account.checkout_id).subscription_id == facts.id:
                    return account.checkout_by
        return None

    def _keep(self, connection: Transaction, read: _Read) -> bool:
        """Keeps a reading; False where another was kept since it began."""
        facts = read.facts
        org_id = dao.org_of_customer(connection, facts.customer_id) or dao.org_of_subscription(connection, facts.id)
        if org_id is None:
            raise NotOurs("The subscription is of a customer who is none of ours.")
        # The account's row is there where the subscription's may not be yet: two first readings wait for one another.
        dao.lock_account(connection, org_id)
        before = dao.subscription(connection, facts.id, is_locked=True)
        if (before.version if before else None) != read.version:
            return False
        change = self._change(connection, org_id, read, before)
        dao.put_subscription(connection, change)
        self._tell(connection, before, change)
        _record(connection, before, change, read.by)
        self._entitle(connection, org_id, read.by)
        return True

    def _change(
        self, connection: Transaction, org_id: UUID, read: _Read, before: SubscriptionRow | None
    ) -> SubscriptionChange:
        facts, prices = read.facts, read.prices
        following = _plan_of(prices, facts.next_price_id, None) if facts.next_price_id else None
        return SubscriptionChange(
            subscription_id=facts.id,
            org_id=org_id,
            plan=_plan_of(prices, facts.price_id, before.plan if before and facts.status in OVER else None),
            seats=facts.seats,
            status=facts.status,
            item_id=facts.item_id,
            period_end=facts.period_end,
            ends_at_period_end=facts.ends_at_period_end and facts.status not in OVER,
            schedule_id=facts.schedule_id,
            next_plan=following,
            next_seats=facts.next_seats if following else None,
            grace_until=self._grace_until(connection, facts, before),
        )

    def _grace_until(
        self, connection: Transaction, facts: SubscriptionFacts, before: SubscriptionRow | None
    ) -> datetime | None:
        if facts.status != "past_due":
            return None
        if before is not None and before.grace_until is not None:
            return before.grace_until
        return dao.now(connection) + self._grace

    def _tell(self, connection: Transaction, before: SubscriptionRow | None, change: SubscriptionChange) -> None:
        had_failed = before is not None and before.grace_until is not None
        if change.grace_until is not None and not had_failed:
            label = self._offers.plan(change.plan).label
            self._telling.payment_failed(connection, change.org_id, label, change.grace_until)
        elif before is not None and had_failed and change.status == "active":
            self._telling.payment_recovered(connection, before)
        if change.status in LIVE and (before is None or before.status not in LIVE):
            rows = dao.subscriptions(connection, change.org_id)
            living = [row for row in rows if row.status in LIVE and row.gone_at is None]
            if len(living) > 1:
                self._telling.paid_twice(connection, change.org_id, len(living))

    def _entitle(self, connection: Transaction, org_id: UUID, by: UUID | None) -> None:
        """Puts an organisation on the plan that its subscriptions bring, as soon as that is another than before.

        What an operator set in between stays: only what a subscription brought is taken with it.
        """
        account = dao.lock_account(connection, org_id)
        rows = [row for row in dao.subscriptions(connection, org_id) if _brings_plan(row)]
        best = max(rows, key=lambda row: self._offers.monthly_usd(self._offers.plan(row.plan), 1), default=None)
        plan, applied = best.plan if best else None, account.applied_plan
        if plan == applied:
            return
        dao.set_applied_plan(connection, org_id, plan)
        organisation = people_dao.lock_organisation(connection, org_id)
        wanted = plan or (FREE if organisation.plan == applied else organisation.plan)
        if wanted == organisation.plan:
            return
        people_dao.set_plan(connection, org_id, wanted)
        subject = Subject("organisation", str(org_id))
        before, after = {"plan": organisation.plan}, {"plan": wanted}
        Audit.record(connection, _event(org_id, AuditAction.PLAN_SET, subject, (before, after), by))
        if plan is not None:
            self._telling.plan_began(connection, org_id, self._offers.plan(plan).label)
        else:
            is_unpaid = any(row.status in ("past_due", "unpaid") for row in dao.subscriptions(connection, org_id))
            label = self._offers.plan(organisation.plan).label
            self._telling.plan_ended(connection, org_id, label, is_unpaid=is_unpaid)


def _plan_of(prices: Mapping[str, str], price_id: str, otherwise: str | None) -> str:
    """The plan of a price.

    Raises:
        NotConfigured: it is of none, and there is no other.
    """
    plan = prices.get(price_id, otherwise)
    if plan is None:
        raise NotConfigured("A subscription has a price that is no plan's. Check STRIPE_PRICE_… of each plan.")
    return plan


def _brings_plan(row: SubscriptionRow) -> bool:
    return row.status in LIVE and (row.grace_until is None or row.is_in_grace)


Differences = tuple[Mapping[str, Any], Mapping[str, Any]]
_TOLD = ("plan", "seats", "status", "ends_at_period_end", "next_plan", "next_seats")


def _record(
    connection: Transaction, before: SubscriptionRow | None, change: SubscriptionChange, by: UUID | None
) -> None:
    was = {name: getattr(before, name) for name in _TOLD} if before else {}
    differences = changed(was, {name: getattr(change, name) for name in _TOLD})
    if not differences[1]:
        return
    action = AuditAction.SEATS_CHANGED if set(differences[1]) == {"seats"} else AuditAction.SUBSCRIPTION_CHANGED
    subject = Subject("subscription", change.subscription_id)
    Audit.record(connection, _event(change.org_id, action, subject, differences, by))


def _event(
    org_id: UUID,
    action: AuditAction,
    subject: Subject,
    differences: Differences,
    by: UUID | None,
) -> AuditEvent:
    before, after = differences
    return AuditEvent(org_id, by, "member" if by else "stripe", action, subject, before=before, after=after)
