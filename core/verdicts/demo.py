"""The demo's verdicts: **generated**, of the generated market, and each says so; what became of them is computed.

Signals are those that the screener finds in past sessions of the shipped generated bars. What is said of them is drawn
by chance, and nobody was asked. Each belongs to a validation of the demo's month of usage, so that it was given, and
cost, what the books say. The scores are those that `Scoring` finds in the bars.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from core.db import demo_story_dao as story_dao
from core.db import verdicts_dao as dao
from core.db.demo_story_dao import ValidatedRow
from core.db.engine import Database, Transaction
from core.db.instruments_dao import MemberRow, UniverseRow
from core.db.verdicts_dao import NewVerdict, SnapshotRow
from core.ids import new_id
from core.market.as_of import AsOf, Reason
from core.market.market import Market
from core.market.panel import Days, Panel
from core.principal import Principal
from core.screener.partition import scan_partition
from core.screener.scan_jobs import WINDOW
from core.screener.series import cleaned
from core.verdicts.answer import Validation
from core.verdicts.scoring import LATE, Scoring
from core.verdicts.snapshot import Indicators, Levels, News, Signal, Snapshot, meaning_of
from core.verdicts.snapshots import INDICATORS
from core.verdicts.validations import Filters, Validations

UNIVERSE = "nse_generated"
PROMPT = "demo"
"""Stands for the version of a prompt: there was none."""
SEED = 20100820
DAYS, APART, PER_DAY = 15, 4, 5
"""Past sessions whose signals are judged, sessions from one to the next, and verdicts of each."""
WORDS = "Generated for the demo; no model was asked. The verdict and its confidence were drawn by chance."
RISK = "The bars are generated and of no real company."


@dataclass(frozen=True, slots=True)
class DemoVerdicts:
    """Leaves verdicts in the demo organisation."""

    database: Database
    market: Market
    validations: Validations
    scoring: Scoring

    def leave(self, reader: Principal) -> int:
        """Verdicts on signals of past sessions, scored, where the reader's organisation has none; how many.

        Raises:
            NotFound: the generated market is not there.
        """
        if self.validations.page(reader, Filters(has_replays=True), most=1).verdicts:
            return 0
        with self.database.service() as transaction:
            asked = story_dao.validated(transaction, reader.org_id, most=DAYS * PER_DAY)
            if not asked:
                return 0
            said = self._said(asked)
            for snapshot, row, validation in said:
                self._keep(transaction, reader, snapshot, row, validation)
            story_dao.date_verdicts(transaction, reader.org_id, PROMPT)
        self.scoring.score()
        return len(said)

    def _said(self, asked: Sequence[ValidatedRow]) -> list[tuple[Snapshot, ValidatedRow, Validation]]:
        rng = random.Random(SEED)  # noqa: S311 (words of a demo)
        return [(snapshot, row, _drawn(rng, snapshot)) for snapshot, row in zip(self._snapshots(), asked, strict=False)]

    def _snapshots(self) -> Iterator[Snapshot]:
        """Of signals, those of earlier sessions first; more than `LATE` sessions have closed after the last."""
        universe, members = self.market.universes.of_job(UNIVERSE, None)
        by_symbol = {member.symbol: member for member in members}
        latest = self.market.time.default()
        sessions = np.unique(cleaned(self.market.bars.panel(by_symbol, latest, DAYS * APART + LATE + 1).bare()).dates)
        for back in range(DAYS - 1, -1, -1):
            day = sessions[-(LATE + 2 + back * APART)].item()
            panel = self.market.bars.panel(by_symbol, AsOf(day, Reason.CHOSEN, latest.now), WINDOW)
            yield from _snapshots_of(panel, sessions, day, universe, by_symbol)

    def _keep(
        self, transaction: Transaction, reader: Principal, shown: Snapshot, row: ValidatedRow, said: Validation
    ) -> None:
        kept = SnapshotRow(new_id(), reader.org_id, None, shown.hash, shown.to_json())
        verdict = NewVerdict(
            id=new_id(),
            org_id=reader.org_id,
            user_id=row.user_id,
            job_id=None,
            purpose="asked",
            snapshot_id=dao.snapshot_of_caller_once(transaction, reader.org_id, kept).id,
            signal_id=None,
            universe_id=shown.universe_id,
            symbol=shown.symbol,
            signal_type=shown.signal.type,
            direction=shown.signal.direction,
            signal_day=shown.signal.day,
            own_confidence=None,
            base_rate=None,
            decided_on=shown.day,
            is_retrospective=True,
            is_generated=True,
            verdict=said.verdict,
            confidence=said.confidence,
            answer=said.model_dump(mode="json"),
            numbers=0,
            numbers_verified=0,
            model=row.model,
            provider=row.provider,
            is_offline=False,
            prompt_version=PROMPT,
            price_version=row.price_version,
            charged_usd=row.charged_usd,
            call_usd=row.cost_usd,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            request_id=row.request_id,
            is_cached=False,
        )
        dao.add(transaction, verdict)


def _snapshots_of(
    panel: Panel, sessions: Days, day: date, universe: UniverseRow, members: Mapping[str, MemberRow]
) -> Iterator[Snapshot]:
    """Of one session: the first signal with a stop of each of the first symbols that have one."""
    found = scan_partition(panel.bare(), day, chart_patterns=False, sessions=sessions)
    figures = {row["symbol"]: row for row in found.results.iter_rows(named=True)}
    with_stop = found.signals.filter(found.signals["stop"].is_not_null())
    for signal in with_stop.unique("symbol", keep="first", maintain_order=True).head(PER_DAY).iter_rows(named=True):
        symbol = signal["symbol"]
        about, label = panel.about[symbol], meaning_of(signal["type"])
        yield Snapshot(
            symbol=symbol,
            name=members[symbol].name,
            currency=about.currency,
            exchange=members[symbol].exchange,
            universe_id=universe.id,
            universe=universe.title,
            day=day,
            reason=Reason.CHOSEN.value,
            source=f"{about.source} ({about.dataset})",
            is_generated=about.is_generated,
            signal=Signal(
                type=signal["type"],
                label=label[0] if label else signal["type"],
                direction=signal["direction"],
                state=signal["state"],
                day=signal["day"],
                confirmed_at=signal["confirmed_at"],
                meaning=label[1] if label else None,
                confidence=None,
                confidence_n=0,
                base_rate=None,
                sessions_ago=0,
                as_of=day,
            ),
            levels=Levels(
                **{name: signal[name] for name in ("close", "entry", "stop", "target", "reward_risk")}, as_of=day
            ),
            indicators=Indicators(figures={name: figures[symbol].get(name) for name in INDICATORS}, as_of=day),
            pattern=None,
            record=None,
            record_here=None,
            news=News(headlines=(), note="There is no news of generated companies.", as_of=None),
        )


def _drawn(rng: random.Random, shown: Snapshot) -> Validation:
    """A verdict by chance, for the most part in the signal's direction."""
    follows = "BUY" if shown.signal.direction == "bullish" else "SELL"
    (verdict,) = rng.choices((follows, "AVOID", "HOLD"), weights=(7, 2, 1))
    return Validation(
        verdict=verdict,
        confidence=round(rng.uniform(0.5, 0.8), 2),
        reasoning=WORDS,
        risk_factors=(RISK,),
        entry_suggestion="",
    )
