"""What became of verdicts: the next open, the closes of the 5th and 20th session, and nothing that is not known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from sqlalchemy import text

from core.accounts.directory import Directory
from core.clock import SystemClock
from core.db.engine import Database
from core.db.scans_dao import ScanRow
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.bar_store import COLUMNS, BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.market_time import MarketTime
from core.market.panel import Panel
from core.ops.jobs import JobStatus, Queue
from core.ops.worker import Worker
from core.principal import Role
from core.screener.series import LONGEST_GAP_DAYS
from core.verdicts import scoring
from core.verdicts.scoring import Scored, Scoring
from tests.core.screener.made_series import weekdays
from tests.core.verdicts.verdicts_made import Said, put
from tests.fakes.jobs import finished

DAYS: Sequence[date] = [day.astype(date) for day in weekdays(60)]
"""From Monday, 4 January 2010 on."""
_SCORES = text(
    "SELECT verdict_id, entry_day, benchmark, exit_5, move_5, benchmark_5, exit_20, move_20, benchmark_20 "
    "FROM verdict_scores"
)
Price = Callable[[int], tuple[float, float]]
"""Open and close of the day of such a number."""


@dataclass(frozen=True)
class Score:
    """What is kept of a verdict."""

    verdict_id: UUID
    entry_day: date
    benchmark: str | None
    exit_5: date
    move_5: float
    benchmark_5: float | None
    exit_20: date | None
    move_20: float | None
    benchmark_20: float | None


def rising(number: int) -> tuple[float, float]:
    """100 at first, and one more with every session; a half more at the close."""
    return 100.0 + number, 100.5 + number


def falling(number: int) -> tuple[float, float]:
    """The reverse."""
    return 200.0 - number, 199.5 - number


def _from(entry: float) -> Price:
    """Always opened at this price, and closed above it by the number of the day."""
    return lambda number: (entry, entry + number)


SCAN = ScanRow(
    **dict.fromkeys(("org_id", "scanned", "skipped", "market", "failure", "finished_at", "stamped_at", "duration_ms")),
    id=new_id(),
    universe_id="sp500",
    exchange="XNYS",
    as_of=DAYS[-1],
    formula_version=1,
    bars_version=1,
    status="done",
    parts=1,
    total=1,
    started_at=datetime.now(UTC),
)


class Scene:
    """Bars of a test's own, and verdicts of one organisation on them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.store = BarStore(database, folder)
        self.queue = Queue(database)
        self.org_id = self.organisation("ann")

    def organisation(self, name: str) -> UUID:
        directory = Directory(self.database)
        directory.add_user(f"{name}@test.example", org_name=name, plan="free", role=Role.OWNER)
        return directory.member(f"{name}@test.example", name).org_id

    def bars(
        self,
        symbol: str,
        price: Price = rising,
        days: Sequence[date] = DAYS,
        *,
        currency: str = "USD",
        org_id: UUID | None = None,
        replaces: bool = True,
    ) -> None:
        """Writes the bars of a symbol."""
        prices = [price(number) for number in range(len(days))]
        frame = pl.DataFrame(
            {
                "symbol": [symbol] * len(days),
                "date": list(days),
                "open": [opened for opened, _ in prices],
                "high": [max(each) for each in prices],
                "low": [min(each) for each in prices],
                "close": [close for _, close in prices],
                "volume": [1.0] * len(days),
            }
        )
        key = DatasetKey("own" if org_id else "fetched", "made", "made", org_id=org_id)
        facts = {symbol: SeriesFacts(currency, "XNYS")}
        replaced = frozenset({symbol} if replaces else ())
        self.store.write(key, Batch(frame.select(COLUMNS), facts, replaced=replaced))

    def scoring(self, day: date = DAYS[-1], *, bars: Bars | None = None) -> Scoring:
        """The scoring as it is on a day."""
        time = MarketTime(self.database, SystemClock(), is_live=False, first_day=DAYS[0], last_session=day)
        return Scoring(self.database, self.store, bars or Bars(self.store), time, self.queue)

    def said(self, *said: Said, org_id: UUID | None = None, is_public: bool = False) -> list[UUID]:
        """Keeps verdicts."""
        return put(self.database, org_id or self.org_id, said, is_public=is_public)

    def scores(self) -> dict[UUID, Score]:
        """What is kept, by verdict."""
        with self.database.service() as connection:
            return {row.verdict_id: Score(*row) for row in connection.execute(_SCORES)}


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Scene:
    """Without bars."""
    return Scene(database, tmp_path / "bars")


def test_a_verdict_is_entered_at_the_next_open_and_left_at_the_closes_of_the_5th_and_20th_session(scene: Scene) -> None:
    scene.bars("A")
    scene.bars("SP500", falling)
    (verdict,) = scene.said(Said(decided_on=DAYS[3]))
    assert scene.scoring().score() == Scored(1, 1)
    # Entered on the day of number 4; sessions 4 to 8, and 4 to 23, are held.
    assert scene.scores()[verdict] == Score(
        verdict_id=verdict,
        entry_day=DAYS[4],
        benchmark="SP500",
        exit_5=DAYS[8],
        move_5=108.5 / 104 - 1,
        benchmark_5=191.5 / 196 - 1,
        exit_20=DAYS[23],
        move_20=123.5 / 104 - 1,
        benchmark_20=176.5 / 196 - 1,
    )


def test_a_verdict_before_the_open_is_entered_at_that_open_and_one_after_it_at_the_next(scene: Scene) -> None:
    """`decided_on` is the last session whose open had passed: before Tuesday's open it is Monday, after it Tuesday."""
    scene.bars("A")
    monday, tuesday, saturday = scene.said(
        Said(decided_on=DAYS[5]), Said(decided_on=DAYS[6]), Said(decided_on=DAYS[4] + timedelta(days=1))
    )
    scene.scoring().score()
    entries = {verdict: score.entry_day for verdict, score in scene.scores().items()}
    assert entries == {monday: DAYS[6], tuesday: DAYS[7], saturday: DAYS[5]}


def test_what_is_known_of_5_sessions_is_kept_and_that_of_20_filled_later(scene: Scene) -> None:
    scene.bars("A")
    (verdict,) = scene.said(Said(decided_on=DAYS[3]))
    assert scene.scoring(DAYS[5]).score() == Scored(0, 0)
    assert scene.scoring(DAYS[7]).score().written == 0
    assert not scene.scores()
    assert scene.scoring(DAYS[8]).score() == Scored(1, 1)
    soon = scene.scores()[verdict]
    assert (soon.exit_5, soon.exit_20, soon.move_20) == (DAYS[8], None, None)
    assert scene.scoring(DAYS[22]).score().written == 0
    assert scene.scoring(DAYS[23]).score() == Scored(1, 1)
    late = scene.scores()[verdict]
    assert (late.move_5, late.exit_20) == (soon.move_5, DAYS[23])
    assert late.move_20 == pytest.approx(123.5 / 104 - 1)


@pytest.mark.parametrize("known", [9, 24, 25, 40])
def test_bars_that_are_appended_later_never_change_a_score(scene: Scene, known: int) -> None:
    """As of a day it is the same whether later bars are there or not, and what was known stays as it was."""
    scene.bars("A", days=DAYS[:known])
    scene.said(*(Said(decided_on=day) for day in DAYS[:30]))
    scene.scoring(DAYS[known - 1]).score()
    blind = scene.scores()
    with scene.database.service() as connection:
        connection.execute(text("DELETE FROM verdict_scores"))
    scene.bars("A")
    scene.scoring(DAYS[known - 1]).score()
    assert scene.scores() == blind
    scene.scoring().score()
    for verdict, score in scene.scores().items():
        before = blind.get(verdict)
        if before is not None:
            assert (score.entry_day, score.exit_5, score.move_5) == (before.entry_day, before.exit_5, before.move_5)
            assert before.move_20 is None or score == before
    assert len(scene.scores()) == 30


def test_bars_that_were_restated_change_no_score_that_was_known(scene: Scene) -> None:
    scene.bars("A")
    (verdict,) = scene.said(Said(decided_on=DAYS[3]))
    scene.scoring(DAYS[10]).score()
    before = scene.scores()[verdict]
    scene.bars("A", falling)
    scene.scoring().score()
    after = scene.scores()[verdict]
    assert (after.entry_day, after.exit_5, after.move_5) == (before.entry_day, before.exit_5, before.move_5)
    scene.bars("A", rising)
    assert scene.scoring().score() == Scored(0, 0)
    assert scene.scores()[verdict] == after


def test_a_verdict_that_cannot_be_scored_is_looked_at_again_only_when_bars_were_written(scene: Scene) -> None:
    gap = [*DAYS[:6], *(day + timedelta(days=LONGEST_GAP_DAYS) for day in DAYS[6:])]
    scene.bars("A", days=gap)
    scene.bars("B", days=DAYS[20:])
    before_gap, no_bars, no_day_before = scene.said(
        Said(decided_on=DAYS[3]), Said(symbol="C", decided_on=DAYS[3]), Said(symbol="B", decided_on=DAYS[3])
    )
    scoring = scene.scoring()
    assert scoring.score() == Scored(3, 0)
    assert scoring.score() == Scored(0, 0)
    scene.bars("C")
    assert scoring.score() == Scored(3, 1)
    assert scene.scores().keys() == {no_bars}
    assert scoring.score() == Scored(0, 0)
    scene.bars("A")
    scene.bars("B")
    assert scoring.score() == Scored(2, 2)
    assert scene.scores().keys() == {before_gap, no_bars, no_day_before}


def test_a_verdict_that_is_given_while_others_are_scored_is_scored_next(scene: Scene) -> None:
    scene.bars("A")
    said: list[UUID] = []

    class Interrupted(Bars):
        def panel(self, symbols: Iterable[str], as_of: AsOf, n: int = 250, org_id: UUID | None = None) -> Panel:
            said.extend(scene.said(Said(decided_on=DAYS[4])) if len(said) == 1 else ())
            return super().panel(symbols, as_of, n, org_id)

    scoring = scene.scoring(bars=Interrupted(scene.store))
    said.extend(scene.said(Said(decided_on=DAYS[3])))
    assert scoring.score() == Scored(1, 1)
    assert len(said) == 2
    assert scoring.score() == Scored(1, 1), "though no bars were written in the meantime"
    assert scene.scores().keys() == set(said)


def test_scoring_again_changes_nothing(scene: Scene) -> None:
    scene.bars("A")
    scene.said(Said(decided_on=DAYS[3]), Said(decided_on=DAYS[50]))
    scene.scoring().score()
    scores = scene.scores()
    assert scene.scoring().score().written == 0
    assert scene.scores() == scores


def test_a_verdict_is_scored_by_the_bars_that_its_snapshot_was_built_from(scene: Scene) -> None:
    bob = scene.organisation("bob")
    scene.bars("A")
    scene.bars("A", falling, org_id=scene.org_id)
    (own,) = scene.said(Said(decided_on=DAYS[3]))
    (shared,) = scene.said(Said(decided_on=DAYS[3]), is_public=True)
    (others,) = scene.said(Said(decided_on=DAYS[3]), org_id=bob)
    scene.scoring().score()
    with scene.database.service() as connection:
        rows = connection.execute(text("SELECT verdict_id, org_id FROM verdict_scores")).all()
    whose = {row.verdict_id: row.org_id for row in rows}
    assert whose == {own: scene.org_id, shared: scene.org_id, others: bob}
    moves = {verdict: score.move_5 for verdict, score in scene.scores().items()}
    assert moves[own] == pytest.approx(191.5 / 196 - 1)
    assert moves[shared] == moves[others] == pytest.approx(108.5 / 104 - 1)


def test_the_benchmark_is_that_of_the_currency(scene: Scene) -> None:
    scene.bars("SP500", falling)
    scene.bars("A")
    scene.bars("B", currency="INR")
    dollars, rupees = scene.said(Said(decided_on=DAYS[3]), Said(symbol="B", decided_on=DAYS[3]))
    scene.scoring().score()
    scores = scene.scores()
    assert (scores[dollars].benchmark, scores[rupees].benchmark) == ("SP500", None)
    assert scores[rupees].benchmark_5 is None
    assert scores[rupees].move_5 == scores[dollars].move_5


def test_a_benchmark_whose_bars_come_later_is_filled_in(scene: Scene) -> None:
    scene.bars("A")
    scene.bars("SP500", falling, DAYS[:6])
    (verdict,) = scene.said(Said(decided_on=DAYS[3]))
    scene.scoring(DAYS[30]).score()
    without = scene.scores()[verdict]
    assert (without.benchmark, without.benchmark_5, without.benchmark_20) == ("SP500", None, None)
    scene.bars("SP500", falling)
    scene.scoring(DAYS[30]).score()
    filled = scene.scores()[verdict]
    assert filled.benchmark_5 == pytest.approx(191.5 / 196 - 1)
    assert filled.benchmark_20 == pytest.approx(176.5 / 196 - 1)
    assert filled.move_20 == without.move_20


def test_a_callers_own_snapshot_is_never_scored(scene: Scene) -> None:
    scene.bars("A")
    scene.said(Said(decided_on=None))
    assert scene.scoring().score() == Scored(0, 0)


def test_many_symbols_are_scored_block_by_block(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "SYMBOLS_AT_ONCE", 2)
    monkeypatch.setattr(scoring, "ROWS_AT_ONCE", 3)
    symbols = ["A", "B", "C", "D", "E"]
    for number, symbol in enumerate(symbols):
        scene.bars(symbol, _from(100.0 + number))
    days = DAYS[1:10]
    verdicts = scene.said(*(Said(symbol=symbol, decided_on=day) for symbol in symbols for day in days))
    assert scene.scoring().score() == Scored(45, 45)
    expected = [(at + 6) / (100 + number) for number in range(5) for at in range(9)]
    scores = scene.scores()
    np.testing.assert_allclose([scores[verdict].move_5 for verdict in verdicts], expected)


def test_a_worker_scores_what_it_is_asked_to(scene: Scene) -> None:
    scene.bars("A")
    scene.said(Said(decided_on=DAYS[3]))
    scored = scene.scoring()
    scene.queue.handle(scored.handlers())
    job, same = scored.soon(), scored.soon(DAYS[3])
    assert job is not None
    assert same is not None
    assert same.id == job.id
    worker = Worker(scene.database, scene.queue)
    worker.start()
    try:
        assert finished(scene.queue, job).status is JobStatus.DONE
    finally:
        worker.stop()
    assert len(scene.scores()) == 1


def test_no_worker_is_asked_where_no_outcome_can_be_known_yet(scene: Scene) -> None:
    assert scene.scoring().soon(DAYS[-1]) is None
    assert scene.queue.figures().waiting == 0


def test_after_a_scan_a_worker_is_asked_only_where_something_may_be_scored(scene: Scene) -> None:
    scene.bars("A")
    scored = scene.scoring()
    scored.after_scan(SCAN)
    assert scene.queue.figures().waiting == 0
    scene.said(Said(decided_on=DAYS[3]))
    scored.after_scan(SCAN)
    assert scene.queue.figures().waiting == 1
