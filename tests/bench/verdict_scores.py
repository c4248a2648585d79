"""What scoring a hundred thousand verdicts takes, and reading the board that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date

import polars as pl
import psycopg

from core.accounts.directory import Directory
from core.clock import SystemClock
from core.db.engine import SCHEMA, Database
from core.market.bar_store import COLUMNS, BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.calendars import Calendars
from core.market.market_time import MarketTime
from core.ops.jobs import Queue
from core.principal import Principal, Role
from core.screener.record_store import BENCHMARKS
from core.verdicts.scoreboard import Scoreboard
from core.verdicts.scoring import Scored, Scoring
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.records import fill_walks

VERDICTS, SYMBOLS = 100_000, 500
SCORING_GOAL, BOARD_GOAL = Goal("p50", 5.0), Goal("p50", 1.0)
REPETITIONS = 5
FIRST, LAST = date(2023, 7, 3), date(2024, 12, 31)
DATABASE = "verdicts"
EMAIL, ORGANISATION = "board@bench.example", "Organisation with a board"
# On each of 200 days one of each symbol; the last of them 40 days before the last bar.
_VERDICTS = """
    INSERT INTO verdict_snapshots (id, org_id, hash, content, created_at)
        VALUES ('{org_id}', '{org_id}', sha256('bench'), '{{}}', clock_timestamp());
    INSERT INTO verdicts (id, org_id, purpose, snapshot_id, symbol, signal_type, direction, signal_day, own_confidence,
        decided_on, is_retrospective, is_generated, verdict, confidence, answer, numbers, numbers_verified, model,
        provider, is_offline, prompt_version, price_version, charged_usd, call_usd, prompt_tokens, completion_tokens,
        request_id, is_cached, created_at)
    SELECT id, '{org_id}', 'asked', '{org_id}', 'R' || lpad((i % {symbols})::text, 4, '0'), 'type ' || (i % 30),
        CASE WHEN i % 3 = 0 THEN 'bearish' ELSE 'bullish' END, day, 0.55, day, false, false,
        (ARRAY['BUY', 'SELL', 'AVOID', 'HOLD'])[1 + i % 4], (i % 101) / 100.0, '{{}}', 3, 3, 'model ' || (i % 5),
        'openai', false, 'prompt ' || (i % 2), 'v1', 0.0004, 0.0004, 900, 120, id, false,
        clock_timestamp() - i * interval '1 second'
    FROM (SELECT i, gen_random_uuid() AS id, '{last}'::date - 40 - i / {symbols} AS day
        FROM generate_series(0, {number} - 1) i) made;
    ANALYZE verdicts;
"""


def scores(ground: Ground) -> list[Figure]:
    """Verdicts on 500 symbols over most of a year, scored from nothing, then again; then the board that they make."""
    ground.workbench  # noqa: B018 (it migrates the database)
    number = ground.repetitions(VERDICTS)
    with ground.database_apart(DATABASE) as (url, admin_url), closing(Database(url, pool_size=2)) as database:
        store = BarStore(database, ground.work / "verdicts")
        analyst = _fill(database, store, admin_url, number)
        time_ = MarketTime(database, SystemClock(), is_live=False, first_day=FIRST, last_session=LAST)
        taken, again = [], []
        for _ in range(REPETITIONS):
            _run(admin_url, "TRUNCATE verdict_scores")
            scoring = Scoring(database, store, Bars(store), time_, Queue(database))
            taken.append(_timed(scoring.score, Scored(number, number)))
            again.append(_timed(scoring.score, Scored(0, 0)))
        _run(admin_url, "ANALYZE verdict_scores")
        read = [_timed(lambda: Scoreboard(database).of(analyst, group="signal_type")) for _ in range(REPETITIONS)]
    note = f"{SYMBOLS} symbols, their bars read from the store, each against the benchmark, over 5 and 20 sessions"
    return [
        figure(f"scoring {number:,} verdicts", taken, unit="s", goals=(SCORING_GOAL,), note=note),
        figure("scoring again, with nothing new", again, unit="s"),
        figure(f"the board of {number:,} verdicts, by signal type", read, unit="s", goals=(BOARD_GOAL,)),
    ]


def _timed(work: Callable[[], object], expected: object = None) -> float:
    begun = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - begun
    if expected is not None and found != expected:
        raise RuntimeError(f"It came to {found}, and {expected} was expected.")
    return seconds


def _fill(database: Database, store: BarStore, admin_url: str, number: int) -> Principal:
    """Bars of the symbols and their benchmark, and verdicts on them of an organisation whose owner is given."""
    sessions = Calendars(today=LAST).of("XNYS").between(FIRST, LAST)
    symbols = fill_walks(store, SYMBOLS, sessions)
    _add_benchmark(store, sessions.tolist())
    directory = Directory(database)
    directory.add_user(EMAIL, org_name=ORGANISATION, plan="enterprise", role=Role.OWNER)
    analyst = directory.member(EMAIL, ORGANISATION)
    _run(admin_url, _VERDICTS.format(org_id=analyst.org_id, symbols=len(symbols), number=number, last=LAST))
    return analyst


def _add_benchmark(store: BarStore, sessions: Sequence[date]) -> None:
    symbol = BENCHMARKS["USD"]
    level = [4000.0 + number for number in range(len(sessions))]
    frame = pl.DataFrame({"symbol": [symbol] * len(sessions), "date": sessions, "volume": [0.0] * len(sessions)})
    prices = {name: pl.Series(level) for name in ("open", "high", "low", "close")}
    batch = Batch(frame.with_columns(**prices).select(COLUMNS), {symbol: SeriesFacts("USD", "XNYS")}, is_whole=True)
    store.write(DatasetKey("fetched", "benchmark", "generated"), batch)


def _run(admin_url: str, statements: str) -> None:
    with psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"SET search_path = {SCHEMA}".encode())
        connection.execute(statements.encode())
