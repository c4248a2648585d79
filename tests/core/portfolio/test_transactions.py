"""Transactions in their one form."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.portfolio.transactions import Draft, Kind, checked

DAY = date(2010, 1, 4)


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        ("a\0b", "a b"),
        ("\ud800", ""),
        ("a\ud800b", "a b"),
        (" two\nlines\x1b ", "two lines"),
        ("a\u202eb", "a b"),
        ("für ½ 👩\u200d💻", "für ½ 👩\u200d💻"),
        ("x" * 600, "x" * 500),
    ],
    ids=["nul", "surrogate", "surrogate within", "lines", "direction", "plain", "long"],
)
def test_a_note_is_one_line_of_what_can_be_seen(note: str, kept: str) -> None:
    draft = Draft(Kind.DEPOSIT, DAY, "USD", amount=Decimal(1), note=note)
    assert checked(draft, latest=DAY).note == kept
