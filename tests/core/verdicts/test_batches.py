"""Batches of validations: each signal once, eight at a time, within quota and money, and one failure alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from core.errors import Forbidden, InvalidRequest, NotFound, PlanRequired
from core.ops.jobs import Job, JobStatus
from core.principal import Principal, Role
from core.verdicts.batches import MOST_SIGNALS, Selection
from core.verdicts.verdict_settings import VerdictChoices
from tests.core.verdicts.batches_made import (
    GOOD,
    MODEL,
    UNIVERSE,
    Scanned,
    Service,
    SignalServer,
    World,
    database_url,
    eventually,
    opened_world,
)
from tests.fakes.scripted_server import Reply

__all__ = ["database_url"]

UNUSABLE = Reply(text="I would rather not say.")
NIGHTLY = VerdictChoices(is_nightly=True, universe_id=UNIVERSE, most=5, model=MODEL)


@pytest.fixture
def ann(world: World) -> Principal:
    """The owner of an organisation."""
    return world.member()


def test_each_signal_gets_its_verdict_and_what_was_spent_is_told(world: World, ann: Principal) -> None:
    wanted = world.signals(ann, 12)
    ended = world.batch(ann, wanted)
    assert (ended.status, ended.done, ended.failed, ended.total) == (JobStatus.DONE, 12, 0, 12)
    assert ended.detail == "12 of 12 validated"
    assert world.each_validated_once(wanted)
    batch = world.bench.verdicts.batches.progress(ann, ended.id)
    assert (batch.total, batch.done, batch.waiting, batch.is_finished) == (12, 12, 0, True)
    assert batch.title == "12 signals of Fri 20 Aug 2010"
    assert batch.spent_usd > 0
    assert batch.spent_usd == world.value("SELECT sum(charged_usd) FROM usage_log")
    assert world.value("SELECT count(*) FROM verdicts WHERE user_id IS NULL AND job_id = %s", ended.id) == 12
    assert world.value("SELECT count(*) FROM member_meters WHERE request_used > 0 OR charge_usd_used > 0") == 0


def test_signals_are_asked_about_in_the_order_of_their_confidence(world: World, ann: Principal) -> None:
    found = world.bench.verdicts.batches.wanted(ann, Selection(universe_id=UNIVERSE))
    order = [(-(row.confidence or -1), row.symbol) for row in found]
    assert order == sorted(order)
    ended = world.batch(ann, [row.id for row in found[5:0:-1]])
    numbered = world.service.execute("SELECT signal_id FROM verdict_batch_items ORDER BY number").fetchall()
    assert [row[0] for row in numbered] == [row.id for row in found[1:6]]
    assert ended.done == 5


def test_what_has_a_verdict_of_today_is_left_out(world: World, ann: Principal) -> None:
    wanted = world.signals(ann, 6)
    world.batch(ann, wanted[:4])
    estimate = world.bench.verdicts.batches.estimate(ann, wanted, model=MODEL)
    assert (estimate.count, estimate.already) == (2, 4)
    assert world.batch(ann, wanted).total == 2
    assert world.each_validated_once(wanted)
    with pytest.raises(InvalidRequest, match="all 6 signals have verdicts of today"):
        world.bench.verdicts.batches.start(ann, wanted, model=MODEL)


def test_an_estimate_says_how_many_quota_and_budget_suffice_for(world: World) -> None:
    ben = world.member("ben", plan="team")
    wanted, batches = world.signals(ben, 20), world.bench.verdicts.batches
    world.service.execute("UPDATE plan_limits SET signal_validations_day = 15 WHERE plan = 'team'")
    estimate = batches.estimate(ben, wanted, model=MODEL)
    assert (estimate.count, estimate.quota_left, estimate.budget_left_usd, estimate.fits) == (20, 15, None, 15)
    assert (estimate.model, estimate.usual_usd) == (MODEL, None)
    assert world.provider.calls == 0
    one = estimate.most_usd / 20
    world.service.execute("UPDATE organisations SET budget_usd_month = %s WHERE id = %s", (one * 7, ben.org_id))
    assert batches.estimate(ben, wanted, model=MODEL).fits == 7
    world.batch(ben, wanted[:3])
    after = batches.estimate(ben, wanted, model=MODEL)
    spent = world.value("SELECT sum(charged_usd) FROM usage_log")
    assert isinstance(spent, Decimal)
    assert (after.budget_left_usd, after.quota_left) == (one * 7 - spent, 12)
    assert after.usual_usd is not None and after.usual_usd < after.most_usd


def test_a_signal_whose_answer_cannot_be_used_fails_alone_and_free(world: World, ann: Principal) -> None:
    wanted = world.signals(ann, 40)
    bad = world.symbol(wanted[3])
    world.provider.replies[bad] = [UNUSABLE]
    ended = world.batch(ann, wanted)
    failing = [each for each in wanted if world.symbol(each) == bad]
    assert (ended.status, ended.done, ended.failed) == (JobStatus.DONE, 40 - len(failing), len(failing))
    problems = world.bench.verdicts.batches.progress(ann, ended.id).problems
    assert {item.signal_id for item in problems} == set(failing)
    assert all(item.status == "failed" and item.problem for item in problems)
    assert world.each_validated_once([each for each in wanted if each not in failing])


def test_a_provider_that_fails_fails_each_signal_and_the_batch_goes_to_its_end(world: World, ann: Principal) -> None:
    world.provider.reply(status=400)
    ended = world.batch(ann, world.signals(ann, 9))
    assert (ended.status, ended.done, ended.failed, ended.total) == (JobStatus.DONE, 0, 9, 9)
    assert ended.detail == "0 of 9 validated, 9 failed"
    assert world.charges == (0, 0, 0)


def test_without_enough_data_no_model_is_asked(world: World, ann: Principal) -> None:
    wanted = world.signals(ann, 3)
    world.service.execute("UPDATE signals SET entry = NULL, stop = NULL WHERE id = %s", (wanted[0],))
    ended = world.batch(ann, wanted)
    assert (ended.done, ended.failed, ended.detail) == (3, 0, "2 of 3 validated, 1 without enough data")
    assert world.provider.calls == 2
    assert world.bench.verdicts.batches.progress(ann, ended.id).abstained == 1


def test_a_batch_stops_where_the_quota_ends_and_says_where(world: World) -> None:
    ben = world.member("ben", plan="team")
    world.service.execute("UPDATE plan_limits SET signal_validations_day = 13 WHERE plan = 'team'")
    ended = world.batch(ben, world.signals(ben, 30))
    assert (ended.status, ended.done, ended.total) == (JobStatus.DONE, 13, 30)
    reason = "Your organisation's daily signal validation limit is reached (13/day)"
    assert ended.detail == f"Stopped after 13 of 30: {reason}"
    batch = world.bench.verdicts.batches.progress(ben, ended.id)
    assert (batch.stopped_code, batch.stopped_reason, batch.waiting) == ("quota_exceeded", reason, 17)
    assert world.charges == (13, 13, 13)
    assert world.provider.calls == 13


def test_quota_that_a_failure_gives_back_is_used_before_the_batch_stops(world: World) -> None:
    ben = world.member("ben", plan="team")
    world.service.execute("UPDATE plan_limits SET signal_validations_day = 8 WHERE plan = 'team'")
    wanted = world.signals(ben, 12)
    world.provider.replies[world.symbol(wanted[0])] = [UNUSABLE]
    ended = world.batch(ben, wanted)
    assert ended.done == 8
    assert world.charges == (8, 8, 8)


def test_a_batch_stops_where_the_money_ends(world: World, ann: Principal) -> None:
    wanted = world.signals(ann, 30)
    world.provider.reply(text=GOOD, usage={"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300})
    most = world.bench.verdicts.batches.estimate(ann, wanted, model=MODEL).most_usd / 30
    world.service.execute("UPDATE organisations SET budget_usd_month = %s WHERE id = %s", (most * 3, ann.org_id))
    ended = world.batch(ann, wanted)
    batch = world.bench.verdicts.batches.progress(ann, ended.id)
    assert ended.status is JobStatus.DONE
    assert batch.stopped_code == "budget_exceeded"
    assert 0 < batch.done < 30 and batch.done + batch.waiting == 30
    assert most * Decimal("1.8") < batch.spent_usd <= most * 3, "what a call did not use is there for others"
    assert world.charges == (batch.done, batch.done, batch.done)


def test_what_models_are_shown_is_made_while_the_provider_answers(world: World, ann: Principal) -> None:
    gate, wanted = threading.Event(), world.signals(ann, 20)
    world.provider.reply(text=GOOD, gate=gate)
    job = world.bench.verdicts.batches.start(ann, wanted, model=MODEL)
    eventually(lambda: world.value("SELECT count(*) FROM verdict_snapshots") == 20)
    assert world.provider.wait_for(calls=8) and world.provider.calls == 8
    gate.set()
    assert world.finished(job).done == 20
    assert world.value("SELECT count(*) FROM verdict_snapshots") == 20


def test_eight_are_under_way_at_once_and_never_nine(world: World, ann: Principal) -> None:
    gate, wanted = threading.Event(), world.signals(ann, 20)
    world.provider.reply(text=GOOD, gate=gate)
    first = world.bench.verdicts.batches.start(ann, wanted[:10], model=MODEL)
    second = world.bench.verdicts.batches.start(ann, wanted[10:], model=MODEL)
    assert world.provider.wait_for(calls=8)
    assert not world.provider.wait_for(calls=9, timeout_s=0.7)
    states = [world.bench.queue.find(job.id).status for job in (first, second)]
    assert states == [JobStatus.RUNNING, JobStatus.WAITING], "one batch of an organisation runs at a time"
    assert world.value("SELECT open_batch_holds FROM org_meters WHERE org_id = %s", ann.org_id) == 8
    gate.set()
    assert [world.finished(job).done for job in (first, second)] == [10, 10]
    assert world.each_validated_once(wanted)


def test_the_same_batch_asked_for_again_is_joined(world: World, ann: Principal) -> None:
    gate, wanted = threading.Event(), world.signals(ann, 3)
    world.provider.reply(text=GOOD, gate=gate)
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda _: world.bench.verdicts.batches.start(ann, wanted, model=MODEL), range(4)))
    assert len({job.id for job in jobs}) == 1
    gate.set()
    assert world.finished(jobs[0]).done == 3
    assert world.each_validated_once(wanted)


def test_two_organisations_have_their_batches_side_by_side(world: World, ann: Principal) -> None:
    bob, gate = world.member("bob"), threading.Event()
    world.provider.reply(text=GOOD, gate=gate)
    wanted = world.signals(ann, 16)
    jobs = [
        world.bench.verdicts.batches.start(who, some, model=MODEL)
        for who, some in ((ann, wanted[:8]), (bob, wanted[8:]))
    ]
    assert world.provider.wait_for(calls=16)
    gate.set()
    assert [world.finished(job).done for job in jobs] == [8, 8]


def test_a_provider_that_asks_to_wait_is_waited_for(world: World, ann: Principal) -> None:
    wanted = world.signals(ann, 4)
    busy = Reply(status=429, headers={"Retry-After": "1"})
    world.provider.replies[world.symbol(wanted[0])] = [busy, Reply(text=GOOD)]
    assert world.batch(ann, wanted).done == 4
    assert world.each_validated_once(wanted)


def test_a_provider_that_only_asks_to_wait_is_given_up(world: World, ann: Principal) -> None:
    wanted = world.signals(ann, 1)
    world.provider.reply(status=429, headers={"Retry-After": "0"})
    ended = world.batch(ann, wanted)
    assert (ended.status, ended.done, ended.failed) == (JobStatus.DONE, 0, 1)
    assert world.charges == (0, 0, 0)


def test_a_member_stops_a_batch_and_what_was_begun_is_finished(world: World, ann: Principal) -> None:
    gate, wanted, batches = threading.Event(), world.signals(ann, 20), world.bench.verdicts.batches
    world.provider.reply(text=GOOD, gate=gate)
    job = batches.start(ann, wanted, model=MODEL)
    assert world.provider.wait_for(calls=8)
    batches.cancel(ann, job.id)
    running = batches.latest(ann)
    assert running is not None
    assert (running.job.id, running.stopped_code, running.is_finished) == (job.id, "cancelled", False)
    pause = threading.Event()
    pause.wait(1.2)  # it looks about once a second
    gate.set()
    ended = world.finished(job)
    assert (ended.status, ended.done) == (JobStatus.DONE, 8)
    assert ended.detail == "Stopped after 8 of 20: ann stopped it."
    assert world.charges == (8, 8, 8)


def test_who_may_start_see_and_stop_a_batch(world: World, ann: Principal) -> None:
    batches, wanted = world.bench.verdicts.batches, world.signals(ann, 2)
    viewer = world.member("vic", org=ann.org_name, role=Role.VIEWER)
    stranger = world.member("bob")
    with pytest.raises(Forbidden):
        batches.start(viewer, wanted, model=MODEL)
    job = batches.start(ann, wanted, model=MODEL)
    world.finished(job)
    assert batches.progress(viewer, job.id).done == 2
    seen = batches.latest(viewer)
    assert seen is not None and seen.job.id == job.id
    with pytest.raises(Forbidden):
        batches.cancel(viewer, job.id)
    assert batches.latest(stranger) is None
    for refused in (batches.progress, batches.cancel):
        with pytest.raises(NotFound):
            refused(stranger, job.id)


def test_a_selection_that_cannot_be_validated_is_refused(world: World, ann: Principal) -> None:
    batches = world.bench.verdicts.batches
    for wanted, words in (
        ((), "no such signals"),
        ((uuid4(),), "no such signals"),
        (tuple(uuid4() for _ in range(MOST_SIGNALS + 1)), "At most 500"),
        (Selection(universe_id=UNIVERSE, most=501), "At most 500"),
        (Selection(universe_id=UNIVERSE, most=0), "At least one"),
        (Selection(universe_id=UNIVERSE, symbols=("NOSUCH",)), "no such signals"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            batches.start(ann, wanted, model=MODEL)
    for universe in ("nowhere", "nse_generated"):
        with pytest.raises(NotFound):
            batches.start(ann, Selection(universe_id=universe), model=MODEL)
    with pytest.raises(NotFound):
        batches.start(ann, world.signals(ann, 1), model="no-such-model")
    with pytest.raises(PlanRequired):
        batches.start(world.member("fred", plan="free"), world.signals(ann, 1), model="gpt-4o")
    assert batches.latest(ann) is None
    assert world.provider.calls == 0


def test_a_batch_of_a_screens_matches_is_of_their_symbols(world: World, ann: Principal) -> None:
    symbol = world.symbol(world.signals(ann, 1)[0])
    job = world.bench.verdicts.batches.start(
        ann, Selection(universe_id=UNIVERSE, symbols=(symbol,), most=2), model=MODEL
    )
    world.finished(job)
    assert {row[0] for row in world.service.execute("SELECT symbol FROM verdicts").fetchall()} == {symbol}


def _leaves(world: World, ann: Principal) -> None:
    world.service.execute("UPDATE memberships SET ended_at = now() WHERE user_id = %s", (ann.user_id,))


def _becomes_viewer(world: World, ann: Principal) -> None:
    world.service.execute("UPDATE memberships SET role = 'viewer' WHERE user_id = %s", (ann.user_id,))


@pytest.mark.parametrize(
    ("happens", "words"), [(_leaves, "no member of the organisation any more"), (_becomes_viewer, "As a viewer")]
)
def test_who_left_or_may_not_ask_any_more_has_nothing_asked_in_their_name(
    world: World, ann: Principal, happens: Callable[[World, Principal], None], words: str
) -> None:
    world.member("zoe", org=ann.org_name)
    gate, wanted = threading.Event(), world.signals(ann, 10)
    world.provider.reply(text=GOOD, gate=gate)
    first = world.bench.verdicts.batches.start(ann, wanted[:8], model=MODEL)
    assert world.provider.wait_for(calls=8)
    waiting = world.bench.verdicts.batches.start(ann, wanted[8:], model=MODEL)
    happens(world, ann)
    gate.set()
    world.finished(first)
    ended = world.finished(waiting)
    assert ended.status is JobStatus.FAILED
    assert words in str(ended.error)
    assert world.provider.calls == 8
    batch = world.bench.verdicts.batches.progress(replace(ann, role=Role.VIEWER), waiting.id)
    assert (batch.stopped_code, batch.waiting, batch.is_finished) == ("failed", 2, True)


def test_a_night_has_one_batch_however_often_its_scan_is_told_of(world: World, ann: Principal) -> None:
    verdicts, bob = world.bench.verdicts, world.member("bob")
    verdicts.settings.change(ann, NIGHTLY)
    scan = world.bench.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: verdicts.batch_jobs.after_scan(scan.about), range(4)))
    night = verdicts.batches.latest(ann)
    assert night is not None and night.is_nightly
    assert night.title == "Nightly: 5 signals of Fri 20 Aug 2010"
    assert world.finished(night.job).done == 5
    verdicts.batch_jobs.after_scan(scan.about)
    assert world.value("SELECT count(*) FROM jobs WHERE kind = 'validate_batch'") == 1
    assert verdicts.batches.latest(bob) is None
    assert world.each_validated_once(world.signals(ann, 5))


def test_a_scan_of_a_past_day_or_another_universe_starts_no_night(world: World, ann: Principal) -> None:
    world.bench.verdicts.settings.change(ann, NIGHTLY)
    past = replace(ann, as_of=date(2010, 5, 3))
    for job in (
        world.bench.screener.scans.request(past, UNIVERSE),
        world.bench.screener.scans.request(ann, "nse_generated"),
    ):
        ended = world.finished(job)
        assert ended.status is JobStatus.DONE
        world.finished(world.bench.screener.jobs.bring_records(world.bench.screener.scans.of_job(job.id)))
    assert world.bench.verdicts.batches.latest(ann) is None


def test_a_finished_scan_starts_the_night_by_itself(world: World, ann: Principal) -> None:
    world.bench.verdicts.settings.change(ann, NIGHTLY)
    world.finished(world.bench.screener.scans.request(ann, UNIVERSE))
    eventually(lambda: world.bench.verdicts.batches.latest(ann) is not None)
    night = world.bench.verdicts.batches.latest(ann)
    assert night is not None
    assert world.finished(night.job).done == 5


def test_what_a_scheduler_starts_counts_the_signals_of_all(world: World, ann: Principal) -> None:
    jobs, bob = world.bench.verdicts.batch_jobs, world.member("bob")
    ended = world.finished(jobs.start_all())
    assert (ended.status, ended.total, ended.done) == (JobStatus.DONE, 0, 0)
    assert ended.detail == "No organisation has switched nightly validation on."
    world.bench.verdicts.settings.change(ann, NIGHTLY)
    world.bench.verdicts.settings.change(bob, replace(NIGHTLY, most=3))
    world.provider.replies[world.symbol(world.signals(ann, 5)[4])] = [UNUSABLE]
    ended = world.finished(jobs.start_all())
    assert (ended.status, ended.total) == (JobStatus.DONE, 8)
    assert ended.done + ended.failed == 8 and ended.failed >= 1
    assert ended.detail == "Validating the signals of 2 organisations."
    failed = ended.failed
    world.provider.replies.clear()
    again = world.finished(jobs.start_all())
    assert (again.total, again.done) == (failed, failed), "what failed is tried again, and nothing else"
    nothing = world.finished(jobs.start_all())
    assert (nothing.status, nothing.total) == (JobStatus.DONE, 0)
    assert "No signal of Fri 20 Aug 2010 waits for a verdict" in str(nothing.detail)


def test_a_scheduler_joins_the_night_that_is_under_way(world: World, ann: Principal) -> None:
    gate = threading.Event()
    world.provider.reply(text=GOOD, gate=gate)
    world.bench.verdicts.settings.change(ann, NIGHTLY)
    scan = world.bench.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    world.bench.verdicts.batch_jobs.after_scan(scan.about)
    assert world.provider.wait_for(calls=5)
    jobs = [world.bench.verdicts.batch_jobs.start_all() for _ in range(2)]
    assert jobs[0].id == jobs[1].id
    eventually(lambda: world.bench.queue.find(jobs[0].id).total == 5)
    gate.set()
    ended = world.finished(jobs[0])
    assert (ended.done, ended.total) == (5, 5)
    assert world.charges == (5, 5, 5)


def test_an_organisation_whose_manager_left_holds_up_no_other(world: World, ann: Principal) -> None:
    bob = world.member("bob")
    for who in (ann, bob):
        world.bench.verdicts.settings.change(who, NIGHTLY)
    _leaves(world, ann)
    ended: Job = world.finished(world.bench.verdicts.batch_jobs.start_all())
    assert (ended.done, ended.total) == (5, 5)
    assert "no member of the organisation any more" in str(ended.detail)


def test_managers_change_the_settings_and_everybody_reads_them(world: World, ann: Principal) -> None:
    settings = world.bench.verdicts.settings
    analyst = world.member("al", org=ann.org_name, role=Role.ANALYST)
    assert settings.get(analyst).choices == VerdictChoices()
    with pytest.raises(Forbidden):
        settings.change(analyst, NIGHTLY)
    changed = settings.change(ann, NIGHTLY)
    assert settings.get(analyst) == changed
    assert (changed.choices, changed.switched_on_by) == (NIGHTLY, ann.user_id)
    off = settings.change(ann, replace(NIGHTLY, is_nightly=False, uses_quality=True))
    assert (off.choices.uses_quality, off.switched_on_by) == (True, None)
    for wrong in (replace(NIGHTLY, most=0), replace(NIGHTLY, most=501), replace(NIGHTLY, universe_id=None)):
        with pytest.raises(InvalidRequest):
            settings.change(ann, wrong)
    for unknown in (replace(NIGHTLY, universe_id="nowhere"), replace(NIGHTLY, model="no-such-model")):
        with pytest.raises(NotFound):
            settings.change(ann, unknown)
    assert settings.get(world.member("bob")).choices == VerdictChoices()


def test_the_demo_has_its_nightly_batch_until_somebody_switches_it_off(
    scanned: Scanned, database_url: str, tmp_path: Path, provider: SignalServer, service: Service
) -> None:
    with opened_world(scanned, database_url, tmp_path, provider, service, ASSAY_DEMO="1") as demo:
        demo.bench.load_demo()
        settings, ada = demo.bench.verdicts.settings, demo.bench.directory.owner("Demo organisation")
        assert settings.get(ada).choices == VerdictChoices(is_nightly=True, universe_id=UNIVERSE, most=50)
        settings.change(ada, VerdictChoices())
        demo.bench.load_demo()
        assert settings.get(ada).choices == VerdictChoices()


def test_batches_that_ended_long_ago_are_forgotten_and_their_verdicts_stay(world: World, ann: Principal) -> None:
    world.batch(ann, world.signals(ann, 2))
    world.service.execute("UPDATE verdict_batches SET finished_at = finished_at - interval '91 days'")
    world.bench.verdicts.batch_jobs.forget()
    assert world.bench.verdicts.batches.latest(ann) is None
    assert world.value("SELECT count(*) FROM verdicts") == 2
