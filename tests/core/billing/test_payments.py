"""What comes of payments for credits: forged, repeated, reordered and contradictory events included."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.metering.books import audit
from core.principal import Principal, Role
from tests.core.billing.selling import Shop

Event = dict[str, Any]


def test_a_paid_package_is_credited_once_however_often_stripe_says_so(shop: Shop, olga: Principal) -> None:
    intent_id = shop.buy(olga)
    assert shop.balance(olga) == 0
    event = shop.stripe.pay(intent_id)
    for _ in range(3):
        shop.tell(event)
    shop.tell(shop.stripe.event("payment_intent.succeeded", shop.stripe.shown(intent_id)))
    assert shop.balance(olga) == 100
    assert shop.state(event) == ("done", None)
    assert [row.kind for row in shop.workbench.credits.entries(olga)] == ["purchase"]
    assert shop.notices(olga) == ["100 credits have arrived"]


def test_what_one_event_settles_twice_with_other_totals_is_taken_back_in_all(shop: Shop, olga: Principal) -> None:
    intent_id = shop.buy(olga)
    shop.stripe.pay(intent_id)
    shop.tell(shop.stripe.refund(intent_id, 500))  # before it is known that it was paid
    later = shop.stripe.refund(intent_id, 500)
    shop.billing.purchases.look_again(olga)  # reads both refunds at once
    found = shop.rows("SELECT refunded_minor, taken_credits FROM payments WHERE intent_id = %s", intent_id)
    assert (found, shop.balance(olga)) == ([(1000, Decimal(100))], 0)
    shop.tell(later)
    assert shop.balance(olga) == 0


def test_what_is_credited_is_what_was_stored_and_never_what_metadata_says(shop: Shop, olga: Principal) -> None:
    mallory = shop.member("mallory", org="Elsewhere")
    intent_id = shop.buy(olga)
    metadata = {"credits": "1000000", "org_id": str(mallory.org_id), "payment_id": "another"}
    shop.tell(shop.stripe.pay(intent_id, metadata=metadata))
    assert (shop.balance(olga), shop.balance(mallory)) == (100, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount_received": 999}, "999 usd were paid, 1000 usd asked."),
        ({"amount_received": 100_000}, "100000 usd were paid"),
        ({"amount_received": -1000}, "-1000 usd were paid"),
        ({"currency": "jpy"}, "1000 jpy were paid"),
        ({"amount_received": "1000"}, "without amount_received"),
        ({"currency": None}, "without currency"),
    ],
    ids=["less", "more", "negative", "another currency", "no number", "no currency"],
)
def test_another_amount_or_currency_credits_nothing_and_is_said(
    shop: Shop, olga: Principal, changes: Event, said: str
) -> None:
    intent_id = shop.buy(olga)
    event = shop.stripe.pay(intent_id, **changes)
    shop.tell(event)
    state, words = shop.state(event)
    assert (state, said in (words or "")) == ("refused", True), words
    assert shop.balance(olga) == 0
    recorded = shop.rows("SELECT action FROM audit_events WHERE subject_id = %s", event["id"])
    assert recorded == [("billing.event_refused",)]
    shop.tell(shop.stripe.event("payment_intent.succeeded", shop.stripe.shown(intent_id)))
    assert shop.balance(olga) == 100, "the right amount, said later, is credited after all"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"account": "acct_other"}, "It is of another account."),
        ({"context": "acct_other"}, "It is of another account."),
        ({"livemode": True}, "other mode"),
        ({"type": "payment_intent.processing"}, "Nothing depends on events of this kind."),
    ],
    ids=["account", "context", "mode", "kind"],
)
def test_an_event_that_is_not_for_us_changes_nothing(shop: Shop, olga: Principal, changes: Event, said: str) -> None:
    event = {**shop.stripe.pay(shop.buy(olga)), **changes}
    shop.tell(event)
    state, words = shop.state(event)
    assert (state, said in (words or "")) == ("ignored", True), words
    assert shop.balance(olga) == 0


def test_a_payment_of_no_purchase_of_ours_is_ignored(shop: Shop, olga: Principal) -> None:
    foreign = {
        "id": "pi_foreign",
        "status": "succeeded",
        "amount_received": 1000,
        "currency": "usd",
        "customer": "cus_x",
    }
    event = shop.stripe.event("payment_intent.succeeded", foreign)
    shop.tell(event)
    assert shop.state(event) == ("ignored", "The payment is of no purchase of credits.")
    for kind in ("charge.refunded", "charge.dispute.created"):
        about = {"id": "x_1", "payment_intent": "pi_foreign", "currency": "usd", "amount": 5, "status": "lost"}
        other = shop.stripe.event(kind, about)
        shop.tell(other)
        assert shop.state(other)[0] == "ignored"


def test_a_refund_in_part_takes_its_share_and_a_whole_one_the_rest(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    shop.tell(shop.stripe.refund(intent_id, 333))
    assert shop.balance(olga) == Decimal("66.7")
    first = shop.stripe.refund(intent_id, 1)
    second = shop.stripe.refund(intent_id, 666)
    shop.tell(second)
    assert shop.balance(olga) == 0
    shop.tell(first)
    assert shop.balance(olga) == 0, "an older word does not undo a newer one"


def test_a_refund_that_fails_gives_the_credits_back(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    shop.tell(shop.stripe.refund(intent_id, 500))
    shop.stripe.now += 60
    shop.tell(shop.stripe.fail_refund(intent_id, 500))
    assert shop.balance(olga) == 100
    given = shop.workbench.credits.entries(olga)[0]
    assert (given.kind, given.amount, given.reason) == ("reversal", 50, "A refund failed at Stripe")


def test_what_was_spent_of_refunded_credits_is_owed(shop: Shop, olga: Principal) -> None:
    operator = replace(olga, is_operator=True)
    intent_id = shop.paid(olga)
    shop.workbench.credits.adjust(operator, olga.org_id, Decimal(-80), "spent, as it were")
    shop.tell(shop.stripe.refund(intent_id, 1000))
    assert shop.balance(olga) == -80
    assert shop.workbench.credits.balance(olga).overdraft == 80
    shop.paid(olga)
    assert shop.balance(olga) == 20


def test_a_dispute_takes_the_credits_and_one_that_is_won_gives_them_back(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    opened = shop.stripe.dispute(intent_id, 1000)
    shop.tell(opened)
    assert shop.balance(olga) == 0
    shop.stripe.now += 60
    won = shop.stripe.close_dispute(opened["data"]["object"]["id"], "won")
    for event in (won, won, opened):
        shop.tell(event)
    assert shop.balance(olga) == 100
    assert shop.notices(olga)[:2] == ["100 credits were given back", "100 credits were taken back"]
    dispute_id = opened["data"]["object"]["id"]
    given, taken, bought = shop.workbench.credits.entries(olga)
    assert (given.kind, given.debit, given.credit, given.reason) == (
        "reversal",
        "cash",
        "available",
        f"Dispute {dispute_id}: won",
    )
    assert (taken.kind, taken.reason) == ("refund", f"Dispute {dispute_id}: needs response")
    assert bought.kind == "purchase"
    assert given.payment == taken.payment == bought.payment
    recorded = [action for action, _, _ in shop.recorded(str(olga.org_id)) if action.startswith("credits.")]
    assert recorded == ["credits.purchased", "credits.taken_back", "credits.given_back"]
    assert audit(shop.workbench.database).differences == []


def test_a_dispute_that_is_lost_keeps_them_and_an_inquiry_takes_none(shop: Shop, olga: Principal) -> None:
    first, second = shop.paid(olga), shop.paid(olga)
    inquiry = shop.stripe.dispute(first, 1000, "warning_needs_response")
    shop.tell(inquiry)
    assert shop.balance(olga) == 200
    opened = shop.stripe.dispute(second, 1000)
    lost = shop.stripe.close_dispute(opened["data"]["object"]["id"], "lost")
    shop.tell(lost)
    shop.tell(opened)
    assert shop.balance(olga) == 100


def test_refund_and_dispute_together_take_no_more_than_was_bought(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    shop.tell(shop.stripe.refund(intent_id, 800))
    shop.tell(shop.stripe.dispute(intent_id, 1000))
    assert shop.balance(olga) == 0


def test_a_dispute_that_is_lost_after_a_whole_refund_takes_nothing_more(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    shop.tell(shop.stripe.refund(intent_id, 1000))
    opened = shop.stripe.dispute(intent_id, 1000)
    shop.tell(opened)
    shop.stripe.now += 60
    shop.tell(shop.stripe.close_dispute(opened["data"]["object"]["id"], "lost"))
    assert [row.kind for row in shop.workbench.credits.entries(olga)] == ["refund", "purchase"]
    assert shop.balance(olga) == 0


@pytest.mark.parametrize(
    ("changes", "state", "balance"),
    [
        ({"amount": 100_000}, "done", 0),
        ({"currency": "eur"}, "refused", 100),
        ({"amount": "1000"}, "refused", 100),
        ({"status": None}, "refused", 100),
        ({"payment_intent": None, "charge": None}, "ignored", 100),
    ],
    ids=["more than was paid", "another currency", "no number", "no state", "of nothing"],
)
def test_a_dispute_that_does_not_agree_takes_no_more_than_was_bought(
    shop: Shop, olga: Principal, changes: Event, state: str, balance: int
) -> None:
    event = shop.stripe.dispute(shop.paid(olga), 1000)
    event["data"]["object"] |= changes
    shop.tell(event)
    assert (shop.state(event)[0], shop.balance(olga)) == (state, balance)


def test_what_many_events_say_of_one_payment_at_once_is_done_once(shop: Shop, olga: Principal) -> None:
    intent_id = shop.buy(olga)
    paid = shop.stripe.pay(intent_id)
    again = [shop.stripe.event("payment_intent.succeeded", shop.stripe.shown(intent_id)) for _ in range(3)]
    refunded = shop.stripe.refund(intent_id, 400)
    charge = shop.stripe.shown(shop.stripe.objects[intent_id]["latest_charge"])
    refunds = [refunded, *(shop.stripe.event("charge.refunded", charge) for _ in range(3))]
    events = [paid, *again, *refunds]
    with ThreadPoolExecutor(len(events)) as pool:
        list(pool.map(shop.tell, events))
    assert {shop.state(event)[0] for event in events} == {"done"}
    assert [row.kind for row in shop.workbench.credits.entries(olga)] == ["refund", "purchase"]
    assert shop.balance(olga) == 60
    assert audit(shop.workbench.database).differences == []


def _refunded_in_part(shop: Shop, intent_id: str) -> list[Event]:
    return [shop.stripe.pay(intent_id), shop.stripe.refund(intent_id, 400), shop.stripe.refund(intent_id, 100)]


def _disputed_and_won(shop: Shop, intent_id: str) -> list[Event]:
    paid, opened = shop.stripe.pay(intent_id), shop.stripe.dispute(intent_id, 1000)
    shop.stripe.now += 5
    return [paid, opened, shop.stripe.close_dispute(opened["data"]["object"]["id"], "won")]


def _disputed_and_lost(shop: Shop, intent_id: str) -> list[Event]:
    paid, opened = shop.stripe.pay(intent_id), shop.stripe.dispute(intent_id, 600)
    return [paid, opened, shop.stripe.close_dispute(opened["data"]["object"]["id"], "lost")]


@pytest.mark.parametrize(
    ("told", "balance"),
    [(_refunded_in_part, 50), (_disputed_and_won, 100), (_disputed_and_lost, 40)],
    ids=["refunded", "won", "lost"],
)
def test_every_order_of_the_same_events_comes_to_the_same(
    shop: Shop, told: Callable[[Shop, str], list[Event]], balance: int
) -> None:
    for number, order in enumerate(itertools.permutations(range(3))):
        who = shop.member(f"buyer{number}", org=f"Buyer {number}")
        events = told(shop, shop.buy(who))
        for place in order:
            shop.tell(events[place])
            shop.tell(events[place])
        assert shop.balance(who) == balance, order


def test_a_negative_refund_or_one_of_more_than_was_paid_is_refused(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    charge = shop.stripe.shown(shop.stripe.objects[intent_id]["latest_charge"])
    for changes in ({"amount_refunded": -1000}, {"amount_refunded": 1001}, {"amount_refunded": 5, "currency": "eur"}):
        event = shop.stripe.event("charge.refunded", {**charge, **changes})
        shop.tell(event)
        assert shop.state(event)[0] == "refused"
    dispute = {"id": "dp_1", "payment_intent": intent_id, "amount": -5, "currency": "usd", "status": "lost"}
    event = shop.stripe.event("charge.dispute.created", dispute)
    shop.tell(event)
    assert shop.state(event)[0] == "refused"
    assert shop.balance(olga) == 100


def test_everybody_who_manages_is_told_and_nobody_else(shop: Shop) -> None:
    olga, adam = (
        shop.member("olga", plan="team", org="Two"),
        shop.member("adam", plan="team", org="Two", role=Role.ADMIN),
    )
    ann = shop.member("ann", plan="team", org="Two", role=Role.ANALYST)
    shop.paid(olga)
    assert [shop.notices(who) for who in (olga, adam, ann)] == [["100 credits have arrived"]] * 2 + [[]]


@pytest.mark.parametrize("ahead_s", [-60, 0, 60])
def test_a_reading_is_of_stripes_time_whatever_our_clock_says(shop: Shop, olga: Principal, ahead_s: int) -> None:
    shop.stripe.now += ahead_s
    intent_id = shop.buy(olga)
    shop.stripe.pay(intent_id)
    shop.stripe.refund(intent_id, 100)
    shop.billing.purchases.look_again(olga)
    assert shop.balance(olga) == 90
    shop.stripe.now += 1
    shop.tell(shop.stripe.refund(intent_id, 900))
    assert shop.balance(olga) == 0


def test_a_refund_that_was_read_late_is_not_undone_by_an_earlier_event(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    refunded = shop.stripe.refund(intent_id, 500)
    shop.stripe.now += 60
    about = {"id": "re_1", "object": "refund", "charge": shop.stripe.objects[intent_id]["latest_charge"]}
    begun = shop.stripe.event("refund.created", about, created=shop.stripe.now - 120)
    shop.stripe.now += 60
    shop.stripe.fail_refund(intent_id, 500)
    shop.tell(begun)  # reads that nothing is refunded, a while after it was said
    shop.tell(refunded)
    assert shop.balance(olga) == 100
