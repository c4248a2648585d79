"""The components of verdicts, with answers and outcomes that somebody made up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from uuid import UUID

import streamlit as st

from core.ai.numbers import CheckedNumber, checked_numbers
from core.db.verdict_batches_dao import ItemRow
from core.metering.meter import QuotaState
from core.ops.jobs import Job, JobStatus
from core.principal import Principal, Role
from core.screener.records import wilson
from core.verdicts.answer import Decision, Mark, Validation
from core.verdicts.batches import BatchEstimate, BatchProgress
from core.verdicts.scoreboard import Baseline, Bin, Board, BoardRow
from core.verdicts.snapshot import (
    Headline,
    Indicators,
    Levels,
    News,
    Pattern,
    Pivot,
    Record,
    RecordFigures,
    Signal,
    Snapshot,
)
from core.verdicts.validations import Brief, Page, Purpose, Verdict
from pages.components import (
    verdict_batch,
    verdict_board,
    verdict_card,
    verdict_curve,
    verdict_list,
    verdict_look,
    verdict_progress,
    verdict_snapshot,
    verdict_text,
)
from pages.components.badges import show_badge
from pages.components.verdict_board import Choice
from tests.gallery.texts import TEXTS

NOW = datetime(2010, 8, 20, 20, 42, tzinfo=UTC)
DAY = date(2010, 8, 20)
LABELS = {"gpt-made-up": "GPT made up", "claude-made-up": "Claude made up", "always-sure": "Always sure"}
DECISIONS: tuple[Decision, ...] = ("BUY", "SELL", "HOLD", "AVOID")
REASONING = (
    "The close of 49.52 confirms the double bottom above its neckline, and RSI at 62.4 leaves room. Such signals were "
    "right 60 % of 2,300 times, against 52 % of all entries. Analysts expect earnings growth of 23.7 % next year."
)
RISKS = (
    "The stop lies 6.3 % below the entry.",
    "Volume was 3.1 times its average, which may be a single buyer.",
    "Guidance of 1.85 a share may be cut.",
)
ENTRY = "Near 49.52, given up below 46.40; the target of 52.80 is 1.05 times as far away as the stop."


def looks() -> None:
    """The four verdicts, told apart by word and sign as well as by colour"""
    with st.container(horizontal=True):
        for decision in DECISIONS:
            show_badge(verdict_look.badge(decision))
    st.text("   ".join(verdict_look.told(decision, 0.68) for decision in DECISIONS))


def texts() -> None:
    """What a model wrote, its numbers marked; and texts that would be markup if they could"""
    verdict_text.show(REASONING, checked(REASONING))
    for text in TEXTS.values():
        verdict_text.show(f"{text} 49.52 and 12.34 %", checked(f"{text} 49.52 and 12.34 %"))


def cards() -> None:
    """A verdict with one number too many and a snapshot; a retrospective one of the offline rule; one full of markup"""
    verdict_card.show("gallery_card", verdict(), labels=LABELS, zone="Europe/Berlin", now=NOW, snapshot=snapshot)
    offline = verdict("HOLD", "No record stands behind this signal.", is_offline=True, is_plain=True)
    verdict_card.show("gallery_card_offline", offline, labels={}, zone="UTC", now=NOW)
    hostile = verdict("AVOID", TEXTS["markup"], risks=(TEXTS["endless word"], TEXTS["right to left"]))
    verdict_card.show("gallery_card_markup", hostile, labels=LABELS, zone="UTC", now=NOW)


def snapshots() -> None:
    """What a model was shown, folded up"""
    verdict_snapshot.show("gallery_snapshot", snapshot)


def curve() -> None:
    """Calibration of a model that is too sure, with a point that rests on too few"""
    verdict_curve.show("gallery_curve", board_row("all", 240).bins)


def boards() -> None:
    """A board of three models, one of which always says BUY and is sure; and one on which nothing is scored yet"""
    verdict_board.show("gallery_board", lambda choice: board(choice, 240), LABELS)
    verdict_board.show("gallery_board_empty", lambda choice: board(choice, 0), LABELS)


def lists() -> None:
    """Verdicts with what happened since, some of it not known yet"""
    verdict_list.show("gallery_verdicts", lambda *_: Page(briefs(), None), LABELS, now=NOW)


def estimates() -> None:
    """What a batch would cost: all of it covered, part of it, none left to ask about"""
    for count, fits, already in ((38, 38, 4), (60, 12, 0), (0, 0, 60)):
        quota = QuotaState("signal_validations_day", 50, 50 - min(fits, 50), NOW + timedelta(hours=4))
        estimate = BatchEstimate(
            count, already, "gpt-made-up", Decimal("0.0004") * count, Decimal("0.0002") * count, quota,
            Decimal("4.2") if fits < count else None, fits,
        )  # fmt: skip
        verdict_batch.show_estimate(estimate, _principal(), NOW)


def batches() -> None:
    """A batch that runs, one that the quota stopped, one that is done, one that failed"""
    for status, done, stopped in (
        (JobStatus.RUNNING, 21, None),
        (JobStatus.DONE, 37, "Your organisation's daily signal validation limit is reached (50/day)"),
        (JobStatus.DONE, 58, None),
        (JobStatus.FAILED, 12, None),
    ):
        with st.container(border=True, gap="xsmall"):
            verdict_progress.show_batch(_batch(status, done, stopped), now=NOW)


def briefs(count: int = 24) -> list[Brief]:
    """Verdicts by a formula, the newest first."""
    random = Random(11)
    return [_brief(number, random) for number in range(count)]


def checked(text: str) -> list[CheckedNumber]:
    """Against what the model was shown."""
    shown = snapshot()
    return checked_numbers(text, shown.known(), shown.terms())


def verdict(
    decision: Decision = "BUY",
    reasoning: str = REASONING,
    risks: tuple[str, ...] = RISKS,
    *,
    is_offline: bool = False,
    is_plain: bool = False,
) -> Verdict:
    """One verdict, its numbers checked as always."""
    said = Validation(
        verdict=decision,
        confidence=0.68 if not is_plain else 0.5,
        reasoning=reasoning,
        risk_factors=() if is_plain else tuple(risk[:200] for risk in risks),
        entry_suggestion="" if is_plain else ENTRY,
        marks=() if is_plain else (Mark.PERCENTAGE, Mark.FENCED),
    )
    written = {
        "reasoning": said.reasoning,
        "entry_suggestion": said.entry_suggestion,
        **{f"risk_factors.{number}": risk for number, risk in enumerate(said.risk_factors)},
    }
    return Verdict(
        id=UUID(int=1), symbol="ACME", signal_id=UUID(int=2), signal_type="double_bottom", direction="bullish",
        universe_id="sp500", signal_day=DAY, as_of=DAY, decided_on=DAY, validation=said,
        numbers={name: checked(text) for name, text in written.items()}, own_confidence=0.58, base_rate=0.52,
        model="offline-rule" if is_offline else "gpt-made-up", provider="offline" if is_offline else "made-up",
        is_offline=is_offline, is_cached=is_offline, prompt_version="validate_signal@1", snapshot_id=UUID(int=3),
        snapshot_hash=bytes(range(32)), price_version="2010-08-01",
        charged_usd=Decimal(0) if is_offline else Decimal("0.000212"), call_usd=Decimal("0.000212"),
        prompt_tokens=1_204, completion_tokens=187, request_id=UUID(int=4), created_at=NOW - timedelta(minutes=5),
        user_id=UUID(int=5), job_id=None, purpose="asked", is_retrospective=is_offline, is_generated=True,
    )  # fmt: skip


@cache
def snapshot() -> Snapshot:
    """What a model was shown of a made-up signal."""
    figures = {"rsi_14": 62.4, "adx_14": 27.31, "relative_volume": 3.1, "return_20": 0.0512, "from_sma_200": -0.0214}
    record = Record(
        figures=tuple(
            RecordFigures(
                sessions=held, n=2_300, days=190, hit_rate=0.6, low=0.58, high=0.62, base_rate=0.52,
                median_move=0.012, median_excess=None, median_best=0.041, median_worst=-0.028,
            )
            for held in (5, 20)
        ),
        as_of=DAY,
    )  # fmt: skip
    return Snapshot(
        symbol="ACME", name="Acme <b>Corporation</b>", currency="USD", exchange="XNYS", universe_id="sp500",
        universe="S&P 500 (generated)", day=DAY, reason="chosen", source="a formula", is_generated=True,
        signal=Signal(
            type="double_bottom", label="Double bottom", direction="bullish", state="signal", day=DAY,
            confirmed_at=DAY, meaning="Two lows at about the same price, and a close above the high between them.",
            sessions_ago=0, confidence=0.58, confidence_n=2_300, base_rate=0.52, as_of=DAY,
        ),
        levels=Levels(close=49.52, entry=49.52, stop=46.4, target=52.8, reward_risk=1.05, as_of=DAY),
        indicators=Indicators(figures=figures, as_of=DAY),
        pattern=Pattern(
            type="double_bottom", label="Double bottom", as_of=DAY,
            pivots=(Pivot(day=date(2010, 6, 1), price=42.1, kind="low", label="first bottom"),),
        ),
        record=record, record_here=None,
        news=News(
            headlines=(Headline(title=TEXTS["markup"], source="a made-up wire", published_at=NOW),), note=None,
            as_of=NOW,
        ),
    )  # fmt: skip


def board(choice: Choice, count: int) -> Board:
    """A board of three models; of retrospective verdicts there are always some."""
    if not count and choice.include == "prospective":
        empty = board_row("all", 0)
        return Board((), empty, choice.horizon, choice.against, choice.include, choice.group, None, is_cut=False)
    rows = tuple(
        board_row(name, number, is_sure=name == "always-sure")
        for name, number in (("gpt-made-up", 160), ("claude-made-up", 60), ("always-sure", 20))
    )
    total = board_row("all", count or 240)
    return Board(rows, total, choice.horizon, choice.against, choice.include, choice.group, None, is_cut=False)


def board_row(name: str, n: int, *, is_sure: bool = False) -> BoardRow:
    """What n verdicts of a made-up model came to."""
    hits = round(n * (0.55 if is_sure else 0.61))
    low, high = wilson(hits, n) or (None, None)
    rate = hits / n if n else None
    brier = None if not n else 0.45 if is_sure else 0.236
    base = Baseline(n, round(n * 0.55), 0.55 if n else None, low, high, 0.45 if n else None)
    own = Baseline(n, round(n * 0.58), 0.58 if n else None, low, high, 0.241 if n else None)
    return BoardRow(
        name=name, n=n, hits=hits, hit_rate=rate, low=low, high=high, days=max(1, n // 8) if n else 0,
        mean_confidence=None if not n else 1.0 if is_sure else 0.69, brier=brier,
        brier_low=None if brier is None else brier - 0.02, brier_high=None if brier is None else brier + 0.02,
        calibration_error=None if not n else 0.45 if is_sure else 0.08, bins=_bins(n, is_sure=is_sure),
        call_usd=Decimal("0.0002") * n, failed_usd=Decimal("0.0011"),
        cost_per_correct_usd=Decimal("0.000345") if hits else None, always_buy=base, own_record=own, held=14,
        unscored=31, generated=n // 20,
    )  # fmt: skip


def _bins(n: int, *, is_sure: bool) -> tuple[Bin, ...]:
    if not n:
        return ()
    shares = {9: (1.0, 0.55, n)} if is_sure else {
        5: (0.55, 0.52, n // 4), 6: (0.65, 0.58, n // 3), 7: (0.76, 0.66, n // 4), 8: (0.84, 0.75, 4), 9: (0.93, 0.7, 9)
    }  # fmt: skip
    return tuple(
        Bin(number / 10, (number + 1) / 10, count, said, round(count * right) / count,
            *(wilson(round(count * right), count) or (0.0, 1.0)))
        for number, (said, right, count) in shares.items()
    )  # fmt: skip


def _brief(number: int, random: Random) -> Brief:
    decision, is_old = DECISIONS[number % 4], number > 8
    purposes: tuple[Purpose, ...] = ("asked", "batch", "batch")
    return Brief(
        id=UUID(int=100 + number), symbol=f"SYM{number}", signal_id=UUID(int=number), signal_type="breakout_20",
        direction="bullish", universe_id="sp500", signal_day=DAY - timedelta(days=2 * number), verdict=decision,
        confidence=0.5 + random.random() / 2, model=[*LABELS][number % 3], provider="made-up",
        is_offline=number == 3, is_cached=number == 4, prompt_version="validate_signal@1",
        charged_usd=Decimal(number) / 10_000, call_usd=Decimal("0.0002"), purpose=purposes[number % 3],
        is_retrospective=number % 5 == 0, is_generated=number == 7, numbers=8, numbers_verified=8 - number % 3,
        created_at=NOW - timedelta(hours=5 * number), move_5=random.gauss(0, 0.03) if is_old else None,
        move_20=random.gauss(0, 0.06) if number > 16 else None, benchmark_5=0.01 if is_old else None,
        benchmark_20=0.02 if number > 16 else None,
    )  # fmt: skip


def _batch(status: JobStatus, done: int, stopped: str | None) -> BatchProgress:
    failed, abstained, total = 2, 1, 61
    is_over = status is not JobStatus.RUNNING
    waiting = total - done - failed - abstained
    job = Job(
        id=UUID(int=9), org_id=UUID(int=8), kind="validate_batch", key="a", arguments={}, status=status, done=done,
        failed=failed, total=total, detail=None, error="The database was away for too long." if is_over else None,
        attempts=1, created_at=NOW, started_at=NOW, finished_at=NOW if is_over else None,
    )  # fmt: skip
    problems = [
        ItemRow(3, UUID(int=3), "TWX", "breakout_20", "failed", None, "The answer cannot be used; it cost nothing."),
        ItemRow(7, UUID(int=7), "<b>X</b>", "golden_cross", "abstained", None, "12 bars; 30 are needed."),
    ]
    return BatchProgress(
        job=job, title="61 signals of Fri 20 Aug 2010", model="gpt-made-up", is_nightly=False, universe_id="sp500",
        signal_day=DAY, total=total, done=done, failed=failed, abstained=abstained, waiting=waiting,
        spent_usd=Decimal("0.0002") * done, stopped_code="quota_exceeded" if stopped else None, stopped_reason=stopped,
        created_at=NOW - timedelta(minutes=4), finished_at=NOW - timedelta(minutes=2) if is_over else None,
        problems=problems,
    )  # fmt: skip


def _principal() -> Principal:
    return Principal(
        user_id=UUID(int=5), org_id=UUID(int=8), role=Role.ANALYST, plan="team", via="session", zone="UTC",
        email="ann@example.com", name="Ann", org_name="Acme",
    )  # fmt: skip
