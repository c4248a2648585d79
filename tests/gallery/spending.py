"""The components of the Usage page about money and kinds of questions, with figures that somebody made up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from core.db.usage_dao import SpendRow
from core.metering.boosts import Boost
from core.metering.forecast import Forecast
from core.metering.spending import TopPrompts
from pages.components import usage_boost, usage_forecast, usage_prompts, usage_spend
from tests.gallery.samples import MODELS, NOW, TODAY, principal

SPEND = [
    SpendRow(feature, model, 900 - 60 * n, Decimal(9 - n) / 7, Decimal(10 - n) / 7, Decimal(n), 800 - 70 * n, 10**6)
    for n, (feature, model) in enumerate(
        (feature, model) for feature in ("chat_query", "signal_validation", None) for model in [*MODELS][:3]
    )
]


def forecasts() -> None:
    """What the month comes to, a month of small amounts, and too few days"""
    usage_forecast.show(Forecast(Decimal("41.2"), Decimal("35.018"), Decimal("47.4"), Decimal("28.3"), 21), TODAY)
    small = Forecast(Decimal("0.0041"), Decimal("0.0035"), Decimal("0.0047"), Decimal("0.0028"), 9)
    usage_forecast.show(small, TODAY)
    usage_forecast.show(None, TODAY)


def spend() -> None:
    """Features and models, with and without the providers' cost"""
    usage_spend.show("spend_all", SPEND, MODELS, shows_cost=True)
    usage_spend.show(
        "spend_one", [SpendRow(None, "", 3, Decimal(0), Decimal(0), Decimal(0), 0, 0)], {}, shows_cost=False
    )


def prompts() -> None:
    """Kinds of questions and templates, and none"""
    kinds = {"analysis": 1_200, "summary": 340, "chat": 12}
    usage_prompts.show(
        TopPrompts(kinds, {"0a1b2c3d": 77, "ffffffff": 3}, is_cut=True), {"0a1b2c3d": "Compare two companies"}
    )
    usage_prompts.show(TopPrompts({}, {}), {})


def boosts() -> None:
    """Requests in every state, and the form"""
    who = principal("two words")
    rows = [
        Boost(
            id=UUID(int=number),
            org_id=who.org_id,
            user_id=who.user_id,
            user_name=who.name,
            metric=metric,
            amount=50 * (number + 1),
            starts_at=NOW - timedelta(days=1),
            ends_at=NOW + timedelta(days=3),
            reason="Earnings week",
            state=state,
            requested_by=who.user_id,
            requested_by_name=who.name,
            requested_at=NOW,
            decided_by=None,
            decided_by_name=None,
            decided_at=None,
            note="Only this once" if state == "refused" else None,
        )
        for number, (metric, state) in enumerate(
            [("chat_queries_day", "requested"), ("requests_month", "granted"), ("sec_filings_month", "refused")]
        )
    ]
    usage_boost.show("boosts_shown", rows, lambda **_asked: None, who, NOW, limited=["chat_queries_day"])
