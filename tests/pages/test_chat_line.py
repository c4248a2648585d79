"""The quiet line under an answer tells credits beside its cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pages.components.chat_message import line
from tests.gallery.samples import messages


@pytest.mark.parametrize(("credits", "is_told"), [("0", False), ("2.5", True)], ids=["plan", "credits"])
def test_what_an_answer_took_in_credits_stands_beside_its_cost(credits: str, is_told: bool) -> None:
    row = next(row for row in messages() if row.role == "assistant" and row.cost_usd)
    told = line(replace(row, credits=Decimal(credits)), {})
    assert " USD" in told
    assert ("2.5 credits" in told) is is_told
