"""The audit log as managers and operators read it: searched, exported, and checked against its seals."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from core.accounts.permissions import Action, require
from core.admin.reach import reach_of
from core.db import audit_dao as dao
from core.db.audit_dao import EventRow, Wanted
from core.db.engine import Database, Transaction
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.ops.audit_seal import Sealing
from core.ops.audit_verify import Anchor, Report, Verification
from core.principal import Principal
from core.screener.export import FORMULA

__all__ = ["Anchor", "AuditLog", "AuditPage", "EventRow", "Report", "Wanted"]

AT_ONCE = 25
MOST_EXPORTED = 100_000
"""Lines of one export, the newest; narrow the search for older ones."""
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
_COLUMNS = tuple(field.name for field in fields(EventRow) if not field.name.endswith("_name"))
"""People stay ids in files: a file outlives an erasure."""
_FORMULA = re.compile(FORMULA)

Format = Literal["csv", "jsonl"]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some lines, the newest first."""

    events: Sequence[EventRow]
    following: tuple[datetime, UUID] | None
    """Where the next ones begin; None: these are the last."""


class AuditLog:
    """The audit log of an organisation, or of the whole installation."""

    def __init__(self, database: Database, *, sealing: Sealing | None = None) -> None:
        self._database = database
        self._sealing = sealing or Sealing(database)
        self._verification = Verification(database)

    def search(
        self,
        principal: Principal,
        wanted: Wanted | None = None,
        *,
        everything: bool = False,
        after: tuple[datetime, UUID] | None = None,
    ) -> AuditPage:
        """The lines that are looked for; `after` is the `following` of the page before.

        Raises:
            Forbidden: as `reach_of`.
        """
        org_id = self._reach(principal, everything=everything)
        with self._database.service() as connection:
            within, sees = _within(wanted, org_id), principal.is_operator
            rows = list(dao.search(connection, within, most=AT_ONCE + 1, sees_everybody=sees, before=after))
        shown = rows[:AT_ONCE]
        return AuditPage(shown, (shown[-1].at, shown[-1].id) if len(rows) > AT_ONCE else None)

    def export(
        self, principal: Principal, wanted: Wanted | None = None, *, form: Format, everything: bool = False
    ) -> bytes:
        """The lines that are looked for as a file, the newest first; that it was made is a line of its own.

        CSV is for spreadsheets, and no cell of it is a formula; JSON Lines has one object a line.

        Raises:
            Forbidden: as `reach_of`.
        """
        org_id = self._reach(principal, everything=everything)
        with self._database.service() as connection:
            within, sees = _within(wanted, org_id), principal.is_operator
            rows = dao.search(connection, within, most=MOST_EXPORTED, sees_everybody=sees)
            content = _csv(rows) if form == "csv" else _json_lines(rows)
            self._record(connection, principal, AuditAction.AUDIT_EXPORTED, org_id, {"form": form})
        return content

    def verify(self, principal: Principal, *, everything: bool = False) -> Report:
        """Seals what is not sealed yet, and reads the chains through: every row, every block.

        Raises:
            Forbidden: as `reach_of`.
        """
        org_id = self._reach(principal, everything=everything)
        self._sealing.seal()
        report = self._verification.everything() if org_id is None else self._verification.organisation(org_id)
        with self._database.service() as connection:
            after = {"holds": report.holds, "findings": report.count}
            self._record(connection, principal, AuditAction.AUDIT_VERIFIED, org_id, after)
        return report

    def _reach(self, principal: Principal, *, everything: bool) -> UUID | None:
        if not principal.is_operator:
            require(principal, Action.SEE_AUDIT)
        return reach_of(principal, everything=everything)

    def _record(
        self,
        connection: Transaction,
        principal: Principal,
        action: AuditAction,
        org_id: UUID | None,
        after: dict[str, Any],
    ) -> None:
        subject = Subject("audit_log", str(org_id or "installation"))
        as_operator = principal.is_operator
        event = audit_principal(principal, action, subject, after=after, org_id=org_id, as_operator=as_operator)
        Audit.record(connection, event)


def _within(wanted: Wanted | None, org_id: UUID | None) -> Wanted:
    """What is looked for, within reach."""
    given = wanted or Wanted()
    values = {field.name: getattr(given, field.name) for field in fields(Wanted)}
    return Wanted(**{**values, "org_id": org_id or given.org_id})


def _csv(rows: Iterator[EventRow]) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in _COLUMNS])
    return written.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    plain = json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else _plain(value)
    return f"'{plain}" if isinstance(plain, str) and _FORMULA.match(plain) else str(plain)


def _json_lines(rows: Iterator[EventRow]) -> bytes:
    lines = (
        json.dumps({name: _plain(getattr(row, name)) for name in _COLUMNS}, ensure_ascii=False, sort_keys=True)
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
