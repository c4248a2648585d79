"""Seats: how many members an organisation has room for, by its plan and by what it pays for."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from core.db import billing_dao, joining_dao, people_dao
from core.db.engine import Transaction
from core.db.people_dao import OrganisationRow
from core.errors import PlanRequired

SeatsOfPlan = Callable[[str], int | None]
"""The seats of the plan of that name; None is unlimited."""


class Seats:
    """Refuses an addition; members who are there stay, whatever becomes of the plan."""

    def __init__(self, of_plan: SeatsOfPlan) -> None:
        self._of_plan = of_plan

    def of(self, transaction: Transaction, org_id: UUID, plan: str) -> int | None:
        """The seats of an organisation on that plan; None is unlimited. Those that are paid for, where some are."""
        allowed, bought = self._of_plan(plan), billing_dao.seats_bought(transaction, org_id)
        return allowed if bought is None else min(bought, allowed or bought)

    def require_free(self, transaction: Transaction, locked: OrganisationRow, *, invited: str | None = None) -> None:
        """Does nothing where there is a seat; for an invitation to `invited` open invitations take one each.

        Raises:
            PlanRequired: all seats are taken.
        """
        seats = self.of(transaction, locked.id, locked.plan)
        taken = people_dao.count_members(transaction, locked.id)
        if invited is not None:
            taken += joining_dao.count_invitations(transaction, locked.id, but=invited)
        if seats is not None and taken >= seats:
            number = "The one seat" if seats == 1 else f"All {seats} seats"
            verb = "is" if seats == 1 else "are"
            allowed = self._of_plan(locked.plan)
            more = "a larger plan has more" if seats == allowed else "more can be bought under Billing"
            raise PlanRequired(f"{number} of the plan {locked.plan} {verb} taken; {more}.")
