"""A worker that kills itself at a large request: `python -m tests.core.research.large_process STEP COUNT`."""

from __future__ import annotations

import sys
import threading
from contextlib import closing
from typing import Any

from core.db import large_requests_dao
from core.metering.meter import Meter
from core.ops.worker import Worker
from core.settings import load_settings
from core.workbench import open_workbench
from tests.core.ops.worker_process import QUICK
from tests.flows.dying import die_at

STEPS: dict[str, tuple[Any, str, bool]] = {
    "before an item is claimed": (large_requests_dao, "claim", False),
    "after an item is claimed": (large_requests_dao, "claim", True),
    "before an item is reserved": (Meter, "reserve_or_join", False),
    "before the call": (Meter, "mark_in_flight", True),
    "before the settlement": (Meter, "settle", False),
    "between the settlement and the result": (Meter, "settle", True),
    "before the result is kept": (large_requests_dao, "finish", False),
    "before the request is ended": (large_requests_dao, "end", False),
    "after the request is ended": (large_requests_dao, "end", True),
}
"""Where it may die: a function, and whether before it or after it."""


def main(arguments: list[str]) -> None:
    """Works until it dies."""
    settings = load_settings()
    from tests.core.research.large_made import large_of  # the suite's own settings are nobody else's

    die_at(STEPS, arguments[0], int(arguments[1]))
    with closing(open_workbench(settings)) as bench:
        large_of(bench)
        Worker(bench.database, bench.queue, jobs_at_once=1, times=QUICK).start()
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
