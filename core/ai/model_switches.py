"""What operators decide of providers and models: which are asked at all, and how gladly `auto` chooses them.

What is switched off is asked by nobody, on no key, by name or by `auto`. A weight divides what `auto` expects a model
to cost when it compares it with others of its class, after how quickly it begins: at 2 it is chosen as though it cost
half, at 0.5 as though it cost double; what costs nothing stays first. A provider's weight holds for each of its models,
times the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from core.accounts.permissions import require_operator
from core.ai.catalogue import Catalogue, Model
from core.ai.health import WHOLE
from core.ai.providers.offline import OFFLINE
from core.ai.refreshed import Refreshed
from core.db import model_switches_dao as dao
from core.db.engine import Database
from core.errors import InvalidRequest, NotFound
from core.ops.audit import Audit, AuditAction, Subject, audit_principal, changed
from core.principal import Principal

REFRESH_S = 5.0
"""A change is seen by every process after so long, and one question more."""
LEAST_WEIGHT, MOST_WEIGHT = Decimal("0.1"), Decimal(10)


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """What was decided of a provider or a model; without a decision it is on, with weight 1."""

    provider: str
    model: str = WHOLE
    """Empty: the provider as a whole."""
    is_on: bool = True
    weight: Decimal = Decimal(1)
    changed_at: datetime | None = None


class ModelSwitches:
    """The decisions, kept in memory: asking for one takes no look into the database."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue
        self._kept: Refreshed[dict[tuple[str, str], ModelSwitch]] = Refreshed(self._read, {}, every_s=REFRESH_S)

    @property
    def withholds(self) -> bool:
        """Whether anything is switched off."""
        return any(not switch.is_on for switch in self._kept.value.values())

    def is_on(self, model: Model) -> bool:
        """Whether a model may be asked: neither it nor its provider is switched off."""
        kept = self._kept.value
        if not kept:
            return True
        both = (kept.get((model.provider, WHOLE)), kept.get((model.provider, model.id)))
        return all(each is None or each.is_on for each in both)

    def weight(self, model: Model) -> float:
        """What its expected cost is divided by."""
        kept = self._kept.value
        if not kept:
            return 1.0
        both = (kept.get((model.provider, WHOLE)), kept.get((model.provider, model.id)))
        weight = 1.0
        for each in both:
            weight *= 1.0 if each is None else float(each.weight)
        return weight

    def all(self, principal: Principal) -> Sequence[ModelSwitch]:
        """Every decision that was made, by provider and model.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        return list(self._read().values())

    def keep(self, principal: Principal, switch: ModelSwitch) -> ModelSwitch:
        """Decides about a provider or a model; gives the decision as it is kept.

        Raises:
            InvalidRequest: a weight that cannot be, or the glossary, which answers where nothing else does.
            NotFound: there is no such provider or model.
            Forbidden: not an operator.
        """
        require_operator(principal)
        kept = self._checked(switch)
        with self._database.service() as transaction:
            row = dao.switch_of(transaction, kept.provider, kept.model)
            before, after = changed(_fields(_switch(row)) if row else {}, _fields(kept))
            dao.put_switch(
                transaction,
                provider=kept.provider,
                model=kept.model,
                is_on=kept.is_on,
                weight=kept.weight,
                changed_by=principal.user_id,
            )
            subject = Subject("model", kept.model) if kept.model else Subject("provider", kept.provider)
            event = audit_principal(
                principal, AuditAction.MODEL_CHANGED, subject, before=before, after=after, as_operator=True
            )
            Audit.record(transaction, event)
        self._kept.forget()
        return kept

    def close(self) -> None:
        """Stops reading."""
        self._kept.close()

    def _checked(self, switch: ModelSwitch) -> ModelSwitch:
        models = [model for model in self._catalogue.all() if model.provider == switch.provider]
        if not models or (switch.model != WHOLE and switch.model not in {model.id for model in models}):
            raise NotFound("There is no such provider or model in the catalogue.")
        if switch.provider == OFFLINE and not switch.is_on:
            raise InvalidRequest("The offline glossary cannot be switched off: it answers where nothing else does.")
        if not switch.weight.is_finite() or not LEAST_WEIGHT <= switch.weight <= MOST_WEIGHT:
            raise InvalidRequest(f"A weight is a number from {LEAST_WEIGHT} to {MOST_WEIGHT}.")
        return replace(switch, weight=round(switch.weight, 2), changed_at=None)

    def _read(self) -> dict[tuple[str, str], ModelSwitch]:
        with self._database.service() as transaction:
            rows = dao.switches(transaction)
        return {(row.provider, row.model): _switch(row) for row in rows}


def _switch(row: dao.SwitchRow) -> ModelSwitch:
    return ModelSwitch(row.provider, row.model, row.is_on, row.weight, row.changed_at)


def _fields(switch: ModelSwitch) -> dict[str, object]:
    return {"is_on": switch.is_on, "weight": round(switch.weight, 2)}
