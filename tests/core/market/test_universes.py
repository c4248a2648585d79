"""Universes: the shipped ones, and those that an organisation brings for itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from core.clock import SystemClock
from core.db.instruments_dao import MemberRow
from core.errors import Forbidden, InvalidRequest, NotFound
from core.market.as_of import AsOf, Reason
from core.market.instruments import Instruments
from core.market.shipped_lists import load_shipped_lists
from core.market.universes import MAX_OWN_UNIVERSES, Universes
from core.principal import Role, Scope
from core.settings import DATA
from core.workbench import Workbench
from tests.conftest import MakeMember

OURS = [
    MemberRow("ACME.L", "Acme Widgets", "Industrials", "XLON", "", date(2020, 1, 2), date(2024, 5, 3)),
    MemberRow("aapl", "", "", "XNAS", "USD", None, None),
]
AS_OF = AsOf(date(2010, 8, 20), Reason.SHIPPED, SystemClock().now())


@pytest.fixture
def universes(workbench: Workbench) -> Universes:
    """Universes with those that are shipped."""
    Instruments(workbench.database, SystemClock()).load_shipped(load_shipped_lists(DATA))
    return Universes(workbench.database)


def test_shipped_universes_say_where_they_come_from_and_what_is_generated(
    universes: Universes, member: MakeMember
) -> None:
    sp500, nse, *_ = universes.list(member("ann"))
    assert (sp500.id, sp500.members, sp500.licence, sp500.is_generated) == ("sp500_2010", 524, "MIT", False)
    assert (sp500.first_day, sp500.last_day) == (date(2009, 8, 21), date(2010, 8, 20))
    assert nse.is_generated
    members = universes.members(member("ann"), "nse_generated")
    assert {(each.exchange, each.currency) for each in members} == {("XNSE", "INR")}


def test_an_organisation_brings_a_universe_and_replaces_it_whole(universes: Universes, member: MakeMember) -> None:
    ann = member("ann", org="Acme", plan="team")
    made = universes.replace(ann, "  Our  list ", OURS, source="typed by hand")
    assert (made.title, made.is_own, made.first_day, made.last_day) == (
        "Our list", True, date(2020, 1, 2), date(2024, 5, 3),
    )  # fmt: skip
    rows = universes.members(ann, made.id)
    assert [(row.symbol, row.name, row.currency) for row in rows] == [
        ("ACME.L", "Acme Widgets", "GBP"), ("AAPL", "AAPL", "USD"),
    ]  # fmt: skip
    again = universes.replace(
        member("ben", org="Acme", plan="team", role=Role.ANALYST), "Our list", OURS[1:], source="by hand"
    )
    assert (again.id, again.members) == (made.id, 1)
    universes.delete(ann, made.id)
    with pytest.raises(NotFound):
        universes.get(ann, made.id)


def test_nothing_of_a_universe_is_kept_when_a_member_cannot_be(universes: Universes, member: MakeMember) -> None:
    ann = member("ann")
    bad = {
        "at most": [],
        "given twice": [OURS[0], OURS[0]],
        "no exchange": [replace(OURS[0], exchange="MOON")],
        "A symbol has": [replace(OURS[0], symbol="a b c!")],
    }
    bad["1 to 20,000"] = bad.pop("at most")
    for told, members in bad.items():
        with pytest.raises(InvalidRequest, match=told):
            universes.replace(ann, "Ours", members, source="x")
    with pytest.raises(InvalidRequest, match="title"):
        universes.replace(ann, "\u200b", OURS, source="x")
    assert not any(each.is_own for each in universes.list(ann))


def test_universes_have_a_limit(universes: Universes, member: MakeMember) -> None:
    ann = member("ann")
    for number in range(MAX_OWN_UNIVERSES):
        universes.replace(ann, f"Number {number}", OURS, source="x")
    universes.replace(ann, "Number 3", OURS, source="x")
    with pytest.raises(InvalidRequest, match="at most 20"):
        universes.replace(ann, "One more", OURS, source="x")


def test_others_neither_see_nor_find_it(universes: Universes, workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    made = universes.replace(ann, "Ours", OURS, source="x")
    assert not any(each.is_own for each in universes.list(bob))
    for reading in (universes.get, universes.members):
        with pytest.raises(NotFound):
            reading(bob, made.id)
    instruments = Instruments(workbench.database, SystemClock())
    found = instruments.find("acme wid", AS_OF, ann)
    assert [(each.symbol, each.is_own) for each in found.candidates] == [("ACME.L", True)]
    assert instruments.get("ACME.L", AS_OF, ann) is not None
    assert [each.symbol for each in instruments.find("Acmee Widgts", AS_OF, ann).suggestions] == ["ACME.L"]
    assert instruments.find("acme wid", AS_OF, bob).candidates == ()
    assert instruments.get("ACME.L", AS_OF, bob) is None
    assert instruments.get("ACME.L", AS_OF) is None


def test_an_own_symbol_is_found_however_many_names_hold_it(
    universes: Universes, workbench: Workbench, member: MakeMember
) -> None:
    ann = member("ann")
    many = [MemberRow(f"AA{number}", f"Zed {number}", "", "XNYS", "USD", None, None) for number in range(60)]
    universes.replace(ann, "Ours", [*many, MemberRow("ZED", "Z", "", "XNYS", "USD", None, None)], source="x")
    found = Instruments(workbench.database, SystemClock()).find("zed", AS_OF, ann)
    assert found.exact is not None
    assert (found.exact.symbol, found.exact.is_own) == ("ZED", True)
    assert found.candidates[0].symbol == "ZED"


def test_viewers_and_tokens_to_read_may_look_only(universes: Universes, member: MakeMember) -> None:
    viewer = member("vic", org="Acme", plan="team", role=Role.VIEWER)
    reader = replace(member("ann", org="Acme", plan="team"), scopes=frozenset({Scope.READ}), via="token")
    for who in (viewer, reader):
        assert len(universes.list(who)) >= 2
        with pytest.raises(Forbidden):
            universes.replace(who, "Ours", OURS, source="x")
        with pytest.raises(Forbidden):
            universes.delete(who, "x")
