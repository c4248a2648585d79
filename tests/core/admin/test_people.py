"""People and plans: who is found, what each may use and why, and what an administrator changes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from core.admin.changes import Boosting
from core.admin.people import EffectiveLimit, People, Sought
from core.errors import Conflict, Forbidden, InvalidRequest, MeteringDenied, NotFound, Unauthenticated
from core.metering.books import audit
from core.metering.meter import Feature
from core.principal import Principal, Role, Scope
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record

Service = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def people(workbench: Workbench) -> People:
    return People(workbench.database, workbench.members, workbench.plans)


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("olga", org="House"), is_operator=True)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    return member("ann", plan="team", org="Acme")


@pytest.fixture
def bob(member: MakeMember, ann: Principal) -> Principal:
    return member("bob", plan="team", org="Acme", role=Role.ANALYST)


def limit_of(limits: list[EffectiveLimit], metric: str) -> EffectiveLimit:
    return next(each for each in limits if each.metric == metric)


def events(service: Service) -> list[tuple[object, ...]]:
    return service.execute("SELECT action, org_id, before, after FROM audit_events ORDER BY seq").fetchall()


class TestSearch:
    def test_operators_find_everybody_and_managers_their_own(
        self, people: People, operator: Principal, ann: Principal, bob: Principal
    ) -> None:
        found = people.search(operator, Sought(), everything=True)
        assert [row.email for row in found.people] == ["ann@test.example", "bob@test.example", "olga@test.example"]
        assert found.total == 3
        own = people.search(ann, Sought(), everything=False)
        assert [row.email for row in own.people] == ["ann@test.example", "bob@test.example"]
        assert [row.email for row in people.search(operator, Sought(), everything=False).people] == [
            "olga@test.example"
        ]

    @pytest.mark.parametrize(
        ("sought", "found"),
        [
            pytest.param(Sought("BOB@"), ["bob"], id="address"),
            pytest.param(Sought("acme"), ["ann", "bob"], id="organisation"),
            pytest.param(Sought("%"), [], id="no_pattern"),
            pytest.param(Sought(role="analyst"), ["bob"], id="role"),
            pytest.param(Sought(plan="free"), ["olga"], id="plan"),
            pytest.param(Sought(is_active=False), [], id="deactivated"),
        ],
    )
    def test_words_role_plan_and_state_narrow_it(
        self, people: People, operator: Principal, bob: Principal, sought: Sought, found: list[str]
    ) -> None:
        page = people.search(operator, sought, everything=True)
        assert [row.email.split("@")[0] for row in page.people] == found

    def test_it_is_bounded_and_paged(self, people: People, operator: Principal, bob: Principal) -> None:
        first = people.search(operator, Sought(), everything=True, most=2)
        rest = people.search(operator, Sought(), everything=True, skipped=2, most=2)
        assert ([row.email[0] for row in first.people], first.total) == (["a", "b"], 3)
        assert [row.email[0] for row in rest.people] == ["o"]
        for wrong in ({"most": 201}, {"most": 0}, {"skipped": -1}):
            with pytest.raises(InvalidRequest):
                people.search(operator, Sought(), everything=True, **wrong)

    @pytest.mark.parametrize("words", [pytest.param("a\x00", id="nul"), pytest.param("a\ud800", id="surrogate")])
    def test_what_is_no_text_is_refused(self, people: People, operator: Principal, words: str) -> None:
        for search in (people.search, people.organisations):
            with pytest.raises(InvalidRequest, match="no text"):
                search(operator, Sought(words), everything=True)

    def test_nobody_else_sees_anything(self, people: People, ann: Principal, bob: Principal) -> None:
        with pytest.raises(Forbidden):
            people.search(ann, Sought(), everything=True)
        with pytest.raises(Forbidden):
            people.search(bob, Sought(), everything=False)
        with pytest.raises(Forbidden):
            people.organisations(bob, Sought(), everything=False)
        with pytest.raises(Forbidden):
            people.search(replace(ann, scopes=frozenset({Scope.ASK})), Sought(), everything=False)

    def test_organisations_tell_members_plan_and_balance(
        self, people: People, operator: Principal, bob: Principal
    ) -> None:
        people.grant_credits(operator, bob.org_id, Decimal("12.5"), reason="goodwill")
        (acme,) = people.organisations(operator, Sought("acm"), everything=True)
        assert (acme.name, acme.plan, acme.members, acme.owners, acme.balance) == (
            "Acme",
            "team",
            2,
            1,
            Decimal("12.5"),
        )


class TestLimits:
    def test_a_limit_is_the_sum_of_its_parts(
        self, people: People, operator: Principal, ann: Principal, bob: Principal, workbench: Workbench
    ) -> None:
        people.set_plan(operator, ann.org_id, "basic")
        people.give_boost(operator, ann.org_id, bob.email, Boosting("chat_queries_day", 7, 3, "a report"))
        people.give_boost(operator, ann.org_id, "", Boosting("chat_queries_day", 2, 1, "for all"))
        workbench.meter.reserve(bob, hold_request())
        found = limit_of(people.limits(ann, ann.org_id, bob.user_id), "chat_queries_day")
        assert (found.maximum, found.used) == (109, 1)
        assert [(part.source, part.amount) for part in found.parts] == [("plan", 100), ("boost", 2), ("boost", 7)]
        own = limit_of(people.limits(ann, ann.org_id, ann.user_id), "chat_queries_day")
        assert (own.maximum, [part.amount for part in own.parts]) == (102, [100, 2])

    def test_a_pool_and_what_was_carried_over_are_told(
        self,
        people: People,
        operator: Principal,
        ann: Principal,
        bob: Principal,
        service: Service,
        workbench: Workbench,
    ) -> None:
        people.set_plan(operator, ann.org_id, "premium")
        workbench.meter.reserve(bob, hold_request())
        service.execute("UPDATE member_meters SET request_carry = 40 WHERE user_id = %s", (bob.user_id,))
        alone = limit_of(people.limits(ann, ann.org_id, bob.user_id), "requests_month")
        assert (alone.maximum, [(p.source, p.amount) for p in alone.parts]) == (
            10_040,
            [("plan", 10_000), ("carry", 40)],
        )
        assert people.set_pooling(ann, ann.org_id, pools=True).changes
        pooled = limit_of(people.limits(ann, ann.org_id, ann.user_id), "requests_month")
        assert (pooled.scope, pooled.maximum, pooled.used) == ("organisation", 20_040, 1)
        assert [(p.source, p.amount) for p in pooled.parts] == [("plan", 10_000), ("pool", 10_000), ("carry", 40)]
        assert not people.set_pooling(ann, ann.org_id, pools=True).changes

    def test_a_pool_that_is_switched_off_says_until_when_it_lasts(
        self, people: People, ann: Principal, move_time: MoveTime
    ) -> None:
        def acme() -> tuple[bool, datetime | None]:
            [row] = people.organisations(ann, Sought(""), everything=False)
            return row.pools, row.pools_until

        people.set_pooling(ann, ann.org_id, pools=True)
        assert acme() == (True, None)
        people.set_pooling(ann, ann.org_id, pools=False)
        pools, until = acme()
        assert not pools and until is not None
        assert limit_of(people.limits(ann, ann.org_id, ann.user_id), "requests_month").scope == "organisation"
        move_time(until)
        assert acme() == (False, None)

    def test_every_enforced_limit_equals_its_parts_and_says_when_it_resets(
        self, people: People, ann: Principal, bob: Principal
    ) -> None:
        for each in people.limits(ann, ann.org_id, bob.user_id):
            if each.maximum is None:
                assert not each.parts
            else:
                assert sum(part.amount for part in each.parts) == each.maximum
            assert (each.resets_at is None) == (each.used is None)

    def test_nobody_elses_members_are_told(self, people: People, ann: Principal, member: MakeMember) -> None:
        eve = member("eve", org="Other")
        with pytest.raises(Forbidden):
            people.limits(eve, ann.org_id, ann.user_id)
        with pytest.raises(Forbidden):
            people.balance(eve, ann.org_id, ann.user_id)
        with pytest.raises(NotFound):
            people.limits(eve, eve.org_id, ann.user_id)


class TestDeactivating:
    def test_sessions_and_tokens_stop_at_once_and_come_back(
        self, people: People, operator: Principal, bob: Principal, workbench: Workbench, service: Service
    ) -> None:
        ticket = workbench.accounts.ticket(bob.user_id, bob.org_id, method="password")
        cookie = workbench.accounts.redeem_ticket(ticket, address="192.0.2.1", agent="a")
        token = workbench.directory.create_token(bob.email)
        effect = people.set_active(operator, bob.user_id, is_active=False)
        assert (effect.before, effect.after) == ("active", "deactivated")
        assert workbench.accounts.principal_of_session(cookie) is None
        with pytest.raises(Unauthenticated):
            workbench.accounts.principal_of_token(token)
        assert not people.set_active(operator, bob.user_id, is_active=False).changes
        people.set_active(operator, bob.user_id, is_active=True)
        assert workbench.accounts.principal_of_session(cookie) is None
        assert workbench.accounts.principal_of_token(token).user_id == bob.user_id
        assert [row[0] for row in events(service)][-2:] == ["user.deactivated", "user.reactivated"]

    def test_a_call_in_flight_is_charged_as_any_other_and_a_lost_one_expires(
        self, people: People, operator: Principal, bob: Principal, workbench: Workbench, move_time: MoveTime
    ) -> None:
        meter = workbench.meter
        settled, lost = meter.reserve(bob, hold_request()), meter.reserve(bob, hold_request())
        assert meter.mark_in_flight(settled)
        assert meter.mark_in_flight(lost)
        people.set_active(operator, bob.user_id, is_active=False)
        resolved = meter.settle(settled, "success", Decimal("0.0004"), record())
        assert (resolved.outcome, resolved.charged_usd) == ("settled", Decimal("0.0004"))
        move_time(timedelta(minutes=10))
        assert meter.sweep() == 1
        books = audit(workbench.database)
        assert books.balances
        assert [(call.kind, call.hold_id) for call in books.odd_calls] == [("unresolved", lost.id)]
        limits = people.limits(operator, bob.org_id, bob.user_id)
        assert limit_of(limits, "chat_queries_day").used == 1

    def test_the_last_owner_of_others_and_oneself_stay(
        self, people: People, operator: Principal, ann: Principal, bob: Principal
    ) -> None:
        with pytest.raises(Conflict, match="Acme would be left without an owner"):
            people.set_active(operator, ann.user_id, is_active=False)
        with pytest.raises(Conflict, match="yourself"):
            people.set_active(operator, operator.user_id, is_active=False)
        people.set_active(operator, bob.user_id, is_active=False)
        assert people.set_active(
            operator, ann.user_id, is_active=False
        ).changes  # alone in it, an abuser can be stopped

    def test_managers_deactivate_nobody(self, people: People, ann: Principal, bob: Principal) -> None:
        with pytest.raises(Forbidden):
            people.set_active(ann, bob.user_id, is_active=False)


class TestChanges:
    def test_the_last_owner_cannot_remove_themselves_nor_become_less(
        self, people: People, ann: Principal, operator: Principal
    ) -> None:
        for who in (ann, operator):
            with pytest.raises(Conflict):
                people.remove(who, ann.org_id, ann.user_id)
            with pytest.raises(Conflict):
                people.set_role(who, ann.org_id, ann.user_id, Role.ADMIN)

    def test_an_operator_acts_in_any_organisation_and_a_manager_in_their_own(
        self, people: People, operator: Principal, ann: Principal, bob: Principal, member: MakeMember
    ) -> None:
        people.set_role(operator, ann.org_id, bob.user_id, Role.OWNER)
        page = people.search(ann, Sought(role="owner"), everything=False)
        assert [row.email for row in page.people] == [ann.email, bob.email]
        people.set_role(ann, ann.org_id, bob.user_id, Role.VIEWER)
        assert people.invite(operator, ann.org_id, "new@test.example", Role.ANALYST)
        eve = member("eve", org="Other")
        for do in (
            lambda: people.set_role(eve, ann.org_id, bob.user_id, Role.VIEWER),
            lambda: people.remove(eve, ann.org_id, bob.user_id),
            lambda: people.invite(eve, ann.org_id, "x@test.example", Role.VIEWER),
            lambda: people.set_cap(eve, ann.org_id, bob.email, None),
            lambda: people.set_pooling(eve, ann.org_id, pools=True),
            lambda: people.give_boost(eve, ann.org_id, "", Boosting("requests_month", 1, 1, "r")),
            lambda: people.set_plan(ann, ann.org_id, "enterprise"),
            lambda: people.grant_credits(ann, ann.org_id, Decimal(1), reason="r"),
        ):
            with pytest.raises(Forbidden):
                do()

    def test_a_plan_binds_the_next_request_and_not_the_one_in_flight(
        self, people: People, operator: Principal, bob: Principal, workbench: Workbench, service: Service
    ) -> None:
        hold = workbench.meter.reserve(bob, hold_request(held_usd=Decimal("0.5")))
        assert workbench.meter.mark_in_flight(hold)
        assert (effect := people.set_plan(operator, bob.org_id, "free")).changes
        assert (effect.before, effect.after) == ("team", "free")
        assert workbench.meter.settle(hold, "success", Decimal("0.4"), record()).charged_usd == Decimal("0.4")
        with pytest.raises(MeteringDenied) as denied:
            workbench.meter.reserve(bob, hold_request(held_usd=Decimal("0.5"), feature=Feature.CHAT_QUERY))
        assert denied.value.denial.metric == "request_ceiling_usd"
        assert audit(workbench.database).balances
        assert events(service)[-1] == ("plan.set", bob.org_id, {"plan": "team"}, {"plan": "free"})
        assert not people.set_plan(operator, bob.org_id, "free").changes
        with pytest.raises(InvalidRequest):
            people.set_plan(operator, bob.org_id, "gold")

    def test_credits_that_end_and_caps_are_kept_and_audited(
        self, people: People, operator: Principal, ann: Principal, bob: Principal, service: Service
    ) -> None:
        ends_at = datetime.now(UTC) + timedelta(days=9)
        effect = people.grant_credits(operator, ann.org_id, Decimal(100), reason="goodwill", expires_at=ends_at)
        assert (effect.before, effect.after) == ("0 credits", "100 credits")
        assert service.execute("SELECT remaining, expires_at FROM credit_lots").fetchall() == [(100, ends_at)]
        assert people.set_cap(ann, ann.org_id, bob.email, Decimal("2.5")).after == "2.5 credits a month"
        assert people.balance(ann, ann.org_id, bob.user_id).cap_month == Decimal("2.5")
        assert people.set_cap(ann, ann.org_id, bob.email, None).after == "no cap"
        for wrong in (Decimal(-1), Decimal("NaN"), Decimal("0.0000001"), Decimal("1E+30")):
            with pytest.raises(InvalidRequest):
                people.set_cap(ann, ann.org_id, bob.email, wrong)
        assert [row[0] for row in events(service)][-3:] == ["credits.granted", "member.cap_set", "member.cap_set"]

    def test_a_manager_boosts_neither_themselves_nor_all(self, people: People, ann: Principal, bob: Principal) -> None:
        boost = Boosting("requests_month", 5, 1, "a report")
        for email in (ann.email, ""):
            with pytest.raises(Forbidden, match="Nobody grants a boost to themselves"):
                people.give_boost(ann, ann.org_id, email, boost)
        assert people.give_boost(ann, ann.org_id, bob.email, boost).changes
        for wrong in (
            Boosting("seats", 5, 1, "r"), Boosting("requests_month", 0, 1, "r"), Boosting("requests_month", 5, 91, "r"),
            Boosting("requests_month", 5, 1, " "), Boosting("signal_validations_day", 5, 1, "r"),
        ):  # fmt: skip
            with pytest.raises(InvalidRequest):
                people.give_boost(ann, ann.org_id, bob.email, wrong)
