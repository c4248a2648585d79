"""Notifications: a person's own, unread until marked, kept for a while and in a bounded number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.db.engine import Database
from core.ops import notifications as module
from core.ops.notifications import KEPT_DAYS, MAX_BODY_CHARS, MAX_TITLE_CHARS, Notice, Notifications
from core.principal import Principal
from tests.conftest import MakeMember, MoveTime


@pytest.fixture
def notifications(database: Database) -> Notifications:
    """The service on the test's database."""
    return Notifications(database)


def tell(notifications: Notifications, who: Principal, title: str) -> None:
    notifications.add(who.org_id, who.user_id, Notice("alert", title, "A body", "/screener"))


def titles(notifications: Notifications, who: Principal, *, only_unread: bool = False) -> list[str]:
    return [row.title for row in notifications.page(who, only_unread=only_unread)]


def test_what_was_told_is_unread_until_it_is_marked(notifications: Notifications, member: MakeMember) -> None:
    ann = member("ann")
    for title in ("one", "two", "three"):
        tell(notifications, ann, title)
    newest, *_ = notifications.page(ann)
    assert (newest.title, newest.body, newest.link, newest.read_at) == ("three", "A body", "/screener", None)
    assert notifications.unread_count(ann) == 3
    assert notifications.mark_read(ann, [newest.id]) == 2
    assert titles(notifications, ann, only_unread=True) == ["two", "one"]
    assert notifications.mark_read(ann) == 0
    assert titles(notifications, ann) == ["three", "two", "one"]


def test_the_time_of_the_first_reading_stays(
    notifications: Notifications, member: MakeMember, move_time: MoveTime
) -> None:
    ann = member("ann")
    tell(notifications, ann, "one")
    notifications.mark_read(ann)
    first = notifications.page(ann)[0].read_at
    move_time(timedelta(hours=1))
    notifications.mark_read(ann, [notifications.page(ann)[0].id])
    assert notifications.page(ann)[0].read_at == first


def test_nobody_sees_or_marks_anothers_and_each_organisation_has_its_own(
    notifications: Notifications, member: MakeMember
) -> None:
    ann, bob, elsewhere = member("ann", org="Acme", plan="team"), member("bob", org="Acme", plan="team"), member("ann")
    tell(notifications, ann, "for ann")
    tell(notifications, elsewhere, "for ann elsewhere")
    assert titles(notifications, bob) == []
    notifications.mark_read(bob, [notifications.page(ann)[0].id])
    assert notifications.unread_count(ann) == 1
    assert titles(notifications, ann) == ["for ann"]
    assert titles(notifications, elsewhere) == ["for ann elsewhere"]


def test_pages_follow_one_another_without_a_gap(notifications: Notifications, member: MakeMember) -> None:
    ann = member("ann")
    for number in range(5):
        tell(notifications, ann, str(number))
    first = notifications.page(ann, most=2)
    rest = notifications.page(ann, before=(first[-1].created_at, first[-1].id), most=10)
    assert [row.title for row in (*first, *rest)] == ["4", "3", "2", "1", "0"]


def test_the_old_are_not_shown_and_go_when_another_comes(
    notifications: Notifications, member: MakeMember, move_time: MoveTime, database: Database
) -> None:
    ann = member("ann")
    tell(notifications, ann, "old")
    move_time(timedelta(days=KEPT_DAYS, minutes=1))
    assert titles(notifications, ann) == []
    assert notifications.unread_count(ann) == 0
    tell(notifications, ann, "new")
    move_time(timedelta(0))
    assert titles(notifications, ann) == ["new"]


def test_there_are_never_too_many(
    notifications: Notifications, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    ann = member("ann")
    for number in range(5):
        tell(notifications, ann, str(number))
    assert titles(notifications, ann) == ["4", "3", "2"]


def test_a_long_text_is_cut_and_says_so(notifications: Notifications, member: MakeMember) -> None:
    ann = member("ann")
    notifications.add(ann.org_id, ann.user_id, Notice("alert", "t" * 500, "b" * 9_000))
    [row] = notifications.page(ann)
    assert (len(row.title), len(row.body)) == (MAX_TITLE_CHARS, MAX_BODY_CHARS)
    assert row.title.endswith("…") and row.body.endswith("…")


@pytest.mark.parametrize("link", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/a b"])
def test_a_notification_leads_nowhere_but_into_the_workbench(link: str) -> None:
    with pytest.raises(ValueError, match="within"):
        Notice("alert", "title", link=link)
