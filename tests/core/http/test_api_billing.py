"""Buying over a socket: purchases, plans, and Stripe's webhook as Stripe sends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from core.principal import Principal, Role
from tests.core.http.conftest import Api, ServeApi, assert_problem
from tests.fakes.stripe_server import StripeServer, signed

HOOK = "/webhooks/stripe"
PURCHASE = "/credits/purchase"
STARTER = {"package_id": "starter"}


@pytest.fixture
def stripe() -> Iterator[StripeServer]:
    """A local server that speaks Stripe's API."""
    with StripeServer() as server:
        yield server


@pytest.fixture
def shop(serve_api: ServeApi, stripe: StripeServer) -> Api:
    """An API that sells over it."""
    return serve_api(**stripe.environ)


@pytest.fixture
def olga(shop: Api) -> Principal:
    """An owner."""
    return shop.member("olga", org="Acme")


def _send(api: Api, event: dict[str, Any], **how: Any) -> httpx2.Response:
    body, headers = signed(event, **how)
    answer = httpx2.post(f"{api.base_url}{HOOK}", content=body, headers=headers)
    if answer.is_success:
        api.workbench.billing.events.work_on(event["id"])  # as its job does
    return answer


def test_a_package_is_bought_and_credited_once(shop: Api, stripe: StripeServer, olga: Principal) -> None:
    with shop.client(olga) as client:
        bought = client.post(PURCHASE, json=STARTER).json()
        assert set(bought) == {"client_secret", "payment_intent_id"}
        assert bought["client_secret"] == stripe.objects[bought["payment_intent_id"]]["client_secret"]
        event = stripe.pay(bought["payment_intent_id"])
        for _ in range(3):
            answer = _send(shop, event)
            assert (answer.status_code, answer.json()) == (200, {"received": True})
        assert client.get("/credits/balance").json()["balance"] == "100"
        entries = client.get("/credits/ledger").json()["entries"]
        assert [entry["kind"] for entry in entries] == ["purchase"]


def test_the_same_key_begins_one_purchase(shop: Api, stripe: StripeServer, olga: Principal) -> None:
    key = {"Idempotency-Key": "once"}
    with shop.client(olga) as client:
        first, again = (client.post(PURCHASE, json=STARTER, headers=key) for _ in range(2))
        assert first.json() == again.json()
        assert [answer.headers.get("Idempotency-Replayed") for answer in (first, again)] == [None, "true"]
        assert_problem(client.post(PURCHASE, json={"package_id": "team"}, headers=key), 409, "conflict")
    assert len(stripe.calls("POST /v1/payment_intents")) == 1


def test_a_forged_a_stale_and_an_unsigned_event_are_400(shop: Api, stripe: StripeServer, olga: Principal) -> None:
    with shop.client(olga) as client:
        event = stripe.pay(client.post(PURCHASE, json=STARTER).json()["payment_intent_id"])
        assert_problem(_send(shop, event, secret="whsec_other"), 400, "invalid_request")
        assert_problem(_send(shop, event, at=time.time() - 600), 400, "invalid_request")
        body, _ = signed(event)
        assert_problem(httpx2.post(f"{shop.base_url}{HOOK}", content=body), 400, "invalid_request")
        assert client.get("/credits/balance").json()["balance"] == "0"


def test_a_webhook_takes_no_more_than_an_event_has(shop: Api) -> None:
    answer = httpx2.post(f"{shop.base_url}{HOOK}", content=b"x" * (513 * 1024))
    assert_problem(answer, 413, "payload_too_large")


def test_the_answer_waits_for_nothing_but_the_store(shop: Api, stripe: StripeServer) -> None:
    body, headers = signed(stripe.event("customer.subscription.updated", {"id": "sub_1", "object": "subscription"}))
    answer = httpx2.post(f"{shop.base_url}{HOOK}", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert stripe.requests == []
    assert shop.workbench.billing.events.figures().waiting == 1


def test_while_stripe_is_away_an_event_is_taken_all_the_same(shop: Api, stripe: StripeServer) -> None:
    stripe.is_down = True
    foreign = {"id": "sub_1", "object": "subscription"}
    assert _send(shop, stripe.event("customer.subscription.updated", foreign)).status_code == 200


def test_a_plan_is_previewed_bought_changed_and_ended(shop: Api, stripe: StripeServer, olga: Principal) -> None:
    with shop.client(olga) as client:
        assert client.get("/billing").json() == {"plan": "free", "subscription": None, "can_buy": True}
        sold = {row["name"]: (row["price_usd"], row["sold"]) for row in client.get("/billing/plans").json()}
        assert sold["basic"] == ("9.99", True)
        assert sold["enterprise"] == (None, False)
        preview = client.post("/billing/preview", json={"plan": "team", "seats": 2}).json()
        assert preview | {"at": None} == {
            "plan": "team",
            "seats": 2,
            "effect": "checkout",
            "takes_effect_at": None,
            "due_usd": "98",
            "monthly_usd": "98",
            "at": None,
        }
        url = client.post("/billing/plan", json={"plan": "team", "seats": 2}).json()["checkout_url"]
        for event in stripe.subscribe(url.rsplit("/", 1)[1]):
            assert _send(shop, event).status_code == 200
        assert client.get("/billing").json()["plan"] == "team"
        assert client.put("/billing/seats", json={"seats": 5}).json()["subscription"]["seats"] == 5
        later = client.post("/billing/plan", json={"plan": "basic"}).json()["subscription"]
        assert (later["plan"], later["next_plan"]) == ("team", "basic")
        assert client.post("/billing/resume").json()["subscription"]["next_plan"] is None
        assert client.post("/billing/cancel").json()["subscription"]["ends_at_period_end"] is True
        assert client.post("/billing/portal").json()["url"].startswith("https://billing.stripe.example/")
        stripe.declines = True
        assert_problem(client.put("/billing/seats", json={"seats": 9}), 409, "conflict")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PURCHASE, {}),
        ("POST", PURCHASE, {"package_id": 5}),
        ("POST", PURCHASE, {"package_id": "starter", "credits": 5}),
        ("POST", PURCHASE, {"package_id": "none"}),
        ("POST", "/billing/preview", {"plan": "platinum"}),
        ("POST", "/billing/plan", {"plan": "team", "seats": 0}),
        ("PUT", "/billing/seats", {"seats": "2"}),
    ],
)
def test_bodies_that_make_no_sense_are_refused(
    shop: Api, olga: Principal, method: str, path: str, body: dict[str, Any]
) -> None:
    with shop.client(olga) as client:
        assert_problem(client.request(method, path, json=body), 422, "invalid_request")


def test_an_analyst_may_see_and_not_buy(shop: Api) -> None:
    ann = shop.member("ann", plan="team", org="Acme", role=Role.ANALYST)
    with shop.client(ann) as client:
        assert client.get("/billing").json()["plan"] == "team"
        assert_problem(client.post(PURCHASE, json=STARTER), 403, "forbidden")
        assert_problem(client.post("/billing/cancel"), 403, "forbidden")


def test_without_keys_it_says_how_to_switch_it_on(api: Api, ann: httpx2.Client) -> None:
    problem = assert_problem(ann.post(PURCHASE, json=STARTER), 501, "not_configured")
    assert "STRIPE_SECRET_KEY" in str(problem["detail"])
    hook = httpx2.post(f"{api.base_url}{HOOK}", content=b"{}", headers={"Stripe-Signature": "t=1,v1=00"})
    assert "STRIPE_WEBHOOK_SECRET" in str(assert_problem(hook, 501, "not_configured")["detail"])
    assert ann.get("/billing").json()["can_buy"] is False


def test_strangers_get_nowhere(shop: Api) -> None:
    with shop.client() as client:
        for path in (PURCHASE, "/billing/preview", "/billing/plan", "/billing/cancel", "/billing/portal"):
            assert_problem(client.post(path, json={}), 401, "unauthenticated")
