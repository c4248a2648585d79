"""Tables, SQL functions and migrations agree, on an empty database and on one that is at this version."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from core.db import tables
from core.db.engine import OWNER_ROLE, SCHEMA, Database
from core.db.migrate import MIGRATIONS, migrate
from core.errors import ConfigurationError, DatabaseUnavailable

OF_OTHERS = {"alembic_version", *(f"procrastinate_{name}" for name in ("jobs", "workers", "events", "periodic_defers"))}
"""Tables of Alembic and Procrastinate, which their own code knows."""
PARTITIONS = "SELECT c.relname FROM pg_class c WHERE c.relispartition AND c.relnamespace = 'assay'::regnamespace"
"""Parts of tables, which come and go with the months."""


def test_the_declared_tables_are_those_that_the_migrations_make(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET ROLE {OWNER_ROLE}")
        connection.exec_driver_sql(f"SET search_path = {SCHEMA}")
        left_out = {*OF_OTHERS, *connection.exec_driver_sql(PARTITIONS).scalars()}
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _o, name, kind, _r, _c: kind != "index" and name not in left_out,
            },
        )
        found = compare_metadata(context, tables.METADATA)
        assert [difference for difference in found if "comment" not in str(difference)] == []
    engine.dispose()


def test_every_function_of_the_schema_comes_from_a_file_or_the_first_migration(
    owner: psycopg.Connection[tuple[object, ...]],
) -> None:
    sources = [*(MIGRATIONS / "functions").glob("*.sql"), *(MIGRATIONS / "versions").glob("*.sql")]
    declared = {
        name
        for path in sources
        for name in re.findall(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)", path.read_text("utf-8"))
    }
    rows = owner.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'assay'::regnamespace").fetchall()
    assert {str(row[0]) for row in rows} == declared


def test_an_empty_database_is_migrated_by_whoever_comes_first(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(migrate, [empty_database_url] * 4))
    assert any(outcomes)
    assert migrate(empty_database_url) is False


def test_a_changed_function_file_is_applied_again(
    database_url: str, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    owner.execute("UPDATE function_version SET sha256 = 'of an older program'")
    owner.execute("DROP FUNCTION expire_hold(uuid)")
    assert migrate(database_url) is True
    assert owner.execute("SELECT to_regprocedure('expire_hold(uuid)')").fetchone() != (None,)


def test_a_database_of_a_newer_program_is_left_alone(
    database_url: str, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    owner.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="newer version"):
        migrate(database_url)


def test_a_server_that_is_not_there_is_an_error_of_ours() -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate("postgresql://assay:secret@127.0.0.1:1/assay")
    with pytest.raises(DatabaseUnavailable):
        Database("postgresql://assay:secret@127.0.0.1:1/assay").ping()


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "not a url", "sqlite://"])
def test_another_kind_of_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as error:
        Database(url)
    assert url not in str(error.value)
