"""Seats: how many members the plan of an organisation has room for."""

from __future__ import annotations

from collections.abc import Callable

from core.db import joining_dao, people_dao
from core.db.engine import Transaction
from core.db.people_dao import OrganisationRow
from core.errors import PlanRequired

SeatsOfPlan = Callable[[str], int | None]
"""The seats of the plan of that name; None is unlimited."""


class Seats:
    """Refuses an addition; members who are there stay, whatever becomes of the plan."""

    def __init__(self, of_plan: SeatsOfPlan) -> None:
        self._of_plan = of_plan

    def of(self, plan: str) -> int | None:
        """The seats of a plan; None is unlimited."""
        return self._of_plan(plan)

    def require_free(self, transaction: Transaction, locked: OrganisationRow, *, invited: str | None = None) -> None:
        """Does nothing where there is a seat; for an invitation to `invited` open invitations take one each.

        Raises:
            PlanRequired: all seats are taken.
        """
        seats = self._of_plan(locked.plan)
        taken = people_dao.count_members(transaction, locked.id)
        if invited is not None:
            taken += joining_dao.count_invitations(transaction, locked.id, but=invited)
        if seats is not None and taken >= seats:
            number = "The one seat" if seats == 1 else f"All {seats} seats"
            verb = "is" if seats == 1 else "are"
            raise PlanRequired(f"{number} of the plan {locked.plan} {verb} taken; a larger plan has more.")
