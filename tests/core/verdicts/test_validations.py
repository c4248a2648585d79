"""Validations against a provider on a socket: what is asked, kept, given again free, refused, and charged once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.db import verdicts_dao
from core.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    MeteringDenied,
    NotEnoughData,
    NotFound,
    UnusableAnswer,
)
from core.metering.repeats import Idempotency
from core.principal import Principal, Role
from core.verdicts.answer import Mark
from core.verdicts.validations import Asking, Filters, Given, Validations, Verdict
from tests.conftest import MoveTime
from tests.core.verdicts.batches_made import (
    GOOD,
    MODEL,
    UNIVERSE,
    Scanned,
    Service,
    SignalServer,
    World,
    database_url,
    opened_world,
)
from tests.core.verdicts.own_universe import own_signal

__all__ = ["database_url"]

LAST = date(2010, 8, 20)
OTHER = "gpt-4.1-mini"
BODY: dict[str, object] = {
    "symbol": "AAPL",
    "signal_type": "golden_cross",
    "signal_direction": "bullish",
    "entry_price": 100.0,
    "current_price": 100.0,
    "stop_loss": 95.0,
}
KEY = Idempotency("POST /api/ai/validate-signal", "a key", b"\x01" * 32)


def said(**changes: object) -> str:
    """A sound answer, changed."""
    return json.dumps({**json.loads(GOOD), **changes})


@pytest.fixture
def ann(world: World) -> Principal:
    """The owner of an organisation without a limit on validations."""
    return world.member()


@pytest.fixture
def validations(world: World) -> Validations:
    """The validations of the world."""
    return world.bench.verdicts.validations


@pytest.fixture
def signal(world: World, ann: Principal) -> UUID:
    """A signal of the scan."""
    return world.signals(ann, 1)[0]


def _count(world: World) -> object:
    return world.value("SELECT count(*) FROM verdicts")


def test_a_verdict_keeps_what_was_asked_shown_said_and_paid(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    verdict = validations.validate(ann, signal, model=MODEL)
    assert (verdict.validation.verdict, verdict.validation.confidence, verdict.model) == ("BUY", 0.6, MODEL)
    assert (verdict.provider, verdict.is_offline, verdict.is_cached) == ("openai", False, False)
    assert (verdict.signal_id, verdict.symbol, verdict.universe_id) == (signal, world.symbol(signal), UNIVERSE)
    assert (verdict.signal_day, verdict.as_of, verdict.decided_on) == (LAST, LAST, LAST)
    assert (verdict.is_retrospective, verdict.is_generated) == (True, False)
    assert (verdict.user_id, verdict.purpose, verdict.job_id) == (ann.user_id, "asked", None)
    assert verdict.charged_usd == verdict.call_usd == world.value("SELECT charged_usd FROM usage_log")
    assert verdict.charged_usd > 0
    assert verdict.price_version == world.value("SELECT price_version FROM usage_log")
    assert verdict.request_id == world.value("SELECT request_id FROM usage_log")
    assert verdict.prompt_tokens + verdict.completion_tokens > 0
    assert verdict.prompt_version.startswith("validate_signal/")
    snapshot = validations.snapshot(ann, verdict.id)
    assert snapshot.hash == verdict.snapshot_hash
    assert snapshot.signal.confidence == verdict.own_confidence
    assert validations.get(ann, verdict.id) == verdict
    assert world.charges == (1, 1, 1)


def test_what_is_sent_is_the_snapshot_within_the_limits_of_the_issue(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    validations.validate(ann, signal, model=MODEL)
    (sent,) = world.provider.requests
    assert (sent.body["temperature"], sent.body.get("max_completion_tokens") or sent.body["max_tokens"]) == (0.2, 512)
    assert sent.body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    shown = json.dumps(sent.body["messages"])
    assert f'\\"{world.symbol(signal)}\\"' in shown


def test_every_number_is_verified_against_the_snapshot_or_is_not(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    snapshot = validations.snapshot(ann, validations.validate(ann, signal, model=MODEL).id)
    rsi, stop = snapshot.indicators.figures["rsi_14"], snapshot.levels.stop
    assert rsi is not None and stop is not None
    text = f"RSI(14) stands at {rsi:.1f}, and revenue grew by 37.123 %."
    world.provider.reply(text=said(reasoning=text, entry_suggestion=f"Above {stop:.2f}."))
    verdict = validations.validate(ann, signal, model=MODEL, again=True)
    reasoning = verdict.numbers["reasoning"]
    assert [(each.text, each.known) for each in reasoning] == [(f"{rsi:.1f}", "RSI"), ("37.123 %", None)]
    assert [each.known for each in verdict.numbers["entry_suggestion"]] == ["Stop"]
    assert (verdict.numbers_total, verdict.numbers_verified) == (3, 2)
    assert world.service.execute("SELECT numbers, numbers_verified FROM verdicts WHERE numbers > 0").fetchall() == [
        (3, 2)
    ]


def test_how_the_answer_had_to_be_read_is_kept(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    world.provider.reply(text=f"```json\n{said(confidence=85, verdict='buy')}\n```")
    verdict = validations.validate(ann, signal, model=MODEL)
    assert verdict.validation.confidence == 0.85
    assert set(verdict.validation.marks) == {Mark.FENCED, Mark.PERCENTAGE, Mark.CASE}


def test_who_asks_again_within_a_day_gets_the_same_verdict_for_free(
    world: World, ann: Principal, validations: Validations, signal: UUID, move_time: MoveTime
) -> None:
    first = validations.validate(ann, signal, model=MODEL)
    colleague = world.member("cal", org=ann.org_name)
    move_time(timedelta(hours=23, minutes=59))
    for who in (ann, colleague):
        assert validations.estimate(who, signal, model=MODEL).is_free
        assert validations.validate(who, signal, model=MODEL) == first
    assert (world.provider.calls, _count(world)) == (1, 1)
    move_time(timedelta(hours=24, minutes=1))
    assert not validations.estimate(ann, signal, model=MODEL).is_free
    later = validations.validate(ann, signal, model=MODEL)
    assert (later.is_cached, world.provider.calls, _count(world)) == (False, 2, 2)
    assert later.snapshot_hash == first.snapshot_hash
    assert validations.of_signal(ann, signal) == later


def test_to_ask_again_on_purpose_is_charged_and_another_model_is_another_question(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    first = validations.validate(ann, signal, model=MODEL)
    again = validations.validate(ann, signal, model=MODEL, again=True)
    other = validations.validate(ann, signal, model=OTHER)
    assert len({first.id, again.id, other.id}) == 3
    assert (world.provider.calls, world.charges) == (3, (3, 3, 3))
    assert validations.validate(ann, signal, model=MODEL).id == again.id
    assert validations.validate(ann, signal, model="auto").id == other.id  # the newest, of whichever model


def test_another_organisation_is_served_what_everybody_could_have_been_told(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    first = validations.validate(ann, signal, model=MODEL)
    bob = world.member("bob", plan="free")
    shared = validations.validate(bob, signal, model=MODEL)
    assert (shared.is_cached, shared.charged_usd, shared.call_usd) == (True, Decimal(0), first.call_usd)
    assert (shared.validation, shared.snapshot_id) == (first.validation, first.snapshot_id)
    assert shared.price_version == first.price_version
    assert (world.provider.calls, world.charges) == (1, (1, 1, 1))
    assert world.value("SELECT count(*) FROM usage_log WHERE org_id = %s AND charged_usd > 0", bob.org_id) == 0
    with pytest.raises(NotFound):
        validations.get(bob, first.id)
    assert validations.page(bob).verdicts[0].id == shared.id


def test_what_was_said_of_an_organisations_own_data_is_told_nobody_else(
    world: World, ann: Principal, validations: Validations
) -> None:
    bob = world.member("bob")
    mine, theirs = own_signal(world, ann), own_signal(world, bob)
    validations.validate(ann, mine, model=MODEL)
    verdict = validations.validate(bob, theirs, model=MODEL)
    assert (verdict.is_cached, world.provider.calls) == (False, 2)
    assert validations.validate_snapshot(ann, BODY, model=MODEL).is_cached is False
    assert validations.validate_snapshot(bob, BODY, model=MODEL).is_cached is False
    assert world.provider.calls == 4
    assert world.value("SELECT count(*) FROM cache_entries WHERE org_id IS NULL") == 0


def test_a_callers_own_snapshot_is_judged_and_never_scored(
    world: World, ann: Principal, validations: Validations
) -> None:
    verdict = validations.validate_snapshot(ann, BODY, model=MODEL)
    assert (verdict.signal_id, verdict.signal_day, verdict.decided_on, verdict.as_of) == (None, None, None, None)
    assert (verdict.symbol, verdict.direction, verdict.is_retrospective) == ("AAPL", "bullish", False)
    assert validations.validate_snapshot(ann, BODY, model=MODEL) == verdict
    assert world.provider.calls == 1


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda v, who: v.validate_snapshot(who, {**BODY, "entry_price": None}), NotEnoughData),
        (lambda v, who: v.validate_snapshot(who, {**BODY, "entry_price": 0}), InvalidRequest),
        (lambda v, who: v.validate_snapshot(who, {**BODY, "stop_loss": 105.0}), InvalidRequest),
        (lambda v, who: v.validate(who, uuid4()), NotFound),
        (lambda v, who: v.validate_snapshot(replace(who, role=Role.VIEWER), BODY), Forbidden),
        (lambda v, who: v.validate_snapshot(who, BODY, model="no-such-model"), NotFound),
    ],
)
def test_what_is_refused_is_refused_before_any_call(
    world: World,
    ann: Principal,
    validations: Validations,
    attempt: Callable[[Validations, Principal], object],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        attempt(validations, ann)
    assert (world.provider.calls, _count(world), world.charges) == (0, 0, (0, 0, 0))


def test_the_signal_of_another_organisation_is_not_there(
    world: World, ann: Principal, validations: Validations
) -> None:
    signal, bob = own_signal(world, ann), world.member("bob")
    for attempt in (validations.validate, validations.estimate):
        with pytest.raises(NotFound):
            attempt(bob, signal)
    assert validations.of_signal(bob, signal) is None
    assert world.provider.calls == 0


def test_an_old_signal_and_one_without_levels_are_refused_before_any_call(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    with pytest.raises(InvalidRequest, match="6 sessions before"):
        validations.validate(replace(ann, as_of=date(2010, 8, 30)), signal, model=MODEL)
    world.service.execute(b"UPDATE signals SET stop = NULL WHERE id = %s", (signal,))
    with pytest.raises(NotEnoughData, match="No model was asked"):
        validations.validate(ann, signal, model=MODEL)
    assert (world.provider.calls, world.charges) == (0, (0, 0, 0))


@pytest.mark.parametrize("text", ["I cannot advise on that.", '{"verdict": "STRONG BUY"}', GOOD[:-40]])
def test_an_answer_that_cannot_be_read_is_no_verdict_and_costs_nothing(
    world: World, ann: Principal, validations: Validations, signal: UUID, text: str
) -> None:
    world.provider.reply(text=text)
    with pytest.raises(UnusableAnswer):
        validations.validate(ann, signal, model=MODEL)
    assert (world.provider.calls, _count(world)) == (2, 0)  # once to have it repaired
    assert world.charges == (0, 0, 0)
    assert validations.of_signal(ann, signal) is None
    world.provider.reply(text=GOOD)
    assert validations.validate(ann, signal, model=MODEL).validation.verdict == "BUY"


def test_ten_a_minute_and_then_no_more(world: World, validations: Validations) -> None:
    pro = world.member("pro", plan="premium")
    signals = world.signals(pro, 11)
    for signal in signals[:10]:
        validations.validate(pro, signal, model=MODEL)
    with pytest.raises(MeteringDenied) as refused:
        validations.validate(pro, signals[10], model=MODEL)
    assert (refused.value.denial.code, refused.value.denial.metric) == ("rate_limited", "signal_validations_minute")
    assert world.provider.calls == 10
    assert validations.validate(pro, signals[0], model=MODEL).charged_usd > 0  # what exists takes no slot


def test_when_the_days_validations_are_used_up_it_is_said_and_what_exists_is_still_given(
    world: World, validations: Validations
) -> None:
    free = world.member("free", plan="free")
    signals = world.signals(free, 6)
    for signal in signals[:5]:
        validations.validate(free, signal, model=MODEL)
    estimate = validations.estimate(free, signals[5], model=MODEL)
    assert (estimate.quota.limit, estimate.quota.remaining, estimate.is_free) == (5, 0, False)
    with pytest.raises(MeteringDenied, match="daily signal validation limit"):
        validations.validate(free, signals[5], model=MODEL)
    assert validations.validate(free, signals[0], model=MODEL).validation.verdict == "BUY"


def test_an_estimate_asks_nobody_and_tells_the_worst_and_the_usual_cost(
    world: World, ann: Principal, validations: Validations
) -> None:
    one, two = world.signals(ann, 2)
    before = validations.estimate(ann, one, model=MODEL)
    assert (before.model, before.usual_usd, before.is_free) == (MODEL, None, False)
    assert (world.provider.calls, world.value("SELECT count(*) FROM holds")) == (0, 0)
    verdict = validations.validate(ann, one, model=MODEL)
    held = world.value("SELECT held_usd FROM holds")
    assert before.most_usd == held
    assert before.most_usd >= verdict.charged_usd
    after = validations.estimate(ann, two, model=MODEL)
    assert after.usual_usd == verdict.call_usd
    snapshot = validations.snapshot(ann, verdict.id)
    assert validations.most_usd(ann, snapshot, model=MODEL) > before.most_usd  # with a repair
    with pytest.raises(Forbidden):
        validations.estimate(replace(ann, role=Role.VIEWER), one)


class _Died(Exception):
    """Stands for the end of a process."""


def _dying(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends once between the settlement of an answer and the storing of its verdict."""
    keep, left = verdicts_dao.add, [1]

    def add(*given: Any) -> Any:
        if left.pop() if left else 0:
            raise _Died
        return keep(*given)

    monkeypatch.setattr(verdicts_dao, "add", add)


def _once(world: World) -> None:
    assert (world.provider.calls, _count(world), world.charges) == (1, 1, (1, 1, 1))


def test_a_process_that_dies_before_the_verdict_is_stored_leaves_one_charge_and_then_one_verdict(
    world: World, ann: Principal, validations: Validations, signal: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    _dying(monkeypatch)
    with pytest.raises(_Died):
        validations.validate(ann, signal, model=MODEL)
    assert (_count(world), world.charges) == (0, (1, 1, 1))
    verdict = validations.validate(ann, signal, model=MODEL)
    assert (verdict.is_cached, verdict.charged_usd) == (True, Decimal(0))
    assert verdict.call_usd > 0
    _once(world)


def test_a_request_that_is_sent_again_is_kept_as_it_was_answered(
    world: World, ann: Principal, validations: Validations, signal: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    _dying(monkeypatch)
    with pytest.raises(_Died):
        validations.validate(ann, signal, model=MODEL, idempotency=KEY)
    verdicts = [validations.validate(ann, signal, model=MODEL, idempotency=KEY) for _ in range(2)]
    assert verdicts[0] == verdicts[1]
    assert (verdicts[0].is_cached, verdicts[0].charged_usd) == (False, world.value("SELECT charged_usd FROM holds"))
    assert verdicts[0].price_version
    _once(world)
    with pytest.raises(Conflict):
        validations.validate(ann, signal, model=MODEL, idempotency=replace(KEY, body_sha256=b"\x02" * 32))


def test_a_job_that_begins_again_has_one_verdict_and_one_charge_of_each_signal(
    world: World, ann: Principal, validations: Validations, signal: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = uuid4()

    def validate() -> Verdict:
        return validations.validate_as_organisation(ann, signal, model=MODEL, job_id=job_id)

    _dying(monkeypatch)
    with pytest.raises(_Died):
        validate()
    verdict = validate()
    assert (verdict.job_id, verdict.user_id, verdict.purpose) == (job_id, None, "batch")
    assert (verdict.is_cached, validate()) == (False, verdict)
    _once(world)
    assert world.value("SELECT count(*) FROM member_meters WHERE request_used > 0 OR charge_usd_used > 0") == 0


def test_a_job_whose_answer_came_from_the_cache_has_one_verdict_too(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    validations.validate(world.member("bob"), signal, model=MODEL)
    job_id = uuid4()
    found = {validations.validate_as_organisation(ann, signal, model=MODEL, job_id=job_id).id for _ in range(2)}
    assert (len(found), world.provider.calls, _count(world)) == (1, 1, 2)


def test_a_batch_gives_again_what_was_said_within_the_day(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    asked = validations.validate(ann, signal, model=MODEL)
    assert validations.validate_as_organisation(ann, signal, model=MODEL, job_id=uuid4()).id == asked.id
    _once(world)


def test_a_replay_shows_a_stored_snapshot_however_old_and_is_never_given_as_a_verdict(
    world: World, ann: Principal, validations: Validations, signal: UUID, move_time: MoveTime
) -> None:
    kept = validations.validate(ann, signal, model=MODEL)
    move_time(timedelta(days=40))
    replay = validations.validate_as_organisation(
        ann, None, model=OTHER, job_id=uuid4(), purpose="replay", snapshot_id=kept.snapshot_id
    )
    assert (replay.purpose, replay.snapshot_id, replay.decided_on) == ("replay", kept.snapshot_id, None)
    assert validations.of_signal(ann, signal) == kept
    assert [brief.id for brief in validations.page(ann).verdicts] == [kept.id]
    assert len(validations.page(ann, Filters(has_replays=True)).verdicts) == 2
    with pytest.raises(NotFound):
        validations.validate_as_organisation(
            world.member("bob"), None, model=OTHER, job_id=uuid4(), purpose="replay", snapshot_id=uuid4()
        )


def test_verdicts_are_found_by_signal_by_scan_and_page_by_page(
    world: World, ann: Principal, validations: Validations
) -> None:
    signals = world.signals(ann, 3)
    made = [validations.validate(ann, signal, model=MODEL) for signal in signals]
    grid = validations.of_scan(ann, UNIVERSE, LAST)
    assert {brief.id for brief in grid.values()} == {verdict.id for verdict in made}
    assert grid[made[0].symbol, made[0].signal_type].verdict == "BUY"
    assert validations.of_scan(ann, UNIVERSE, date(2010, 8, 19)) == {}
    assert validations.of_scan(replace(ann, as_of=date(2010, 8, 19)), UNIVERSE, LAST) == {}
    first = validations.page(ann, most=2)
    rest = validations.page(ann, cursor=first.next_cursor, most=2)
    assert [brief.id for brief in (*first.verdicts, *rest.verdicts)] == [verdict.id for verdict in reversed(made)]
    assert rest.next_cursor is None
    assert [brief.id for brief in validations.page(ann, Filters(symbol=made[1].symbol)).verdicts] == [
        verdict.id for verdict in reversed(made) if verdict.symbol == made[1].symbol
    ]
    bob = world.member("bob")
    assert validations.of_scan(bob, UNIVERSE, LAST) == {}
    assert validations.page(bob).verdicts == []
    for read in (validations.get, validations.snapshot):
        with pytest.raises(NotFound):
            read(bob, made[0].id)


def test_what_was_said_of_a_later_day_is_not_given_to_who_sees_the_market_of_an_earlier_one(
    world: World, ann: Principal, validations: Validations, signal: UUID
) -> None:
    later = validations.validate(replace(ann, as_of=date(2010, 8, 26)), signal, model=MODEL)
    assert later.decided_on == date(2010, 8, 26)
    assert validations.of_signal(ann, signal) is None
    now = validations.validate(ann, signal, model=MODEL)
    assert (now.decided_on, now.is_cached, world.provider.calls) == (LAST, False, 2)


def test_live_a_verdict_is_scored_from_the_open_that_follows_it(
    scanned: Scanned, database_url: str, tmp_path: Path, provider: SignalServer, service: Service
) -> None:
    with opened_world(scanned, database_url, tmp_path, provider, service, ALPHAVANTAGE_API_KEY="a key") as world:
        ann, validations = world.member(), world.bench.verdicts.validations
        then = replace(ann, as_of=LAST)
        begun = validations.begin(then, world.signals(then, 1)[0], Asking(MODEL))
        assert not isinstance(begun, Given)
        answer = validations.session(then, begun, runs_here=True).result()
        verdict = validations.keep(ann, begun, answer)
        assert verdict.decided_on == world.bench.market.calendars.last_opened("XNYS", datetime.now(UTC))
        assert verdict.is_retrospective is False
        assert validations.keep(ann, begun, answer) == verdict
