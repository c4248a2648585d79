"""The demo: four organisations and six people, loaded when only this machine can reach the workbench."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from core.accounts.audited import by_command
from core.accounts.directory import Directory
from core.db import demo_dao as dao
from core.db.engine import Database
from core.ops.audit import Audit, AuditAction, Subject
from core.principal import Role

PASSWORD_FILE = "demo-password"  # noqa: S105 (a file's name)
LONGEST_TURN = timedelta(minutes=5)
"""So long another process that makes the demo is waited for."""
ORGANISATION = "Demo organisation"
FREE_ORGANISATION = "Free analyst's organisation"
BASIC_ORGANISATION = "Basic analyst's organisation"
PREMIUM_ORGANISATION = "Premium analyst's organisation"


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody who can sign in to the demo."""

    email: str
    name: str
    org_name: str
    plan: str
    role: Role
    is_operator: bool = False


USERS = (
    DemoUser("admin@demo.example", "Ada Admin", ORGANISATION, "team", Role.OWNER, is_operator=True),
    DemoUser("analyst@demo.example", "Alex Analyst", ORGANISATION, "team", Role.ANALYST),
    DemoUser("colleague@demo.example", "Chris Colleague", ORGANISATION, "team", Role.ANALYST),
    DemoUser("free@demo.example", "Frida Free", FREE_ORGANISATION, "free", Role.OWNER),
    DemoUser("basic@demo.example", "Bo Basic", BASIC_ORGANISATION, "basic", Role.OWNER),
    DemoUser("premium@demo.example", "Paz Premium", PREMIUM_ORGANISATION, "premium", Role.OWNER),
)


@contextmanager
def demo_turn(database: Database) -> Iterator[None]:
    """Has processes that make the demo of one database at once take turns, wherever they run.

    Raises:
        DatabaseUnavailable: the turn of another takes longer than `LONGEST_TURN`.
    """
    login = database.service_login  # a connection beside the pool: what is done in the turn needs all of that
    with closing(Database(login.url, pool_size=1, revive=login.revive)) as alone, alone.service() as transaction:
        dao.take_turn(transaction, LONGEST_TURN)
        yield


def load_demo(directory: Directory, home: Path) -> str:
    """Makes what is missing of the demo, and gives its password, kept in a file that its owner alone may read.

    Called in a turn of `demo_turn`.
    """
    path = home / PASSWORD_FILE
    is_new = not path.exists()
    password = secrets.token_urlsafe(12) if is_new else path.read_text("utf-8").strip()
    for user in USERS:
        if is_new or not directory.has_user(user.email):
            directory.add_user(
                user.email,
                org_name=user.org_name,
                plan=user.plan,
                role=user.role,
                password=password,
                name=user.name,
                is_operator=user.is_operator,
            )
    if is_new:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{password}\n")
    return password


def retire_demo(database: Database) -> int:
    """Puts the demo that there is out of the way, so that it can be made as new; how many of its people there were.

    Its people can sign in no more and its organisations have other names; nothing of the books is deleted.
    """
    with database.service() as transaction:
        names = {user.org_name for user in USERS}
        people = dao.retire(transaction, [user.email for user in USERS], sorted(names))
        if people:
            event = by_command(None, AuditAction.DEMO_RESET, Subject("demo", "demo"), after={"people": people})
            Audit.record(transaction, event)
        return people


def demo_sign_ins(password: str) -> str:
    """The demo's sign-ins as they are printed."""
    width = max(len(user.email) for user in USERS)
    lines = [f"  {user.email:{width}}  {user.plan} plan, {user.role}" for user in USERS]
    return "\n".join(["Demo sign-ins, all with the password " + password + ":", *lines])
