"""What is done with answers that are there: reacted to, branched off from, and carried away as a file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest

from core.ai.evidence import Evidence, Mark, Source, Step
from core.errors import Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.principal import Principal, Role
from core.research.conversations import BRANCH, Opened
from core.research.exports import Form
from core.research.reactions import MAX_NOTE_CHARS, Reactions
from core.workbench import Workbench
from tests.conftest import MakeMember

QUESTIONS = ("What is duration?", "What is beta?", "What is alpha?")
EVIDENCE = Evidence(
    steps=(
        Step(
            number=1,
            tool="quote",
            arguments={},
            words="Price of MSFT | today",
            source=Source(title="Yahoo [chart]", url="https://example.com/q", as_of=None),
        ),
        Step(number=2, tool="news", arguments={}, words="News", state="failed", error="The source is down."),
    ),
    marks=(
        Mark(start=0, end=4, is_verified=True, step=1, words="price of MSFT"),
        Mark(start=5, end=9, is_verified=False, words="no step returned it"),
    ),
    notes=("A part is missing.",),
)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """Somebody who asks."""
    return member("ann", plan="basic")


@pytest.fixture
def reactions(workbench: Workbench) -> Reactions:
    """Reactions in the workbench's database."""
    return Reactions(workbench.database)


def _talk(workbench: Workbench, who: Principal) -> UUID:
    """A conversation of three questions and their answers."""
    conversation: UUID | None = None
    for question in QUESTIONS:
        exchange = workbench.assistant.ask(who, question, conversation_id=conversation)
        exchange.session.result()
        conversation = exchange.conversation_id
    assert conversation is not None
    return conversation


def _answers(opened: Opened) -> list[UUID]:
    return [message.id for message in opened.messages if message.role == "assistant"]


def _attach(service: psycopg.Connection[tuple[object, ...]], who: Principal, conversation: UUID, message: UUID) -> None:
    service.execute(
        "INSERT INTO attachments (id, org_id, user_id, conversation_id, message_id, name, kind, media_type,"
        " size_bytes, sha256, text, created_at) VALUES "
        "(%s, %s, %s, %s, %s, 'rates_2024.csv', 'csv', 'text/csv', 20, 'x', 'a,b', now())",
        (new_id(), who.org_id, who.user_id, conversation, message),
    )


def test_a_reaction_is_kept_changed_and_taken_back(workbench: Workbench, ann: Principal, reactions: Reactions) -> None:
    conversation = _talk(workbench, ann)
    first, second, _ = _answers(workbench.conversations.open(ann, conversation))
    kept = reactions.react(ann, first, "up", "  Clear, \r\nand short. ")
    assert kept is not None
    assert (kept.reaction, kept.note) == ("up", "Clear, \nand short.")
    changed = reactions.react(ann, first, "down")
    assert changed is not None
    assert (changed.reaction, changed.note) == ("down", None)
    noted = reactions.react(ann, second, None, "Which day?", conversation_id=conversation)
    assert reactions.of(ann, [first, second, new_id()]) == {first: changed, second: noted}
    assert workbench.conversations.open(ann, conversation).reactions == {first: changed, second: noted}
    assert reactions.react(ann, first, None, " ") is None
    assert reactions.react(ann, first, None) is None, "nothing is taken back twice"
    assert set(workbench.conversations.open(ann, conversation).reactions) == {second}


def test_what_cannot_be_reacted_to(
    workbench: Workbench, ann: Principal, reactions: Reactions, member: MakeMember
) -> None:
    conversation = _talk(workbench, ann)
    opened = workbench.conversations.open(ann, conversation)
    answer = _answers(opened)[0]
    colleague = member("ben", plan=ann.plan, org=ann.org_name, role=Role.ADMIN)
    for who, message in ((ann, opened.messages[0].id), (ann, new_id()), (colleague, answer), (member("eve"), answer)):
        for thumb in ("up", None):
            with pytest.raises(NotFound):
                reactions.react(who, message, thumb)
    with pytest.raises(NotFound):
        reactions.react(ann, answer, "up", conversation_id=new_id())
    with pytest.raises(InvalidRequest, match="at most 2,000"):
        reactions.react(ann, answer, "up", "x" * (MAX_NOTE_CHARS + 1))
    with pytest.raises(InvalidRequest, match="up, down, or none"):
        reactions.react(ann, answer, "sideways")  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        reactions.react(replace(ann, role=Role.VIEWER), answer, "up")
    assert reactions.of(colleague, [answer]) == {}


def test_of_many_reactions_at_one_moment_one_stays(workbench: Workbench, ann: Principal, reactions: Reactions) -> None:
    answer = _answers(workbench.conversations.open(ann, _talk(workbench, ann)))[0]
    wanted = [("up", "a"), ("down", "b"), (None, None), ("up", None), (None, "c")] * 6
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: reactions.react(ann, answer, each[0], each[1]), wanted))
    last = reactions.react(ann, answer, "up", "the last")
    assert reactions.of(ann, [answer]) == {answer: last}


def test_a_reaction_to_an_answer_that_goes_at_that_moment_is_not_found(
    workbench: Workbench, ann: Principal, reactions: Reactions
) -> None:
    for _ in range(4):
        conversation = _talk(workbench, ann)
        answer = _answers(workbench.conversations.open(ann, conversation))[0]

        def react(answer: UUID = answer) -> str:
            try:
                reactions.react(ann, answer, "up")
            except NotFound:
                return "not found"
            return "kept"

        with ThreadPoolExecutor(4) as pool:
            told = [pool.submit(react) for _ in range(3)]
            pool.submit(workbench.conversations.delete, ann, conversation).result()
        assert {each.result() for each in told} <= {"kept", "not found"}
        assert reactions.of(ann, [answer]) == {}


def test_a_branch_begins_as_the_conversation_with_evidence_and_files(
    workbench: Workbench, ann: Principal, service: psycopg.Connection[tuple[object, ...]], reactions: Reactions
) -> None:
    conversation = _talk(workbench, ann)
    whole = workbench.conversations.open(ann, conversation)
    question, answer = whole.messages[2], whole.messages[3]
    _attach(service, ann, conversation, question.id)
    _attach(service, ann, conversation, whole.messages[4].id)
    service.execute("UPDATE messages SET evidence = %s WHERE id = %s", (EVIDENCE.model_dump_json(), answer.id))
    reactions.react(ann, answer.id, "up")
    branch = workbench.conversations.branch(ann, conversation, answer.id)
    opened = workbench.conversations.open(ann, branch)
    assert (opened.row.title, opened.row.branched_from) == (f"{QUESTIONS[0]}{BRANCH}", conversation)
    before, after = whole.messages[:4], opened.messages
    assert [replace(each, id=before[0].id) for each in after] == [replace(each, id=before[0].id) for each in before]
    assert not {each.id for each in after} & {each.id for each in whole.messages}
    assert opened.evidence == {after[3].id: EVIDENCE}
    assert {key: [file.name for file in files] for key, files in opened.attached.items()} == {
        after[2].id: ["rates_2024.csv"]
    }
    assert opened.reactions == {}, "what was thought of the answer is counted once"
    assert opened.cost.charged_usd == Decimal(0), "nothing in it was charged again"
    workbench.assistant.ask(ann, "And gamma?", conversation_id=branch).session.result()
    workbench.conversations.delete(ann, conversation)
    assert [each.text for each in workbench.conversations.open(ann, branch).messages if each.role == "user"] == [
        *QUESTIONS[:2],
        "And gamma?",
    ]


def test_a_branch_that_ends_with_a_question_can_be_answered(workbench: Workbench, ann: Principal) -> None:
    conversation = _talk(workbench, ann)
    question = workbench.conversations.open(ann, conversation).messages[2]
    branch = workbench.conversations.branch(ann, conversation, question.id)
    workbench.assistant.regenerate(ann, branch).session.result()
    assert [each.role for each in workbench.conversations.open(ann, branch).messages] == ["user", "assistant"] * 2


def test_a_branch_leaves_out_what_was_replaced_and_keeps_its_title_short(workbench: Workbench, ann: Principal) -> None:
    conversation = _talk(workbench, ann)
    replaced = _answers(workbench.conversations.open(ann, conversation))[-1]
    workbench.assistant.regenerate(ann, conversation).session.result()
    workbench.conversations.rename(ann, conversation, "x" * 200)
    with pytest.raises(NotFound, match="no such message"):
        workbench.conversations.branch(ann, conversation, replaced)
    newest = _answers(workbench.conversations.open(ann, conversation))[-1]
    branch = workbench.conversations.open(ann, workbench.conversations.branch(ann, conversation, newest))
    assert len(branch.messages) == 6
    assert len(branch.row.title) == 200
    again = workbench.conversations.branch(ann, branch.row.id, branch.messages[0].id)
    assert workbench.conversations.open(ann, again).row.title == branch.row.title


def test_nobody_branches_off_from_or_exports_what_is_not_theirs(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    conversation = _talk(workbench, ann)
    message = workbench.conversations.open(ann, conversation).messages[0].id
    colleague, stranger = member("ben", plan=ann.plan, org=ann.org_name, role=Role.ADMIN), member("eve")
    own = _talk(workbench, stranger)
    for who, where in ((colleague, conversation), (stranger, conversation), (stranger, own), (ann, new_id())):
        with pytest.raises(NotFound):
            workbench.conversations.branch(who, where, message)
        if where != own:
            with pytest.raises(NotFound):
                workbench.conversations.export(who, where, "json")
    with pytest.raises(Forbidden):
        workbench.conversations.branch(replace(ann, role=Role.VIEWER), conversation, message)


@pytest.mark.parametrize("form", ["markdown", "json"])
def test_an_export_holds_what_the_page_shows(
    workbench: Workbench,
    ann: Principal,
    service: psycopg.Connection[tuple[object, ...]],
    reactions: Reactions,
    form: Form,
) -> None:
    conversation = _talk(workbench, ann)
    whole = workbench.conversations.open(ann, conversation)
    answer = whole.messages[1]
    _attach(service, ann, conversation, whole.messages[0].id)
    service.execute(
        "UPDATE messages SET text = '412.5 and more', evidence = %s WHERE id = %s",
        (EVIDENCE.model_dump_json(), answer.id),
    )
    reactions.react(ann, answer.id, "down", "Old | price")
    workbench.conversations.rename(ann, conversation, "Élan: # risk | return")
    export = workbench.conversations.export(ann, conversation, form)
    text = export.data.decode()
    assert export.name.startswith("elan-risk-return-20")
    if form == "markdown":
        assert (export.name[-3:], export.media_type) == (".md", "text/markdown; charset=utf-8")
        for line in (
            r"# Élan: \# risk \| return",
            "> What is duration?",
            r"Attached: rates\_2024.csv (csv)",
            r"1. Price of MSFT \| today — Yahoo \[chart\], <https://example.com/q>",
            "2. News (failed: The source is down.)",
            "| 412. | yes | 1 | price of MSFT |",
            "Note: A part is missing.",
            r"Reaction: down. Old \| price",
        ):
            assert line in text.splitlines(), text
        assert text.count("## Question, ") == text.count("## Answer, ") == 3
        return
    assert (export.name[-5:], export.media_type) == (".json", "application/json")
    told = json.loads(text)
    assert (told["id"], told["title"]) == (str(conversation), "Élan: # risk | return")
    assert told["cost"] == {
        "currency": "USD",
        "charged_usd": "0",
        "estimated": False,
        "unresolved_usd": "0",
        "counted_from": None,
    }
    assert told["messages"][0]["attachments"] == [{"name": "rates_2024.csv", "kind": "csv", "bytes": 20}]
    said = told["messages"][1]
    assert said["figures"][0] == {
        "start": 0,
        "end": 4,
        "text": "412.",
        "verified": True,
        "step": 1,
        "words": "price of MSFT",
    }
    assert said["steps"][0]["source"]["url"] == "https://example.com/q"
    assert (said["confidence"], said["reaction"]) == (0.5, {"reaction": "down", "note": "Old | price"})


def test_there_are_two_forms(workbench: Workbench, ann: Principal) -> None:
    with pytest.raises(InvalidRequest, match="as markdown or as json"):
        workbench.conversations.export(ann, _talk(workbench, ann), "pdf")  # type: ignore[arg-type]
