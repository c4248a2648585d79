"""`scan` as a process: what it prints, how it exits, and what is there afterwards."""

from __future__ import annotations

import re
from datetime import date

import pytest

from tests.core.commands.test_bars import Run, Service, add_ann, file, run

pytestmark = pytest.mark.timeout(300)  # each command is a process that imports everything

__all__ = ["file", "run"]


def test_a_universe_is_scanned_recorded_and_told_in_a_line(run: Run, service: Service) -> None:
    outcome = run("scan", "--universe", "nse_generated")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    last = outcome.stdout.splitlines()[-1]
    assert re.fullmatch(
        r"Generated Indian market as of Fri 20 Aug 2010: 24 of 24 scanned in [\d.]+ s; 0 skipped\.", last
    )
    rows = service.execute("SELECT universe_id, as_of, status, scanned, total FROM scans").fetchall()
    assert rows == [("nse_generated", date(2010, 8, 20), "done", 24, 24)]


def test_what_cannot_be_scanned_is_told_in_one_line(run: Run) -> None:
    add_ann(run)
    for arguments, status, words in (
        (["--date", "2011-05-05"], 1, "end on Fri 20 Aug 2010, 178 sessions before Thu 5 May 2011"),
        (["--date", "1990-01-02"], 1, "has no members on Tue 2 Jan 1990: it begins on Fri 21 Aug 2009"),
        (["--date", "2999-01-01"], 2, "has not passed"),
        (["--universe", "nothing"], 1, "There is no such universe"),
        (["--universe", "nothing", "--org", "Acme"], 1, "There is no such universe"),
        (["--org", "Nobody"], 1, "There is no organisation of that name"),
    ):
        outcome = run("scan", *arguments)
        assert outcome.returncode == status, (arguments, outcome)
        assert words in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
