"""`/api/screener`: figures, presets, saved screens, matches with why, and the signals of a scan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import httpx2
import polars as pl
import pytest

from core.db import scans_dao
from core.db.instruments_dao import MemberRow
from core.db.scans_dao import Finished, NewScan, SignalRow
from core.ids import new_id
from core.principal import Principal, Role
from core.screener.fields import FIELDS
from core.screener.frames import bytes_of
from core.screener.version import FORMULA_VERSION
from tests.core.http.conftest import Api, assert_problem
from tests.core.screener.screens_made import Row, frame_of

PATH = "/screener/screens"
LOW = {"field": "rsi_14", "operator": "below", "value": 30}
OVERSOLD = {"match": "all", "items": [LOW]}
TREND = {
    "match": "any",
    "items": [
        {"field": "close", "operator": "above_field", "value": {"field": "sma_50", "times": 1.05}},
        {
            "match": "all",
            "name": "Sectors",
            "items": [{"field": "sector", "operator": "is_one_of", "value": ["Énergie"]}],
        },
    ],
}
ROWS: list[Row] = [
    {"symbol": "AAA", "close": 10.5, "rsi_14": 20.0, "rs_rating": 50, "sector": "Énergie", "signals": ["golden_cross"]},
    {"symbol": "BBB", "close": 0.00012345, "rsi_14": 25.0, "rs_rating": 90, "currency": "USD"},
    {"symbol": "CCC", "close": 600_000.0, "rsi_14": 28.0},
    {"symbol": "DDD", "close": 5.0, "rsi_14": 70.0, "rs_rating": 99, "change": float("nan")},
]
DAY = date(2010, 8, 20)


@pytest.fixture
def maker(api: Api) -> Principal:
    return api.member("ann", org="Acme", plan="team", role=Role.ANALYST)


@pytest.fixture
def ann(api: Api, maker: Principal) -> Iterator[httpx2.Client]:
    with api.client(maker) as client:
        yield client


@pytest.fixture
def universe(api: Api, maker: Principal) -> str:
    """A universe of the organisation's own, not scanned yet."""
    members = [MemberRow(str(row["symbol"]), "", "", "XNYS", "USD", None, None) for row in ROWS]
    return api.workbench.market.universes.replace(maker, "Ours", members, source="this test").id


def _scan(api: Api, maker: Principal, universe: str, day: date = DAY, rows: list[Row] = ROWS) -> str:
    """A finished scan with a golden cross of every symbol, recorded as a worker records it."""
    scan_id = new_id()
    names = pl.Series([f"{row['symbol']} plc" for row in rows], dtype=pl.String)
    frame = frame_of(rows).with_columns(name=names, day=pl.lit(day))
    signals = [_signal_row(scan_id, str(row["symbol"]), number / 10, day) for number, row in enumerate(rows)]
    symbols = [[str(row["symbol"]) for row in rows] + ["EEE"]]
    new = NewScan(scan_id, maker.org_id, universe, "XNYS", day, FORMULA_VERSION, 1, symbols)
    skipped = [("EEE", "3 bars; 30 are needed")]
    done = Finished(len(rows), skipped, {}, bytes_of(frame), signals, is_stamped=True)
    with api.workbench.database.service() as connection:
        scans_dao.begin(connection, new)
        scans_dao.finish(connection, scan_id, maker.org_id, done)
    return str(scan_id)


def _signal_row(scan_id: Any, symbol: str, confidence: float, day: date) -> SignalRow:
    return SignalRow(
        id=new_id(),
        scan_id=scan_id,
        symbol=symbol,
        type="golden_cross",
        direction="bullish",
        family="cross",
        state="signal",
        day=day,
        confirmed_at=day,
        close=10.5,
        entry=10.6,
        stop=9.123456789,
        target=None,
        reward_risk=2.0,
        confidence=confidence or None,
        confidence_n=40,
        base_rate=0.5,
        shape=None,
    )


def _made(client: httpx2.Client, name: str = "Mine", **given: object) -> dict[str, Any]:
    answer = client.post(PATH, json={"name": name, "screen": OVERSOLD, **given})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_every_figure_is_told_with_what_can_be_asked_of_it(ann: httpx2.Client) -> None:
    told = ann.get("/screener/fields").json()
    assert [each["id"] for each in told["fields"]] == list(FIELDS)
    by_id = {each["id"]: each for each in told["fields"]}
    assert (by_id["rsi_14"]["low"], by_id["rsi_14"]["high"], by_id["rsi_14"]["unit"]) == (0, 100, "points")
    assert {"id": "golden_cross", "label": "Golden cross"} in by_id["signals"]["choices"]
    assert by_id["sector"]["choices"] is None and by_id["sector"]["low"] is None
    assert set(by_id["close"]["operators"]) <= {each["id"] for each in told["operators"]}


def test_presets_are_told_as_screens_that_can_be_sent_back(ann: httpx2.Client) -> None:
    presets = ann.get("/screener/presets").json()["presets"]
    assert len(presets) >= 16
    for preset in presets:
        assert preset["summary"].endswith(".") and preset["source"] and preset["spoken"].startswith("Symbols where ")
        assert _made(ann, preset["title"], screen=preset["screen"])["screen"] == preset["screen"]


def test_a_screen_is_saved_read_changed_copied_and_deleted(ann: httpx2.Client) -> None:
    made = _made(ann, shared_with="viewer")
    assert (made["version"], made["is_own"], made["screen"]) == (1, True, OVERSOLD)
    assert made["spoken"] == "Symbols where RSI is below 30."
    path = f"{PATH}/{made['id']}"
    changed = ann.put(path, json={"name": "Trend", "screen": TREND, "shared_with": None, "after": 1})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert ann.get(path).json() == changed.json()
    late = ann.put(path, json={"name": "Late", "screen": OVERSOLD, "after": 1})
    assert "meanwhile" in str(assert_problem(late, 409, "conflict")["detail"])
    versions = ann.get(f"{path}/versions").json()["versions"]
    assert [(each["number"], each["name"], each["screen"]) for each in versions] == [
        (2, "Trend", TREND),
        (1, "Mine", OVERSOLD),
    ]
    copied = ann.post(f"{path}/copy", json={})
    assert (copied.status_code, copied.json()["name"]) == (201, "Trend (copy)")
    listed = ann.get(PATH).json()["screens"]
    assert [(each["name"], each["version"]) for each in listed] == [("Trend", 2), ("Trend (copy)", 1)]
    assert ann.delete(path).status_code == 204
    assert_problem(ann.get(path), 404, "not_found")


def test_what_is_shared_is_seen_by_colleagues_and_by_nobody_else(api: Api, ann: httpx2.Client) -> None:
    made = _made(ann, "Ours", shared_with="viewer")
    _made(ann, "Mine")
    path = f"{PATH}/{made['id']}"
    with api.client(api.member("vic", org="Acme", plan="team", role=Role.VIEWER)) as viewer:
        assert [each["name"] for each in viewer.get(PATH).json()["screens"]] == ["Ours"]
        assert viewer.get(path).json()["is_own"] is False
        assert_problem(viewer.post(PATH, json={"name": "x", "screen": OVERSOLD}), 403, "forbidden")
        assert_problem(viewer.delete(path), 403, "forbidden")
    with api.client(api.member("bob")) as stranger:
        assert stranger.get(PATH).json()["screens"] == []
        for address in (path, f"{path}/versions", f"{PATH}/nonsense", f"{PATH}/{uuid4()}"):
            assert_problem(stranger.get(address), 404, "not_found")
        assert_problem(stranger.delete(path), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"name": "x", "screen": {"match": "all", "items": []}}, "no condition yet"),
        ({"name": "x", "screen": {"match": "all", "items": [{**LOW, "value": 140}]}}, "RSI is below 140"),
        ({"name": "x", "screen": {"match": "all", "items": [{**LOW, "field": "rsi"}]}}, "no figure “rsi”"),
        ({"name": "x", "screen": {"match": "all", "items": [{**LOW, "operator": "<"}]}}, "operator"),
        ({"name": "x", "screen": {}}, "A screen is"),
        ({"name": "x", "screen": []}, "screen"),
        ({"name": "", "screen": OVERSOLD}, "name"),
        ({"name": 3, "screen": OVERSOLD}, "name"),
        ({"name": "x", "screen": OVERSOLD, "shared_with": "owner"}, "shared_with"),
        ({"name": "x"}, "screen is missing"),
        ({"name": "x", "screen": OVERSOLD, "color": "red"}, "no field color"),
    ],
)
def test_what_cannot_be_saved_is_refused_in_a_sentence(ann: httpx2.Client, body: object, sentence: str) -> None:
    assert sentence in str(assert_problem(ann.post(PATH, json=body), 422, "invalid_request")["detail"])
    assert ann.get(PATH).json()["screens"] == []


def test_numbers_that_are_none_are_refused(ann: httpx2.Client) -> None:
    for number in ("NaN", "Infinity", "1e999", "1" + "0" * 400):
        body = (
            '{"name": "x", "screen": {"match": "all", "items": [{"field": "close", "operator": "above", "value": %s}]}}'
        )
        answer = ann.post(PATH, content=body % number, headers={"Content-Type": "application/json"})
        assert_problem(answer, 422, "invalid_request")


def test_matches_say_why_and_what_they_are_of(api: Api, ann: httpx2.Client, maker: Principal, universe: str) -> None:
    scan_id = _scan(api, maker, universe)
    answer = ann.post("/screener/matches", json={"universe": universe, "screen": OVERSOLD})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["total"], found["spoken"]) == (3, "Symbols where RSI is below 30.")
    assert [(each["symbol"], each["why"]) for each in found["matches"]] == [
        ("BBB", ["RSI 25.0 is below 30"]),
        ("AAA", ["RSI 20.0 is below 30"]),
        ("CCC", ["RSI 28.0 is below 30"]),
    ]
    assert [each["figures"]["close"] for each in found["matches"]] == ["0.00012345", "10.5", "600000"]
    first = found["matches"][0]
    assert (first["name"], first["figures"]["currency"], first["figures"]["change"]) == ("BBB plc", "USD", None)
    assert set(first["figures"]) == set(FIELDS) - {"symbol"}
    scan = found["scan"]
    assert (scan["id"], scan["universe"], scan["as_of"]) == (scan_id, universe, "2010-08-20")
    assert (scan["total"], scan["scanned"], scan["formula_version"]) == (5, 4, FORMULA_VERSION)
    assert scan["skipped"] == [{"symbol": "EEE", "reason": "3 bars; 30 are needed"}]


def test_matches_of_a_preset_and_of_a_saved_screen_are_sorted_and_cut(
    api: Api, ann: httpx2.Client, maker: Principal, universe: str
) -> None:
    _scan(api, maker, universe)
    saved = _made(ann)
    by_close = {"universe": universe, "screen_id": saved["id"], "sort": "close", "limit": 2}
    found = ann.post("/screener/matches", json=by_close).json()
    assert ([each["symbol"] for each in found["matches"]], found["total"]) == (["BBB", "AAA"], 3)
    found = ann.post("/screener/matches", json={"universe": universe, "preset": "golden_cross"}).json()
    assert [(each["symbol"], each["why"]) for each in found["matches"]] == [("AAA", ["Signal: Golden cross"])]


def test_what_is_asked_for_wrongly_is_refused(api: Api, ann: httpx2.Client, maker: Principal, universe: str) -> None:
    ask = {"universe": universe, "preset": "golden_cross"}
    assert "start a scan" in str(assert_problem(ann.post("/screener/matches", json=ask), 404, "not_found")["detail"])
    _scan(api, maker, universe)
    for wrong in ({"sort": "signals"}, {"sort": "nothing"}, {"limit": 0}, {"limit": 1001}, {"screen": OVERSOLD}):
        assert_problem(ann.post("/screener/matches", json={**ask, **wrong}), 422, "invalid_request")
    assert_problem(ann.post("/screener/matches", json={"universe": universe}), 422, "invalid_request")
    assert_problem(ann.post("/screener/matches", json={**ask, "preset": "no"}), 404, "not_found")
    assert_problem(ann.post("/screener/matches", json={**ask, "universe": "no"}), 404, "not_found")
    unknown = {"universe": universe, "screen_id": str(uuid4())}
    assert_problem(ann.post("/screener/matches", json=unknown), 404, "not_found")
    asked = [
        *({"type": "no"}, {"min_confidence": "2"}, {"min_confidence": "nan"}, {"date": "yesterday"}),
        *({"date": "2999-01-01"}, {"symbol": "<b>"}, {"cursor": "x"}, {"limit": "0"}, {"sort": "x"}),
    ]
    for each in asked:
        assert_problem(ann.get("/screener/signals", params={"universe": universe, **each}), 422, "invalid_request")
    assert_problem(ann.get("/screener/signals", params={"universe": "no"}), 404, "not_found")


def test_signals_are_paged_and_filtered(api: Api, ann: httpx2.Client, maker: Principal, universe: str) -> None:
    _scan(api, maker, universe)
    seen: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = ann.get("/screener/signals", params={"universe": universe, "limit": "3", **cursor}).json()
        seen += page["signals"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(each["symbol"] for each in seen) == ["AAA", "BBB", "CCC", "DDD"]
    first = next(each for each in seen if each["symbol"] == "BBB")
    assert (first["type"], first["label"], first["direction"]) == ("golden_cross", "Golden cross", "bullish")
    assert (first["entry"], first["stop"], first["target"]) == ("10.6", "9.1234568", None)
    assert (first["confidence"], first["confidence_n"], first["base_rate"]) == (0.1, 40, 0.5)
    for asked, wanted in (
        ({"symbol": "ccc"}, ["CCC"]),
        ({"min_confidence": "0.2"}, ["CCC", "DDD"]),
        ({"type": "golden_cross", "symbol": "DDD"}, ["DDD"]),
        ({"type": "death_cross"}, []),
    ):
        page = ann.get("/screener/signals", params={"universe": universe, **asked}).json()
        assert sorted(each["symbol"] for each in page["signals"]) == wanted


def test_signals_of_an_earlier_day_are_those_of_its_scan_and_a_newer_scan_ends_a_cursor(
    api: Api, ann: httpx2.Client, maker: Principal, universe: str
) -> None:
    earlier = _scan(api, maker, universe, date(2010, 8, 18))
    page = ann.get("/screener/signals", params={"universe": universe, "limit": "1"}).json()
    newer = _scan(api, maker, universe)
    asked = {"universe": universe, "date": "2010-08-19"}
    assert ann.get("/screener/signals", params=asked).json()["scan"]["id"] == earlier
    assert ann.get("/screener/signals", params={"universe": universe}).json()["scan"]["id"] == newer
    assert_problem(ann.get("/screener/signals", params={**asked, "date": "2010-08-17"}), 404, "not_found")
    stale = ann.get("/screener/signals", params={"universe": universe, "cursor": page["next_cursor"]})
    assert_problem(stale, 409, "conflict")


def test_another_organisation_finds_neither_scan_nor_universe(api: Api, maker: Principal, universe: str) -> None:
    _scan(api, maker, universe)
    with api.client(api.member("bob")) as stranger:
        body = {"universe": universe, "screen": OVERSOLD}
        assert_problem(stranger.post("/screener/matches", json=body), 404, "not_found")
        assert_problem(stranger.get("/screener/signals", params={"universe": universe}), 404, "not_found")
    with api.client() as nobody:
        assert_problem(nobody.get("/screener/fields"), 401, "unauthenticated")
