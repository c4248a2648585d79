"""Watchlists: order, sharing by role, limits, and several people at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.exc import ProgrammingError

from core.db import notebook_dao as dao
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.notebook import watchlists as module
from core.notebook.watchlists import MAX_SYMBOLS, Watchlists
from core.principal import Principal, Role, Scope
from core.workbench import Workbench
from tests.conftest import MakeMember


@pytest.fixture
def watchlists(workbench: Workbench) -> Watchlists:
    """The service."""
    return Watchlists(workbench.database)


@pytest.fixture
def team(member: MakeMember) -> dict[Role, Principal]:
    """One of each role in one organisation."""
    return {role: member(f"the.{role}", org="Acme", plan="team", role=role) for role in Role}


def test_symbols_keep_the_order_in_which_they_came(watchlists: Watchlists, member: MakeMember) -> None:
    ann = member("ann")
    made = watchlists.create(ann, "  My   banks ", symbols=["jpm", "C"])
    assert (made.name, made.symbols, made.is_own, made.shared_with) == ("My banks", ["JPM", "C"], True, None)
    for symbol in ("bac", "brk-b", "C", "BAC"):
        watchlists.add(ann, made.id, symbol)
    assert watchlists.get(ann, made.id).symbols == ["JPM", "C", "BAC", "BRK.B"]
    watchlists.remove(ann, made.id, "C")
    assert watchlists.remove(ann, made.id, "C").symbols == ["JPM", "BAC", "BRK.B"]
    assert watchlists.add(ann, made.id, "C").symbols == ["JPM", "BAC", "BRK.B", "C"]
    assert watchlists.reorder(ann, made.id, ["C", "BRK.B", "GONE"]).symbols == ["C", "BRK.B", "JPM", "BAC"]
    assert watchlists.add(ann, made.id, "AIG").symbols == ["C", "BRK.B", "JPM", "BAC", "AIG"]
    assert watchlists.add(ann, made.id, "MS", "C", "gs").symbols == ["C", "BRK.B", "JPM", "BAC", "AIG", "MS", "GS"]


def test_several_symbols_are_added_all_or_none(watchlists: Watchlists, member: MakeMember) -> None:
    ann = member("ann")
    made = watchlists.create(ann, "Nearly full", symbols=[f"S{number}" for number in range(MAX_SYMBOLS - 1)])
    with pytest.raises(InvalidRequest, match="at most 500"):
        watchlists.add(ann, made.id, "A", "B")
    assert len(watchlists.add(ann, made.id, "A", "S1").symbols) == MAX_SYMBOLS


def test_several_may_add_at_once_and_nothing_is_lost(watchlists: Watchlists, team: dict[Role, Principal]) -> None:
    writers = [who for role, who in team.items() if role is not Role.VIEWER]
    made = watchlists.create(writers[0], "Ours", shared_with="viewer")

    def add(number: int) -> None:
        watchlists.add(writers[number % 3], made.id, f"S{number // 2}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    symbols = watchlists.get(writers[0], made.id).symbols
    assert sorted(symbols) == sorted(f"S{number}" for number in range(20))


def test_a_full_list_takes_no_more_also_from_several_at_once(
    watchlists: Watchlists, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SYMBOLS", 5)
    ann = member("ann")
    made = watchlists.create(ann, "Full", symbols=["A", "B", "C"])

    def add(number: int) -> bool:
        try:
            watchlists.add(ann, made.id, f"S{number}")
        except InvalidRequest as error:
            return "at most 5" not in error.detail
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(add, range(6))) == 2
    assert len(watchlists.add(ann, made.id, "A").symbols) == 5
    with pytest.raises(InvalidRequest):
        watchlists.create(ann, "Too long", symbols=list("ABCDEF"))


def test_a_list_is_seen_by_the_roles_that_it_is_shared_with(
    watchlists: Watchlists, team: dict[Role, Principal]
) -> None:
    maker = team[Role.ANALYST]
    colleague = replace(team[Role.ADMIN], role=Role.ANALYST)
    made = {
        shared: watchlists.create(maker, f"For {shared}", shared_with=shared).id
        for shared in (None, "viewer", "analyst", "admin")
    }
    seen = {
        who: {each.name for each in watchlists.all(principal)}
        for who, principal in (*team.items(), ("colleague", colleague))
    }
    assert seen[Role.VIEWER] == {"For viewer"}
    assert seen["colleague"] == {"For viewer", "For analyst"}
    assert seen[Role.ADMIN] == seen[Role.OWNER] == {"For viewer", "For analyst", "For admin"}
    assert len(seen[Role.ANALYST]) == 4
    assert [each.made_by for each in watchlists.all(team[Role.VIEWER])] == ["the.analyst"]
    for who in (Role.OWNER, Role.VIEWER):
        with pytest.raises(NotFound):
            watchlists.get(team[who], made[None])


def test_a_shared_list_is_filled_by_all_analysts_and_named_by_its_maker(
    watchlists: Watchlists, team: dict[Role, Principal]
) -> None:
    maker, owner = team[Role.ANALYST], team[Role.OWNER]
    made = watchlists.create(maker, "Ours", shared_with="viewer")
    assert watchlists.add(owner, made.id, "AAPL").symbols == ["AAPL"]
    with pytest.raises(Forbidden, match="maker"):
        watchlists.change(owner, made.id, name="Mine")
    assert watchlists.change(maker, made.id, name="Ours again", shared_with="analyst").name == "Ours again"
    with pytest.raises(Forbidden):
        watchlists.delete(replace(owner, role=Role.ANALYST), made.id)
    watchlists.delete(owner, made.id)
    with pytest.raises(NotFound):
        watchlists.get(maker, made.id)


def test_viewers_and_tokens_to_read_may_look_only(watchlists: Watchlists, team: dict[Role, Principal]) -> None:
    made = watchlists.create(team[Role.OWNER], "Ours", shared_with="viewer", symbols=["AAPL"])
    reader = replace(team[Role.OWNER], via="token", scopes=frozenset({Scope.READ}))
    for who in (team[Role.VIEWER], reader):
        assert watchlists.get(who, made.id).symbols == ["AAPL"]
        for attempt in (
            lambda who=who: watchlists.create(who, "Mine"),
            lambda who=who: watchlists.add(who, made.id, "MSFT"),
            lambda who=who: watchlists.remove(who, made.id, "AAPL"),
            lambda who=who: watchlists.reorder(who, made.id, ["AAPL"]),
            lambda who=who: watchlists.change(who, made.id, name="x"),
            lambda who=who: watchlists.delete(who, made.id),
        ):
            with pytest.raises(Forbidden):
                attempt()


def test_the_database_itself_refuses_what_a_viewer_writes(
    watchlists: Watchlists, workbench: Workbench, team: dict[Role, Principal]
) -> None:
    made = watchlists.create(team[Role.OWNER], "Ours", shared_with="viewer", symbols=["AAPL"])
    viewer = team[Role.VIEWER]
    with pytest.raises(ProgrammingError, match="row-level security"), workbench.database.app(viewer) as connection:
        dao.add_watchlist(connection, new_id(), "Mine", None, "vic")
    with pytest.raises(ProgrammingError, match="row-level security"), workbench.database.app(viewer) as connection:
        dao.add_symbols(connection, made.id, ["MSFT"])
    with workbench.database.app(viewer) as connection:
        dao.remove_symbol(connection, made.id, "AAPL")
        assert not dao.delete_watchlist(connection, made.id)
        assert not dao.lock_watchlist(connection, made.id)
    assert watchlists.get(viewer, made.id).symbols == ["AAPL"]


def test_a_shared_list_outlives_the_membership_of_its_maker(
    watchlists: Watchlists, workbench: Workbench, team: dict[Role, Principal]
) -> None:
    made = watchlists.create(team[Role.ANALYST], "Ours", shared_with="viewer")
    workbench.members.remove(team[Role.OWNER], team[Role.ANALYST].user_id)
    assert watchlists.get(team[Role.VIEWER], made.id).made_by == "the.analyst"
    watchlists.delete(team[Role.OWNER], made.id)


def test_another_organisation_finds_nothing(watchlists: Watchlists, member: MakeMember) -> None:
    made = watchlists.create(member("ann"), "Ours", shared_with="viewer")
    bob = member("bob")
    assert watchlists.all(bob) == []
    for attempt in (watchlists.get, watchlists.delete):
        with pytest.raises(NotFound):
            attempt(bob, made.id)
    with pytest.raises(NotFound):
        watchlists.add(bob, made.id, "AAPL")
    with pytest.raises(NotFound):
        watchlists.get(bob, UUID(int=0))


def test_names_are_lines_that_can_be_told_apart(watchlists: Watchlists, member: MakeMember) -> None:
    ann = member("ann")
    watchlists.create(ann, "Banks")
    other = watchlists.create(ann, "<b>[x](http://y)</b> 株")
    assert other.name == "<b>[x](http://y)</b> 株"
    with pytest.raises(Conflict):
        watchlists.create(ann, " Banks")
    with pytest.raises(Conflict):
        watchlists.change(ann, other.id, name="Banks")
    for name in ("", "  ", "\x00", "a\u202eb", "x" * 81, "x" * 1_000_000):
        with pytest.raises(InvalidRequest):
            watchlists.create(ann, name)
    for symbol in ("", "a b c d", "<b>", "x" * 21, "\x00"):
        with pytest.raises(InvalidRequest):
            watchlists.add(ann, other.id, symbol)
    with pytest.raises(InvalidRequest):
        watchlists.create(ann, "Theirs", shared_with="owner")


def test_a_person_has_a_limited_number_of_lists(
    watchlists: Watchlists, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LISTS", 2)
    ann = member("ann")
    for name in ("One", "Two"):
        watchlists.create(ann, name)
    with pytest.raises(InvalidRequest, match="at most 2"):
        watchlists.create(ann, "Three")
