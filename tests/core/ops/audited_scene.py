"""Lines of the audit log as tests read them, and the people who leave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg

from core.principal import Principal
from core.workbench import Workbench

Connection = psycopg.Connection[tuple[object, ...]]
PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.7"


@dataclass
class Line:
    """A line as it is stored."""

    action: str
    org_id: UUID | None
    actor: UUID | None
    actor_kind: str
    subject: tuple[str, str]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Ledger:
    """Reads the lines that were added since it was asked last."""

    def __init__(self, service: Connection) -> None:
        self._service = service
        self._seen = 0
        self.new()

    def new(self) -> list[Line]:
        """The lines since then, in order."""
        rows: list[Any] = self._service.execute(
            "SELECT seq, action, org_id, actor, actor_kind, subject_kind, subject_id, before, after "
            "FROM audit_events WHERE seq > %s ORDER BY seq",
            (self._seen,),
        ).fetchall()
        self._seen = max([self._seen, *(row[0] for row in rows)])
        return [Line(row[1], row[2], row[3], row[4], (row[5], row[6]), row[7], row[8]) for row in rows]


@dataclass
class Scene:
    """A workbench, its people, and what was recorded since."""

    bench: Workbench
    ann: Principal
    bob: Principal
    lines: Ledger

    @property
    def operator(self) -> Principal:
        """Ann, who runs the installation."""
        return replace(self.ann, is_operator=True, via="session")

    def session(self, principal: Principal) -> tuple[str, Principal]:
        """A fresh session of somebody, and the principal of it."""
        ticket = self.bench.accounts.ticket(principal.user_id, principal.org_id, method="password")
        cookie = self.bench.accounts.redeem_ticket(ticket, address=ADDRESS, agent="test")
        found = self.bench.accounts.principal_of_session(cookie)
        assert found is not None
        return cookie, found
