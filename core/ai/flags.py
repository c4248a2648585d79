"""Flags: switches of the installation, on for plans, organisations, users, or a share of users that stays the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.accounts.permissions import require_operator
from core.ai.refreshed import Refreshed
from core.db import flags_dao as dao
from core.db.engine import Database, Transaction
from core.errors import InvalidRequest, NotFound
from core.metering.plans import Plans
from core.ops.audit import Audit, AuditAction, Subject, audit_principal, changed
from core.principal import Principal

REFRESH_S = 5.0
"""A change is seen by every process after so long, and one question more."""
MAX_DESCRIPTION_CHARS = 500
MAX_NAMED = 1_000
"""Organisations, or users, that one flag names."""
_NAME = re.compile(r"[a-z][a-z0-9._:/-]{0,119}")


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch, and for whom it is on."""

    name: str
    """`model:ID` and `provider:NAME` say who is offered those; any other name is asked for by its page or service."""
    description: str = ""
    is_on: bool = True
    plans: tuple[str, ...] = ()
    """It is on for these plans, organisations and users; all three empty: for everyone."""
    org_ids: tuple[UUID, ...] = ()
    user_ids: tuple[UUID, ...] = ()
    percentage: Decimal = Decimal(100)
    """Of those, the share of users for whom it is on; a user stays on one side of it, and joins as it grows."""
    changed_at: datetime | None = None

    def is_on_for(self, principal: Principal) -> bool:
        """Whether it is on for somebody."""
        if not self.is_on:
            return False
        is_meant = (
            not (self.plans or self.org_ids or self.user_ids)
            or principal.plan in self.plans
            or principal.org_id in self.org_ids
            or principal.user_id in self.user_ids
        )
        return is_meant and share_of(self.name, principal.user_id) < self.percentage


class Flags:
    """The flags of the installation, kept in memory: asking one takes no look into the database."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._kept: Refreshed[dict[str, Flag]] = Refreshed(self._read, {}, every_s=REFRESH_S)

    def is_on(self, name: str, principal: Principal) -> bool:
        """Whether there is a flag of that name that is on for the principal."""
        flag = self._kept.value.get(name)
        return flag is not None and flag.is_on_for(principal)

    def offers(self, principal: Principal) -> Callable[[str], bool] | None:
        """Whether a name such as `model:gpt-4o` is offered to the principal: where a flag of that name is off for them
        it is not. None where no flag withholds anything."""
        flags = self._kept.value
        if not flags:
            return None
        return lambda name: name not in flags or flags[name].is_on_for(principal)

    def all(self, principal: Principal) -> Sequence[Flag]:
        """Every flag, by name.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        return [flag for _, flag in sorted(self._read().items())]

    def keep(self, principal: Principal, flag: Flag) -> Flag:
        """Makes a flag, or changes the one of its name; gives it as it is kept.

        Raises:
            InvalidRequest: a name, plan, share or list that cannot be.
            Forbidden: not an operator.
        """
        require_operator(principal)
        kept = replace(flag, name=flag.name.strip(), description=flag.description.strip())
        if not _NAME.fullmatch(kept.name):
            raise InvalidRequest(
                "A flag's name is of lower case letters, digits and . _ : / - and begins with a letter: model:gpt-4o."
            )
        if len(kept.description) > MAX_DESCRIPTION_CHARS:
            raise InvalidRequest(f"The description has at most {MAX_DESCRIPTION_CHARS} characters.")
        if not kept.percentage.is_finite() or not 0 <= kept.percentage <= 100:
            raise InvalidRequest("The share is a percentage from 0 to 100.")
        if max(len(kept.org_ids), len(kept.user_ids)) > MAX_NAMED:
            raise InvalidRequest(f"A flag names at most {MAX_NAMED:,} organisations and as many users.")
        for plan in kept.plans:
            self._plans.get(plan)
        with self._database.service() as connection:
            before = _told(self._found(connection, kept.name))
            dao.put_flag(
                connection,
                name=kept.name,
                description=kept.description,
                is_on=kept.is_on,
                plans=kept.plans,
                org_ids=kept.org_ids,
                user_ids=kept.user_ids,
                percentage=round(kept.percentage, 2),
                changed_by=principal.user_id,
            )
            was, becomes = changed(before, _told(replace(kept, percentage=round(kept.percentage, 2))))
            _record(connection, principal, AuditAction.FLAG_SET, kept.name, was if before else None, becomes)
        self._kept.forget()
        return kept

    def remove(self, principal: Principal, name: str) -> None:
        """Deletes a flag.

        Raises:
            NotFound: there is none of that name.
            Forbidden: not an operator.
        """
        require_operator(principal)
        with self._database.service() as connection:
            before = _told(self._found(connection, name))
            if not dao.drop_flag(connection, name):
                raise NotFound("There is no flag of that name.")
            _record(connection, principal, AuditAction.FLAG_REMOVED, name, before, None)
        self._kept.forget()

    def close(self) -> None:
        """Stops reading."""
        self._kept.close()

    def _read(self) -> dict[str, Flag]:
        with self._database.service() as connection:
            return {row.name: _flag_of(row) for row in dao.flags(connection)}

    def _found(self, connection: Transaction, name: str) -> Flag | None:
        return next((_flag_of(row) for row in dao.flags(connection) if row.name == name), None)


def _flag_of(row: dao.FlagRow) -> Flag:
    return Flag(
        name=row.name,
        description=row.description,
        is_on=row.is_on,
        plans=tuple(row.plans),
        org_ids=tuple(row.org_ids),
        user_ids=tuple(row.user_ids),
        percentage=row.percentage,
        changed_at=row.changed_at,
    )


_TOLD = ("description", "is_on", "plans", "org_ids", "user_ids", "percentage")


def _told(flag: Flag | None) -> Mapping[str, Any]:
    """What the audit log keeps of a flag."""
    return {} if flag is None else {name: getattr(flag, name) for name in _TOLD}


def _record(
    connection: Transaction,
    principal: Principal,
    action: AuditAction,
    name: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    flag = Subject("flag", name)
    event = audit_principal(principal, action, flag, before=before, after=after, as_operator=True)
    Audit.record(connection, event)


def share_of(name: str, user_id: UUID) -> Decimal:
    """Where a user stands in a split by percentage, from 0 to below 100: always the same for the same name."""
    digest = hashlib.sha256(f"{name}\0{user_id}".encode()).digest()
    return Decimal(int.from_bytes(digest[:8])) * 100 / (1 << 64)
