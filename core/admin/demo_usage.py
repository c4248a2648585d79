"""The demo's month of usage: **generated**, nobody asked any of it. Its rows carry the channel `demo`.

Written only where an organisation has used nothing yet, in one transaction, so that the books balance: holds, attempts,
the log, closed periods and running counters say the same. Prices are those in force. The last day is today, up to now,
or yesterday where a plan limits a day.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ai.catalogue import Catalogue
from core.ai.experiments import Arm
from core.ai.prices import Price, PriceBook
from core.ai.providers.contract import TokenUsage
from core.db import demo_dao as dao
from core.db import demo_story_dao as story_dao
from core.db.engine import Database, Transaction
from core.ids import new_id
from core.metering.pricing import BillingFile

CHANNEL = "demo"
DAYS = 30
SEED = 20100820
GRANTED = Decimal(100)
"""Credits that the organisation of a user who spends credits is given."""
CAP_MONTH = Decimal(50)
"""What such a user may spend of them in a month."""
MADE = "Generated for the demo"
LONG_PROMPT_TOKENS = (9_000, 13_000)
"""Least and most, on the days on which filings are worked through; models of the standard class are asked then."""
MAX_TOKENS = 1_024
HOURS = (0, 0, 0, 0, 0, 0, 1, 3, 8, 10, 9, 7, 5, 6, 9, 10, 8, 6, 4, 2, 1, 1, 0, 0)
"""How the requests of a day lie over its hours, UTC."""
WEEKEND_SHARE = 0.2
STATUSES = (("success", 88), ("cached", 7), ("cut", 2), ("failed", 2), ("denied", 1))
TURNS = 3
"""Questions and answers of the conversation that is kept."""
ERRORS: Mapping[str, Sequence[tuple[str, int]]] = {
    "failed": (("provider_unavailable", 3), ("unusable_answer", 2)),
    "denied": (("rate_limited", 1),),
}
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
    lets_credits: bool = False
    """Whether credits cover what the plan refuses."""
    converses: bool = False
    """Whether their last answers are one conversation."""
    arm: Arm | None = None
    """Of the experiment, where there is one in their organisation."""
    busy_days: Mapping[int, float] = field(default_factory=dict)
    """How many times as much they chat on some days, by how many days ago they were."""


VARIANT = "gemini-2.5-flash"
"""The model that the experiment tried."""
EXPERIMENT_DAYS = (24, 4)
"""How many days ago it was started and ended."""
HABITS = (
    Habit("admin@demo.example", chats=9, analyses=2, arm="control"),
    Habit("analyst@demo.example", chats=26, validations=9, analyses=4, other=7, converses=True, arm="control"),
    Habit("colleague@demo.example", chats=17, validations=5, analyses=2, other=4, arm="variant", busy_days={0: 8}),
    Habit("premium@demo.example", chats=14, validations=6, analyses=2, other=3),
    Habit(
        "basic@demo.example",
        chats=11,
        validations=3,
        analyses=1,
        other=2,
        lets_credits=True,
        busy_days={19: 21, 12: 21, 1: 21},
    ),
    Habit("free@demo.example", chats=9, validations=2, analyses=1),
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
    free_granted: Decimal
    free_held: Decimal
    free_charged: Decimal
    latency_ms: int
    first_token_ms: int | None
    error_code: str | None
    cache_level: str | None
    intent: str | None
    complexity: str | None
    counts_request: bool
    conversation_id: UUID | None = None

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

    def load(self) -> int:
        """Gives each of the demo's organisations that has used nothing a month of usage; how many requests it wrote."""
        with self.database.service() as transaction:
            now = dao.now(transaction)
            today = now.date()
            members = {row.email: row for row in dao.members(transaction, [habit.email for habit in HABITS])}
            written = 0
            for habit in HABITS:
                member = members.get(habit.email)
                if member is None or member.has_used:
                    continue
                made = list(_Month(self, habit, member, now).requests())
                if habit.converses:
                    made = _in_conversation(made)
                written += len(made)
                whose = dao.Whose(member.org_id, member.user_id, member.plan, CHANNEL, habit.arm)
                dao.backdate(transaction, whose, today - timedelta(days=DAYS + 1))
                if habit is HABITS[0]:
                    _try_model(transaction, whose, now)
                if habit.lets_credits:
                    dao.let_spend(transaction, whose, CAP_MONTH)
                    first = datetime.combine(today - timedelta(days=DAYS), time(), UTC)
                    dao.grant(transaction, whose, GRANTED, reason=MADE, at=first)
                dao.add(transaction, whose, [each.row() for each in made])
            if written:
                dao.count(transaction, [row.org_id for row in members.values() if not row.has_used])
        return written


def _tried(now: datetime) -> tuple[datetime, datetime]:
    """When the experiment began and ended."""
    begun, ended = EXPERIMENT_DAYS
    return now - timedelta(days=begun), now - timedelta(days=ended)


def _try_model(transaction: Transaction, whose: dao.Whose, now: datetime) -> None:
    """An experiment that is over; answers of its time say in which arm they were."""
    begun, ended = _tried(now)
    values = {
        "id": new_id(),
        "name": f"{MADE}: a cheaper model",
        "task": "chat",
        "variant": VARIANT,
        "percentage": Decimal(30),
        "org_id": whose.org_id,
        "started_at": begun,
        "ended_at": ended,
        "started_by": whose.user_id,
    }
    story_dao.add_experiment(transaction, values)


class _Month:
    """What one member asked, and what was left to them meanwhile: the plan covers first, then credits, if let."""

    def __init__(self, demo: DemoUsage, habit: Habit, member: dao.MemberRow, now: datetime) -> None:
        self._demo, self._habit, self._member, self._now = demo, habit, member, now
        self._tried = _tried(now)
        self._rng = random.Random(f"{SEED} {habit.email}")  # noqa: S311 (figures of a demo)
        self._of_plan: dict[str, int | None] = {}
        self._free: Decimal | None = None
        """Free credits that are left of the day; None: none was granted yet."""
        self._of_wallet = min(GRANTED, CAP_MONTH)

    def requests(self) -> Iterator[_Made]:
        """The requests in their order, up to now; where a plan limits a day, today is left to whoever tries it."""
        now = self._now
        last = 0 if self._member.chat_queries_day is None else 1
        for back in range(DAYS, last - 1, -1):
            day = now.date() - timedelta(days=back)
            wanted = self._wanted(day, self._habit.busy_days.get(back))
            self._begin_day()
            moments = sorted(_moment(self._rng, day) for _ in wanted)
            for at, feature in zip(moments, wanted, strict=True):
                made = self._request(at, feature, is_long=back in self._habit.busy_days)
                if made.resolved_at >= now:
                    return
                yield made

    def _wanted(self, day: date, busy: float | None) -> list[str | None]:
        habit, rng = self._habit, self._rng
        share = WEEKEND_SHARE if day.weekday() > 4 else rng.uniform(0.6, 1.2)
        wanted = [
            *("chat_query" for _ in range(_few(rng, habit.chats * (busy or share)))),
            *("signal_validation" for _ in range(_few(rng, habit.validations * share))),
            *("portfolio_analysis" for _ in range(min(habit.analyses, _few(rng, habit.analyses * share)))),
            *(None for _ in range(_few(rng, habit.other * share))),
        ]
        rng.shuffle(wanted)
        return wanted

    def _begin_day(self) -> None:
        self._of_plan = {
            "chat_query": self._member.chat_queries_day,
            "signal_validation": self._member.signal_validations_day,
            "portfolio_analysis": self._member.portfolio_analyses_day,
        }
        self._free = None

    def _request(self, at: datetime, feature: str | None, *, is_long: bool) -> _Made:
        is_spent = feature is not None and self._of_plan[feature] == 0
        if is_spent and not self._habit.lets_credits:
            return self._made(at, feature, "denied", error_code="quota_exceeded")
        if is_spent:
            return self._covered(self._made(at, feature, "success", is_long=is_long))
        status = "success" if feature == "portfolio_analysis" else _pick(self._rng, STATUSES)
        made = self._made(at, feature, status, is_long=is_long, error_code=self._error(status))
        left = self._of_plan.get(feature) if feature else None
        if feature and left is not None and made.is_call and status != "failed":
            self._of_plan[feature] = left - 1
        return made

    def _error(self, status: str) -> str | None:
        return _pick(self._rng, ERRORS[status]) if status in ERRORS else None

    def _covered(self, made: _Made) -> _Made:
        """The same, paid with credits: the day's free ones first, then the wallet's."""
        day = Decimal(self._member.free_credits_day)
        free = day if self._free is None else self._free
        held = self._demo.billing.credits_of(made.held_usd, made.provider)
        if held - free > self._of_wallet:
            return self._made(made.created_at, made.feature, "denied", error_code="insufficient_credits")
        paid = self._demo.billing.credits_of(made.charged_usd, made.provider)
        of_free = min(paid, free)
        granted = day if self._free is None else Decimal(0)
        self._free, self._of_wallet = free - of_free, self._of_wallet - (paid - of_free)
        return replace(
            made,
            credits_held=held,
            credits=paid,
            free_granted=granted,
            free_held=min(held, free),
            free_charged=of_free,
        )

    def _made(
        self, at: datetime, feature: str | None, status: str, *, is_long: bool = False, error_code: str | None = None
    ) -> _Made:
        rng = self._rng
        is_analysis = feature == "portfolio_analysis"
        provider, model, price = (
            ("assay", "risk figures", None) if is_analysis else self._model(at, feature, is_long=is_long)
        )
        tokens = TokenUsage(0, 0) if price is None else _tokens(rng, status, is_long=is_long)
        cost = Decimal(0) if price is None or status == "denied" else price.cost(tokens)
        is_answered = status in ("success", "cut")
        latency_ms = 0 if status in ("cached", "denied") else min(60_000, int(rng.lognormvariate(7.3, 0.5)))
        nothing = Decimal(0)
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
            held_usd=nothing if price is None else price.worst_case(tokens.prompt_tokens * 2, MAX_TOKENS),
            cost_usd=nothing if status in ("cached", "failed") else cost,
            charged_usd=cost if is_answered else nothing,
            saved_usd=cost if status == "cached" else nothing,
            credits_held=nothing,
            credits=nothing,
            free_granted=nothing,
            free_held=nothing,
            free_charged=nothing,
            latency_ms=latency_ms,
            first_token_ms=latency_ms // 4 if is_answered and price is not None else None,
            error_code=error_code,
            cache_level="shared" if status == "cached" else None,
            intent=None if price is None else _pick(rng, INTENTS),
            complexity=None if price is None else _pick(rng, COMPLEXITIES),
            counts_request=not is_analysis,
        )

    def _model(self, at: datetime, feature: str | None, *, is_long: bool) -> tuple[str, str, Price]:
        chosen = "standard" if is_long else _pick(self._rng, list(SHARES[self._member.plan].items()))
        usual = self._rng.choice(MODELS[chosen])
        is_tried = self._habit.arm == "variant" and feature == "chat_query" and self._tried[0] <= at < self._tried[1]
        model = self._demo.catalogue.get(VARIANT if is_tried else usual)
        return model.provider, model.id, self._demo.prices.price_of(model.price, at.date())


def _in_conversation(requests: Sequence[_Made]) -> list[_Made]:
    """The same, the last that were answered in one conversation."""
    conversation_id = new_id()
    answered = [made.id for made in requests if made.feature == "chat_query" and made.status == "success"]
    chosen = frozenset(answered[-TURNS:])
    return [replace(made, conversation_id=conversation_id) if made.id in chosen else made for made in requests]


def _tokens(rng: random.Random, status: str, *, is_long: bool) -> TokenUsage:
    if status in ("failed", "denied"):
        return TokenUsage(0, 0)
    asked = rng.randint(*LONG_PROMPT_TOKENS) if is_long else int(rng.lognormvariate(6.3, 0.9)) + 40
    answer = int(rng.lognormvariate(5.4, 0.6))
    return TokenUsage(asked, min(MAX_TOKENS, answer // (3 if status == "cut" else 1)))


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
