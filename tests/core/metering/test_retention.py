"""Months that ended long ago go to a file and then from the log: no figure, no entry and no seal is lost with them."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import errors
from sqlalchemy import text

from core.db import rollups_dao
from core.db.credits_dao import Movement, put_in
from core.db.engine import SCHEMA
from core.db.retention_dao import COLUMNS
from core.errors import ConfigurationError, Conflict, MeteringDenied, NotConfigured
from core.ids import new_id
from core.metering import retention as retention_module
from core.metering import usage_archive
from core.metering.books import audit
from core.metering.meter import CallRecord, Feature, Hold
from core.metering.retention import Retention
from core.metering.usage_archive import Archived
from core.ops.audit_seal import Sealing
from core.ops.audit_verify import Verification
from core.principal import Principal
from core.settings import load_settings
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, own_key, record

Driver = psycopg.Connection[tuple[object, ...]]
CENT = Decimal("0.000400000")
FIRST, NOW = datetime(2031, 1, 5, 9, tzinfo=UTC), datetime(2031, 9, 10, 12, tzinfo=UTC)
KEPT_FROM = datetime(2031, 5, 1, tzinfo=UTC)
MONTHS = 4
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")


def _pruned(retention: Retention, *, drops_uncertain: bool = False) -> list[tuple[str, int, Archived]]:
    """The months that were dropped and had requests: month, rows, file."""
    dropped = retention.prune(drops_uncertain=drops_uncertain)
    return [(f"{each.first:%Y-%m}", each.archived.rows, each.archived) for each in dropped if each.archived]


def _months(retention: Retention, *, drops_uncertain: bool = False) -> list[str]:
    return [month for month, _, _ in _pruned(retention, drops_uncertain=drops_uncertain)]


def _retention(workbench: Workbench, folder: Path, months: int | None = MONTHS) -> Retention:
    metering = workbench.metering
    return Retention(workbench.database, folder, months, meter=metering.meter, rollups=metering.rollups)


@pytest.fixture
def retention(workbench: Workbench, tmp_path: Path) -> Retention:
    """Keeps four months beside the running one."""
    return _retention(workbench, tmp_path / "usage")


@pytest.fixture
def people(workbench: Workbench, member: MakeMember, owner: Driver) -> list[Principal]:
    """One in each of three zones, on a plan without rates, with credits that they let be used."""
    made = [member(name, plan="enterprise", org=f"{name}'s") for name in ("ann", "bob", "cid")]
    owner.execute("UPDATE plan_limits SET concurrent_requests = NULL, requests_minute = NULL, requests_hour = NULL")
    owner.execute("UPDATE plan_limits SET signal_validations_minute = NULL, signal_validations_day = 1")
    for who, zone in zip(made, ZONES, strict=True):
        with workbench.database.service() as transaction:
            transaction.execute(text("UPDATE users SET uses_credits = true"))
            transaction.execute(
                text("UPDATE organisations SET zone = :zone WHERE id = :id"), {"zone": zone, "id": who.org_id}
            )
            put_in(transaction, "grant", Movement(who.org_id, Decimal(500), str(new_id())))
    return made


class _History:
    """Requests of random kinds, which end in random ways."""

    def __init__(self, workbench: Workbench, service: Driver, people: list[Principal], chance: random.Random) -> None:
        self._workbench, self._chance, self._people = workbench, chance, people
        self._keys = {who.user_id: own_key(service, who) for who in people[:1]}

    def ask(self) -> None:
        """One request."""
        who, chance, meter = self._chance.choice(self._people), self._chance, self._workbench.meter
        changes: dict[str, Any] = {"feature": chance.choice([*Feature, None, Feature.SIGNAL_VALIDATION])}
        if changes["feature"] is Feature.SIGNAL_VALIDATION:
            changes["credits"] = Decimal(3)
        elif who.user_id in self._keys and chance.random() < 0.3:
            changes |= {"own_key": True, "key_id": self._keys[who.user_id]}
        try:
            hold = meter.reserve(who, hold_request(**changes))
        except MeteringDenied:
            return
        self._end(hold, chance.choice(["settle", "settle", "settle", "cut", "fail", "never", "lost"]))

    def _end(self, hold: Hold, how: str) -> None:
        meter = self._workbench.meter
        if how == "never":
            meter.release(hold, "never_called")
            return
        assert meter.mark_in_flight(hold)
        taken = replace(
            record(), credits=Decimal(self._chance.choice([1, 3, 5])) if hold.is_under_credits else Decimal(0)
        )
        if how == "fail":
            meter.release(hold, "failed", self._chance.choice([record(), CallRecord()]))
        elif how != "lost":
            meter.settle(hold, "cut" if how == "cut" else "success", CENT, taken)


def _live(workbench: Workbench, service: Driver, people: list[Principal], move_time: MoveTime, seed: int) -> None:
    """Eight months in which somebody asks now and then, often close to the end of a month."""
    chance = random.Random(seed)
    history = _History(workbench, service, people, chance)
    at = FIRST
    while at < NOW:
        move_time(at)
        for _ in range(chance.randint(1, 5)):
            history.ask()
        at += timedelta(hours=chance.choice([1, 7, 30, 200, 400]))
        if chance.random() < 0.3:
            following = (at.replace(day=1) + timedelta(days=31)).replace(day=1, hour=0)
            at = following + timedelta(hours=chance.choice([-7, -1, 0, 2]), seconds=1)
    move_time(NOW)


def _sums(workbench: Workbench, starts_at: datetime = FIRST) -> list[rollups_dao.Sums]:
    span = rollups_dao.Span(rollups_dao.floored(starts_at, rollups_dao.DAY), NOW, None)
    with workbench.database.snapshot() as transaction:
        return rollups_dao.sums(transaction, span, ("day", "provider", "model", "feature", "plan"))


def _one(service: Driver, statement: str) -> Any:
    row = service.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def _ledger(service: Driver) -> list[tuple[object, ...]]:
    return service.execute("SELECT * FROM ledger_entries ORDER BY id").fetchall()


def _assert_sound(workbench: Workbench) -> None:
    """The books balance, and the audit log is as it was sealed."""
    assert audit(workbench.database).differences == []
    Sealing(workbench.database).seal()
    report = Verification(workbench.database).everything()
    assert report.holds, report.findings


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_histories_lose_nothing_but_their_rows(
    workbench: Workbench,
    service: Driver,
    people: list[Principal],
    move_time: MoveTime,
    retention: Retention,
    seed: int,
) -> None:
    _live(workbench, service, people, move_time, seed)
    workbench.meter.sweep()
    workbench.metering.rollups.make_partitions()
    workbench.metering.rollups.bring_up_to_date()
    _assert_sound(workbench)
    before, ledger = _sums(workbench), _ledger(service)
    logged = service.execute(
        "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM'), count(*), sum(cost_usd), sum(credits) FROM usage_log "
        "WHERE at < %s GROUP BY 1 ORDER BY 1",
        [KEPT_FROM],
    ).fetchall()
    newer = service.execute("SELECT * FROM usage_log WHERE at >= %s ORDER BY seq", [KEPT_FROM]).fetchall()

    dropped = _pruned(retention, drops_uncertain=True)

    assert [each[:2] for each in dropped] == [row[:2] for row in logged]
    for (_, _, file), (_, _, cost_usd, credits_) in zip(dropped, logged, strict=True):
        kept = pq.read_table(file.path)
        assert kept.column_names == [*COLUMNS]
        assert (sum(kept["cost_usd"].to_pylist()), sum(kept["credits"].to_pylist())) == (cost_usd, credits_)
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256
    _assert_sound(workbench)
    assert (_sums(workbench), _ledger(service)) == (before, ledger)
    assert service.execute("SELECT * FROM usage_log ORDER BY seq").fetchall() == newer
    assert f"{_one(service, 'SELECT kept_from FROM usage_progress'):%Y-%m}" > str(logged[-1][0])
    named = "SELECT count(*) FROM holds h WHERE resolved_at < '2031-05-01Z'"
    assert _one(service, named) > 0
    assert _one(service, f"{named} AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.hold_id = h.id)") == 0
    assert _one(service, "SELECT count(*) FROM attempts a JOIN holds h ON h.id = hold_id "
                         "WHERE resolved_at < '2031-05-01Z'") == 0  # fmt: skip
    assert _one(service, "SELECT count(*) FROM meter_periods WHERE ends_at <= '2031-05-01Z'") == 0
    assert [*retention.prune()] == []

    chance = random.Random(seed)
    history = _History(workbench, service, people[1:], chance)
    for _ in range(10):
        history.ask()
    move_time(NOW + timedelta(days=31))
    history.ask()
    assert _months(retention, drops_uncertain=True) == ["2031-05"]
    _assert_sound(workbench)


def _lived(workbench: Workbench, people: list[Principal], move_time: MoveTime, *days: datetime) -> None:
    """A charged call, and one of credits, on each day."""
    for day in days:
        move_time(day)
        for credits_ in (0, 3, 3):
            feature = Feature.SIGNAL_VALIDATION if credits_ else Feature.CHAT_QUERY
            hold = workbench.meter.reserve(people[0], hold_request(feature=feature, credits=Decimal(credits_)))
            assert workbench.meter.mark_in_flight(hold)
            taken = Decimal(2) if hold.is_under_credits else Decimal(0)
            workbench.meter.settle(hold, "success", CENT, replace(record(), credits=taken))
    move_time(NOW)


JANUARY, FEBRUARY, JUNE = (datetime(2031, month, 20, tzinfo=UTC) for month in (1, 2, 6))


def test_a_month_whose_costs_are_not_clear_stays_with_those_after_it_until_somebody_says_so(
    workbench: Workbench, people: list[Principal], move_time: MoveTime, retention: Retention, service: Driver
) -> None:
    _lived(workbench, people, move_time, JANUARY)
    move_time(FEBRUARY)
    odd = replace(record(), usage={"quarantine": "negative", "estimated": True})
    hold = workbench.meter.reserve(people[0], hold_request())
    assert workbench.meter.mark_in_flight(hold)
    workbench.meter.settle(hold, "success", CENT, odd)
    _lived(workbench, people, move_time, FEBRUARY + timedelta(days=30), JUNE)
    assert _months(retention) == ["2031-01"]
    assert [(month.first.month, month.uncertain) for month in retention.due()] == [(2, 1), (3, 0)]
    assert "1 calls are unresolved or quarantined" in str(retention.due()[0].kept_because)
    assert _months(retention, drops_uncertain=True) == ["2031-02", "2031-03"]
    _assert_sound(workbench)
    assert _one(service, "SELECT count(*) FROM usage_log") == 3


def test_an_overdue_hold_is_ended_first_and_an_open_one_keeps_its_month(
    workbench: Workbench, people: list[Principal], move_time: MoveTime, retention: Retention, service: Driver
) -> None:
    _lived(workbench, people, move_time, JANUARY)
    move_time(JANUARY)
    workbench.meter.reserve(people[1], hold_request())
    left = workbench.meter.reserve(people[2], hold_request())
    move_time(NOW)
    service.execute("UPDATE holds SET expires_at = '2031-12-01Z' WHERE id = %s", [left.id])
    assert _months(retention, drops_uncertain=True) == []
    assert [month.open for month in retention.due()] == [1]
    service.execute("UPDATE holds SET expires_at = '2031-02-01Z' WHERE id = %s", [left.id])
    assert _months(retention) == ["2031-01"]
    _assert_sound(workbench)


def test_a_row_that_comes_after_the_export_keeps_the_month(
    workbench: Workbench,
    people: list[Principal],
    move_time: MoveTime,
    retention: Retention,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _lived(workbench, people, move_time, JANUARY)
    write = usage_archive.archive

    def and_one_more(folder: Path, month: date, rows: Iterator[Any]) -> Any:
        written = write(folder, month, rows)
        _lived(workbench, people, move_time, JANUARY)
        return written

    monkeypatch.setattr(retention_module, "archive", and_one_more)
    with pytest.raises(Conflict, match="stays until the next run"):
        list(retention.prune())
    monkeypatch.undo()
    assert [rows for _, rows, _ in _pruned(retention)] == [6]
    _assert_sound(workbench)


def test_a_log_that_is_in_use_is_waited_for_two_seconds_and_left(
    workbench: Workbench, people: list[Principal], move_time: MoveTime, retention: Retention, database_url: str
) -> None:
    _lived(workbench, people, move_time, JANUARY)
    with psycopg.connect(database_url.replace("+psycopg", "", 1)) as reader:
        reader.execute(f"SELECT count(*) FROM {SCHEMA}.usage_log")
        with pytest.raises(Conflict, match="in use"):
            list(retention.prune())
    assert _months(retention) == ["2031-01"]


def test_nothing_newer_than_what_was_dropped_can_be_deleted_by_the_service_role(
    workbench: Workbench, people: list[Principal], move_time: MoveTime, retention: Retention, service: Driver
) -> None:
    _lived(workbench, people, move_time, JANUARY, JUNE)
    for table in ("attempts", "meter_periods", "holds"):
        assert service.execute(f"DELETE FROM {table}".encode()).rowcount == 0
    list(retention.prune())
    assert service.execute("DELETE FROM attempts").rowcount == 0
    service.rollback()
    with pytest.raises(errors.InsufficientPrivilege):
        service.execute("UPDATE usage_progress SET kept_from = '2031-09-01Z'")


def test_each_month_is_in_the_audit_log_with_its_file(
    workbench: Workbench, people: list[Principal], move_time: MoveTime, retention: Retention, service: Driver
) -> None:
    _lived(workbench, people, move_time, JANUARY, JUNE)
    file = next(each.archived for each in retention.prune(cause="command") if each.archived)
    rows = service.execute(
        "SELECT actor_kind, subject_id, after FROM audit_events "
        "WHERE action = 'usage.pruned' AND subject_id > '2031' ORDER BY seq"
    ).fetchall()
    assert rows == [
        (
            "command",
            "2031-01",
            {
                "kept_from": "2031-02-01",
                "rows": 3,
                "file": file.path.name,
                "sha256": file.sha256,
            },
        )
    ]
    assert file.path.name == f"usage-2031-01-3-rows-{file.sha256[:16]}.parquet"
    assert Verification(workbench.database).everything().usage_kept_from == "2031-02"


@pytest.mark.parametrize("months", [None, 0])
def test_without_the_setting_everything_stays(
    workbench: Workbench, people: list[Principal], move_time: MoveTime, tmp_path: Path, months: int | None
) -> None:
    _lived(workbench, people, move_time, JANUARY)
    keeping = _retention(workbench, tmp_path, months)
    keeping.run()
    with pytest.raises(NotConfigured, match="USAGE_RETENTION_MONTHS"):
        keeping.due()
    assert audit(workbench.database).totals.calls == 3


@pytest.mark.parametrize("months", ["1", "3", "-1"])
def test_fewer_months_than_figures_need_are_refused(tmp_path: Path, months: str) -> None:
    with pytest.raises(ConfigurationError, match="USAGE_RETENTION_MONTHS"):
        load_settings({"USAGE_RETENTION_MONTHS": months}, root=tmp_path)
    assert load_settings({"USAGE_RETENTION_MONTHS": "4"}, root=tmp_path).usage_retention_months == 4


STEPS = {
    "archive.begin": (0, 4),
    "archive.end": (0, 4),
    "drop.begin": (0, 4),
    "drop.end": (0, 4),
    "clear_periods.begin": (4, 0),
    "clear_holds.end": (4, 0),
    "set_cleared.begin": (4, 0),
}
"""Where the process is killed; how many months are gone by then, and how many go in the next run."""


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_is_killed_loses_nothing_and_the_next_run_goes_on(
    workbench: Workbench,
    people: list[Principal],
    move_time: MoveTime,
    service: Driver,
    tmp_path: Path,
    step: str,
) -> None:
    gone, left = STEPS[step]
    days = [JANUARY.replace(month=month) for month in (1, 2, 3, 4, 6)]
    _lived(workbench, people, move_time, *days)
    workbench.metering.rollups.bring_up_to_date()
    before, folder = _sums(workbench), tmp_path / "usage"
    assert workbench.settings.database_url is not None
    killed = subprocess.run(
        [sys.executable, "-m", "tests.core.metering.retention_process", str(folder), step],
        env={**os.environ, "DATABASE_URL": workbench.settings.database_url.get_secret_value()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    _assert_sound(workbench)
    assert _one(service, "SELECT count(*) FROM usage_log") == 3 * (len(days) - gone)
    assert len(list(folder.glob("*.parquet"))) >= gone
    assert [rows for _, rows, _ in _pruned(_retention(workbench, folder))] == [3] * left
    files = sorted(path.name[:13] for path in folder.iterdir())
    assert files == [f"usage-2031-0{month}" for month in range(1, 5)]
    _assert_sound(workbench)
    assert _sums(workbench) == before
    assert _one(service, "SELECT count(*) FROM usage_log") == 3
    assert _one(service, "SELECT count(*) FROM holds WHERE cover = 'plan' AND resolved_at < '2031-05-01Z'") == 0
    with workbench.database.service() as transaction:
        assert transaction.execute(text("SELECT kept_from = cleared_from FROM usage_progress")).scalar_one()


def test_a_conversation_that_is_older_than_the_log_says_from_when_on_its_cost_is_counted(
    workbench: Workbench, people: list[Principal], move_time: MoveTime, retention: Retention
) -> None:
    def asked() -> UUID:
        exchange = workbench.assistant.ask(people[0], "What is beta?")
        exchange.session.result()
        return exchange.conversation_id

    def counted_from(conversation_id: UUID) -> datetime | None:
        return workbench.conversations.open(people[0], conversation_id).cost.counted_from

    move_time(FIRST)
    old = asked()
    move_time(NOW)
    new = asked()
    assert (counted_from(old), counted_from(new)) == (None, None)
    assert "2031-01" in _months(retention)
    assert (counted_from(old), counted_from(new)) == (datetime(2031, 2, 1, tzinfo=UTC), None)
    told = workbench.conversations.export(people[0], old, "markdown").data.decode()
    assert "Charged since 2031-02-01T00:00:00Z, as older usage is kept no more: 0 USD" in told
