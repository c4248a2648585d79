"""What an organisation sets about verdicts: its nightly batch, and whether "auto" goes by what verdicts were worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from core.accounts.permissions import Action, require
from core.ai.router import AUTO
from core.db import verdict_batches_dao as dao
from core.db.engine import Database
from core.db.verdict_batches_dao import SettingsRow
from core.errors import InvalidRequest
from core.ops.audit import Audit, AuditAction, Subject, audit_principal, changed
from core.principal import Principal
from core.verdicts.batches import MOST_SIGNALS

MOST_A_NIGHT = 50
"""Signals that a nightly batch is of, unless an organisation set another number."""


@dataclass(frozen=True, slots=True)
class VerdictChoices:
    """What managers choose."""

    is_nightly: bool = False
    """Whether signals are validated every night, after the scan."""
    universe_id: str | None = None
    """Whose signals."""
    most: int = MOST_A_NIGHT
    """Signals of a night, the most confident first."""
    model: str = AUTO
    uses_quality: bool = False
    """Whether "auto" prefers models whose verdicts were right."""


@dataclass(frozen=True, slots=True)
class VerdictSet:
    """What is set, by whom and since when."""

    choices: VerdictChoices
    switched_on_by: UUID | None
    """In whose name the nightly batch asks."""
    updated_at: datetime | None
    """None: nothing was ever set."""


class VerdictSettings:
    """Reads and changes what an organisation set."""

    def __init__(
        self,
        database: Database,
        *,
        find_universe: Callable[[Principal, str], object],
        check_model: Callable[[Principal, str], object],
    ) -> None:
        """Both raise where there is no such thing, or the principal may not have it."""
        self._database = database
        self._find_universe = find_universe
        self._check_model = check_model

    def get(self, principal: Principal) -> VerdictSet:
        """What the organisation set; every member may read it."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            row = dao.settings(connection, principal.org_id)
        return VerdictSet(VerdictChoices(), None, None) if row is None else _set(row)

    def begin_with(self, principal: Principal, choices: VerdictChoices) -> None:
        """Sets it where nothing was ever set; raises as `change`."""
        require(principal, Action.SET_ORGANISATION)
        if self.get(principal).updated_at is None:
            self.change(principal, choices)

    def change(self, principal: Principal, choices: VerdictChoices) -> VerdictSet:
        """Sets all of it; the nightly batch asks in the name of who switched it on last.

        Raises:
            Forbidden: not a manager, or a model that the organisation does not allow.
            InvalidRequest: a number out of bounds, or no universe for the nightly batch.
            NotFound: there is no such universe or model.
            PlanRequired, NotConfigured: the model may not be asked.
        """
        require(principal, Action.SET_ORGANISATION)
        if not 1 <= choices.most <= MOST_SIGNALS:
            raise InvalidRequest(f"A night is of 1 to {MOST_SIGNALS} signals.")
        if choices.is_nightly and choices.universe_id is None:
            raise InvalidRequest("Choose the universe whose signals are validated every night.")
        if choices.universe_id is not None:
            self._find_universe(principal, choices.universe_id)
        if choices.model != AUTO:
            self._check_model(principal, choices.model)
        by = principal.user_id if choices.is_nightly else None
        with self._database.app(principal) as connection:
            known = dao.settings(connection, principal.org_id)
            row = dao.put_settings(connection, principal.org_id, by, asdict(choices))
            before, after = changed({} if known is None else asdict(_set(known).choices), asdict(choices))
            if after:
                subject = Subject("verdict_settings", str(principal.org_id))
                event = audit_principal(principal, AuditAction.VERDICTS_SET, subject, before=before, after=after)
                Audit.record(connection, event)
        return _set(row)


def _set(row: SettingsRow) -> VerdictSet:
    choices = VerdictChoices(row.is_nightly, row.universe_id, row.most, row.model, row.uses_quality)
    return VerdictSet(choices, row.switched_on_by, row.updated_at)
