"""What managers and operators see and set: acknowledging, muting, thresholds, channels; and who may not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import psycopg
import pytest

from core.admin.alerts.rules import RULES
from core.admin.alerts.service import MAX_CHANNELS, ChannelDraft, RuleState
from core.clock import SystemClock
from core.db.engine import Database
from core.errors import AssayError, Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.ops.webhooks import Outcome, Webhooks
from core.principal import Principal, Role, Scope
from tests.conftest import MakeMember, MoveTime
from tests.core.admin.alerts.alerts_made import Made, leave_alerts
from tests.core.admin.alerts.test_watch import finding, looking
from tests.fakes.hook_server import says

Service = psycopg.Connection[tuple[object, ...]]


def of_jobs(who: Principal, *, error: str = "none") -> Any:
    """A look that finds a failed job of somebody's organisation."""
    raised = replace(finding("1", rule="job_failed"), org_id=who.org_id)
    words = {"kind": "count", "failed": "1 job", "error": error}
    return replace(looking(replace(raised, words=words)), rules=("job_failed",))


def state(made: Made, who: Principal, name: str, *, everything: bool = False) -> RuleState:
    """A rule as it holds there."""
    return next(each for each in made.area.alerts.rules(who, everything=everything) if each.rule.name == name)


class TestWho:
    @pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
    def test_nobody_else_than_managers_sees_or_sets_anything(self, made: Made, member: MakeMember, role: Role) -> None:
        member("ann", org="Acme", plan="team")
        bob, alerts = member("bob", org="Acme", plan="team", role=role), made.area.alerts
        calls: list[Callable[[], object]] = [
            lambda: alerts.firing(bob),
            lambda: alerts.history(bob),
            lambda: alerts.deliveries(bob),
            lambda: alerts.channels(bob),
            lambda: alerts.rules(bob),
            lambda: alerts.acknowledge(bob, new_id()),
            lambda: alerts.set_rule(bob, "job_failed", is_on=False, threshold=None),
            lambda: alerts.mute(bob, "job_failed", timedelta(hours=1)),
            lambda: alerts.add_channel(bob, ChannelDraft("slack", "Ours", made.url)),
            lambda: alerts.remove_channel(bob, new_id()),
            lambda: alerts.test_channel(bob, new_id(), "slack"),
        ]
        for call in calls:
            with pytest.raises(Forbidden):
                call()

    def test_a_manager_does_not_reach_the_installation_nor_another_organisation(
        self, made: Made, member: MakeMember, olga: Principal
    ) -> None:
        ann, bob, alerts = member("ann"), member("bob"), made.area.alerts
        kept = alerts.add_channel(bob, ChannelDraft("slack", "Ours", made.url))
        made.area.watch.take(of_jobs(bob))
        [theirs] = made.firing(bob)
        with pytest.raises(Forbidden):
            alerts.firing(ann, everything=True)
        with pytest.raises(Forbidden):
            alerts.set_rule(ann, "provider_down", is_on=False, threshold=None, everything=True)
        for call in (
            lambda: alerts.acknowledge(ann, theirs.id),
            lambda: alerts.remove_channel(ann, kept.id),
            lambda: alerts.test_channel(ann, kept.id, "slack"),
            lambda: alerts.set_rule(ann, "provider_down", is_on=False, threshold=None),
            lambda: alerts.test_channel(olga, None, "slack", everything=True),
        ):
            with pytest.raises(NotFound):
                call()
        assert (alerts.firing(ann), alerts.channels(ann), alerts.deliveries(ann)) == ([], [], [])

    def test_a_token_that_only_reads_sets_nothing(self, made: Made, member: MakeMember) -> None:
        ann = replace(member("ann"), via="token", scopes=frozenset({Scope.READ}))
        assert made.area.alerts.firing(ann) == []
        with pytest.raises(Forbidden):
            made.area.alerts.mute(ann, "job_failed", None)

    def test_the_pages_role_reads_neither_addresses_nor_others_rows(
        self, made: Made, member: MakeMember, database: Database
    ) -> None:
        from sqlalchemy import text
        from sqlalchemy.exc import ProgrammingError

        ann, bob = member("ann"), member("bob")
        made.area.alerts.add_channel(bob, ChannelDraft("webhook", "Ours", made.url))
        for column in ("url", "secret"):
            with pytest.raises(ProgrammingError), database.app(bob) as connection:
                connection.execute(text(f"SELECT {column} FROM oversight_channels"))
        with database.app(ann) as connection:
            assert connection.execute(text("SELECT count(id) FROM oversight_channels")).scalar() == 0


class TestAlerts:
    def test_who_acknowledges_first_stays(self, made: Made, member: MakeMember) -> None:
        ann = member("ann", org="Acme", plan="team")
        bob = member("bob", org="Acme", plan="team", role=Role.ADMIN)
        made.area.watch.take(of_jobs(ann))
        [alert] = made.firing(ann)
        assert alert.acknowledged_at is None
        made.area.alerts.acknowledge(bob, alert.id)
        made.area.alerts.acknowledge(ann, alert.id)
        [seen] = made.firing(ann)
        assert (seen.acknowledged_by, seen.acknowledged_name) == (bob.user_id, bob.name)
        assert seen.acknowledged_at is not None

    def test_a_muted_rule_is_shown_and_nobody_is_told_until_the_time_is_over(
        self, made: Made, member: MakeMember, move_time: MoveTime
    ) -> None:
        ann = member("ann")
        made.area.alerts.mute(ann, "job_failed", timedelta(hours=2))
        assert state(made, ann, "job_failed").muted_until is not None
        made.area.watch.take(of_jobs(ann))
        assert [(row.rule, row.is_muted) for row in made.firing(ann)] == [("job_failed", True)]
        assert made.told(ann) == []
        assert made.area.delivery.deliver_due() == 0
        move_time(timedelta(hours=3))
        made.area.watch.take(replace(looking(), rules=("job_failed",)))
        made.area.watch.take(of_jobs(ann))
        assert made.told(ann) == ["Jobs failed: count"]
        assert state(made, ann, "job_failed").muted_until is None

    def test_what_is_raised_while_muted_is_told_once_that_is_over_if_it_still_holds(
        self, made: Made, member: MakeMember, move_time: MoveTime
    ) -> None:
        ann = member("ann")
        made.area.alerts.add_channel(ann, ChannelDraft("slack", "Ours", made.url))
        made.area.alerts.mute(ann, "job_failed", timedelta(hours=2))
        made.area.watch.take(of_jobs(ann, error="before"))
        move_time(timedelta(hours=1))
        made.area.watch.take(of_jobs(ann, error="meanwhile"))
        assert (made.told(ann), made.area.delivery.deliver_due()) == ([], 0)
        move_time(timedelta(hours=3))
        for _ in range(2):
            made.area.watch.take(of_jobs(ann, error="now"))
            made.area.delivery.deliver_due()
        assert made.told(ann) == made.mails(ann) == ["Jobs failed: count"]
        assert made.hook.received.qsize() == 1
        assert b"now" in made.hook.received.get_nowait().body
        [alert] = made.firing(ann)
        assert not alert.is_muted and alert.told_at is not None and alert.told_at > alert.raised_at

    def test_what_was_over_before_the_muting_ended_is_not_told(self, made: Made, member: MakeMember) -> None:
        ann = member("ann")
        made.area.alerts.mute(ann, "job_failed", timedelta(hours=2))
        made.area.watch.take(of_jobs(ann))
        made.area.watch.take(replace(looking(), rules=("job_failed",)))
        made.area.alerts.mute(ann, "job_failed", None)
        made.area.watch.take(replace(looking(), rules=("job_failed",)))
        assert (made.told(ann), made.rules(ann)) == ([], [])

    def test_what_a_graver_rule_tells_by_then_is_told_by_that_alone(
        self, made: Made, member: MakeMember, move_time: MoveTime
    ) -> None:
        move_time(datetime(2027, 3, 10, 12, tzinfo=UTC))
        ann = member("ann", plan="free")
        made.area.alerts.mute(ann, "quota_80", timedelta(hours=2))
        made.asked(ann, times=8)
        made.area.watch.evaluate()
        made.asked(ann, times=2)
        made.area.alerts.mute(ann, "quota_80", None)
        made.area.watch.evaluate()
        assert made.told(ann) == ["Used up: chat questions of the day"]

    def test_muting_is_ended_and_has_a_longest_time(self, made: Made, member: MakeMember) -> None:
        ann, bob = member("ann"), member("bob")
        made.area.alerts.mute(ann, "job_failed", timedelta(days=1))
        made.area.watch.take(of_jobs(bob))
        assert made.told(bob) == ["Jobs failed: count"]  # another organisation's is not muted
        made.area.alerts.mute(ann, "job_failed", None)
        made.area.watch.take(of_jobs(ann))
        assert made.told(ann) == ["Jobs failed: count"]
        for span in (timedelta(days=31), timedelta(0), timedelta(days=-1)):
            with pytest.raises(InvalidRequest):
                made.area.alerts.mute(ann, "job_failed", span)

    def test_a_rule_that_is_off_raises_nothing_and_what_fired_clears(self, made: Made, member: MakeMember) -> None:
        ann = member("ann")
        made.area.watch.take(of_jobs(ann))
        made.area.alerts.set_rule(ann, "job_failed", is_on=False, threshold=None)
        made.area.watch.take(of_jobs(ann))
        assert made.rules(ann) == []
        made.area.alerts.set_rule(ann, "job_failed", is_on=True, threshold=None)
        made.area.watch.take(of_jobs(ann))
        assert made.told(ann) == ["Jobs failed: count"] * 2

    def test_a_threshold_of_the_installations_own(self, made: Made, olga: Principal) -> None:
        alerts = made.area.alerts
        assert state(made, olga, "cost_day", everything=True).threshold == 100
        alerts.set_rule(olga, "error_rate", is_on=True, threshold=Decimal("0.6"), everything=True)
        alerts.set_rule(olga, "cost_day", is_on=True, threshold=Decimal(7), everything=True)
        made.area.watch.take(looking(finding("0.5")))
        assert made.told(olga) == []
        made.area.watch.take(looking(finding("0.6")))
        assert made.told(olga) == ["some of the calls to openai fail"]
        assert state(made, olga, "cost_day", everything=True).own_threshold == 7
        alerts.set_rule(olga, "cost_day", is_on=True, threshold=None, everything=True)
        assert state(made, olga, "cost_day", everything=True).threshold == 100

    @pytest.mark.parametrize("value", ["0", "-1", "1000001", "NaN", "Infinity"])
    def test_a_threshold_that_cannot_be_is_refused(self, made: Made, member: MakeMember, value: str) -> None:
        with pytest.raises(InvalidRequest, match="above 0"):
            made.area.alerts.set_rule(member("ann"), "cost_day", is_on=True, threshold=Decimal(value))

    def test_a_fixed_threshold_is_not_set(self, made: Made, member: MakeMember) -> None:
        with pytest.raises(InvalidRequest, match="fixed"):
            made.area.alerts.set_rule(member("ann"), "quota_80", is_on=True, threshold=Decimal("0.5"))

    def test_each_sees_the_rules_that_watch_there(self, made: Made, olga: Principal) -> None:
        own = {each.rule.name for each in made.area.alerts.rules(olga)}
        all_of_them = {each.rule.name for each in made.area.alerts.rules(olga, everything=True)}
        assert own | all_of_them == set(RULES)
        assert own & all_of_them == {"cost_day", "job_failed"}


class TestEverywhere:
    def test_operators_see_the_alerts_of_all_what_fires_first_and_what_became_of_telling(
        self, made: Made, member: MakeMember, olga: Principal, move_time: MoveTime
    ) -> None:
        move_time(datetime(2027, 3, 10, 12, tzinfo=UTC))
        ann, bob, carl = (member(name, org=name.capitalize(), plan="free") for name in ("ann", "bob", "carl"))
        made.area.alerts.add_channel(ann, ChannelDraft("webhook", "Ours", made.url))
        made.area.alerts.mute(bob, "job_failed", timedelta(days=1))
        made.area.watch.take(of_jobs(carl))
        made.area.watch.take(replace(looking(), rules=("job_failed",)))  # carl's is over
        made.hook.answer = says("HTTP/1.1 404 Gone")
        made.area.watch.take(replace(of_jobs(ann), name="of ann"))
        made.area.delivery.deliver_due()
        both = [*of_jobs(ann).find(None).findings, *of_jobs(bob).find(None).findings]
        made.area.watch.take(replace(looking(*both), rules=("job_failed",)))
        made.area.watch.take(looking(finding("0.5")))
        found = made.area.alerts.everywhere(olga)
        assert [(row.org_name, row.alert.rule, row.alert.cleared_at is None) for row in found] == [
            (None, "error_rate", True),
            ("Bob", "job_failed", True),
            ("Ann", "job_failed", True),
            ("Carl", "job_failed", False),
        ]
        assert (found[1].last_told_at, found[1].alert.is_muted) == (None, True)
        assert found[2].last_told_at is not None and found[2].last_told_at > found[2].alert.raised_at  # by mail
        assert (found[2].failed, found[2].failures) == (0, "webhook: The receiver answers 404.")
        for who in (ann, replace(ann, is_operator=False)):
            with pytest.raises(Forbidden):
                made.area.alerts.everywhere(who)

    def test_they_are_bounded(self, made: Made, olga: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("core.admin.alerts.service.MAX_SHOWN", 2)
        made.area.watch.take(looking(*(finding("0.5", subject=f"host {number}") for number in range(3))))
        assert len(made.area.alerts.everywhere(olga)) == 2


class TestChannels:
    def test_a_test_message_says_at_once_whether_it_arrives(self, made: Made, member: MakeMember) -> None:
        ann = member("ann")
        kept = made.area.alerts.add_channel(ann, ChannelDraft("slack", " Ours ", made.url))
        assert kept.secret is None
        assert made.area.alerts.test_channel(ann, kept.id, "slack") == Outcome(is_delivered=True)
        assert b"The channel Ours works" in made.hook.received.get_nowait().body
        made.hook.answer = says("HTTP/1.1 404 Gone")
        outcome = made.area.alerts.test_channel(ann, kept.id, "slack")
        assert outcome == Outcome(is_delivered=False, said="The receiver answers 404.")
        rows = made.area.alerts.deliveries(ann)
        assert [(row.event, row.status) for row in rows] == [("test", "failed"), ("test", "delivered")]
        assert made.told(ann) == []  # they look at it

    @pytest.mark.parametrize(
        "url",
        [
            *("https://127.0.0.1/hook", "https://localhost/hook", "https://10.0.0.8/hook", "https://[::1]/hook"),
            *("https://169.254.169.254/latest", "https://2130706433/", "https://0x7f.1/"),
            *("https://[::ffff:10.0.0.8]/hook", "https://[::ffff:169.254.169.254]/", "https://[fd00::1]/"),
            *("http://hooks.slack.com/services/x", "https://user:pw@hooks.slack.com/", "ftp://a.example", "", "hook"),
        ],
    )
    def test_an_address_that_points_inside_or_is_none_is_refused_when_it_is_set(
        self, made: Made, member: MakeMember, url: str
    ) -> None:
        ann = member("ann")
        with closing(Webhooks(SystemClock())) as strict:
            alerts = replace(made.area.alerts, webhooks=strict)
            with pytest.raises(InvalidRequest):
                alerts.add_channel(ann, ChannelDraft("webhook", "Ours", url))
        assert made.area.alerts.channels(ann) == []

    @pytest.mark.parametrize("found", ["127.0.0.1", "::1", "10.0.0.8", "169.254.169.254", "::ffff:10.0.0.8"])
    def test_a_name_that_leads_inside_is_refused_when_it_is_set_and_not_called_where_it_leads_there_later(
        self, made: Made, member: MakeMember, found: str
    ) -> None:
        ann = member("ann")
        leads_to = ["93.184.215.14", found, found]
        with closing(Webhooks(SystemClock(), resolve=lambda *_: [ip_address(leads_to.pop(0))])) as strict:
            alerts = replace(made.area.alerts, webhooks=strict, delivery=replace(made.area.delivery, webhooks=strict))
            kept = alerts.add_channel(ann, ChannelDraft("webhook", "Ours", "https://hook.example/"))
            outcome = alerts.test_channel(ann, kept.id, "webhook")
            assert outcome == Outcome(is_delivered=False, said="The address does not lead to the public internet.")
            with pytest.raises(InvalidRequest, match="public internet"):
                alerts.add_channel(ann, ChannelDraft("webhook", "Another", "https://hook.example/"))

    @pytest.mark.parametrize("name", ["", "   ", "x" * 81])
    def test_a_channel_has_a_name(self, made: Made, member: MakeMember, name: str) -> None:
        with pytest.raises(InvalidRequest, match="characters"):
            made.area.alerts.add_channel(member("ann"), ChannelDraft("slack", name, made.url))

    def test_there_are_so_many_at_most(self, made: Made, member: MakeMember) -> None:
        ann = member("ann")
        for number in range(MAX_CHANNELS):
            made.area.alerts.add_channel(ann, ChannelDraft("slack", f"Channel {number}", made.url))
        with pytest.raises(Conflict):
            made.area.alerts.add_channel(ann, ChannelDraft("slack", "One more", made.url))

    def test_what_is_set_is_in_the_audit_log_without_the_address(
        self, made: Made, member: MakeMember, service: Service
    ) -> None:
        ann = member("ann")
        kept = made.area.alerts.add_channel(ann, ChannelDraft("webhook", "Ours", made.url))
        made.area.alerts.set_rule(ann, "cost_day", is_on=True, threshold=Decimal(5))
        made.area.alerts.remove_channel(ann, kept.id)
        rows = service.execute(
            "SELECT action, org_id, actor, subject_id, before::text, after::text FROM audit_events "
            "WHERE action LIKE 'alert.%' ORDER BY at, id"
        ).fetchall()
        assert [row[0] for row in rows] == ["alert.channel_set", "alert.rule_set", "alert.channel_removed"]
        assert {(row[1], row[2]) for row in rows} == {(ann.org_id, ann.user_id)}
        assert "/hook" not in str(rows)
        assert kept.secret is not None and kept.secret not in str(rows)


def test_an_alert_that_is_not_there_is_not_acknowledged(made: Made, member: MakeMember) -> None:
    with pytest.raises(NotFound):
        made.area.alerts.acknowledge(member("ann"), new_id())
    assert issubclass(NotFound, AssayError)


def test_one_row_is_left_in_each_table(made: Made, member: MakeMember, service: Service) -> None:
    ann = member("ann")
    leave_alerts(made.workbench, ann)
    for table in ("alerts", "rules", "channels", "deliveries"):
        assert service.execute(f"SELECT org_id FROM oversight_{table}").fetchall() == [(ann.org_id,)]
