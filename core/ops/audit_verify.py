"""Reading the audit log through: whether each row is as it was sealed, and each chain whole.

Blocks and rows are read once, in order, a few at a time. The installation's chain names the newest block of every other
one, so that its own newest block stands for everything; only what was cut off its end together with all that stood for
it cannot be seen from inside: for that the newest hash is kept elsewhere and given as the anchor.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.db import audit_blocks_dao as dao
from core.db.engine import Database, Transaction
from core.ops.audit_blocks import FIRST, Leaf, RowKind, hash_of, leaf_of, leaves_of, month_of, stated_by

MOST_FINDINGS = 1_000
"""Findings that are told one by one; more are counted."""
LONGEST_WAIT = timedelta(hours=1)
"""What is older and not sealed is a finding: sealing takes minutes, unless somebody stopped it."""


class FindingKind(StrEnum):
    """What is not as it was sealed."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    REORDERED = "reordered"
    BLOCK_CHANGED = "block changed"
    BLOCK_MISSING = "block missing"
    ANCHOR_DIFFERS = "anchor differs"
    UNTRUE = "said to be dropped"
    """A statement of retention that names a month after itself, or a row that by one is not there."""
    WAITING = "not sealed for long"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest block of the installation's chain, to be kept elsewhere."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed, and where."""

    kind: FindingKind
    org_id: UUID | None
    """Whose chain; None: the installation's."""
    block: int | None
    seq: int | None = None
    """The row's place in the order; None: it is about a block."""
    row: RowKind | None = None
    row_id: UUID | None = None
    """None: the row is gone."""

    def __str__(self) -> str:
        where = f"block {self.block}" if self.block is not None else "no block"
        if self.seq is None:
            return f"{self.kind}: {where}"
        what = f"{self.row} {self.row_id}" if self.row_id else str(self.row)
        return f"{self.kind}: {what} at place {self.seq}, {where}"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """One chain as it was read."""

    org_id: UUID | None
    blocks: int
    rows: int
    """Rows that stand in blocks and are there."""
    pruned: int
    """AI requests whose rows were dropped by retention; their hashes stay in their blocks."""
    unsealed: int
    oldest_unsealed: datetime | None
    count: int
    """Findings in all."""


@dataclass(frozen=True, slots=True)
class Report:
    """What reading through came to."""

    chains: tuple[ChainReport, ...]
    findings: tuple[Finding, ...]
    """The first thousand."""
    count: int
    anchor: Anchor | None
    """None: nothing was sealed yet."""
    usage_kept_from: str | None
    """The oldest month whose usage was not dropped, as a statement in the chain says it."""

    @property
    def holds(self) -> bool:
        """Whether everything is as it was sealed."""
        return self.count == 0


@dataclass(slots=True)
class _Found:
    """The findings, as many as are told."""

    told: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(self, finding: Finding) -> None:
        self.count += 1
        if len(self.told) < MOST_FINDINGS:
            self.told.append(finding)


@dataclass(slots=True)
class _Seals:
    """What the installation's chain says of all the others."""

    upto: int
    now: datetime
    anchor: Anchor | None = None
    """As it was kept elsewhere."""
    heads: dict[str, tuple[int, str]] = field(default_factory=dict)
    kept_month: int = 0
    newest: Anchor | None = None
    is_anchored: bool = False
    """Whether the block that the anchor names has its hash."""

    def learn(self, block: dao.BlockRow) -> FindingKind | None:
        """Takes from a block of the installation what it says of the others; gives what is wrong with it."""
        stated = stated_by(block)
        if stated is None:
            return FindingKind.BLOCK_CHANGED
        for name, head in stated.heads.items():
            # A chain only grows: one that was made anew does not hide what there was.
            self.heads[name] = max(head, self.heads.get(name, head), key=lambda each: each[0])
        self.upto = max(self.upto, block.to_seq)
        self.newest = Anchor(block.number, block.hash)
        self.is_anchored = self.is_anchored or self.newest == self.anchor
        if stated.kept_month > month_of(min(block.sealed_at, self.now)):
            return FindingKind.UNTRUE
        self.kept_month = max(self.kept_month, stated.kept_month)
        return None


@dataclass(frozen=True, slots=True)
class _RowSeen:
    """A row that is there."""

    leaf: Leaf
    id: UUID
    at: datetime


class Verification:
    """Reads the audit log through."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def everything(self, *, anchor: Anchor | None = None) -> Report:
        """Every chain, the installation's first; with an anchor that was kept elsewhere, also the end of that one."""
        with self._database.snapshot() as connection:
            dao.read_slowly(connection)
            found, seals = _Found(), _Seals(*dao.chain_end(connection), anchor)
            reports = [_Chain(connection, None, seals, found).read()]
            if anchor is not None and not seals.is_anchored:
                found.add(Finding(FindingKind.ANCHOR_DIFFERS, None, anchor.number))
            known = {*dao.chains(connection), *map(UUID, seals.heads)}
            reports += [_Chain(connection, org_id, seals, found).read() for org_id in sorted(known)]
            return _report(reports, seals, found)

    def organisation(self, org_id: UUID) -> Report:
        """The chain of one organisation, against what the installation's says of it; the findings are its own.

        Of the installation's chain those blocks alone are read that name this one, and statements of retention.
        """
        with self._database.snapshot() as connection:
            dao.read_slowly(connection)
            found, seals = _Found(), _Seals(*dao.chain_end(connection))
            for block in dao.blocks_about(connection, org_id):
                seals.learn(block)
            return _report([_Chain(connection, org_id, seals, found).read()], seals, found)


def _report(reports: list[ChainReport], seals: _Seals, found: _Found) -> Report:
    return Report(tuple(reports), tuple(found.told), found.count, seals.newest, _month(seals.kept_month))


class _Chain:
    """One chain, read once from its beginning."""

    def __init__(self, connection: Transaction, org_id: UUID | None, seals: _Seals, found: _Found) -> None:
        self._connection = connection
        self._org_id = org_id
        self._seals = seals
        self._found = found
        self._rows = _Peeked(_rows_of(connection, org_id))
        self._before = found.count
        self._number, self._hash, self._upto = 0, FIRST, 0
        self._seen = self._pruned = 0

    def read(self) -> ChainReport:
        """Reads it, and notes what is not as it was sealed."""
        blocks = 0
        for block in dao.blocks(self._connection, self._org_id):
            blocks += 1
            self._check_block(block)
            self._check_rows(block)
            if self._org_id is None and (wrong := self._seals.learn(block)) is not None:
                self._note(wrong, block.number)
        self._check_end()
        unsealed, oldest = self._rest()
        count = self._found.count - self._before
        return ChainReport(self._org_id, blocks, self._seen, self._pruned, unsealed, oldest, count)

    def _check_block(self, block: dao.BlockRow) -> None:
        """Whether it is the one that follows, and as it was made; what is missing before it is told."""
        for number in range(self._number + 1, min(block.number, self._number + MOST_FINDINGS)):
            self._note(FindingKind.BLOCK_MISSING, number)
        if hash_of(block) != block.hash or block.number <= self._number or not self._is_as_stated(block):
            self._note(FindingKind.BLOCK_CHANGED, block.number)
        elif block.number == self._number + 1 and (block.previous != self._hash or block.from_seq != self._upto):
            # It is as it was made, so the one before is not.
            self._note(FindingKind.BLOCK_CHANGED, max(self._number, 1))
        self._number, self._hash = block.number, block.hash

    def _is_as_stated(self, block: dao.BlockRow) -> bool:
        number, hash_ = self._head
        return number != block.number or hash_ == block.hash.hex()

    @property
    def _head(self) -> tuple[int, str]:
        """The newest block of this chain that the installation's knows of."""
        return self._seals.heads.get(str(self._org_id), (0, ""))

    def _check_rows(self, block: dao.BlockRow) -> None:
        """Compares the rows of a block's places with its leaves."""
        # Rows below its places belong to a block that is missing, or were added where there is none.
        for row in self._rows.upto(block.from_seq):
            if block.from_seq <= self._upto:
                self._note(FindingKind.ADDED, None, row)
        leaves = {(leaf.seq, leaf.kind): leaf for leaf in leaves_of(block)}
        odd: list[_RowSeen] = []
        for row in self._rows.upto(block.to_seq):
            if leaves.get((row.leaf.seq, row.leaf.kind)) == row.leaf:
                del leaves[row.leaf.seq, row.leaf.kind]
                self._seen += 1
                if row.leaf.kind is RowKind.REQUEST and row.leaf.month < self._seals.kept_month:
                    self._note(FindingKind.UNTRUE, block.number, row)
            else:
                odd.append(row)
        self._upto = max(self._upto, block.to_seq)
        self._tell(block.number, leaves, odd)

    def _tell(self, number: int, leaves: dict[tuple[int, RowKind], Leaf], odd: list[_RowSeen]) -> None:
        """Says of rows that are not as their leaves whether they were moved, changed, added, or are gone."""
        by_digest = {leaf.digest: key for key, leaf in leaves.items()}
        places = {(row.leaf.seq, row.leaf.kind) for row in odd}
        moved = {by_digest[row.leaf.digest] for row in odd if row.leaf.digest in by_digest}
        for row in odd:
            place = (row.leaf.seq, row.leaf.kind)
            if row.leaf.digest in by_digest:
                self._note(FindingKind.REORDERED, number, row)
            elif place in leaves and place not in moved:
                self._note(FindingKind.CHANGED, number, row)
            else:
                self._note(FindingKind.ADDED, number, row)
        for place, leaf in leaves.items():
            if place in moved or place in places:
                continue
            if leaf.kind is RowKind.REQUEST and leaf.month < self._seals.kept_month:
                self._pruned += 1
                continue
            self._found.add(Finding(FindingKind.MISSING, self._org_id, number, leaf.seq, leaf.kind))

    def _check_end(self) -> None:
        """Whether the chain reaches as far as the installation's says."""
        newest = self._head[0]
        for number in range(self._number + 1, min(newest, self._number + MOST_FINDINGS) + 1):
            self._note(FindingKind.BLOCK_MISSING, number)

    def _rest(self) -> tuple[int, datetime | None]:
        """The rows that follow the last block: what is not sealed yet, and what cannot be."""
        unsealed, oldest = 0, None
        is_cut = self._number < self._head[0]
        for row in self._rows.upto(None):
            if row.leaf.seq <= self._seals.upto:
                if not is_cut:
                    self._note(FindingKind.ADDED, None, row)
                continue
            unsealed, oldest = unsealed + 1, row.at if oldest is None else min(oldest, row.at)
            if row.at < self._seals.now - LONGEST_WAIT:
                self._note(FindingKind.WAITING, None, row)
        return unsealed, oldest

    def _note(self, kind: FindingKind, number: int | None, row: _RowSeen | None = None) -> None:
        if row is None:
            self._found.add(Finding(kind, self._org_id, number))
        else:
            self._found.add(Finding(kind, self._org_id, number, row.leaf.seq, row.leaf.kind, row.id))


class _Peeked:
    """Rows in the order of their places, of which one can be looked at before it is taken."""

    def __init__(self, rows: Iterator[_RowSeen]) -> None:
        self._rows = rows
        self._next: _RowSeen | None = next(rows, None)

    def upto(self, seq: int | None) -> Iterator[_RowSeen]:
        """Takes those up to a place; all where it is None."""
        while self._next is not None and (seq is None or self._next.leaf.seq <= seq):
            row, self._next = self._next, next(self._rows, None)
            yield row


def _month(month: int) -> str | None:
    return f"{month // 12:04}-{month % 12 + 1:02}" if month else None


def _rows_of(connection: Transaction, org_id: UUID | None) -> Iterator[_RowSeen]:
    events = (_seen(RowKind.EVENT, row) for row in dao.events_of(connection, org_id))
    requests = (_seen(RowKind.REQUEST, row) for row in dao.requests_of(connection, org_id)) if org_id else iter(())
    return heapq.merge(events, requests, key=lambda row: row.leaf.seq)


def _seen(kind: RowKind, row: Any) -> _RowSeen:
    return _RowSeen(leaf_of(kind, row), row.id, row.at)
