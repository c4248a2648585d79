"""A rotation that kills itself: `python -m tests.core.accounts.rotation_worker URL KEYS STEP COUNT`."""

from __future__ import annotations

import sys
from contextlib import closing

from core.accounts.encryption import Encryption
from core.accounts.rotation import rotate
from core.db import provider_keys_dao as dao
from core.db.engine import Database
from tests.flows.dying import Steps, die_at

STEPS: Steps = {
    "before a batch": (dao, "encrypted", False),
    "with a batch locked": (dao, "encrypted", True),
    "before a value": (dao, "write_encrypted", False),
    "after a value": (dao, "write_encrypted", True),
}
ROWS_AT_ONCE = 3


def main(url: str, keys: str, step: str, count: str) -> None:
    """Rotates until it dies."""
    die_at(STEPS, step, int(count))
    with closing(Database(url, pool_size=1)) as database:
        rotate(database, Encryption(keys.split(",")), rows_at_once=ROWS_AT_ONCE)


if __name__ == "__main__":
    main(*sys.argv[1:])
