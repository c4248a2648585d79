"""Replays against a provider on a socket: what is shown, what it may cost, where it stops, what is compared."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ai.prompts import Prompt, load_prompt
from core.errors import (
    AssayError,
    Denial,
    Forbidden,
    InvalidRequest,
    MeteringDenied,
    NotConfigured,
    NotFound,
    PlanRequired,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderUnavailable,
    StillRunning,
)
from core.metering.books import audit
from core.principal import Principal, Role
from core.settings import DATA
from core.verdicts.replays import ReplayPlan, ReplayRequest, ReplayResult, _Purse, _wait_s
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, make_settings, member_factory
from tests.fakes.canaries import without_canary
from tests.fakes.chat_server import ChatServer, Reply

Service = psycopg.Connection[tuple[object, ...]]
KEPT_MODEL, OTHER_MODEL = "gpt-4o-mini", "gpt-4.1-mini"
PROMPT = Prompt("validate_signal", "validate_signal/2/terse", "Judge the signal. Answer with JSON.")
PLENTY = Decimal(1)


def answer(verdict: str, confidence: float = 0.6) -> str:
    """What a model says."""
    fields = {"verdict": verdict, "confidence": confidence, "reasoning": "The stop is at 95.", "risk_factors": []}
    return json.dumps({**fields, "entry_suggestion": ""})


def body(symbol: str) -> dict[str, Any]:
    """A caller's own snapshot."""
    return {
        "symbol": symbol,
        "signal_type": "golden_cross",
        "signal_direction": "bullish",
        "entry_price": 100.0,
        "current_price": 100.0,
        "target_price": 110.0,
        "stop_loss": 95.0,
    }


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench whose OpenAI is the scripted server; its books balance at the end."""
    given = make_settings(database_url, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url)
    with closing(open_workbench(given)) as opened:
        yield opened
        assert audit(opened.database).differences == []


@pytest.fixture
def make(live: Workbench) -> MakeMember:
    """Makes members of it."""
    return member_factory(live)


@pytest.fixture
def ann(make: MakeMember) -> Principal:
    """An owner who may ask a few hundred times a day."""
    return make("ann", plan="premium")


Keep = Callable[..., None]


@pytest.fixture
def keep(live: Workbench, chat_server: ChatServer) -> Keep:
    """Has verdicts kept of snapshots: `keep(ann, A="BUY", B="SELL")`, in this order."""

    def keep(principal: Principal, **verdicts: str) -> None:
        for symbol, verdict in verdicts.items():
            chat_server.script.append(Reply(answer(verdict)))
            live.verdicts.validations.validate_snapshot(principal, body(symbol), model=KEPT_MODEL)
        chat_server.requests.clear()

    return keep


def request(budget: Decimal = PLENTY, **changes: Any) -> ReplayRequest:
    """Of the shipped prompt's snapshots, through another model."""
    return ReplayRequest(**{"model": OTHER_MODEL, "prompt": PROMPT, "budget_usd": budget, **changes})


def run(opened: Workbench, principal: Principal, asked: ReplayRequest) -> ReplayResult:
    """Plans it and runs it."""
    replays = opened.verdicts.replays
    return replays.run(principal, replays.plan(principal, asked), lambda _done, _total: None)


def planned(opened: Workbench, principal: Principal, **changes: Any) -> ReplayPlan:
    """What it would ask."""
    return opened.verdicts.replays.plan(principal, request(**changes))


def shown(chat_server: ChatServer) -> list[str]:
    """Symbols of the snapshots that the provider was shown, in order."""
    texts = [json.dumps(received.body["messages"]) for received in chat_server.requests]
    return [symbol for text in texts for symbol in ("AAA", "BBB", "CCC", "DDD", "EEE") if symbol in text]


def score(service: Service, symbol: str, move: float) -> None:
    """Says what became of the verdict kept on a symbol."""
    service.execute(
        "INSERT INTO verdict_scores (verdict_id, org_id, entry_day, exit_5, move_5, scored_at) "
        "SELECT id, org_id, '2010-03-02', '2010-03-08', %s, assay_now() FROM verdicts "
        "WHERE symbol = %s AND purpose <> 'replay'",
        (move, symbol),
    )


def charged(service: Service) -> Decimal:
    """What all requests were charged."""
    row = service.execute("SELECT coalesce(sum(charged_usd), 0) FROM usage_log").fetchone()
    assert row is not None
    assert isinstance(row[0], Decimal)
    return row[0]


def test_the_same_snapshots_are_shown_to_the_other_model_under_the_other_prompt(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer
) -> None:
    keep(ann, AAA="BUY", BBB="SELL", CCC="HOLD")
    chat_server.reply(text=answer("BUY"))
    result = run(live, ann, request())
    assert sorted(shown(chat_server)) == ["AAA", "BBB", "CCC"]
    for received in chat_server.requests:
        assert received.body["model"] == OTHER_MODEL
        assert without_canary(received.body["messages"])[0] == {"role": "system", "content": PROMPT.text}
        assert received.body["temperature"] <= 0.3
    assert (result.asked, result.earlier, result.waiting, result.stopped) == (3, 0, 0, None)
    assert result.comparison is not None
    assert (result.comparison.n, result.comparison.agreed) == (3, 1)
    assert dict(result.comparison.matrix) == {("BUY", "BUY"): 1, ("SELL", "BUY"): 1, ("HOLD", "BUY"): 1}
    assert (result.comparison.replay.numbers, result.comparison.replay.numbers_verified) == (3, 3)
    assert result.comparison.replay.latency_ms is not None


def test_what_a_replay_brought_stands_apart_from_what_was_kept(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY")
    chat_server.reply(text=answer("SELL"))
    run(live, ann, request())
    rows = service.execute(
        "SELECT purpose, verdict, model, prompt_version, user_id IS NULL FROM verdicts ORDER BY created_at"
    ).fetchall()
    assert rows[1] == ("replay", "SELL", OTHER_MODEL, PROMPT.version, True)
    assert rows[0][:2] == ("asked", "BUY")
    assert [brief.verdict for brief in live.verdicts.validations.page(ann).verdicts] == ["BUY"]


def test_the_same_replay_again_pays_for_nothing_twice_and_goes_on_with_what_is_new(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY", BBB="BUY")
    chat_server.reply(text=answer("BUY"))
    run(live, ann, request())
    before = charged(service)
    again = run(live, ann, request())
    assert (again.asked, again.earlier, again.spent_usd, chat_server.calls) == (0, 2, 0, 2)
    assert again.comparison is not None
    assert again.comparison.n == 2
    assert charged(service) == before
    keep(ann, CCC="BUY")
    more = run(live, ann, request())
    assert (more.asked, more.earlier, shown(chat_server)) == (1, 2, ["CCC"])
    other = run(live, ann, request(prompt=Prompt("validate_signal", "validate_signal/3/other", "Judge it. JSON.")))
    assert (other.asked, other.earlier) == (3, 0), "another prompt is another replay"


def test_what_was_settled_before_a_kill_is_not_asked_again(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY")
    chat_server.reply(text=answer("BUY"))
    run(live, ann, request())
    service.execute("DELETE FROM verdicts WHERE purpose = 'replay'")  # as if killed between settlement and verdict
    before = charged(service)
    again = run(live, ann, request())
    assert (again.asked, chat_server.calls, charged(service)) == (1, 1, before)
    assert service.execute("SELECT count(*) FROM verdicts WHERE purpose = 'replay'").fetchone() == (1,)


def test_known_outcomes_come_first_then_the_newest(
    live: Workbench, ann: Principal, keep: Keep, service: Service
) -> None:
    keep(ann, AAA="BUY", BBB="BUY", CCC="BUY", DDD="BUY")
    score(service, "AAA", 0.1)
    score(service, "BBB", -0.1)
    assert [row.symbol for row in planned(live, ann).kept] == ["BBB", "AAA", "DDD", "CCC"]
    assert [row.symbol for row in planned(live, ann, most=3).kept] == ["BBB", "AAA", "DDD"]
    assert [row.symbol for row in planned(live, ann, is_scored_only=True).kept] == ["BBB", "AAA"]


def test_both_sides_are_judged_by_what_became_of_the_price(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY", BBB="BUY")
    score(service, "AAA", 0.1)
    score(service, "BBB", -0.1)
    chat_server.reply(text=answer("SELL", 0.9))
    comparison = run(live, ann, request()).comparison
    assert comparison is not None
    kept, replay = comparison.kept.scores[5], comparison.replay.scores[5]
    assert (kept.n, kept.hits, replay.n, replay.hits) == (2, 1, 2, 1)
    assert kept.brier == pytest.approx((0.4**2 + 0.6**2) / 2)
    assert replay.brier == pytest.approx((0.9**2 + 0.1**2) / 2)
    assert comparison.kept.scores[20].n == 0


def test_a_replay_changes_no_board(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY")
    service.execute("UPDATE verdicts SET decided_on = '2010-03-01'")
    score(service, "AAA", 0.1)
    before = live.verdicts.scoreboard.of(ann, include="all")
    chat_server.reply(text=answer("SELL"))
    run(live, ann, request())
    service.execute("UPDATE verdicts SET decided_on = '2010-03-01'")
    assert live.verdicts.scoreboard.of(ann, include="all") == before
    assert before.total.n == 1


def test_no_call_begins_that_could_exceed_the_budget(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY", BBB="BUY", CCC="BUY", DDD="BUY", EEE="BUY")
    before = charged(service)
    most = max(planned(live, ann).most_usd.values())
    # What the provider counts is close to the worst case, so that the budget of two and a half ends after two or three.
    chat_server.reply(text=answer("BUY"), usage={"prompt_tokens": 1500, "completion_tokens": 512, "total_tokens": 2012})
    result = run(live, ann, request(most * Decimal("1.5")))
    assert result.stopped == "The next call could exceed the budget."
    assert 1 <= result.asked < 5
    assert result.waiting == 5 - result.asked == 5 - chat_server.calls
    assert charged(service) - before == result.spent_usd <= most * Decimal("1.5")
    rest = run(live, ann, request(most * 20))
    assert (rest.asked, rest.earlier, rest.stopped, chat_server.calls) == (5 - result.asked, result.asked, None, 5)


def test_a_budget_for_no_call_asks_nothing(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer
) -> None:
    keep(ann, AAA="BUY")
    plan = planned(live, ann, budget=Decimal("0.000001"))
    assert (plan.fitting, len(plan.waiting)) == (0, 1)
    result = run(live, ann, request(Decimal("0.000001")))
    assert (result.asked, result.comparison, chat_server.calls) == (0, None, 0)


def test_an_unusable_answer_charges_nothing_but_takes_its_worst_case_from_the_budget(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY", BBB="BUY")
    before = charged(service)
    plan = planned(live, ann)
    chat_server.reply(text="I would hold.")
    result = run(live, ann, request())
    assert [(problem.symbol, problem.is_unusable) for problem in sorted(result.problems, key=lambda p: p.symbol)] == [
        ("AAA", True),
        ("BBB", True),
    ]
    assert (result.asked, result.waiting, result.comparison) == (0, 0, None)
    assert result.spent_usd == plan.total_usd
    assert charged(service) == before
    assert service.execute("SELECT count(*) FROM verdicts WHERE purpose = 'replay'").fetchone() == (0,)
    billed = service.execute("SELECT sum(cost_usd) FROM usage_log WHERE status = 'failed'").fetchone()
    assert billed is not None
    assert isinstance(billed[0], Decimal)
    assert 0 < billed[0] <= result.spent_usd


def test_the_organisations_quota_ends_a_replay_and_says_so(
    live: Workbench, make: MakeMember, keep: Keep, chat_server: ChatServer
) -> None:
    bob = make("bob", plan="free")
    keep(bob, AAA="BUY", BBB="BUY", CCC="BUY")
    chat_server.reply(text=answer("BUY"))
    result = run(live, bob, request(model=KEPT_MODEL))
    assert (result.asked, result.waiting, chat_server.calls) == (2, 1, 2)
    assert result.stopped is not None
    assert "daily signal validation limit is reached (5/day)" in result.stopped
    assert result.comparison is not None
    assert result.comparison.n == 2


def test_another_organisations_verdicts_are_not_replayed(live: Workbench, make: MakeMember, keep: Keep) -> None:
    ann, bob = make("ann", plan="team"), make("bob", plan="team")
    keep(ann, AAA="BUY")
    with pytest.raises(NotFound, match="has no verdict yet"):
        planned(live, bob)
    with pytest.raises(NotFound, match="no verdict whose outcome is known yet"):
        planned(live, ann, is_scored_only=True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "auto"}, InvalidRequest),
        ({"model": "nothing"}, NotFound),
        ({"most": 0}, InvalidRequest),
        ({"most": 501}, InvalidRequest),
        ({"budget": Decimal(-1)}, InvalidRequest),
        ({"budget": Decimal("NaN")}, InvalidRequest),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    live: Workbench,
    ann: Principal,
    keep: Keep,
    chat_server: ChatServer,
    changes: dict[str, Any],
    error: type[AssayError],
) -> None:
    keep(ann, AAA="BUY")
    with pytest.raises(error):
        planned(live, ann, **changes)
    assert chat_server.calls == 0


def test_a_model_that_may_not_be_asked_is_told_by_the_plan(
    live: Workbench, make: MakeMember, ann: Principal, keep: Keep
) -> None:
    keep(ann, AAA="BUY")
    with pytest.raises((PlanRequired, NotConfigured)):
        planned(live, ann, model="mistral-small-2603")
    with pytest.raises(Forbidden):
        planned(live, make("vic", plan="premium", org="ann's organisation", role=Role.VIEWER))


def test_a_refused_key_ends_it_at_once(live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer) -> None:
    keep(ann, AAA="BUY", BBB="BUY", CCC="BUY", DDD="BUY", EEE="BUY")
    chat_server.reply(status=401)
    with pytest.raises(ProviderRefusedKey):
        run(live, ann, request())
    chat_server.reply(text=answer("BUY"))
    assert run(live, ann, request()).asked == 5


def test_a_snapshot_that_fails_stops_no_other(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer
) -> None:
    keep(ann, AAA="BUY", BBB="BUY")
    chat_server.script.append(Reply("I refuse."))
    chat_server.script.append(Reply("I refuse again."))
    chat_server.reply(text=answer("BUY"))
    result = run(live, ann, request(most=1))
    assert len(result.problems) == 1
    assert run(live, ann, request()).asked == 2, "an unusable answer is asked for again by the next run"


def test_how_far_it_is_is_told(live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer) -> None:
    keep(ann, AAA="BUY", BBB="BUY", CCC="BUY")
    chat_server.reply(text=answer("BUY"))
    told: list[tuple[int, int]] = []
    replays = live.verdicts.replays
    replays.run(ann, replays.plan(ann, request()), lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_without_a_prompt_of_its_own_a_replay_asks_under_the_one_in_force(
    live: Workbench, ann: Principal, keep: Keep, chat_server: ChatServer, service: Service
) -> None:
    keep(ann, AAA="BUY")
    chat_server.reply(text=answer("BUY"))
    result = run(live, ann, request(prompt=None))
    assert (result.asked, result.earlier) == (1, 0)
    versions = service.execute("SELECT DISTINCT prompt_version FROM verdicts").fetchall()
    assert versions == [(load_prompt(DATA / "prompts", "validate_signal").version,)]


def _denied(code: str, retry_after_s: int | None) -> MeteringDenied:
    nothing = Decimal(0)
    return MeteringDenied(Denial(code, "made", nothing, nothing, nothing, None, retry_after_s, "No."))


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (_denied("too_many_concurrent", None), 1.0),
        (_denied("rate_limited", 7), 7.0),
        (_denied("rate_limited", 3600), 15.0),
        (ProviderRateLimited("Busy.", provider="made", retry_after_s=2.5), 2.5),
        (ProviderRateLimited("Busy.", provider="made"), 1.0),
        (StillRunning("Still."), 1.0),
        (ProviderUnavailable("Down.", provider="made"), None),
        (ProviderUnavailable("It rests.", provider="made", retry_after_s=9), 9.0),
    ],
)
def test_what_passes_is_waited_for_within_bounds(error: AssayError, wait_s: float | None) -> None:
    assert _wait_s(error) == wait_s


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), min_size=1, max_size=40),
    st.integers(0, 300),
)
def test_a_purse_is_never_overdrawn_however_many_take_from_it_at_once(
    calls: list[tuple[int, int]], budget: int
) -> None:
    purse, refused = _Purse(Decimal(budget)), []

    def call(most: int, share: int) -> None:
        if purse.take(Decimal(most)):
            purse.pay(Decimal(most), Decimal(most) * share / 100)
        else:
            refused.append(most)

    threads = [threading.Thread(target=call, args=each) for each in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert purse.spent_usd <= budget
    assert all(purse.spent_usd + most > budget for most in refused), "what was refused would not fit now either"
