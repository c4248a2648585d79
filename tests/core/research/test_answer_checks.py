"""How many figures were verified, by model: what is kept, and who sees it."""

from __future__ import annotations

import pytest

from core.ai.evidence import Evidence, Mark, Step
from core.errors import Conflict, InvalidRequest
from core.ids import new_id
from core.principal import Role
from core.research.answer_checks import AnswerChecks
from core.workbench import Workbench
from tests.conftest import MakeMember


def _evidence(verified: int, unverified: int, *, failed: int = 0) -> Evidence:
    marks = [Mark(start=at, end=at + 1, is_verified=at < verified) for at in range(verified + unverified)]
    steps = [
        Step(number=1 + at, tool="quote", arguments={}, words="Last price", state="failed" if at < failed else "done")
        for at in range(2)
    ]
    return Evidence(steps=tuple(steps), marks=tuple(marks))


@pytest.fixture
def checks(workbench: Workbench) -> AnswerChecks:
    return AnswerChecks(workbench.database)


def test_the_figures_of_answers_are_summed_by_model(checks: AnswerChecks, member: MakeMember) -> None:
    ann = member("ann")
    checks.add(ann, new_id(), provider="openai", model="a", evidence=_evidence(3, 1, failed=1))
    checks.add(ann, new_id(), provider="openai", model="a", evidence=_evidence(1, 3))
    checks.add(ann, new_id(), provider="offline", model="b", evidence=_evidence(0, 0))

    first, second = checks.by_model(ann)

    assert (first.model, first.provider, first.answers) == ("a", "openai", 2)
    assert (first.figures, first.verified, first.share) == (8, 4, 0.5)
    assert (first.steps, first.failed_steps) == (4, 1)
    assert (second.model, second.answers, second.share) == ("b", 1, None)


def test_an_answer_is_counted_once(checks: AnswerChecks, member: MakeMember) -> None:
    ann, request_id = member("ann"), new_id()
    for evidence in (_evidence(1, 1), _evidence(2, 0)):
        checks.add(ann, request_id, provider="openai", model="a", evidence=evidence)

    (found,) = checks.by_model(ann)

    assert (found.answers, found.verified) == (1, 1)


def test_it_is_kept_in_the_transaction_of_the_answer(
    checks: AnswerChecks, workbench: Workbench, member: MakeMember
) -> None:
    ann = member("ann")

    def fail() -> None:
        with workbench.database.app(ann) as connection:
            checks.add(connection, new_id(), provider="openai", model="a", evidence=_evidence(1, 0))
            raise Conflict("The answer could not be saved.")

    with pytest.raises(Conflict):
        fail()
    assert checks.by_model(ann) == []

    with workbench.database.app(ann) as connection:
        checks.add(connection, new_id(), provider="openai", model="a", evidence=_evidence(1, 0))
    assert [each.answers for each in checks.by_model(ann)] == [1]


def test_an_owner_sees_what_the_organisation_asked_and_a_member_their_own(
    checks: AnswerChecks, member: MakeMember
) -> None:
    ann = member("ann", org="Acme")
    bob = member("bob", org="Acme", role=Role.ANALYST)
    eve = member("eve", org="Other")
    for who in (ann, bob, eve):
        checks.add(who, new_id(), provider="openai", model="a", evidence=_evidence(1, 0))

    seen = {who.email: [each.answers for each in checks.by_model(who)] for who in (ann, bob, eve)}

    assert seen == {ann.email: [2], bob.email: [1], eve.email: [1]}


@pytest.mark.parametrize("days", [0, -1, 367])
def test_a_span_out_of_range_is_refused(checks: AnswerChecks, member: MakeMember, days: int) -> None:
    with pytest.raises(InvalidRequest, match="between 1 and 366"):
        checks.by_model(member("ann"), days=days)
