"""The statements of portfolios, under the app role: what its policies let the principal see and change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

_COLUMNS = """
    id, name, currency, cost_method, has_cash, benchmark, shared_with, edited_with, made_by,
    owns_portfolio(org_id, user_id) AS is_own,
    bound_role() <> 'viewer' AND (owns_portfolio(org_id, user_id)
        OR coalesce(role_place(bound_role()) >= role_place(edited_with), false)) AS may_edit,
    number, created_at, updated_at
"""
_PORTFOLIOS = text(
    f"""
    SELECT {_COLUMNS} FROM portfolios WHERE org_id = bound_org()
    ORDER BY user_id <> bound_user(), lower(name), id LIMIT :most
    """  # noqa: S608 (a constant)
)
_PORTFOLIO = text(f"SELECT {_COLUMNS} FROM portfolios WHERE org_id = bound_org() AND id = :id")  # noqa: S608 (a constant)
_ADD = text(
    """
    INSERT INTO portfolios (id, org_id, user_id, name, currency, cost_method, has_cash, benchmark, shared_with,
        edited_with, made_by, number, created_at, updated_at)
    VALUES (:id, :org_id, :user_id, :name, :currency, :cost_method, :has_cash, :benchmark, :shared_with,
        :edited_with, :made_by, 0, assay_now(), assay_now())
    ON CONFLICT DO NOTHING RETURNING id
    """
)
_CHANGE = text(
    """
    UPDATE portfolios SET name = :name, currency = :currency, cost_method = :cost_method, has_cash = :has_cash,
        benchmark = :benchmark, shared_with = :shared_with, edited_with = :edited_with, updated_at = assay_now()
    WHERE id = :id AND owns_portfolio(org_id, user_id)
    """
)


@dataclass(frozen=True, slots=True)
class PortfolioRow:
    """A portfolio as it holds, and what the principal may do with it."""

    id: UUID
    name: str
    currency: str
    cost_method: str
    has_cash: bool
    benchmark: str | None
    shared_with: str | None
    """The least role that sees it; None: its maker alone."""
    edited_with: str | None
    """The least role that enters transactions; None: its maker alone."""
    made_by: str
    is_own: bool
    """Its maker's; where the maker has left, each owner's and admin's."""
    may_edit: bool
    number: int
    """Of its last transaction; 0: it has none."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PortfolioValues:
    """What its maker says of a portfolio."""

    name: str
    currency: str
    cost_method: str
    has_cash: bool
    benchmark: str | None
    shared_with: str | None
    edited_with: str | None


def portfolios(connection: Connection, *, most: int) -> list[PortfolioRow]:
    """The portfolios that the principal sees, their own first, by name."""
    return [PortfolioRow(**row) for row in connection.execute(_PORTFOLIOS, {"most": most}).mappings()]


def portfolio(connection: Connection, portfolio_id: UUID) -> PortfolioRow | None:
    """The portfolio of that id; None where the principal sees none."""
    row = connection.execute(_PORTFOLIO, {"id": portfolio_id}).mappings().one_or_none()
    return PortfolioRow(**row) if row else None


def lock_portfolio(connection: Connection, portfolio_id: UUID) -> bool:
    """Nobody else changes the portfolio before this transaction ends; False where the principal may not change it."""
    statement = text("SELECT id FROM portfolios WHERE org_id = bound_org() AND id = :id FOR UPDATE")
    return connection.execute(statement, {"id": portfolio_id}).scalar() is not None


def plan(connection: Connection) -> str:
    """The plan that the principal's organisation is on now."""
    return str(connection.execute(text("SELECT plan FROM organisations WHERE id = bound_org()")).scalar_one())


def count(connection: Connection, org_id: UUID) -> int:
    """How many portfolios an organisation has, seen by whomever: under the service role.

    Nobody else counts them before this transaction ends.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended('portfolios ' || :org_id, 0))")
    connection.execute(lock, {"org_id": str(org_id)})
    statement = text("SELECT count(*) FROM portfolios WHERE org_id = :org_id")
    return int(connection.execute(statement, {"org_id": org_id}).scalar_one())


def add(
    connection: Connection, portfolio_id: UUID, values: PortfolioValues, *, org_id: UUID, user_id: UUID, made_by: str
) -> bool:
    """Makes a portfolio without transactions, under the service role; False where its maker has one of this name."""
    given = {"id": portfolio_id, "org_id": org_id, "user_id": user_id, "made_by": made_by, **asdict(values)}
    return connection.execute(_ADD, given).scalar() is not None


def change(connection: Connection, portfolio_id: UUID, values: PortfolioValues) -> bool:
    """Changes one's own portfolio; False where its maker has another of this name."""
    try:
        with connection.begin_nested():
            connection.execute(_CHANGE, {"id": portfolio_id, **asdict(values)})
    except IntegrityError:
        return False
    return True


def tells_rates(connection: Connection, portfolio_id: UUID) -> bool:
    """Whether a transaction that counts tells a rate to the portfolio's currency."""
    statement = text(
        "SELECT EXISTS (SELECT FROM portfolio_transactions t WHERE t.portfolio_id = :id AND t.fx_rate IS NOT NULL "
        "AND t.reverses IS NULL AND NOT EXISTS (SELECT FROM portfolio_transactions r WHERE r.reverses = t.id))"
    )
    return bool(connection.execute(statement, {"id": portfolio_id}).scalar_one())


def advance(connection: Connection, portfolio_id: UUID, number: int) -> None:
    """Says of a locked portfolio which number its last transaction has."""
    statement = text("UPDATE portfolios SET number = :number, updated_at = assay_now() WHERE id = :id")
    connection.execute(statement, {"id": portfolio_id, "number": number})


def delete(connection: Connection, portfolio_id: UUID) -> bool:
    """Deletes one's own portfolio with all that it holds; False where it is another's."""
    statement = text("DELETE FROM portfolios WHERE id = :id RETURNING id")
    return connection.execute(statement, {"id": portfolio_id}).scalar() is not None
