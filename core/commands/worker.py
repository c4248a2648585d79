"""`python -m core worker`: works on the queue until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import threading
from contextlib import closing

from core.settings import Settings
from core.workbench import open_workbench


def run(settings: Settings) -> int:
    """Works until told to stop; then finishes what it can, and hands the rest to other workers."""
    stop = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: stop.set())
    with closing(open_workbench(settings)) as bench:
        bench.market.load_shipped()
        worker = bench.worker()
        worker.start()
        print(f"Working on jobs, {settings.worker_jobs_at_once} at once.", flush=True)
        stop.wait()
        worker.stop()
    return 0
