"""Lines of the audit log and rows of usage, as tests need them, and a superuser who gets around everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from core.db.engine import SCHEMA, Database
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject
from core.workbench import Workbench

Superuser = psycopg.Connection[tuple[Any, ...]]
TABLES = ("audit_events", "audit_blocks", "usage_log")


def record(database: Database, org_id: UUID | None, number: int = 1, *, actor: UUID | None = None) -> None:
    """Lines that say nothing in particular, one after the other."""
    for count in range(number):
        with database.service() as transaction:
            event = AuditEvent(
                org_id,
                actor,
                "member" if actor else "system",
                AuditAction.ORGANISATION_CHANGED,
                Subject("organisation", str(org_id or "all")),
                {"benchmark": f"B{count}"},
                {"benchmark": f"B{count + 1}"},
            )
            Audit.record(transaction, event)


def ask(workbench: Workbench, principal: Any, number: int = 1) -> None:
    """Rows of usage: questions that the offline provider answers."""
    for count in range(number):
        workbench.assistant.ask(principal, f"What is duration, in {count} words?").session.result()
    workbench.usage_log.flush()


@contextmanager
def superuser(database_url: str) -> Iterator[Superuser]:
    """A login that no policy and, from here on, no trigger of the audit log holds."""
    url = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {SCHEMA}; SET timezone = 'UTC'")
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        yield connection


def fresh() -> UUID:
    """An id that nothing has."""
    return new_id()
