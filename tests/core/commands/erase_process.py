"""`core user erase` as a process that kills itself: `python -m tests.core.commands.erase_process STEP EMAIL`.

STEP is how many statements of the erasure run before it dies, or `end`: all of them, and nothing is committed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from core.__main__ import main
from core.accounts import erasure
from core.db import erasure_dao


def dying_at(step: str) -> None:
    """Has the erasure die there."""
    service: Any = erasure
    statements: Any = erasure_dao
    run, done = statements._run, 0

    def counted(*given: Any) -> int:
        nonlocal done
        if done == int(step):
            _die()
        done += 1
        return int(run(*given))

    if step == "end":
        service.Audit.record = lambda *_: _die()
    else:
        statements._run = counted


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    dying_at(sys.argv[1])
    sys.exit(main(["user", "erase", sys.argv[2], "--yes"]))
