"""A portfolio's transactions as they stand at one moment, and what is added to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.db.portfolio_transactions_dao import TransactionRow
from core.errors import Conflict, InvalidRequest, NotFound
from core.ids import new_id
from core.portfolio.portfolios import PortfolioInfo
from core.portfolio.transactions import Draft, Kind, Transaction


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of a portfolio by number, as they were read."""

    transactions: tuple[Transaction, ...] = ()
    identities: tuple[bytes, ...] = ()
    """Of each of the transactions."""

    def __len__(self) -> int:
        return len(self.transactions)

    def known(self) -> frozenset[bytes]:
        """Identities of those in force."""
        pairs = zip(self.transactions, self.identities, strict=True)
        return frozenset(identity for each, identity in pairs if each.is_in_force)

    def of_key(self, ids: Sequence[UUID], forms: Sequence[Draft]) -> tuple[Transaction, ...]:
        """The rows that a request with the same key entered; none where it is the first.

        Args:
            ids: of the rows that the key leads to, and of one more.
            forms: what the request wants to enter.

        Raises:
            Conflict: the earlier request wanted something else.
        """
        wanted = frozenset(ids)
        found = tuple(each for each in self.transactions if each.id in wanted)
        if found and [_said(each) for each in found] != [_said(each) for each in forms]:
            raise Conflict("This Idempotency-Key was used for other transactions; choose another key.")
        return found

    def one(self, transaction_id: UUID) -> tuple[Transaction, bytes]:
        """A row that may be taken back.

        Raises:
            NotFound: there is none of that id.
            Conflict: it was taken back already.
            InvalidRequest: it takes another back itself.
        """
        pairs = zip(self.transactions, self.identities, strict=True)
        found = next((pair for pair in pairs if pair[0].id == transaction_id), None)
        if found is None:
            raise NotFound("There is no such transaction in this portfolio.")
        if found[0].reversed_by is not None:
            raise Conflict("This transaction was reversed already; it does not count any more.")
        if found[0].reverses is not None:
            raise InvalidRequest("This row reverses another; enter that transaction again instead.")
        return found

    def and_these(self, added: Sequence[TransactionRow]) -> Rows:
        """These, and others after them."""
        if not added:
            return self
        transactions = [*self.transactions, *map(_transaction, added)]
        places = {each.id: place for place, each in enumerate(transactions)} if _takes_back(added) else {}
        for row in added:
            if row.reverses is not None:
                place = places[row.reverses]
                transactions[place] = replace(transactions[place], reversed_by=row.id)
        return Rows(tuple(transactions), (*self.identities, *(row.identity for row in added)))


@dataclass(frozen=True, slots=True)
class Standing:
    """A portfolio and its rows at the moment that a step begins."""

    info: PortfolioInfo
    rows: Rows
    at: datetime
    """The database's time."""
    author: str

    def row(
        self,
        draft: Draft,
        place: int,
        identity: bytes,
        *,
        row_id: UUID | None = None,
        import_id: UUID | None = None,
        reverses: UUID | None = None,
    ) -> TransactionRow:
        """A checked draft as the `place`th row (from 0) after those that are there."""
        return TransactionRow(
            id=row_id or new_id(),
            number=len(self.rows) + 1 + place,
            kind=draft.kind.value,
            day=draft.day,
            currency=draft.currency,
            symbol=draft.symbol,
            quantity=_trimmed(draft.quantity),
            price=_trimmed(draft.price),
            amount=_trimmed(draft.amount),
            fees=_trimmed(draft.fees) or Decimal(0),
            taxes=_trimmed(draft.taxes) or Decimal(0),
            fx_rate=_trimmed(draft.fx_rate),
            ratio=_trimmed(draft.ratio),
            other_symbol=draft.other_symbol,
            cost_share=_trimmed(draft.cost_share),
            note=draft.note,
            identity=identity,
            import_id=import_id,
            reverses=reverses,
            author=self.author,
            created_at=self.at,
        )


def _transaction(row: TransactionRow) -> Transaction:
    return Transaction(
        Kind(row.kind),
        row.day,
        row.currency,
        row.symbol,
        row.quantity,
        row.price,
        row.amount,
        row.fees,
        row.taxes,
        row.fx_rate,
        row.ratio,
        row.other_symbol,
        row.cost_share,
        row.note,
        "",
        row.id,
        row.number,
        row.reverses,
        None,
        row.import_id,
        row.author,
        row.created_at,
    )


def _takes_back(added: Sequence[TransactionRow]) -> bool:
    return any(row.reverses is not None for row in added)


def _said(draft: Draft) -> tuple[object, ...]:
    """What a transaction says; a broker's own id of it is not kept."""
    return tuple(getattr(draft, name) for name in Draft.__dataclass_fields__ if name != "reference")


def _trimmed(number: Decimal | None) -> Decimal | None:
    """Without zeros at its end, as the database gives it."""
    if number is None:
        return None
    plain = number.normalize()
    exponent = plain.as_tuple().exponent
    return plain.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else plain
