"""`validate` as a process: what it prints, how it exits, and what is there afterwards."""

from __future__ import annotations

import re

import pytest

from tests.core.commands.test_bars import Run, Service, add_ann, file, run

pytestmark = pytest.mark.timeout(300)  # each command is a process that imports everything

__all__ = ["file", "run"]


def test_signals_of_the_newest_scan_are_validated_and_told_in_a_line(run: Run, service: Service) -> None:
    add_ann(run)
    assert run("scan", "--universe", "nse_generated").returncode == 0
    outcome = run("validate", "--org", "Acme", "--universe", "nse_generated", "--most", "3")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    last = outcome.stdout.splitlines()[-1]
    told = re.fullmatch(
        r"(\d) signals? of Fri 20 Aug 2010: (\d) of (\d) validated, (\d) without enough data, 0 failed; 0 USD\.", last
    )
    assert told is not None, outcome.stdout
    assert told[1] == told[3]
    found = service.execute(
        "SELECT count(*), bool_and(is_offline), bool_and(purpose = 'batch') FROM verdicts"
    ).fetchone()
    assert found is not None and found[0] == int(told[2])
    assert found[1:] == (True, True) or found[0] == 0


def test_without_an_organisation_those_that_switched_it_on_are_validated(run: Run) -> None:
    outcome = run("validate")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout == "No organisation has switched nightly validation on. 0 of 0 done, 0 failed.\n"


def test_what_cannot_be_validated_is_told_in_one_line(run: Run) -> None:
    add_ann(run)
    for arguments, status, words in (
        (["--org", "Nobody"], 1, "There is no organisation of that name"),
        (["--org", "Acme"], 1, "was not scanned yet"),
        (["--org", "Acme", "--universe", "nothing"], 1, "There is no such universe"),
        (["--org", "Acme", "--most", "0"], 2, "At least one signal"),
        (["--org", "Acme", "--most", "501"], 2, "At most 500 signals"),
        (["--most", "5"], 2, "Say whose signals they are"),
    ):
        outcome = run("validate", *arguments)
        assert outcome.returncode == status, (arguments, outcome)
        assert words in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
