"""What a block of the audit log is: how rows and blocks are written down before they are hashed.

A row's hash is SHA-256 over a JSON list of its values in UTF-8, without spaces: times in UTC with microseconds, figures
as text. A block's hash is SHA-256 over a JSON object of its fields with sorted names, among them the hash of the block
before and that of its leaves. Anybody can compute both with a few lines of another language.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.db.audit_blocks_dao import BlockRow

VERSION = 1
FIRST = bytes(32)
"""Stands for the block before the first."""
INSTALLATION = "installation"
_LEAF = struct.Struct(">QH32s")


class BlockKind(StrEnum):
    """What a block says."""

    ROWS = "rows"
    """These rows were there, and no others."""
    PRUNED = "pruned"
    """Usage of before a month was dropped, as retention has it."""


class RowKind(StrEnum):
    """What is sealed."""

    EVENT = "event"
    REQUEST = "request"
    """The row that the usage log has of an AI request."""


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """What a block knows of one row."""

    seq: int
    month: int
    """Of a usage row, the year times 12 and the month from 0; 0: an event."""
    digest: bytes

    @property
    def kind(self) -> RowKind:
        """What it is a leaf of."""
        return RowKind.REQUEST if self.month else RowKind.EVENT

    def packed(self) -> bytes:
        """Its 42 bytes."""
        return _LEAF.pack(self.seq, self.month, self.digest)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a block of the installation says of others."""

    heads: Mapping[str, tuple[int, str]]
    """By organisation, the number and hash of its newest block."""
    kept_month: int
    """Usage of before this month was dropped; 0: nothing is said of it."""


def leaves_of(block: BlockRow) -> Iterator[Leaf]:
    """The leaves of a block, in order; none where what is stored cannot be leaves."""
    if len(block.leaves) % _LEAF.size:
        return iter(())
    return (Leaf(*values) for values in _LEAF.iter_unpack(block.leaves))


def heads_stated(heads: Mapping[UUID, BlockRow]) -> Mapping[str, Any]:
    """What a block of the installation says of the newest blocks of other chains."""
    return {"heads": {str(org_id): [block.number, block.hash.hex()] for org_id, block in heads.items()}}


def pruned_stated(before: date) -> Mapping[str, Any]:
    """What a block of the installation says where usage of before a month was dropped."""
    return {"usage_before": f"{before:%Y-%m}"}


def stated_by(block: BlockRow) -> Stated | None:
    """What a block of the installation says of others; None where it cannot be read, which we never write."""
    statement = block.statement or {}
    try:
        heads = {str(UUID(name)): (int(said[0]), str(said[1])) for name, said in statement.get("heads", {}).items()}
        if block.kind != BlockKind.PRUNED:
            return Stated(heads, 0)
        year, month = map(int, str(statement["usage_before"]).split("-"))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return None
    return Stated(heads, year * 12 + month - 1)


def month_of(moment: datetime) -> int:
    """The month in which a usage row is kept, in UTC."""
    at = moment.astimezone(UTC)
    return at.year * 12 + at.month - 1


def leaf_of(kind: RowKind, row: Any) -> Leaf:
    """The leaf of a row as `audit_blocks_dao` reads it. Its place is no part of what is hashed."""
    values = [_written(value) for value in row[2:]]
    text = json.dumps([VERSION, kind, str(row.org_id or INSTALLATION), *values], ensure_ascii=False, **_COMPACT)
    month = 0 if kind is RowKind.EVENT else month_of(row.at)
    return Leaf(row.seq, month, hashlib.sha256(text.encode()).digest())


def hash_of(block: BlockRow) -> bytes:
    """The hash of a block, of all of its fields but itself."""
    fields = {
        "version": VERSION,
        "chain": str(block.org_id or INSTALLATION),
        "number": block.number,
        "kind": block.kind,
        "previous": block.previous.hex(),
        "from": block.from_seq,
        "to": block.to_seq,
        "events": block.events,
        "requests": block.requests,
        "leaves": hashlib.sha256(block.leaves).hexdigest(),
        "statement": block.statement,
        "sealed_at": _written(block.sealed_at),
    }
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False, sort_keys=True, **_COMPACT).encode()).digest()


_COMPACT: Mapping[str, Any] = {"separators": (",", ":")}


def _written(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return json.dumps(value, ensure_ascii=False, sort_keys=True, **_COMPACT)
