"""Admin, people and plans: what operators and managers find and do at the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.accounts.token_uses import TokenUses
from core.admin.people import Sought
from core.errors import Unauthenticated
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record
from tests.pages.signed_in import carry, confirm, open_page, open_session, press, words_of

SignIn = Callable[[Principal], Principal]


@pytest.fixture
def sign_in(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    """Signs somebody in, who the pages then see."""

    def do(who: Principal) -> Principal:
        cookie = open_session(workbench, who)
        carry(cookie, monkeypatch)
        found = workbench.accounts.principal_of_session(cookie)
        assert found is not None
        return found

    return do


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """The owner of Acme, where bob is an analyst."""
    member("bob", plan="team", org="Acme", role=Role.ANALYST)
    return member("ann", plan="team", org="Acme")


@pytest.fixture
def olga(workbench: Workbench, sign_in: SignIn) -> Principal:
    """A signed-in operator."""
    workbench.directory.add_user(
        "olga@test.example", org_name="House", plan="free", role=Role.OWNER, password=None, is_operator=True
    )
    return sign_in(workbench.directory.member("olga@test.example", "House"))


def everything(section: str) -> AppTest:
    """A part of the page, of the whole installation."""
    app = open_page("admin.py", section=section)
    return app.button_group(key="admin_reach").set_value("Everything").run()


def labelled(fields: Any, label: str) -> Any:
    return next(each for each in fields if each.label == label)


def starting(fields: Any, start: str, end: str) -> Any:
    return next(each for each in fields if each.key and each.key.startswith(start) and each.key.endswith(end))


def opener_of(app: AppTest, label: str) -> str:
    """Key of the first button with this label."""
    return str(next(each.key for each in app.button if each.label == label))


def send(app: AppTest, opener: str, label: str) -> AppTest:
    """Sends the form of the dialog that this button opens; here a dialog is open in one run alone."""
    app.button(key=opener).click()
    return press(app, label)


class TestPeople:
    def test_an_operator_finds_everybody_and_deactivates_one(
        self, workbench: Workbench, olga: Principal, ann: Principal
    ) -> None:
        app = everything("people")
        assert not app.exception
        assert "1 to 3 of 3" in words_of(app)
        app = labelled(app.text_input, "Search people").set_value("bob@").run()
        words = words_of(app)
        assert "1 to 1 of 1" in words
        assert "bob@test.example · Acme · not seen yet" in words
        button = starting(app.button, "admin_people_", "_activity")
        app = confirm(app, button.key)
        assert "The account is deactivated" in words_of(app)
        assert "Deactivated" in words_of(app)
        assert not workbench.admin.people.search(olga, _sought("bob"), everything=True).people[0].is_active

    def test_limits_are_told_with_their_parts_and_a_cap_is_set(
        self, workbench: Workbench, olga: Principal, ann: Principal, sign_in: SignIn
    ) -> None:
        workbench.admin.people.set_plan(olga, ann.org_id, "basic")
        workbench.meter.reserve(ann, hold_request())
        sign_in(ann)
        app = open_page("admin.py", section="people")
        opener = opener_of(app, "Limits")
        app = app.button(key=opener).click().run()
        words = words_of(app)
        assert "100 = 100 plan · 1 used, 99 left · begins anew tomorrow at 00:00" in words
        assert "10 of today's 10 free ones left" in words
        labelled(app.number_input, "Cap of the wallet's credits a month; empty: none").set_value(25.0)
        app = send(app, opener, "Set cap")
        page = workbench.admin.people.search(ann, _sought("ann"), everything=False)
        assert page.people[0].cap_month == Decimal(25)
        app = app.button(key=opener).click().run()
        labelled(app.number_input, "Cap of the wallet's credits a month; empty: none").set_value(None)
        send(app, opener, "Set cap")
        assert workbench.admin.people.search(ann, _sought("ann"), everything=False).people[0].cap_month is None

    def test_a_manager_sets_a_members_own_budget_and_ends_it(
        self, workbench: Workbench, ann: Principal, sign_in: SignIn
    ) -> None:
        sign_in(ann)
        bob = workbench.directory.member("bob@test.example", "Acme")
        opener = f"admin_people_{ann.org_id.hex}_{bob.user_id.hex}_limits"
        for typed, kept in ((12.5, Decimal("12.5")), (None, None)):
            app = open_page("admin.py", section="people").button(key=opener).click().run()
            labelled(app.number_input, "Their own budget, USD a month; empty: none").set_value(typed)
            app = send(app, opener, "Set budget")
            assert "The budget is set" in words_of(app)
            people = workbench.admin.people.search(ann, _sought("@test"), everything=False).people
            assert [(row.email, row.budget_usd) for row in people] == [(ann.email, None), (bob.email, kept)]
        app = app.button(key=opener).click().run()
        labelled(app.number_input, "Their own budget, USD a month; empty: none").set_value(3.0)
        send(app, opener, "Set budget")
        app = app.button(key=opener).click().run()
        assert "3 = 3 budget · 0 used, 3 left" in words_of(app)

    def test_a_budget_of_the_organisation_is_set_and_its_use_told(
        self, workbench: Workbench, ann: Principal, sign_in: SignIn
    ) -> None:
        sign_in(ann)
        app = open_page("admin.py", section="people")
        assert "0.00 USD this month, without a bound" in words_of(app)
        opener = f"admin_budgets_{ann.org_id.hex}_set"
        app = app.button(key=opener).click().run()
        labelled(app.number_input, "USD a month; empty: no budget").set_value(0.25)
        app = send(app, opener, "Set budget")
        assert "The budget is set" in words_of(app)
        hold = workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.20")))
        assert workbench.meter.mark_in_flight(hold)
        workbench.meter.settle(hold, "success", Decimal("0.20"), record("0.20"))
        words = words_of(open_page("admin.py", section="people"))
        assert "0.20 USD of 0.25 USD this month" in words
        assert "80 % used" in words

    def test_a_manager_sees_their_own_organisation_and_no_plan_or_credits_to_give(
        self, ann: Principal, olga: Principal, sign_in: SignIn
    ) -> None:
        sign_in(ann)
        app = open_page("admin.py", section="people")
        words = words_of(app)
        assert "bob@test.example" in words
        assert "olga" not in words
        labels = {button.label for button in app.button}
        assert "Pool" in labels
        assert not labels & {"Plan", "Credits", "Deactivate"}

    def test_the_last_owner_who_would_become_less_is_told_why_not(
        self, ann: Principal, sign_in: SignIn, workbench: Workbench
    ) -> None:
        sign_in(ann)
        app = open_page("admin.py", section="people")
        opener = opener_of(app, "Role")
        app = app.button(key=opener).click().run()
        starting(app.selectbox, "admin_people_", "_asked_new").set_value(Role.VIEWER)
        app = send(app, opener, "Give role")
        assert "The last owner cannot leave" in words_of(app)
        assert workbench.directory.member(ann.email, "Acme").role is Role.OWNER

    def test_an_operator_puts_an_organisation_on_a_plan_and_grants_credits(
        self, workbench: Workbench, olga: Principal, ann: Principal
    ) -> None:
        app = everything("people")
        app = labelled(app.text_input, "Search organisations").set_value("Acme").run()
        place = f"admin_orgs_{ann.org_id.hex}"
        app = app.button(key=f"{place}_plan").click().run()
        starting(app.selectbox, "admin_orgs_", "_new").set_value("premium")
        app = send(app, f"{place}_plan", "Set plan")
        app = app.button(key=f"{place}_credits").click().run()
        labelled(app.number_input, "Credits").set_value(40.0)
        labelled(app.text_input, "Reason").set_value("goodwill")
        send(app, f"{place}_credits", "Grant")
        (acme,) = workbench.admin.people.organisations(olga, _sought("Acme"), everything=True)
        assert (acme.plan, acme.balance) == ("premium", 40)

    def test_an_operator_corrects_a_wallet_and_takes_no_more_than_there_is(
        self, workbench: Workbench, olga: Principal, ann: Principal
    ) -> None:
        workbench.credits.adjust(olga, ann.org_id, Decimal(40), "counted anew")
        place = f"admin_orgs_{ann.org_id.hex}_credits"
        for amount, words in ((-50.0, "The wallet has less than that to take"), (-15.5, "")):
            app = everything("people")
            app = labelled(app.text_input, "Search organisations").set_value("Acme").run()
            app = app.button(key=place).click().run()
            starting(app.segmented_control, place, "_what").set_value("Correct")
            app = app.button(key=place).click().run()
            starting(app.number_input, place, "_correction").set_value(amount)
            labelled(app.text_input, "Reason").set_value("twice granted")
            app = send(app, place, "Correct")
            assert words in words_of(app)
        (acme,) = workbench.admin.people.organisations(olga, _sought("Acme"), everything=True)
        assert acme.balance == Decimal("24.5")


class TestBoosts:
    def test_a_request_is_granted_by_a_manager_and_ended(
        self, workbench: Workbench, ann: Principal, sign_in: SignIn
    ) -> None:
        bob = workbench.directory.member("bob@test.example", "Acme")
        workbench.boosts.request(bob, metric="signal_validations_day", amount=50, days=3, reason="earnings season")
        sign_in(ann)
        app = open_page("admin.py", section="boosts")
        assert "+50 signal validations a day for all members" in words_of(app)
        opener = opener_of(app, "Decide")
        app = app.button(key=opener).click().run()
        labelled(app.number_input, "Amount").set_value(20)
        app = send(app, opener, "Grant")
        words = words_of(app)
        assert "No request waits" in words
        assert "+20 signal validations a day" in words
        (boost,) = workbench.boosts.all(ann)
        app = confirm(app, f"admin_boosts_{boost.id.hex}_end")
        assert workbench.boosts.all(ann)[0].state == "ended"

    def test_an_operator_gives_one_to_any_organisation(
        self, workbench: Workbench, olga: Principal, ann: Principal, member: MakeMember
    ) -> None:
        member("eve", plan="enterprise", org="Borealis")
        app = everything("boosts")
        app = labelled(app.text_input, "Find an organisation").set_value("acm").run()
        (org,) = [each for each in app.selectbox if each.label == "Organisation"]
        assert org.options == ["Acme, team"]
        assert labelled(app.selectbox, "For").options == ["All members", ann.email, "bob@test.example"]
        assert labelled(app.selectbox, "Limit").options == ["AI requests a month", "signal validations a day"]
        labelled(app.selectbox, "For").set_value("bob@test.example")
        labelled(app.number_input, "Adds").set_value(7)
        labelled(app.text_input, "Reason").set_value("a busy week")
        app = press(app, "Give boost")
        assert not app.exception
        (boost,) = workbench.boosts.all(ann)
        bob = workbench.directory.member("bob@test.example", "Acme")
        assert (boost.user_id, boost.metric, boost.amount) == (bob.user_id, "requests_month", 7)
        app = labelled(app.text_input, "Find an organisation").set_value("borealis").run()
        assert "Enterprise limits none of what can be boosted" in words_of(app)
        assert "Give boost" not in {button.label for button in app.button}
        app = labelled(app.text_input, "Find an organisation").set_value("nobody").run()
        assert "No organisation is called so" in words_of(app)


class TestChanges:
    def test_a_file_is_previewed_and_applied_once(self, workbench: Workbench, olga: Principal, ann: Principal) -> None:
        app = everything("bulk")
        lines = "change,organisation,user,value\nplan,Acme,,premium\ncap,Acme,bob@test.example,5\n"
        app = labelled(app.text_area, "Or its lines").set_value(lines).run()
        assert not app.exception
        table = app.dataframe[0].value
        assert [*table["Before"]] == ["team", "no cap"]
        assert [*table["After"]] == ["premium", "5 credits a month"]
        app = confirm(app, "admin_bulk_apply")
        assert "The changes are applied" in words_of(app)
        assert "This file was applied today" in words_of(app)
        assert workbench.directory.member(ann.email, "Acme").plan == "premium"

    def test_one_wrong_line_is_told_and_nothing_can_be_applied(self, olga: Principal, ann: Principal) -> None:
        app = everything("bulk")
        lines = "change,organisation,user,value\nplan,Acme,,premium\nrole,Acme,ann@test.example,viewer\n"
        app = labelled(app.text_area, "Or its lines").set_value(lines).run()
        words = words_of(app)
        assert "1 line is wrong; nothing is applied." in words
        assert "Line 3: The last owner cannot become less" in words
        assert not [button for button in app.button if button.label.startswith("Apply")]


def test_a_changed_plan_is_simulated_beside_the_present_one(
    workbench: Workbench, olga: Principal, member: MakeMember
) -> None:
    bob = member("bea", plan="basic", org="Basics")
    for _ in range(2):
        hold = workbench.meter.reserve(bob, hold_request())
        assert workbench.meter.mark_in_flight(hold)
        workbench.meter.settle(hold, "success", Decimal("0.0004"), record())
    app = open_page("admin.py", section="simulator")
    assert "Nothing is simulated yet" in words_of(app)
    app = app.selectbox(key="admin_simulator_plan").set_value("basic").run()
    labelled(app.number_input, "Chat questions a day").set_value(1)
    labelled(app.number_input, "AI requests a month").set_value(None)
    app = press(app, "Simulate")
    assert not app.exception
    assert labelled(app.number_input, "AI requests a month").value is None  # unlimited
    side = app.table[0].value
    figures = dict(zip(side["Figure"], zip(side["As it is"], side["As changed"], strict=True), strict=True))
    assert figures["Requests (n)"] == ("2", "2")
    assert figures["Refused"] == ("0", "1")
    assert figures["Users limited (of n)"] == ("0 of 1", "1 of 1")
    assert "bea@test.example" in [*app.dataframe[0].value["User"]]


def test_a_shared_token_is_shown_with_its_evidence_and_revoked(
    workbench: Workbench, ann: Principal, sign_in: SignIn
) -> None:
    sign_in(ann)
    assert "Nothing looks like abuse" in words_of(open_page("admin.py", section="abuse"))
    token = workbench.directory.create_token(ann.email, name="nightly")
    holder = workbench.accounts.principal_of_token(token)
    assert holder.credential_id is not None
    uses = TokenUses(workbench.database)
    for number in range(7):
        uses.note(holder.credential_id, token, address=f"192.0.2.{number}", agent="curl/8.5")
    app = open_page("admin.py", section="abuse")
    words = words_of(app)
    assert "“nightly” was used from 7 addresses by 1 program" in words
    assert "7 addresses, 1 program (curl/8.5), 7 minutes in use" in words
    app = confirm(app, "admin_abuse_0_revoke")
    assert "Nothing looks like abuse" in words_of(app)
    with pytest.raises(Unauthenticated):
        workbench.accounts.principal_of_token(token)


def test_the_books_are_looked_at_on_demand(
    workbench: Workbench,
    olga: Principal,
    ann: Principal,
    move_time: MoveTime,
    service: psycopg.Connection[tuple[object, ...]],
) -> None:
    hold = workbench.meter.reserve(ann, hold_request())
    assert workbench.meter.mark_in_flight(hold)
    move_time(timedelta(minutes=10))
    assert workbench.meter.sweep() == 1
    app = open_page("admin.py", section="books")
    assert "Not looked at yet" in words_of(app)
    app = press(app, "Look at the books")
    words = words_of(app)
    assert "The books balance" in words
    assert "The process died or lost the database after the call began." in words
    service.execute("UPDATE member_meters SET chat_query_used = 3")
    words = words_of(press(app, "Look at the books"))
    assert "1 difference" in words
    assert "A limit refuses too early or too late" in words


@pytest.mark.parametrize("section", ["simulator", "books"])
def test_parts_of_operators_are_not_there_for_managers(ann: Principal, sign_in: SignIn, section: str) -> None:
    sign_in(ann)
    app = open_page("admin.py", section=section)
    words = words_of(app)
    assert "Plan simulator" not in words
    assert "Look at the books" not in {button.label for button in app.button}


def _sought(words: str) -> Sought:
    return Sought(words)
