"""Commands for operators: users, tokens, plans, migration, and the demo."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from core.accounts.directory import Directory
from core.db.engine import Database
from core.db.migrate import migrate
from core.errors import InvalidRequest
from core.metering.credits import Credits
from core.metering.plans import Plans, load_plans
from core.metering.plans_sync import sync_plans
from core.metering.pricing import shipped_billing
from core.principal import Role
from core.settings import Settings
from core.workbench import open_database, open_workbench


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


def add_user(
    settings: Settings, email: str, *, org: str, plan: str, role: Role, password: str | None, is_operator: bool
) -> int:
    """Makes a user, and prints the id."""
    with _storage(settings) as (directory, plans):
        name = plans.get(plan).name
        print(directory.add_user(email, org_name=org, plan=name, role=role, password=password, is_operator=is_operator))
    return 0


def print_token(settings: Settings, email: str, *, org: str | None) -> int:
    """Makes an access token, and prints it and nothing else."""
    with _storage(settings) as (directory, _plans):
        print(directory.create_token(email, org_name=org))
    return 0


def set_active(settings: Settings, email: str, *, is_active: bool) -> int:
    """Deactivates a user, or takes that back."""
    with _storage(settings) as (directory, _plans):
        directory.set_active(email, is_active=is_active)
    print(f"{email} can sign in again." if is_active else f"{email} was deactivated; sessions and tokens have stopped.")
    return 0


def erase_user(settings: Settings, email: str, *, is_agreed: bool) -> int:
    """Erases a person for good, after asking whether it is meant."""
    with _storage(settings) as (directory, _plans):
        if not is_agreed and not _is_meant(f"Erase {email} with all that is their own? Nothing takes it back. [y/N] "):
            print("Nothing was erased.")
            return 1
        directory.erase(email)
    print(f"{email} was erased; the books and the audit log keep an id that names nobody.")
    return 0


def _is_meant(question: str) -> bool:
    if not sys.stdin.isatty():
        raise InvalidRequest("Nothing was erased: say --yes where nobody can be asked whether it is meant.")
    return input(question).strip().lower() in ("y", "yes")


def set_plan(settings: Settings, org: str, plan: str) -> int:
    """Puts an organisation on a plan."""
    with _storage(settings) as (directory, plans):
        directory.set_plan(org, plans.get(plan).name)
    print(f"{org} is on the plan {plans.get(plan).name}.")
    return 0


def grant_credits(
    settings: Settings, org: str, amount: Decimal, *, reason: str, last_day: date | None, key: str | None
) -> int:
    """Grants an organisation credits, which end with a day (UTC) where one is given, and prints its balance.

    Under a key they are granted once, however often it is run.
    """
    expires_at = None if last_day is None else datetime.combine(last_day + timedelta(days=1), time(), UTC)
    with _opened(settings) as (database, _plans):
        org_id = Directory(database).organisation_id(org)
        wallets = Credits(database, shipped_billing())
        balance = wallets.grant(org_id, amount, reason=reason, author=None, expires_at=expires_at, key=key)
    print(f"{org} was granted {amount.normalize():f} credits; its balance is {balance.normalize():f}.")
    return 0


def print_demo(settings: Settings, *, as_new: bool) -> int:
    """Loads the demo as far as it is missing, or all of it as new, and prints its sign-ins."""
    with closing(open_workbench(settings)) as bench:
        print(bench.make_demo(as_new=as_new))
    return 0


@contextmanager
def _storage(settings: Settings) -> Iterator[tuple[Directory, Plans]]:
    """The directory on the migrated database, with the plans in force: what a command needs of the workbench."""
    with _opened(settings) as (database, plans):
        yield Directory(database), plans


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Database, Plans]]:
    plans = load_plans(settings.plans_file)
    database: Database
    database, _server = open_database(settings)
    with closing(database):
        sync_plans(database, plans)
        yield database, plans
