"""The statements of a portfolio's transactions, under the app role: facts that are read and added, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class TransactionRow(NamedTuple):
    """A transaction as it is kept; a tuple, since there are tens of thousands."""

    id: UUID
    number: int
    """From 1 on, in the order of entry."""
    kind: str
    day: date
    currency: str
    symbol: str | None
    quantity: Decimal | None
    price: Decimal | None
    amount: Decimal | None
    fees: Decimal
    taxes: Decimal
    fx_rate: Decimal | None
    ratio: Decimal | None
    other_symbol: str | None
    cost_share: Decimal | None
    note: str
    identity: bytes
    import_id: UUID | None
    reverses: UUID | None
    author: str
    created_at: datetime


_TYPES = {
    "id": "uuid",
    "number": "integer",
    "kind": "text",
    "day": "date",
    "currency": "text",
    "symbol": "text",
    "quantity": "numeric",
    "price": "numeric",
    "amount": "numeric",
    "fees": "numeric",
    "taxes": "numeric",
    "fx_rate": "numeric",
    "ratio": "numeric",
    "other_symbol": "text",
    "cost_share": "numeric",
    "note": "text",
    "identity": "bytea",
    "import_id": "uuid",
    "reverses": "uuid",
    "author": "text",
    "created_at": "timestamptz",
}
_SHOWN = ", ".join(f"trim_scale({name})" if kind == "numeric" else name for name, kind in _TYPES.items())
_ROWS = text(
    f"SELECT {_SHOWN} FROM portfolio_transactions "  # noqa: S608 (constants)
    "WHERE org_id = bound_org() AND portfolio_id = :id AND number > :after ORDER BY number"
)
_ADD = text(
    f"""
    INSERT INTO portfolio_transactions (portfolio_id, org_id, {", ".join(_TYPES)})
    SELECT :portfolio_id, bound_org(), given.*
    FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _TYPES.items())}) AS given
    """  # noqa: S608 (constants)
)
_ADD_IMPORT = text(
    """
    INSERT INTO portfolio_imports (id, portfolio_id, org_id, file_name, sha256, preset, rows, added, author, created_at)
    VALUES (:id, :portfolio_id, bound_org(), :file_name, :sha256, :preset, :rows, :added, :author, :created_at)
    """
)


def rows(connection: Connection, portfolio_id: UUID, *, after: int) -> list[TransactionRow]:
    """The transactions of a portfolio that the principal sees, by number, from the one after `after` on."""
    found = connection.execute(_ROWS, {"id": portfolio_id, "after": after}).all()
    return [TransactionRow._make(row) for row in found]


def now(connection: Connection) -> datetime:
    """The database's time, which all rows of one step are entered at."""
    moment = connection.execute(text("SELECT assay_now()")).scalar_one()
    assert isinstance(moment, datetime)
    return moment


def add(connection: Connection, portfolio_id: UUID, added: Sequence[TransactionRow]) -> None:
    """Adds transactions to a locked portfolio, in one statement."""
    columns = dict(zip(TransactionRow._fields, map(list, zip(*added, strict=True)), strict=True))
    connection.execute(_ADD, {"portfolio_id": portfolio_id, **columns})


def add_import(
    connection: Connection,
    portfolio_id: UUID,
    *,
    import_id: UUID,
    file_name: str,
    sha256: bytes,
    preset: str,
    rows: int,
    added: int,
    author: str,
    created_at: datetime,
) -> None:
    """Keeps that a file was imported, before its rows."""
    values = {
        "id": import_id,
        "portfolio_id": portfolio_id,
        "file_name": file_name,
        "sha256": sha256,
        "preset": preset,
        "rows": rows,
        "added": added,
        "author": author,
        "created_at": created_at,
    }
    connection.execute(_ADD_IMPORT, values)
