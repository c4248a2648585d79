"""Portfolios: a person's own or shared in the organisation, as many as its plan allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from core.accounts.permissions import Action, may, require
from core.db import people_dao
from core.db import portfolios_dao as dao
from core.db.engine import Database, Transaction
from core.db.portfolios_dao import PortfolioRow, PortfolioValues
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound, PlanRequired
from core.ids import new_id
from core.market.symbols import checked_symbol
from core.metering.plans import Plans
from core.notebook.words import author_of, checked_line
from core.portfolio.report import CostMethod
from core.portfolio.transactions import checked_currency
from core.principal import Principal, Role

MAX_SEEN = 1_000
MAX_PORTFOLIOS = 1_000
"""Of an organisation, whatever its plan allows."""
MAX_NAME_CHARS = 80
SHARED_WITH: Mapping[str | None, str] = {
    None: "Only me",
    Role.VIEWER.value: "Everybody in the organisation",
    Role.ANALYST.value: "Analysts, admins and owners",
    Role.ADMIN.value: "Admins and owners",
}
"""With whom a portfolio can be shared: the least role that sees it, and what that is called."""
EDITED_WITH: Mapping[str | None, str] = {
    None: "Only me",
    Role.ANALYST.value: "Analysts, admins and owners",
    Role.ADMIN.value: "Admins and owners",
}
"""Who can enter transactions: the least role, and what that is called; nobody who does not see it."""
COST_METHODS: Mapping[CostMethod, str] = {
    CostMethod.FIFO: "First in, first out",
    CostMethod.AVERAGE: "Moving average",
}
"""What the ways to tell the cost of what is sold are called."""
NO_PORTFOLIO = "There is no such portfolio; it may have been deleted, or is no longer shared with you."
_PLACES = {Role.VIEWER.value: 0, Role.ANALYST.value: 1, Role.ADMIN.value: 2}


@dataclass(frozen=True, slots=True)
class PortfolioSettings:
    """What its maker says of a portfolio. All of it may be changed at any time: what is derived is computed again."""

    name: str
    currency: str = "USD"
    """ISO 4217; in it the portfolio is valued."""
    cost_method: CostMethod = CostMethod.FIFO
    has_cash: bool = True
    """Whether its money is kept; otherwise money for purchases comes from outside, and receipts go there."""
    benchmark: str | None = None
    """A symbol; None: the organisation's."""
    shared_with: str | None = None
    """The least role that sees it; None: its maker alone."""
    edited_with: str | None = None
    """The least role that enters transactions; None: its maker alone."""


@dataclass(frozen=True, slots=True)
class PortfolioInfo:
    """A portfolio as it holds, and what the principal who asked may do with it."""

    id: UUID
    name: str
    currency: str
    cost_method: CostMethod
    has_cash: bool
    benchmark: str | None
    shared_with: str | None
    edited_with: str | None
    made_by: str
    is_own: bool
    """Whether the principal made it: its settings, its sharing and its end are theirs alone."""
    may_edit: bool
    """Whether the principal may enter transactions."""
    number: int
    """Of its last transaction; 0: it has none."""
    created_at: datetime
    updated_at: datetime

    @property
    def version(self) -> str:
        """Of all that is derived from it: the same while its transactions and what they are read by stay the same."""
        return f"{self.number} {self.currency} {self.cost_method} {'cash' if self.has_cash else 'no cash'}"

    @property
    def settings(self) -> PortfolioSettings:
        """What its maker said of it."""
        return PortfolioSettings(**{name: getattr(self, name) for name in PortfolioSettings.__dataclass_fields__})


class Portfolios:
    """Portfolios that a principal sees: their own, and those that are shared with their role."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    def all(self, principal: Principal) -> Sequence[PortfolioInfo]:
        """Every portfolio that the principal sees, their own first, by name."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return all_seen(connection, principal)

    def get(self, principal: Principal, portfolio_id: UUID) -> PortfolioInfo:
        """One portfolio.

        Raises:
            NotFound: none of that id that this caller sees.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return seen(connection, principal, portfolio_id)

    def limit(self, principal: Principal) -> int | None:
        """How many portfolios the plan of the principal's organisation allows it; None is unlimited."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return self._plans.get(dao.plan(connection)).limits.portfolios

    def create(self, principal: Principal, settings: PortfolioSettings) -> PortfolioInfo:
        """Makes a portfolio without transactions.

        The limit is of the organisation and counts portfolios that the principal does not see, so that it is the
        service role that counts, under a lock: two who make the last one at once do not both.

        Raises:
            PlanRequired: the organisation has as many portfolios as its plan allows, or more since it had a larger one.
            InvalidRequest: a name, currency, benchmark or sharing that cannot be; the sentence says which.
            Conflict: the principal has a portfolio of this name.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_PORTFOLIOS)
        values, portfolio_id = _checked(settings), new_id()
        with self._database.service() as connection:
            self._require_room(connection, principal.org_id)
            org_id, user_id, made_by = principal.org_id, principal.user_id, author_of(principal)
            if not dao.add(connection, portfolio_id, values, org_id=org_id, user_id=user_id, made_by=made_by):
                raise Conflict(_same_name(values.name))
        with self._database.app(principal) as connection:
            return seen(connection, principal, portfolio_id)

    def change(self, principal: Principal, portfolio_id: UUID, settings: PortfolioSettings) -> PortfolioInfo:
        """Makes the settings of one's own portfolio what is given here, whole; its transactions stay as they are.

        Raises:
            NotFound: none of that id that this caller sees.
            Forbidden: another's, a viewer, or a token without the scope.
            Conflict, InvalidRequest: as `create`.
        """
        return self._change(principal, portfolio_id, lambda _: settings)

    def alter(self, principal: Principal, portfolio_id: UUID, changes: Mapping[str, Any]) -> PortfolioInfo:
        """Changes settings of one's own portfolio, by their names, and leaves the rest; raises as `change`."""
        return self._change(principal, portfolio_id, lambda current: replace(current, **changes))

    def _change(
        self, principal: Principal, portfolio_id: UUID, wanted: Callable[[PortfolioSettings], PortfolioSettings]
    ) -> PortfolioInfo:
        require(principal, Action.KEEP_PORTFOLIOS)
        with self._database.app(principal) as connection:
            dao.lock_portfolio(connection, portfolio_id)
            current = seen(connection, principal, portfolio_id)
            values = _checked(wanted(current.settings))
            if not current.is_own:
                raise Forbidden(f"The settings of a portfolio are its maker's: ask {current.made_by} to change them.")
            if values.currency != current.currency and dao.tells_rates(connection, portfolio_id):
                raise InvalidRequest(
                    f"Transactions of this portfolio tell their own exchange rates to {current.currency}: it stays in "
                    f"{current.currency}. Make another one in {values.currency}, and import them without the rates."
                )
            if not dao.change(connection, portfolio_id, values):
                raise Conflict(_same_name(values.name))
            return seen(connection, principal, portfolio_id)

    def delete(self, principal: Principal, portfolio_id: UUID) -> None:
        """Deletes one's own portfolio with all its transactions, imports and targets, for good.

        Raises:
            NotFound: none of that id that this caller sees.
            Forbidden: another's, a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_PORTFOLIOS)
        with self._database.app(principal) as connection:
            current = seen(connection, principal, portfolio_id)
            if not dao.delete(connection, portfolio_id):
                raise Forbidden(f"A portfolio is deleted by its maker alone: ask {current.made_by}.")

    def _require_room(self, transaction: Transaction, org_id: UUID) -> None:
        taken = dao.count(transaction, org_id)
        plan = self._plans.get(people_dao.organisation(transaction, org_id).plan)
        limit = plan.limits.portfolios
        if limit is not None and taken >= limit:
            number = "one portfolio" if limit == 1 else f"{limit:,} portfolios"
            raise PlanRequired(
                f"The plan {plan.label} has room for {number} in your organisation, which has {taken:,}; a larger plan "
                "has more. Nothing that is there is touched."
            )
        if taken >= MAX_PORTFOLIOS:
            raise InvalidRequest(f"An organisation has at most {MAX_PORTFOLIOS:,} portfolios; delete one first.")


def all_seen(transaction: Transaction, principal: Principal) -> list[PortfolioInfo]:
    """Every portfolio that the principal sees, in a transaction that is bound to them."""
    return [_info(row, principal) for row in dao.portfolios(transaction, most=MAX_SEEN)]


def seen(transaction: Transaction, principal: Principal, portfolio_id: UUID) -> PortfolioInfo:
    """The portfolio of that id, in a transaction that is bound to the principal.

    Raises:
        NotFound: none of that id that this caller sees.
    """
    row = dao.portfolio(transaction, portfolio_id)
    if row is None:
        raise NotFound(NO_PORTFOLIO)
    return _info(row, principal)


def _info(row: PortfolioRow, principal: Principal) -> PortfolioInfo:
    values = {name: getattr(row, name) for name in PortfolioRow.__dataclass_fields__}
    values["cost_method"] = CostMethod(row.cost_method)
    values["may_edit"] = row.may_edit and may(principal, Action.KEEP_PORTFOLIOS)
    return PortfolioInfo(**values)


def _checked(settings: PortfolioSettings) -> PortfolioValues:
    _check_sharing(settings.shared_with, settings.edited_with)
    if settings.cost_method not in COST_METHODS:
        raise InvalidRequest(f"The cost of what is sold is told by {' or '.join(CostMethod)}.")
    return PortfolioValues(
        name=checked_line(settings.name, MAX_NAME_CHARS, "name"),
        currency=checked_currency(settings.currency),
        cost_method=settings.cost_method.value,
        has_cash=settings.has_cash,
        benchmark=None if settings.benchmark is None else checked_symbol(settings.benchmark),
        shared_with=settings.shared_with,
        edited_with=settings.edited_with,
    )


def _check_sharing(shared_with: str | None, edited_with: str | None) -> None:
    if shared_with not in SHARED_WITH:
        raise InvalidRequest("A portfolio is shared with viewers, analysts or admins and those above, or nobody.")
    if edited_with not in EDITED_WITH:
        raise InvalidRequest("Transactions are entered by analysts or admins and those above, or its maker alone.")
    if edited_with is not None and (shared_with is None or _PLACES[edited_with] < _PLACES[shared_with]):
        raise InvalidRequest("Nobody enters transactions who does not see the portfolio: share it with them, too.")


def _same_name(name: str) -> str:
    return f"You have a portfolio named {name} already; choose another name."
