"""How alerts reach people and programs: mail and webhook over real sockets, tried again, then given up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from core.accounts.encryption import MARK, Encryption
from core.clock import SystemClock
from core.db import alerts_dao
from core.db.alerts_dao import DeliveryRow
from core.db.engine import Database
from core.ops.mail import mailer_of
from core.ops.webhooks import Webhooks, signature
from core.principal import Principal, Role
from core.screener.alert_delivery import LEASE, RETRIES, AlertDelivery
from core.screener.alerts import KeptAlert
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime, make_settings
from tests.core.screener.alerts_made import UNIVERSE, Bench
from tests.fakes.hook_server import TAKES_IT, HookServer, says
from tests.fakes.mail_server import MailServer
from tests.fakes.tls import contexts_for_localhost

ADDRESS = "https://assay.example"


class Senders:
    """What delivers, and whom it reaches."""

    def __init__(self, bench: Bench, mail: MailServer, folder: Path, database_url: str) -> None:
        served, trusting = contexts_for_localhost(folder)
        settings = make_settings(database_url, folder, SMTP_URL=mail.url)
        webhooks = Webhooks(
            SystemClock(),
            resolve=lambda *_: [ip_address("127.0.0.1")],
            is_allowed=lambda _: True,
            tls=trusting,
            total_s=3,
        )
        self.bench, self.mail, self.hook = bench, mail, HookServer(served)
        self.mailer = mailer_of(settings)
        self.delivery = AlertDelivery(bench.database, bench.notifications, self.mailer, webhooks, ADDRESS)

    @property
    def url(self) -> str:
        """Of the receiver of webhooks."""
        return f"https://localhost:{self.hook.port}/hook"

    def told(self, who: Principal, **settings: Any) -> KeptAlert:
        """An alert of somebody's that has recorded a new match."""
        self.bench.night({"AAA": 5})
        made = self.bench.alert(who, **settings)
        self.bench.night({"AAA": 12})
        return made

    def state(self, who: Principal, made: KeptAlert) -> DeliveryRow:
        """Of the only message that is not in the app."""
        [found] = [row for row in self.bench.alerts.deliveries(who, made.row.id) if row.channel != "app"]
        return found


@pytest.fixture
def senders(database: Database, mail_server: MailServer, tmp_path: Path, database_url: str) -> Iterator[Senders]:
    """What delivers, with a receiver of webhooks and a mail server."""
    made = Senders(Bench(database), mail_server, tmp_path, database_url)
    with made.hook:
        yield made
    made.delivery.close()


def test_a_webhook_gets_the_new_matches_signed_with_the_secret_that_was_shown(
    senders: Senders, member: MakeMember
) -> None:
    ann = member("ann")
    made = senders.told(ann, webhook_url=senders.url)
    assert senders.bench.woken == 1
    assert senders.delivery.deliver_due() == 1
    got = senders.hook.received.get_nowait()
    moment, _, signed = got.headers["x-assay-signature"].removeprefix("t=").partition(",v1=")
    assert made.webhook_secret is not None
    assert signed == signature(made.webhook_secret, int(moment), got.body)
    said = json.loads(got.body)
    state = senders.state(ann, made)
    assert said["delivery"] == got.headers["x-assay-delivery"] == str(state.id)
    assert (said["event"], said["total"], said["universe"]) == ("screener.matches", 1, UNIVERSE)
    assert said["alert"] == {"id": str(made.row.id), "name": "Mine"}
    assert said["url"] == f"{ADDRESS}/screener?universe={UNIVERSE}&screen={made.row.screen_id}"
    [match] = said["matches"]
    assert (match["symbol"], match["name"], match["close"]) == ("AAA", "AAA Inc", "12.0")
    assert match["why"] and match["change"] is None
    assert (state.status, state.attempts, state.said) == ("delivered", 1, None)
    assert senders.delivery.deliver_due() == 0


def test_a_mail_goes_to_the_owner_and_says_what_matched_and_why(senders: Senders, member: MakeMember) -> None:
    ann = member("ann")
    made = senders.told(ann, tells_by_mail=True, tells_in_app=False)
    assert senders.delivery.deliver_due() == 1
    got = senders.mail.wait_for(ann.email)
    assert got["Subject"] == "Mine: AAA matches"
    content = got.get_content()
    assert (
        "AAA, AAA Inc: " in content and f"{ADDRESS}/screener?universe={UNIVERSE}&screen={made.row.screen_id}" in content
    )
    assert senders.state(ann, made).status == "delivered"
    assert senders.bench.told(ann) == []


def test_a_message_is_tried_again_in_growing_waits_and_then_has_failed(
    senders: Senders, member: MakeMember, move_time: MoveTime
) -> None:
    ann = member("ann")
    senders.hook.answer = says("HTTP/1.1 503 Busy")
    made = senders.told(ann, webhook_url=senders.url)
    passed = timedelta(0)
    for attempt, wait in enumerate(RETRIES, start=1):
        assert senders.delivery.deliver_due() == 1
        state = senders.state(ann, made)
        assert (state.status, state.attempts, state.said) == ("pending", attempt, "The receiver answers 503.")
        assert senders.delivery.deliver_due() == 0, "before its time"
        passed += wait + timedelta(seconds=5)
        move_time(passed)
    assert senders.delivery.deliver_due() == 1
    state = senders.state(ann, made)
    assert (state.status, state.attempts, state.due_at) == ("failed", 5, None)
    assert {senders.hook.received.get_nowait().headers["x-assay-delivery"] for _ in range(5)} == {str(state.id)}
    assert "Mine: new matches could not be sent by webhook" in senders.bench.told(ann)
    move_time(passed + timedelta(days=1))
    assert senders.delivery.deliver_due() == 0


def test_what_succeeds_later_is_delivered(senders: Senders, member: MakeMember, move_time: MoveTime) -> None:
    ann = member("ann")
    senders.hook.answer = says("HTTP/1.1 500 Broken")
    made = senders.told(ann, webhook_url=senders.url)
    senders.delivery.deliver_due()
    senders.hook.answer = TAKES_IT
    move_time(RETRIES[0] + timedelta(seconds=5))
    senders.delivery.deliver_due()
    state = senders.state(ann, made)
    assert (state.status, state.attempts, state.said) == ("delivered", 2, None)


def test_a_message_whose_sender_died_is_sent_by_another_under_the_same_id(
    senders: Senders, member: MakeMember, move_time: MoveTime
) -> None:
    ann = member("ann")
    made = senders.told(ann, webhook_url=senders.url)
    with senders.bench.database.service() as connection:  # it claims, and is heard of no more
        [claimed] = alerts_dao.claim(connection, most=10, lease=LEASE)
    assert senders.delivery.deliver_due() == 0
    move_time(LEASE + timedelta(seconds=5))
    assert senders.delivery.deliver_due() == 1
    assert senders.hook.received.get_nowait().headers["x-assay-delivery"] == str(claimed.id)
    with senders.bench.database.service() as connection:  # the dead one's word counts no more
        alerts_dao.set_failed(connection, claimed.id, claimed.attempts, said="late", again=None)
    assert senders.state(ann, made).status == "delivered"


def test_two_workers_do_not_send_the_same(senders: Senders, member: MakeMember) -> None:
    ann = member("ann")
    senders.bench.night({"AAA": 5})
    for _ in range(12):
        senders.bench.alert(ann, webhook_url=senders.url)
    senders.bench.night({"AAA": 12})
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: senders.delivery.deliver_due(), range(3)))
    assert sum(made) == senders.hook.received.qsize() == 12


def test_a_webhook_that_leads_inside_is_never_called(senders: Senders, member: MakeMember) -> None:
    ann = member("ann")
    made = senders.told(ann, webhook_url=senders.url)
    strict = AlertDelivery(
        senders.bench.database, senders.bench.notifications, senders.mailer, Webhooks(SystemClock()), ADDRESS
    )
    assert strict.deliver_due() == 1
    strict.close()
    assert senders.hook.received.empty()
    assert senders.state(ann, made).said == "The address does not lead to the public internet."


@pytest.mark.parametrize("loss", ["deactivated", "viewer"])
def test_what_was_recorded_is_not_sent_to_who_may_not_have_it_any_more(
    senders: Senders, member: MakeMember, workbench: Workbench, loss: str
) -> None:
    ann = member("ann", org="Acme", plan="team")
    bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    made = senders.told(bob, tells_by_mail=True)
    if loss == "deactivated":
        workbench.directory.set_active(bob.email, is_active=False)
    else:
        workbench.members.set_role(ann, bob.user_id, Role.VIEWER)
    senders.delivery.deliver_due()
    assert senders.state(bob, made).said == "Its owner may not have alerts any more."


def test_a_channel_that_was_taken_off_meanwhile_is_not_used(senders: Senders, member: MakeMember) -> None:
    ann = member("ann")
    made = senders.told(ann, webhook_url=senders.url)
    senders.bench.alerts.change(ann, made.row.id, {"webhook_url": None})
    senders.delivery.deliver_due()
    assert senders.hook.received.empty()
    assert senders.state(ann, made).said == "The alert has no webhook any more."


def test_a_mail_server_that_refuses_is_asked_again(senders: Senders, member: MakeMember) -> None:
    ann = member("ann")
    made = senders.told(ann, tells_by_mail=True)
    senders.mail.refuse(451)
    senders.delivery.deliver_due()
    state = senders.state(ann, made)
    assert (state.status, state.said) == ("pending", "The mail server did not take it.")


def test_old_deliveries_are_forgotten(senders: Senders, member: MakeMember, move_time: MoveTime) -> None:
    ann = member("ann")
    made = senders.told(ann, webhook_url=senders.url)
    senders.delivery.deliver_due()
    move_time(timedelta(days=91))
    senders.delivery.tidy()
    assert senders.bench.alerts.deliveries(ann, made.row.id) == []


def test_the_secret_of_a_webhook_is_kept_encrypted_and_signs_as_it_was_shown(
    senders: Senders, member: MakeMember, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    ann, encryption = member("ann"), Encryption([Fernet.generate_key().decode()])
    senders.bench.encrypt(encryption)
    made = senders.told(ann, webhook_url=senders.url)
    assert made.webhook_secret is not None
    [kept] = service.execute("SELECT webhook_secret FROM alerts").fetchone() or ()
    assert str(kept).startswith(MARK) and made.webhook_secret not in str(kept)
    delivery = replace(senders.delivery, encryption=encryption)
    assert delivery.deliver_due() == 1
    got = senders.hook.received.get_nowait()
    moment, _, signed = got.headers["x-assay-signature"].removeprefix("t=").partition(",v1=")
    assert signed == signature(made.webhook_secret, int(moment), got.body)


def test_a_secret_that_cannot_be_read_any_more_is_said_and_nothing_is_sent(
    senders: Senders, member: MakeMember
) -> None:
    ann = member("ann")
    senders.bench.encrypt(Encryption([Fernet.generate_key().decode()]))
    made = senders.told(ann, webhook_url=senders.url)
    assert replace(senders.delivery, encryption=Encryption([Fernet.generate_key().decode()])).deliver_due() == 1
    assert senders.state(ann, made).said == "Its secret cannot be read any more: give the webhook another one."
    assert senders.hook.received.empty()
