"""What scans leave behind, and for how long."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from core.db import scans_dao
from core.db.engine import Database
from core.db.scans_dao import NewScan, ScanRow
from core.ids import new_id
from core.screener.scan_jobs import KEPT
from core.screener.version import FORMULA_VERSION
from tests.conftest import MakeMember, MoveTime
from tests.core.screener.alerts_made import DAY, UNIVERSE, Bench

A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def test_rows_of_an_overtaken_scan_go_after_a_day_and_of_others_after_a_year(
    bench: Bench, move_time: MoveTime, member: MakeMember
) -> None:
    ann = member("ann")
    first, second = (_scanned(bench) for _ in range(2))
    alone = [_scanned(bench, day=DAY - timedelta(days=1)), _scanned(bench, org_id=ann.org_id)]
    older = _scanned(bench, formula_version=FORMULA_VERSION + 1)

    move_time(KEPT.overtaken_results - A_MINUTE)
    assert all(_has_results(bench, each) for each in _forgotten(bench, first, second, *alone, older))
    move_time(KEPT.overtaken_results + A_MINUTE)
    kept = [_has_results(bench, each) for each in _forgotten(bench, first, second, *alone, older)]
    assert kept == [False, True, True, True, True]
    move_time(KEPT.results + A_MINUTE)
    assert not any(_has_results(bench, each) for each in _forgotten(bench, second, *alone, older))


def test_signals_of_an_overtaken_scan_go_after_a_month_and_all_others_stay(bench: Bench, move_time: MoveTime) -> None:
    first, second = (_scanned(bench) for _ in range(2))
    alone = _scanned(bench, day=DAY - timedelta(days=1))

    move_time(KEPT.overtaken_signals - A_MINUTE)
    assert [_signals(bench, each) for each in _forgotten(bench, first, second, alone)] == [1, 1, 1]
    move_time(KEPT.overtaken_signals + A_MINUTE)
    assert [_signals(bench, each) for each in _forgotten(bench, first, second, alone)] == [0, 1, 1]
    move_time(timedelta(days=3_650))
    assert [_signals(bench, each) for each in _forgotten(bench, first, second, alone)] == [0, 1, 1]


def test_a_scan_that_failed_goes_after_a_month(bench: Bench, move_time: MoveTime) -> None:
    failed = NewScan(new_id(), None, UNIVERSE, None, DAY, FORMULA_VERSION, 0, [["A"]])
    with bench.database.service() as connection:
        scans_dao.begin(connection, failed)
        scans_dao.fail(connection, failed.id, "No.")
    done = _scanned(bench)

    move_time(KEPT.failed - A_MINUTE)
    _forgotten(bench)
    assert _is_there(bench, failed.id)
    move_time(KEPT.failed + A_MINUTE)
    _forgotten(bench)
    assert [_is_there(bench, each) for each in (failed.id, done.id)] == [False, True]


def _scanned(
    bench: Bench, *, day: date = DAY, org_id: UUID | None = None, formula_version: int = FORMULA_VERSION
) -> ScanRow:
    """A finished scan with a signal."""
    scan = bench.scanned({"A": 1.0}, day=DAY, org_id=org_id)
    with bench.database.service() as connection:
        connection.execute(
            text("UPDATE scans SET as_of = :day, formula_version = :version WHERE id = :id"),
            {"id": scan.id, "day": day, "version": formula_version},
        )
        connection.execute(
            text(
                "INSERT INTO signals (id, scan_id, org_id, symbol, type, direction, family, state, day, confirmed_at, "
                "close, confidence_n) VALUES (:id, :scan_id, :org_id, 'A', 'gap_up', 'bullish', 'gap', 'signal', :day, "
                ":day, 1, 0)"
            ),
            {"id": new_id(), "scan_id": scan.id, "org_id": org_id, "day": day},
        )
    return scan


def _forgotten(bench: Bench, *scans: ScanRow) -> tuple[ScanRow, ...]:
    """The scans, after what is old was forgotten."""
    with bench.database.service() as connection:
        scans_dao.forget(connection, KEPT)
    return scans


def _has_results(bench: Bench, scan: ScanRow) -> bool:
    with bench.database.service() as connection:
        return scans_dao.results(connection, scan.id) is not None


def _signals(bench: Bench, scan: ScanRow) -> int:
    with bench.database.service() as connection:
        return len(scans_dao.leading(connection, scan.id))


def _is_there(bench: Bench, scan_id: UUID) -> bool:
    with bench.database.service() as connection:
        return scans_dao.scan(connection, scan_id) is not None
