"""What the components are given to show: made up, the same at every start but for the date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from core.db.conversations_dao import MessageRow
from core.db.usage_dao import DayRow, LogRow
from core.errors import Denial
from core.metering.plans import Plan, load_plans
from core.metering.usage import Allowance, Overview
from core.principal import Principal, Role
from core.settings import DATA
from tests.gallery.texts import PEOPLE, TEXTS

SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
NOW = datetime.now(UTC)
TODAY = NOW.date()
PLAN: Plan = load_plans(DATA / "plans.yaml").get("premium")
MODELS = {f"provider/model-{number}": f"Model {number}" for number in range(9)}
"""Names of models by their ids: more than a chart tells apart."""
_USED = {"chat_queries_day": (10, 8), "requests_month": (2000, 2000), "portfolio_analyses_day": (25, 3)}


def principal(who: str, *, plan: str = "team", org_name: str = "Acme Research") -> Principal:
    """A signed-in person, one of `PEOPLE`."""
    name, email = PEOPLE[who]
    user_id, org_id = uuid5(SPACE, email), uuid5(SPACE, org_name)
    return Principal(user_id, org_id, Role.OWNER, plan, "session", "Europe/Berlin", email, name, org_name)


def overview() -> Overview:
    """Quotas: one near its limit, one used up, one hardly used, one without a limit."""
    allowances = {
        metric: _allowance(metric, *_USED.get(metric, (None, 1234)))
        for metric in (
            "chat_queries_day",
            "requests_month",
            "portfolio_analyses_day",
            "signal_validations_day",
            "sec_filings_month",
        )
    }
    return Overview(PLAN, {**allowances, "charge_usd_month": _allowance("charge_usd_month", None, "1.23456789")})


def days(first: date = TODAY - timedelta(days=29), count: int = 30) -> list[DayRow]:
    """Requests of a month, by nine models."""
    return [
        DayRow(
            first + timedelta(days=day),
            "provider",
            model,
            requests=(day * number) % 7 + 1,
            cached=(day * number) % 2,
            denied=day % 11 == 0,
            prompt_tokens=1000 + 37 * day * number,
            completion_tokens=400 + 11 * day * number,
            charged_usd=Decimal(day * number) / 10_000,
            cost_usd=Decimal(day * number) / 20_000,
            saved_usd=Decimal(day) / 100_000,
        )
        for day in range(count)
        for number, model in enumerate(MODELS, start=1)
    ]


def log(statuses: Sequence[str]) -> list[LogRow]:
    """One request of each result, and a name of a model that would be a formula in a spreadsheet."""
    return [
        LogRow(
            id=uuid5(SPACE, status),
            at=NOW - timedelta(minutes=number * 17),
            user_id=uuid5(SPACE, "somebody"),
            request_id=uuid5(SPACE, f"request {status}"),
            conversation_id=None,
            channel=("page", "api", "v1", "command")[number % 4],
            status=status,
            feature="chat",
            provider="provider",
            model="=cmd|'/c calc'!A1" if number == 0 else "provider/model-1",
            prompt_tokens=1200 * number,
            completion_tokens=340,
            estimated=number % 3 == 0,
            cost_usd=Decimal("0.00012"),
            charged_usd=Decimal("0.00018") * number,
            latency_ms=1234,
            first_token_ms=321,
            error_code="provider_unavailable" if status == "failed" else None,
        )
        for number, status in enumerate(statuses)
    ]


def denial() -> Denial:
    """A quota that is used up until tomorrow."""
    tomorrow = NOW + timedelta(days=1)
    reason = "Daily chat query limit reached (10/day)"
    return Denial("quota_exceeded", "chat_queries_day", Decimal(10), Decimal(10), Decimal(0), tomorrow, None, reason)


def messages() -> list[MessageRow]:
    """Questions and answers of each kind."""
    return [
        _message("user", TEXTS["markup"]),
        _message("assistant", "**Diversification** is spreading money over holdings.", cost_usd=Decimal("0.00012")),
        _message("user", TEXTS["right to left"]),
        _message("assistant", "Once more.", is_cached=True, cost_usd=Decimal(0)),
        _message("assistant", "From the book.", is_offline=True, cost_usd=Decimal(0)),
        _message("assistant", "Half of", state="partial", cost_usd=Decimal("0.00002"), is_estimated=True),
        _message("assistant", "Half of", state="partial", cost_usd=Decimal(0), note="The provider broke off."),
        _message("user", TEXTS["endless word"]),
        _message("assistant", "", state="failed", note="The provider did not answer."),
    ]


def _allowance(metric: str, limit: int | None, used: int | str) -> Allowance:
    period = metric.rpartition("_")[2]
    ends = NOW + timedelta(days=1 if period == "day" else 10)
    most = None if limit is None else Decimal(limit)
    return Allowance(metric, "user", period, most, Decimal(used), NOW - timedelta(days=1), ends)


def _message(
    role: str,
    text: str,
    *,
    state: str = "complete",
    is_cached: bool = False,
    is_offline: bool = False,
    is_estimated: bool = False,
    cost_usd: Decimal | None = None,
    note: str | None = None,
) -> MessageRow:
    is_answer = role == "assistant"
    return MessageRow(
        id=uuid5(SPACE, role + text + state),
        role=role,
        text=text,
        state=state,
        request_id=None,
        provider="provider" if is_answer else None,
        model="provider/model-1" if is_answer else None,
        is_cached=is_cached,
        is_offline=is_offline,
        is_estimated=is_estimated,
        prompt_tokens=1234 if is_answer else None,
        completion_tokens=56 if is_answer else None,
        cost_usd=cost_usd,
        note=note,
        created_at=NOW,
    )
