"""Monthly budgets, of an organisation and of each member: what calls may cost; the meter refuses what goes beyond."""

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
from core.db.engine import Database, Transaction
from core.db.people_dao import OrganisationRow
from core.errors import InvalidRequest, NotFound
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal

MAX_BUDGET_USD = Decimal(10_000_000)
MAX_SHOWN = 50
MAX_WORDS_CHARS = 200
_CENT = Decimal("0.01")


class Budgets:
    """Budgets of organisations and their members, for the managers of one and operators of all."""

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
        budget_usd = _checked(budget_usd)
        with self._database.service() as connection:
            organisation = _locked(connection, principal, org_id)
            [row] = dao.budgets(connection, org_id, "", most=1)
            if row.budget_usd != budget_usd:
                dao.set_budget(connection, org_id, budget_usd)
                subject = Subject("organisation", str(org_id))
                change = row.budget_usd, budget_usd
                _record(connection, principal, AuditAction.ORGANISATION_BUDGET_SET, subject, org_id, change)
        return Effect(organisation.name, _words(row.budget_usd), _words(budget_usd), org_id)

    def set_of_member(self, principal: Principal, org_id: UUID, user_id: UUID, budget_usd: Decimal | None) -> Effect:
        """Sets what a member's own calls may be charged in a calendar month of the organisation's zone; None ends that.

        It holds as that of the organisation does, beside it: whichever is nearer refuses. What acts as the
        organisation, as nightly verdicts do, takes none of it.

        Raises:
            Forbidden: no manager of this organisation, and not an operator.
            NotFound: there is no such organisation, or no such member.
            InvalidRequest: an amount that cannot be.
        """
        budget_usd = _checked(budget_usd)
        with self._database.service() as connection:
            organisation = _locked(connection, principal, org_id)
            row = dao.budget_of_member(connection, org_id, user_id)
            if row is None:
                raise NotFound("There is no such member in this organisation.")
            if row.budget_usd != budget_usd:
                dao.set_budget_of_member(connection, org_id, user_id, budget_usd)
                subject = Subject("user", str(user_id))
                change = row.budget_usd, budget_usd
                _record(connection, principal, AuditAction.MEMBER_BUDGET_SET, subject, org_id, change)
        whose = f"{row.email}, {organisation.name}"
        return Effect(whose, _words(row.budget_usd), _words(budget_usd), org_id, user_id)


def projected(row: BudgetRow) -> Decimal | None:
    """USD at the end of the month at the pace so far; None before a tenth of it is over, as for its alert."""
    if row.starts_at is None or row.resets_at is None:
        return None
    elapsed = Decimal((row.at - row.starts_at).total_seconds()) / Decimal(
        (row.resets_at - row.starts_at).total_seconds()
    )
    return row.used_usd / elapsed if elapsed >= LEAST_ELAPSED else None


def _locked(transaction: Transaction, principal: Principal, org_id: UUID) -> OrganisationRow:
    """The organisation, whose budgets the principal may set."""
    organisation = locked_organisation(transaction, principal, org_id)
    require(acting_in(principal, organisation), Action.SET_OVERSIGHT)
    return organisation


def _record(
    transaction: Transaction,
    principal: Principal,
    action: AuditAction,
    subject: Subject,
    org_id: UUID,
    change: tuple[Decimal | None, Decimal | None],
) -> None:
    before, after = change
    event = audit_principal(
        principal,
        action,
        subject,
        before={"budget_usd_month": before},
        after={"budget_usd_month": after},
        org_id=org_id,
        as_operator=principal.is_operator,
    )
    Audit.record(transaction, event)


def _checked(budget_usd: Decimal | None) -> Decimal | None:
    if budget_usd is None:
        return None
    if not budget_usd.is_finite() or not 0 <= budget_usd <= MAX_BUDGET_USD or budget_usd % _CENT:
        raise InvalidRequest(f"A budget is 0 to {MAX_BUDGET_USD:,} USD, to the cent.")
    return budget_usd.quantize(_CENT)


def _words(budget_usd: Decimal | None) -> str:
    return "no budget" if budget_usd is None else f"{budget_usd:,.2f} USD a month"
