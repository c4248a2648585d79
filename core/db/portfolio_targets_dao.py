"""The statements of target weights, under the app role: what its policies let the principal see and change."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_TARGETS = text("SELECT symbol, weight FROM portfolio_targets WHERE portfolio_id = :id ORDER BY weight DESC, symbol")
_ADD = text(
    "INSERT INTO portfolio_targets (portfolio_id, org_id, symbol, weight) VALUES (:id, bound_org(), :symbol, :weight)"
)


def targets(connection: Connection, portfolio_id: UUID) -> dict[str, Decimal]:
    """Target weights by symbol, the largest first."""
    return {row.symbol: row.weight for row in connection.execute(_TARGETS, {"id": portfolio_id})}


def set_targets(connection: Connection, portfolio_id: UUID, weights: Mapping[str, Decimal]) -> None:
    """Puts these in the place of all that there were, in a locked portfolio."""
    connection.execute(text("DELETE FROM portfolio_targets WHERE portfolio_id = :id"), {"id": portfolio_id})
    rows = [{"id": portfolio_id, "symbol": symbol, "weight": weight} for symbol, weight in weights.items()]
    if rows:
        connection.execute(_ADD, rows)
