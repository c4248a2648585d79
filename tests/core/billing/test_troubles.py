"""What operators are told: prices that differ from their plans, events that are left over; and failed payments."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.billing.fences import NotAllDone
from core.billing.price_check import difference
from core.billing.stripe_facts import price_of
from core.commands import doctor
from core.metering.plans import load_plans
from core.principal import Principal
from core.settings import DATA
from tests.conftest import make_settings
from tests.core.billing.selling import Shop, open_shop
from tests.fakes.stripe_server import StripeServer

PRICE = {
    "id": "price_basic",
    "object": "price",
    "active": True,
    "currency": "usd",
    "unit_amount": 999,
    "recurring": {"interval": "month", "interval_count": 1},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"unit_amount": 1099}, "is 10.99; the plan says 9.99."),
        ({"unit_amount": None}, "is no fixed amount; the plan says 9.99."),
        ({"currency": "eur"}, "is in EUR, not in USD."),
        ({"active": False}, "is not active."),
        ({"recurring": None}, "is not paid every month."),
        ({"recurring": {"interval": "year", "interval_count": 1}}, "is not paid every month."),
        ({"recurring": {"interval": "month", "interval_count": 3}}, "is not paid every month."),
    ],
    ids=["agrees", "amount", "by tier", "currency", "inactive", "once", "a year", "a quarter"],
)
def test_a_price_is_what_its_plan_says_or_it_is_said(changes: dict[str, Any], said: str | None) -> None:
    plan = load_plans(DATA / "plans.yaml").get("basic")
    assert plan.price_usd == Decimal("9.99")
    found = difference(plan, price_of({**PRICE, **changes}), "usd")
    assert found == (None if said is None else f"Basic: the price price_basic at Stripe {said}")


def test_prices_that_differ_are_told_until_they_agree(shop: Shop, stripe: StripeServer) -> None:
    shop.billing.care()
    assert shop.billing.troubles.all() == []
    stripe.objects["price_basic"] = {**PRICE, "unit_amount": 1999}
    shop.billing.care()
    assert shop.billing.troubles.all() == ["Basic: the price price_basic at Stripe is 19.99; the plan says 9.99."]
    stripe.is_down = True
    with pytest.raises(NotAllDone, match="The look at prices was not done: Stripe cannot be reached"):
        shop.billing.care()
    assert len(shop.billing.troubles.all()) == 1, "what cannot be looked at stays as it was"
    stripe.is_down = False
    del stripe.objects["price_basic"]
    shop.billing.care()
    assert shop.billing.troubles.all() == []


def test_the_doctor_compares_prices(
    database_url: str, tmp_path: Path, stripe: StripeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {**stripe.environ, "STRIPE_PRICE_TEAM": "price_unknown"}
    assert doctor.run(make_settings(database_url, tmp_path, **environ)) == 1
    told = capsys.readouterr().out
    assert "missing stripe        Team: Stripe has no price price_unknown." in told


def test_operators_are_alerted_of_what_is_left_over_until_it_is_solved(shop: Shop, olga: Principal) -> None:
    shop.rows("UPDATE users SET is_operator = true RETURNING id")
    look = shop.workbench.queue.periodic["watch_billing"].handler
    look()
    assert shop.rows("SELECT rule FROM oversight_alerts") == []
    event = shop.stripe.pay(shop.buy(olga), amount_received=999)
    shop.tell(event)
    look()
    [(rule, body, cleared_at)] = shop.rows("SELECT rule, body, cleared_at FROM oversight_alerts")
    assert (rule, body, cleared_at) == ("billing_trouble", "1 event of Stripe refused or given up.", None)
    assert shop.notices(olga)[0] == "Billing needs a look"
    shop.rows("DELETE FROM stripe_events RETURNING id")
    look()
    assert shop.rows("SELECT cleared_at IS NOT NULL FROM oversight_alerts") == [(True,)]


def test_a_failed_payment_is_an_alert_that_channels_tell(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.tell(shop.stripe.set_status(subscription_id, "past_due"))
    shop.workbench.oversight.watch.evaluate()
    [(rule, body)] = shop.rows("SELECT rule, body FROM oversight_alerts WHERE org_id = %s", olga.org_id)
    assert rule == "plan_expiring"
    assert "Its last payment failed." in body


def test_prices_are_remembered_by_whoever_sells_them(database_url: str, tmp_path: Path, stripe: StripeServer) -> None:
    for number, price_id in enumerate(("price_basic", "price_other")):
        with open_shop(database_url, tmp_path / str(number), stripe, STRIPE_PRICE_BASIC=price_id) as shop:
            remembered = dict(shop.rows("SELECT price_id, plan FROM plan_prices"))
    assert remembered == {
        "price_basic": "basic",
        "price_other": "basic",
        "price_premium": "premium",
        "price_team": "team",
    }
