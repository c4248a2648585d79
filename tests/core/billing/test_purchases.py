"""Purchases: what is stored before Stripe is asked, repeated requests, checkouts, and events that never came."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.billing.fences import NotAllDone
from core.billing.purchases import AT_ONCE
from core.billing.stripe_api import PaymentsUnavailable, StripeApi
from core.billing.stripe_facts import IntentFacts
from core.billing.subscription_sync import SubscriptionSync
from core.errors import Conflict, Forbidden, InvalidRequest, NotConfigured
from core.metering.repeats import Idempotency
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.billing.selling import Shop

ROUTE = "POST /api/credits/purchase"
KEY = Idempotency(ROUTE, "a key", b"a body")


def test_a_purchase_is_an_intent_over_what_is_stored(shop: Shop, olga: Principal) -> None:
    bought = shop.billing.purchases.buy(olga, "analyst")
    [call] = shop.stripe.calls("POST /v1/payment_intents")
    assert (call.form["amount"], call.form["currency"]) == ("5000", "usd")
    assert call.headers["idempotency-key"] == f"assay-payment-{bought.payment_id}-{call.form['customer']}"
    assert bought.client_secret == shop.stripe.objects[bought.intent_id]["client_secret"]
    assert shop.rows("SELECT credits, amount_minor, state FROM payments") == [(525, 5000, "open")]
    assert shop.rows("SELECT action FROM audit_events WHERE subject_kind = 'payment'") == [("billing.checkout_begun",)]


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_only_managers_buy(shop: Shop, role: Role) -> None:
    who = shop.member("ann", plan="team", org="Acme", role=role)
    for buy in (shop.billing.purchases.buy, shop.billing.purchases.checkout):
        with pytest.raises(Forbidden):
            buy(who, "starter")
    assert shop.stripe.requests == []


def test_an_unknown_package_is_refused_before_stripe_is_asked(shop: Shop, olga: Principal) -> None:
    with pytest.raises(InvalidRequest, match="starter"):
        shop.billing.purchases.buy(olga, "everything")
    assert shop.stripe.requests == []


def test_a_key_stands_for_one_purchase(shop: Shop, olga: Principal) -> None:
    purchases = shop.billing.purchases
    first = purchases.buy(olga, "starter", idempotency=KEY)
    again = purchases.buy(olga, "starter", idempotency=KEY)
    assert (again.intent_id, again.client_secret) == (first.intent_id, first.client_secret)
    assert (first.is_replayed, again.is_replayed) == (False, True)
    shop.tell(shop.stripe.pay(first.intent_id))
    assert purchases.buy(olga, "starter", idempotency=KEY).client_secret == first.client_secret
    with pytest.raises(Conflict, match="another request"):
        purchases.buy(olga, "starter", idempotency=Idempotency(ROUTE, "a key", b"another body"))
    assert len(shop.stripe.calls("POST /v1/payment_intents")) == 1


def test_a_key_is_free_again_after_a_failure_and_after_a_day(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    purchases = shop.billing.purchases
    shop.stripe.is_down = True
    with pytest.raises(PaymentsUnavailable):
        purchases.buy(olga, "starter", idempotency=KEY)
    shop.stripe.is_down = False
    first = purchases.buy(olga, "starter", idempotency=KEY)
    assert first.is_replayed is False
    move_time(timedelta(hours=25))
    assert purchases.buy(olga, "starter", idempotency=KEY).intent_id != first.intent_id


@pytest.mark.slow
def test_a_lost_reply_makes_one_intent(shop: Shop, olga: Principal) -> None:
    first = shop.buy(olga)
    shop.stripe.requests.clear()
    shop.stripe.lose_replies = 1
    bought = shop.billing.purchases.buy(olga, "starter")
    calls = shop.stripe.calls("POST /v1/payment_intents")
    assert len({call.headers["idempotency-key"] for call in calls}) == 1
    assert len(calls) == 2
    assert [key for key in shop.stripe.objects if key.startswith("pi_")] == [first, bought.intent_id]


def test_two_requests_at_once_with_one_key_make_one_purchase(shop: Shop, olga: Principal) -> None:
    def buy(_: int) -> str | None:
        try:
            return shop.billing.purchases.buy(olga, "starter", idempotency=KEY).intent_id
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = {intent_id for intent_id in pool.map(buy, range(6)) if intent_id}
    assert len(made) == 1
    assert len(shop.stripe.calls("POST /v1/payment_intents")) == 1


def test_a_process_that_died_before_it_had_the_intent_leaves_a_request_that_goes_on(
    shop: Shop, olga: Principal, move_time: MoveTime
) -> None:
    first = shop.billing.purchases.buy(olga, "starter", idempotency=KEY)
    shop.rows("UPDATE payments SET intent_id = NULL RETURNING id")
    with pytest.raises(Conflict, match="still running"):
        shop.billing.purchases.buy(olga, "starter", idempotency=KEY)
    move_time(timedelta(minutes=3))
    again = shop.billing.purchases.buy(olga, "starter", idempotency=KEY)
    assert (again.payment_id, again.intent_id) == (first.payment_id, first.intent_id)


@pytest.mark.parametrize("first", ["intent", "checkout"])
def test_a_hosted_checkout_is_credited_whichever_event_comes_first(shop: Shop, olga: Principal, first: str) -> None:
    url = shop.billing.purchases.checkout(olga, "starter")
    paid, completed = shop.stripe.pay_checkout(url.rsplit("/", 1)[1])
    for event in (paid, completed) if first == "intent" else (completed, paid):
        shop.tell(event)
        assert (shop.balance(olga), shop.state(event)) == (100, ("done", None))
    shop.tell(shop.stripe.refund(paid["data"]["object"]["id"], 1000))
    assert shop.balance(olga) == 0


def test_who_comes_back_from_the_checkout_finds_the_credits_before_any_event(shop: Shop, olga: Principal) -> None:
    url = shop.billing.purchases.checkout(olga, "starter")
    shop.billing.purchases.look_again(olga)
    assert shop.balance(olga) == 0
    shop.stripe.pay_checkout(url.rsplit("/", 1)[1])
    shop.billing.purchases.look_again(olga)
    assert shop.balance(olga) == 100
    shop.tell_all()
    assert shop.balance(olga) == 100
    [row] = shop.billing.purchases.all(olga)
    assert (row.state, row.credits, row.buyer) == ("paid", 100, "olga")


def test_a_purchase_of_which_no_event_came_is_asked_about(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    paid, refunded, open_ = (shop.buy(olga) for _ in range(3))
    shop.stripe.pay(paid)
    shop.stripe.pay(refunded)
    shop.stripe.refund(refunded, 500)
    shop.billing.care()
    assert shop.balance(olga) == 0, "so soon the event may still come"
    move_time(timedelta(minutes=11))
    shop.billing.care()
    assert shop.balance(olga) == 150
    move_time(timedelta(days=31))
    shop.billing.care()
    assert shop.rows("SELECT state FROM payments WHERE intent_id = %s", open_) == [("closed",)]


def test_a_checkout_that_was_left_is_closed(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    url = shop.billing.purchases.checkout(olga, "starter")
    shop.stripe.objects[url.rsplit("/", 1)[1]]["status"] = "expired"
    move_time(timedelta(minutes=11))
    shop.billing.care()
    assert shop.rows("SELECT state, said FROM payments") == [("closed", "The checkout was left.")]


def test_a_canceled_intent_closes_its_purchase(shop: Shop, olga: Principal) -> None:
    intent_id = shop.buy(olga)
    shop.stripe.objects[intent_id]["status"] = "canceled"
    shop.tell(shop.stripe.event("payment_intent.canceled", shop.stripe.shown(intent_id)))
    assert shop.rows("SELECT state FROM payments") == [("closed",)]


def test_without_a_key_it_is_said_how_to_switch_it_on(workbench: Workbench, member: MakeMember) -> None:
    billing, olga = workbench.billing, member("olga")
    assert billing.is_configured is False
    assert billing.missing_settings == ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"]
    for buy in (billing.purchases.buy, billing.purchases.checkout):
        with pytest.raises(NotConfigured, match="STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET"):
            buy(olga, "starter")
    with pytest.raises(NotConfigured, match="STRIPE_WEBHOOK_SECRET"):
        billing.events.receive(b"{}", "t=1,v1=00")
    billing.care()


def test_the_credits_of_a_deleted_member_stay_the_organisations(shop: Shop, olga: Principal) -> None:
    shop.workbench.directory.set_plan("Acme", "team")
    adam = shop.member("adam", plan="team", org="Acme", role=Role.ADMIN)
    intent_id = shop.buy(adam)
    shop.workbench.members.remove(olga, adam.user_id)
    shop.tell(shop.stripe.pay(intent_id))
    assert shop.balance(olga) == 100


def test_a_customer_that_is_gone_is_made_anew_at_the_next_purchase(shop: Shop, olga: Principal) -> None:
    first = shop.stripe.objects[shop.buy(olga)]["customer"]
    for buy in (shop.buy, shop.billing.purchases.checkout, shop.billing.subscriptions.change):
        for customer_id in [each for each in shop.stripe.objects if each.startswith("cus_")]:
            del shop.stripe.objects[customer_id]  # deleted there, or the key is another account's
        buy(olga, "basic" if buy == shop.billing.subscriptions.change else "starter")
    assert len(shop.stripe.calls("POST /v1/customers")) == 4
    intent_id = shop.paid(olga)
    assert shop.stripe.objects[intent_id]["customer"] != first
    assert shop.balance(olga) == 100


def test_purchases_are_asked_about_in_turn_however_many_stay_open(
    shop: Shop, olga: Principal, move_time: MoveTime
) -> None:
    mallory = shop.member("mallory", org="Elsewhere")
    for _ in range(AT_ONCE):
        shop.buy(mallory)
    intent_id = shop.buy(olga)
    shop.stripe.pay(intent_id)  # its event is lost
    for number in (1, 2):
        move_time(timedelta(minutes=15 * number))
        shop.billing.care()
    assert shop.balance(olga) == 100


def test_old_purchases_are_asked_about_ever_less_often(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    intent_id = shop.buy(olga)
    for hours in range(1, 3 * 24):
        move_time(timedelta(hours=hours))
        shop.billing.care()
    assert 20 < len(shop.stripe.calls(f"GET /v1/payment_intents/{intent_id}")) < 40


@pytest.mark.parametrize("days", [4, 40])
def test_a_purchase_is_not_closed_before_stripe_was_asked(
    shop: Shop, olga: Principal, move_time: MoveTime, days: int
) -> None:
    paid, left = shop.buy(olga), shop.buy(olga)
    move_time(timedelta(days=3, hours=1))
    shop.stripe.pay(paid)
    move_time(timedelta(days=3 + days))
    shop.billing.care()
    assert shop.balance(olga) == 100
    [state] = shop.rows("SELECT state, said FROM payments WHERE intent_id = %s", left)
    assert state == (("open", None) if days < 30 else ("closed", "Nobody paid it."))


@pytest.mark.slow
def test_while_stripe_cannot_be_asked_no_purchase_is_closed(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    intent_id = shop.buy(olga)
    move_time(timedelta(days=31))
    shop.stripe.pay(intent_id)
    shop.stripe.is_down = True
    with pytest.raises(NotAllDone, match="Stripe cannot be reached"):
        shop.billing.care()
    shop.stripe.is_down = False
    move_time(timedelta(days=35))
    shop.billing.care()
    assert shop.balance(olga) == 100


def test_each_part_of_care_has_its_own_fence(
    shop: Shop, olga: Principal, move_time: MoveTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shop.member("otto", org="Other")
    broken, paid = shop.buy(other), shop.buy(olga)
    subscription_id = shop.subscribed(olga, "basic")
    shop.billing.subscriptions.cancel(olga)
    shop.stripe.pay(paid)
    shop.stripe.end_period(subscription_id)
    move_time(timedelta(days=31))
    intent = StripeApi.intent

    def fails(api: StripeApi, intent_id: str) -> IntentFacts:
        if intent_id == broken:
            raise RuntimeError("nobody thought of this")
        return intent(api, intent_id)

    def fails_whole(_sync: SubscriptionSync) -> int:
        raise RuntimeError("nor of this")

    monkeypatch.setattr(StripeApi, "intent", fails)
    monkeypatch.setattr(SubscriptionSync, "end_grace", fails_whole)
    with pytest.raises(NotAllDone) as failed:
        shop.workbench.queue.periodic["billing_care"].handler()
    assert failed.value.detail.startswith("The end of grace was not done: ")
    assert failed.value.detail.endswith(" And 1 more.")
    assert (shop.balance(olga), shop.plan(olga)) == (100, "free")
