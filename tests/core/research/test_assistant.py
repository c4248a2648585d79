"""Questions in conversations: what is kept, what is shown to whom, what a repeat costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest

from core.ai.answer import Answer
from core.ai.prompts import load_prompt
from core.errors import ConfigurationError, MeteringDenied, NotFound, PromptRejected
from core.ids import new_id
from core.portfolio.portfolios import PortfolioSettings
from core.principal import Principal, Role
from core.settings import DATA
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.research.bundles_made import GENERATED, assert_balanced, portfolio

Service = psycopg.Connection[tuple[object, ...]]


def answer_to(workbench: Workbench, who: Principal, text: str, conversation_id: object = None) -> Answer:
    """Asks and waits."""
    return workbench.assistant.ask(who, text, conversation_id=conversation_id).session.result()  # type: ignore[arg-type]


def test_a_question_and_its_answer_are_kept_in_order(workbench: Workbench, member: MakeMember) -> None:
    ann = member(plan="basic")
    exchange = workbench.assistant.ask(ann, "  What is duration? ")
    answer = exchange.session.result()
    answer_to(workbench, ann, "And what is beta?", exchange.conversation_id)
    shown = workbench.conversations.messages(ann, exchange.conversation_id)
    assert [message.role for message in shown] == ["user", "assistant", "user", "assistant"]
    assert (shown[0].text, shown[1].text, shown[1].id) == ("What is duration?", answer.text, exchange.message_id)
    assert (shown[1].is_offline, shown[1].cost_usd, shown[1].completion_tokens) == (
        True,
        0,
        answer.usage.completion_tokens,
    )
    assert [row.title for row in workbench.conversations.latest(ann)] == ["What is duration?"]


def test_a_repeat_in_the_same_conversation_is_a_hit_as_of_the_earlier_turn(
    workbench: Workbench, member: MakeMember
) -> None:
    ann = member(plan="basic")
    exchange = workbench.assistant.ask(ann, "What is duration?")
    exchange.session.result()
    answer_to(workbench, ann, "What is beta?", exchange.conversation_id)
    for again in ("what is  DURATION?", "What is beta?", "What is duration?"):
        assert answer_to(workbench, ann, again, exchange.conversation_id).is_cached
    assert workbench.usage.quota(ann).used == 2


def test_the_same_question_in_another_context_is_another_question(workbench: Workbench, member: MakeMember) -> None:
    ann = member(plan="basic")
    first = workbench.assistant.ask(ann, "What is duration?")
    first.session.result()
    answer_to(workbench, ann, "Tell me more", first.conversation_id)
    second = workbench.assistant.ask(ann, "What is beta?")
    second.session.result()
    assert not answer_to(workbench, ann, "Tell me more", second.conversation_id).is_cached


def test_regenerating_replaces_the_answer_and_is_charged(workbench: Workbench, member: MakeMember) -> None:
    ann = member(plan="basic")
    exchange = workbench.assistant.ask(ann, "What is duration?")
    exchange.session.result()
    again = workbench.assistant.regenerate(ann, exchange.conversation_id)
    assert not again.session.result().is_cached
    shown = workbench.conversations.messages(ann, exchange.conversation_id)
    assert [message.id for message in shown if message.role == "assistant"] == [again.message_id]
    assert workbench.usage.quota(ann).used == 2


def test_a_denied_question_is_not_kept(workbench: Workbench, member: MakeMember, service: Service) -> None:
    ann = member()
    service.execute("UPDATE plan_limits SET chat_queries_day = 0 WHERE plan = 'free'")
    with pytest.raises(MeteringDenied):
        workbench.assistant.ask(ann, "What is duration?")
    assert workbench.conversations.latest(ann) == []


@pytest.mark.parametrize("text", ["", " \n\t", "\x00", "\ud800", "x" * 20_001])
def test_what_is_no_question_leaves_nothing_behind(workbench: Workbench, member: MakeMember, text: str) -> None:
    ann = member()
    with pytest.raises(PromptRejected):
        workbench.assistant.ask(ann, text)
    assert workbench.conversations.latest(ann) == []


def test_a_conversation_of_someone_else_is_not_there(workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann", org="Acme", plan="team"), member("bob", org="Acme", plan="team")
    exchange = workbench.assistant.ask(ann, "What is duration?")
    exchange.session.result()
    for foreign in (exchange.conversation_id, new_id()):
        for action in (
            lambda foreign=foreign: workbench.conversations.messages(bob, foreign),
            lambda foreign=foreign: workbench.assistant.ask(bob, "And?", conversation_id=foreign),
            lambda foreign=foreign: workbench.assistant.regenerate(bob, foreign),
            lambda foreign=foreign: workbench.conversations.delete(bob, foreign),
        ):
            with pytest.raises(NotFound):
                action()
    assert workbench.usage.quota(bob).used == 0


def test_a_deleted_conversation_is_gone_and_its_usage_stays(
    workbench: Workbench, member: MakeMember, service: Service
) -> None:
    ann = member()
    exchange = workbench.assistant.ask(ann, "What is duration?")
    exchange.session.result()
    workbench.conversations.delete(ann, exchange.conversation_id)
    with pytest.raises(NotFound):
        workbench.conversations.messages(ann, exchange.conversation_id)
    assert service.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    assert service.execute("SELECT count(*) FROM usage_log").fetchone() == (1,)


def test_a_conversation_that_is_deleted_while_it_is_answered_is_charged_all_the_same(
    workbench: Workbench, member: MakeMember
) -> None:
    ann = member()
    exchange = workbench.assistant.ask(ann, "What is duration?")
    workbench.conversations.delete(ann, exchange.conversation_id)
    assert exchange.session.result().state == "complete"
    assert workbench.usage.quota(ann).used == 1


def test_a_changed_prompt_has_another_version(tmp_path: object) -> None:
    shipped = load_prompt(DATA / "prompts", "chat")
    assert shipped.version.startswith("chat/2/")
    with pytest.raises(ConfigurationError, match=r"missing\.md"):
        load_prompt(DATA / "prompts", "missing")


@pytest.mark.parametrize(
    "text",
    [
        "Compare it with the benchmark.",
        "How many IBM shares do I own?",
        "Show the drawdown.",
        "How much cash is there?",
    ],
)
def test_a_question_that_may_mean_several_portfolios_is_asked_back_by_their_names(
    workbench: Workbench, member: MakeMember, text: str
) -> None:
    ann = member(plan="basic")
    for name in ("One", "Other"):
        workbench.portfolio.portfolios.create(ann, PortfolioSettings(name=name))
    answer = answer_to(workbench, ann, text)
    assert "One" in answer.text
    assert "Other" in answer.text


def test_a_conversation_whose_portfolio_is_seen_no_more_goes_on_without_it(
    workbench: Workbench, member: MakeMember
) -> None:
    workbench.market.load_shipped()
    ann, eve = member("ann", org="Acme", plan="team"), member("eve", org="Acme", plan="team", role=Role.ANALYST)
    held = portfolio(workbench, ann, GENERATED, shared_with="analyst")
    exchange = workbench.assistant.ask(eve, "What do I hold?", portfolio_id=held)
    first = exchange.session.result().text
    assert GENERATED[0] in first
    workbench.portfolio.portfolios.alter(ann, held, {"shared_with": None})
    with pytest.raises(NotFound, match="no longer shared"):
        workbench.assistant.regenerate(eve, exchange.conversation_id)
    assert workbench.conversations.messages(eve, exchange.conversation_id)[-1].text == first
    for place in (exchange.conversation_id, None):
        with pytest.raises(NotFound, match="no longer shared"):
            workbench.assistant.ask(eve, "What do I hold?", portfolio_id=held, conversation_id=place)
    answer = answer_to(workbench, eve, "What do I hold?", exchange.conversation_id)
    assert GENERATED[0] not in answer.text
    assert not answer.is_cached
    assert workbench.conversations.open(eve, exchange.conversation_id).row.portfolio_id is None
    assert workbench.usage.quota(eve).used == 2
    assert_balanced(workbench)


def _another_benchmark(workbench: Workbench, ann: Principal, held: UUID) -> None:
    workbench.portfolio.portfolios.alter(ann, held, {"benchmark": GENERATED[1]})


def _another_benchmark_of_all(workbench: Workbench, ann: Principal, _held: UUID) -> None:
    settings = workbench.profiles.organisation(ann)
    workbench.profiles.keep_organisation(ann, replace(settings, benchmark=GENERATED[1]))


def _another_rate(workbench: Workbench, ann: Principal, _held: UUID) -> None:
    settings = workbench.profiles.organisation(ann)
    workbench.profiles.keep_organisation(ann, replace(settings, risk_free_rate=Decimal("0.2")))


@pytest.mark.parametrize(
    ("text", "change"),
    [
        pytest.param("What is the beta?", _another_benchmark, id="benchmark"),
        pytest.param("What is the beta?", _another_benchmark_of_all, id="organisation"),
        pytest.param("What is my Sharpe ratio?", _another_rate, id="rate"),
    ],
)
def test_an_answer_is_not_given_again_once_what_it_was_measured_by_is_another(
    workbench: Workbench, member: MakeMember, text: str, change: Callable[[Workbench, Principal, UUID], None]
) -> None:
    workbench.market.load_shipped()
    ann = member(plan="team", org="Acme")
    held = portfolio(workbench, ann, GENERATED)

    def asked() -> Answer:
        return workbench.assistant.ask(ann, text, portfolio_id=held).session.result()

    first = asked()
    assert asked().is_cached
    change(workbench, ann, held)
    second = asked()
    assert (second.is_cached, second.text == first.text) == (False, False)


def test_a_definition_of_the_offline_provider_rests_on_no_step_and_has_no_unverified_marks(
    workbench: Workbench, member: MakeMember
) -> None:
    ann = member()
    exchange = workbench.assistant.ask(ann, "What is beta?")
    answer = exchange.session.result()
    assert any(sign.isdigit() for sign in answer.text)
    assert answer.evidence is None
    assert workbench.conversations.open(ann, exchange.conversation_id).evidence == {}
    assert workbench.research.checks.by_model(ann) == []
