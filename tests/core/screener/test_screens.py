"""Saved screens: versions that stay readable, sharing by role, limits, and several people at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core.db import screens_dao as dao
from core.errors import AssayError, Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.principal import Principal, Role, Scope
from core.screener import screens as module
from core.screener.criteria import Condition, Group, Match, Other, Screen, to_json
from core.screener.fields import Operator
from core.screener.screens import SavedScreen, Screens
from core.workbench import Workbench
from tests.conftest import MakeMember

OVERSOLD = Screen(Group(Match.ALL, (Condition("rsi_14", Operator.BELOW, 30.0),)))
TREND = Screen(
    Group(
        Match.ANY,
        (
            Condition("close", Operator.ABOVE_FIELD, Other("sma_50", 1.05)),
            Condition("change", Operator.BETWEEN, (0.01, 0.1)),
            Group(Match.ALL, (Condition("sector", Operator.IS_ONE_OF, ("Énergie", "株")),), "Sectors"),
        ),
    )
)


@pytest.fixture
def screens(workbench: Workbench) -> Screens:
    return workbench.screener.screens


@pytest.fixture
def team(member: MakeMember) -> dict[Role, Principal]:
    """One of each role in one organisation."""
    return {role: member(f"the.{role}", org="Acme", plan="team", role=role) for role in Role}


def _changed(screens: Screens, who: Principal, saved: SavedScreen, screen: Screen, **other: object) -> SavedScreen:
    given = {"name": saved.name, "shared_with": saved.shared_with, "after": saved.version, **other}
    return screens.change(who, saved.id, screen=screen, **given)  # type: ignore[arg-type]


def test_a_screen_is_kept_as_it_was_made(screens: Screens, member: MakeMember) -> None:
    ann = member("ann")
    made = screens.create(ann, "  My   trend ", TREND)
    assert (made.name, made.version, made.is_own, made.shared_with, made.made_by) == ("My trend", 1, True, None, "ann")
    assert screens.get(ann, made.id) == made
    assert made.screen == TREND
    assert [each.name for each in screens.all(ann)] == ["My trend"]


def test_every_change_is_a_version_that_stays_readable(screens: Screens, team: dict[Role, Principal]) -> None:
    maker, owner = team[Role.ANALYST], team[Role.OWNER]
    first = screens.create(maker, "Ours", OVERSOLD, shared_with="viewer")
    second = _changed(screens, owner, first, TREND)
    third = _changed(screens, maker, second, TREND, name="Trend")
    assert (third.version, third.name, third.author, third.screen) == (3, "Trend", "the.analyst", TREND)
    history = screens.versions(team[Role.VIEWER], first.id)
    assert [(each.number, each.name, each.screen, each.author) for each in history] == [
        (3, "Trend", TREND, "the.analyst"),
        (2, "Ours", TREND, "the.owner"),
        (1, "Ours", OVERSOLD, "the.analyst"),
    ]
    assert _changed(screens, maker, third, TREND) == third, "the same again is no version"
    assert _changed(screens, maker, third, TREND, shared_with=None).version == 3, "who sees it is no version"


def test_a_change_after_an_older_version_is_refused_and_loses_nothing(
    screens: Screens, team: dict[Role, Principal]
) -> None:
    maker, owner = team[Role.ANALYST], team[Role.OWNER]
    made = screens.create(maker, "Ours", OVERSOLD, shared_with="analyst")
    _changed(screens, owner, made, TREND)
    with pytest.raises(Conflict, match=r"the\.owner changed this screen meanwhile"):
        _changed(screens, maker, made, Screen(Group(Match.ALL, (Condition("gap", Operator.ABOVE, 0.1),))))
    assert screens.get(maker, made.id).screen == TREND


def test_of_several_changes_at_once_one_is_kept(screens: Screens, team: dict[Role, Principal]) -> None:
    writers = [team[Role.ANALYST], team[Role.OWNER], team[Role.ADMIN]]
    made = screens.create(writers[0], "Ours", OVERSOLD, shared_with="viewer")

    def attempt(number: int) -> bool:
        screen = Screen(Group(Match.ALL, (Condition("rsi_14", Operator.BELOW, float(number + 1)),)))
        try:
            _changed(screens, writers[number % 3], made, screen)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(12))) == 1
    assert [each.number for each in screens.versions(writers[0], made.id)] == [2, 1]


def test_a_screen_is_seen_by_the_roles_that_it_is_shared_with(screens: Screens, team: dict[Role, Principal]) -> None:
    maker = team[Role.ANALYST]
    colleague = replace(team[Role.ADMIN], role=Role.ANALYST)
    made = {
        shared: screens.create(maker, f"For {shared}", OVERSOLD, shared_with=shared).id
        for shared in (None, "viewer", "analyst", "admin")
    }
    seen = {
        who: {each.name for each in screens.all(principal)}
        for who, principal in (*team.items(), ("colleague", colleague))
    }
    assert seen[Role.VIEWER] == {"For viewer"}
    assert seen["colleague"] == {"For viewer", "For analyst"}
    assert seen[Role.ADMIN] == seen[Role.OWNER] == {"For viewer", "For analyst", "For admin"}
    assert len(seen[Role.ANALYST]) == 4
    for who in (Role.OWNER, Role.VIEWER):
        for look in (screens.get, screens.versions):
            with pytest.raises(NotFound):
                look(team[who], made[None])
    with pytest.raises(NotFound):
        screens.copy(team[Role.OWNER], made[None])


def test_what_a_shared_screen_is_called_and_who_sees_it_is_its_makers(
    screens: Screens, team: dict[Role, Principal]
) -> None:
    maker, owner = team[Role.ANALYST], team[Role.OWNER]
    made = screens.create(maker, "Ours", OVERSOLD, shared_with="viewer")
    for other in ({"name": "Mine"}, {"shared_with": None}, {"shared_with": "admin"}):
        with pytest.raises(Forbidden, match="maker"):
            _changed(screens, owner, made, OVERSOLD, **other)
    with pytest.raises(Forbidden):
        screens.delete(replace(owner, role=Role.ANALYST), made.id)
    screens.delete(owner, made.id)
    for look in (screens.get, screens.versions):
        with pytest.raises(NotFound):
            look(maker, made.id)


def test_a_copy_is_ones_own_and_leaves_the_other_alone(screens: Screens, team: dict[Role, Principal]) -> None:
    maker, owner = team[Role.ANALYST], team[Role.OWNER]
    made = screens.create(maker, "Ours", TREND, shared_with="viewer")
    names = [screens.copy(owner, made.id).name for _ in range(4)]
    assert names == ["Ours", "Ours (copy)", "Ours (copy 2)", "Ours (copy 3)"]
    mine = screens.copy(owner, made.id, "Mine")
    assert (mine.version, mine.is_own, mine.shared_with, mine.screen) == (1, True, None, TREND)
    _changed(screens, owner, mine, OVERSOLD)
    assert screens.get(maker, made.id).screen == TREND
    long = screens.create(owner, "x" * 80, TREND)
    assert screens.copy(owner, long.id).name == "x" * 73 + " (copy)"
    with pytest.raises(Conflict):
        screens.copy(owner, made.id, "Mine")


def test_viewers_and_tokens_to_read_may_look_only(screens: Screens, team: dict[Role, Principal]) -> None:
    made = screens.create(team[Role.OWNER], "Ours", OVERSOLD, shared_with="viewer")
    reader = replace(team[Role.OWNER], via="token", scopes=frozenset({Scope.READ}))
    for who in (team[Role.VIEWER], reader):
        assert screens.get(who, made.id).screen == OVERSOLD
        for attempt in (
            lambda who=who: screens.create(who, "Mine", OVERSOLD),
            lambda who=who: _changed(screens, who, made, TREND),
            lambda who=who: screens.copy(who, made.id),
            lambda who=who: screens.delete(who, made.id),
        ):
            with pytest.raises(Forbidden, match=r"save screens|scope"):
                attempt()


def test_the_database_itself_refuses_what_a_viewer_writes_and_what_would_rewrite_history(
    screens: Screens, workbench: Workbench, team: dict[Role, Principal]
) -> None:
    made = screens.create(team[Role.OWNER], "Ours", OVERSOLD, shared_with="viewer")
    viewer, criteria = team[Role.VIEWER], to_json(TREND)
    with pytest.raises(ProgrammingError, match="row-level security"), workbench.database.app(viewer) as connection:
        dao.add_screen(connection, new_id(), "Mine", None, "vic")
    with pytest.raises(ProgrammingError, match="row-level security"), workbench.database.app(viewer) as connection:
        dao.add_version(connection, made.id, 2, name="x", criteria=criteria, author="vic")
    with workbench.database.app(viewer) as connection:
        assert not dao.lock_screen(connection, made.id)
        assert not dao.delete_screen(connection, made.id)
    for statement in ("UPDATE screen_versions SET author = 'me'", "DELETE FROM screen_versions"):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            workbench.database.app(team[Role.OWNER]) as connection,
        ):
            connection.execute(text(statement))


def test_another_organisation_finds_nothing(screens: Screens, member: MakeMember) -> None:
    made = screens.create(member("ann"), "Ours", OVERSOLD, shared_with="viewer")
    bob = member("bob")
    assert screens.all(bob) == []
    for attempt in (screens.get, screens.versions, screens.copy, screens.delete):
        with pytest.raises(NotFound):
            attempt(bob, made.id)
    with pytest.raises(NotFound):
        _changed(screens, bob, made, TREND)
    with pytest.raises(NotFound):
        screens.get(bob, UUID(int=0))


def test_a_shared_screen_outlives_the_membership_of_its_maker(
    screens: Screens, workbench: Workbench, team: dict[Role, Principal]
) -> None:
    made = screens.create(team[Role.ANALYST], "Ours", OVERSOLD, shared_with="viewer")
    workbench.members.remove(team[Role.OWNER], team[Role.ANALYST].user_id)
    assert screens.get(team[Role.VIEWER], made.id).made_by == "the.analyst"
    screens.delete(team[Role.OWNER], made.id)


def test_names_are_lines_that_an_owner_can_tell_apart(screens: Screens, team: dict[Role, Principal]) -> None:
    ann = team[Role.ANALYST]
    first = screens.create(ann, "Oversold", OVERSOLD)
    other = screens.create(ann, "<b>[x](http://y)</b> 株", OVERSOLD, shared_with="viewer")
    assert other.name == "<b>[x](http://y)</b> 株"
    screens.create(team[Role.OWNER], "Oversold", OVERSOLD)
    with pytest.raises(Conflict):
        screens.create(ann, " Oversold", TREND)
    with pytest.raises(Conflict):
        _changed(screens, ann, other, OVERSOLD, name="Oversold")
    for name in ("", "  ", "\x00", "a\u202eb", "x" * 81, "x" * 1_000_000):
        with pytest.raises(InvalidRequest):
            screens.create(ann, name, OVERSOLD)
        with pytest.raises(InvalidRequest):
            _changed(screens, ann, first, OVERSOLD, name=name)
    with pytest.raises(InvalidRequest):
        screens.create(ann, "Theirs", OVERSOLD, shared_with="owner")


def test_what_makes_no_sense_is_not_saved(screens: Screens, member: MakeMember) -> None:
    ann = member("ann")
    made = screens.create(ann, "Good", OVERSOLD)
    absurd = Screen(Group(Match.ALL, (Condition("rsi_14", Operator.ABOVE, 140.0),)))
    values = tuple(f"{number:080}" for number in range(100))
    huge = Screen(Group(Match.ALL, (Condition("sector", Operator.IS_ONE_OF, values),) * 10))
    for wrong, sentence in ((absurd, "RSI is above 140"), (huge, "too large")):
        with pytest.raises(InvalidRequest, match=sentence):
            screens.create(ann, "Bad", wrong)
        with pytest.raises(InvalidRequest, match=sentence):
            _changed(screens, ann, made, wrong)
    assert [each.name for each in screens.all(ann)] == ["Good"]


def test_two_hundred_screens_are_kept_and_listed_at_once_and_no_more(screens: Screens, member: MakeMember) -> None:
    ann = member("ann")
    for number in range(module.MAX_SCREENS):
        screens.create(ann, f"Screen {number:03}", TREND)
    before = time.perf_counter()
    listed = screens.all(ann)
    spent = time.perf_counter() - before
    assert [each.name for each in listed] == [f"Screen {number:03}" for number in range(module.MAX_SCREENS)]
    assert spent < 0.5
    with pytest.raises(InvalidRequest, match="at most 200 saved screens; delete one first"):
        screens.create(ann, "One more", TREND)
    with pytest.raises(InvalidRequest, match="at most 200 saved screens; delete one first"):
        screens.copy(ann, listed[0].id)
    screens.delete(ann, listed[0].id)
    screens.create(ann, "One more", TREND)


def test_the_limit_holds_for_several_at_once(
    screens: Screens, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SCREENS", 5)
    ann = member("ann")

    def attempt(number: int) -> bool:
        try:
            screens.create(ann, f"Screen {number}", TREND)
        except InvalidRequest as error:
            return "at most 5" not in error.detail
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 5
    assert len(screens.all(ann)) == 5


def test_versions_have_an_end(screens: Screens, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VERSIONS", 2)
    ann = member("ann")
    made = _changed(screens, ann, screens.create(ann, "Ours", OVERSOLD), TREND)
    with pytest.raises(InvalidRequest, match="copy it"):
        _changed(screens, ann, made, OVERSOLD)
    assert _changed(screens, ann, made, TREND, shared_with="viewer").shared_with == "viewer"


def test_a_screen_of_an_older_program_is_listed_and_says_what_is_wrong_where_it_is_used(
    screens: Screens, workbench: Workbench, member: MakeMember
) -> None:
    ann = member("ann")
    made = screens.create(ann, "Old", OVERSOLD)
    with workbench.database.service() as connection:
        connection.execute(text("""UPDATE screen_versions SET criteria = '{"was": "another form"}'"""))
    (listed,) = screens.all(ann)
    assert listed.id == made.id
    with pytest.raises(AssayError):
        _ = listed.screen
