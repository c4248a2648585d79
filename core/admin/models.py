"""Models and providers as operators look after them: how they fared by the hour, switches, and a call to try one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.accounts.permissions import Action, require, require_operator
from core.ai.answer import Question
from core.ai.catalogue import Catalogue, Model
from core.ai.gateway import Gateway
from core.ai.health import Health, ModelState
from core.ai.model_switches import ModelSwitch, ModelSwitches
from core.ai.providers.contract import Message
from core.db import model_switches_dao as dao
from core.db.engine import Database
from core.errors import AssayError, InvalidRequest
from core.market.gate import SourceState
from core.market.market import Market
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal

HOURS = 24
"""So many hours of calls are told, the running one included."""
TEST_PROMPT = "Reply with the one word: ready."
TEST_TOKENS = 16
"""Most tokens of the answer to a test call; a model that reasons gets `TEST_TOKENS_TO_REASON`."""
TEST_TOKENS_TO_REASON = 1024


@dataclass(frozen=True, slots=True)
class Hour:
    """How one model's calls of one hour went, those on own keys included."""

    starts_at: datetime
    calls: int
    failed: int
    """Those that failed or broke off, the ones that took too long included."""
    timed_out: int
    latency_ms_p50: int | None
    """Of those that were answered; None where none was."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A model's calls by the hour, oldest first; hours without calls are left out."""

    provider: str
    model: str
    hours: tuple[Hour, ...]

    @property
    def calls(self) -> int:
        """Of all these hours."""
        return sum(hour.calls for hour in self.hours)

    @property
    def failed(self) -> int:
        """Of all these hours."""
        return sum(hour.failed for hour in self.hours)


@dataclass(frozen=True, slots=True)
class TestCall:
    """What came of asking a model a short question."""

    __test__ = False

    model: str
    text: str | None
    """None: it failed."""
    failure: str | None
    """Why it failed, in a sentence."""
    latency_ms: int | None
    charged_usd: Decimal
    org_name: str
    """Whose call it was."""


class ModelCare:
    """What operators see of models and decide about them."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        market: Market,
        *,
        gateway: Gateway,
        health: Health,
        switches: ModelSwitches,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._market = market
        self._gateway = gateway
        self._health = health
        self._switches = switches

    def states(self, principal: Principal) -> list[ModelState]:
        """How each provider and model fares that was ever asked: its circuit, waits and failures.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        return self._health.all()

    def sources(self, principal: Principal) -> list[SourceState]:
        """How each source of market data fares, with what is used of its allowance.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        return list(self._market.gate.states(self._market.sources.all))

    def timeline(self, principal: Principal) -> list[Timeline]:
        """The calls of the last `HOURS` hours (UTC), of all organisations together, by provider and model.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        with self._database.snapshot() as transaction:
            rows = dao.hours(transaction, hours=HOURS)
        found: dict[tuple[str, str], list[Hour]] = {}
        for row in rows:
            hour = Hour(row.hour, row.calls, row.failed, row.timed_out, row.latency_ms_p50)
            found.setdefault((row.provider, row.model), []).append(hour)
        return [Timeline(provider, model, tuple(hours)) for (provider, model), hours in found.items()]

    def models(self, principal: Principal) -> Sequence[Model]:
        """Every model of the catalogue.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        return self._catalogue.all()

    def switches(self, principal: Principal) -> Sequence[ModelSwitch]:
        """What was decided of providers and models; those without a decision are on, with weight 1.

        Raises:
            Forbidden: not an operator.
        """
        return self._switches.all(principal)

    def switch(self, principal: Principal, switch: ModelSwitch) -> ModelSwitch:
        """As `ModelSwitches.keep`."""
        return self._switches.keep(principal, switch)

    def test(self, principal: Principal, model_id: str) -> TestCall:
        """Asks a model a short question, past the cache: metered like any other call, under the operator's own
        limits and at the cost of the organisation that they are in.

        A call that fails is told, not raised: that is what it was made for.

        Raises:
            NotFound: there is no such model.
            InvalidRequest: it does not answer questions.
            Forbidden: not an operator, or their role may not ask models.
        """
        require_operator(principal)
        require(principal, Action.ASK)
        model = self._catalogue.get(model_id)
        if model.task != "chat":
            raise InvalidRequest(f"{model.label} does not answer questions; a test call asks one.")
        most = TEST_TOKENS_TO_REASON if "reasoning" in model.capabilities else TEST_TOKENS
        question = Question(
            (Message("user", TEST_PROMPT),), model=model.id, max_tokens=most, channel="page", skips_cache=True
        )
        with self._database.service() as transaction:
            subject = Subject("model", model.id)
            Audit.record(transaction, audit_principal(principal, AuditAction.MODEL_TESTED, subject, as_operator=True))
        try:
            answer = self._gateway.session(principal, question).result()
        except AssayError as error:
            return TestCall(model.id, None, error.detail, None, Decimal(0), principal.org_name)
        return TestCall(model.id, answer.text, None, answer.latency_ms, answer.cost_usd, principal.org_name)


def span_of(hours: int, now: datetime) -> list[datetime]:
    """The beginnings of the last hours, the running one last."""
    running = now.replace(minute=0, second=0, microsecond=0)
    return [running - timedelta(hours=hours - 1 - number) for number in range(hours)]
