"""Conversations as they are kept: titles, the search and its excerpts, what a page reads of them."""

from __future__ import annotations

import pytest

from core.errors import InvalidRequest, NotFound
from core.principal import Principal
from core.research.conversations import UNTITLED, Excerpt, checked_title, title_of
from core.workbench import Workbench
from tests.conftest import MakeMember

LONG = (
    "Before it all there were many words. " * 3 + "The NEEDLE stands here" + ", and many more words come after it." * 5
)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    return member(plan="basic")


def _excerpts(workbench: Workbench, who: Principal, sought: str) -> list[Excerpt | None]:
    return [found.excerpt for found in workbench.conversations.page(who, sought=sought, most=10)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Risk ", "Risk"),
        ("two\n lines\tand\u00a0a space", "two lines and a space"),
        ("x" * 200, "x" * 200),
        ("👩‍💻 Ünï", "👩‍💻 Ünï"),
        ("می‌خواهم", "می‌خواهم"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_a_title_keeps_its_words_and_single_spaces(given: str, kept: str) -> None:
    assert checked_title(given) == kept


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "at least one"),
        (" \n\t ", "at least one"),
        ("\u200d\u200c", "at least one"),
        ("x" * 201, "this one has 201"),
        ("x" * 10_000, "this one has 10,000"),
        ("left\u202eright", "not shown"),
        ("nul\x00", "not shown"),
        ("half \ud83d", "not shown"),
    ],
)
def test_what_is_no_title_is_refused_in_a_sentence(given: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        checked_title(given)


def test_a_first_question_gives_the_title_without_what_cannot_be_seen() -> None:
    assert title_of("What\u202e is\x07 risk?\n\nThanks") == "What is risk? Thanks"
    assert title_of("\u202e") == UNTITLED
    assert len(title_of("word " * 50)) == 60


def test_an_untitled_conversation_takes_its_title_from_the_first_question_and_a_named_one_keeps_it(
    workbench: Workbench, ann: Principal
) -> None:
    for title in (None, "Mine"):
        made = workbench.conversations.create(ann, title)
        for question in ("What is duration?", "What is beta?"):
            workbench.assistant.ask(ann, question, conversation_id=made.id).session.result()
    assert [row.title for row in workbench.conversations.latest(ann)] == ["Mine", "What is duration?"]


def test_an_excerpt_is_cut_between_words_around_the_hit(workbench: Workbench, ann: Principal) -> None:
    workbench.assistant.ask(ann, f"\n{LONG}\n").session.result()
    [excerpt] = _excerpts(workbench, ann, "needle STANDS")
    assert excerpt is not None
    assert excerpt.hit == "NEEDLE stands"
    assert excerpt.text.startswith("…")
    assert excerpt.text.endswith("…")
    assert len(excerpt.text) < 150
    assert set(excerpt.text.strip("…").split()) <= set(LONG.split())


def test_the_latest_message_that_holds_it_is_shown_and_replaced_or_failed_ones_are_not_searched(
    workbench: Workbench, ann: Principal
) -> None:
    first = workbench.assistant.ask(ann, "What is duration, my dear?")
    first.session.result()
    workbench.assistant.ask(ann, "And duration again?", conversation_id=first.conversation_id).session.result()
    [excerpt] = _excerpts(workbench, ann, "duration again")
    assert excerpt == Excerpt("And ", "duration again", "?")
    with workbench.database.service() as connection:
        connection.exec_driver_sql("UPDATE messages SET state = 'replaced' WHERE text LIKE '%%dear%%'")
        connection.exec_driver_sql("UPDATE conversations SET title = 'Other'")
    assert _excerpts(workbench, ann, "my dear") == []


def test_a_desk_holds_the_list_what_was_found_the_open_conversation_and_the_allowances(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    asked = workbench.assistant.ask(ann, "What is duration?")
    asked.session.result()
    desk = workbench.conversations.desk(ann, asked.conversation_id, "  DURATION ")
    assert desk.opened is not None
    assert [message.role for message in desk.opened.messages] == ["user", "assistant"]
    assert (desk.opened.cost.charged_usd, desk.opened.cost.is_estimated) == (0, False)
    assert desk.found is not None
    assert desk.latest == [desk.opened.row]
    assert [found.row.id for found in desk.found] == [asked.conversation_id]
    assert desk.allowances["chat_queries_day"].used == 1
    other = workbench.conversations.desk(member("bob"), asked.conversation_id, "duration")
    assert (other.latest, other.found, other.opened) == ([], [], None)
    assert workbench.conversations.desk(ann, None, " ").found is None


def test_a_conversation_that_is_gone_can_be_neither_renamed_nor_opened(workbench: Workbench, ann: Principal) -> None:
    made = workbench.conversations.create(ann)
    workbench.conversations.delete(ann, made.id)
    for action in (
        lambda: workbench.conversations.rename(ann, made.id, "Late"),
        lambda: workbench.conversations.open(ann, made.id),
        lambda: workbench.conversations.delete(ann, made.id),
    ):
        with pytest.raises(NotFound):
            action()
