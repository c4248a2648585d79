"""Checklists: shipped and own ones, and what was ticked, which no change of a checklist loses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from core.errors import ConfigurationError, Conflict, Forbidden, InvalidRequest, NotFound
from core.market.as_of import AsOf, Reason
from core.notebook import checklists as module
from core.notebook.checklists import Checklists, Item, Progress, load_checklists
from core.principal import Principal, Role, Scope
from core.settings import DATA
from core.workbench import Workbench
from tests.conftest import MakeMember

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
THEN, LATER = (AsOf(day, Reason.CHOSEN, NOW) for day in (date(2010, 3, 1), date(2010, 8, 20)))


@pytest.fixture
def checklists(workbench: Workbench) -> Checklists:
    """The service with the shipped checklists."""
    return Checklists(workbench.database, load_checklists(DATA / "checklists.yaml"))


def _of(every: list[Progress], template: str) -> Progress:
    return next(each for each in every if each.template.id == template)


def test_who_ticked_what_when_is_seen_by_the_organisation(checklists: Checklists, member: MakeMember) -> None:
    ann = member("ann", org="Acme", plan="team")
    ben = member("ben", org="Acme", plan="team", role=Role.ANALYST)
    checklists.tick(ann, "aapl", "first_look", "business", LATER)
    checklists.tick(ben, "AAPL", "first_look", "business", LATER)
    seen = _of(checklists.tick(ben, "AAPL", "first_look", "rivals", LATER), "first_look")
    assert (seen.done, seen.total) == (2, 6)
    ticked = {line.item.id: line.tick.ticked_by for line in seen.lines if line.tick}
    assert ticked == {"business": "ann", "rivals": "ben"}
    back = checklists.tick(ben, "AAPL", "first_look", "business", LATER, is_done=False)
    assert _of(back, "first_look").done == 1
    assert _of(checklists.progress(ann, "MSFT", LATER), "first_look").done == 0
    assert _of(checklists.progress(member("bob"), "AAPL", LATER), "first_look").done == 0


def test_what_was_ticked_as_of_a_later_date_is_not_seen(checklists: Checklists, member: MakeMember) -> None:
    ann = member("ann")
    checklists.tick(ann, "AAPL", "first_look", "business", LATER)
    assert _of(checklists.progress(ann, "AAPL", THEN), "first_look").done == 0
    checklists.tick(ann, "AAPL", "first_look", "business", THEN)
    assert _of(checklists.progress(ann, "AAPL", THEN), "first_look").done == 1
    assert _of(checklists.progress(ann, "AAPL", LATER), "first_look").done == 1


def test_a_changed_checklist_loses_nothing_that_was_ticked(checklists: Checklists, member: MakeMember) -> None:
    ann = member("ann")
    made = checklists.create(ann, " Our  way ", ["Read it", "Count it", "Sleep on it"])
    assert (made.title, made.is_own) == ("Our way", True)
    read, count, sleep = made.items
    for item in (read, count):
        checklists.tick(ann, "AAPL", made.id, item.id, LATER)
    changed = checklists.change(ann, made.id, "Our new way", [sleep, Item(read.id, "Read it twice"), Item("", "Ask")])
    assert {item.id for item in changed.items} > {sleep.id, read.id}
    seen = _of(checklists.progress(ann, "AAPL", LATER), made.id)
    assert (seen.done, seen.total) == (1, 3)
    lines = {line.item.text: line for line in seen.lines}
    assert lines["Read it twice"].has_changed
    assert lines["Read it twice"].tick is not None
    assert lines["Read it twice"].tick.text == "Read it"
    assert lines["Count it"].is_dropped
    assert lines["Ask"].tick is None
    gone = _of(checklists.tick(ann, "AAPL", made.id, count.id, LATER, is_done=False), made.id)
    assert "Count it" not in {line.item.text for line in gone.lines}


def test_a_withdrawn_checklist_stays_where_it_was_begun(checklists: Checklists, member: MakeMember) -> None:
    ann = member("ann")
    made = checklists.create(ann, "Ours", ["Read it", "Count it"])
    checklists.tick(ann, "AAPL", made.id, made.items[0].id, LATER)
    checklists.withdraw(ann, made.id)
    assert made.id not in {each.id for each in checklists.templates(ann)}
    assert _of(checklists.progress(ann, "AAPL", LATER), made.id).template.is_withdrawn
    assert made.id not in {each.template.id for each in checklists.progress(ann, "MSFT", LATER)}
    with pytest.raises(NotFound):
        checklists.tick(ann, "AAPL", made.id, made.items[1].id, LATER)


def test_a_change_to_what_somebody_else_has_changed_is_refused(checklists: Checklists, member: MakeMember) -> None:
    ann, ben = member("ann", org="Acme", plan="team"), member("ben", org="Acme", plan="team")
    made = checklists.create(ann, "Ours", ["Read it", "Count it"])
    checklists.change(ben, made.id, "Ours", [*made.items, Item("", "by Ben")], since=made.updated_at)
    with pytest.raises(Conflict, match="meanwhile"):
        checklists.change(ann, made.id, "Ours", [*made.items, Item("", "by Ann")], since=made.updated_at)
    (kept,) = (each for each in checklists.templates(ann) if each.is_own)
    assert [item.text for item in kept.items] == ["Read it", "Count it", "by Ben"]


def test_what_there_is_not_cannot_be_ticked_or_changed(checklists: Checklists, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    made = checklists.create(ann, "Ours", ["Read it"])
    for template, item in ((made.id, "x"), ("first_look", "x"), ("nothing", "x"), ("\x00", "x")):
        with pytest.raises(NotFound):
            checklists.tick(ann, "AAPL", template, item, LATER)
    with pytest.raises(NotFound):
        checklists.tick(bob, "AAPL", made.id, made.items[0].id, LATER)
    for template in (made.id, "first_look", "x"):
        with pytest.raises(NotFound):
            checklists.change(bob, template, "Mine", [Item("", "x")])
        with pytest.raises(NotFound):
            checklists.withdraw(bob, template)
    with pytest.raises(InvalidRequest, match="meanwhile"):
        checklists.change(ann, made.id, "Ours", [Item("somebody's", "x")])
    with pytest.raises(InvalidRequest, match="twice"):
        checklists.change(ann, made.id, "Ours", [made.items[0], made.items[0]])


def test_titles_and_items_have_limits(
    checklists: Checklists, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann")
    bad: tuple[tuple[str, list[str]], ...] = (
        ("", ["x"]), ("x" * 81, ["x"]), ("a\x00", ["x"]), ("x", []), ("x", ["x"] * 51), ("x", [""]), ("x", ["y" * 301]),
    )  # fmt: skip
    for title, items in bad:
        with pytest.raises(InvalidRequest):
            checklists.create(ann, title, items)
    monkeypatch.setattr(module, "MAX_TEMPLATES", 1)
    checklists.create(ann, "<b>One</b>", ["x"])
    with pytest.raises(InvalidRequest, match="at most 1"):
        checklists.create(ann, "Two", ["x"])


def test_viewers_and_tokens_to_read_may_look_only(checklists: Checklists, member: MakeMember) -> None:
    viewer = member("vic", org="Acme", plan="team", role=Role.VIEWER)
    reader = replace(member("ann", org="Acme", plan="team"), via="token", scopes=frozenset({Scope.READ}))

    def attempts(who: Principal) -> None:
        for attempt in (
            lambda: checklists.tick(who, "AAPL", "first_look", "business", LATER),
            lambda: checklists.create(who, "Mine", ["x"]),
            lambda: checklists.change(who, "x", "Mine", [Item("", "x")]),
            lambda: checklists.withdraw(who, "x"),
        ):
            with pytest.raises(Forbidden):
                attempt()

    for who in (viewer, reader):
        assert len(checklists.progress(who, "AAPL", LATER)) == len(checklists.templates(who)) == 4
        attempts(who)


def test_a_shipped_file_with_a_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    twice = "- {id: a, title: A, items: [{id: x, text: X}, {id: x, text: Y}]}"
    for content in (twice, "- {id: a, title: A, items: []}", "- {id: A B, title: A, items: [{id: x, text: X}]}"):
        path = tmp_path / "checklists.yaml"
        path.write_text(content)
        with pytest.raises(ConfigurationError, match=r"checklists\.yaml, line 1"):
            load_checklists(path)
