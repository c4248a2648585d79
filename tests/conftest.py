"""Real parts for every test: a Postgres, a workbench on it, and a running application.

The suite runs on the embedded Postgres, or on the server that `ASSAY_TEST_DATABASE_URL` (or `DATABASE_URL`) names; that
login must be allowed to create databases and roles. Each test has a database of its own, copied from a migrated one.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from core import workbench as workbench_module
from core import yaml_lines
from core.db.embedded import attach
from core.db.embedded_watchdog import is_alive
from core.db.engine import OWNER_ROLE, SCHEMA, SERVICE_ROLE, Database, normal_url
from core.db.migrate import functions_checksum, migrate
from core.metering.plans import Plans, load_plans
from core.metering.plans_sync import sync_plans
from core.principal import Principal, Role
from core.settings import DATA, Settings, load_settings
from core.workbench import Workbench, open_workbench
from tests.fakes.live_app import LiveApp, start_app

__all__ = ["LiveApp"]

# A developer's own settings are none of the suite's.
SERVER_URL = os.environ.get("ASSAY_TEST_DATABASE_URL") or os.environ.get("DATABASE_URL")
OF_A_DEVELOPER = ("DATABASE_URL", "DATABASE_SERVICE_URL", "PLANS_FILE", "ENCRYPTION_KEYS", "MODERATION")
for name in [*os.environ]:
    if name.endswith(("_API_KEY", "_BASE_URL")) or name in OF_A_DEVELOPER:
        del os.environ[name]

_numbers = itertools.count(1)
MEMORY_NEEDED = 4 << 30

# A workbench reads the shipped files when it opens, and the suite opens thousands: the same text is taken apart once.
yaml_lines._composed = functools.lru_cache(yaml_lines._composed)

pytest_plugins = ["tests.fakes.fixtures", "tests.fakes.browser"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a browser its tests are left out and said to be; with REQUIRE_BROWSER=1 that is a failure."""
    from tests.fakes.browser import find_chromium

    if find_chromium() is not None:
        return
    needing = [item for item in items if item.get_closest_marker("browser")]
    if needing and os.environ.get("REQUIRE_BROWSER") == "1":
        raise pytest.UsageError("REQUIRE_BROWSER=1, and no Chromium was found: install the package chromium.")
    left_out = pytest.mark.skip(reason="no Chromium was found: install the package chromium")
    for item in needing:
        item.add_marker(left_out)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A Postgres server: the one that is named, or an embedded one of the suite's own."""
    if SERVER_URL:
        yield normal_url(SERVER_URL).render_as_string(hide_password=False)
        return
    home = Path(tempfile.mkdtemp(prefix="assay-test-", dir=_fastest_folder()))
    home.chmod(0o755)  # Postgres runs as another user than root
    server = attach(home)
    yield server.url
    # Without a server at work in it nothing is written back while the folder goes.
    postmaster = int((server.data_dir / "postmaster.pid").read_text("utf-8").splitlines()[0])
    os.kill(postmaster, signal.SIGQUIT)
    while is_alive(postmaster):
        time.sleep(0.05)
    shutil.rmtree(home, ignore_errors=True)


def _fastest_folder() -> str | None:
    """The memory's own file system where it has room: copying a database there takes a twentieth of the time.

    What a killed process had written stays there as it does on a disk; no test takes the power away.
    """
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= MEMORY_NEEDED
    return str(memory) if is_roomy else None


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """Name of a migrated database that the others are copied from."""
    name = f"assay_template_{os.getpid()}_{functions_checksum()[:8]}"
    with _maintenance(server_url) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        url = _named(server_url, name)
        migrate(url)
        with closing(Database(url, pool_size=1)) as database:
            sync_plans(database, load_plans(DATA / "plans.yaml"))
        yield name
    finally:
        _drop(server_url, name)


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database of the test's own, with the shipped plans in force."""
    with copied(server_url, template) as url:
        yield url


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database in which nothing was ever done."""
    name = f"assay_empty_{os.getpid()}_{next(_numbers)}"
    with _maintenance(server_url) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield _named(server_url, name)
    _drop(server_url, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The test's database under the two roles."""
    with closing(Database(database_url)) as opened:
        yield opened


@pytest.fixture(scope="session")
def plans() -> Plans:
    """The shipped plans."""
    return load_plans(DATA / "plans.yaml")


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection that owns the schema: it may change functions and move the clock."""
    with psycopg.connect(_libpq(database_url), autocommit=True) as connection:
        connection.execute(f"SET ROLE {OWNER_ROLE}; SET search_path = {SCHEMA}; SET timezone = 'UTC'")
        yield connection


@pytest.fixture
def service(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection of the service role: it sees the rows of every tenant."""
    with psycopg.connect(_libpq(database_url), autocommit=True) as connection:
        connection.execute(f"SET ROLE {SERVICE_ROLE}; SET search_path = {SCHEMA}; SET timezone = 'UTC'")
        yield connection


MoveTime = Callable[[timedelta | datetime], None]
StopTime = Callable[[datetime], None]


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """A page run by AppTest leaves itself as `__main__`, which a process begun by a later test would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def move_time(owner: psycopg.Connection[tuple[object, ...]]) -> MoveTime:
    """Moves the database's one clock: by a span from real time, or to a moment from which it runs on."""

    def move(to: timedelta | datetime) -> None:
        row = owner.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        real = row[0]
        assert isinstance(real, datetime)
        offset = to if isinstance(to, timedelta) else to - real
        seconds = sql.Literal(offset.total_seconds())
        owner.execute(
            sql.SQL(
                "CREATE OR REPLACE FUNCTION assay_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
                "AS $$ SELECT clock_timestamp() + make_interval(secs => {}) $$"
            ).format(seconds)
        )

    return move


@pytest.fixture
def stop_time(owner: psycopg.Connection[tuple[object, ...]]) -> StopTime:
    """Stops the database's one clock at a moment, however long this machine takes for what comes then."""

    def stop(at: datetime) -> None:
        owner.execute(
            sql.SQL(
                "CREATE OR REPLACE FUNCTION assay_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
                "AS $$ SELECT {}::timestamptz $$"
            ).format(sql.Literal(at))
        )

    return stop


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a workbench on the test's database, with nothing live."""
    return make_settings(database_url, tmp_path)


def make_settings(database_url: str, home: Path, **environ: str) -> Settings:
    """Settings on a database, with variables as an operator would set them."""
    base = {"DATABASE_URL": database_url, "ASSAY_HOME": str(home / "home"), "ASSAY_DEMO": "0", "OFFLINE_DELAY_S": "0"}
    return load_settings({**base, **environ}, root=home)


@pytest.fixture
def workbench(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """A whole workbench that only the offline provider answers; pages find it as the process's own."""
    with closing(open_workbench(settings)) as opened:
        monkeypatch.setattr(workbench_module, "_current", opened)
        yield opened


MakeMember = Callable[..., Principal]


@pytest.fixture
def member(workbench: Workbench) -> MakeMember:
    """Makes a user with an organisation, and gives the principal: `member("ann", plan="free", org="Acme")`."""
    return member_factory(workbench)


def member_factory(opened: Workbench) -> MakeMember:
    """As `member`, for a workbench of the test's own."""

    def make(
        name: str = "ann",
        *,
        plan: str = "free",
        org: str | None = None,
        role: Role = Role.OWNER,
        password: str | None = None,
    ) -> Principal:
        org_name = org or f"{name}'s organisation"
        email = f"{name}@test.example"
        opened.directory.add_user(email, org_name=org_name, plan=plan, role=role, password=password)
        return opened.directory.member(email, org_name)

    return make


@pytest.fixture(scope="session")
def live_app(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    """A running application with the demo loaded, shared by the tests that leave it as it is."""
    with copied(server_url, template) as url:
        app = start_app(tmp_path_factory.mktemp("live"), url)
        yield app
        app.stop()


StartApp = Callable[..., LiveApp]


@pytest.fixture
def cold_app(database_url: str, tmp_path: Path) -> Iterator[StartApp]:
    """Starts processes in which nobody has been yet: `cold_app(OPENAI_API_KEY=…)`; ended with the test."""
    started: list[LiveApp] = []

    def start(**environ: str) -> LiveApp:
        started.append(start_app(tmp_path / "home", database_url, **environ))
        return started[-1]

    yield start
    for app in started:
        if app.process.poll() is None:
            app.stop()


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


@contextmanager
def copied(server_url: str, template: str) -> Iterator[str]:
    name = f"assay_test_{os.getpid()}_{next(_numbers)}"
    with _maintenance(server_url) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    yield _named(server_url, name)
    _drop(server_url, name)


def _named(url: str, name: str) -> str:
    return normal_url(url).set(database=name).render_as_string(hide_password=False)


def _maintenance(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(_libpq(url), autocommit=True)


def _drop(url: str, name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    for tries_left in range(100, -1, -1):
        try:
            with _maintenance(url) as connection:
                connection.execute(statement)
                return
        except psycopg.errors.InsufficientPrivilege:  # the server's own clean-up is at work in it
            if not tries_left:
                raise
            time.sleep(0.1)
