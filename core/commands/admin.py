"""Commands for operators: users, tokens, plans, migration, and the demo."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.accounts.accounts import Accounts
from core.db.engine import Database
from core.db.migrate import migrate
from core.metering.plans import Plans, load_plans
from core.metering.plans_sync import sync_plans
from core.principal import Role
from core.settings import Settings
from core.workbench import open_database, prepared_home

DEMO_PASSWORD_FILE = "demo-password"  # noqa: S105 (a file's name)
DEMO_ORGANISATION = "Demo organisation"
DEMO_FREE_ORGANISATION = "Free analyst's organisation"


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody who can sign in to the demo."""

    email: str
    name: str
    org_name: str
    plan: str
    role: Role
    is_operator: bool = False


DEMO_USERS = (
    DemoUser("admin@demo.example", "Ada Admin", DEMO_ORGANISATION, "team", Role.OWNER, is_operator=True),
    DemoUser("analyst@demo.example", "Alex Analyst", DEMO_ORGANISATION, "team", Role.ANALYST),
    DemoUser("colleague@demo.example", "Chris Colleague", DEMO_ORGANISATION, "team", Role.ANALYST),
    DemoUser("free@demo.example", "Frida Free", DEMO_FREE_ORGANISATION, "free", Role.OWNER),
)


def migrate_database(settings: Settings) -> int:
    """Brings the database to this version, and the plans in force."""
    if settings.database_url is not None:
        has_changed = migrate(settings.database_url.get_secret_value())
        with _storage(settings):
            pass
    else:
        with _storage(settings):
            has_changed = True
    print("The database is at this version." if not has_changed else "The database was brought to this version.")
    return 0


def add_user(settings: Settings, email: str, *, org: str, plan: str, role: Role, password: str | None) -> int:
    """Makes a user, and prints the id."""
    with _storage(settings) as (accounts, plans):
        name = plans.get(plan).name
        print(accounts.add_user(email, org_name=org, plan=name, role=role, password=password))
    return 0


def print_token(settings: Settings, email: str, *, org: str | None) -> int:
    """Makes an access token, and prints it and nothing else."""
    with _storage(settings) as (accounts, _plans):
        print(accounts.create_token(email, org_name=org))
    return 0


def set_plan(settings: Settings, org: str, plan: str) -> int:
    """Puts an organisation on a plan."""
    with _storage(settings) as (accounts, plans):
        accounts.set_plan(org, plans.get(plan).name)
    print(f"{org} is on the plan {plans.get(plan).name}.")
    return 0


def load_demo(settings: Settings) -> int:
    """Loads the demo organisation as far as it is missing, and prints its sign-ins."""
    with _storage(settings) as (accounts, plans):
        password = ensure_demo(accounts, plans, prepared_home(settings))
    print(demo_sign_ins(password))
    return 0


def ensure_demo(accounts: Accounts, plans: Plans, home: Path) -> str:
    """Makes what is missing of the demo, and gives its password, kept in a file that its owner alone may read."""
    path = home / DEMO_PASSWORD_FILE
    is_new = not path.exists()
    password = secrets.token_urlsafe(12) if is_new else path.read_text("utf-8").strip()
    for user in DEMO_USERS:
        if is_new or not accounts.has_user(user.email):
            accounts.add_user(
                user.email,
                org_name=user.org_name,
                plan=plans.get(user.plan).name,
                role=user.role,
                password=password,
                name=user.name,
                is_operator=user.is_operator,
            )
    if is_new:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{password}\n")
    return password


def demo_sign_ins(password: str) -> str:
    """The demo's sign-ins as they are printed."""
    width = max(len(user.email) for user in DEMO_USERS)
    lines = [f"  {user.email:{width}}  {user.plan} plan, {user.role}" for user in DEMO_USERS]
    return "\n".join(["Demo sign-ins, all with the password " + password + ":", *lines])


@contextmanager
def _storage(settings: Settings) -> Iterator[tuple[Accounts, Plans]]:
    """Accounts on the migrated database, with the plans in force: what a command needs of the workbench."""
    plans = load_plans(settings.plans_file)
    database: Database
    database, _server = open_database(settings)
    with closing(database):
        sync_plans(database, plans)
        yield Accounts(database), plans
