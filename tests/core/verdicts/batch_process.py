"""A worker as a process that kills itself: `python -m tests.core.verdicts.batch_process STEP COUNT`.

It dies when it comes to a step of a batch for the COUNT-th time; without arguments it works until SIGTERM, and lets
what it is at finish for half a second.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

from core.db import verdict_batches_dao, verdicts_dao
from core.metering.meter import Meter
from core.ops.worker import Worker
from core.settings import load_settings
from core.workbench import open_workbench
from tests.core.ops.worker_process import QUICK
from tests.flows.dying import die_at

STEPS: dict[str, tuple[Any, str, bool]] = {
    "before the items are written": (verdict_batches_dao, "begin", False),
    "before a signal is reserved": (Meter, "reserve_or_join", False),
    "between the reservation and the call": (Meter, "mark_in_flight", False),
    "before the call": (Meter, "mark_in_flight", True),
    "before the settlement": (Meter, "settle", False),
    "between the settlement and the verdict": (Meter, "settle", True),
    "before the verdict is stored": (verdicts_dao, "add", False),
    "between the verdict and its item": (verdict_batches_dao, "record", False),
    "before the batch is finished": (verdict_batches_dao, "finish", False),
    "after the batch is finished": (verdict_batches_dao, "finish", True),
}
"""Where it may die: a function, and whether before it or after it."""


def main(arguments: list[str]) -> None:
    """Works until it dies."""
    if arguments:
        die_at(STEPS, arguments[0], int(arguments[1]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with closing(open_workbench(load_settings())) as bench:
        times = replace(QUICK, finish_within_s=0.5)
        worker = Worker(bench.database, bench.queue, jobs_at_once=2, times=times)
        worker.start()
        stop.wait()
        worker.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
