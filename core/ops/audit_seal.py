"""Sealing the audit log: every minute the new rows of each organisation become a block of its chain.

No request waits for it. A transaction has its number before its rows take their places in the order; once every
transaction is over that was under way when the newest place was read, no row can appear at or below that place. What
appears there all the same was put there by somebody who got around the workbench, and verification shows it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from core.db import audit_blocks_dao as dao
from core.db.engine import Database, Transaction
from core.ids import new_id
from core.ops.audit_blocks import FIRST, BlockKind, Leaf, RowKind, hash_of, heads_stated, leaf_of, pruned_stated

SEAL_MINUTES = 1
PLACES_AT_ONCE = 20_000
"""Places that one transaction looks at; the size of a block is bounded by it."""
MOST_STEPS = 500
WAIT_S = 3.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the order, and the transaction that read it."""

    place: int
    transaction: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one run sealed."""

    blocks: int = 0
    rows: int = 0
    is_complete: bool = True
    """False: a long transaction is under way, or another run is; the next run goes on."""


class Sealing:
    """Makes blocks of what is not sealed yet."""

    def __init__(self, database: Database, *, wait_s: float = WAIT_S) -> None:
        self._database = database
        self._wait_s = wait_s
        self._mark: Mark | None = None

    def seal(self) -> Sealed:
        """Seals every row that was written before this call, as far as no older transaction is still under way.

        Raises:
            DatabaseUnavailable: nothing more was sealed.
        """
        mark = self._mark or self._new_mark()
        if not self._is_over(mark):
            self._mark = mark
            return Sealed(is_complete=False)
        self._mark = None
        sealed = Sealed()
        for _ in range(MOST_STEPS):
            step = self._step(mark.place)
            if step is None:
                return sealed
            sealed = Sealed(sealed.blocks + step.blocks, sealed.rows + step.rows, step.is_complete)
            if not step.is_complete:
                return sealed
        return replace(sealed, is_complete=False)

    def run(self) -> None:
        """Seals, for the worker."""
        self.seal()

    def _new_mark(self) -> Mark:
        with self._database.service() as connection:
            place = dao.last_place(connection)  # read first: whoever took a place up to it had its number before
            return Mark(place, dao.own_transaction(connection))

    def _is_over(self, mark: Mark) -> bool:
        """Whether every transaction is over that might still show a place up to the mark's; waits for them a little."""
        until = time.monotonic() + self._wait_s
        while True:
            with self._database.service() as connection:
                if dao.oldest_open(connection) > mark.transaction:
                    return True
                is_of_another_server = dao.own_transaction(connection) < mark.transaction
            if is_of_another_server:
                return True  # restored elsewhere, where only what was committed came along
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_S)

    def _step(self, upto: int) -> Sealed | None:
        """Seals the places that follow the chain's end, in one transaction; None where no row is left up to `upto`."""
        with self._database.service() as connection:
            if not dao.try_lock(connection):
                return Sealed(is_complete=False)
            after, now = dao.chain_end(connection)
            if after >= upto:
                return None
            to = min(upto, after + PLACES_AT_ONCE)
            found = _leaves(connection, after, to)
            blocks = {
                org_id: block
                for org_id, leaves in found.items()
                if org_id is not None and (block := _append(connection, org_id, leaves, to, now)) is not None
            }
            # Where more follows there is a block in any case, for the next step to begin behind.
            said = heads_stated(blocks) if blocks or to < upto else None
            own = _append(connection, None, found.get(None, []), to, now, statement=said)
        if own is None:
            return None
        made = [*blocks.values(), own]
        return Sealed(len(made), sum(block.events + block.requests for block in made))


def state_pruned(transaction: Transaction, before: date) -> None:
    """Says in the installation's chain that usage of before a month was dropped, so that what it leaves still verifies.

    Called in the transaction that drops it, after sealing; `before` is the first day of the oldest month that is kept.

    Raises:
        ValueError: it is a month that has not begun, of which nothing can have been dropped.
    """
    dao.lock(transaction)
    _, now = dao.chain_end(transaction)
    if f"{before:%Y-%m}" > f"{now.astimezone(UTC):%Y-%m}":
        raise ValueError(f"Usage of before {before:%Y-%m} cannot have been dropped yet.")
    _append(transaction, None, [], 0, now, statement=pruned_stated(before), kind=BlockKind.PRUNED)


def _leaves(connection: Transaction, after: int, upto: int) -> dict[UUID | None, list[Leaf]]:
    """What is to be sealed, by chain."""
    found: dict[UUID | None, list[Leaf]] = {}
    for row in dao.events_between(connection, after, upto):
        found.setdefault(row.org_id, []).append(leaf_of(RowKind.EVENT, row))
    for row in dao.requests_between(connection, after, upto):
        found.setdefault(row.org_id, []).append(leaf_of(RowKind.REQUEST, row))
    return found


def _append(
    connection: Transaction,
    org_id: UUID | None,
    leaves: Sequence[Leaf],
    to: int,
    now: datetime,
    *,
    statement: Mapping[str, Any] | None = None,
    kind: BlockKind = BlockKind.ROWS,
) -> dao.BlockRow | None:
    """Adds a block to a chain; None where there is nothing that it does not have yet."""
    last = dao.head(connection, org_id) or dao.Head(0, FIRST, 0)
    fresh = sorted(leaf for leaf in leaves if leaf.seq > last.to_seq)
    if not fresh and statement is None:
        return None
    block = dao.BlockRow(
        org_id=org_id,
        number=last.number + 1,
        kind=kind,
        previous=last.hash,
        hash=b"",
        from_seq=last.to_seq,
        to_seq=max(to, last.to_seq),
        events=sum(leaf.kind is RowKind.EVENT for leaf in fresh),
        requests=sum(leaf.kind is RowKind.REQUEST for leaf in fresh),
        leaves=b"".join(leaf.packed() for leaf in fresh),
        statement=statement,
        sealed_at=now,
    )
    block = replace(block, hash=hash_of(block))
    dao.add_block(connection, new_id(), block)
    return block
