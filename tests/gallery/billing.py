"""The components of Billing: plans, credits, packages, the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from uuid import uuid5

from core.db.billing_dao import BoughtRow, SubscriptionRow
from core.db.stripe_events_dao import UnsolvedRow
from core.metering.credits import Balance, LedgerEntry
from core.metering.plans import load_plans
from core.metering.pricing import shipped_billing
from core.principal import Principal
from core.settings import DATA
from pages.components import (
    billing_credits,
    billing_events,
    billing_ledger,
    billing_off,
    billing_packages,
    billing_plans,
    billing_subscription,
)
from tests.gallery.samples import NOW, SPACE, principal

ANN = principal("two words", plan="premium")
PLANS = load_plans(DATA / "plans.yaml")
ZONE = "Europe/Berlin"


def off() -> None:
    """Nothing can be bought: for whoever runs the installation, and for others"""
    missing = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"]
    billing_off.show(ANN, missing)
    billing_off.show(ANN, missing[1:])


def plans() -> None:
    """Plans side by side, the own one marked"""
    billing_plans.show("exhibit_plans", ANN, list(PLANS.plans.values()), None, chooses=())


def subscriptions() -> None:
    """Subscriptions: by an operator, paid, ending, unpaid, by the seat"""
    premium, team = PLANS.get("premium"), PLANS.get("team")
    billing_subscription.show("exhibit_none", ANN, premium, None, buys=False)
    billing_subscription.show("exhibit_paid", ANN, premium, _subscription(), buys=False)
    billing_subscription.show("exhibit_ends", ANN, premium, _subscription(ends_at_period_end=True), buys=False)
    unpaid = _subscription(status="past_due", grace_until=NOW + timedelta(days=5), is_in_grace=True)
    billing_subscription.show("exhibit_unpaid", ANN, premium, unpaid, buys=False)
    billing_subscription.show("exhibit_seats", ANN, team, _subscription(plan="team", seats=12), buys=False)


def balances() -> None:
    """Credits there are, with a cap; and credits that are owed"""
    billing_credits.show_balance(_balance("1234.5", held="0.75", cap=Decimal(50)), ZONE)
    billing_credits.show_balance(_balance("-80.000001", overdraft="80.000001"), ZONE)


def packages() -> None:
    """Packages, for who may not buy"""
    billing_packages.show("exhibit_packages", ANN, shipped_billing().packages, can_buy=False)


def purchases() -> None:
    """Purchases: paid, taken back in part and as a whole, and one whose amount does not agree"""
    billing_credits.show_bought(
        [_bought(), _bought(taken="33.3"), _bought(taken="100"), _bought(state="refused", said="500 usd were paid.")],
        ZONE,
    )


def ledger() -> None:
    """The ledger with the balance before and after; and as a member sees their own entries"""
    numbers = count(1)
    moved = [
        ("purchase", "100", "cash", "available", "100", ""),
        ("hold", "1.5", "available", "held", "-1.5", ""),
        ("charge", "0.900001", "held", "revenue", "0", ""),
        ("release", "0.599999", "held", "available", "0.599999", ""),
        ("refund", "40", "available", "cash", "-40", "Dispute dp_1: needs response"),
        ("reversal", "40", "cash", "available", "40", "Dispute dp_1: won"),
        ("grant", "25", "promotion", "available", "25", "<b>Sorry</b> for the [outage](http://evil.example)"),
    ]
    entries = [_entry(next(numbers), each) for each in moved]
    lines = list(_lines(entries))
    billing_ledger.show_lines("exhibit_ledger_all", lines, ZONE)
    billing_ledger.show_lines("exhibit_ledger_own", [billing_ledger.Line(each, None) for each in entries[1:4]], ZONE)


class _Desk:
    """Events of which nothing comes."""

    def run_again(self, principal: Principal, event_id: str) -> None:
        """Nothing is worked on."""

    def set_aside(self, principal: Principal, event_id: str) -> None:
        """Nothing is ended."""


def events() -> None:
    """Events of Stripe that are not solved, with what is the matter; and none"""
    odd = "<b>500</b> usd were paid, 1000 usd [asked](http://evil.example)."
    rows = [
        _event("evt_1", "payment_intent.succeeded", "refused", 1, odd),
        _event("evt_2", "customer.subscription.updated", "failed", 13, "A subscription has a price that is no plan's."),
        _event("evt_3", "invoice.paid", "waiting", 2, "Stripe cannot be reached at the moment."),
    ]
    troubles = ["2 events of Stripe refused or given up", "1 organisation with more than one subscription"]
    billing_events.show("exhibit_events", rows, troubles, _Desk(), ANN, NOW)
    billing_events.show("exhibit_no_events", [], [], _Desk(), ANN, NOW)


def _event(event_id: str, kind: str, state: str, tries: int, said: str) -> UnsolvedRow:
    due_at = NOW + timedelta(minutes=5) if state == "waiting" else None
    return UnsolvedRow(event_id, kind, state, tries, said, NOW - timedelta(hours=3), due_at)


def _lines(entries: list[LedgerEntry]) -> Iterator[billing_ledger.Line]:
    after = sum((entry.change for entry in entries), Decimal(0))
    for entry in reversed(entries):
        yield billing_ledger.Line(entry, after)
        after -= entry.change


def _entry(number: int, moved: tuple[str, str, str, str, str, str]) -> LedgerEntry:
    kind, amount, debit, credit, change, reason = moved
    return LedgerEntry(
        number=number,
        at=NOW + timedelta(minutes=number),
        kind=kind,
        amount=Decimal(amount),
        debit=debit,
        credit=credit,
        change=Decimal(change),
        user_id=ANN.user_id,
        user_name=ANN.name,
        author_id=None,
        author_name=None,
        reason=reason,
        hold_id=None,
        payment=None,
        free_day=None,
    )


def _balance(balance: str, *, held: str = "0", overdraft: str = "0", cap: Decimal | None = None) -> Balance:
    return Balance(
        balance=Decimal(balance),
        available=max(Decimal(balance), Decimal(0)),
        held=Decimal(held),
        overdraft=Decimal(overdraft),
        daily_free=Decimal(10),
        daily_free_remaining=Decimal("7.4"),
        cap_month=cap,
        cap_used=Decimal("12.25"),
        uses_credits=True,
        cap_resets_at=NOW + timedelta(days=9),
    )


def _bought(*, state: str = "paid", taken: str = "0", said: str | None = None) -> BoughtRow:
    return BoughtRow(
        id=uuid5(SPACE, f"{state} {taken}"),
        package_id="starter",
        credits=Decimal(100),
        amount_minor=1000,
        currency="usd",
        state=state,
        refunded_minor=0,
        taken_credits=Decimal(taken),
        said=said,
        buyer=ANN.name,
        created_at=NOW,
        credited_at=NOW,
    )


def _subscription(**changes: object) -> SubscriptionRow:
    values: dict[str, object] = {
        "subscription_id": "sub_1",
        "org_id": ANN.org_id,
        "plan": "premium",
        "seats": 1,
        "status": "active",
        "item_id": "si_1",
        "period_end": NOW + timedelta(days=12),
        "ends_at_period_end": False,
        "schedule_id": None,
        "next_plan": None,
        "next_seats": None,
        "grace_until": None,
        "asked_by": None,
        "gone_at": None,
        "version": 1,
        "created_at": NOW,
        "is_in_grace": False,
    }
    return SubscriptionRow(**{**values, **changes})  # type: ignore[arg-type]  # each of its own type, above
