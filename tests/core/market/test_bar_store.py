"""The store of bars: whole or not at all, once each, by several writers, and never past the as-of day."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import polars as pl
import psycopg
import pytest

from core.db.engine import Database
from core.errors import ConfigurationError, Conflict, SourceDown
from core.market.bar_store import BarStore, Batch, DatasetKey, SeriesFacts, Written, bars_folder
from core.market.sources.contract import ActionKind, Adjustment, CorporateAction
from core.settings import load_settings
from tests.core.market.bars_made import as_of, frame_of

KEY = DatasetKey("fetched", "test", "a test")
DAY = date(2024, 12, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files lie."""
    return tmp_path / "bars"


@pytest.fixture
def store(database: Database, folder: Path) -> BarStore:
    """A store of the test's own."""
    return BarStore(database, folder)


def batch(closes: Mapping[str, Mapping[date, float]], **more: object) -> Batch:
    """Raw bars with these closes."""
    facts = {symbol: SeriesFacts("USD", "XNYS") for symbol in closes}
    return Batch(frame_of(closes), facts, **more)  # type: ignore[arg-type]


def closes(store: BarStore, symbol: str, day: date, org_id: UUID | None = None) -> dict[date, float]:
    """What is read of a symbol as of a day."""
    found = store.chosen([symbol], as_of(day), org_id)
    frame = store.read([row.series for row in found], as_of(day))
    return dict(zip(frame["date"], frame["close"], strict=True))


def files(folder: Path) -> set[Path]:
    """All files on the disk."""
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_day_again_replaces_itself_and_the_same_again_changes_nothing(store: BarStore, folder: Path) -> None:
    days = {DAY: 10.0, date(2025, 1, 2): 11.0}
    assert store.write(KEY, batch({"A": days})) == Written(2, 0, 0)
    before = files(folder)
    assert store.write(KEY, batch({"A": days})) == Written(0, 0, 0)
    assert files(folder) == before
    assert store.write(KEY, batch({"A": {DAY: 9.5, date(2025, 1, 3): 12.0}})) == Written(1, 1, 0)
    assert closes(store, "A", date(2025, 6, 1)) == {DAY: 9.5, date(2025, 1, 2): 11.0, date(2025, 1, 3): 12.0}


def test_the_catalogue_knows_first_and_last_day_and_how_many(store: BarStore) -> None:
    store.write(KEY, batch({"A": {DAY: 10.0, date(2025, 1, 2): 11.0}, "B": {DAY: 1.0}}))
    store.write(KEY, batch({"A": {date(2023, 5, 5): 9.0, DAY: 10.5}}))
    found = {row.series.symbol: row.series for row in store.chosen(["A", "B", "C"], as_of(date(2026, 1, 1)))}
    assert {symbol: (row.first_day, row.last_day, row.rows) for symbol, row in found.items()} == {
        "A": (date(2023, 5, 5), date(2025, 1, 2), 3),
        "B": (DAY, DAY, 1),
    }


def test_a_replaced_symbol_keeps_nothing_older_and_others_stay(store: BarStore) -> None:
    store.write(KEY, batch({"A": {date(2023, 1, 3): 1.0, DAY: 2.0}, "B": {date(2023, 1, 3): 5.0}}))
    written = store.write(KEY, batch({"A": {DAY: 2.0}}, replaced=frozenset({"A"})))
    assert written == Written(0, 0, 1)
    assert closes(store, "A", DAY) == {DAY: 2.0}
    assert closes(store, "B", DAY) == {date(2023, 1, 3): 5.0}


def test_a_whole_dataset_forgets_what_it_no_longer_holds(store: BarStore) -> None:
    store.write(KEY, batch({"A": {date(2023, 1, 3): 1.0}, "B": {DAY: 5.0}}))
    store.write(KEY, batch({"B": {DAY: 5.0}}, is_whole=True, fingerprint="abc"))
    assert store.chosen(["A"], as_of(DAY)) == ()
    found = store.find(KEY)
    assert found is not None
    assert found.fingerprint == "abc"


def test_nothing_later_than_the_day_leaves_the_store(store: BarStore) -> None:
    store.write(KEY, batch({"A": {DAY + timedelta(days=number): 1.0 + number for number in range(5)}}))
    for number in range(5):
        day = DAY + timedelta(days=number)
        assert max(closes(store, "A", day)) == day
    assert store.chosen(["A"], as_of(DAY - timedelta(days=1))) == ()


def test_splits_after_the_day_are_not_told(store: BarStore) -> None:
    actions = (
        CorporateAction(date(2024, 6, 3), ActionKind.SPLIT, Decimal(2)),
        CorporateAction(date(2025, 6, 3), ActionKind.SPLIT, Decimal(3)),
    )
    facts = {"A": SeriesFacts(actions=actions)}
    store.write(KEY, Batch(frame_of({"A": {date(2024, 1, 2): 1.0}}), facts))
    series = [row.series for row in store.chosen(["A"], as_of(DAY))]
    assert [row.value for row in store.actions(series, as_of(DAY))] == [2]


def test_raw_and_adjusted_bars_are_never_mixed(store: BarStore, folder: Path) -> None:
    store.write(KEY, batch({"A": {DAY: 10.0}}))
    before = files(folder)
    adjusted = {"A": SeriesFacts(adjustment=Adjustment.SPLIT, adjusted_through=DAY)}
    later = frame_of({"A": {date(2025, 1, 2): 5.0}})
    with pytest.raises(Conflict, match="mixed"):
        store.write(KEY, Batch(later, adjusted))
    assert files(folder) == before
    store.write(KEY, Batch(later, adjusted, replaced=frozenset({"A"})))
    assert closes(store, "A", date(2025, 1, 2)) == {date(2025, 1, 2): 5.0}


def test_adjusted_bars_from_before_a_split_are_not_mixed_with_later_ones(store: BarStore) -> None:
    def facts(through: date, *actions: CorporateAction) -> dict[str, SeriesFacts]:
        return {"A": SeriesFacts(adjustment=Adjustment.SPLIT, adjusted_through=through, actions=actions)}

    store.write(KEY, Batch(frame_of({"A": {DAY: 10.0}}), facts(DAY)))
    later = date(2025, 2, 3)
    split = CorporateAction(date(2025, 1, 15), ActionKind.SPLIT, Decimal(2))
    with pytest.raises(Conflict, match="split since"):
        store.write(KEY, Batch(frame_of({"A": {later: 5.0}}), facts(later, split)))
    store.write(KEY, Batch(frame_of({"A": {later: 5.0}}), facts(later)))
    with pytest.raises(Conflict, match="adjusted later"):
        store.write(KEY, Batch(frame_of({"A": {date(2020, 1, 2): 10.0}}), facts(date(2020, 1, 2))))


def test_an_organisations_own_bars_serve_it_alone(store: BarStore, make_org: Callable[[str], UUID]) -> None:
    ours, theirs = make_org("Ours"), make_org("Theirs")
    store.write(KEY, batch({"A": {DAY: 1.0}}))
    store.write(DatasetKey("own", "mine", "Ours", org_id=ours), batch({"A": {DAY: 7.0}, "PRIVATE": {DAY: 8.0}}))
    assert closes(store, "A", DAY, ours) == {DAY: 7.0}
    assert closes(store, "A", DAY, theirs) == closes(store, "A", DAY) == {DAY: 1.0}
    assert store.chosen(["PRIVATE"], as_of(DAY), theirs) == store.chosen(["PRIVATE"], as_of(DAY)) == ()


def test_one_history_serves_a_symbol_that_with_the_latest_visible_bar(store: BarStore) -> None:
    older = DatasetKey("shipped", "older", "a package")
    store.write(older, batch({"A": {date(2010, 8, 20): 1.0, date(2013, 3, 1): 2.0}}))
    store.write(KEY, batch({"A": {date(2024, 1, 2): 30.0, DAY: 31.0}}))
    assert set(closes(store, "A", date(2012, 1, 1))) == {date(2010, 8, 20)}
    assert set(closes(store, "A", DAY)) == {date(2024, 1, 2), DAY}


def test_a_broken_write_leaves_the_old_version_and_its_rests_are_collected(
    store: BarStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(KEY, batch({"A": {DAY: 10.0}}))
    before = files(folder)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigurationError, match="No space left"):
            store.write(KEY, batch({"A": {DAY: 11.0}}))
    assert closes(store, "A", DAY) == {DAY: 10.0}
    assert files(folder) == before


def test_a_writer_that_dies_before_its_transaction_leaves_the_old_version(
    store: BarStore, folder: Path, database_url: str
) -> None:
    store.write(KEY, batch({"A": {DAY: 10.0}}))
    process = multiprocessing.get_context("spawn").Process(target=_die_before_exchange, args=(database_url, folder))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    assert len(files(folder)) == 2
    assert closes(store, "A", DAY) == {DAY: 10.0}
    assert store.collect() == 0, "another writer may be about to use a file that is not yet known"
    assert store.collect(timedelta(seconds=-5)) == 1
    assert len(files(folder)) == 1
    assert closes(store, "A", DAY) == {DAY: 10.0}


def _die_before_exchange(database_url: str, folder: Path) -> None:
    store = BarStore(Database(database_url), folder)
    store._exchange = lambda *_: os._exit(9)  # type: ignore[method-assign]
    store.write(KEY, batch({"A": {DAY: 99.0}}))


def test_replaced_files_stay_readable_for_a_while_and_are_then_collected(store: BarStore, folder: Path) -> None:
    store.write(KEY, batch({"A": {DAY: 10.0}}))
    (old,) = files(folder)
    store.write(KEY, batch({"A": {DAY: 11.0}}))
    assert store.collect() == 0
    assert old.exists()
    assert store.collect(timedelta(seconds=-5)) == 1
    assert not old.exists()
    assert closes(store, "A", DAY) == {DAY: 11.0}


def test_two_processes_that_write_at_once_lose_nothing(store: BarStore, folder: Path, database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_five, args=(database_url, folder, name)) for name in ("A", "B")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    for name in ("A", "B"):
        assert len(closes(store, name, date(2026, 1, 1))) == 5


def _write_five(database_url: str, folder: Path, symbol: str) -> None:
    store = BarStore(Database(database_url), folder)
    for number in range(5):
        store.write(KEY, batch({symbol: {DAY - timedelta(days=number): 1.0 + number}}))


def test_a_missing_file_is_a_failure_of_ours_that_says_what_to_do(store: BarStore, folder: Path) -> None:
    store.write(KEY, batch({"A": {DAY: 10.0}}))
    for path in files(folder):
        path.unlink()
    with pytest.raises(SourceDown, match="bars update"):
        closes(store, "A", DAY)


def test_the_folder_of_bars_is_below_the_home_or_where_bars_url_says(tmp_path: Path) -> None:
    home = {"ASSAY_HOME": str(tmp_path)}
    assert bars_folder(load_settings(home, root=tmp_path)) == tmp_path / "bars"
    shared = load_settings({**home, "BARS_URL": "file:///srv/bars"}, root=tmp_path)
    assert bars_folder(shared) == Path("/srv/bars")
    with pytest.raises(ConfigurationError, match="BARS_URL"):
        bars_folder(load_settings({**home, "BARS_URL": "s3://bucket/bars"}, root=tmp_path))


@pytest.fixture
def make_org(service: psycopg.Connection[tuple[object, ...]]) -> Callable[[str], UUID]:
    """Makes an organisation and gives its id."""

    def make(name: str) -> UUID:
        row = service.execute(
            "INSERT INTO organisations (id, name, plan) VALUES (gen_random_uuid(), %s, 'team') RETURNING id", (name,)
        ).fetchone()
        assert row is not None
        assert isinstance(row[0], UUID)
        return row[0]

    return make


def test_files_are_ordered_so_that_one_symbol_or_one_quarter_is_read_alone(store: BarStore, folder: Path) -> None:
    days = [date(2024, 3, 28), date(2024, 4, 2), date(2024, 4, 3)]
    store.write(KEY, batch({"B": dict.fromkeys(days, 1.0), "A": dict.fromkeys(days, 2.0)}))
    (path,) = files(folder)
    rows = pl.read_parquet(path).select("symbol", "date").rows()
    assert rows == [
        ("A", days[0]), ("B", days[0]), ("A", days[1]), ("A", days[2]), ("B", days[1]), ("B", days[2])
    ]  # fmt: skip
