"""Changes of many people and organisations from a file: previewed line by line, applied whole or not at all.

A preview makes the changes in a transaction and takes them back, so that each line's before and after, the lines before
it included, are what applying it does. A file is known by its SHA-256: applied again it changes nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from uuid import UUID

from core.accounts import mails
from core.accounts.addresses import looked_up
from core.admin import changes
from core.admin.changes import Boosting, Effect, Granting
from core.admin.reach import reach_of
from core.db import oversight_people_dao as dao
from core.db import people_dao
from core.db.engine import Database, Transaction, is_worth_repeating
from core.db.people_dao import OrganisationRow
from core.errors import AssayError, Conflict, InvalidRequest, NotFound
from core.metering.plans import Plans
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.ops.mail import Mailer
from core.principal import Principal, Role

COLUMNS = ("change", "organisation", "user", "value", "metric", "days", "reason")
"""Of the file, in any order; those that no line needs may be left out."""
MAX_BYTES = 1_048_576
MAX_LINES = 1_000
MAX_FIELD_CHARS = 1_000
TRIES = 3
_EXAMPLE_OF_MANAGERS = """change,organisation,user,value,metric,days,reason
role,Acme,ann@acme.example,admin,,,
cap,Acme,ann@acme.example,50,,,
boost,Acme,ann@acme.example,20,chat_queries_day,14,quarterly report
"""
_EXAMPLE_OF_OPERATORS = """plan,Acme,,team,,,
credits,Acme,,500,,90,goodwill after the outage
deactivate,,bob@acme.example,,,,
"""


def example(*, is_operator: bool) -> str:
    """A file that has one line of most kinds that somebody may change."""
    return _EXAMPLE_OF_MANAGERS + (_EXAMPLE_OF_OPERATORS if is_operator else "")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file, and what it does."""

    number: int
    """In the file; the header is 1."""
    change: str
    effect: Effect | None
    """None where it is wrong."""
    flaw: str = ""
    """Why it is wrong."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file does."""

    digest: str
    """SHA-256 of the file, in hexadecimal."""
    reach: UUID | None
    """The organisation that its lines are about; None: any."""
    lines: Sequence[Line]
    applied_at: datetime | None
    """When this very file was applied; it does nothing then."""

    @property
    def flaws(self) -> list[Line]:
        """The lines that are wrong; with one of them nothing is applied."""
        return [line for line in self.lines if line.flaw]

    @property
    def changed(self) -> int:
        """How many lines change anything."""
        return sum(line.effect is not None and line.effect.changes for line in self.lines)

    @property
    def can_be_applied(self) -> bool:
        """Whether no line is wrong, and the file was not applied yet."""
        return not self.flaws and self.applied_at is None


class _TakenBack(Exception):
    """Carries a preview out of the transaction that is rolled back."""

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self.preview = preview


class Bulk:
    """Files of changes, for operators over everything and managers over their own organisation."""

    def __init__(self, database: Database, plans: Plans, mailer: Mailer, address: str) -> None:
        """`address` is where people find the workbench, for the notices of new roles."""
        self._database = database
        self._plans = plans
        self._mailer = mailer
        self._address = address

    def preview(self, principal: Principal, content: bytes, *, everything: bool) -> Preview:
        """What the file would do, line by line; nothing is changed.

        Raises:
            Forbidden: nobody who manages that.
            InvalidRequest: it cannot be read as such a file at all; the sentence names the line.
        """
        reach = reach_of(principal, everything=everything)
        rows = rows_of(content)
        try:
            with self._database.service() as connection:
                raise _TakenBack(self._done(connection, principal, content, rows, reach))
        except _TakenBack as taken:
            return taken.preview

    def apply(
        self, principal: Principal, content: bytes, *, everything: bool, previewed: Preview | None = None
    ) -> Preview:
        """Makes the changes, all in one transaction, once for each file.

        A file that was applied before changes nothing, and the answer says when that was. Where the preview that was
        looked at is given, nothing else is applied.

        Raises:
            Forbidden: nobody who manages that.
            Conflict: the preview is of another file, or of other organisations.
            InvalidRequest: a line is wrong: nothing is applied, and the sentence has the line's number and reason.
        """
        reach = reach_of(principal, everything=everything)
        looked_at = (hashlib.sha256(content).hexdigest(), reach)
        if previewed is not None and (previewed.digest, previewed.reach) != looked_at:
            raise Conflict("The preview was of another file or of other organisations: look at it once more.")
        rows = rows_of(content)
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                with self._database.service() as connection:
                    preview = self._applied(connection, principal, content, rows, reach)
                break
            except Exception as error:
                if tries_left == 0 or not is_worth_repeating(error):
                    raise
        if preview.applied_at is None:
            self._notify(preview)
        return preview

    def _applied(
        self,
        transaction: Transaction,
        principal: Principal,
        content: bytes,
        rows: Sequence[tuple[int, Mapping[str, str]]],
        reach: UUID | None,
    ) -> Preview:
        digest = hashlib.sha256(content).digest()
        is_new = dao.note_applied(transaction, digest, reach, lines=len(rows), applied_by=principal.user_id)
        if not is_new:
            return Preview(digest.hex(), reach, (), dao.applied_at(transaction, digest, reach))
        preview = self._done(transaction, principal, content, rows, reach, is_noted=True)
        if preview.flaws:
            first = preview.flaws[0]
            raise InvalidRequest(f"Line {first.number}: {first.flaw} Nothing was changed.")
        event = audit_principal(
            principal,
            AuditAction.MEMBERS_CHANGED,
            Subject("file", preview.digest),
            after={"lines": len(rows), "changed": preview.changed},
            org_id=reach,
            as_operator=principal.is_operator,
        )
        Audit.record(transaction, event)
        return preview

    def _done(
        self,
        transaction: Transaction,
        principal: Principal,
        content: bytes,
        rows: Sequence[tuple[int, Mapping[str, str]]],
        reach: UUID | None,
        *,
        is_noted: bool = False,
    ) -> Preview:
        digest = hashlib.sha256(content)
        applied_at = None if is_noted else dao.applied_at(transaction, digest.digest(), reach)
        desk = _Desk(transaction, principal, reach, self._plans, digest.hexdigest())
        return Preview(digest.hexdigest(), reach, [_line(desk, number, row) for number, row in rows], applied_at)

    def _notify(self, preview: Preview) -> None:
        """Tells members their new roles, as `Members.set_role` does."""
        told = [line.effect for line in preview.lines if line.change == "role" and line.effect is not None]
        for effect in told:
            if not effect.changes or effect.user_id is None or effect.org_id is None:
                continue
            with self._database.service() as connection:
                user = people_dao.user(connection, effect.user_id)
                name = people_dao.organisation(connection, effect.org_id).name
            if user.gets_notices:
                role = Role(effect.after)
                self._mailer.send(mails.role_changed(user.email, self._address, org_name=name, role=role))


def rows_of(content: bytes) -> list[tuple[int, Mapping[str, str]]]:
    """The lines of a file with their numbers; empty ones are passed over.

    Raises:
        InvalidRequest: too large, not UTF-8, not CSV, without a header of known columns, or without a line.
    """
    if len(content) > MAX_BYTES:
        raise InvalidRequest(f"The file has more than {MAX_BYTES:,} bytes; divide it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidRequest(f"Line {line}: this is not UTF-8; save the file as CSV in UTF-8.") from None
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise InvalidRequest(f"Line {line}: it has a NUL character, which is no text; save the file as CSV in UTF-8.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(reader, []))
        rows: list[tuple[int, Mapping[str, str]]] = []
        number = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((number, _cells(number, header, cells)))
            number = reader.line_num + 1
            if len(rows) > MAX_LINES:
                raise InvalidRequest(f"Line {number - 1}: a file has at most {MAX_LINES:,} changes; divide it.")
    except csv.Error as error:
        raise InvalidRequest(f"Line {reader.line_num}: this is not CSV ({error}).") from None
    if not rows:
        raise InvalidRequest("The file has no line beneath its header.")
    return rows


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    wrong = [name for name in names if name not in COLUMNS]
    if wrong or "change" not in names or len(set(names)) < len(names):
        said = f"there is no column {wrong[0][:40]!r}" if wrong else "it needs the column change, and each column once"
        raise InvalidRequest(f"Line 1: {said}; the columns are {', '.join(COLUMNS)}.")
    return names


def _cells(number: int, header: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    if len(cells) != len(header):
        raise InvalidRequest(f"Line {number}: it has {len(cells)} fields, and the header {len(header)}.")
    if any(len(cell) > MAX_FIELD_CHARS for cell in cells):
        raise InvalidRequest(f"Line {number}: a field has more than {MAX_FIELD_CHARS:,} characters.")
    return {name: cell.strip() for name, cell in zip(header, cells, strict=True)}


def _line(desk: _Desk, number: int, row: Mapping[str, str]) -> Line:
    """What a line does, in a savepoint of its own: one that is wrong leaves nothing behind."""
    change = row["change"].lower()
    try:
        with desk.transaction.begin_nested():
            make = _CHANGES.get(change)
            if make is None:
                raise InvalidRequest(f"There is no change {change[:40]!r}; there are {', '.join(_CHANGES)}.")
            return Line(number, change, make(desk, number, row))
    except AssayError as error:
        return Line(number, change, None, str(error))


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the lines of one file share."""

    transaction: Transaction
    principal: Principal
    reach: UUID | None
    plans: Plans
    digest: str

    def organisation(self, row: Mapping[str, str]) -> OrganisationRow:
        """The organisation that a line names, locked; a manager's own where it names none."""
        name = row.get("organisation", "")
        if self.reach is not None:
            own = people_dao.organisation(self.transaction, self.reach)
            if name and name not in (own.name, str(own.id)):
                raise InvalidRequest(f"Lines here are about {own.name} alone.")
            return changes.locked_organisation(self.transaction, self.principal, self.reach)
        if not name:
            raise InvalidRequest("The organisation is missing.")
        found = people_dao.organisations_named(self.transaction, name)
        if not found:
            raise NotFound(f"There is no organisation {name[:80]!r}.")
        if len(found) > 1:
            raise InvalidRequest(f"Several organisations are called {name[:80]}; name one by its id.")
        return changes.locked_organisation(self.transaction, self.principal, found[0].id)


def _plan(desk: _Desk, number: int, row: Mapping[str, str]) -> Effect:
    plan = _needed(row, "value", "the plan")
    return changes.set_plan(desk.transaction, desk.principal, desk.organisation(row), plan, desk.plans)


def _role(desk: _Desk, number: int, row: Mapping[str, str]) -> Effect:
    value = _needed(row, "value", "the role").lower()
    if value not in set(Role):
        raise InvalidRequest(f"There is no role {value[:40]!r}; there are {', '.join(Role)}.")
    email = looked_up(_needed(row, "user", "the user"))
    return changes.set_role(desk.transaction, desk.principal, desk.organisation(row), email, Role(value))


def _activity(is_active: bool) -> _Make:
    def make(desk: _Desk, number: int, row: Mapping[str, str]) -> Effect:
        email = looked_up(_needed(row, "user", "the user"))
        if not desk.principal.is_operator:
            raise InvalidRequest("Accounts are deactivated by operators; a manager removes members.")
        user = people_dao.user_by_email(desk.transaction, email)
        if user is None or (desk.reach and not people_dao.role_of(desk.transaction, desk.reach, user.id)):
            raise NotFound("There is no such user.")
        return changes.set_active(desk.transaction, desk.principal, user.id, is_active=is_active)

    return make


def _boost(desk: _Desk, number: int, row: Mapping[str, str]) -> Effect:
    boost = Boosting(
        metric=_needed(row, "metric", "the metric"),
        amount=_whole(row, "value"),
        days=_whole(row, "days"),
        reason=_needed(row, "reason", "the reason"),
    )
    email = row.get("user", "")
    organisation = desk.organisation(row)
    if email and not looked_up(email):
        raise NotFound("There is no such member in this organisation.")
    return changes.give_boost(desk.transaction, desk.principal, organisation, looked_up(email) if email else "", boost)


def _credits(desk: _Desk, number: int, row: Mapping[str, str]) -> Effect:
    days = _whole(row, "days") if row.get("days") else None
    if days is not None and not 1 <= days <= changes.MAX_CREDIT_DAYS:
        raise InvalidRequest(
            f"Granted credits last 1 to {changes.MAX_CREDIT_DAYS:,} days, or without a number for good."
        )
    ends_at = None if days is None else dao.now(desk.transaction) + timedelta(days=days)
    amount, reason = _amount(row), _needed(row, "reason", "the reason")
    grant = Granting(amount, reason, f"bulk:{desk.digest}:{number}", ends_at)
    return changes.grant_credits(desk.transaction, desk.principal, desk.organisation(row), grant)


def _cap(desk: _Desk, number: int, row: Mapping[str, str]) -> Effect:
    cap = None if _needed(row, "value", "the cap").lower() == "none" else _amount(row)
    email = looked_up(_needed(row, "user", "the user"))
    return changes.set_cap(desk.transaction, desk.principal, desk.organisation(row), email, cap)


_Make = Callable[[_Desk, int, Mapping[str, str]], Effect]
_CHANGES: dict[str, _Make] = {
    "plan": _plan,
    "role": _role,
    "deactivate": _activity(is_active=False),
    "reactivate": _activity(is_active=True),
    "boost": _boost,
    "credits": _credits,
    "cap": _cap,
}


def _needed(row: Mapping[str, str], name: str, words: str) -> str:
    value = row.get(name, "")
    if not value:
        raise InvalidRequest(f"{words.capitalize()} is missing (column {name}).")
    return value


def _whole(row: Mapping[str, str], name: str) -> int:
    value = row.get(name, "")
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise InvalidRequest(f"{value[:40]!r} is no whole number (column {name}).")
    return int(value)


def _amount(row: Mapping[str, str]) -> Decimal:
    value = row.get("value", "")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise InvalidRequest(f"{value[:40]!r} is no amount of credits (column value).") from None
