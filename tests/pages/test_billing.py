"""Billing as each role meets it: the plan, credits and the ledger, with Stripe behind them and without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import workbench as workbench_module
from core.principal import Principal, Role
from core.workbench import Workbench
from pages.components.billing_ledger import PAGE_ROWS
from tests.conftest import MakeMember
from tests.core.billing.selling import Shop, open_shop
from tests.fakes.stripe_server import StripeServer
from tests.pages.signed_in import carry, confirm, open_page, open_session, press, words_of


@pytest.fixture
def shop(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A workbench that sells, found by the pages."""
    with StripeServer() as stripe, open_shop(database_url, tmp_path, stripe) as opened:
        monkeypatch.setattr(workbench_module, "_current", opened.workbench)
        yield opened


@pytest.fixture
def olga(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in owner on the free plan."""
    return sign_in(shop.workbench, shop.member("olga", org="Acme"), monkeypatch)


def sign_in(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """Opens a session for somebody, and gives who the pages then see."""
    cookie = open_session(workbench, who)
    carry(cookie, monkeypatch)
    principal = workbench.accounts.principal_of_session(cookie)
    assert principal is not None
    return principal


def billing(section: str = "plan", **parameters: str) -> AppTest:
    return open_page("billing.py", section=section, **parameters)


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def links(app: AppTest) -> list[str]:
    """Addresses of the buttons that lead elsewhere."""
    return [str(each.proto.url) for each in app.get("link_button")]


def grant(workbench: Workbench, who: Principal, amount: str) -> None:
    workbench.credits.grant(who.org_id, Decimal(amount), reason="A gift", author=None)


@pytest.mark.parametrize("role", list(Role))
def test_every_role_sees_the_plan_and_only_managers_can_buy(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    shop.member("olga", plan="team", org="Acme")
    sign_in(shop.workbench, shop.member("ann", plan="team", org="Acme", role=role), monkeypatch)
    app = billing()
    words = words_of(app)
    for label in ("Free", "Basic", "Premium", "Team", "Enterprise"):
        assert f"**{label}**" in words
    assert ("Choose Premium" in labels(app)) is role.manages
    assert ("Owners and admins of your organisation choose the plan." in words) is not role.manages
    app = billing("credits")
    assert "**Starter** | 100 credits" in words_of(app)
    assert "10.00 USD, before tax" in words_of(app)
    assert ("Buy 100" in labels(app)) is role.manages
    assert "Nothing has moved yet" in words_of(billing("ledger"))


def test_a_package_is_paid_at_stripe_and_there_when_one_comes_back(shop: Shop, olga: Principal) -> None:
    app = press(billing("credits"), "Buy 100")
    [url] = links(app)
    assert url.startswith("https://checkout.stripe.example/")
    shop.stripe.pay_checkout(url.rsplit("/", 1)[1])
    app = billing("credits", bought="1")
    assert "bought" not in app.query_params
    assert {metric.label: metric.value for metric in app.metric}["Balance of the organisation"] == "100"
    assert "100 credits" in words_of(app)
    rows = billing("ledger").dataframe[0].value
    assert rows[["What", "Before", "Change", "After"]].to_numpy().tolist() == [["Bought", 0.0, 100.0, 100.0]]


def test_a_plan_is_chosen_paid_changed_and_ended(shop: Shop, olga: Principal) -> None:
    app = press(billing(), "Choose Basic")
    assert "9.99 USD a month, before tax" in words_of(app)
    app.button(key="billing_plans_basic_choose").click()
    app.button(key="billing_plans_basic_change_do").click().run()
    [url] = links(app)
    shop.stripe.subscribe(url.rsplit("/", 1)[1])
    app = billing(bought="1")
    assert "It is paid until" in words_of(app)
    assert shop.plan(olga) == "basic"

    app = press(billing(), "Choose Premium")
    assert "Paid now: 10.00 USD before tax" in words_of(app)
    app.button(key="billing_plans_premium_choose").click()
    app.button(key="billing_plans_premium_change_do").click().run()
    assert shop.plan(olga) == "premium"

    app = press(billing(), "Choose Basic")
    assert "until then nothing changes" in words_of(app)
    app.button(key="billing_plans_basic_choose").click()
    app.button(key="billing_plans_basic_change_do").click().run()
    assert "it is Basic; until then nothing changes" in words_of(billing())
    press(billing(), "Keep it as it is")
    assert "goes on from there by itself" in words_of(billing())
    confirm(billing(), "billing_subscription_end")
    assert "your organisation is on Free from then on" in words_of(billing())
    app = press(billing(), "Manage payment")
    assert links(app)[0].startswith("https://billing.stripe.example/")


@pytest.mark.parametrize("plan", ["basic", "team"])
def test_a_plan_that_was_given_without_a_subscription_is_not_to_be_chosen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    sign_in(shop.workbench, shop.member("olga", plan=plan, org="Acme"), monkeypatch)
    app = billing()
    assert "Your plan" in words_of(app)
    chosen = {label for label in labels(app) if label.startswith(("Choose", "Change"))}
    assert chosen == {"Choose Basic", "Choose Premium", "Choose Team"} - {f"Choose {plan.capitalize()}"}


def test_seats_are_changed_with_what_they_cost(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    olga = sign_in(shop.workbench, shop.member("olga", plan="team", org="Acme"), monkeypatch)
    shop.subscribed(olga, "team", 2)
    app = billing()
    assert "2 seats, 98.00 USD a month" in words_of(app)
    app = press(app, "Change seats")
    assert "takes a seat" in str(app.number_input[0].help)
    app.button(key="billing_plans_team_choose").click()
    app.number_input[0].set_value(3).run()
    app.button(key="billing_plans_team_choose").click()
    app.button(key="billing_plans_team_change_do").click().run()
    current = shop.billing.subscriptions.current(olga)
    assert current is not None
    assert current.seats == 3


def test_what_stripe_refuses_is_said_in_the_dialog(shop: Shop, olga: Principal) -> None:
    shop.subscribed(olga, "basic")
    shop.stripe.declines = True
    app = press(billing(), "Choose Premium")
    app.button(key="billing_plans_premium_choose").click()
    app.button(key="billing_plans_premium_change_do").click().run()
    assert "Your card was declined." in words_of(app)
    assert shop.plan(olga) == "basic"


def test_a_failed_payment_is_said_with_what_to_do(shop: Shop, olga: Principal) -> None:
    subscription_id = shop.subscribed(olga, "basic")
    shop.tell(shop.stripe.set_status(subscription_id, "past_due"))
    app = billing()
    assert "The last payment failed" in words_of(app)
    assert "End subscription" not in labels(app)
    assert "Choose Premium" not in labels(app)
    assert "Manage payment" in labels(app)


def test_the_ledger_is_read_page_by_page_with_the_balance_at_each_line(shop: Shop, olga: Principal) -> None:
    for number in range(PAGE_ROWS + 5):
        grant(shop.workbench, olga, str(number + 1))
    total = sum(range(1, PAGE_ROWS + 6))
    app = billing("ledger")
    first = app.dataframe[0].value
    assert (len(first), first["After"].iloc[0]) == (PAGE_ROWS, total)
    app = press(app, "Older")
    second = app.dataframe[0].value
    assert second[["Before", "Change", "After"]].to_numpy().tolist()[-1] == [0.0, 1.0, 1.0]
    assert second["After"].iloc[0] == first["Before"].iloc[-1]
    assert "Older" not in labels(app)
    app = press(app, "Newer")
    assert app.dataframe[0].value["After"].iloc[0] == total


def test_a_member_sees_their_own_entries_without_the_balance(
    shop: Shop, olga: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.paid(olga)
    shop.workbench.directory.set_plan("Acme", "team")
    sign_in(shop.workbench, shop.member("ann", plan="team", org="Acme", role=Role.ANALYST), monkeypatch)
    assert "Nothing has moved yet" in words_of(billing("ledger"))


def test_what_is_owed_is_said(shop: Shop, olga: Principal) -> None:
    intent_id = shop.paid(olga)
    shop.workbench.credits.adjust(replace(olga, is_operator=True), olga.org_id, Decimal(-90), "spent, as it were")
    shop.tell(shop.stripe.refund(intent_id, 1000))
    app = billing("credits")
    assert {metric.label: metric.value for metric in app.metric}["Balance of the organisation"] == "-90"
    assert "90 more were spent or taken back than there were" in words_of(app)


@pytest.mark.parametrize("is_operator", [True, False], ids=["operator", "owner"])
def test_without_keys_the_page_says_how_to_switch_it_on(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, is_operator: bool
) -> None:
    who = member("olga", org="Acme")
    if is_operator:
        with workbench.database.heart() as connection:
            connection.execute("UPDATE users SET is_operator = true")
    sign_in(workbench, who, monkeypatch)
    for part in ("plan", "credits"):
        app = billing(part)
        words = words_of(app)
        assert "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET" in words
        assert ("grant credits and set plans yourself" in words) is is_operator
        assert not [label for label in labels(app) if label.startswith(("Buy", "Choose"))]
    grant(workbench, who, "25")
    rows = billing("ledger").dataframe[0].value
    assert rows[["What", "Reason", "After"]].to_numpy().tolist() == [["Granted", "A gift", 25.0]]


def test_while_stripe_is_away_the_page_is_there(shop: Shop, olga: Principal) -> None:
    shop.stripe.is_down = True
    app = billing("credits")
    assert "Balance of the organisation" in [metric.label for metric in app.metric]


def test_operators_see_what_is_left_over_of_stripes_events_and_run_it_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = shop.member("olga", org="Acme")
    subscription_id = shop.subscribed(who, "basic")
    item = shop.stripe.objects[subscription_id]["items"]["data"][0]
    item["price"] = {"id": "price_other"}
    unknown = shop.stripe.event("customer.subscription.updated", shop.stripe.shown(subscription_id))
    shop.tell(unknown)
    refused = shop.stripe.pay(shop.buy(who), amount_received=1)
    shop.tell(refused)
    shop.rows("UPDATE users SET is_operator = true RETURNING id")
    sign_in(shop.workbench, who, monkeypatch)
    words = words_of(open_page("admin.py", section="jobs"))
    assert "1 event of Stripe refused or given up" in words
    assert "1 usd were paid, 1000 usd asked." in words
    assert "Check STRIPE_PRICE_… of each plan." in words
    item["price"] = {"id": "price_premium"}
    confirm(open_page("admin.py", section="jobs"), f"admin_stripe_{unknown['id']}_again")
    shop.billing.events.work_on_due()
    confirm(open_page("admin.py", section="jobs"), f"admin_stripe_{refused['id']}_aside")
    assert "No event is left over" in words_of(open_page("admin.py", section="jobs"))
    assert shop.state(unknown)[0] == "done"


def test_what_a_newcomer_asks_is_said_beside_it(shop: Shop, olga: Principal) -> None:
    app = billing()
    assert "requests paid with credits count too" in words_of(app)
    app = billing("credits")
    assert [metric.label for metric in app.metric if not metric.help] == []
    assert [each.label for each in app.button if each.label.startswith("Buy") and not each.help] == []
    monthly = "A request they pay for still counts as one of the plan’s AI requests of the month."
    assert (monthly in words_of(app)) is shop.workbench.credits.balance(olga).uses_credits


@pytest.mark.parametrize("section", ["plan", "credits", "ledger"])
def test_headings_leave_out_no_level(shop: Shop, olga: Principal, section: str) -> None:
    app = billing(section)
    assert [title.value for title in app.title] == ["Billing"]
    assert len(app.header) >= 1
    assert [each.value for each in app.subheader] == []
