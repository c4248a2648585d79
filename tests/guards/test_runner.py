"""The runner of the guards takes out a few of them, and tells what a test notices from what none does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import ROOT
from tests.guards.runner import INVALID, NOTICED, STALE, SURVIVED, Finding, chosen, examined
from tests.guards.table import GUARDS

SAMPLE = ["settle: five early cuts", "meter: the fence before the call", "reserve: concurrency"]


def test_every_guard_has_a_name_of_its_own_and_stands_once_where_the_table_says() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)
    texts = {guard.path: (ROOT / guard.path).read_text("utf-8") for guard in GUARDS}
    assert [guard.name for guard in GUARDS if texts[guard.path].count(guard.text) != 1] == []
    assert [guard.name for guard in GUARDS if guard.text == guard.without] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_guard_that_is_taken_out_is_noticed_and_one_that_is_replaced_by_itself_is_not(
    server_url: str, tmp_path: Path
) -> None:
    sample = [guard for guard in GUARDS if guard.name in SAMPLE]
    first = sample[0]
    others = [
        replace(first, name="as it is", without=first.text),
        replace(first, name="not there", text="no such text"),
        replace(first, name="no SQL any more", without="!"),
    ]
    told: list[Finding] = []
    found = examined([*sample, *others], server_url, tmp_path, jobs=2, tell=told.append)
    assert [finding.verdict for finding in found] == [NOTICED] * len(SAMPLE) + [SURVIVED, STALE, INVALID]
    assert len(told) == len(found)


def test_guards_are_chosen_by_a_word_of_their_names() -> None:
    assert {guard.name for guard in chosen(GUARDS, ["top_up"])} < {guard.name for guard in GUARDS}
    assert list(chosen(GUARDS, [])) == list(GUARDS)
