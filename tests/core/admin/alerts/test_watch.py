"""Every rule raised and cleared by what really happens, told once; what goes to and fro, and what is done at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from core.admin.alerts.books_watch import BooksWatch
from core.admin.alerts.looks import LOOKS, Found, Look
from core.admin.alerts.rules import ERROR_MEMORY, ERROR_WINDOW, JOB_WINDOW, RULES, Finding
from core.ai.health import HealthPolicy
from core.db import model_states_dao, oversight_alerts_dao
from core.db.model_states_dao import ReportRow
from core.errors import AssayError
from core.metering.meter import Feature
from core.principal import Principal, Role
from core.settings import ROOT
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.admin.alerts.alerts_made import NOON, Made
from tests.core.metering.factories import own_key

Service = psycopg.Connection[tuple[object, ...]]
TOMORROW = timedelta(days=1)


class TestQuotas:
    def test_a_member_is_told_at_80_percent_and_once_more_when_it_is_used_up(
        self, made: Made, member: MakeMember, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=7)
        assert made.area.watch.evaluate() == 0
        made.asked(ann)
        assert made.area.watch.evaluate() == 1
        assert made.area.watch.evaluate() == 0
        assert made.told(ann) == ["80 % used: chat questions of the day"]
        [alert] = made.firing(ann)
        assert (alert.rule, alert.level, alert.user_id, alert.value) == (
            "quota_80",
            "warning",
            ann.user_id,
            Decimal("0.8"),
        )
        assert alert.body.startswith("8 of 10 chat questions of the day are used (80 %).")
        assert "11 March at 00:00" in alert.body
        made.asked(ann, times=2)
        assert made.area.watch.evaluate() == 1
        assert made.told(ann)[1:] == ["Used up: chat questions of the day"]
        assert made.rules(ann) == ["quota_100", "quota_80"]
        noon(NOON + TOMORROW)
        assert made.area.watch.evaluate() == 0
        assert made.rules(ann) == []
        assert [row.rule for row in made.area.alerts.history(ann)] == ["quota_100", "quota_80"]

    def test_who_uses_it_up_at_once_is_told_that_alone(self, made: Made, member: MakeMember, noon: MoveTime) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        assert made.area.watch.evaluate() == 1
        assert made.told(ann) == ["Used up: chat questions of the day"]

    def test_the_next_day_is_told_of_anew(self, made: Made, member: MakeMember, noon: MoveTime) -> None:
        ann = member("ann", plan="free")
        for day in range(2):
            noon(NOON + day * TOMORROW)
            made.asked(ann, times=8)
            made.area.watch.evaluate()
        assert made.told(ann) == ["80 % used: chat questions of the day"] * 2

    def test_only_the_member_is_told_of_their_own_quota_and_managers_see_it(
        self, made: Made, member: MakeMember, noon: MoveTime
    ) -> None:
        ann = member("ann", org="Acme", plan="team")
        bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
        made.workbench.directory.set_plan("Acme", "free")
        made.asked(bob, times=8)
        made.area.watch.evaluate()
        assert made.told(bob) == ["80 % used: chat questions of the day"]
        assert made.told(ann) == []
        assert [(row.user_id, row.user_name) for row in made.firing(ann)] == [(bob.user_id, bob.name)]

    def test_the_organisations_own_quota_is_told_to_its_managers(
        self, made: Made, member: MakeMember, noon: MoveTime
    ) -> None:
        ann = member("ann", org="Acme", plan="team")
        bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
        made.workbench.directory.set_plan("Acme", "free")
        made.asked(bob, times=4, feature=Feature.SIGNAL_VALIDATION, counts_request=False)
        made.area.watch.evaluate()
        assert made.told(ann) == ["80 % used: signal validations of the day"]
        assert made.told(bob) == []
        with pytest.raises(AssayError):
            made.firing(bob)

    def test_a_boost_makes_room_and_what_comes_after_it_is_not_told_again_that_day(
        self, made: Made, member: MakeMember, service: Service, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=8)
        made.area.watch.evaluate()
        boost = (
            "INSERT INTO boosts (id, org_id, user_id, metric, amount, starts_at, ends_at, reason, state, requested_by, "
            "requested_at, decided_by, decided_at) VALUES (gen_random_uuid(), %(org)s, %(user)s, 'chat_queries_day', "
            "10, assay_now(), assay_now() + interval '1 hour', 'more', 'granted', %(user)s, assay_now(), %(user)s, "
            "assay_now())"
        )
        service.execute(boost, {"org": ann.org_id, "user": ann.user_id})
        service.execute("UPDATE org_meters SET boosts_until = assay_now() + interval '1 hour'")
        made.area.watch.evaluate()
        assert made.rules(ann) == []
        noon(NOON + timedelta(hours=2))  # it is over
        assert made.area.watch.evaluate() == 0
        assert made.rules(ann) == ["quota_80"]
        assert made.told(ann) == ["80 % used: chat questions of the day"]

    def test_a_pool_is_told_of_as_one_quota_of_all(
        self, made: Made, member: MakeMember, service: Service, noon: MoveTime
    ) -> None:
        ann = member("ann", org="Acme", plan="team")
        bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
        made.workbench.directory.set_plan("Acme", "free")
        service.execute("UPDATE organisations SET pools_allowances = true WHERE id = %s", (ann.org_id,))
        made.asked(bob, times=15)
        made.area.watch.evaluate()
        assert made.rules(ann) == []
        made.asked(bob)
        made.area.watch.evaluate()
        assert made.told(ann) == ["80 % used: chat questions of the day"]
        assert made.firing(ann)[0].body.startswith("16 of 20 chat questions")


class TestBudgets:
    @pytest.mark.parametrize("whose", ["member", "organisation"])
    def test_a_budget_is_told_of_at_80_percent_and_when_it_is_used_up(
        self, made: Made, member: MakeMember, service: Service, noon: MoveTime, whose: str
    ) -> None:
        ann = member("ann", plan="team")
        table, named = {"member": ("memberships", "org_id"), "organisation": ("organisations", "id")}[whose]
        service.execute(f"UPDATE {table} SET budget_usd_month = 1 WHERE {named} = %s", (ann.org_id,))
        noon(datetime(2027, 3, 31, 12, tzinfo=UTC))  # at its end nothing is projected beyond it
        made.asked(ann, cost_usd="0.85")
        made.area.watch.evaluate()
        made.asked(ann, cost_usd="0.15")
        made.area.watch.evaluate()
        mine = {"member": "your", "organisation": "your organisation's"}[whose]
        assert made.told(ann) == [f"80 % of {mine} budget is used", f"{mine.capitalize()} budget is used up"]
        noon(datetime(2027, 4, 1, 0, 1, tzinfo=UTC))
        made.area.watch.evaluate()
        assert made.rules(ann) == []

    def test_a_month_that_will_not_last_is_told_once_it_can_be_said(
        self, made: Made, member: MakeMember, service: Service, move_time: MoveTime
    ) -> None:
        ann = member("ann", plan="team")
        service.execute("UPDATE organisations SET budget_usd_month = 2 WHERE id = %s", (ann.org_id,))
        move_time(datetime(2027, 3, 2, tzinfo=UTC))
        made.asked(ann, cost_usd="0.8")
        made.area.watch.evaluate()
        assert made.rules(ann) == []  # one day says nothing of a month
        move_time(datetime(2027, 3, 7, 4, 48, tzinfo=UTC))  # a fifth of it
        made.area.watch.evaluate()
        [alert] = made.firing(ann)
        assert alert.title == "At this pace your organisation's budget will not last the month"
        assert alert.body.startswith("0.80 of 2.00 USD are used; at the pace so far it will be 199 % by the end")
        move_time(datetime(2027, 3, 20, tzinfo=UTC))  # nothing came to it: it will last
        made.area.watch.evaluate()
        assert made.rules(ann) == []


class TestExpiry:
    def test_a_key_that_expires_soon_is_told_once_by_mail(
        self, made: Made, member: MakeMember, service: Service, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="team")
        own_key(service, ann, expires_at=NOON + timedelta(days=8))
        made.area.watch.evaluate()
        assert made.rules(ann) == []
        noon(NOON + timedelta(days=2))
        assert made.area.watch.evaluate() == 1
        made.area.delivery.deliver_due()
        assert made.mails(ann) == ["The openai key A key expires on 18 March at 12:00 (UTC)"]
        assert made.told(ann) == []  # its keeper tells that in the app
        service.execute("UPDATE provider_keys SET expires_at = %s", (NOON + timedelta(days=99),))
        made.area.watch.evaluate()
        assert made.rules(ann) == []

    def test_a_plan_that_ends_soon_is_told_to_managers(
        self, made: Made, member: MakeMember, service: Service, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="team")
        service.execute(
            "INSERT INTO subscriptions (subscription_id, org_id, plan, seats, status, item_id, period_end, "
            "ends_at_period_end, version, created_at, read_at) VALUES ('sub_1', %s, 'team', 3, 'active', 'si_1', %s, "
            "true, 1, assay_now(), assay_now())",
            (ann.org_id, NOON + timedelta(days=5)),
        )
        for _ in range(3):
            made.area.watch.evaluate()
            made.area.delivery.deliver_due()
        assert made.told(ann) == made.mails(ann) == ["The plan team ends on 15 March at 12:00 (UTC)"]
        service.execute("UPDATE subscriptions SET ends_at_period_end = false")
        made.area.watch.evaluate()
        assert made.rules(ann) == []


def report(workbench: Workbench, *, has_answered: bool, failures: int = 0, model: str = "") -> None:
    """What came of calls to a provider, as the gateway writes it down."""
    row = ReportRow(
        provider="openai",
        model=model,
        has_answered=has_answered,
        answered_ago_s=0,
        failures=failures,
        calls=max(1, failures),
        failed_calls=failures,
        failed_ago_s=0 if failures else None,
        failure="ProviderUnavailable" if failures else None,
        block_s=None,
        first_token_ms=None,
        ends_probe=False,
        is_probe_failed=False,
    )
    policy = HealthPolicy()
    with workbench.database.heart() as driver:
        model_states_dao.report(
            driver, [row], most_failures=policy.failures, rest_s=policy.rest_s, longest_rest_s=policy.longest_rest_s
        )


class TestProviders:
    @pytest.mark.parametrize(("model", "rule"), [("", "provider_down"), ("a-model", "model_down")])
    def test_an_open_circuit_is_told_to_operators_and_its_end_once_it_has_lasted(
        self, made: Made, olga: Principal, noon: MoveTime, model: str, rule: str
    ) -> None:
        report(made.workbench, has_answered=False, failures=4, model=model)
        assert made.area.watch.evaluate() == 0
        report(made.workbench, has_answered=False, failures=1, model=model)
        assert made.area.watch.evaluate() == 1
        assert made.rules(olga, everything=True) == [rule]
        assert made.told(olga)[0].endswith("does not answer")
        report(made.workbench, has_answered=True, model=model)
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == [rule]  # it may not last
        noon(NOON + RULES[rule].quiet + timedelta(minutes=1))
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []

    def test_a_provider_that_comes_and_goes_is_told_once(self, made: Made, olga: Principal, noon: MoveTime) -> None:
        for minute in range(0, 60, 2):
            noon(NOON + timedelta(minutes=minute))
            report(made.workbench, has_answered=False, failures=5)
            made.area.watch.evaluate()
            noon(NOON + timedelta(minutes=minute + 1))
            report(made.workbench, has_answered=True)
            made.area.watch.evaluate()
        assert made.told(olga) == ["openai does not answer"]
        noon(NOON + timedelta(hours=2))
        made.area.watch.evaluate()
        report(made.workbench, has_answered=False, failures=5)
        made.area.watch.evaluate()
        assert made.told(olga) == ["openai does not answer"] * 2  # another time

    def test_the_error_rate_is_told_of_enough_calls_alone(
        self, made: Made, member: MakeMember, olga: Principal, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="enterprise")
        made.failed(ann, times=5)
        made.asked(ann, times=14)
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []  # 5 of 19
        made.asked(ann)
        made.area.watch.evaluate()
        assert made.told(olga) == ["25 % of the calls to openai fail"]
        [alert] = made.firing(olga, everything=True)
        assert alert.body.startswith("5 of 20 calls in 15 minutes failed")
        made.asked(ann, times=15)  # 5 of 35: below the threshold, and not by half
        noon(NOON + timedelta(minutes=1))
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == ["error_rate"]
        noon(NOON + ERROR_WINDOW + RULES["error_rate"].quiet + timedelta(minutes=3))
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []
        assert made.told(olga) == ["25 % of the calls to openai fail"]

    def test_that_nobody_asks_any_more_does_not_end_it(
        self, made: Made, member: MakeMember, olga: Principal, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="enterprise")
        made.asked(ann, times=10)
        made.failed(ann, times=10)
        made.area.watch.evaluate()
        for hours in (1, 5):
            noon(NOON + timedelta(hours=hours))
            made.area.watch.evaluate()
            assert made.rules(olga, everything=True) == ["error_rate"]
        made.asked(ann, times=17)  # 3 of its last 20 fail: by more than half of the threshold
        noon(NOON + timedelta(hours=5, minutes=30))
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == ["error_rate"]
        made.asked(ann, times=2)  # 1 of 20
        noon(NOON + timedelta(hours=5, minutes=50))
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []
        assert made.told(olga) == ["50 % of the calls to openai fail"]

    def test_it_is_over_once_nothing_was_asked_for_hours(
        self, made: Made, member: MakeMember, olga: Principal, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="enterprise")
        made.failed(ann, times=20)
        made.area.watch.evaluate()
        noon(NOON + ERROR_MEMORY + timedelta(minutes=1))
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []
        made.failed(ann, times=19)
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []  # too few to raise it


class TestCosts:
    def test_what_is_rolled_up_counts_and_own_keys_do_not(
        self, made: Made, member: MakeMember, olga: Principal, service: Service, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="enterprise")
        made.area.alerts.set_rule(ann, "cost_day", is_on=True, threshold=Decimal(90))
        key_id = own_key(service, ann)
        made.asked(ann, cost_usd="60", own_key=True, key_id=key_id)
        made.asked(ann, cost_usd="60")
        noon(NOON + timedelta(hours=3))
        made.workbench.metering.rollups.bring_up_to_date()
        assert service.execute("SELECT sum(cost_usd) FROM usage_all_days").fetchone() == (Decimal(120),)
        made.area.watch.evaluate()
        assert made.told(olga) == made.told(ann) == []
        made.asked(ann, cost_usd="40.01")
        made.area.watch.evaluate()
        assert made.told(olga) == ["100.01 USD today"]
        assert made.told(ann) == ["100.01 USD today"]

    def test_a_day_of_100_usd_is_told_to_operators_once(
        self, made: Made, member: MakeMember, olga: Principal, noon: MoveTime
    ) -> None:
        ann = member("ann", plan="enterprise")
        made.asked(ann, cost_usd="99.99")
        made.area.watch.evaluate()
        assert made.told(olga) == []
        made.asked(ann, cost_usd="0.02")
        made.area.watch.evaluate()
        made.asked(ann, cost_usd="50")
        made.area.watch.evaluate()
        assert made.told(olga) == ["100.01 USD today"]
        assert made.told(ann) == []  # no organisation is watched that did not ask for it
        noon(NOON + TOMORROW)
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []

    def test_an_organisation_sets_its_own(
        self, made: Made, member: MakeMember, olga: Principal, noon: MoveTime
    ) -> None:
        ann, bob = member("ann", plan="enterprise"), member("bob", plan="enterprise")
        made.area.alerts.set_rule(ann, "cost_day", is_on=True, threshold=Decimal(5))
        for who in (ann, bob):
            made.asked(who, cost_usd="6")
        made.area.watch.evaluate()
        assert made.told(ann) == ["6.00 USD today"]
        assert made.told(bob) == made.told(olga) == []


class TestJobs:
    @pytest.mark.parametrize("whose", ["organisation", "installation"])
    def test_a_failed_job_is_told_once_an_hour_is_over_without_one_it_clears(
        self, made: Made, member: MakeMember, olga: Principal, noon: MoveTime, whose: str
    ) -> None:
        ann = member("ann")
        reader, everything = (ann, False) if whose == "organisation" else (olga, True)
        queue = made.workbench.queue
        for number in range(3):
            job = queue.submit("count", {}, key=str(number), org_id=ann.org_id if whose == "organisation" else None)
            queue.fail(job.id, "It could not be counted.")
            made.area.watch.evaluate()
        assert made.rules(reader, everything=everything) == ["job_failed"]
        assert made.told(reader) == ["Jobs failed: count"]
        assert made.told(olga if reader is ann else ann) == []
        noon(NOON + JOB_WINDOW + timedelta(minutes=1))
        made.area.watch.evaluate()
        assert made.rules(reader, everything=everything) == []

    def test_periodic_work_that_fails_is_told_to_operators(self, made: Made, olga: Principal, noon: MoveTime) -> None:
        for _ in range(3):
            made.workbench.queue.note_failed("forget_jobs", "It could not be forgotten.")
            made.area.watch.evaluate()
        assert made.told(olga) == ["Jobs failed: forget jobs"]
        [alert] = made.firing(olga, everything=True)
        assert alert.body == "1 job of this kind failed within an hour; the last said: It could not be forgotten."
        noon(NOON + JOB_WINDOW + timedelta(minutes=1))
        made.area.watch.evaluate()
        assert made.rules(olga, everything=True) == []


class TestBooks:
    def test_books_that_do_not_balance_are_told_to_operators_until_they_do(
        self, made: Made, member: MakeMember, olga: Principal, service: Service
    ) -> None:
        ann = member("ann")
        made.asked(ann, times=2)
        assert made.area.books.look() == 0
        service.execute("UPDATE member_meters SET chat_query_used = 1")
        assert made.area.books.look() == 1
        [alert] = made.firing(olga, everything=True)
        assert (alert.rule, alert.level, alert.value) == ("books_out_of_balance", "critical", 1)
        assert "counter running (1)" in alert.body
        assert made.told(olga) == ["The books do not balance"]
        assert made.area.books.look() == 0  # it is told already
        service.execute("UPDATE member_meters SET chat_query_used = 2")
        assert made.area.books.look() == 0
        assert made.rules(olga, everything=True) == []
        service.execute("UPDATE member_meters SET chat_query_used = 1")
        assert made.area.books.look() == 1
        made.area.delivery.deliver_due()
        assert made.mails(olga) == ["The books do not balance"] * 2  # another time
        service.execute("UPDATE member_meters SET chat_query_used = 2")

    def test_an_audit_that_takes_too_long_clears_nothing(
        self, made: Made, member: MakeMember, olga: Principal, owner: Service, service: Service
    ) -> None:
        ann = member("ann")
        made.asked(ann)
        service.execute("UPDATE member_meters SET chat_query_used = 2")
        made.area.books.look()
        service.execute("UPDATE member_meters SET chat_query_used = 1")
        hurried = BooksWatch(made.workbench.database, made.area.watch, check_within_s=1)
        with owner.transaction():
            owner.execute("LOCK TABLE holds")  # nothing reads it meanwhile
            assert hurried.look() == 0
        assert made.rules(olga, everything=True) == ["books_out_of_balance"]


def finding(value: str, subject: str = "openai", rule: str = "error_rate") -> Finding:
    words = {"provider": subject, "percent": "some", "failed": "1", "calls": "2", "error": "none", "what": "what"}
    return Finding(rule, None, None, subject, "", Decimal(value), words)


def looking(*found: Finding, is_complete: bool = True, name: str = "errors") -> Look:
    return Look(name, ("error_rate",), lambda _transaction: Found(found, is_complete))


class TestHysteresis:
    def test_a_value_about_the_threshold_is_told_once(self, made: Made, olga: Principal, noon: MoveTime) -> None:
        """The error rate is raised at 0.2, and clears once it was below half of that for a quarter of an hour."""
        minute = 0
        for value in ["0.19", "0.21", "0.12", "0.25", "0.1", "0.3", "0.09", "0.2", "0.15"]:
            minute += 5
            noon(NOON + timedelta(minutes=minute))
            made.area.watch.take(looking(finding(value)))
        assert made.told(olga) == ["some of the calls to openai fail"]
        assert made.firing(olga, everything=True)[0].value == Decimal("0.15")
        for minutes, rules in [(14, ["error_rate"]), (16, [])]:
            noon(NOON + timedelta(minutes=minute + minutes))
            made.area.watch.take(looking(finding("0.09")))
            assert made.rules(olga, everything=True) == rules
        made.area.watch.take(looking(finding("0.15")))
        assert made.rules(olga, everything=True) == []  # below the threshold nothing is raised

    def test_what_is_more_than_is_read_at_once_is_told_and_cleared_too(
        self, made: Made, member: MakeMember, noon: MoveTime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.db.oversight_looks_dao.AT_ONCE", 2)
        people = [member(f"ann{number}", plan="free") for number in range(7)]
        for who in people:
            made.asked(who, times=8)
        assert made.area.watch.evaluate() == 7
        assert made.area.watch.evaluate() == 0
        assert [made.told(who) for who in people] == [["80 % used: chat questions of the day"]] * 7
        noon(NOON + TOMORROW)
        made.area.watch.evaluate()
        assert [made.rules(who) for who in people] == [[]] * 7

    def test_what_was_not_all_seen_clears_nothing(self, made: Made, olga: Principal, noon: MoveTime) -> None:
        made.area.watch.take(looking(finding("0.5")))
        noon(NOON + TOMORROW)
        made.area.watch.take(looking(is_complete=False))
        assert made.rules(olga, everything=True) == ["error_rate"]
        made.area.watch.take(looking())
        assert made.rules(olga, everything=True) == []

    def test_one_look_that_fails_holds_up_no_other(self, made: Made, olga: Principal) -> None:
        def broken(_transaction: object) -> Found:
            raise ZeroDivisionError

        watch = replace(made.area.watch, looks=[Look("broken", (), broken), looking(finding("0.5"))])
        assert watch.evaluate() == 1
        made.area.watch.evaluate()
        assert "Jobs failed: evaluate oversight" in made.told(olga)

    def test_what_is_too_much_for_one_round_is_raised_by_the_next(
        self, made: Made, olga: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.admin.alerts.watch.MAX_RAISED", 3)
        look = looking(*(finding("0.5", subject=f"host {number}") for number in range(5)))
        assert [made.area.watch.take(look) for _ in range(3)] == [3, 2, 0]


class TestAtOnce:
    def test_several_who_look_at_once_tell_once(self, made: Made, member: MakeMember) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=8)
        with ThreadPoolExecutor(4) as pool:
            raised = list(pool.map(lambda _: made.area.watch.evaluate(), range(8)))
        assert sum(raised) == 1
        assert made.told(ann) == ["80 % used: chat questions of the day"]

    def test_the_database_holds_it_even_without_their_lock(
        self, made: Made, olga: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(oversight_alerts_dao, "take_turn", lambda *_: True)
        with ThreadPoolExecutor(4) as pool:
            raised = list(pool.map(lambda _: made.area.watch.take(looking(finding("0.5"))), range(8)))
        assert sum(raised) == 1
        assert len(made.told(olga)) == 1

    @pytest.mark.slow
    def test_two_processes_at_once_tell_once(self, made: Made, member: MakeMember, database_url: str) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        started = [evaluating(database_url, "evaluate") for _ in range(2)]
        assert sum(int(each.communicate(timeout=60)[0]) for each in started) == 1
        assert made.told(ann) == ["Used up: chat questions of the day"]

    @pytest.mark.slow
    def test_who_is_killed_in_the_middle_has_told_nobody_and_the_next_round_does(
        self, made: Made, member: MakeMember, database_url: str
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        died = evaluating(database_url, "die")
        died.communicate(timeout=60)
        assert died.returncode == -signal.SIGKILL
        assert (made.rules(ann), made.told(ann)) == ([], [])
        assert made.area.watch.evaluate() == 1
        assert made.told(ann) == ["Used up: chat questions of the day"]


def evaluating(database_url: str, what: str) -> subprocess.Popen[str]:
    """Another process that evaluates the rules."""
    command = [sys.executable, "-m", "tests.core.admin.alerts.watch_process", database_url, what]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ})


def test_every_rule_is_looked_at_and_its_sentences_name_what_its_findings_have() -> None:
    looked = [name for look in LOOKS for name in look.rules]
    assert sorted([*looked, "billing_trouble", "books_out_of_balance"]) == sorted(RULES)


def test_the_queue_evaluates_every_minute(made: Made) -> None:
    periodic = made.workbench.queue.periodic
    assert periodic["evaluate_oversight"].minutes == periodic["deliver_oversight"].minutes == 1
    assert {"audit_books", "forget_oversight"} <= set(periodic)
    periodic["evaluate_oversight"].handler()
