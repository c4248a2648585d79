"""The statements that seal the audit log and read it through again: blocks, and the rows that they stand for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

SEALERS = 7_311_102_611
"""Key of the lock that one sealer at a time holds."""
FETCHED_AT_ONCE = 2_000
READING_TIMEOUT_MS = 600_000
"""Of one statement that reads everything through, its sorting included."""

_LAST_PLACE = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM audit_order")
_OWN_TRANSACTION = text("SELECT pg_current_xact_id()::text::bigint")
_OLDEST_OPEN = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_CHAIN_END = text(
    """
    SELECT coalesce((SELECT to_seq FROM audit_blocks WHERE org_id IS NULL ORDER BY number DESC LIMIT 1), 0), assay_now()
    """
)
_EVENTS = """
    SELECT seq, org_id, id, at, actor, actor_kind, action, subject_kind, subject_id, before, after, request_id,
        address_hash
    FROM audit_events
    """
_REQUESTS = """
    SELECT seq, org_id, id, at, user_id, request_id, hold_id, channel, status, feature, provider, model, price_version,
        plan, cover, prompt_tokens, completion_tokens, cached_prompt_tokens, estimated, cost_usd, charged_usd, credits,
        own_key, error_code, cache_level, saved_usd
    FROM usage_log
    """
_IN_RANGE = " WHERE seq > :after AND seq <= :upto ORDER BY seq"
_LAST_BLOCK = "SELECT number, hash, to_seq FROM audit_blocks"
_ADD_BLOCK = text(
    """
    INSERT INTO audit_blocks (id, org_id, number, kind, previous, hash, from_seq, to_seq, events, requests, leaves,
            statement, sealed_at)
        VALUES (:id, :org_id, :number, :kind, :previous, :hash, :from_seq, :to_seq, :events, :requests, :leaves,
            cast(:statement AS jsonb), :sealed_at)
    """
)
_BLOCKS = """
    SELECT org_id, number, kind, previous, hash, from_seq, to_seq, events, requests, leaves, statement, sealed_at
        FROM audit_blocks
    """
_ABOUT = """
    WHERE org_id IS NULL AND number IN (
        SELECT number FROM audit_blocks WHERE org_id IS NULL AND statement -> 'heads' ? cast(:about AS text)
        UNION SELECT number FROM audit_blocks WHERE org_id IS NULL AND kind = 'pruned'
        UNION SELECT max(number) FROM audit_blocks WHERE org_id IS NULL)
    """
_CHAINS = text(
    """
    SELECT id FROM organisations UNION SELECT DISTINCT org_id FROM audit_blocks WHERE org_id IS NOT NULL
        UNION SELECT DISTINCT org_id FROM audit_events WHERE org_id IS NOT NULL ORDER BY 1
    """
)
_SLOW = text(f"SET LOCAL statement_timeout = {READING_TIMEOUT_MS}")


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block as it is stored."""

    org_id: UUID | None
    number: int
    kind: str
    previous: bytes
    hash: bytes
    from_seq: int
    to_seq: int
    events: int
    requests: int
    leaves: bytes
    statement: Mapping[str, Any] | None
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block of a chain."""

    number: int
    hash: bytes
    to_seq: int


def last_place(connection: Connection) -> int:
    """The newest place in the order that anybody has taken."""
    return int(connection.execute(_LAST_PLACE).scalar_one())


def own_transaction(connection: Connection) -> int:
    """The number of this transaction, given to it now where it had none."""
    return int(connection.execute(_OWN_TRANSACTION).scalar_one())


def oldest_open(connection: Connection) -> int:
    """The number below which every transaction has ended."""
    return int(connection.execute(_OLDEST_OPEN).scalar_one())


def try_lock(connection: Connection) -> bool:
    """Takes the sealers' lock for this transaction; False where another has it."""
    return bool(connection.execute(_TRY_LOCK, {"key": SEALERS}).scalar_one())


def lock(connection: Connection) -> None:
    """Waits for the sealers' lock."""
    connection.execute(_LOCK, {"key": SEALERS})


def chain_end(connection: Connection) -> tuple[int, datetime]:
    """The place up to which the installation's chain seals, 0 where there is none yet, and the time."""
    found = connection.execute(_CHAIN_END).one()
    return int(found[0]), found[1]


def events_between(connection: Connection, after: int, upto: int) -> Iterator[Row[Any]]:
    """The events of places after `after` up to `upto`, in order."""
    return _streamed(connection, _EVENTS + _IN_RANGE, {"after": after, "upto": upto})


def requests_between(connection: Connection, after: int, upto: int) -> Iterator[Row[Any]]:
    """The usage rows of these places, in order."""
    return _streamed(connection, _REQUESTS + _IN_RANGE, {"after": after, "upto": upto})


def events_of(connection: Connection, org_id: UUID | None) -> Iterator[Row[Any]]:
    """All events of a chain, in order."""
    return _streamed(connection, f"{_EVENTS} {_of(org_id)} ORDER BY seq", {"org_id": org_id})


def requests_of(connection: Connection, org_id: UUID | None) -> Iterator[Row[Any]]:
    """All usage rows of a chain, in order."""
    return _streamed(connection, f"{_REQUESTS} {_of(org_id)} ORDER BY seq", {"org_id": org_id})


def head(connection: Connection, org_id: UUID | None) -> Head | None:
    """The newest block of a chain."""
    statement = text(f"{_LAST_BLOCK} {_of(org_id)} ORDER BY number DESC LIMIT 1")
    found = connection.execute(statement, {"org_id": org_id} if org_id else {}).one_or_none()
    return None if found is None else Head(int(found[0]), bytes(found[1]), int(found[2]))


def add_block(connection: Connection, block_id: UUID, block: BlockRow) -> None:
    """Writes a block."""
    values = {name: getattr(block, name) for name in BlockRow.__slots__}
    statement = None if block.statement is None else json.dumps(block.statement)
    connection.execute(_ADD_BLOCK, {**values, "id": block_id, "statement": statement})


def blocks(connection: Connection, org_id: UUID | None) -> Iterator[BlockRow]:
    """The blocks of a chain, in order."""
    return _read(connection, _of(org_id), {"org_id": org_id})


def blocks_about(connection: Connection, org_id: UUID) -> Iterator[BlockRow]:
    """The installation's blocks that say something of an organisation's chain, and its newest, in order."""
    return _read(connection, _ABOUT, {"about": str(org_id)})


def chains(connection: Connection) -> list[UUID]:
    """Every organisation that has, or might have, a chain."""
    return list(connection.execute(_CHAINS).scalars())


def read_slowly(connection: Connection) -> None:
    """Gives each statement of this transaction the time that reading everything takes."""
    connection.execute(_SLOW)


def _read(connection: Connection, condition: str, values: Mapping[str, Any]) -> Iterator[BlockRow]:
    for row in _streamed(connection, f"{_BLOCKS} {condition} ORDER BY number, id", values, at_once=4):
        found = dict(row._mapping)
        found |= {name: bytes(found[name]) for name in ("previous", "hash", "leaves")}
        yield BlockRow(**found)


def _of(org_id: UUID | None) -> str:
    """The condition of a chain, in the form that an index answers."""
    return "WHERE org_id IS NULL" if org_id is None else "WHERE org_id = :org_id"


def _streamed(
    connection: Connection, statement: str, values: Mapping[str, Any], *, at_once: int = FETCHED_AT_ONCE
) -> Iterator[Row[Any]]:
    given = {name: value for name, value in values.items() if value is not None}
    return iter(connection.execute(text(statement), given, execution_options={"yield_per": at_once}))
