"""Brings a database to this version: roles, schema, migrations, and the SQL functions of metering."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from core.db.engine import APP_ROLE, CONNECT_TIMEOUT_S, MINIMUM_VERSION, OWNER_ROLE, SCHEMA, SERVICE_ROLE, normal_url
from core.errors import ConfigurationError, DatabaseUnavailable
from core.settings import DATA

MIGRATIONS = DATA / "migrations"
SET_OPTION_VERSION = 160_000
"""From this version on a role is granted with or without the right to become it."""
_LOCK = 0x41535359
_ROLES = (OWNER_ROLE, APP_ROLE, SERVICE_ROLE)


def migrate(url: str) -> bool:
    """Applies what is missing, one process at a time; True where something was.

    The login of `url` needs CREATEROLE, CREATE on the database and membership in the three roles only when something
    is missing; otherwise any login that may become the app role will do.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
        ConfigurationError: the server is too old, newer than this program, or the login may not do what is needed.
    """
    with _connected(url) as connection:
        if _is_current(connection):
            return False
        try:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            _make_roles(connection)
            _upgrade(connection)
        except ProgrammingError as error:
            raise ConfigurationError(
                "The database needs migrating, and this login may not: run `python -m core migrate` with a login that "
                f"owns the database and may create roles ({type(error.orig).__name__})."
            ) from error
    return True


def functions_checksum() -> str:
    """SHA-256 over the SQL function files, names and texts, in their order."""
    digest = hashlib.sha256()
    for path in _function_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run_script(connection: Connection, path: Path) -> None:
    """Runs a file of SQL statements in the connection's transaction."""
    _driver(connection).execute(path.read_bytes())


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, psycopg.Connection)
    return driver_connection


def _function_files() -> list[Path]:
    return sorted((MIGRATIONS / "functions").glob("*.sql"))


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(
        normal_url(url),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "assay_migrate"},
    )
    try:
        with engine.connect() as connection:
            version = _driver(connection).info.server_version
            if version < MINIMUM_VERSION:
                raise ConfigurationError(f"Postgres {version // 10_000} is too old: 15 or newer is needed.")
            yield connection
    except OperationalError as error:
        raise DatabaseUnavailable from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@cache
def _revisions() -> tuple[str, ...]:
    """What this program ships with, newest first."""
    return tuple(revision.revision for revision in ScriptDirectory.from_config(_config()).walk_revisions())


def _is_current(connection: Connection) -> bool:
    """Whether migrations and functions are those of this program; False where that cannot be read."""
    try:
        checksum = connection.execute(text(f"SELECT sha256 FROM {SCHEMA}.function_version")).scalar()
        version = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()
    except DBAPIError:
        return False
    if version is not None and version not in _revisions():
        raise ConfigurationError(f"The database is of a newer version ({version}) than this program.")
    return version == _revisions()[0] and checksum == functions_checksum()


def _make_roles(connection: Connection) -> None:
    for role in _ROLES:
        exists = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).scalar()
        if not exists:
            try:
                connection.execute(text(f"CREATE ROLE {role} NOLOGIN NOBYPASSRLS"))
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in ("42710", "23505"):
                    raise
        kind = "SET" if _driver(connection).info.server_version >= SET_OPTION_VERSION else "MEMBER"
        may_become = text("SELECT pg_has_role(current_user, :role, :kind)")
        if not connection.execute(may_become, {"role": role, "kind": kind}).scalar():
            connection.execute(text(f"GRANT {role} TO CURRENT_USER"))


def _upgrade(connection: Connection) -> None:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {OWNER_ROLE}"))
    connection.execute(text(f"SET ROLE {OWNER_ROLE}"))
    connection.execute(text(f"SET search_path = {SCHEMA}, pg_temp"))
    connection.commit()
    connection.execution_options(isolation_level="READ COMMITTED")
    with connection.begin():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        for path in _function_files():
            run_script(connection, path)
        connection.execute(text("DELETE FROM function_version"))
        connection.execute(text("INSERT INTO function_version VALUES (:sha256)"), {"sha256": functions_checksum()})
        connection.execute(text(f"GRANT SELECT ON alembic_version TO {APP_ROLE}, {SERVICE_ROLE}"))
