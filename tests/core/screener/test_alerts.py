"""Alerts as their owners keep them: made, changed, paused, deleted, and refused with what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core.db.engine import Database
from core.errors import Forbidden, InvalidRequest, NotConfigured, NotFound
from core.principal import Role, Scope
from core.screener import alerts as module
from core.screener.alerts import AlertSettings
from tests.conftest import MakeMember
from tests.core.screener.alerts_made import UNIVERSE, Bench

HOOK = "https://hooks.example/assay"


@pytest.fixture
def bench(database: Database) -> Bench:
    """The services of alerts."""
    return Bench(database)


def test_an_alert_is_listed_as_it_was_made(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    screen_id = bench.screen(ann)
    made = bench.alerts.create(ann, AlertSettings("  My   alert ", screen_id, UNIVERSE, tells_by_mail=True))
    [listed] = bench.alerts.list(ann)
    assert listed.row == made.row
    assert (made.row.name, made.row.screen_id, made.row.universe_id) == ("My alert", screen_id, UNIVERSE)
    assert (made.row.tells_in_app, made.row.tells_by_mail, made.row.webhook_url) == (True, True, None)
    assert made.webhook_secret is None
    assert bench.alerts.deliveries(ann, made.row.id) == []


def test_a_secret_is_shown_once_and_the_role_of_pages_cannot_read_it(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    made = bench.alert(ann, webhook_url=HOOK)
    assert made.webhook_secret is not None
    assert made.webhook_secret.startswith("whsec_") and len(made.webhook_secret) > 40
    assert made.webhook_secret not in repr(bench.alerts.list(ann))
    with pytest.raises(ProgrammingError) as error, bench.database.app(ann) as connection:
        connection.execute(text("SELECT webhook_secret FROM alerts"))
    assert isinstance(error.value.orig, psycopg.errors.InsufficientPrivilege)


def test_a_webhook_has_another_secret_when_it_is_asked_for_or_the_address_is_another(
    bench: Bench, member: MakeMember
) -> None:
    ann = member("ann")
    made = bench.alert(ann, webhook_url=HOOK)
    alert_id = made.row.id
    assert bench.alerts.change(ann, alert_id, {"name": "Renamed"}).webhook_secret is None
    renewed = bench.alerts.change(ann, alert_id, {}, renews_secret=True).webhook_secret
    moved = bench.alerts.change(ann, alert_id, {"webhook_url": f"{HOOK}/2"}).webhook_secret
    assert renewed and moved and len({made.webhook_secret, renewed, moved}) == 3
    without = bench.alerts.change(ann, alert_id, {"webhook_url": None})
    assert (without.row.webhook_url, without.webhook_secret) == (None, None)


def test_another_screen_starts_an_alert_afresh_and_another_name_does_not(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 12, "BBB": 6})
    made = bench.alert(ann)
    renamed = bench.alerts.change(ann, made.row.id, {"name": "Renamed"}).row
    assert (renamed.name, renamed.scan_id, renamed.matching) == ("Renamed", made.row.scan_id, 1)
    wider = bench.alerts.change(ann, made.row.id, {"screen_id": bench.screen(ann, 5)}).row
    assert wider.matching == 2
    bench.night({"AAA": 12, "BBB": 6})
    assert bench.told(ann) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"tells_in_app": False}, "Choose how"),
        ({"webhook_url": "http://hooks.example/"}, "https"),
        ({"webhook_url": "https://10.0.0.1/"}, "public internet"),
        ({"webhook_url": "https://localhost:22/"}, "port"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(
    bench: Bench, member: MakeMember, given: Mapping[str, Any], said: str
) -> None:
    ann = member("ann")
    with pytest.raises(InvalidRequest, match=said):
        bench.alert(ann, **given)
    assert bench.alerts.list(ann) == []


def test_without_mail_nobody_is_promised_one(bench: Bench, member: MakeMember) -> None:
    bench.alerts.has_mail = False
    with pytest.raises(NotConfigured, match="SMTP_URL"):
        bench.alert(member("ann"), tells_by_mail=True)


def test_a_screen_that_one_does_not_see_makes_no_alert(bench: Bench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    for screen_id in (uuid4(), bench.screen(bob)):
        with pytest.raises(NotFound, match="screen"):
            bench.alert(ann, screen_id)


def test_there_is_a_most_of_alerts(bench: Bench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ALERTS", 2)
    ann = member("ann")
    for _ in range(2):
        bench.alert(ann)
    with pytest.raises(InvalidRequest, match="at most 2"):
        bench.alert(ann)


def test_the_most_of_alerts_holds_for_several_at_once(
    bench: Bench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ALERTS", 2)
    ann = member("ann")
    screen_id, at_once = bench.screen(ann), threading.Barrier(6)

    def make(_number: int) -> bool:
        at_once.wait()
        with suppress(InvalidRequest):
            bench.alert(ann, screen_id)
            return True
        return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(make, range(6))) == 2


def test_settings_and_a_pause_are_changed_together_or_not_at_all(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.scanned({"AAA": 12})
    screen_id = bench.screen(ann)
    alert_id = bench.alert(ann, screen_id).row.id
    both = bench.alerts.change(ann, alert_id, {"name": "Quiet"}, is_paused=True).row
    assert (both.name, both.is_paused) == ("Quiet", True)
    bench.screens.delete(ann, screen_id)
    for changes, is_paused in (({"name": "Loud"}, False), ({"name": ""}, None), ({"name": ""}, False)):
        with pytest.raises((NotFound, InvalidRequest)):
            bench.alerts.change(ann, alert_id, changes, is_paused=is_paused)
        assert bench.alerts.get(ann, alert_id).row == both
    again = bench.alerts.change(ann, alert_id, {"name": "Loud", "screen_id": bench.screen(ann)}, is_paused=False).row
    assert (again.name, again.is_paused, again.matching) == ("Loud", False, 1)


def test_an_alert_whose_screen_is_gone_can_still_be_renamed_and_paused(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    screen_id = bench.screen(ann)
    made = bench.alert(ann, screen_id)
    bench.screens.delete(ann, screen_id)
    assert bench.alerts.change(ann, made.row.id, {"name": "Of no screen"}).row.name == "Of no screen"
    assert bench.alerts.pause(ann, made.row.id, is_paused=True).is_paused
    with pytest.raises(NotFound, match="screen"):
        bench.alerts.pause(ann, made.row.id, is_paused=False)


def test_a_deleted_alert_takes_with_it_what_it_has_not_sent(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    made = bench.alert(ann, tells_by_mail=True)
    bench.night({"AAA": 12})
    bench.alerts.delete(ann, made.row.id)
    assert bench.alerts.list(ann) == []
    with bench.database.service() as connection:
        assert connection.execute(text("SELECT count(*) FROM alert_deliveries")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM alert_matches")).scalar_one() == 0
    with pytest.raises(NotFound):
        bench.alerts.delete(ann, made.row.id)


def test_an_alert_is_its_owners_alone(bench: Bench, member: MakeMember) -> None:
    ann, bob = member("ann", org="Acme", plan="team"), member("bob", org="Acme", plan="team", role=Role.ADMIN)
    made = bench.alert(ann)
    assert bench.alerts.list(bob) == []
    for attempt in (
        lambda: bench.alerts.get(bob, made.row.id),
        lambda: bench.alerts.deliveries(bob, made.row.id),
        lambda: bench.alerts.change(bob, made.row.id, {"name": "Taken"}),
        lambda: bench.alerts.pause(bob, made.row.id, is_paused=True),
        lambda: bench.alerts.delete(bob, made.row.id),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_viewer_and_a_token_to_read_set_none(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    made = bench.alert(ann)
    for who in (replace(ann, role=Role.VIEWER), replace(ann, scopes=frozenset({Scope.READ}), via="token")):
        assert len(bench.alerts.list(who)) == 1
        with pytest.raises(Forbidden):
            bench.alerts.pause(who, made.row.id, is_paused=True)
