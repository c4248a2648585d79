"""Events: their signature and age, that each is stored before anything else, and what becomes of those that fail."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.billing.events import KEPT, WAITS, WORK
from core.billing.fences import NotAllDone
from core.billing.signatures import TOLERANCE_S, BadSignature, check_signature
from core.errors import Forbidden, NotFound
from core.ops.worker import Worker
from core.principal import Principal
from tests.conftest import MoveTime
from tests.core.billing.selling import Shop
from tests.core.ops.worker_process import PATIENCE_S, QUICK
from tests.fakes.stripe_server import WEBHOOK_SECRET, signed

EVENT = {"id": "evt_1", "object": "event", "type": "x.y", "created": 1, "data": {"object": {}}}


def _check(header: str | None, body: bytes = b"{}", at: float | None = None) -> None:
    now = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    check_signature(body, header, WEBHOOK_SECRET, now)


def test_the_official_client_agrees_with_our_check() -> None:
    import stripe

    body = json.dumps(EVENT)
    header = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
    _check(header, body.encode())
    own, headers = signed(EVENT)
    stripe.Webhook.construct_event(own, headers["Stripe-Signature"], WEBHOOK_SECRET)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=1",
        "v1=00",
        "t=now,v1=00",
        "t=1,t=2,v1=00",
        "t=1,v1=" + "0" * 64,
        "t=1,v0=" + "0" * 64,
        "t=-1,v1=00",
        "t=1,v1=é",
        "t=" + "9" * 400 + ",v1=00",
        "t=1" + ",v1=00" * 400,
        ",,,===",
    ],
)
def test_a_header_that_is_none_is_refused(header: str | None) -> None:
    with pytest.raises(BadSignature):
        _check(header)


def test_the_signature_is_of_this_body_under_this_secret_at_this_time() -> None:
    body, headers = signed(EVENT)
    header = headers["Stripe-Signature"]
    _check(header, body)
    with pytest.raises(BadSignature):
        _check(header, body + b" ")
    moved = header.replace(f"t={header[2:].split(',')[0]}", f"t={int(time.time()) + 1}")
    with pytest.raises(BadSignature):
        _check(moved, body)
    with pytest.raises(BadSignature):
        _check(signed(EVENT, secret="whsec_other")[1]["Stripe-Signature"], body)


def test_one_of_several_signatures_suffices_while_a_secret_is_replaced() -> None:
    body, headers = signed(EVENT)
    time_, v1, v0 = headers["Stripe-Signature"].split(",")
    _check(f"{time_},v1={'1' * 64},{v1},{v0}", body)


@pytest.mark.parametrize(("age", "is_taken"), [(0, True), (TOLERANCE_S - 1, True), (TOLERANCE_S + 2, False)])
@pytest.mark.parametrize("sign", [1, -1], ids=["past", "future"])
def test_what_was_signed_long_ago_or_ahead_is_refused(age: int, is_taken: bool, sign: int) -> None:
    body, headers = signed(EVENT)
    now = int(headers["Stripe-Signature"][2:].split(",")[0]) + sign * age
    if is_taken:
        _check(headers["Stripe-Signature"], body, at=now)
    else:
        with pytest.raises(BadSignature, match="signed more than"):
            _check(headers["Stripe-Signature"], body, at=now)


def test_nothing_of_a_forged_or_stale_event_is_stored(shop: Shop, olga: Principal) -> None:
    event = shop.stripe.pay(shop.buy(olga))
    with pytest.raises(BadSignature):
        shop.tell(event, secret="whsec_forged")
    with pytest.raises(BadSignature):
        shop.tell(event, at=time.time() - 3600)
    assert shop.rows("SELECT id FROM stripe_events") == []
    assert shop.balance(olga) == 0


@pytest.mark.parametrize(
    "event",
    [
        [],
        {**EVENT, "object": "charge"},
        {**EVENT, "id": ""},
        {**EVENT, "id": 5},
        {**EVENT, "id": "x" * 256},
        {**EVENT, "type": None},
        {**EVENT, "created": "now"},
        {**EVENT, "created": 1e30},
        {**EVENT, "created": True},
        {**EVENT, "id": "evt\u0000"},
    ],
    ids=str,
)
def test_a_signed_body_that_is_no_event_is_refused(shop: Shop, event: Any) -> None:
    with pytest.raises(BadSignature, match="no event"):
        shop.tell(event)
    assert shop.rows("SELECT id FROM stripe_events") == []


@pytest.mark.parametrize("about", [None, [], "text", {}], ids=str)
def test_an_event_about_nothing_is_refused_and_kept_as_that(shop: Shop, about: object) -> None:
    event = {**EVENT, "type": "payment_intent.succeeded", "data": {"object": about}}
    shop.tell(event)
    assert shop.state(event)[0] == "refused"


def test_the_same_event_from_many_processes_at_once_is_worked_on_once(shop: Shop, olga: Principal) -> None:
    event = shop.stripe.pay(shop.buy(olga))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: shop.tell(event), range(16)))
    assert shop.balance(olga) == 100
    assert shop.rows("SELECT state, tries FROM stripe_events") == [("done", 1)]


@pytest.mark.slow
def test_what_cannot_be_worked_on_now_is_kept_and_tried_again(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    url = shop.billing.purchases.checkout(olga, "starter")
    paid, _ = shop.stripe.pay_checkout(url.rsplit("/", 1)[1])
    shop.stripe.is_down = True
    shop.tell(paid)
    state, said = shop.state(paid)
    assert (state, "cannot be reached" in (said or "")) == ("waiting", True)
    figures = shop.billing.events.figures()
    assert (figures.waiting, figures.late, figures.failed) == (1, 1, 0)
    shop.tell(paid)
    shop.billing.events.work_on_due()
    assert shop.rows("SELECT tries FROM stripe_events") == [(1,)], "not before it is due"
    shop.stripe.is_down = False
    move_time(timedelta(minutes=2))
    shop.billing.events.work_on_due()
    assert shop.state(paid) == ("done", None)
    assert shop.balance(olga) == 100
    assert shop.rows("SELECT body FROM stripe_events") == [(None,)], "it named somebody"


def test_what_never_works_is_given_up_and_said(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.stripe.objects[subscription_id]["items"]["data"][0]["price"] = {"id": "price_other"}
    event = shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id))
    shop.tell(event)
    for days in range(1, 20):
        move_time(timedelta(days=days))
        shop.billing.events.work_on_due()
    assert shop.state(event)[0] == "failed"
    assert shop.billing.events.figures().failed == 1
    assert shop.rows("SELECT body IS NOT NULL FROM stripe_events WHERE state = 'failed'") == [(True,)]


def test_an_unexpected_error_of_ours_loses_no_event(
    shop: Shop, olga: Principal, move_time: MoveTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = shop.stripe.pay(shop.buy(olga))
    with monkeypatch.context() as patch:

        def fails(*_: object, **__: object) -> None:
            raise RuntimeError("a secret word")

        patch.setattr("core.billing.payments.Payments.on_intent", fails)
        shop.tell(event)
    state, said = shop.state(event)
    assert (state, "secret" in (said or "")) == ("waiting", False)
    move_time(timedelta(minutes=2))
    shop.billing.events.work_on_due()
    assert shop.balance(olga) == 100


def test_an_event_whose_process_died_is_taken_over(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    event = shop.stripe.pay(shop.buy(olga))
    shop.tell(event)
    shop.rows(
        "UPDATE stripe_events SET state = 'waiting', finished_at = NULL, body = %s, due_at = assay_now() + "
        "interval '5 minutes' RETURNING id",
        json.dumps(event),
    )
    shop.billing.events.work_on_due()
    assert shop.state(event)[0] == "waiting", "another may be at it"
    move_time(timedelta(minutes=6))
    shop.billing.events.work_on_due()
    assert shop.state(event)[0] == "done"
    assert shop.balance(olga) == 100, "and what it had done is not done again"


def test_events_of_long_ago_are_forgotten(shop: Shop, olga: Principal, move_time: MoveTime) -> None:
    shop.paid(olga)
    move_time(timedelta(days=401))
    shop.billing.events.work_on_due()
    assert shop.rows("SELECT id FROM stripe_events") == []


@pytest.fixture
def oskar(olga: Principal) -> Principal:
    """An operator."""
    return replace(olga, is_operator=True)


def _taken(shop: Shop, event: dict[str, Any]) -> None:
    """Stripe sends an event, and nobody works on it yet."""
    body, headers = signed(event)
    shop.billing.events.receive(body, headers["Stripe-Signature"])


def test_an_event_is_stored_and_left_to_the_queue(shop: Shop, olga: Principal) -> None:
    event = shop.stripe.event("customer.subscription.updated", {"id": "sub_1", "object": "subscription"})
    for _ in range(2):
        _taken(shop, event)
    assert shop.stripe.requests == []
    assert shop.state(event) == ("waiting", None)
    assert shop.rows("SELECT kind, status FROM jobs") == [(WORK, "waiting")]


@pytest.mark.slow
def test_a_worker_does_what_an_event_asks_for_at_once(shop: Shop, olga: Principal) -> None:
    worker = Worker(shop.workbench.database, shop.workbench.queue, jobs_at_once=1, times=QUICK)
    worker.start()
    try:
        _taken(shop, shop.stripe.pay(shop.buy(olga)))
        until = time.monotonic() + PATIENCE_S
        while shop.balance(olga) != 100 and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        worker.stop()
    assert shop.balance(olga) == 100


def test_what_failed_is_kept_until_it_is_solved_however_old(
    shop: Shop, olga: Principal, oskar: Principal, move_time: MoveTime
) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    price = shop.stripe.objects[subscription_id]["items"]["data"][0]["price"]
    shop.stripe.objects[subscription_id]["items"]["data"][0]["price"] = {"id": "price_other"}
    event = shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id))
    shop.tell(event)
    [waiting] = shop.billing.events.unsolved(oskar)
    assert (waiting.id, waiting.state, waiting.tries) == (event["id"], "waiting", 1)
    for days in range(1, 20):
        move_time(timedelta(days=days))
        shop.billing.events.work_on_due()
    move_time(KEPT + timedelta(days=30))
    shop.billing.events.work_on_due()
    [failed] = shop.billing.events.unsolved(oskar)
    assert (failed.type, failed.state, failed.tries) == ("customer.subscription.updated", "failed", len(WAITS) + 1)
    assert "STRIPE_PRICE_" in (failed.said or "")
    shop.stripe.objects[subscription_id]["items"]["data"][0]["price"] = {**price, "id": "price_premium"}
    shop.billing.events.run_again(oskar, event["id"])
    shop.billing.events.work_on(event["id"])
    assert shop.state(event) == ("done", None)
    assert shop.plan(olga) == "premium"
    assert shop.billing.events.unsolved(oskar) == []
    assert shop.rows("SELECT body FROM stripe_events WHERE id = %s", event["id"]) == [(None,)]
    shop.billing.events.work_on_due()
    assert shop.rows("SELECT id FROM stripe_events WHERE id = %s", event["id"]) == [], "of long ago, and solved"
    assert ("billing.event_operated", olga.user_id) in [row[:2] for row in shop.recorded(event["id"])]


def test_what_was_refused_is_run_again_or_set_aside(shop: Shop, olga: Principal, oskar: Principal) -> None:
    event = shop.stripe.pay(shop.buy(olga), amount_received=999)
    shop.tell(event)
    assert shop.billing.troubles.all() == ["1 event of Stripe refused or given up"]
    shop.billing.events.run_again(oskar, event["id"])
    shop.billing.events.work_on(event["id"])
    assert shop.state(event)[0] == "refused", "it contradicts what is stored as before"
    shop.billing.events.set_aside(oskar, event["id"])
    assert shop.state(event) == ("ignored", "An operator set it aside.")
    assert shop.billing.troubles.all() == []
    assert shop.rows("SELECT body FROM stripe_events") == [(None,)]
    assert shop.balance(olga) == 0
    for do in (shop.billing.events.run_again, shop.billing.events.set_aside):
        with pytest.raises(NotFound):
            do(oskar, event["id"])


def test_what_is_done_is_not_run_again(shop: Shop, olga: Principal, oskar: Principal) -> None:
    event = shop.stripe.pay(shop.buy(olga))
    shop.tell(event)
    with pytest.raises(NotFound):
        shop.billing.events.run_again(oskar, event["id"])


@pytest.mark.parametrize("do", ["unsolved", "run_again", "set_aside"])
def test_events_are_operators_alone(shop: Shop, olga: Principal, do: str) -> None:
    call: Callable[..., object] = getattr(shop.billing.events, do)
    with pytest.raises(Forbidden):
        call(*([olga] if do == "unsolved" else [olga, "evt_1"]))


def test_one_event_that_breaks_holds_up_no_other(shop: Shop, olga: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = shop.stripe.pay(shop.buy(olga)), shop.stripe.pay(shop.buy(olga))
    _taken(shop, first)
    _taken(shop, second)
    work_on = type(shop.billing.events).work_on

    def breaks(events: Any, event_id: str) -> None:
        if event_id == first["id"]:
            raise RuntimeError("nobody thought of this")
        work_on(events, event_id)

    monkeypatch.setattr(type(shop.billing.events), "work_on", breaks)
    with pytest.raises(NotAllDone, match=f"Stripe's event {first['id']} was not done"):
        shop.billing.events.work_on_due()
    assert (shop.state(first)[0], shop.state(second)[0]) == ("waiting", "done")
