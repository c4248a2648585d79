"""Subscriptions when something odd happens at Stripe: two at once, other prices, several items, gone ones, races."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from core.billing.stripe_api import GoneAtStripe, PaymentDeclined
from core.errors import Conflict, InvalidRequest
from core.principal import Principal
from tests.conftest import MoveTime
from tests.core.billing.selling import Shop, open_shop
from tests.fakes.stripe_server import PRICES, Received, StripeServer


def _checkout(shop: Shop, who: Principal, plan: str = "basic") -> str:
    """Begins a checkout; gives its id."""
    url = shop.billing.subscriptions.change(who, plan).checkout_url
    assert url is not None
    return url.rsplit("/", 1)[1]


def _checkouts(shop: Shop) -> list[str]:
    """How the checkouts stand at Stripe, in order."""
    return [each["status"] for each in shop.stripe.objects.values() if each["object"] == "checkout.session"]


def test_a_checkout_that_is_paid_while_the_next_begins_makes_one_subscription(shop: Shop, olga: Principal) -> None:
    first = _checkout(shop, olga)
    shop.stripe.subscribe(first)  # nothing of it has come yet
    with pytest.raises(Conflict, match="just begun"):
        _checkout(shop, olga, "premium")
    assert _checkouts(shop) == ["complete"]
    assert shop.plan(olga) == "basic"


def test_a_subscription_that_comes_to_be_while_a_checkout_is_made_ends_the_checkout(
    shop: Shop, olga: Principal
) -> None:
    shop.buy(olga)

    def meanwhile(received: Received) -> None:
        if received.path == "/v1/checkout/sessions":
            shop.stripe.before_answer = None
            made = shop.stripe.add_subscription(received.form["customer"], "price_basic")
            shop.tell(shop.stripe.event("customer.subscription.created", made))

    shop.stripe.before_answer = meanwhile
    with pytest.raises(Conflict, match="just begun"):
        _checkout(shop, olga)
    assert _checkouts(shop) == ["expired"]
    assert shop.plan(olga) == "basic"


def test_a_second_subscription_is_told(shop: Shop, olga: Principal) -> None:
    first = shop.subscribed(olga, "basic")
    made = shop.stripe.add_subscription(shop.stripe.objects[first]["customer"], "price_premium")
    for _ in range(2):
        shop.tell(shop.stripe.event("customer.subscription.created", made))
    assert shop.plan(olga) == "premium"
    assert shop.notices(olga).count("Your organisation has 2 subscriptions at once") == 1
    assert shop.billing.troubles.all() == ["1 organisation with more than one subscription"]
    shop.tell(shop.stripe.set_status(first, "canceled", "customer.subscription.deleted"))
    assert shop.billing.troubles.all() == []


def test_a_declined_upgrade_keeps_the_downgrade_that_was_to_come(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "premium")
    shop.billing.subscriptions.change(olga, "basic")
    shop.stripe.declines = True
    with pytest.raises(PaymentDeclined):
        shop.billing.subscriptions.change(olga, "team", 2)
    current = shop.billing.subscriptions.current(olga)
    assert current is not None
    assert (current.plan, current.next_plan, current.next_seats) == ("premium", "basic", 1)
    shop.tell(shop.stripe.end_period(subscription_id))
    assert shop.plan(olga) == "basic"


def test_a_change_that_was_taken_back_elsewhere_is_not_forgotten_twice(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "premium")
    shop.billing.subscriptions.change(olga, "basic")
    found = shop.stripe.objects[subscription_id]
    shop.stripe.objects[found["schedule"]]["status"], found["schedule"] = "released", None
    with pytest.raises(InvalidRequest, match="already"):
        shop.billing.subscriptions.change(olga, "premium")
    current = shop.billing.subscriptions.current(olga)
    assert current is not None
    assert (current.plan, current.next_plan) == ("premium", None)


def test_a_new_price_leaves_subscriptions_of_the_old_one_as_they_are(
    database_url: str, tmp_path: Path, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRICES, "price_basic_2027", 1499)
    with open_shop(database_url, tmp_path / "a", stripe) as shop:
        olga, otto = shop.member("olga", org="Acme"), shop.member("otto", org="Other")
        subscription_id = shop.subscribed(olga, "basic")
        checkout_id = _checkout(shop, otto)
    with open_shop(database_url, tmp_path / "b", stripe, STRIPE_PRICE_BASIC="price_basic_2027") as shop:
        for event in stripe.subscribe(checkout_id):
            shop.tell(event)
        assert shop.plan(otto) == "basic"
        event = stripe.set_status(subscription_id, "past_due")
        shop.tell(event)
        assert shop.state(event)[0] == "done"
        shop.tell(stripe.set_status(subscription_id, "active"))
        shop.billing.subscriptions.change(olga, "premium")
        assert shop.plan(olga) == "premium"
        shop.tell(stripe.set_status(subscription_id, "unpaid"))
        assert shop.plan(olga) == "free"


def test_a_subscription_of_two_items_is_of_the_plan_among_them(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "premium")
    items = shop.stripe.objects[subscription_id]["items"]["data"]
    addon = {**items[0], "id": "si_addon", "price": {"id": "price_addon", "object": "price"}, "quantity": 3}
    items.insert(0, addon)
    shop.tell(shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id)))
    assert shop.plan(olga) == "premium"
    later = shop.billing.subscriptions.change(olga, "basic").subscription
    assert later is not None
    assert later.next_plan == "basic"
    schedule = shop.stripe.objects[shop.stripe.objects[subscription_id]["schedule"]]
    assert [sorted(item["price"] for item in phase["items"]) for phase in schedule["phases"]] == [
        ["price_addon", "price_premium"],
        ["price_addon", "price_basic"],
    ]
    shop.tell(shop.stripe.set_status(subscription_id, "canceled", "customer.subscription.deleted"))
    assert shop.plan(olga) == "free"


def test_a_subscription_that_stripe_knows_no_more_ends_with_its_period(
    shop: Shop, olga: Principal, move_time: MoveTime
) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    kept = shop.stripe.objects.pop(subscription_id)
    with pytest.raises(GoneAtStripe):
        shop.billing.subscriptions.cancel(olga)
    assert shop.billing.troubles.all() == ["1 subscription that Stripe knows no more"]
    move_time(timedelta(days=29))
    shop.billing.care()
    assert shop.plan(olga) == "basic", "the month is paid"
    move_time(timedelta(days=31))
    shop.billing.care()
    assert shop.plan(olga) == "free"
    assert shop.notices(olga)[0] == "The plan Basic has ended; your organisation is now on Free"
    assert shop.recorded(subscription_id)[-1] == ("billing.subscription_changed", None, "stripe")
    shop.stripe.objects[subscription_id] = kept
    shop.tell(shop.stripe.event("customer.subscription.updated", kept))
    assert shop.plan(olga) == "basic", "it was there all the same"
    assert shop.billing.troubles.all() == []


@pytest.mark.parametrize("plan", ["premium", "basic"])
def test_a_subscription_that_stripe_knows_no_more_holds_off_no_new_one(
    shop: Shop, olga: Principal, move_time: MoveTime, plan: str
) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.stripe.objects.pop(subscription_id)
    with pytest.raises(GoneAtStripe, match="choose a plan to begin a new one"):
        shop.billing.subscriptions.preview(olga, "premium")
    assert shop.billing.subscriptions.current(olga) is None
    assert shop.plan(olga) == "basic", "the month is paid"
    assert shop.billing.subscriptions.preview(olga, plan).effect == "checkout"
    begun = shop.subscribed(olga, plan)
    current = shop.billing.subscriptions.current(olga)
    assert current is not None and (current.subscription_id, shop.plan(olga)) == (begun, plan)
    assert not any("subscriptions at once" in title for title in shop.notices(olga))
    move_time(timedelta(days=31))
    shop.billing.care()
    assert shop.plan(olga) == plan
    assert shop.rows("SELECT status FROM subscriptions WHERE subscription_id = %s", subscription_id) == [("canceled",)]
    assert shop.billing.troubles.all() == []


def test_a_subscription_that_stripe_knows_again_goes_on_and_no_second_one_begins(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    kept = shop.stripe.objects.pop(subscription_id)
    with pytest.raises(GoneAtStripe):
        shop.billing.subscriptions.change(olga, "premium")
    shop.stripe.objects[subscription_id] = kept
    with pytest.raises(Conflict, match="knows your subscription again"):
        shop.billing.subscriptions.change(olga, "premium")
    assert len(shop.stripe.calls("POST /v1/checkout/sessions")) == 1
    shop.billing.subscriptions.change(olga, "premium")
    assert shop.plan(olga) == "premium"


def test_who_asked_is_recorded_where_stripes_event_is_faster_than_its_answer(shop: Shop, olga: Principal) -> None:
    subscription_id, subscriptions = shop.subscribed(olga, "basic"), shop.billing.subscriptions
    told = []

    def at_once(received: Received) -> None:
        if received.method == "POST" and received.path == f"/v1/subscriptions/{subscription_id}":
            told.append(shop.stripe.events[-1])
            shop.tell(told[-1])

    shop.stripe.before_answer = at_once
    changes: list[Callable[[Principal], object]] = [
        partial(subscriptions.change, plan="premium"),
        subscriptions.cancel,
        subscriptions.resume,
    ]
    for number, change in enumerate(changes, 1):
        change(olga)
        assert len(told) == number
        assert shop.recorded(subscription_id)[-1] == ("billing.subscription_changed", olga.user_id, "member")
    shop.tell(shop.stripe.set_status(subscription_id, "past_due"))
    assert shop.recorded(subscription_id)[-1] == ("billing.subscription_changed", None, "stripe")


@pytest.mark.slow
def test_who_asked_is_recorded_where_stripes_answer_was_lost(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")

    def lost(received: Received) -> None:
        if received.method == "POST":
            shop.stripe.lose_replies = 10

    shop.stripe.before_answer = lost
    with pytest.raises(Exception, match="cannot be reached"):
        shop.billing.subscriptions.cancel(olga)
    shop.stripe.before_answer, shop.stripe.lose_replies = None, 0
    shop.tell(shop.stripe.events[-1])
    assert shop.recorded(subscription_id)[-1] == ("billing.subscription_changed", olga.user_id, "member")


def test_a_subscription_that_was_made_at_stripe_is_nobodys_wish(shop: Shop, olga: Principal) -> None:
    _checkout(shop, olga)
    [customer_id] = [each for each in shop.stripe.objects if each.startswith("cus_")]
    made = shop.stripe.add_subscription(customer_id, "price_premium")
    shop.tell(shop.stripe.event("customer.subscription.created", made))
    assert shop.recorded(made["id"]) == [("billing.subscription_changed", None, "stripe")]


def test_who_opens_the_portal_is_recorded(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.billing.subscriptions.portal(olga)
    customer_id = shop.stripe.objects[subscription_id]["customer"]
    assert [row[:2] for row in shop.recorded(customer_id)] == [("billing.portal_opened", olga.user_id)]


def test_the_portal_of_a_customer_that_is_gone_is_that_of_a_new_one(shop: Shop, olga: Principal) -> None:
    shop.paid(olga)
    [(gone,)] = shop.rows("SELECT customer_id FROM billing_accounts")
    del shop.stripe.objects[gone]
    url = shop.billing.subscriptions.portal(olga)
    [(made,)] = shop.rows("SELECT customer_id FROM billing_accounts")
    assert made != gone and url.endswith(made)
    assert [row[:2] for row in shop.recorded(made)] == [("billing.portal_opened", olga.user_id)]
