"""Snapshots: what a caller may bring, what is built of a signal, and how it is stored and used again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from math import inf, nan
from typing import Any
from uuid import UUID, uuid4

import polars as pl
import pytest

from core.errors import InvalidRequest, NotEnoughData, NotFound
from core.principal import Principal
from core.screener.scans import Scan
from core.verdicts.snapshot import Snapshot, rounded
from core.verdicts.snapshots import INDICATORS, LIFE, UNUSED, Snapshots
from tests.conftest import MoveTime
from tests.core.verdicts.batches_made import MODEL, UNIVERSE, World, database_url
from tests.core.verdicts.own_universe import own_signal

__all__ = ["database_url"]

LAST = date(2010, 8, 20)
BODY: Mapping[str, object] = {
    "symbol": "aapl",
    "signal_type": "golden_cross",
    "signal_direction": "bullish",
    "entry_price": 100.0,
    "current_price": 101,
    "target_price": 110.0,
    "stop_loss": 95.0,
    "rsi_value": 61.23456789,
}


def _names(snapshot: Snapshot) -> dict[str, float]:
    return {known.name: known.value for known in snapshot.known()}


def test_a_callers_snapshot_is_what_they_say_and_what_follows_from_it() -> None:
    shown = Snapshot.of_caller(BODY)
    assert (shown.symbol, shown.day, shown.reason, shown.signal.label) == ("AAPL", None, "caller", "Golden cross")
    assert (shown.levels.close, shown.levels.reward_risk) == (101.0, 2.0)
    known = _names(shown)
    assert (known["Close"], known["Stop"], known["RSI"]) == (101.0, 95.0, 61.2346)
    assert known["Distance to the stop"] == pytest.approx(-0.05)
    assert known["Distance to the target"] == pytest.approx(0.1)
    assert shown.record is None and shown.news.headlines == ()


def test_words_of_the_caller_are_no_facts() -> None:
    words = {"signal_type": "MY SIGNAL", "pattern_name": "cup of tea", "detected_patterns": ["wedge", "cup of tea"]}
    shown = Snapshot.of_caller({**BODY, **words, "pattern_confidence": 0.5})
    assert shown.outside() == {"signal_type": ["MY SIGNAL"], "patterns": ("cup of tea", "wedge")}
    assert not [word for word in ("MY SIGNAL", "wedge", "cup of tea") if word in json.dumps(shown.facts())]
    assert shown.facts()["callers"] == {"pattern_confidence": 0.5}
    assert _names(shown)["Confidence of the pattern"] == 0.5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"entry_price": 0}, "entry_price"),
        ({"entry_price": -1.0}, "entry_price"),
        ({"current_price": inf}, "current_price"),
        ({"stop_loss": nan}, "stop_loss"),
        ({"entry_price": "100"}, "entry_price"),
        ({"entry_price": True}, "entry_price"),
        ({"rsi_value": 100.1}, "rsi_value"),
        ({"rsi_value": -1}, "rsi_value"),
        ({"volume_ratio": -0.1}, "volume_ratio"),
        ({"pattern_confidence": 85}, "pattern_confidence"),
        ({"signal_direction": "up"}, "signal_direction"),
        ({"signal_type": ""}, "signal_type"),
        ({"symbol": "no such symbol"}, "A symbol has"),
        ({"symbol": None}, "symbol"),
        ({"target_price": 99.0}, "target_price of a bullish signal must be above"),
        ({"stop_loss": 100.0}, "stop_loss of a bullish signal must be below"),
        ({"signal_direction": "bearish"}, "target_price of a bearish signal must be below"),
        ({"signal_direction": "bearish", "target_price": None}, "stop_loss of a bearish signal must be above"),
        ({"detected_patterns": ["x"] * 21}, "detected_patterns"),
        ({"verdict": "BUY"}, "There is no field verdict"),
    ],
)
def test_a_callers_snapshot_that_cannot_be_is_refused_by_name(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        Snapshot.of_caller({**BODY, **changes})


@pytest.mark.parametrize("missing", ["entry_price", "current_price"])
def test_a_missing_price_is_not_enough_data(missing: str) -> None:
    for body in ({**BODY, missing: None}, {name: value for name, value in BODY.items() if name != missing}):
        with pytest.raises(NotEnoughData, match=f"{missing} is missing. No model was asked"):
            Snapshot.of_caller(body)


def test_numbers_have_six_digits_and_what_is_none_is_null() -> None:
    assert [rounded(value) for value in (1.23456789, 1234567.0, nan, inf, None, 3)] == [
        1.23457,
        1234570.0,
        None,
        None,
        None,
        3.0,
    ]


def test_what_is_stored_hashes_to_what_was_shown() -> None:
    shown = Snapshot.of_caller({**BODY, "signal_type": "with a \x00 in it", "volume_ratio": 1e-7})
    again = Snapshot.from_json(json.loads(json.dumps(shown.to_json())))
    assert (again, again.hash) == (shown, shown.hash)
    assert shown.callers is not None and shown.callers.signal_type == "with a  in it"
    assert Snapshot.of_caller({**BODY, "rsi_value": 61.234561}).hash != shown.hash
    assert Snapshot.of_caller({**BODY, "rsi_value": 61.234561}).hash == Snapshot.of_caller(BODY).hash


@pytest.fixture
def ann(world: World) -> Principal:
    """The owner of an organisation."""
    return world.member()


@pytest.fixture
def snapshots(world: World) -> Snapshots:
    """Snapshots of its signals."""
    return Snapshots(world.bench.database, world.bench.market, world.bench.screener)


def _scan(world: World, principal: Principal) -> Scan:
    scan = world.bench.screener.scans.latest(principal, UNIVERSE)
    assert scan is not None
    return scan


def _row(world: World, principal: Principal, symbol: str) -> dict[str, Any]:
    return _scan(world, principal).results.row(by_predicate=pl.col("symbol") == symbol, named=True)


def _changed(world: World, signal_id: UUID, what: str) -> None:
    world.service.execute(f"UPDATE signals SET {what} WHERE id = %s".encode(), (signal_id,))


def test_a_signal_is_shown_with_its_figures_its_record_and_the_day_of_each(
    world: World, ann: Principal, snapshots: Snapshots
) -> None:
    (signal_id,) = world.signals(ann, 1)
    stored = snapshots.of_signal(ann, signal_id)
    shown, signal = stored.snapshot, world.bench.screener.scans.signal(ann, signal_id)
    row = _row(world, ann, signal.symbol)
    assert (stored.org_id, stored.is_public, stored.signal_id) == (None, True, signal_id)
    assert (shown.symbol, shown.name, shown.universe_id) == (signal.symbol, row["name"], UNIVERSE)
    assert (shown.day, shown.reason, shown.is_generated) == (LAST, "shipped", False)
    assert dict(shown.indicators.figures) == {name: rounded(row[name]) for name in INDICATORS}
    assert (shown.levels.entry, shown.levels.stop) == (rounded(signal.entry), rounded(signal.stop))
    assert shown.signal.confidence == rounded(signal.confidence) and shown.signal.meaning
    for record in (shown.record, shown.record_here):
        assert record is not None and [each.sessions for each in record.figures] == [5, 20]
    over = shown.record.over(20) if shown.record else None
    assert over is not None and over.n == signal.confidence_n
    assert over.low is not None and over.hit_rate is not None and over.low <= over.hit_rate
    days = [shown.signal.as_of, shown.levels.as_of, shown.indicators.as_of]
    days += [record.as_of for record in (shown.record, shown.record_here) if record]
    assert days == [LAST] * 5
    assert shown.news.headlines == () and "FINNHUB_API_KEY" in (shown.news.note or "")
    assert world.provider.calls == 0


def test_what_the_database_gives_back_is_what_was_shown(world: World, ann: Principal, snapshots: Snapshots) -> None:
    for signal_id in world.signals(ann, 5):
        first, again = snapshots.of_signal(ann, signal_id), snapshots.of_signal(ann, signal_id)
        assert again == first
        assert again.snapshot.hash == first.hash == again.hash
        assert snapshots.get(ann, first.id) == first


def test_every_pattern_is_shown_with_the_bars_that_form_it(world: World, ann: Principal, snapshots: Snapshots) -> None:
    row = world.service.execute(
        "SELECT id, shape FROM signals WHERE family = 'chart_pattern' AND entry IS NOT NULL ORDER BY symbol LIMIT 1"
    ).fetchone()
    assert row is not None
    signal_id: Any = row[0]
    pattern = snapshots.of_signal(ann, signal_id).snapshot.pattern
    assert pattern is not None
    shape: Any = row[1]
    assert [(str(pivot.day), pivot.price) for pivot in pattern.pivots] == [
        (pivot["day"], rounded(pivot["price"])) for pivot in shape["pivots"]
    ]
    assert all(pivot.day <= LAST for pivot in pattern.pivots)


def test_two_who_ask_at_once_store_one(world: World, ann: Principal, snapshots: Snapshots) -> None:
    bob = world.member("bob")
    (signal_id,) = world.signals(ann, 1)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda who: snapshots.of_signal(who, signal_id).id, [ann, bob] * 4))
    assert len(found) == 1
    assert world.value("SELECT count(*) FROM verdict_snapshots") == 1


def test_a_snapshot_is_used_again_for_a_day(
    world: World, ann: Principal, snapshots: Snapshots, move_time: MoveTime
) -> None:
    (signal_id,) = world.signals(ann, 1)
    first = snapshots.of_signal(ann, signal_id)
    move_time(LIFE - timedelta(minutes=1))
    assert snapshots.of_signal(ann, signal_id).id == first.id
    move_time(LIFE + timedelta(minutes=1))
    later = snapshots.of_signal(ann, signal_id)
    assert later.id != first.id
    assert later.hash == first.hash


def test_a_day_of_the_past_has_a_snapshot_of_its_own(world: World, ann: Principal, snapshots: Snapshots) -> None:
    (signal_id,) = world.signals(ann, 1)
    then = replace(ann, as_of=date(2010, 8, 27))
    shown, later = snapshots.of_signal(ann, signal_id), snapshots.of_signal(then, signal_id)
    assert later.id != shown.id
    assert (later.snapshot.day, later.snapshot.signal.sessions_ago) == (date(2010, 8, 27), 5)
    assert (shown.snapshot.day, shown.snapshot.signal.sessions_ago) == (LAST, 0)
    assert snapshots.of_signal(ann, signal_id).id == shown.id


def test_a_signal_that_is_too_old_or_still_to_come_is_refused(
    world: World, ann: Principal, snapshots: Snapshots
) -> None:
    (signal_id,) = world.signals(ann, 1)
    with pytest.raises(InvalidRequest, match="Fri 20 Aug 2010, 6 sessions before Mon 30 Aug 2010"):
        snapshots.of_signal(replace(ann, as_of=date(2010, 8, 30)), signal_id)
    with pytest.raises(NotFound):
        snapshots.of_signal(replace(ann, as_of=date(2010, 8, 19)), signal_id)
    with pytest.raises(NotFound):
        snapshots.of_signal(ann, uuid4())
    assert world.value("SELECT count(*) FROM verdict_snapshots") == 0


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("entry = NULL", "has no entry"),
        ("stop = NULL", "has no stop"),
        ("close = 0", "There is no price"),
        ("symbol = 'GONE'", "There are no bars of GONE"),
    ],
)
def test_where_too_little_is_known_that_is_said(
    world: World, ann: Principal, snapshots: Snapshots, what: str, sentence: str
) -> None:
    (signal_id,) = world.signals(ann, 1)
    _changed(world, signal_id, what)
    with pytest.raises(NotEnoughData, match=f"{sentence}.*No model was asked"):
        snapshots.of_signal(ann, signal_id)
    assert world.value("SELECT count(*) FROM verdict_snapshots") == 0


def test_a_signal_whose_scan_was_made_again_is_not_judged_by_half(
    world: World, ann: Principal, snapshots: Snapshots
) -> None:
    (signal_id,) = world.signals(ann, 1)
    world.bench.screener.scans._frames.clear()
    world.service.execute("UPDATE scans SET results = NULL")
    with pytest.raises(NotEnoughData, match="made again"):
        snapshots.of_signal(ann, signal_id)


def test_what_is_an_organisations_own_is_seen_by_nobody_else(
    world: World, ann: Principal, snapshots: Snapshots
) -> None:
    signal_id = own_signal(world, ann)
    stored = snapshots.of_signal(ann, signal_id)
    assert (stored.org_id, stored.is_public) == (ann.org_id, False)
    bob = world.member("bob")
    with pytest.raises(NotFound):
        snapshots.of_signal(bob, signal_id)
    with pytest.raises(NotFound):
        snapshots.get(bob, stored.id)


def test_a_callers_snapshot_is_stored_once_for_each_organisation(
    world: World, ann: Principal, snapshots: Snapshots
) -> None:
    shown = Snapshot.of_caller(BODY)
    mine, again = (snapshots.of_caller(ann, shown) for _ in range(2))
    theirs = snapshots.of_caller(world.member("bob"), shown)
    assert mine.id == again.id != theirs.id
    assert mine.hash == theirs.hash
    assert not mine.is_public


def test_snapshots_that_no_verdict_is_of_are_forgotten_after_a_month(
    world: World, ann: Principal, snapshots: Snapshots, move_time: MoveTime
) -> None:
    one, other = world.signals(ann, 2)
    verdict = world.bench.verdicts.validations.validate(ann, one, model=MODEL)
    unused = snapshots.of_signal(ann, other)
    move_time(UNUSED - timedelta(minutes=1))
    snapshots.forget()
    assert snapshots.get(ann, unused.id) == unused
    move_time(UNUSED + timedelta(minutes=1))
    snapshots.forget()
    with pytest.raises(NotFound):
        snapshots.get(ann, unused.id)
    assert snapshots.get(ann, verdict.snapshot_id).hash == verdict.snapshot_hash
