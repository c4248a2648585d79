"""Monthly budgets: what the calls of an organisation may cost it; the meter refuses what would go beyond."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from core.accounts.permissions import Action, require
from core.admin.alerts.rules import LEAST_ELAPSED
from core.admin.changes import Effect, acting_in, locked_organisation
from core.admin.reach import reach_of
from core.db import budgets_dao as dao
from core.db.budgets_dao import BudgetRow
from core.db.engine import Database
from core.errors import InvalidRequest
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal

MAX_BUDGET_USD = Decimal(10_000_000)
MAX_SHOWN = 50
MAX_WORDS_CHARS = 200
_CENT = Decimal("0.01")


class Budgets:
    """Budgets of organisations, for the managers of one and operators of all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def found(self, principal: Principal, words: str = "", *, everything: bool) -> Sequence[BudgetRow]:
        """The principal's organisation, or those of which the name has these words: first who has a budget.

        Raises:
            Forbidden: nobody who oversees that.
            InvalidRequest: too long words, or characters that no name has.
        """
        org_id = reach_of(principal, everything=everything)
        if len(words) > MAX_WORDS_CHARS or "\0" in words:
            raise InvalidRequest(f"What is looked for has at most {MAX_WORDS_CHARS} printable characters.")
        with self._database.service() as connection:
            return dao.budgets(connection, org_id, words if org_id is None else "", most=MAX_SHOWN)

    def set(self, principal: Principal, org_id: UUID, budget_usd: Decimal | None) -> Effect:
        """Sets what an organisation may be charged in a calendar month of its zone; None ends that.

        It holds from the next request on, for the running month too. A call whose worst case would go beyond it is
        refused (`budget_exceeded`); answers of the cache and calls on own keys go on.

        Raises:
            Forbidden: no manager of this organisation, and not an operator.
            NotFound: there is no such organisation.
            InvalidRequest: an amount that cannot be.
        """
        if budget_usd is not None:
            budget_usd = _checked(budget_usd)
        with self._database.service() as connection:
            organisation = locked_organisation(connection, principal, org_id)
            require(acting_in(principal, organisation), Action.SET_OVERSIGHT)
            [row] = dao.budgets(connection, org_id, "", most=1)
            if row.budget_usd != budget_usd:
                dao.set_budget(connection, org_id, budget_usd)
                event = audit_principal(
                    principal,
                    AuditAction.ORGANISATION_BUDGET_SET,
                    Subject("organisation", str(org_id)),
                    before={"budget_usd_month": row.budget_usd},
                    after={"budget_usd_month": budget_usd},
                    org_id=org_id,
                    as_operator=principal.is_operator,
                )
                Audit.record(connection, event)
        return Effect(organisation.name, _words(row.budget_usd), _words(budget_usd), org_id)


def projected(row: BudgetRow) -> Decimal | None:
    """USD at the end of the month at the pace so far; None before a tenth of it is over, as for its alert."""
    if row.starts_at is None or row.resets_at is None:
        return None
    elapsed = Decimal((row.at - row.starts_at).total_seconds()) / Decimal(
        (row.resets_at - row.starts_at).total_seconds()
    )
    return row.used_usd / elapsed if elapsed >= LEAST_ELAPSED else None


def _checked(budget_usd: Decimal) -> Decimal:
    if not budget_usd.is_finite() or not 0 <= budget_usd <= MAX_BUDGET_USD or budget_usd % _CENT:
        raise InvalidRequest(f"A budget is 0 to {MAX_BUDGET_USD:,} USD, to the cent.")
    return budget_usd.quantize(_CENT)


def _words(budget_usd: Decimal | None) -> str:
    return "no budget" if budget_usd is None else f"{budget_usd:,.2f} USD a month"
