"""The tables of the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment

audit_events = Table(
    "audit_events",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("org_id", Uuid),
    Column("actor", Uuid),
    Column("actor_kind", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("request_id", Uuid),
    Column("address_hash", LargeBinary),
)

audit_blocks = Table(
    "audit_blocks",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("from_seq", BigInteger, nullable=False),
    Column("to_seq", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("statement", JSONB),
    Column("sealed_at", Moment, nullable=False),
)

audit_address_keys = Table("audit_address_keys", METADATA, Column("key", LargeBinary, nullable=False))
