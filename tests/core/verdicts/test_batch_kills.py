"""Workers that are killed between any two steps of a batch: what is started again ends with one verdict, one charge."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from core.commands import doctor
from core.ops.jobs import JobStatus
from core.settings import ROOT
from tests.conftest import MoveTime
from tests.core.verdicts.batch_process import STEPS
from tests.core.verdicts.batches_made import (
    GOOD,
    MODEL,
    Scanned,
    Service,
    SignalServer,
    World,
    database_url,
    opened_world,
    working,
)

__all__ = ["database_url"]

SIGNALS = 12
HOLDS_END = timedelta(seconds=60)
"""Longer than a hold lasts under these time limits."""
StartWorker = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def world(
    scanned: Scanned, database_url: str, tmp_path: Path, provider: SignalServer, service: Service
) -> Iterator[World]:
    """A world in which nobody works yet."""
    with opened_world(scanned, database_url, tmp_path, provider, service, TOTAL_TIMEOUT_S="20") as made:
        yield made


@pytest.fixture
def start_worker(world: World) -> Iterator[StartWorker]:
    """Starts a worker as a process, which dies at a step."""
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.core.verdicts.batch_process", *arguments],
                cwd=ROOT,
                env={**os.environ, **world.environ},
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield start


def _count(step: str) -> int:
    """The time at which it dies: in the middle, where a step comes more than once."""
    return 1 if step.endswith(("written", "finished")) else 6


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_each_signal_has_one_verdict_and_one_charge(
    world: World,
    start_worker: StartWorker,
    move_time: MoveTime,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ann = world.member()
    wanted = world.signals(ann, SIGNALS)
    with monkeypatch.context() as patched:
        if step == "before the items are written":  # by the worker, which then comes before whoever submitted
            patched.setattr(world.bench.verdicts.batches, "begin", lambda _job: None)
        job = world.bench.verdicts.batches.start(ann, wanted, model=MODEL)
    killed = start_worker(step, str(_count(step)))
    assert killed.wait(60) == -9
    assert not world.bench.queue.find(job.id).is_finished
    move_time(HOLDS_END)
    with working(world):
        ended = world.finished(job)
    assert (ended.status, ended.done, ended.failed, ended.total) == (JobStatus.DONE, SIGNALS, 0, SIGNALS)
    assert world.each_validated_once(wanted)
    assert doctor.run_accounting(world.bench.settings) == 0
    assert "DIFFERENCE" not in capsys.readouterr().out
    assert world.value("SELECT count(*) FROM verdict_batch_items WHERE status = 'done'") == SIGNALS


def test_after_a_kill_while_the_provider_answers_the_calls_are_made_again_and_charged_once(
    world: World, start_worker: StartWorker, move_time: MoveTime
) -> None:
    ann, gate = world.member(), threading.Event()
    wanted = world.signals(ann, SIGNALS)
    world.provider.reply(text=GOOD, gate=gate)
    job = world.bench.verdicts.batches.start(ann, wanted, model=MODEL)
    first = start_worker()
    assert world.provider.wait_for(calls=8, timeout_s=60)
    first.kill()
    first.wait()
    gate.set()
    with working(world):
        assert world.provider.wait_for(calls=8)
        pause = threading.Event()
        pause.wait(2.5)  # the batch is taken over, and finds the holds of the dead worker in its way
        assert world.charges == (0, 0, 0)
        move_time(HOLDS_END)
        ended = world.finished(job)
    assert (ended.done, ended.total) == (SIGNALS, SIGNALS)
    assert world.provider.calls == SIGNALS + 8
    assert world.each_validated_once(wanted)
    assert world.value("SELECT count(*) FROM usage_log WHERE status = 'unresolved'") == 8


def test_what_a_stopping_worker_cut_short_is_no_failure_of_its_signals(world: World, start_worker: StartWorker) -> None:
    ann, gate = world.member(), threading.Event()
    wanted = world.signals(ann, SIGNALS)
    world.provider.reply(text=GOOD, gate=gate)
    job = world.bench.verdicts.batches.start(ann, wanted, model=MODEL)
    first = start_worker()
    assert world.provider.wait_for(calls=8, timeout_s=60)
    first.terminate()
    assert first.wait(60) == 0
    assert world.bench.queue.find(job.id).attempts == 0
    assert world.bench.verdicts.batches.progress(ann, job.id).waiting == SIGNALS
    gate.set()
    with working(world):
        ended = world.finished(job)
    assert (ended.done, ended.failed) == (SIGNALS, 0)
    assert world.each_validated_once(wanted)


def test_a_batch_that_killed_every_worker_fails_and_says_so(world: World, start_worker: StartWorker) -> None:
    ann = world.member()
    job = world.bench.verdicts.batches.start(ann, world.signals(ann, 2), model=MODEL)
    for _ in range(3):
        assert start_worker("before a signal is reserved", "1").wait(60) == -9
    with working(world):
        ended = world.finished(job)
    assert (ended.status, ended.error) == (JobStatus.FAILED, "Its worker died 3 times while working on it.")
    batch = world.bench.verdicts.batches.progress(ann, job.id)
    assert (batch.stopped_code, batch.waiting) == ("failed", 2)
    assert world.charges == (0, 0, 0)
