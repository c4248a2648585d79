"""The scoreboard on constructed outcomes: every figure is worked out by hand beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from core.accounts.directory import Directory
from core.db.engine import Database
from core.principal import Principal, Role
from core.screener.records import PRIOR_WEIGHT
from core.verdicts.scoreboard import MOST_VERDICTS, Baseline, Bin, Board, Include, Scoreboard
from core.verdicts.track_records import KEPT_S, TASK, TrackRecords
from tests.core.verdicts.verdicts_made import Said, put

DAY = date(2010, 3, 1)
DEFAULTS = {"horizon": 5, "against": "price", "include": "prospective", "group": "model", "days": None}
_FAILED = text(
    """
    WITH held AS (INSERT INTO holds (id, org_id, user_id, state, feature, provider, model, price_version, quota_held,
            request_held, held_usd, bound_usd, cost_usd, day_start, month_start, org_day_start, org_month_start,
            created_at, expires_at, in_flight_at, resolved_at, resolution, request_id)
        SELECT gen_random_uuid(), :org_id, :user_id, 'released', :feature, 'made', :model, 'made', 1, 1, 1, 1,
            CAST(:cost_usd AS numeric), at, at, at, at, at, at, at, at, 'failed', gen_random_uuid()
        FROM (SELECT assay_now() - CAST(:age AS interval) AS at) moment RETURNING *)
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, hold_id, channel, status, feature, provider, model,
        cost_usd)
    SELECT id, created_at, org_id, user_id, request_id, id, 'page', 'failed', feature, provider, model, cost_usd
    FROM held
    """
)

FIVE = [
    Said("BUY", 0.9, DAY, symbol="A", own_confidence=0.6, call_usd="0.001", move_5=0.02),
    Said("BUY", 0.6, DAY, symbol="B", own_confidence=0.6, call_usd="0.001", move_5=-0.01),
    Said("SELL", 0.7, DAY, symbol="C", direction="bearish", own_confidence=0.55, call_usd="0.001", move_5=-0.03),
    Said("AVOID", 0.8, DAY + timedelta(days=1), symbol="D", call_usd="0.001", move_5=-0.02),
    Said("AVOID", 0.55, DAY + timedelta(days=1), symbol="E", call_usd="0.001", move_5=0.01),
]
"""Right are the first BUY, SELL, and the first AVOID, whose bullish signal did not pay."""


@pytest.fixture
def ann(database: Database) -> Principal:
    """An owner."""
    return _member(database, "ann", "Acme")


def _member(database: Database, name: str, org: str, role: Role = Role.OWNER) -> Principal:
    directory = Directory(database)
    directory.add_user(f"{name}@test.example", org_name=org, plan="premium", role=role)
    return directory.member(f"{name}@test.example", org)


Read = Callable[..., Board]


@pytest.fixture
def read(database: Database, ann: Principal) -> Read:
    """Puts verdicts, and reads the board of all that are there."""

    def reading(said: Sequence[Said] = (), **options: object) -> Board:
        put(database, ann.org_id, said)
        return Scoreboard(database).of(ann, **options)  # type: ignore[arg-type]

    return reading


def test_hit_rate_brier_score_and_intervals_are_those_worked_out_by_hand(read: Read) -> None:
    total = read(FIVE).total
    assert (total.n, total.hits, total.hit_rate) == (5, 3, 0.6)
    # Wilson with z = 1.959964 and z²/n = 0.768292: middle (0.6 + 0.384146) / 1.768292 = 0.556552,
    # reach 1.108394 × √(0.24 / 5 + 0.768292 / 20) = 0.325828.
    assert (total.low, total.high) == (pytest.approx(0.230724, abs=1e-6), pytest.approx(0.882380, abs=1e-6))
    # Squared errors: 0.1², 0.6², 0.3², 0.2², 0.55² = 0.01, 0.36, 0.09, 0.04, 0.3025.
    assert total.brier == pytest.approx(0.8025 / 5)
    # Their variance is 0.102105 / 4, so that the reach is 1.959964 × √(0.02552625 / 5) = 0.140041.
    assert total.brier_low == pytest.approx(0.1605 - 0.140041, abs=1e-6)
    assert total.brier_high == pytest.approx(0.1605 + 0.140041, abs=1e-6)
    assert total.mean_confidence == pytest.approx(3.55 / 5)
    assert total.days == 2
    assert total.is_few


def test_the_calibration_curve_puts_each_confidence_beside_what_came_true(read: Read) -> None:
    certain = [Said("BUY", 1.0, DAY, symbol=f"S{at}", move_5=0.01 if at < 4 else -0.01) for at in range(5)]
    total = read([*FIVE, *certain]).total
    assert [(each.low, each.high, each.n, each.observed) for each in total.bins] == [
        (0.5, 0.6, 1, 0.0),
        (0.6, 0.7, 1, 0.0),
        (0.7, 0.8, 1, 1.0),
        (0.8, 0.9, 1, 1.0),
        (0.9, 1.0, 6, pytest.approx(5 / 6)),
    ]
    last = total.bins[-1]
    assert last.mean_confidence == pytest.approx((0.9 + 5 * 1.0) / 6)
    # Wilson of 5 of 6: z²/n = 0.640243; (0.833333 + 0.320122) / 1.640243 ± 1.194923 × √(0.138889 / 6 + 0.160061 / 6).
    assert (last.observed_low, last.observed_high) == (
        pytest.approx(0.436498, abs=1e-5),
        pytest.approx(0.969947, abs=1e-5),
    )
    assert [each.is_few for each in total.bins] == [True, True, True, True, False]
    # 1 × 0.55 + 1 × 0.6 + 1 × 0.3 + 1 × 0.2 + 6 × (5.9 / 6 − 5 / 6), over 10.
    assert total.calibration_error == pytest.approx((0.55 + 0.6 + 0.3 + 0.2 + 0.9) / 10)


def test_baselines_are_of_the_same_verdicts(read: Read) -> None:
    total = read(FIVE).total
    # Prices of A and E rose; always saying BUY with confidence 1 is wrong by 1 three times of five.
    assert (total.always_buy.n, total.always_buy.hits, total.always_buy.brier) == (5, 2, pytest.approx(0.6))
    # Three signals have a record: A paid, B did not, C was bearish and paid: 0.4², 0.6², 0.45².
    own = total.own_record
    assert (own.n, own.hits, own.brier) == (3, 2, pytest.approx((0.16 + 0.36 + 0.2025) / 3))


def test_a_model_that_always_says_buy_with_confidence_1_is_worth_what_the_baseline_is(read: Read) -> None:
    said = [Said("BUY", 1.0, DAY, symbol=f"S{at}", move_5=0.01 if at % 5 < 2 else -0.01) for at in range(40)]
    (row,) = read(said).rows
    assert (row.n, row.hit_rate, row.is_few) == (40, 0.4, False)
    assert row.brier == pytest.approx(1 - 0.4)
    assert row.calibration_error == pytest.approx(0.6)
    (point,) = row.bins
    assert (point.mean_confidence, point.observed, point.n) == (1.0, 0.4, 40)
    assert row.always_buy == Baseline(row.n, row.hits, row.hit_rate, row.low, row.high, row.brier)
    assert row.own_record == Baseline(0, 0, None, None, None, None)


def test_hold_is_counted_and_not_scored_and_so_is_what_is_not_known_yet(read: Read) -> None:
    waiting = Said("BUY", 0.9, DAY, symbol="F")
    holds = [Said("HOLD", 0.5, DAY, symbol="G", move_5=0.1), Said("HOLD", 0.5, DAY, symbol="H")]
    total = read([*FIVE, waiting, *holds]).total
    assert (total.n, total.held, total.unscored) == (5, 2, 1)
    later = read(horizon=20).total
    assert (later.n, later.held, later.unscored) == (0, 2, 6)
    assert (later.hit_rate, later.low, later.brier, later.brier_low, later.bins) == (None, None, None, None, ())
    assert later.cost_per_correct_usd is None


def test_a_price_that_did_not_move_makes_neither_buy_nor_sell_right_and_avoid_right(read: Read) -> None:
    said = [Said(verdict, 0.5, DAY, symbol=verdict, move_5=0.0) for verdict in ("BUY", "SELL", "AVOID")]
    bearish = Said("AVOID", 0.5, DAY, symbol="X", direction="bearish", move_5=0.01)
    total = read([*said, bearish]).total
    assert (total.n, total.hits) == (4, 2)


def test_against_the_benchmark_it_counts_how_much_more_than_it_the_price_moved(read: Read) -> None:
    said = [
        Said("BUY", 0.5, DAY, symbol="A", move_5=0.02, benchmark_5=0.03),
        Said("BUY", 0.5, DAY, symbol="B", move_5=-0.02, benchmark_5=-0.03),
        Said("SELL", 0.5, DAY, symbol="C", move_5=0.02, benchmark_5=0.03),
        Said("BUY", 0.5, DAY, symbol="D", move_5=0.02),
    ]
    total = read(said, against="benchmark").total
    assert (total.n, total.hits, total.unscored) == (3, 2, 1)
    assert total.always_buy.hits == 1
    price = read().total
    assert (price.n, price.hits, price.always_buy.hits) == (4, 2, 3)


def test_over_20_sessions_another_outcome_counts(read: Read) -> None:
    said = [Said("BUY", 0.5, DAY, symbol="A", move_5=0.02, benchmark_5=0.03, move_20=-0.04, benchmark_20=-0.05)]
    assert [read(said, horizon=5).total.hits, read(horizon=20).total.hits] == [1, 0]
    assert read(horizon=20, against="benchmark").total.hits == 1


def test_the_same_opinion_counts_once_and_the_first_time(read: Read) -> None:
    first = Said("BUY", 0.9, DAY, age=timedelta(hours=2), move_5=-0.01)
    again = Said("SELL", 0.9, DAY, move_5=-0.01)
    others = [
        Said("BUY", 0.9, DAY, model="two", move_5=-0.01),
        Said("BUY", 0.9, DAY, prompt_version="second", move_5=-0.01),
        Said("BUY", 0.9, DAY + timedelta(days=1), move_5=-0.01),
        Said("BUY", 0.9, DAY, signal_type="rsi_oversold", move_5=-0.01),
    ]
    total = read([first, again, *others]).total
    assert (total.n, total.hits) == (5, 0)


def test_replays_callers_own_snapshots_and_others_verdicts_are_left_out(read: Read, database: Database) -> None:
    bob = _member(database, "bob", "Other")
    put(database, bob.org_id, [Said(move_5=0.1, symbol="B")])
    total = read([Said(purpose="replay", move_5=0.1), Said(decided_on=None, symbol="C")]).total
    assert (total.n, total.unscored) == (0, 0)
    assert Scoreboard(database).of(bob).total.n == 1


@pytest.mark.parametrize(("include", "n"), [("prospective", 1), ("retrospective", 2), ("all", 3)])
def test_what_a_model_may_have_known_is_apart(read: Read, include: Include, n: int) -> None:
    known = [Said(symbol=symbol, is_retrospective=True, move_5=0.1) for symbol in "BC"]
    assert read([Said(move_5=0.1), *known], include=include).total.n == n


def test_only_the_last_days_where_that_is_asked_for(read: Read) -> None:
    old = Said(symbol="B", age=timedelta(days=40), move_5=0.1)
    assert read([Said(move_5=0.1), old]).total.n == 2
    assert read(days=30).total.n == 1


@pytest.mark.parametrize(
    ("group", "names"),
    [("model", ["one", "two"]), ("prompt_version", ["first", "second"]), ("signal_type", ["golden_cross", "gap_up"])],
)
def test_groups_add_up_to_all(read: Read, group: str, names: list[str]) -> None:
    more = [Said("BUY", 0.8, DAY, "Z", "two", "second", "gap_up", move_5=move) for move in (0.1,)]
    board = read([*FIVE, *more], group=group)
    assert [(row.name, row.n, row.hits) for row in board.rows] == [(names[0], 5, 3), (names[1], 1, 1)]
    assert (board.total.n, board.total.hits) == (6, 4)


def test_a_right_verdict_costs_what_all_calls_cost_over_what_was_right(
    read: Read, database: Database, ann: Principal
) -> None:
    held = Said("HOLD", 0.5, DAY, symbol="G", call_usd="0.001", age=timedelta(days=2), move_5=0.1)
    waiting = Said("BUY", 0.9, DAY, symbol="F", call_usd="7")
    free = Said("BUY", 0.9, DAY, symbol="F", model="free", move_5=0.1)
    wrong = Said("BUY", 0.9, DAY, symbol="F", model="wrong", call_usd="0.001", move_5=-0.1)
    _failed(database, ann, cost_usd="0.003", age=timedelta(days=1))
    _failed(database, ann, cost_usd="5", age=timedelta(days=3))
    _failed(database, ann, cost_usd="5", age=timedelta(days=1), feature="chat_query")
    board = read([*FIVE, held, waiting, free, wrong])
    rows = {row.name: row for row in board.rows}
    # Six verdicts with a known outcome and the one failed call between them: 0.006 + 0.003 USD for three right ones.
    assert (rows["one"].call_usd, rows["one"].failed_usd) == (Decimal("0.006"), Decimal("0.003"))
    assert rows["one"].cost_per_correct_usd == Decimal("0.003")
    assert (rows["free"].cost_per_correct_usd, rows["free"].hits) == (Decimal(0), 1)
    assert rows["wrong"].cost_per_correct_usd is None
    assert board.total.cost_per_correct_usd == Decimal("0.010") / 4
    by_type = read(group="signal_type").rows
    assert [row.failed_usd for row in by_type] == [None]


def _failed(database: Database, who: Principal, *, cost_usd: str, age: timedelta, feature: str = TASK) -> None:
    given = {"org_id": who.org_id, "user_id": who.user_id, "feature": feature, "model": "one"}
    with database.service() as connection:
        connection.execute(_FAILED, {**given, "cost_usd": cost_usd, "age": age})


def test_an_organisation_without_verdicts_has_an_empty_board(read: Read) -> None:
    board = read()
    assert (board.rows, board.total.n, board.total.days, board.is_cut) == ((), 0, 0, False)
    assert {name: getattr(board, name) for name in DEFAULTS} == DEFAULTS
    assert MOST_VERDICTS >= 100_000


def test_a_viewer_reads_the_same_board(database: Database, ann: Principal, read: Read) -> None:
    board = read(FIVE)
    viewer = _member(database, "vic", "Acme", Role.VIEWER)
    assert Scoreboard(database).of(viewer) == board


def test_verdicts_on_generated_bars_are_told_apart(read: Read) -> None:
    total = read([Said(is_generated=True, move_5=0.1), Said(symbol="B", move_5=0.1)]).total
    assert (total.n, total.generated) == (2, 1)


def _many(model: str, n: int, right: int, **changes: object) -> list[Said]:
    """Verdicts of a model, on ten days."""
    days = [DAY + timedelta(days=at % 10) for at in range(n)]
    return [
        Said("BUY", 0.5, days[at], f"{model}{at}", model, move_5=0.1, move_20=0.1 if at < right else -0.1, **changes)  # type: ignore[arg-type]
        for at in range(n)
    ]


def test_quality_is_drawn_towards_the_mean_and_known_from_30_verdicts_on(database: Database, ann: Principal) -> None:
    said = [*_many("good", 40, 30), *_many("bad", 40, 10), *_many("new", 29, 29)]
    put(database, ann.org_id, said)
    quality = Scoreboard(database).quality(ann.org_id)
    assert quality.keys() == {"good", "bad"}
    mean = (30 + 10 + 29) / 109
    assert (quality["good"].n, quality["good"].right, quality["good"].words) == (40, 30, "75% of 40 right")
    assert quality["good"].quality == pytest.approx((10 * 0.75 + PRIOR_WEIGHT * mean) / (10 + PRIOR_WEIGHT))
    assert quality["bad"].quality == pytest.approx((10 * 0.25 + PRIOR_WEIGHT * mean) / (10 + PRIOR_WEIGHT))


def test_quality_counts_neither_what_a_model_may_have_known_nor_generated_bars(
    database: Database, ann: Principal
) -> None:
    put(
        database,
        ann.org_id,
        [*_many("known", 40, 40, is_retrospective=True), *_many("drawn", 40, 40, is_generated=True)],
    )
    assert Scoreboard(database).quality(ann.org_id) == {}


def test_the_router_is_told_where_the_organisation_wants_it_and_for_verdicts_alone(
    database: Database, ann: Principal
) -> None:
    put(database, ann.org_id, _many("good", 40, 30))
    seconds = [0.0]
    records = TrackRecords(database, lambda: seconds[0])
    assert records(ann.org_id, TASK) == {}
    _switch(database, ann.org_id, is_on=True)
    assert records(ann.org_id, TASK) == {}
    seconds[0] = KEPT_S
    assert records(ann.org_id, TASK).keys() == {"good"}
    assert records(ann.org_id, "chat") == {}
    _switch(database, ann.org_id, is_on=False)
    assert records(ann.org_id, TASK).keys() == {"good"}
    seconds[0] = 2 * KEPT_S
    assert records(ann.org_id, TASK) == {}


def _switch(database: Database, org_id: UUID, *, is_on: bool) -> None:
    statement = text(
        "INSERT INTO verdict_settings (org_id, is_nightly, most, model, uses_quality, updated_at) "
        "VALUES (:org_id, false, 50, 'auto', :is_on, assay_now()) "
        "ON CONFLICT (org_id) DO UPDATE SET uses_quality = excluded.uses_quality"
    )
    with database.service() as connection:
        connection.execute(statement, {"org_id": org_id, "is_on": is_on})


def test_a_bin_of_fewer_than_five_is_marked() -> None:
    assert [Bin(0.5, 0.6, n, 0.55, 0.5, 0.1, 0.9).is_few for n in (1, 4, 5)] == [True, True, False]
