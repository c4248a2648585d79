"""What the measurements of one run stand on: a home, a Postgres and users of their own, and how much is measured."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from core.accounts.accounts import Accounts
from core.db.embedded import EmbeddedServer, attach
from core.db.embedded_place import LOGIN, find_place
from core.db.engine import Database
from core.db.migrate import migrate
from core.metering.meter import Meter
from core.metering.plans_sync import sync_plans
from core.principal import Principal, Role
from core.settings import ROOT, Settings, load_settings
from core.workbench import Workbench, open_workbench

FOLDER = ROOT / "bench"
STOP_WITHIN_S = 30.0


@dataclass
class Ground:
    """The parts that measurements share; made when first asked for."""

    work: Path
    is_quick: bool
    """Whether only a few repetitions are made, to see that everything works."""

    @property
    def home(self) -> Path:
        """The ASSAY_HOME of this run."""
        return self.work / "home"

    @cached_property
    def server(self) -> EmbeddedServer:
        """The embedded Postgres, with the durable settings it is shipped with."""
        return attach(self.home)

    @cached_property
    def workbench(self) -> Workbench:
        """A workbench in this process, as shipped, which only the offline provider answers."""
        return open_workbench(self.settings)

    @cached_property
    def settings(self) -> Settings:
        """The settings of that workbench."""
        return load_settings({"ASSAY_HOME": str(self.home), "ASSAY_DEMO": "0"}, root=self.work)

    @property
    def accounts(self) -> Accounts:
        """Accounts that let many people sign in from this one address."""
        return Accounts(self.workbench.database, attempts_per_address=10_000)

    @property
    def meter(self) -> Meter:
        """The meter of the workbench."""
        return self.workbench.meter

    def repetitions(self, full: int) -> int:
        """How often something is repeated."""
        return max(3, full // 50) if self.is_quick else full

    def seconds(self, full: float) -> float:
        """How long something is watched."""
        return full / 5 if self.is_quick else full

    def member(self, org: str, *, plan: str, password: str | None = None) -> Principal:
        """A new user of an organisation."""
        email = f"{secrets.token_hex(4)}@bench.example"
        self.workbench.directory.add_user(email, org_name=org, plan=plan, role=Role.OWNER, password=password)
        return self.workbench.directory.member(email, org)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A bare connection of the driver, each statement a transaction of its own."""
        assert self.workbench.embedded is not None
        return psycopg.connect(_libpq(self.workbench.embedded.admin_url), autocommit=True)

    @contextmanager
    def database_apart(self, name: str) -> Iterator[tuple[str, str]]:
        """A migrated database beside the others', with the plans in force: its address, and that of its server's
        administrator. It is dropped at the end."""
        url, admin_url = (
            make_url(address).set(database=name).render_as_string(hide_password=False)
            for address in (self.server.url, self.server.admin_url)
        )
        with self.connect() as connection:
            named, login = sql.Identifier(name), sql.Identifier(LOGIN)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(named, login))
            try:
                migrate(url)
                with closing(Database(url, pool_size=1)) as database:
                    sync_plans(database, self.workbench.plans)
                yield url, admin_url
            finally:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(named))

    def lift_limits(self) -> None:
        """No limit of the plan `enterprise` refuses from now on; all of them are counted and compared as ever."""
        with self.connect() as connection:
            connection.execute(
                "UPDATE assay.plan_limits SET requests_minute = 1000000000, requests_hour = 1000000000, "
                "concurrent_requests = 1000000000 WHERE plan = 'enterprise'"
            )

    def close(self) -> None:
        """Closes what was opened."""
        if "workbench" in vars(self):
            self.workbench.close()


@contextmanager
def prepared_ground(*, is_quick: bool) -> Iterator[Ground]:
    """A ground on the disk of the checkout; nothing of it stays."""
    FOLDER.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=FOLDER))
    work.chmod(0o711)
    ground = Ground(work, is_quick)
    try:
        yield ground
    finally:
        ground.close()
        remove_home(ground.home)
        shutil.rmtree(work, ignore_errors=True)


def remove_home(home: Path) -> None:
    """Stops the Postgres of a home and removes its files, which for root may lie elsewhere."""
    if not home.exists():
        return
    pid_file = find_place(home).data / "postmaster.pid"
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(int(pid_file.read_text("ascii").split()[0]), signal.SIGINT)
    wait_until_stopped(home)
    shutil.rmtree(find_place(home).folder, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def wait_until_stopped(home: Path) -> None:
    """Waits until no Postgres runs on a home.

    Raises:
        TimeoutError: one still does.
    """
    pid_file = find_place(home).data / "postmaster.pid"
    deadline = time.monotonic() + STOP_WITHIN_S
    while pid_file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The embedded Postgres did not stop within {STOP_WITHIN_S:g} s.")
        time.sleep(0.05)


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
