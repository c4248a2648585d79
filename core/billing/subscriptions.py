"""Subscriptions to plans: begun on Stripe's hosted checkout, then changed, ended and taken up again from here.

What costs more a month takes effect at once, and the share of the running period is billed; what costs less takes
effect when the period ends. The subscription itself is Stripe's: each of these asks Stripe, then reads what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from core.accounts.permissions import Action, require
from core.billing.customers import Customers
from core.billing.fences import fenced
from core.billing.offers import FREE, Offers
from core.billing.stripe_api import GoneAtStripe, Line, PaymentsUnavailable, StripeApi
from core.billing.stripe_facts import LIVE, SubscriptionFacts
from core.billing.subscription_sync import SubscriptionSync
from core.db import billing_dao as dao
from core.db import people_dao
from core.db.billing_dao import SubscriptionRow
from core.db.engine import Database
from core.errors import AssayError, Conflict, InvalidRequest
from core.ids import new_id
from core.metering.plans import Plan
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal

MAX_PREVIEW_AGE_S = 3_600
"""So old a preview may be, for the change to cost what it said."""
_UNPAID = frozenset({"past_due", "unpaid", "paused"})
_NONE = "There is no subscription to change."
_JUST_BEGUN = "Your subscription has just begun."
_PAY_FIRST = "The last payment of the subscription failed. Pay it or change the card first, under Manage payment."


Effect = Literal["checkout", "now", "later", "ends", "stays"]


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """What a change would do."""

    plan: str
    seats: int
    effect: Effect
    """How it comes about: by a first payment on the checkout, at once, or when the period ends; `ends`: back to Free;
    `stays`: a change that was to come is taken back."""
    takes_effect_at: datetime | None
    """When the period ends; None: at once."""
    due_usd: Decimal
    """What is paid at once, before tax; below zero it is credited to the next invoices."""
    monthly_usd: Decimal
    """What is paid a month from then on, before tax."""
    at: int | None
    """The moment the share of the period was reckoned for, in seconds since 1970: to be given back with the change."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a change."""

    checkout_url: str | None
    """Where it goes on; None: it is done."""
    subscription: SubscriptionRow | None


class Subscriptions:
    """The subscription of an organisation; managers change it."""

    def __init__(
        self,
        database: Database,
        api: StripeApi,
        offers: Offers,
        customers: Customers,
        sync: SubscriptionSync,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._api = api
        self._offers = offers
        self._customers = customers
        self._sync = sync
        self._now_s = now_s

    def current(self, principal: Principal) -> SubscriptionRow | None:
        """The organisation's subscription; None where it has none that is not over."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return _current(dao.subscriptions(connection, principal.org_id))

    def preview(self, principal: Principal, plan: str, seats: int | None = None) -> ChangePreview:
        """What a change to that plan would do and cost. The seats stay where none are named.

        Raises:
            Forbidden: not a manager.
            InvalidRequest: no such plan, or nothing would change.
            Conflict: a payment is due first.
            NotConfigured, PaymentsUnavailable: Stripe cannot be asked.
        """
        row, wanted, seats = self._asked(principal, plan, seats)
        try:
            return self._preview(row, wanted, seats)
        except GoneAtStripe:
            if row is not None:
                self._sync.read(row.subscription_id)
            raise

    def change(self, principal: Principal, plan: str, seats: int | None = None, *, at: int | None = None) -> Changed:
        """Changes the plan or the seats, as the preview said; `at` is the preview's.

        Raises:
            PaymentDeclined: the share of the period was not paid; nothing is changed.
            Forbidden, InvalidRequest, Conflict, NotConfigured, PaymentsUnavailable: as `preview`.
        """
        row, wanted, chosen = self._asked(principal, plan, seats)
        if row is None:
            self._effect(None, wanted, chosen)
            self._look_for_gone(principal)
            return Changed(self._begin(principal, wanted, chosen), None)
        facts = self._sync.read(row.subscription_id)
        row, wanted, chosen = self._asked(principal, plan, seats)  # by what was read
        if row is None or row.subscription_id != facts.id:
            raise Conflict("The subscription has changed at this moment. Look at it again.")
        effect = self._effect(row, wanted, chosen)
        with self._asking(principal, row):
            if effect == "stays":
                self._forget(facts)
            elif effect == "ends":
                self._end(facts)
            elif effect == "now":
                self._change_now(facts, Line(self._offers.price_id(wanted), chosen), at)
            else:
                self._change_later(facts, Line(self._offers.price_id(wanted), chosen))
        return Changed(None, self.current(principal))

    def set_seats(self, principal: Principal, seats: int) -> Changed:
        """Changes the seats of the plan that the organisation has: more at once, fewer when the period ends.

        Raises:
            Forbidden, InvalidRequest, Conflict, PaymentDeclined, NotConfigured, PaymentsUnavailable: as `change`.
        """
        return self.change(principal, self._required(principal).plan, seats)

    def cancel(self, principal: Principal) -> Changed:
        """Lets the subscription end with its period; the plan stays until then.

        Raises:
            Forbidden, InvalidRequest, NotConfigured, PaymentsUnavailable: as `preview`.
        """
        row = self._required(principal)
        with self._asking(principal, row):
            self._end(self._sync.read(row.subscription_id))
        return Changed(None, self.current(principal))

    def resume(self, principal: Principal) -> Changed:
        """Takes back an end, or a change, that was to come.

        Raises:
            InvalidRequest: nothing was to come.
            Forbidden, NotConfigured, PaymentsUnavailable: as `preview`.
        """
        row = self._required(principal)
        facts = self._sync.read(row.subscription_id)
        if not facts.ends_at_period_end and facts.next_price_id is None:
            raise InvalidRequest("The subscription goes on as it is; there is nothing to take back.")
        with self._asking(principal, row):
            self._forget(facts)
            if facts.ends_at_period_end:
                self._api.set_ending(facts.id, ends=False)
        return Changed(None, self.current(principal))

    def portal(self, principal: Principal) -> str:
        """The address of the organisation's own pages at Stripe: card, invoices, address. Good for a short while.

        Raises:
            InvalidRequest: nothing was ever bought.
            Forbidden, NotConfigured, PaymentsUnavailable: as `preview`.
        """
        require(principal, Action.BUY)
        if self._customers.known(principal.org_id) is None:
            raise InvalidRequest("There is nothing to manage yet: nothing was ever bought here.")
        customer_id, url = self._customers.ask(
            principal, lambda known: (known, self._api.portal(known, back_url=self._customers.back_url))
        )
        with self._database.service() as connection:
            subject = Subject("customer", customer_id)
            Audit.record(connection, audit_principal(principal, AuditAction.PORTAL_OPENED, subject))
        return url

    def look_again(self, principal: Principal) -> None:
        """Reads at Stripe what became of a checkout that was begun, or else of the subscription."""
        require(principal, Action.BUY)
        with self._database.service() as connection:
            account = dao.account(connection, principal.org_id)
            row = _current(dao.subscriptions(connection, principal.org_id))
        if account is not None and account.checkout_id is not None:
            self._finish_checkout(account.checkout_id)
        elif row is not None:
            self._sync.read(row.subscription_id)

    def _asked(self, principal: Principal, plan: str, seats: int | None) -> tuple[SubscriptionRow | None, Plan, int]:
        """The subscription, the plan that is asked for, and its seats."""
        require(principal, Action.BUY)
        wanted = self._offers.plan(plan)
        with self._database.service() as connection:
            row = _current(dao.subscriptions(connection, principal.org_id))
            members = people_dao.count_members(connection, principal.org_id)
        if row is not None and row.status in _UNPAID:
            raise Conflict(_PAY_FIRST)
        if wanted.name == FREE:
            return row, wanted, 1
        self._offers.price_id(wanted)
        if not self._offers.has_seats(wanted):
            return row, wanted, self._offers.checked_seats(wanted, 1 if seats is None else seats)
        stay = row.seats if row is not None and row.plan == wanted.name else max(1, members)
        chosen = self._offers.checked_seats(wanted, stay if seats is None else seats)
        if chosen < members:
            raise InvalidRequest(f"Your organisation has {members} members; it takes at least as many seats.")
        return row, wanted, chosen

    def _effect(self, row: SubscriptionRow | None, wanted: Plan, seats: int) -> Effect:
        if row is None:
            if wanted.name == FREE:
                raise InvalidRequest(_NONE)
            return "checkout"
        if wanted.name == FREE:
            if row.ends_at_period_end:
                raise InvalidRequest("The subscription ends with its period already.")
            return "ends"
        if (wanted.name, seats) == (row.plan, row.seats):
            if row.next_plan is None:
                raise InvalidRequest(f"Your organisation is on the plan {wanted.label} with these seats already.")
            return "stays"
        if (wanted.name, seats) == (row.next_plan, row.next_seats):
            raise InvalidRequest("This change is to come already, when the period ends.")
        costs_now = self._offers.monthly_usd(self._offers.plan(row.plan), row.seats)
        return "now" if self._offers.monthly_usd(wanted, seats) > costs_now else "later"

    def _preview(self, row: SubscriptionRow | None, wanted: Plan, seats: int) -> ChangePreview:
        effect, monthly = self._effect(row, wanted, seats), (wanted.price_usd or Decimal(0)) * seats
        due, at, when = Decimal(0), None, None
        if effect == "checkout":
            due = monthly
        elif row is not None and effect == "now":
            at = int(self._now_s())
            line = Line(self._offers.price_id(wanted), seats)
            due = Decimal(self._api.preview(row.subscription_id, row.item_id, line, at=at).due_minor) / 100
        elif row is not None and effect in ("later", "ends"):
            when = row.period_end
        return ChangePreview(wanted.name, seats, effect, when, due, monthly, at)

    def _begin(self, principal: Principal, wanted: Plan, seats: int) -> str:
        """A checkout of a first subscription; none is begun while another could still be paid, or was."""
        self._end_checkout(principal)
        line = Line(self._offers.price_id(wanted), seats)
        made = self._customers.ask(
            principal,
            lambda customer_id: self._api.sell_plan(
                line=line, customer_id=customer_id, back_url=self._customers.back_url
            ),
        )
        with self._database.service() as connection:
            dao.lock_account(connection, principal.org_id)
            has_begun = _current(dao.subscriptions(connection, principal.org_id)) is not None
            is_first = not has_begun and dao.begin_plan_checkout(
                connection, principal.org_id, made.id, principal.user_id
            )
            if is_first:
                after = {"plan": wanted.name, "seats": seats}
                subject = Subject("checkout", made.id)
                Audit.record(connection, audit_principal(principal, AuditAction.CHECKOUT_BEGUN, subject, after=after))
        if is_first and made.url is not None:
            return made.url
        with suppress(GoneAtStripe, InvalidRequest):
            self._api.expire_checkout(made.id)
        raise Conflict(_JUST_BEGUN if has_begun else "Somebody else of your organisation is buying a plan just now.")

    def _look_for_gone(self, principal: Principal) -> None:
        """Asks once more for subscriptions that Stripe knew no more: a wrong key may have been set.

        Raises:
            Conflict: Stripe knows one again.
        """
        with self._database.service() as connection:
            rows = dao.subscriptions(connection, principal.org_id)
        for row in rows:
            if row.gone_at is not None and row.status in LIVE:
                with suppress(GoneAtStripe):
                    self._sync.read(row.subscription_id)
                    raise Conflict("Stripe knows your subscription again, and it goes on. Look at it anew.")

    def _end_checkout(self, principal: Principal) -> None:
        """Sees to it that nobody can pay the checkout that is open.

        Raises:
            Conflict: somebody just did.
        """
        with self._database.service() as connection:
            account = dao.account(connection, principal.org_id)
        if account is None or account.checkout_id is None:
            return
        with suppress(GoneAtStripe, InvalidRequest):  # it is over, or paid: what is read then says which
            self._api.expire_checkout(account.checkout_id)
        self._finish_checkout(account.checkout_id)
        if self.current(principal) is not None:
            raise Conflict(_JUST_BEGUN)

    def _finish_checkout(self, checkout_id: str) -> None:
        """Reads the subscription of a checkout that is complete; one that is no longer open is forgotten."""
        found = None
        with suppress(GoneAtStripe):
            found = self._api.checkout(checkout_id)
        if found is not None and found.status == "open":
            return
        if found is not None and found.subscription_id is not None:
            self._sync.read(found.subscription_id)
        self._customers.checkout_ended(checkout_id)

    def _required(self, principal: Principal) -> SubscriptionRow:
        require(principal, Action.BUY)
        with self._database.service() as connection:
            row = _current(dao.subscriptions(connection, principal.org_id))
        if row is None:
            raise InvalidRequest(_NONE)
        return row

    def _change_now(self, facts: SubscriptionFacts, line: Line, at: int | None) -> None:
        now = self._now_s()
        if at is not None and not now - MAX_PREVIEW_AGE_S <= at <= now + 60:
            raise InvalidRequest("The preview is out of date. Look at it again.")
        self._forget(facts)
        try:
            self._api.change_now(facts.id, facts.item_id, line, at=at, key=f"assay-change-{new_id()}")
        except PaymentsUnavailable:  # it may have been done
            raise
        except AssayError:
            fenced(f"The change that was to come of {facts.id}", lambda: self._plan_again(facts))
            raise

    def _plan_again(self, facts: SubscriptionFacts) -> None:
        """Lets the change come that was to come before."""
        if facts.next_price_id is not None:
            self._change_later(replace(facts, schedule_id=None), Line(facts.next_price_id, facts.next_seats or 1))
        self._sync.read(facts.id)

    def _change_later(self, facts: SubscriptionFacts, line: Line) -> None:
        if facts.ends_at_period_end:
            self._api.set_ending(facts.id, ends=False)
        self._api.change_later(facts, line, key=f"assay-schedule-{new_id()}")

    def _end(self, facts: SubscriptionFacts) -> None:
        self._forget(facts)
        if not facts.ends_at_period_end:
            self._api.set_ending(facts.id, ends=True)

    def _forget(self, facts: SubscriptionFacts) -> None:
        if facts.schedule_id is not None:
            with suppress(GoneAtStripe):
                self._api.forget_change(facts.schedule_id)

    @contextmanager
    def _asking(self, principal: Principal, row: SubscriptionRow) -> Iterator[None]:
        """Asks Stripe for a change, and reads what came of it; who asks is known to Stripe's event, too."""
        self._set_asked(row, principal)
        try:
            yield
            self._sync.read(row.subscription_id, by=principal.user_id)
        except PaymentsUnavailable:  # it may have been done, and Stripe's event tells
            raise
        except AssayError:
            self._set_asked(row, None)
            raise
        self._set_asked(row, None)

    def _set_asked(self, row: SubscriptionRow, by: Principal | None) -> None:
        with self._database.service() as connection:
            dao.set_asked(connection, row.subscription_id, by.user_id if by else None)


def _current(rows: list[SubscriptionRow]) -> SubscriptionRow | None:
    """The one that counts: the newest of those that Stripe knows and that live, or else could live again."""
    living = [row for row in rows if row.status in LIVE and row.gone_at is None]
    stopped = [row for row in rows if row.status in _UNPAID and row.gone_at is None]
    return next(iter([*living, *stopped]), None)
