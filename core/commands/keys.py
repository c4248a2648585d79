"""`python -m core keys`: the keys under which secrets are kept."""

from __future__ import annotations

import sys
from contextlib import closing

from core.accounts.encryption import VARIABLE, Encryption
from core.accounts.rotation import rotate
from core.errors import NotConfigured
from core.settings import Settings
from core.workbench import open_database


def rotate_all(settings: Settings) -> int:
    """Puts everything that is encrypted under the newest key, and says how much; 1 where something cannot be read."""
    encryption = Encryption.of(settings)
    if not encryption.is_configured:
        raise NotConfigured(f"There is no key to rotate to: set {VARIABLE}, the new key first, the old ones after it.")
    database, _ = open_database(settings)
    with closing(database):
        done = rotate(database, encryption)
    for each in done:
        print(f"{each.place.table}.{each.place.column}: {each.renewed} re-encrypted, {each.current} current already")
    faulty = [each for each in done if each.failed]
    if not faulty:
        print(f"All is under the newest key. Once every process has it, the old ones can be taken out of {VARIABLE}.")
        return 0
    for each in faulty:
        for row_id in each.faults:
            print(f"{each.place.table} {row_id}: {each.place.column} cannot be decrypted", file=sys.stderr)
    count = sum(each.failed for each in faulty)
    print(
        f"Not all was rotated: {count} cannot be decrypted and stayed as they were. Add the key that they are under to "
        f"the end of {VARIABLE}, or have them entered again.",
        file=sys.stderr,
    )
    return 1
