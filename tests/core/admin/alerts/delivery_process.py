"""A process that takes what is due and is killed before it has sent it: `delivery_process URL`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing

from core.db import oversight_alerts_dao as dao
from core.db.engine import Database
from core.ops.outbox import LEASE


def main(url: str) -> None:
    """Claims, and dies."""
    with closing(Database(url, pool_size=1)) as database:
        with database.service() as connection:
            assert dao.claim(connection, most=10, lease=LEASE)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
