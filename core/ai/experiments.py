"""Experiments: a share of the calls of a task is answered by another model or prompt, and compared with the rest.

Who takes part is decided once by their id, so that a user stays with one arm for as long as an experiment runs. Both
arms are of those who may ask the variant: the others are in none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from core.accounts.permissions import require_operator
from core.ai.flags import share_of
from core.ai.refreshed import Refreshed
from core.db import flags_dao as dao
from core.db.engine import Database, Transaction
from core.errors import Conflict, InvalidRequest, NotFound
from core.ids import new_id
from core.metering.plans import Plans
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal

REFRESH_S = 5.0
"""A start or an end is seen by every process after so long, and one question more."""
MOST_SHOWN = 200
MAX_NAME_CHARS = 80
Arm = Literal["control", "variant"]
Kind = Literal["model", "prompt"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A comparison of two ways to answer a task."""

    name: str
    kind: Kind
    task: str
    """What is asked, such as `chat` or `signal_validation`; one experiment of a task runs at a time."""
    variant: str
    """Id of the model, or name of the prompt, that the share gets."""
    percentage: Decimal
    """Of users, above 0 and below 100."""
    plans: tuple[str, ...] = ()
    """Who takes part: these plans and organisations; both empty: everyone."""
    org_ids: tuple[UUID, ...] = ()
    id: UUID | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def arm_of(self, principal: Principal) -> Arm | None:
        """The arm that somebody is in; None where they take no part."""
        is_meant = not (self.plans or self.org_ids)
        if not (is_meant or principal.plan in self.plans or principal.org_id in self.org_ids):
            return None
        return "variant" if share_of(str(self.id), principal.user_id) < self.percentage else "control"


@dataclass(frozen=True, slots=True)
class Assignment:
    """An experiment that a question takes part in."""

    experiment_id: UUID
    arm: Arm
    kind: Kind
    variant: str

    @property
    def model(self) -> str | None:
        """The model that is to answer, where it is another than usual."""
        return self.variant if self.kind == "model" and self.arm == "variant" else None

    @property
    def prompt(self) -> str | None:
        """The prompt that is to be used, where it is another than usual."""
        return self.variant if self.kind == "prompt" and self.arm == "variant" else None


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """What the calls of one arm came to; answers of the cache are no calls."""

    arm: str
    calls: int
    users: int
    answered: int
    unusable: int
    """Answers that did not follow their schema, also after a repair."""
    cost_usd: Decimal
    charged_usd: Decimal
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    up: int
    """Answers that their readers liked, and (`down`) did not."""
    down: int
    scored: int
    """Verdicts other than HOLD whose 20 sessions are over."""
    rightly: int
    """Those of them that turned out right."""

    @property
    def usd_per_call(self) -> Decimal | None:
        """What providers bill for a call, in USD; None without any."""
        return self.cost_usd / self.calls if self.calls else None


class Experiments:
    """The experiments of the installation, kept in memory: assigning a question takes no look into the database."""

    def __init__(
        self,
        database: Database,
        plans: Plans,
        *,
        models: Collection[str],
        prompts: Collection[str],
        tasks: Collection[str],
    ) -> None:
        """`models` are the ids of the models that answer questions, `prompts` the names of those that ship."""
        self._database = database
        self._plans = plans
        self.variants: Mapping[Kind, Collection[str]] = {"model": models, "prompt": prompts}
        """What an experiment may try."""
        self.tasks = tasks
        """What an experiment may be of."""
        self._running: Refreshed[dict[str, Experiment]] = Refreshed(self._read_running, {}, every_s=REFRESH_S)

    def assigned(
        self, principal: Principal, task: str, *, kind: Kind, may_ask: Callable[[str], bool] | None = None
    ) -> Assignment | None:
        """What a question of a task takes part in; None: nothing of this kind runs, or its asker is not in it.

        `may_ask` says whether the asker may ask a model; who may not ask the variant is in neither arm.
        """
        experiment = self._running.value.get(task)
        if experiment is None or experiment.kind != kind or experiment.id is None:
            return None
        if kind == "model" and may_ask is not None and not may_ask(experiment.variant):
            return None
        arm = experiment.arm_of(principal)
        return None if arm is None else Assignment(experiment.id, arm, experiment.kind, experiment.variant)

    def all(self, principal: Principal) -> Sequence[Experiment]:
        """The latest experiments, those that run and those that ended.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        with self._database.service() as connection:
            rows = dao.experiments(connection, only_running=False, most=MOST_SHOWN)
        return [_experiment(row) for row in rows]

    def start(self, principal: Principal, experiment: Experiment) -> Experiment:
        """Starts an experiment, and gives it as it is kept.

        Raises:
            InvalidRequest: a name, task, variant, plan or share that cannot be.
            Conflict: another experiment of the task runs.
            Forbidden: not an operator.
        """
        require_operator(principal)
        started = replace(experiment, name=experiment.name.strip(), id=new_id(), started_at=None, ended_at=None)
        self._check(started)
        assert started.id is not None
        with self._database.service() as connection:
            is_started = dao.start(
                connection,
                started.id,
                name=started.name,
                kind=started.kind,
                task=started.task,
                variant=started.variant,
                percentage=round(started.percentage, 2),
                plans=started.plans,
                org_ids=started.org_ids,
                started_by=principal.user_id,
            )
            if not is_started:
                raise Conflict(f"Another experiment of {started.task} is running; end it first.")
            after = {name: getattr(started, name) for name in _TOLD}
            _record(connection, principal, AuditAction.EXPERIMENT_STARTED, started.id, after)
        self._running.forget()
        return started

    def end(self, principal: Principal, experiment_id: UUID) -> None:
        """Ends an experiment: everybody gets the usual answer again, and its figures stay.

        Raises:
            NotFound: none of that id runs.
            Forbidden: not an operator.
        """
        require_operator(principal)
        with self._database.service() as connection:
            if not dao.end(connection, experiment_id):
                raise NotFound("No experiment of that id is running.")
            _record(connection, principal, AuditAction.EXPERIMENT_ENDED, experiment_id, None)
        self._running.forget()

    def compared(self, principal: Principal, experiment_id: UUID) -> Mapping[str, ArmFigures]:
        """What the arms came to, by arm; an arm without calls is not there.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        with self._database.service() as connection:
            rows = dao.arms(connection, experiment_id)
        return {row.arm: ArmFigures(**{name: getattr(row, name) for name in ArmFigures.__slots__}) for row in rows}

    def close(self) -> None:
        """Stops reading."""
        self._running.close()

    def _check(self, given: Experiment) -> None:
        if not 1 <= len(given.name) <= MAX_NAME_CHARS:
            raise InvalidRequest(f"An experiment's name has 1 to {MAX_NAME_CHARS} characters.")
        if given.task not in self.tasks:
            raise InvalidRequest(f"The task is one of {', '.join(sorted(self.tasks))}.")
        if given.variant not in self.variants.get(given.kind, ()):
            raise InvalidRequest(f"There is no {given.kind} of that name.")
        if not given.percentage.is_finite() or not Decimal("0.01") <= given.percentage < 100:
            raise InvalidRequest("The share is a percentage above 0 and below 100.")
        for plan in given.plans:
            self._plans.get(plan)

    def _read_running(self) -> dict[str, Experiment]:
        with self._database.service() as connection:
            rows = dao.experiments(connection, only_running=True, most=MOST_SHOWN)
        return {row.task: _experiment(row) for row in rows}


_TOLD = ("kind", "task", "variant", "percentage", "plans", "org_ids")


def _record(
    connection: Transaction,
    principal: Principal,
    action: AuditAction,
    experiment_id: UUID,
    after: Mapping[str, Any] | None,
) -> None:
    subject = Subject("experiment", str(experiment_id))
    Audit.record(connection, audit_principal(principal, action, subject, after=after, as_operator=True))


def _experiment(row: dao.ExperimentRow) -> Experiment:
    kind: Kind = "model" if row.kind == "model" else "prompt"
    return Experiment(
        name=row.name,
        kind=kind,
        task=row.task,
        variant=row.variant,
        percentage=row.percentage,
        plans=tuple(row.plans),
        org_ids=tuple(row.org_ids),
        id=row.id,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
