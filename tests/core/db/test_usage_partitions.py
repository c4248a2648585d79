"""The log of usage lies in months: none refuses a row, none is open to the app role, and a hold has one row in all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from alembic import command
from psycopg import errors
from sqlalchemy import text

from core.db import migrate as migrate_module
from core.db.engine import SCHEMA, SERVICE_ROLE, Database
from core.db.migrate import MIGRATIONS, migrate
from core.ids import new_id
from core.metering.books import audit
from core.metering.rollups import Rollups
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.usage_made import Driver, Logged, put

FAR = datetime(2040, 6, 15, 12, tzinfo=UTC)
_PARTITIONS = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'usage_log'::regclass ORDER BY 1
"""


_TWICE = """
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, hold_id, channel, status, provider, model)
    SELECT gen_random_uuid(), at + %s, org_id, user_id, request_id, hold_id, channel, status, provider, model
    FROM usage_log
"""


def _partitions(connection: Driver) -> list[str]:
    return [str(row[0]) for row in connection.execute(_PARTITIONS)]


def _rows_by_place(connection: Driver) -> dict[str, int]:
    rows = connection.execute("SELECT tableoid::regclass::text, count(*)::integer FROM usage_log GROUP BY 1 ORDER BY 1")
    return {str(name): int(str(count)) for name, count in rows}


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An owner."""
    return member("ann", org="Acme", plan="team")


def test_migrating_makes_the_running_month_and_three_more(owner: Driver) -> None:
    this = datetime.now(UTC).replace(day=1)
    months = [
        f"usage_log_{this.year + (this.month + n - 1) // 12}_{(this.month + n - 1) % 12 + 1:02}" for n in range(4)
    ]
    assert _partitions(owner) == sorted([*months, "usage_log_rest"])


def test_a_row_of_a_month_without_a_partition_is_kept_and_moves_to_it(
    workbench: Workbench, ann: Principal, service: Driver, move_time: MoveTime
) -> None:
    move_time(FAR)
    for status in ("success", "denied"):
        put(service, ann, Logged(status=status))
    put(service, ann, Logged(status="cached", at=FAR + timedelta(days=300)))
    assert _rows_by_place(service) == {"usage_log_rest": 3}
    before = service.execute("SELECT * FROM usage_log ORDER BY id").fetchall()
    assert Rollups(workbench.database).make_partitions() == 5
    assert _rows_by_place(service) == {"usage_log_2040_06": 2, "usage_log_2041_04": 1}
    assert service.execute("SELECT * FROM usage_log ORDER BY id").fetchall() == before
    assert Rollups(workbench.database).make_partitions() == 0
    put(service, ann, Logged())
    assert _rows_by_place(service) == {"usage_log_2040_06": 3, "usage_log_2041_04": 1}


def test_a_month_begins_at_midnight_of_utc(
    workbench: Workbench, ann: Principal, service: Driver, move_time: MoveTime
) -> None:
    move_time(FAR)
    Rollups(workbench.database).make_partitions()
    midnight = datetime(2040, 7, 1, tzinfo=UTC)
    put(service, ann, Logged(status="denied", at=midnight - timedelta(microseconds=1)))
    put(service, ann, Logged(status="denied", at=midnight))
    assert _rows_by_place(service) == {"usage_log_2040_06": 1, "usage_log_2040_07": 1}


def test_months_are_made_later_where_somebody_is_at_work_on_the_log(
    workbench: Workbench, ann: Principal, service: Driver, move_time: MoveTime, owner: Driver
) -> None:
    move_time(FAR)
    with owner.transaction():
        owner.execute("LOCK TABLE usage_log_rest IN ACCESS SHARE MODE")
        assert Rollups(workbench.database).make_partitions() is None
        put(service, ann, Logged())
    assert Rollups(workbench.database).make_partitions() == 4
    assert _rows_by_place(service) == {"usage_log_2040_06": 1}


def test_a_hold_has_one_row_whatever_time_the_second_names(service: Driver, ann: Principal) -> None:
    put(service, ann, Logged())
    with pytest.raises(errors.UniqueViolation):
        service.execute(_TWICE, [timedelta(0)])
    for later in (timedelta(microseconds=1), timedelta(days=90)):
        with pytest.raises(errors.ForeignKeyViolation):
            service.execute(_TWICE, [later])


def test_a_second_row_that_a_missing_key_let_in_is_found(workbench: Workbench, ann: Principal, owner: Driver) -> None:
    owner.execute("ALTER TABLE usage_log NO FORCE ROW LEVEL SECURITY; ALTER TABLE holds NO FORCE ROW LEVEL SECURITY")
    put(owner, ann, Logged())
    owner.execute("ALTER TABLE usage_log DROP CONSTRAINT fk_usage_log_hold_id_holds")
    owner.execute(_TWICE, [timedelta(days=40)])
    found = {(row.kind, row.figure) for row in audit(workbench.database).differences}
    assert {("usage_twice", "usage rows"), ("guard_missing", "fk_usage_log_hold_id_holds")} <= found


def test_the_app_role_reads_through_the_log_alone(database: Database, ann: Principal, owner: Driver) -> None:
    for name in [
        *_partitions(owner),
        *("usage_hours", "usage_all_days", "usage_days", "usage_org_days", "usage_org_quarters", "usage_user_days"),
    ]:
        with pytest.raises(Exception, match="permission denied"), database.app(ann) as connection:
            connection.execute(text(f"SELECT count(*) FROM {name}"))
        grants = owner.execute(
            "SELECT count(*) FROM information_schema.role_table_grants WHERE table_name = %s AND grantee = 'assay_app'",
            [name],
        ).fetchone()
        assert grants == (0,), name


def test_a_partition_that_is_made_later_has_everything_that_the_others_have(
    workbench: Workbench, owner: Driver, move_time: MoveTime
) -> None:
    found = "SELECT count(*) FROM {} WHERE {} = '{}'::regclass"
    parts = (("pg_index", "indrelid"), ("pg_constraint", "conrelid"), ("pg_trigger", "tgrelid"))
    move_time(FAR)
    Rollups(workbench.database).make_partitions()
    for table, column in parts:
        kinds = [
            owner.execute(found.format(table, column, name).encode()).fetchone()
            for name in ("usage_log_rest", "usage_log_2040_06")
        ]
        assert kinds[0] == kinds[1], table


@pytest.fixture
def old_database_url(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database as it was before the log lay in months."""
    with monkeypatch.context() as patch:
        patch.setattr(migrate_module, "_function_files", lambda: [MIGRATIONS / "functions" / "10_clock.sql"])
        upgrade = command.upgrade
        patch.setattr(command, "upgrade", lambda config, _head: upgrade(config, "0021"))
        migrate(empty_database_url)
    return empty_database_url


def test_rows_from_before_are_carried_over_into_their_months(old_database_url: str) -> None:
    org_id, user_id = new_id(), new_id()
    somebody = Principal(user_id, org_id, Role.OWNER, "free", "command", "UTC", "a@test.example", "Ann", "Acme")
    with psycopg.connect(old_database_url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"SET ROLE {SERVICE_ROLE}; SET search_path = {SCHEMA}; SET timezone = 'UTC'")
        connection.execute("INSERT INTO plan_limits (plan, checksum) VALUES ('free', 'x')")
        connection.execute("INSERT INTO organisations (id, name, plan) VALUES (%s, 'Acme', 'free')", [org_id])
        connection.execute("INSERT INTO users (id, email, name) VALUES (%s, 'a@test.example', 'Ann')", [user_id])
        connection.execute(
            "INSERT INTO memberships (org_id, user_id, role) VALUES (%s, %s, 'owner')", [org_id, user_id]
        )
        for month, status in ((1, "success"), (2, "denied"), (2, "failed"), (11, "unresolved")):
            put(connection, somebody, Logged(status=status, at=datetime(2025, month, 28, 23, 59, tzinfo=UTC)))
        before = connection.execute("SELECT id, at, hold_id, cost_usd FROM usage_log ORDER BY id").fetchall()
        assert migrate(old_database_url) is True
        assert connection.execute("SELECT id, at, hold_id, cost_usd FROM usage_log ORDER BY id").fetchall() == before
        assert _rows_by_place(connection) == {
            "usage_log_2025_01": 1,
            "usage_log_2025_02": 2,
            "usage_log_2025_11": 1,
        }
        until = connection.execute("SELECT rolled_until FROM usage_progress").fetchone()
        assert until == (datetime(2025, 1, 28, 23, tzinfo=UTC),)
