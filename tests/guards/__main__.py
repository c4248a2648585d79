"""`python -m tests.guards [WORD …]`: takes out every guard whose name holds a word, and fails if no test notices."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from core.db.embedded import attach
from tests.guards.runner import NOTICED, Finding, chosen, examined, untouched
from tests.guards.table import GUARDS

TAIL = 25


def main(words: list[str]) -> int:
    """Says what came of each guard; 1 where one is not noticed."""
    guards = list(chosen(GUARDS, words))
    folder = Path(tempfile.mkdtemp(prefix="assay-guards-"))
    folder.chmod(0o755)
    started = time.monotonic()
    try:
        url = attach(folder / "home").url
        broken = untouched(guards, url, folder)
        if broken is not None:
            sys.stdout.write(f"{broken}\nThese tests fail as things are; that says nothing about the guards.\n")
            return 1
        findings = examined(guards, url, folder, jobs=os.cpu_count() or 1, tell=_tell)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    verdicts = Counter(finding.verdict for finding in findings)
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    sys.stdout.write(f"{len(findings)} guards in {time.monotonic() - started:.0f} s: {said}\n")
    return 0 if set(verdicts) <= {NOTICED} else 1


def _tell(finding: Finding) -> None:
    sys.stdout.write(f"{finding.verdict:9} {finding.guard.name}\n")
    if finding.verdict != NOTICED:
        sys.stdout.write("".join(f"    {line}\n" for line in finding.output.splitlines()[-TAIL:]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
