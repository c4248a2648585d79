"""Theses: every text is kept, with who wrote it when and as of which date."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import ProgrammingError

from core.errors import Conflict, Forbidden, InvalidRequest
from core.market.as_of import AsOf, Reason
from core.notebook.theses import MAX_TEXT_CHARS, Theses
from core.principal import Role, Scope
from core.workbench import Workbench
from tests.conftest import MakeMember

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def _at(day: date) -> AsOf:
    return AsOf(day, Reason.CHOSEN, NOW)


THEN, LATER, LATEST = _at(date(2010, 3, 1)), _at(date(2010, 8, 20)), _at(date(2026, 11, 20))


@pytest.fixture
def theses(workbench: Workbench) -> Theses:
    """The service."""
    return Theses(workbench.database)


def test_every_text_is_kept_with_author_time_and_date(theses: Theses, member: MakeMember) -> None:
    ann = member("ann")
    assert theses.get(ann, "AAPL", THEN).text == ""
    theses.write(ann, "aapl", "Phones.\r\n\r\nMargins rise. ", THEN, after=0)
    again = theses.write(ann, "AAPL", "Phones and tablets.", LATER, after=1)
    assert again.text == "Phones and tablets."
    assert [(each.number, each.text, each.author, each.as_of) for each in again.versions] == [
        (2, "Phones and tablets.", "ann", LATER.day),
        (1, "Phones.\n\nMargins rise.", "ann", THEN.day),
    ]
    assert theses.write(ann, "AAPL", "Phones and tablets.", LATER, after=2).newest == 2
    withdrawn = theses.write(ann, "AAPL", "", LATER, after=2)
    assert (withdrawn.text, withdrawn.newest) == ("", 3)


def test_what_was_written_as_of_a_later_date_is_not_seen(theses: Theses, member: MakeMember) -> None:
    ann = member("ann")
    theses.write(ann, "AAPL", "Then.", THEN, after=0)
    theses.write(ann, "AAPL", "Later.", LATER, after=1)
    seen = theses.get(ann, "AAPL", THEN)
    assert (seen.text, seen.newest, seen.unseen) == ("Then.", 2, 1)
    assert theses.get(ann, "AAPL", _at(date(2009, 1, 5))).versions == []
    theses.write(ann, "AAPL", "Then, on second thoughts.", THEN, after=2)
    assert theses.get(ann, "AAPL", THEN).text == "Then, on second thoughts."


def test_nothing_that_was_written_can_be_overwritten(theses: Theses, workbench: Workbench, member: MakeMember) -> None:
    ann = member("ann")
    theses.write(ann, "AAPL", "First.", LATER, after=0)
    for statement in ("UPDATE thesis_versions SET text = ''", "DELETE FROM thesis_versions"):
        with pytest.raises(ProgrammingError, match="permission denied"), workbench.database.app(ann) as connection:
            connection.execute(sql(statement))


def test_an_own_thesis_is_seen_by_its_author_and_a_shared_one_by_all(theses: Theses, member: MakeMember) -> None:
    ann = member("ann", org="Acme", plan="team")
    ben = member("ben", org="Acme", plan="team", role=Role.ANALYST)
    theses.write(ann, "AAPL", "Ann's own.", LATER, after=0)
    theses.write(ben, "AAPL", "Ben's own.", LATER, after=0)
    theses.write(ann, "AAPL", "Ours.", LATER, after=0, is_shared=True)
    shared = theses.write(ben, "AAPL", "Ours, better.", LATER, after=1, is_shared=True)
    assert [(each.author, each.is_own) for each in shared.versions] == [("ben", True), ("ann", False)]
    assert theses.get(ben, "AAPL", LATER).text == "Ben's own."
    viewer = member("vic", org="Acme", plan="team", role=Role.VIEWER)
    assert theses.get(viewer, "AAPL", LATER, is_shared=True).text == "Ours, better."
    assert theses.get(member("bob"), "AAPL", LATER, is_shared=True).versions == []


def test_of_several_who_write_at_once_one_is_told_of_the_other(theses: Theses, member: MakeMember) -> None:
    people = [member(f"p{number}", org="Acme", plan="team", role=Role.ANALYST) for number in range(4)]

    def write(number: int) -> bool:
        try:
            theses.write(people[number], "AAPL", f"Text {number}", LATER, after=0, is_shared=True)
        except Conflict as error:
            return "newer version" not in error.detail
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 1
    assert theses.get(people[0], "AAPL", LATER, is_shared=True).newest == 1


def test_viewers_and_tokens_to_read_may_look_only(theses: Theses, member: MakeMember) -> None:
    viewer = member("vic", org="Acme", plan="team", role=Role.VIEWER)
    reader = replace(member("ann", org="Acme", plan="team"), via="token", scopes=frozenset({Scope.READ}))
    for who in (viewer, reader):
        theses.get(who, "AAPL", LATER)
        with pytest.raises(Forbidden):
            theses.write(who, "AAPL", "Mine", LATER, after=0)


def test_a_text_is_kept_as_it_was_typed_or_refused(theses: Theses, member: MakeMember) -> None:
    ann = member("ann")
    odd = "<script>alert(1)</script> **bold** [a](b) 株式会社" + "\n\t- 1 % $2$"
    assert theses.write(ann, "AAPL", odd, LATER, after=0).text == odd
    for text in ("x" * (MAX_TEXT_CHARS + 1), "x" * 1_000_000, "a\x00b", "a\u202eb", "\ud800"):
        with pytest.raises(InvalidRequest):
            theses.write(ann, "AAPL", text, LATER, after=1)
    with pytest.raises(InvalidRequest):
        theses.get(ann, "not a symbol", LATER)
