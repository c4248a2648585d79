"""Identical questions in flight at once: one call, one charge, whoever leads, fails or leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from core.ai import gateway as gateway_module
from core.ai.answer import Answer, Question
from core.ai.providers.contract import Message
from core.errors import AssayError, MeteringDenied, ProviderBroke
from core.ids import new_id
from core.metering.books import audit
from core.principal import Principal, Role
from core.workbench import Workbench, open_workbench
from tests.conftest import MoveTime, make_settings, member_factory
from tests.core.ai.test_gateway import LONG, question, used, wait_until
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

Service = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def open_one(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Callable[[], Workbench]]:
    """Opens workbenches on one database, as several processes would; their books balance at the end."""
    opened: list[Workbench] = []

    def make() -> Workbench:
        home = tmp_path / f"home-{len(opened)}"
        home.mkdir()
        settings = make_settings(
            database_url,
            home,
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=chat_server.base_url,
            FIRST_TOKEN_TIMEOUT_S="5",
            TOKEN_GAP_TIMEOUT_S="5",
            TOTAL_TIMEOUT_S="20",
        )
        opened.append(open_workbench(settings))
        return opened[-1]

    yield make
    for workbench in opened:
        workbench.usage_log.flush()
    assert not audit(opened[0].database).differences
    for workbench in opened:
        workbench.close()


@pytest.fixture
def here(open_one: Callable[[], Workbench]) -> Workbench:
    return open_one()


@pytest.fixture
def there(here: Workbench, open_one: Callable[[], Workbench]) -> Workbench:
    """Another process's workbench on the same database, with a cache folder of its own."""
    return open_one()


@pytest.fixture
def ann(here: Workbench) -> Principal:
    return member_factory(here)(plan="premium", org="Acme")


@pytest.fixture
def bob(here: Workbench, ann: Principal) -> Principal:
    """Ann's colleague."""
    return member_factory(here)("bob", plan="premium", org="Acme", role=Role.ANALYST)


@contextmanager
def slow(chat_server: ChatServer) -> Iterator[None]:
    """The provider takes a while for each word."""
    chat_server.reply(text=LONG, delay_s=0.1)
    yield


def rows(service: Service) -> list[tuple[object, ...]]:
    return service.execute("SELECT status, cache_level, charged_usd, saved_usd FROM usage_log ORDER BY at").fetchall()


def test_200_identical_requests_of_two_processes_make_one_call_and_one_charge(
    here: Workbench, there: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer, service: Service
) -> None:
    with slow(chat_server), ThreadPoolExecutor(48) as pool:
        who = [(workbench, user) for workbench in (here, there) for user in (ann, bob)]

        def ask(number: int) -> Answer:
            workbench, user = who[number % 4]
            return workbench.gateway.session(user, question()).result()

        answers = list(pool.map(ask, range(200)))

    assert {answer.text for answer in answers} == {LONG}
    assert chat_server.calls == 1
    assert sum(not answer.is_cached for answer in answers) == 1
    assert used(here, ann) + used(here, bob) == 1
    assert sum(answer.cost_usd > 0 for answer in answers) == 1


def test_a_follower_shares_the_stream_and_holds_no_slot(
    here: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    here.directory.set_plan(ann.org_name, "free")
    free = here.directory.member(ann.email, ann.org_name)  # one request at a time
    with slow(chat_server):
        leader = here.gateway.session(free, question())
        assert chat_server.wait_for(calls=1)
        follower = here.gateway.session(free, question("  WHAT is portfolio diversification? "))
        pieces = list(follower)
        assert leader.result().text == LONG

    assert "".join(pieces) == LONG
    assert len(pieces) > 1
    assert follower.hold is None
    assert follower.answer is not None
    assert (follower.answer.is_cached, follower.answer.cost_usd) == (True, 0)
    assert follower.answer.saved_usd > 0
    here.usage_log.flush()
    assert [row[:2] for row in rows(service)] == [("success", None), ("cached", "flight")]
    assert rows(service)[1][3] == rows(service)[0][2]


def test_a_follower_in_another_process_gets_the_whole_answer(
    here: Workbench, there: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer
) -> None:
    with slow(chat_server):
        leader = here.gateway.session(ann, question())
        assert chat_server.wait_for(calls=1)
        pieces = list(there.gateway.session(bob, question()))
        assert pieces == [LONG]
        assert leader.result().text == LONG
    assert (chat_server.calls, used(here, bob)) == (1, 0)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "other process"])
def test_a_leader_whose_client_leaves_goes_on_while_a_follower_waits(
    here: Workbench,
    there: Workbench,
    ann: Principal,
    bob: Principal,
    chat_server: ChatServer,
    service: Service,
    *,
    elsewhere: bool,
) -> None:
    with slow(chat_server):
        leader = here.gateway.session(ann, question())
        assert chat_server.wait_for(calls=1)
        follower = (there if elsewhere else here).gateway.session(bob, question())
        leader.cancel()
        assert follower.result().text == LONG
    assert chat_server.disconnects == 0
    assert rows(service)[0][0] == "success"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "other process"])
def test_when_the_last_follower_leaves_too_the_call_is_cut(
    here: Workbench,
    there: Workbench,
    ann: Principal,
    bob: Principal,
    chat_server: ChatServer,
    service: Service,
    *,
    elsewhere: bool,
) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens")
    leader = here.gateway.session(ann, question())
    assert next(iter(leader))
    follower = (there if elsewhere else here).gateway.session(bob, question())
    leader.cancel()
    time.sleep(0.3)
    assert chat_server.disconnects == 0
    follower.cancel()
    assert chat_server.wait_for(disconnects=1, timeout_s=6)
    wait_until(lambda: [row[0] for row in rows(service)] == ["cut"])


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "other process"])
def test_when_the_leader_fails_one_follower_takes_over_under_its_own_hold(
    here: Workbench, there: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer, elsewhere: bool
) -> None:
    gate = threading.Event()
    chat_server.reply(text=LONG)
    chat_server.script.append(Reply(status=400, gate=gate))
    leader = here.gateway.session(ann, question())
    assert chat_server.wait_for(calls=1)
    followers = [(there if elsewhere else here).gateway.session(bob, question()) for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = pool.map(lambda session: session.result(), followers)
        gate.set()
        texts = [answer.text for answer in answers]
    with pytest.raises(AssayError):
        leader.result()

    assert texts == [LONG] * 5
    assert chat_server.calls == 2
    assert (used(here, ann), used(here, bob)) == (0, 1)


def test_a_follower_who_was_shown_a_part_of_a_broken_answer_is_told_and_pays_nothing(
    here: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer
) -> None:
    chat_server.reply(text=LONG, cut_after=3, delay_s=0.2)
    leader = here.gateway.session(ann, question())
    follower = here.gateway.session(bob, question())
    with pytest.raises(AssayError):
        leader.result()
    with pytest.raises(ProviderBroke):
        follower.result()
    assert (used(here, ann), used(here, bob)) == (0, 0)


def test_a_follower_who_takes_over_meets_his_own_limits(
    here: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer, service: Service
) -> None:
    gate = threading.Event()
    chat_server.script.append(Reply(status=400, gate=gate))
    leader = here.gateway.session(ann, question())
    assert chat_server.wait_for(calls=1)
    service.execute("UPDATE memberships SET budget_usd_month = 0 WHERE user_id = %s", (bob.user_id,))
    follower = here.gateway.session(bob, question())  # free as long as somebody else answers
    gate.set()
    with pytest.raises(AssayError):
        leader.result()
    with pytest.raises(MeteringDenied):
        follower.result()
    assert chat_server.calls == 1


def test_asking_again_on_purpose_neither_leads_nor_follows(
    here: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    with slow(chat_server):
        first = here.gateway.session(ann, question())
        again = here.gateway.session(ann, question(skips_cache=True))
        assert (first.result().is_cached, again.result().is_cached) == (False, False)
    assert (chat_server.calls, used(here, ann)) == (2, 2)


def test_another_organisation_never_joins(here: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    eve = member_factory(here)("eve", plan="premium", org="Evil")
    with slow(chat_server):
        first, other = here.gateway.session(ann, question()), here.gateway.session(eve, question())
        assert not first.result().is_cached
        assert not other.result().is_cached
    assert chat_server.calls == 2


def test_a_private_question_is_followed_by_its_owner_alone(
    here: Workbench, there: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer
) -> None:
    with slow(chat_server):
        first = here.gateway.session(ann, question(is_private=True))
        assert chat_server.wait_for(calls=1)
        others = there.gateway.session(bob, question(is_private=True))
        mine = there.gateway.session(ann, question(is_private=True))
        assert (first.result().is_cached, others.result().is_cached, mine.result().is_cached) == (False, False, True)
    assert chat_server.calls == 2


def test_at_most_fifty_follow_and_the_next_asks_on_its_own(
    here: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    chat_server.reply(text=LONG, hangs="first_token")
    sessions = [here.gateway.session(ann, question()) for _ in range(51)]
    assert chat_server.wait_for(calls=1)
    sessions.append(here.gateway.session(ann, question()))
    assert chat_server.wait_for(calls=2)
    for session in sessions:
        session.cancel()
    assert chat_server.wait_for(disconnects=2)


def test_the_database_takes_fifty_followers_of_other_processes(ann: Principal, service: Service) -> None:
    key = b"k" * 32

    def reserve() -> tuple[object, ...]:
        row = service.execute(
            "SELECT r.outcome, r.hold_id FROM reserve(gen_random_uuid(), gen_random_uuid(), %s, %s, 'chat_query',"
            " 'p', 'm', 'v', 0.001, 100, p_flight_key => %s) r",
            (ann.org_id, ann.user_id, key),
        ).fetchone()
        assert row is not None
        return row

    leader = reserve()
    assert leader[0] == "granted"
    assert {reserve() for _ in range(50)} == {("flight", leader[1])}
    assert reserve()[0] == "granted"


def test_a_repeat_that_overlaps_its_first_try_gets_its_hold_and_not_what_another_just_kept(
    workbench: Workbench, ann: Principal, service: Service
) -> None:
    """Its reply was lost while it still ran. Given the other's answer, nobody would end the hold of the first try."""
    hold_id, key = new_id(), b"k" * 32
    statement = (
        "SELECT r.outcome, r.hold_id FROM reserve(%s, %s, %s, %s, 'chat_query', 'p', 'm', 'v', 0.001, 100, "
        "p_cache_scope => 'public', p_cache_key => %s) r"
    )
    values = (hold_id, new_id(), ann.org_id, ann.user_id, key)
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    with ThreadPoolExecutor(1) as pool:
        with workbench.database.service() as first:
            assert first.exec_driver_sql(statement, values).one() == ("granted", hold_id)
            service.execute(
                "INSERT INTO cache_entries (scope, key, task, value, created_at, expires_at) "
                "VALUES ('public', %s, 'chat', '{}', assay_now(), assay_now() + interval '1 hour')",
                (key,),
            )
            repeat = pool.submit(lambda: service.execute(statement, values).fetchone())
            wait_until(lambda: repeat.done() or first.exec_driver_sql(waiting).first() is not None)
        assert repeat.result(timeout=10) == ("granted", hold_id)


def test_who_follows_longer_than_he_may_asks_on_his_own(
    here: Workbench, there: Workbench, ann: Principal, chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "FOLLOW_WAIT_S", 0.3)
    chat_server.script.append(Reply(hangs="first_token"))
    chat_server.reply(text=LONG)
    leader = here.gateway.session(ann, question())
    assert chat_server.wait_for(calls=1)
    assert there.gateway.session(ann, question()).result().text == LONG
    assert chat_server.calls == 2
    leader.cancel()


def test_a_leader_that_was_killed_is_followed_until_its_hold_is_overdue(
    here: Workbench, ann: Principal, chat_server: ChatServer, service: Service, move_time: MoveTime
) -> None:
    """Its process is gone: what is left of it is an open hold with the question's flight key."""
    with closing(open_workbench(here.settings)) as killed:
        chat_server.script.append(Reply(hangs="first_token"))
        lost = killed.gateway.session(ann, question())
        assert chat_server.wait_for(calls=1)
        chat_server.reply(text=LONG)
        follower = here.gateway.session(ann, question())
        move_time(timedelta(minutes=10))
        assert follower.result().text == LONG
        assert lost.hold is not None
    states = service.execute("SELECT state, resolution FROM holds ORDER BY created_at").fetchall()
    assert states == [("expired", "unresolved"), ("settled", "success")]


def test_a_repeat_after_the_flight_is_a_hit_in_every_process(
    here: Workbench, there: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    chat_server.reply(text=LONG)
    here.gateway.session(ann, question()).result()
    again = there.gateway.session(ann, question()).result()
    assert (again.is_cached, chat_server.calls) == (True, 1)


def test_a_flight_is_named_by_all_that_an_answer_depends_on(
    here: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    asked = (
        question(),
        question(temperature=0.1),
        question(max_tokens=65),
        question(json_schema={}),
        question(stop=("x",)),
        Question(
            messages=(Message("system", "Be short."), *question().messages), model=question().model, max_tokens=64
        ),
    )
    chat_server.reply(text='{"a": 1}', delay_s=0.1)
    sessions = [here.gateway.session(ann, each) for each in asked[:5]]
    for session in sessions:
        session.result()
    here.gateway.session(ann, asked[5]).result()
    assert chat_server.calls == 6
