"""How alerts reach people and programs: mail, Slack, Discord and signed webhooks over real sockets, then given up."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from core.accounts.encryption import MARK, Encryption
from core.admin.alerts.area import open_alerts
from core.admin.alerts.delivery import OversightDelivery
from core.admin.alerts.service import ChannelDraft, Kind
from core.clock import SystemClock
from core.db import oversight_alerts_dao as dao
from core.db.oversight_alerts_dao import DeliveryRow
from core.ops.mail import Mailer, mailer_of
from core.ops.outbox import KEPT, LEASE, RETRIES
from core.ops.smtp import SmtpDelivery, mail_server_of
from core.ops.webhooks import Webhooks, signature
from core.principal import Principal, Role
from core.settings import ROOT, load_settings
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime, make_settings
from tests.core.admin.alerts.alerts_made import Made, make
from tests.core.admin.alerts.test_watch import finding, looking, report
from tests.fakes.hook_server import TAKES_IT, says
from tests.fakes.mail_server import MailServer, text_of
from tests.fakes.trickling_server import TricklingServer

Service = psycopg.Connection[tuple[object, ...]]
USED_UP = "Used up: chat questions of the day"
VALIDATED = "Used up: signal validations of the day"


def sent(made: Made, who: Principal, channel: str, *, everything: bool = False) -> list[DeliveryRow]:
    """What was sent there, the last first."""
    return [row for row in made.area.alerts.deliveries(who, everything=everything) if row.channel == channel]


def use_up(made: Made, who: Principal) -> None:
    """Uses the organisation's signal validations up: its managers and channels are told."""
    from core.metering.meter import Feature

    made.asked(who, times=5, feature=Feature.SIGNAL_VALIDATION)
    made.area.watch.evaluate()


def channel(made: Made, who: Principal, kind: Kind, **changes: object) -> str | None:
    """A channel of somebody's organisation; gives its secret."""
    draft = ChannelDraft(kind, "Ours", made.url)
    return made.area.alerts.add_channel(who, replace(draft, **changes)).secret  # type: ignore[arg-type]


def patient(made: Made, *, total_s: float) -> OversightDelivery:
    """Delivery by a mailer that waits hardly for any answer, and so long for the last."""
    server = mail_server_of(load_settings({"SMTP_URL": made.mail.url}))
    assert server is not None
    handed = SmtpDelivery(server, helo="firm.example", timeout_s=1.0, total_s=total_s)
    mailer = Mailer(handed, Address("Assay", "assay", "firm.example"), is_configured=True, clock=SystemClock())
    return replace(made.area.delivery, mailer=mailer)


class TestMail:
    def test_the_member_gets_what_it_says_and_what_to_do(self, made: Made, member: MakeMember) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        assert made.area.delivery.deliver_due() == 1
        mail = made.mail.wait_for(ann.email)
        assert mail["Subject"] == USED_UP
        text = text_of(mail)
        assert "All 10 chat questions of the day are used." in text
        assert "Wait until then" in text
        assert "http://127.0.0.1:8501/usage" in text
        assert [(row.status, row.attempts) for row in sent(made, ann, "mail")] == [("delivered", 1)]
        assert made.area.delivery.deliver_due() == 0

    @pytest.mark.parametrize("loss", ["no notices", "deactivated"])
    def test_who_wants_none_or_left_gets_none(
        self, made: Made, member: MakeMember, service: Service, loss: str
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        if loss == "no notices":
            service.execute("UPDATE users SET gets_notices = false")
        else:
            service.execute("UPDATE users SET deactivated_at = assay_now()")
        made.area.delivery.deliver_due()
        assert made.mail.received == []
        [row] = service.execute("SELECT said FROM oversight_deliveries").fetchall()
        assert row == ("They are not told of this by e-mail any more.",)

    def test_who_wants_none_is_not_even_written_to(self, made: Made, member: MakeMember, service: Service) -> None:
        ann = member("ann", plan="free")
        service.execute("UPDATE users SET gets_notices = false")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        assert made.area.delivery.deliver_due() == 0
        assert made.told(ann) == [USED_UP]

    def test_an_operator_of_two_organisations_gets_one_mail_and_is_told_in_both(
        self, made: Made, olga: Principal, workbench: Workbench
    ) -> None:
        workbench.directory.add_user(olga.email, org_name="Acme", plan="team", role=Role.ADMIN, password=None)
        report(workbench, has_answered=False, failures=5)
        made.area.watch.evaluate()
        assert made.area.delivery.deliver_due() == 1
        assert made.mails(olga) == ["openai does not answer"]
        elsewhere = workbench.directory.member(olga.email, "Acme")
        assert made.told(olga) == made.told(elsewhere) == ["openai does not answer"]

    def test_a_server_that_refuses_is_asked_again(self, made: Made, member: MakeMember, move_time: MoveTime) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        made.mail.refuse(451, times=1)
        made.area.delivery.deliver_due()
        [row] = sent(made, ann, "mail")
        assert (row.status, row.said) == ("pending", "The mail server did not take it.")
        move_time(RETRIES[0] + timedelta(seconds=5))
        made.area.delivery.deliver_due()
        assert made.mails(ann) == [USED_UP]


class TestChannels:
    def test_a_webhook_gets_it_signed_under_an_id(self, made: Made, member: MakeMember) -> None:
        ann = member("ann", plan="free")
        secret = channel(made, ann, "webhook")
        assert secret is not None
        use_up(made, ann)
        made.area.delivery.deliver_due()
        got = made.hook.received.get_nowait()
        moment, _, signed = got.headers["x-assay-signature"].removeprefix("t=").partition(",v1=")
        assert signed == signature(secret, int(moment), got.body)
        said = json.loads(got.body)
        [row] = sent(made, ann, "webhook")
        assert said["delivery"] == got.headers["x-assay-delivery"] == str(row.id)
        assert (said["event"], said["title"]) == ("alert.raised", VALIDATED)
        [alert] = made.firing(ann)
        assert said["alert"] == {
            "id": str(alert.id),
            "rule": "quota_100",
            "level": "critical",
            "scope": "organisation",
            "organisation": str(ann.org_id),
            "member": None,
            "subject": "signal_validations_day",
            "period": alert.period,
            "value": "1",
            "threshold": "1",
            "raised_at": alert.raised_at.isoformat(),
            "cleared_at": None,
        }
        assert said["url"] == "http://127.0.0.1:8501/usage"

    def test_slack_gets_its_own_form_in_which_nothing_is_markup(self, made: Made, member: MakeMember) -> None:
        ann = member("ann")
        channel(made, ann, "slack")
        raised = replace(finding("9", "<!channel> & co", rule="job_failed"), org_id=ann.org_id)
        raised = replace(raised, words={"kind": "<!channel> & co", "failed": "1 job", "error": "<@U1>"})
        made.area.watch.take(replace(looking(raised), rules=("job_failed",)))
        made.area.delivery.deliver_due()
        got = made.hook.received.get_nowait()
        assert "x-assay-signature" not in got.headers
        text = json.loads(got.body)["text"]
        assert text.startswith("*Jobs failed: &lt;!channel&gt; &amp; co*\n1 job of this kind failed within an hour")
        assert "&lt;@U1&gt;" in text
        assert text.endswith("<http://127.0.0.1:8501/admin?section=alerts|Open Assay>")

    def test_discord_gets_its_own_form_that_mentions_nobody(self, made: Made, member: MakeMember) -> None:
        ann = member("ann")
        channel(made, ann, "discord")
        raised = replace(finding("9", rule="job_failed"), org_id=ann.org_id)
        raised = replace(raised, words={"kind": "@everyone *x*", "failed": "1 job", "error": "e" * 3_000})
        made.area.watch.take(replace(looking(raised), rules=("job_failed",)))
        made.area.delivery.deliver_due()
        said = json.loads(made.hook.received.get_nowait().body)
        assert said["allowed_mentions"] == {"parse": []}
        assert said["content"].startswith("**Jobs failed: @everyone \\*x\\***\n")
        assert said["content"].endswith("\nhttp://127.0.0.1:8501/admin?section=alerts")
        assert len(said["content"]) <= 2_000

    def test_what_concerns_one_member_is_not_told_to_all(self, made: Made, member: MakeMember) -> None:
        ann = member("ann", plan="free")
        channel(made, ann, "slack")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        made.area.delivery.deliver_due()
        assert made.hook.received.empty()

    def test_a_channel_for_what_is_critical_hears_no_warning(
        self, made: Made, member: MakeMember, olga: Principal
    ) -> None:
        ann = member("ann")
        channel(made, ann, "webhook", least_level="critical")
        raised = replace(finding("9", rule="job_failed"), org_id=ann.org_id)
        made.area.watch.take(
            replace(looking(replace(raised, words={"kind": "a", "failed": "1", "error": "e"})), rules=("job_failed",))
        )
        made.area.delivery.deliver_due()
        assert made.hook.received.empty()

    def test_another_organisations_channel_and_the_installations_hear_nothing(
        self, made: Made, member: MakeMember, olga: Principal
    ) -> None:
        ann, bob = member("ann", plan="free"), member("bob", plan="free")
        channel(made, bob, "webhook")
        made.area.alerts.add_channel(olga, ChannelDraft("webhook", "All", made.url), everything=True)
        use_up(made, ann)
        made.area.delivery.deliver_due()
        assert made.hook.received.empty()

    def test_the_end_of_what_lasted_is_told_to_channels(
        self, made: Made, olga: Principal, workbench: Workbench, move_time: MoveTime
    ) -> None:
        made.area.alerts.add_channel(olga, ChannelDraft("webhook", "All", made.url), everything=True)
        report(workbench, has_answered=False, failures=5)
        made.area.watch.evaluate()
        report(workbench, has_answered=True)
        move_time(timedelta(minutes=11))
        made.area.watch.evaluate()
        made.area.delivery.deliver_due()
        events = sorted(json.loads(made.hook.received.get_nowait().body)["event"] for _ in range(2))
        assert events == ["alert.cleared", "alert.raised"]
        assert made.told(olga) == ["openai does not answer"]

    def test_the_addresses_of_the_settings_hear_of_the_installation(
        self, made: Made, olga: Principal, workbench: Workbench, database_url: str, tmp_path: Path
    ) -> None:
        named = {"SLACK_WEBHOOK_URL": f"{made.url}/slack", "DISCORD_WEBHOOK_URL": f" {made.url}/discord "}
        settings = make_settings(database_url, tmp_path, **named)
        parts = (workbench.database, workbench.queue, mailer_of(settings), workbench.notifications)
        area = open_alerts(settings, *parts)
        delivery = replace(made.area.delivery, urls=area.delivery.urls)
        watch = replace(made.area.watch, telling=area.watch.telling)
        report(workbench, has_answered=False, failures=5)
        watch.evaluate()
        assert delivery.deliver_due() == 2
        assert sorted(made.hook.received.get_nowait().target for _ in range(2)) == ["/hook/discord", "/hook/slack"]
        area.close()

    @pytest.mark.parametrize("kind", ["slack", "discord"])
    def test_a_channel_that_asks_is_left_alone_with_everything_for_it(
        self, made: Made, olga: Principal, move_time: MoveTime, kind: Kind
    ) -> None:
        made.area.alerts.add_channel(olga, ChannelDraft(kind, "All", made.url), everything=True)
        made.area.watch.take(looking(finding("0.5")))
        made.hook.answer = says("HTTP/1.1 429 Slow\nRetry-After: 1800")
        made.area.delivery.deliver_due()
        assert made.hook.received.qsize() == 1
        [row] = sent(made, olga, kind, everything=True)
        assert row.due_at is not None and row.said == "The receiver answers 429."
        made.hook.answer = TAKES_IT
        both = looking(finding("0.5"), finding("0.5", subject="another"))
        for minutes, delivered in [(2, 0), (29, 0), (31, 2)]:
            move_time(timedelta(minutes=minutes))
            made.area.watch.take(both)
            made.area.delivery.deliver_due()
            states = [row.status for row in sent(made, olga, kind, everything=True)]
            assert (states.count("delivered"), made.hook.received.qsize()) == (delivered, 1 + delivered)


class TestOutbox:
    def test_it_is_tried_again_in_growing_waits_under_one_id_then_given_up_and_told(
        self, made: Made, member: MakeMember, move_time: MoveTime
    ) -> None:
        ann = member("ann", plan="free")
        channel(made, ann, "webhook")
        made.hook.answer = says("HTTP/1.1 503 Busy")
        use_up(made, ann)
        passed = timedelta(0)
        made.area.delivery.deliver_due()
        for attempt, wait in enumerate(RETRIES, start=1):
            [row] = sent(made, ann, "webhook")
            assert (row.status, row.attempts, row.said) == ("pending", attempt, "The receiver answers 503.")
            assert made.area.delivery.deliver_due() == 0, "before its time"
            passed += wait + timedelta(seconds=5)
            move_time(passed)
            made.area.delivery.deliver_due()
        [row] = sent(made, ann, "webhook")
        assert (row.status, row.attempts, row.due_at) == ("failed", 5, None)
        assert {made.hook.received.get_nowait().headers["x-assay-delivery"] for _ in range(5)} == {str(row.id)}
        assert f"Not told by webhook: {VALIDATED}" in made.told(ann)

    def test_what_succeeds_later_is_delivered(self, made: Made, member: MakeMember, move_time: MoveTime) -> None:
        ann = member("ann", plan="free")
        channel(made, ann, "webhook")
        made.hook.answer = says("HTTP/1.1 500 Broken")
        use_up(made, ann)
        made.area.delivery.deliver_due()
        made.hook.answer = TAKES_IT
        move_time(RETRIES[0] + timedelta(seconds=5))
        made.area.delivery.deliver_due()
        [row] = sent(made, ann, "webhook")
        assert (row.status, row.attempts, row.said) == ("delivered", 2, None)

    @pytest.mark.slow
    def test_what_a_killed_process_had_taken_is_sent_by_another_under_the_same_id(
        self, made: Made, member: MakeMember, move_time: MoveTime, database_url: str
    ) -> None:
        ann = member("ann", plan="free")
        channel(made, ann, "webhook")
        use_up(made, ann)
        command = [sys.executable, "-m", "tests.core.admin.alerts.delivery_process", database_url]
        died = subprocess.run(command, cwd=ROOT, timeout=60, check=False, capture_output=True)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert made.area.delivery.deliver_due() == 0
        move_time(LEASE + timedelta(seconds=5))
        made.area.delivery.deliver_due()
        [row] = sent(made, ann, "webhook")
        assert (row.status, row.attempts) == ("delivered", 2)
        assert made.hook.received.get_nowait().headers["x-assay-delivery"] == str(row.id)
        with made.workbench.database.service() as connection:  # the dead one's word counts no more
            dao.set_failed(connection, row.id, 1, said="late", again=None)
        assert sent(made, ann, "webhook")[0].status == "delivered"

    def test_a_mail_server_that_trickles_is_left_and_the_mail_comes_once(
        self, made: Made, member: MakeMember, move_time: MoveTime, database_url: str, tmp_path: Path
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        with TricklingServer() as trickling, ThreadPoolExecutor(1) as pool:
            server = mail_server_of(make_settings(database_url, tmp_path, SMTP_URL=trickling.url))
            assert server is not None
            slow = SmtpDelivery(server, helo="firm.example", total_s=0.3)
            mailer = Mailer(slow, Address("Assay", "assay", "firm.example"), is_configured=True, clock=SystemClock())
            assert pool.submit(replace(made.area.delivery, mailer=mailer).deliver_due).result(timeout=15) == 1
            assert trickling.connections == 1
        [row] = sent(made, ann, "mail")
        assert (row.status, row.attempts, row.said) == ("pending", 1, "The mail server did not take it.")
        move_time(LEASE)
        for _ in range(2):
            made.area.delivery.deliver_due()
        assert made.mails(ann) == [USED_UP]
        assert str(row.id) in str(made.mail.received[0].message["Message-ID"])

    def test_a_mail_server_that_takes_a_mail_and_says_so_late_gets_it_once_within_the_lease(
        self, made: Made, member: MakeMember
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        made.mail.answer_late(2.0)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(patient(made, total_s=10).deliver_due)
            made.mail.wait_for(ann.email)
            assert made.area.delivery.deliver_due() == 0  # it is still the other's
            assert waiting.result(timeout=15) == 1
        assert [(row.status, row.attempts) for row in sent(made, ann, "mail")] == [("delivered", 1)]
        assert made.mails(ann) == [USED_UP]

    def test_one_that_says_so_too_late_gets_it_again_under_the_same_number(
        self, made: Made, member: MakeMember, move_time: MoveTime
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        made.mail.answer_late(6.0)
        assert patient(made, total_s=2.5).deliver_due() == 1
        [row] = sent(made, ann, "mail")
        assert (row.status, row.attempts) == ("pending", 1)
        move_time(RETRIES[0] + timedelta(seconds=5))
        assert patient(made, total_s=10).deliver_due() == 1
        assert [row.status for row in sent(made, ann, "mail")] == ["delivered"]
        numbers = {str(each.message["Message-ID"]) for each in made.mail.received}
        assert (len(made.mail.received), len(numbers)) == (2, 1)

    def test_mails_that_never_arrive_are_told_in_the_app_each_to_whom_it_was_for_and_by_no_mail(
        self, made: Made, olga: Principal, workbench: Workbench, move_time: MoveTime
    ) -> None:
        workbench.directory.add_user(
            "otto@test.example", org_name="Otto's", plan="team", role=Role.OWNER, password=None, is_operator=True
        )
        otto = workbench.directory.member("otto@test.example", "Otto's")
        made.mail.refuse(451)
        made.area.watch.take(looking(finding("0.5")))
        passed = timedelta(0)
        for wait in (timedelta(0), *RETRIES):
            passed += wait + timedelta(seconds=5)
            move_time(passed)
            made.area.delivery.deliver_due()
        for who in (olga, otto):
            told = made.told(who)
            assert told[0] == "some of the calls to openai fail"
            assert [title[:20] for title in told[1:]] == ["Not told by e-mail: "]
        rows = sent(made, olga, "mail", everything=True)
        assert [row.status for row in rows] == ["failed", "failed"]

    def test_two_workers_do_not_send_the_same(self, made: Made, olga: Principal) -> None:
        made.area.alerts.add_channel(olga, ChannelDraft("webhook", "All", made.url), everything=True)
        made.area.watch.take(looking(*(finding("0.5", subject=f"host {number}") for number in range(12))))
        with ThreadPoolExecutor(3) as pool:
            made_attempts = list(pool.map(lambda _: made.area.delivery.deliver_due(), range(3)))
        assert sum(made_attempts) == 24  # and as many mails
        assert made.hook.received.qsize() == len(made.mails(olga)) == 12

    def test_a_channel_that_was_removed_meanwhile_is_not_called(self, made: Made, member: MakeMember) -> None:
        ann = member("ann", plan="free")
        channel(made, ann, "slack")
        use_up(made, ann)
        [kept] = made.area.alerts.channels(ann)
        made.area.alerts.remove_channel(ann, kept.id)
        made.area.delivery.deliver_due()
        assert made.hook.received.empty()
        assert sent(made, ann, "slack")[0].said == "The channel was removed."

    def test_an_address_that_leads_inside_by_then_is_not_called(self, made: Made, member: MakeMember) -> None:
        ann = member("ann", plan="free")
        channel(made, ann, "webhook")
        use_up(made, ann)
        with closing(Webhooks(SystemClock())) as strict:
            replace(made.area.delivery, webhooks=strict).deliver_due()
        assert made.hook.received.empty()
        assert sent(made, ann, "webhook")[0].said == "The address does not lead to the public internet."

    def test_the_address_and_the_secret_are_kept_encrypted(
        self, made: Made, member: MakeMember, service: Service
    ) -> None:
        ann = member("ann", plan="free")
        secret = channel(made, ann, "webhook")
        [kept] = service.execute("SELECT url, secret FROM oversight_channels").fetchall()
        assert all(str(each).startswith(MARK) for each in kept)
        assert secret is not None and secret not in str(kept) and "localhost" not in str(kept)
        use_up(made, ann)
        other = Encryption([Fernet.generate_key().decode()])
        replace(made.area.delivery, encryption=other).deliver_due()
        assert sent(made, ann, "webhook")[0].said == "Its address cannot be read any more: give the channel anew."
        assert made.hook.received.empty()

    def test_what_is_old_is_forgotten_and_what_fires_stays(
        self, made: Made, member: MakeMember, olga: Principal, move_time: MoveTime
    ) -> None:
        ann = member("ann", plan="free")
        made.asked(ann, times=10)
        made.area.watch.evaluate()
        made.area.watch.take(looking(finding("0.5")))
        made.area.delivery.deliver_due()
        move_time(timedelta(days=2))
        made.area.watch.take(replace(made.area.watch.looks[0]))
        move_time(KEPT + timedelta(days=1))
        made.area.delivery.tidy()
        assert (made.area.alerts.history(ann), made.area.alerts.deliveries(ann)) == ([], [])
        assert made.rules(olga, everything=True) == ["error_rate"]

    def test_what_is_old_is_forgotten_some_at_a_time(
        self, made: Made, olga: Principal, move_time: MoveTime, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.admin.alerts.delivery.PRUNED_AT_ONCE", 2)
        monkeypatch.setattr("core.admin.alerts.delivery.MAX_STEPS", 2)
        made.area.watch.take(looking(*(finding("0.5", subject=f"host {number}") for number in range(7))))
        made.area.delivery.deliver_due()
        move_time(timedelta(days=1))
        made.area.watch.take(looking())
        made.area.delivery.deliver_due()
        move_time(KEPT + timedelta(days=2))
        left = []
        for _ in range(2):
            made.area.delivery.tidy()
            left.append(service.execute("SELECT count(*) FROM oversight_alerts").fetchone())
        assert left == [(3,), (0,)]
        assert service.execute("SELECT count(*) FROM oversight_deliveries").fetchone() == (0,)


@pytest.fixture
def no_mail(workbench: Workbench, mail_server: MailServer, database_url: str, tmp_path: Path) -> Iterator[Made]:
    """Alerts of an installation that sends no mail."""
    opened = make(workbench, make_settings(database_url, tmp_path), mail_server, tmp_path)
    with opened.hook:
        yield opened
    opened.area.close()


def test_without_a_mail_server_nothing_is_recorded_for_mail(no_mail: Made, member: MakeMember) -> None:
    ann = member("ann", plan="free")
    no_mail.asked(ann, times=10)
    no_mail.area.watch.evaluate()
    assert no_mail.told(ann) == [USED_UP]
    assert no_mail.area.alerts.deliveries(ann) == []
