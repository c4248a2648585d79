"""Retention as a process that kills itself: `python -m tests.core.metering.retention_process FOLDER STEP`.

STEP is a function of the export or of the DAO, and whether it dies where that begins or ends: `drop.end`. DATABASE_URL
names the database.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from core.db import retention_dao
from core.db.engine import Database
from core.metering import retention
from core.metering.meter import Meter
from core.metering.plans import load_plans
from core.metering.rollups import Rollups
from core.settings import DATA


def main(folder: Path, step: str) -> None:
    """Prunes until it dies."""
    name, _, place = step.partition(".")
    module: Any = retention if name == "archive" else retention_dao
    done = getattr(module, name)

    def dying(*given: Any, **named: Any) -> Any:
        if place == "begin":
            os.kill(os.getpid(), signal.SIGKILL)
        found = done(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(module, name, dying)
    with closing(Database(os.environ["DATABASE_URL"])) as database:
        meter = Meter(database, load_plans(DATA / "plans.yaml"))
        list(retention.Retention(database, folder, 4, meter=meter, rollups=Rollups(database)).prune())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
