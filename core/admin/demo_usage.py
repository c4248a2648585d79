"""The demo's month of usage: **generated**, nobody asked any of it. Its rows carry the channel `demo`.

Written only where an organisation has used nothing yet, in one transaction, so that the books balance: holds, attempts,
the log, closed periods and running counters say the same. Prices are those in force; the days end yesterday.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ai.catalogue import Catalogue
from core.ai.prices import Price, PriceBook
from core.ai.providers.contract import TokenUsage
from core.clock import Clock
from core.db import demo_dao as dao
from core.db.engine import Database
from core.ids import new_id
from core.metering.pricing import BillingFile

CHANNEL = "demo"
DAYS = 30
SEED = 20100820
GRANTED = Decimal(100)
"""Credits that the organisation with a user who spends credits is given."""
GRANT_REASON = "Generated for the demo"
MAX_TOKENS = 1_024
HOURS = (0, 0, 0, 0, 0, 0, 1, 3, 8, 10, 9, 7, 5, 6, 9, 10, 8, 6, 4, 2, 1, 1, 0, 0)
"""How the requests of a day lie over its hours, UTC."""
WEEKEND_SHARE = 0.2
STATUSES = (("success", 88), ("cached", 7), ("cut", 2), ("failed", 2), ("denied", 1))
INTENTS = (("chat", 34), ("analysis", 30), ("summary", 14), ("sentiment", 9), ("extraction", 9), ("code", 4))
COMPLEXITIES = (("low", 50), ("medium", 36), ("high", 14))
MODELS: Mapping[str, Sequence[str]] = {
    "economy": ("gpt-5-nano", "gpt-4o-mini", "gemini-2.5-flash-lite", "mistral-small-2603"),
    "standard": ("gpt-5", "gemini-2.5-flash", "claude-haiku-4-5", "mistral-large-2512"),
    "frontier": ("claude-sonnet-5", "gpt-5.4"),
}
"""Models that were asked, by class."""
SHARES: Mapping[str, Mapping[str, int]] = {
    "free": {"economy": 1},
    "basic": {"economy": 7, "standard": 3},
    "premium": {"economy": 5, "standard": 4, "frontier": 1},
    "team": {"economy": 5, "standard": 4, "frontier": 1},
}
"""How the classes share the requests of a plan."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How much one member of the demo asks on a working day."""

    email: str
    chats: int
    validations: int = 0
    analyses: int = 0
    other: int = 0
    """Completions: an AI request and no quota of a feature."""
    pays_credits: int = 0
    """Requests of the month that credits covered."""


HABITS = (
    Habit("admin@demo.example", chats=9, analyses=2),
    Habit("analyst@demo.example", chats=26, validations=9, analyses=4, other=7),
    Habit("colleague@demo.example", chats=17, validations=5, analyses=2, other=4),
    Habit("premium@demo.example", chats=14, validations=6, analyses=2, other=3),
    Habit("basic@demo.example", chats=11, validations=3, analyses=1, other=2, pays_credits=14),
    Habit("free@demo.example", chats=6, validations=2, analyses=1),
)


@dataclass(frozen=True, slots=True)
class _Made:
    """One request: what the tables need of it."""

    id: UUID
    request_id: UUID
    attempt_id: UUID
    created_at: datetime
    resolved_at: datetime
    status: str
    feature: str | None
    provider: str
    model: str
    price_version: str
    prompt_tokens: int
    completion_tokens: int
    held_usd: Decimal
    cost_usd: Decimal
    charged_usd: Decimal
    saved_usd: Decimal
    credits_held: Decimal
    credits: Decimal
    latency_ms: int
    first_token_ms: int | None
    error_code: str | None
    cache_level: str | None
    intent: str | None
    complexity: str | None
    counts_request: bool

    @property
    def is_call(self) -> bool:
        """Whether it reached a provider, or what stands for one."""
        return self.status not in ("cached", "denied")

    def row(self) -> dict[str, Any]:
        """As the statements read it: amounts and times as text."""
        return {key: value if isinstance(value, bool | int) else _text(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class DemoUsage:
    """Fills the demo with usage."""

    database: Database
    catalogue: Catalogue
    prices: PriceBook
    billing: BillingFile
    clock: Clock

    def load(self) -> int:
        """Gives each of the demo's organisations that has used nothing a month of usage; how many requests it wrote."""
        today = self.clock.now().astimezone(UTC).date()
        with self.database.service() as transaction:
            members = {row.email: row for row in dao.members(transaction, [habit.email for habit in HABITS])}
            written = 0
            for habit in HABITS:
                member = members.get(habit.email)
                if member is None or member.has_used:
                    continue
                made = list(_month(habit, member, today, self))
                written += len(made)
                whose = dao.Whose(member.org_id, member.user_id, member.plan, CHANNEL)
                dao.backdate(transaction, whose, today - timedelta(days=DAYS + 1))
                if habit.pays_credits:
                    first = datetime.combine(today - timedelta(days=DAYS), time(), UTC)
                    dao.grant(transaction, whose, GRANTED, reason=GRANT_REASON, at=first)
                dao.add(transaction, whose, [each.row() for each in made])
            if written:
                dao.count(transaction, [row.org_id for row in members.values() if not row.has_used])
        return written


def _month(habit: Habit, member: dao.MemberRow, today: date, demo: DemoUsage) -> Iterator[_Made]:
    rng = random.Random(f"{SEED} {habit.email}")  # noqa: S311 (figures of a demo)
    paid_left = habit.pays_credits
    for back in range(DAYS, 0, -1):
        day = today - timedelta(days=back)
        share = WEEKEND_SHARE if day.weekday() > 4 else rng.uniform(0.6, 1.2)
        wanted = [
            *("chat_query" for _ in range(_few(rng, habit.chats * share))),
            *("signal_validation" for _ in range(_few(rng, habit.validations * share))),
            *("portfolio_analysis" for _ in range(min(habit.analyses, _few(rng, habit.analyses * share)))),
            *(None for _ in range(_few(rng, habit.other * share))),
        ]
        rng.shuffle(wanted)
        kept = _within(wanted, member)
        moments = sorted(_moment(rng, day) for _ in kept)
        for at, feature in zip(moments, kept, strict=True):
            is_paid = feature == "chat_query" and paid_left > 0 and at.hour > 15
            paid_left -= is_paid
            yield _request(rng, demo, member.plan, at, feature, is_paid=is_paid)


def _within(wanted: Sequence[str | None], member: dao.MemberRow) -> list[str | None]:
    """What the plan allows of it: nobody of the demo ever went past a limit."""
    left = {
        "chat_query": member.chat_queries_day,
        "signal_validation": member.signal_validations_day,
        "portfolio_analysis": member.portfolio_analyses_day,
    }
    kept: list[str | None] = []
    for feature in wanted:
        room = left.get(feature) if feature else None
        if feature and room is not None:
            if room <= 0:
                continue
            left[feature] = room - 1
        kept.append(feature)
    return kept


def _request(
    rng: random.Random, demo: DemoUsage, plan: str, at: datetime, feature: str | None, *, is_paid: bool
) -> _Made:
    is_analysis = feature == "portfolio_analysis"
    status = "success" if is_paid or is_analysis else _pick(rng, STATUSES)
    provider, model, price = ("assay", "risk figures", None) if is_analysis else _model(rng, demo, plan, at)
    tokens = TokenUsage(0, 0) if price is None else _tokens(rng, status)
    cost = Decimal(0) if price is None or status == "denied" else price.cost(tokens)
    held = Decimal(0) if price is None else price.worst_case(tokens.prompt_tokens * 2, MAX_TOKENS)
    is_answered = status in ("success", "cut")
    latency_ms = 0 if status in ("cached", "denied") else min(60_000, int(rng.lognormvariate(7.3, 0.5)))
    charged = cost if is_answered else Decimal(0)
    return _Made(
        id=new_id(),
        request_id=new_id(),
        attempt_id=new_id(),
        created_at=at,
        resolved_at=at + timedelta(milliseconds=latency_ms),
        status=status,
        feature=feature,
        provider=provider,
        model=model,
        price_version="free" if price is None else price.version,
        prompt_tokens=tokens.prompt_tokens,
        completion_tokens=tokens.completion_tokens,
        held_usd=held,
        cost_usd=Decimal(0) if status in ("cached", "failed") else cost,
        charged_usd=charged,
        saved_usd=cost if status == "cached" else Decimal(0),
        credits_held=demo.billing.credits_of(held, provider) if is_paid else Decimal(0),
        credits=demo.billing.credits_of(charged, provider) if is_paid else Decimal(0),
        latency_ms=latency_ms,
        first_token_ms=latency_ms // 4 if is_answered and price is not None else None,
        error_code={"failed": "provider_unavailable", "denied": "rate_limited"}.get(status),
        cache_level="shared" if status == "cached" else None,
        intent=None if price is None else _pick(rng, INTENTS),
        complexity=None if price is None else _pick(rng, COMPLEXITIES),
        counts_request=not is_analysis,
    )


def _model(rng: random.Random, demo: DemoUsage, plan: str, at: datetime) -> tuple[str, str, Price]:
    chosen = _pick(rng, list(SHARES[plan].items()))
    model = demo.catalogue.get(rng.choice(MODELS[chosen]))
    return model.provider, model.id, demo.prices.price_of(model.price, at.date())


def _tokens(rng: random.Random, status: str) -> TokenUsage:
    if status in ("failed", "denied"):
        return TokenUsage(0, 0)
    answer = int(rng.lognormvariate(5.4, 0.6))
    return TokenUsage(int(rng.lognormvariate(6.3, 0.9)) + 40, min(MAX_TOKENS, answer // (3 if status == "cut" else 1)))


def _moment(rng: random.Random, day: date) -> datetime:
    hour = rng.choices(range(24), weights=HOURS)[0]
    return datetime.combine(day, time(hour, rng.randrange(58), rng.randrange(60), rng.randrange(10**6)), UTC)


def _few(rng: random.Random, mean: float) -> int:
    """About so many."""
    return max(0, round(rng.gauss(mean, mean**0.5 / 2)))


def _pick(rng: random.Random, weighted: Sequence[tuple[str, int]]) -> str:
    return rng.choices([name for name, _ in weighted], weights=[weight for _, weight in weighted])[0]


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)
