"""Subscriptions: begun, changed at once and later, ended, unpaid; whatever the order in which Stripe tells of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from core.billing.stripe_api import PaymentDeclined, PaymentsUnavailable
from core.errors import Conflict, Forbidden, InvalidRequest, NotConfigured
from core.principal import Principal, Role
from tests.conftest import MoveTime
from tests.core.billing.selling import Shop
from tests.fakes.stripe_server import MONTH_S, Received


def test_a_first_subscription_is_paid_on_the_checkout_and_then_there(shop: Shop, olga: Principal) -> None:
    subscriptions = shop.billing.subscriptions
    preview = subscriptions.preview(olga, "basic")
    assert (preview.effect, preview.due_usd, preview.monthly_usd) == ("checkout", Decimal("9.99"), Decimal("9.99"))
    shop.subscribed(olga, "basic")
    assert shop.plan(olga) == "basic"
    current = subscriptions.current(olga)
    assert current is not None
    assert (current.plan, current.seats, current.status, current.ends_at_period_end) == ("basic", 1, "active", False)
    assert shop.notices(olga) == ["Your organisation is now on the plan Basic"]
    recorded = shop.rows("SELECT actor, actor_kind, before, after FROM audit_events WHERE action = 'plan.set'")
    assert recorded == [(olga.user_id, "member", {"plan": "free"}, {"plan": "basic"})], "who began the checkout"


def test_who_comes_back_from_the_checkout_is_on_the_plan_before_any_event(shop: Shop, olga: Principal) -> None:
    url = shop.billing.subscriptions.change(olga, "premium").checkout_url or ""
    shop.billing.subscriptions.look_again(olga)
    assert shop.plan(olga) == "free"
    shop.stripe.subscribe(url.rsplit("/", 1)[1])
    shop.billing.subscriptions.look_again(olga)
    assert shop.plan(olga) == "premium"
    shop.billing.subscriptions.look_again(olga)
    shop.tell_all()
    assert shop.plan(olga) == "premium"


def test_a_second_checkout_ends_the_first_so_that_nobody_pays_twice(shop: Shop, olga: Principal) -> None:
    first = (shop.billing.subscriptions.change(olga, "basic").checkout_url or "").rsplit("/", 1)[1]
    second = (shop.billing.subscriptions.change(olga, "premium").checkout_url or "").rsplit("/", 1)[1]
    assert [shop.stripe.objects[each]["status"] for each in (first, second)] == ["expired", "open"]
    shop.stripe.subscribe(second)
    with pytest.raises(Conflict, match="just begun"):
        shop.billing.subscriptions.change(olga, "basic")
    assert shop.plan(olga) == "premium"


def test_an_upgrade_is_there_at_once_and_costs_what_the_preview_said(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    item = shop.stripe.objects[subscription_id]["items"]["data"][0]
    item["current_period_start"] -= MONTH_S // 2
    item["current_period_end"] -= MONTH_S // 2
    preview = shop.billing.subscriptions.preview(olga, "premium")
    assert (preview.effect, preview.due_usd, preview.monthly_usd) == ("now", Decimal("5.00"), Decimal("19.99"))
    changed = shop.billing.subscriptions.change(olga, "premium", at=preview.at)
    assert changed.checkout_url is None
    assert changed.subscription is not None
    assert changed.subscription.plan == "premium"
    assert shop.plan(olga) == "premium"
    [call] = shop.stripe.calls(f"POST /v1/subscriptions/{subscription_id}")
    asked = (call.form["proration_behavior"], call.form["payment_behavior"], int(call.form["proration_date"]))
    assert asked == ("always_invoice", "error_if_incomplete", preview.at)
    shop.tell_all()
    assert shop.plan(olga) == "premium"


def test_a_declined_upgrade_changes_nothing(shop: Shop, olga: Principal) -> None:
    shop.subscribed(olga, "basic")
    shop.stripe.declines = True
    with pytest.raises(PaymentDeclined, match="Your card was declined"):
        shop.billing.subscriptions.change(olga, "premium")
    assert shop.plan(olga) == "basic"
    shop.stripe.declines = False
    shop.billing.subscriptions.change(olga, "premium")
    assert shop.plan(olga) == "premium"


def test_a_downgrade_comes_when_the_period_ends(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "premium")
    preview = shop.billing.subscriptions.preview(olga, "basic")
    current = shop.billing.subscriptions.current(olga)
    assert current is not None
    assert (preview.effect, preview.due_usd, preview.takes_effect_at) == ("later", 0, current.period_end)
    changed = shop.billing.subscriptions.change(olga, "basic").subscription
    assert changed is not None
    assert (changed.plan, changed.next_plan, changed.next_seats) == ("premium", "basic", 1)
    assert shop.plan(olga) == "premium"
    with pytest.raises(InvalidRequest, match="already"):
        shop.billing.subscriptions.change(olga, "basic")
    shop.tell(shop.stripe.end_period(subscription_id))
    assert shop.plan(olga) == "basic"
    current = shop.billing.subscriptions.current(olga)
    assert current is not None
    assert (current.plan, current.next_plan, current.schedule_id) == ("basic", None, None)


def test_a_change_that_is_to_come_can_be_taken_back_or_overtaken(shop: Shop, olga: Principal) -> None:
    subscriptions = shop.billing.subscriptions
    shop.subscribed(olga, "premium")
    subscriptions.change(olga, "basic")
    assert subscriptions.preview(olga, "premium").effect == "stays"
    kept = subscriptions.change(olga, "premium").subscription
    assert kept is not None
    assert (kept.plan, kept.next_plan) == ("premium", None)
    subscriptions.change(olga, "basic")
    overtaken = subscriptions.change(olga, "team", 2).subscription
    assert overtaken is not None
    assert (overtaken.plan, overtaken.seats, overtaken.next_plan) == ("team", 2, None)
    subscriptions.change(olga, "basic")
    assert subscriptions.resume(olga).subscription is not None
    with pytest.raises(InvalidRequest, match="nothing to take back"):
        subscriptions.resume(olga)


def test_an_end_comes_with_the_period_and_can_be_taken_back(shop: Shop, olga: Principal) -> None:
    subscriptions = shop.billing.subscriptions
    subscription_id = shop.subscribed(olga, "premium")
    subscriptions.change(olga, "basic")
    assert subscriptions.preview(olga, "free").effect == "ends"
    ending = subscriptions.change(olga, "free").subscription
    assert ending is not None
    assert (ending.plan, ending.ends_at_period_end, ending.next_plan) == ("premium", True, None)
    with pytest.raises(InvalidRequest, match="already"):
        subscriptions.change(olga, "free")
    resumed = subscriptions.resume(olga).subscription
    assert resumed is not None
    assert resumed.ends_at_period_end is False
    subscriptions.cancel(olga)
    assert shop.plan(olga) == "premium"
    shop.tell(shop.stripe.end_period(subscription_id))
    assert shop.plan(olga) == "free"
    assert shop.notices(olga)[0] == "The plan Premium has ended; your organisation is now on Free"
    assert subscriptions.current(olga) is None
    assert subscriptions.preview(olga, "basic").effect == "checkout"


def test_seats_more_at_once_fewer_later_never_fewer_than_members(shop: Shop) -> None:
    olga = shop.member("olga", plan="team", org="Acme")
    for name in ("ann", "bob"):
        shop.member(name, plan="team", org="Acme", role=Role.ANALYST)
    subscriptions = shop.billing.subscriptions
    subscription_id = shop.subscribed(olga, "team", 4)
    assert shop.stripe.objects[subscription_id]["items"]["data"][0]["quantity"] == 4
    assert shop.workbench.members.seats(olga) == 4
    more = subscriptions.set_seats(olga, 6).subscription
    assert more is not None
    assert more.seats == 6
    fewer = subscriptions.set_seats(olga, 3).subscription
    assert fewer is not None
    assert (fewer.seats, fewer.next_plan, fewer.next_seats) == (6, "team", 3)
    for seats, words in ((2, "3 members"), (51, "1 to 50 seats")):
        with pytest.raises(InvalidRequest, match=words):
            subscriptions.set_seats(olga, seats)
    with pytest.raises(InvalidRequest, match="not sold by the seat"):
        subscriptions.preview(olga, "basic", 2)
    shop.tell(shop.stripe.end_period(subscription_id))
    current = subscriptions.current(olga)
    assert current is not None
    assert current.seats == 3


def test_events_of_a_subscription_in_any_order_come_to_what_it_is_now(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    earlier = shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id))
    upgraded = shop.stripe.objects[subscription_id]["items"]["data"][0]
    upgraded["price"] = {"id": "price_premium"}
    later = shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id))
    shop.tell(later)
    shop.tell(earlier)
    assert shop.plan(olga) == "premium"
    shop.tell(shop.stripe.set_status(subscription_id, "canceled", "customer.subscription.deleted"))
    shop.tell({**earlier, "id": "evt_again"})
    assert shop.plan(olga) == "free"


def test_an_older_reading_never_overwrites_a_newer_one(shop: Shop, olga: Principal) -> None:
    """While Stripe answers a first reading the subscription changes, and a second reading is kept before the first."""
    subscription_id = shop.subscribed(olga, "basic")

    def overtake(received: Received) -> None:
        if received.path == f"/v1/subscriptions/{subscription_id}":
            shop.stripe.before_answer = None
            shop.stripe.objects[subscription_id]["items"]["data"][0]["price"] = {"id": "price_premium"}
            shop.billing.sync.read(subscription_id)

    shop.stripe.before_answer = overtake
    shop.billing.sync.read(subscription_id)
    assert shop.plan(olga) == "premium"


def test_a_failed_payment_leaves_the_plan_for_a_while_and_then_it_falls_back(
    shop: Shop, olga: Principal, move_time: MoveTime
) -> None:
    subscription_id = shop.subscribed(olga, "premium")
    failed = shop.stripe.set_status(subscription_id, "past_due")
    shop.tell(failed)
    invoice = {"id": "in_1", "object": "invoice", "parent": {"subscription_details": {"subscription": subscription_id}}}
    shop.tell(shop.stripe.event("invoice.payment_failed", invoice))
    assert shop.plan(olga) == "premium"
    assert shop.notices(olga)[0] == "The payment of your subscription failed"
    assert shop.notices(olga).count("The payment of your subscription failed") == 1
    with pytest.raises(Conflict, match="payment of the subscription failed"):
        shop.billing.subscriptions.preview(olga, "team")
    move_time(timedelta(days=6, hours=23))
    shop.billing.care()
    assert shop.plan(olga) == "premium"
    move_time(timedelta(days=7, hours=1))
    shop.billing.care()
    assert shop.plan(olga) == "free"
    assert shop.notices(olga)[0] == "The plan Premium has ended; your organisation is now on Free"
    shop.billing.care()
    shop.tell({**failed, "id": "evt_again"})
    assert shop.plan(olga) == "free"
    shop.tell(shop.stripe.set_status(subscription_id, "active"))
    assert shop.plan(olga) == "premium"


def test_a_payment_that_is_made_in_time_changes_nothing(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "premium")
    shop.tell(shop.stripe.set_status(subscription_id, "past_due"))
    shop.tell(shop.stripe.set_status(subscription_id, "active"))
    current = shop.billing.subscriptions.current(olga)
    assert current is not None
    assert (current.grace_until, shop.plan(olga)) == (None, "premium")
    assert shop.notices(olga)[0] == "Your subscription is paid again"


@pytest.mark.parametrize("status", ["unpaid", "paused", "canceled", "incomplete_expired"])
def test_a_subscription_that_stripe_gave_up_brings_nothing(shop: Shop, olga: Principal, status: str) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.tell(shop.stripe.set_status(subscription_id, status))
    assert shop.plan(olga) == "free"


def test_what_an_operator_set_stays_where_the_subscription_does_not_change(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.workbench.directory.set_plan("Acme", "enterprise")
    shop.tell(shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id)))
    assert shop.plan(olga) == "enterprise"
    shop.tell(shop.stripe.set_status(subscription_id, "canceled", "customer.subscription.deleted"))
    assert shop.plan(olga) == "enterprise"


@pytest.mark.parametrize("kind", ["customer.subscription.created", "customer.subscription.updated", "invoice.paid"])
def test_a_subscription_of_an_unknown_customer_is_ignored(shop: Shop, olga: Principal, kind: str) -> None:
    shop.subscribed(olga, "basic")
    foreign = shop.stripe.add_subscription("cus_unknown", "price_team", 5)
    foreign["metadata"] = {"org_id": str(olga.org_id)}
    invoice = {"object": "invoice", "subscription": foreign["id"]}
    event = shop.stripe.event(kind, invoice if kind.startswith("invoice") else foreign)
    shop.tell(event)
    assert shop.state(event) == ("ignored", "The subscription is of a customer who is none of ours.")
    assert shop.plan(olga) == "basic"


def test_a_price_that_is_no_plans_is_kept_and_tried_again(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.stripe.objects[subscription_id]["items"]["data"][0]["price"] = {"id": "price_other"}
    event = shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id))
    shop.tell(event)
    state, said = shop.state(event)
    assert (state, "STRIPE_PRICE_" in (said or "")) == ("waiting", True)
    assert shop.plan(olga) == "basic"


def test_a_customer_who_was_deleted_at_stripe_is_made_anew(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    customer_id = shop.stripe.objects[subscription_id]["customer"]
    shop.tell(shop.stripe.set_status(subscription_id, "canceled", "customer.subscription.deleted"))
    event = shop.stripe.event("customer.deleted", {"id": customer_id, "object": "customer"})
    shop.tell(event)
    shop.tell({**event, "id": "evt_other", "data": {"object": {"id": "cus_unknown"}}})
    assert shop.state({"id": "evt_other"})[0] == "ignored"
    shop.subscribed(olga, "premium")
    assert shop.plan(olga) == "premium"
    assert len(shop.stripe.calls("POST /v1/customers")) == 2


def test_a_period_of_which_nobody_told_is_asked_about(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.billing.subscriptions.cancel(olga)
    shop.stripe.end_period(subscription_id)
    move_time(timedelta(days=31))
    shop.billing.care()
    assert shop.plan(olga) == "free"


def _cancel(shop: Shop, who: Principal) -> object:
    return shop.billing.subscriptions.cancel(who)


def _change(shop: Shop, who: Principal) -> object:
    return shop.billing.subscriptions.change(who, "premium")


def _preview(shop: Shop, who: Principal) -> object:
    return shop.billing.subscriptions.preview(who, "premium")


def _portal(shop: Shop, who: Principal) -> object:
    return shop.billing.subscriptions.portal(who)


def _resume(shop: Shop, who: Principal) -> object:
    return shop.billing.subscriptions.resume(who)


def _seats(shop: Shop, who: Principal) -> object:
    return shop.billing.subscriptions.set_seats(who, 2)


ALL = [_cancel, _change, _preview, _portal, _resume, _seats]


@pytest.mark.parametrize("do", ALL)
def test_only_managers_touch_the_subscription(shop: Shop, do: Callable[[Shop, Principal], object]) -> None:
    with pytest.raises(Forbidden):
        do(shop, shop.member("ann", plan="team", org="Acme", role=Role.ANALYST))
    assert shop.stripe.requests == []


def test_a_viewer_sees_the_subscription(shop: Shop) -> None:
    olga = shop.member("olga", plan="team", org="Acme")
    vic = shop.member("vic", plan="team", org="Acme", role=Role.VIEWER)
    shop.subscribed(olga, "team", 2)
    seen = shop.billing.subscriptions.current(vic)
    assert seen is not None
    assert seen.seats == 2
    assert shop.billing.subscriptions.current(shop.member("eve", org="Elsewhere")) is None


def test_plans_without_a_price_are_not_sold_and_nothing_is_to_change_without_a_subscription(
    shop: Shop, olga: Principal
) -> None:
    with pytest.raises(NotConfigured, match="STRIPE_PRICE_ENTERPRISE"):
        shop.billing.subscriptions.preview(olga, "enterprise")
    with pytest.raises(InvalidRequest, match="no plan"):
        shop.billing.subscriptions.preview(olga, "platinum")
    for do in (_cancel, _resume, _seats):
        with pytest.raises(InvalidRequest, match="no subscription"):
            do(shop, olga)
    with pytest.raises(InvalidRequest, match="no subscription"):
        shop.billing.subscriptions.preview(olga, "free")
    with pytest.raises(InvalidRequest, match="nothing to manage"):
        _portal(shop, olga)


def test_the_portal_is_the_organisations_own(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga)
    customer_id = shop.stripe.objects[subscription_id]["customer"]
    assert shop.billing.subscriptions.portal(olga).endswith(customer_id)
    [call] = shop.stripe.calls("POST /v1/billing_portal/sessions")
    assert call.form["return_url"].endswith("/billing")


@pytest.mark.slow
def test_while_stripe_is_away_nothing_changes(shop: Shop, olga: Principal) -> None:
    shop.subscribed(olga, "basic")
    shop.stripe.is_down = True
    with pytest.raises(PaymentsUnavailable):
        shop.billing.subscriptions.change(olga, "premium")
    assert shop.plan(olga) == "basic"
