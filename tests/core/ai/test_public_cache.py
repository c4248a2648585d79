"""Answers that every organisation shares: of questions which the server built from public data alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.ai import cache as cache_module
from core.ai.answer import PUBLIC_TASKS, Answer, Question
from core.ai.cache import LIFETIMES_S, Scope
from core.db import cache_dao
from core.errors import AssayError, MeteringDenied
from core.metering.meter import Feature
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MoveTime, member_factory
from tests.core.ai import test_flights as flights
from tests.core.ai.test_gateway import LONG, question
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

Service = psycopg.Connection[tuple[object, ...]]

open_one, here, there = flights.open_one, flights.here, flights.there
ASKED: dict[str, Any] = {
    "task": "signal_validation",
    "feature": Feature.SIGNAL_VALIDATION,
    "is_public": True,
    "is_normalised": False,
}


@pytest.fixture
def ann(here: Workbench) -> Principal:
    return member_factory(here)(plan="premium", org="Acme")


@pytest.fixture
def sue(here: Workbench) -> Principal:
    """Of another organisation."""
    return member_factory(here)("sue", plan="free", org="Sunrise")


@pytest.fixture(params=[False, True], ids=["same process", "other process"])
def second_one(request: pytest.FixtureRequest, here: Workbench, there: Workbench) -> Workbench:
    """Where the second of two is asked."""
    return there if request.param else here


def public(**changes: Any) -> Question:
    return question("What is this signal worth?", **{**ASKED, **changes})


def ask(workbench: Workbench, who: Principal, **changes: Any) -> Answer:
    return workbench.gateway.session(who, public(**changes)).result()


def used(workbench: Workbench, who: Principal) -> int:
    return workbench.usage.quota(who, "signal_validations_day").used


def rows(service: Service) -> list[tuple[object, ...]]:
    return service.execute(
        "SELECT o.name, u.status, u.feature, u.charged_usd, u.cost_usd, u.saved_usd > 0, u.hold_id IS NULL "
        "FROM usage_log u JOIN organisations o ON o.id = u.org_id ORDER BY u.at"
    ).fetchall()


@contextmanager
def slow(chat_server: ChatServer) -> Iterator[None]:
    chat_server.reply(text=LONG, delay_s=0.1)
    yield


def test_another_organisation_is_served_free(
    here: Workbench, second_one: Workbench, ann: Principal, sue: Principal, chat_server: ChatServer, service: Service
) -> None:
    first, second = ask(here, ann), ask(second_one, sue)
    assert (first.is_cached, second.is_cached, second.text, second.cost_usd) == (False, True, first.text, 0)
    assert second.saved_usd == first.cost_usd > 0
    assert (chat_server.calls, used(here, ann), used(here, sue)) == (1, 1, 0)
    second_one.usage_log.flush()
    assert rows(service) == [
        ("Acme", "success", "signal_validation", first.cost_usd, first.cost_usd, False, False),
        ("Sunrise", "cached", "signal_validation", 0, 0, True, True),
    ]
    kept = service.execute("SELECT scope, org_id, user_id, task FROM cache_entries").fetchall()
    assert kept == [("public", None, None, "signal_validation")]


def test_it_is_free_also_when_quota_and_money_are_used_up(
    here: Workbench, ann: Principal, sue: Principal, chat_server: ChatServer, service: Service
) -> None:
    ask(here, ann)
    for number in range(5):
        ask(here, sue, data_version=str(number))
    service.execute("UPDATE memberships SET budget_usd_month = 0")
    service.execute("UPDATE organisations SET budget_usd_month = 0")
    with pytest.raises(MeteringDenied):
        ask(here, sue, data_version="another")
    calls = chat_server.calls
    assert ask(here, sue).is_cached
    assert (chat_server.calls, used(here, sue)) == (calls, 5)


def test_two_organisations_at_once_make_one_call(
    here: Workbench, second_one: Workbench, ann: Principal, sue: Principal, chat_server: ChatServer
) -> None:
    with slow(chat_server):
        leader = here.gateway.session(ann, public())
        assert chat_server.wait_for(calls=1)
        follower = second_one.gateway.session(sue, public())
        assert follower.hold is None
        followed, led = follower.result(), leader.result()
    assert (led.is_cached, followed.is_cached, followed.text, followed.cost_usd) == (False, True, LONG, 0)
    assert followed.request_id != led.request_id
    assert (chat_server.calls, used(here, ann), used(here, sue)) == (1, 1, 0)


def test_many_of_many_organisations_at_once_make_one_call_and_one_charge(
    here: Workbench, there: Workbench, ann: Principal, sue: Principal, chat_server: ChatServer
) -> None:
    who = [(workbench, user) for workbench in (here, there) for user in (ann, sue)]
    with slow(chat_server), ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: ask(*who[number % 4]), range(60)))
    assert {answer.text for answer in answers} == {LONG}
    assert chat_server.calls == 1
    assert sum(not answer.is_cached for answer in answers) == 1
    assert used(here, ann) + used(here, sue) == 1


def test_a_follower_of_another_organisation_takes_over_under_its_own_hold(
    here: Workbench, second_one: Workbench, ann: Principal, sue: Principal, chat_server: ChatServer
) -> None:
    gate = threading.Event()
    chat_server.reply(text=LONG)
    chat_server.script.append(Reply(status=400, gate=gate))
    leader = here.gateway.session(ann, public())
    assert chat_server.wait_for(calls=1)
    follower = second_one.gateway.session(sue, public())
    gate.set()
    answer = follower.result()
    with pytest.raises(AssayError):
        leader.result()
    assert (answer.text, answer.is_cached) == (LONG, False)
    assert (chat_server.calls, used(here, ann), used(here, sue)) == (2, 0, 1)


def test_a_public_answer_never_comes_of_a_question_that_is_not(
    here: Workbench, ann: Principal, sue: Principal, chat_server: ChatServer
) -> None:
    ask(here, ann, is_public=False)
    assert not ask(here, sue).is_cached
    assert chat_server.calls == 2


def test_a_question_that_is_not_public_is_not_given_a_public_answer_nor_its_flight(
    here: Workbench, ann: Principal, sue: Principal, chat_server: ChatServer
) -> None:
    with slow(chat_server):
        leader = here.gateway.session(ann, public())
        assert chat_server.wait_for(calls=1)
        assert not ask(here, sue, is_public=False).is_cached
        assert not leader.result().is_cached
    assert not ask(here, ann, is_public=False).is_cached
    assert chat_server.calls == 3


@pytest.mark.parametrize(
    "changes",
    [{"model": "gpt-4o"}, {"prompt_version": "validate_signal/2"}, {"data_version": "x"}, {"temperature": 0.1}],
)
def test_whatever_it_depends_on_makes_another_public_answer(
    here: Workbench, ann: Principal, chat_server: ChatServer, changes: dict[str, Any]
) -> None:
    sue = member_factory(here)("sue", plan="premium", org="Sunrise")
    ask(here, ann)
    assert not ask(here, sue, **changes).is_cached


def test_how_an_answer_is_read_makes_no_other_key(here: Workbench, ann: Principal, sue: Principal) -> None:
    ask(here, ann, reads=lambda text: text)
    assert ask(here, sue, reads=lambda text: text.strip()).is_cached


def test_it_is_kept_for_a_day(
    here: Workbench, ann: Principal, sue: Principal, move_time: MoveTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "MACHINE_LIFE_S", 0.001)
    ask(here, ann)
    move_time(timedelta(hours=23, minutes=59))
    assert ask(here, sue).is_cached
    move_time(timedelta(hours=24, minutes=1))
    assert not ask(here, sue).is_cached


@pytest.mark.parametrize("task", sorted({*LIFETIMES_S} - PUBLIC_TASKS))
def test_only_named_tasks_have_public_answers(task: str) -> None:
    with pytest.raises(ValueError, match="named public task"):
        question("What is my portfolio worth?", task=task, is_public=True)
    with pytest.raises(ValueError, match="named public task"):
        replace(public(), task=task)


def test_what_is_of_one_user_alone_is_never_public() -> None:
    with pytest.raises(ValueError, match="nobody's own data"):
        public(is_private=True)


def test_the_oldest_of_many_public_entries_are_forgotten_and_no_organisations(
    here: Workbench, ann: Principal, service: Service
) -> None:
    for number in range(4):
        ask(here, ann, data_version=str(number))
        ask(here, ann, data_version=str(number), is_public=False)
    with here.database.single() as connection:
        cache_dao.trim(connection, str(Scope(None)), 2)
    counts = service.execute("SELECT scope = 'public', count(*) FROM cache_entries GROUP BY 1 ORDER BY 1").fetchall()
    assert counts == [(False, 4), (True, 2)]


def test_the_books_balance_of_both_organisations(
    here: Workbench, ann: Principal, sue: Principal, service: Service
) -> None:
    """The fixture audits them at the end; here what each is charged."""
    ask(here, ann)
    ask(here, sue)
    held = service.execute("SELECT count(*), sum(charged_usd) FROM holds").fetchone()
    assert held is not None
    assert (held[0], Decimal(str(held[1])) > 0) == (1, True)
