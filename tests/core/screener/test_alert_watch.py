"""What an alert tells after a scan: new matches, each once, whatever dies, repeats or changes in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.db import alerts_dao
from core.db.engine import Database
from core.principal import Principal, Role
from core.screener import alert_matching
from core.screener.alert_matching import AlertMatching, Matched
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.screener.alerts_made import DAY, UNIVERSE, Bench


@pytest.fixture
def bench(database: Database) -> Bench:
    """The services of alerts."""
    return Bench(database)


def test_a_new_match_is_told_with_why_and_once(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 12, "BBB": 5})
    made = bench.alert(ann)
    assert made.row.matching == 1
    bench.night({"AAA": 12, "BBB": 11, "CCC": 3})
    [row] = bench.notifications.page(ann)
    assert row.title == "Mine: BBB matches"
    assert row.body.startswith("BBB, BBB Inc: ") and "11" in row.body
    assert row.link == f"/screener?universe={UNIVERSE}&screen={made.row.screen_id}"
    bench.night({"AAA": 13, "BBB": 11, "CCC": 3})
    assert bench.told(ann) == ["Mine: BBB matches"]


def test_what_matches_when_the_alert_is_made_is_known_and_not_told(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 12})
    bench.alert(ann)
    bench.night({"AAA": 12})
    assert bench.told(ann) == []


def test_without_a_scan_the_first_one_is_what_is_known(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.alert(ann)
    bench.night({"AAA": 12, "BBB": 12})
    assert bench.told(ann) == []
    [alert] = bench.alerts.list(ann)
    assert alert.row.matching == 2
    bench.night({"AAA": 12, "BBB": 12, "CCC": 12, "DDD": 12})
    assert bench.told(ann) == ["Mine: 2 new matches"]


def test_a_scan_is_told_of_once_its_signals_have_their_confidences(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.scanned({"AAA": 12, "BBB": 9})
    bench.alert(ann)
    scan = bench.scanned({"AAA": 12, "BBB": 11})
    bench.stamp(scan, is_stamped=False)
    bench.watch.after_scan(scan)
    late = bench.alert(ann, name="Made meanwhile")
    assert bench.told(ann) == [] and late.row.scan_id is None

    bench.stamp(scan)
    bench.watch.after_scan(scan)
    assert len(bench.told(ann)) == 1, "and what matched when the other was made is known"
    bench.watch.after_scan(scan)
    assert len(bench.told(ann)) == 1


def test_a_symbol_that_leaves_and_comes_back_is_told_again(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    bench.alert(ann)
    for close in (12, 5, 12):
        bench.night({"AAA": close})
    assert bench.told(ann) == ["Mine: AAA matches"] * 2


def test_the_same_scan_told_twice_and_a_second_scan_of_the_day_tell_nothing_new(
    bench: Bench, member: MakeMember
) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    bench.alert(ann)
    scan = bench.night({"AAA": 12})
    bench.watch.after_scan(scan)
    bench.night({"AAA": 12.5}, day=scan.as_of)
    bench.watch.catch_up()
    assert bench.told(ann) == ["Mine: AAA matches"]


def test_a_scan_that_another_has_overtaken_tells_nothing_of_the_other_before_its_turn(
    bench: Bench, member: MakeMember
) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    bench.alert(ann)
    first, second = bench.scanned({"AAA": 5}), bench.scanned({"AAA": 12})
    bench.watch.after_scan(first)
    assert bench.told(ann) == []
    bench.watch.after_scan(second)
    assert bench.told(ann) == ["Mine: AAA matches"]


def test_many_workers_at_once_tell_once(bench: Bench, member: MakeMember) -> None:
    people = [member(name, org="Acme", plan="team") for name in ("ann", "bob")]
    bench.night({"AAA": 5})
    for who in people:
        bench.alert(who, tells_by_mail=True)
    scan = bench.scanned({"AAA": 12})
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(bench.watch.after_scan, [scan] * 6))
    for who in people:
        assert bench.told(who) == ["Mine: AAA matches"]
        [alert] = bench.alerts.list(who)
        assert {each.channel: each.status for each in alert.deliveries} == {"app": "delivered", "mail": "pending"}


def test_what_a_process_that_died_has_not_told_is_told_by_the_next_round(
    bench: Bench, member: MakeMember, service: object, database: Database
) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    bench.alert(ann)
    scan = bench.scanned({"AAA": 12})
    bench.watch.catch_up()
    assert bench.told(ann) == [], "it may still be at work"
    service.execute(  # type: ignore[attr-defined]
        "UPDATE scans SET finished_at = finished_at - interval '2 hours', started_at = started_at - interval '3 hours'"
    )
    service.execute("UPDATE alerts SET scanned_at = scanned_at - interval '2 hours'")  # type: ignore[attr-defined]
    bench.watch.catch_up()
    bench.watch.after_scan(scan)
    assert bench.told(ann) == ["Mine: AAA matches"]


def test_a_failure_while_recording_leaves_nothing_and_the_next_round_tells(
    bench: Bench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    bench.alert(ann)
    scan = bench.scanned({"AAA": 12})
    monkeypatch.setattr(alerts_dao, "set_told", _dies)
    with pytest.raises(SystemExit):
        bench.watch.after_scan(scan)
    assert bench.told(ann) == []
    monkeypatch.undo()
    bench.watch.after_scan(scan)
    assert bench.told(ann) == ["Mine: AAA matches"]


def _dies(*_: object) -> None:
    raise SystemExit


def test_a_scan_as_of_an_earlier_day_changes_nothing(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 12, "BBB": 5})
    bench.alert(ann)
    bench.night({"AAA": 5, "BBB": 12}, day=DAY - timedelta(days=900))
    bench.night({"AAA": 12, "BBB": 5})
    assert bench.told(ann) == []


def test_an_alert_hears_of_its_own_universe_and_organisation_alone(bench: Bench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    for org_id in (ann.org_id, bob.org_id):
        bench.night({"AAA": 5}, org_id=org_id)
    bench.alert(ann)
    bench.alert(bob)
    bench.night({"AAA": 12}, universe_id="another")
    bench.night({"AAA": 12}, org_id=ann.org_id)
    assert bench.told(ann) == ["Mine: AAA matches"]
    assert bench.told(bob) == []


def test_a_shared_scan_tells_the_alerts_of_every_organisation(bench: Bench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    bench.night({"AAA": 5})
    bench.alert(ann)
    bench.alert(bob)
    bench.night({"AAA": 12})
    assert bench.told(ann) == bench.told(bob) == ["Mine: AAA matches"]


def test_two_sets_of_bars_of_one_universe_do_not_tell_to_and_fro(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 5}, day=DAY, org_id=ann.org_id)
    bench.alert(ann)
    for number in range(1, 4):
        day = DAY + timedelta(days=number)
        bench.night({"AAA": 9}, day=day)  # everybody's
        bench.night({"AAA": 11}, day=day, org_id=ann.org_id)
    assert bench.told(ann) == ["Mine: AAA matches"]
    bench.night({"AAA": 9}, day=DAY + timedelta(days=20))
    [alert] = bench.alerts.list(ann)
    assert alert.row.matching == 0, "after a week without a scan of its own it hears of everybody's again"


def test_a_changed_screen_is_compared_with_itself_at_the_scan_before(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    screen_id = bench.screen(ann, 10)
    bench.night({"AAA": 12, "BBB": 6, "CCC": 1})
    bench.alert(ann, screen_id)
    bench.change_screen(ann, screen_id, 5)
    bench.night({"AAA": 12, "BBB": 6, "CCC": 7})
    assert bench.told(ann) == ["Mine: CCC matches"]


def test_an_alert_is_silent_and_says_why_while_it_does_not_see_its_screen(bench: Bench, member: MakeMember) -> None:
    ann, bob = member("ann", org="Acme", plan="team"), member("bob", org="Acme", plan="team")
    screen_id = bench.screen(bob, shared_with="viewer")
    bench.night({"AAA": 5, "BBB": 5})
    bench.alert(ann, screen_id)
    share(bench, bob, screen_id, None)
    bench.night({"AAA": 12, "BBB": 5})
    [alert] = bench.alerts.list(ann)
    assert alert.row.silent_because is not None and "no such screen" in alert.row.silent_because
    share(bench, bob, screen_id, "viewer")
    bench.night({"AAA": 12, "BBB": 5})
    [alert] = bench.alerts.list(ann)
    assert (alert.row.silent_because, alert.row.matching) == (None, 1)
    assert bench.told(ann) == []
    bench.night({"AAA": 12, "BBB": 12})
    assert bench.told(ann) == ["Mine: BBB matches"]


def share(bench: Bench, who: Principal, screen_id: UUID, shared_with: str | None) -> None:
    old = bench.screens.get(who, screen_id)
    bench.screens.change(who, screen_id, name=old.name, screen=old.screen, shared_with=shared_with, after=old.version)


@pytest.mark.parametrize("loss", ["deactivated", "left", "viewer"])
def test_who_may_not_have_alerts_is_told_nothing(
    bench: Bench, member: MakeMember, workbench: Workbench, loss: str
) -> None:
    ann = member("ann", org="Acme", plan="team")
    bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    bench.night({"AAA": 5})
    bench.alert(bob)
    if loss == "deactivated":
        workbench.directory.set_active(bob.email, is_active=False)
    elif loss == "left":
        workbench.members.remove(ann, bob.user_id)
    else:
        workbench.members.set_role(ann, bob.user_id, Role.VIEWER)
    bench.night({"AAA": 12})
    assert bench.told(bob) == []
    [alert] = bench.alerts.list(bob)
    expected = "The role of its owner" if loss == "viewer" else "does not belong"
    assert alert.row.silent_because is not None and expected in alert.row.silent_because


def test_a_paused_alert_hears_nothing_and_what_came_meanwhile_is_known(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 5, "BBB": 5})
    made = bench.alert(ann)
    bench.alerts.pause(ann, made.row.id, is_paused=True)
    bench.night({"AAA": 12, "BBB": 5})
    bench.alerts.pause(ann, made.row.id, is_paused=False)
    bench.night({"AAA": 12, "BBB": 12})
    assert bench.told(ann) == ["Mine: BBB matches"]


def test_a_screen_that_matches_too_much_is_silent_and_says_so(
    bench: Bench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_matching, "MAX_MATCHING", 2)
    ann = member("ann")
    bench.night({"AAA": 12})
    bench.alert(ann)
    bench.night({"AAA": 12, "BBB": 12, "CCC": 12})
    [alert] = bench.alerts.list(ann)
    assert alert.row.silent_because is not None and "narrow it" in alert.row.silent_because


def test_many_new_matches_are_counted_and_the_first_are_named(bench: Bench, member: MakeMember) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    bench.alert(ann)
    bench.night({f"S{number:03}": 12 for number in range(150)})
    [row] = bench.notifications.page(ann)
    assert row.title == "Mine: 150 new matches"
    assert row.body.splitlines()[-1] == "and 130 more"
    assert len(row.body.splitlines()) == 21


def test_one_alert_that_cannot_be_evaluated_holds_up_no_other(bench: Bench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    bench.night({"AAA": 5})
    screen_id = bench.screen(ann)
    bench.alert(ann, screen_id)
    bench.alert(bob)
    bench.screens.delete(ann, screen_id)
    bench.night({"AAA": 12})
    assert bench.told(bob) == ["Mine: AAA matches"]


def test_an_alert_that_breaks_for_a_reason_that_nobody_foresaw_holds_up_no_other(
    bench: Bench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = member("ann"), member("bob")
    bench.night({"AAA": 5})
    bench.alert(ann)
    bench.alert(bob)
    look = AlertMatching.look

    def broken(self: AlertMatching, principal: Principal, *asked: Any, **options: Any) -> Matched | None:
        if principal.user_id == ann.user_id:
            raise RuntimeError("hunter2")
        return look(self, principal, *asked, **options)

    monkeypatch.setattr(AlertMatching, "look", broken)
    bench.night({"AAA": 12})
    assert bench.told(bob) == ["Mine: AAA matches"]
    assert "RuntimeError" in caplog.text and "hunter2" not in caplog.text


def test_what_is_told_is_of_its_day_even_where_time_has_moved(
    bench: Bench, member: MakeMember, move_time: MoveTime
) -> None:
    ann = member("ann")
    bench.night({"AAA": 5})
    bench.alert(ann)
    move_time(timedelta(days=1))
    bench.night({"AAA": 12})
    assert bench.told(ann) == ["Mine: AAA matches"]
