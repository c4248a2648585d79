"""What is told once the questions of a day are used up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.metering.credits import Balance
from core.metering.meter import QuotaState
from pages.components import quota

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SPENT = QuotaState("chat_queries_day", 10, 10, NOW + timedelta(hours=12))


def balance(free: str, wallet: str, *, uses_credits: bool) -> Balance:
    """What there is to spend."""
    has = Decimal(wallet)
    return Balance(
        balance=has,
        available=max(Decimal(0), has),
        held=Decimal(0),
        overdraft=max(Decimal(0), -has),
        daily_free=Decimal(10),
        daily_free_remaining=Decimal(free),
        cap_month=None,
        cap_used=Decimal(0),
        uses_credits=uses_credits,
        cap_resets_at=None,
    )


@pytest.mark.parametrize(
    ("free", "wallet", "uses_credits", "told"),
    [
        ("9.5", "3", True, "none of 10 questions left; credits take over: 9.50 free ones today and 3.00 of your"),
        ("9.5", "3", False, "credits can take over, see your profile in Settings"),
        ("0", "0", True, "none of 10 questions left; resets"),
        ("0", "-2", True, "none of 10 questions left; resets"),
    ],
    ids=["on", "off", "empty", "owed"],
)
def test_what_takes_over_is_told(free: str, wallet: str, uses_credits: bool, told: str) -> None:
    found = balance(free, wallet, uses_credits=uses_credits)
    assert told in quota.sentence_under_credits(SPENT, found, NOW, "UTC")
