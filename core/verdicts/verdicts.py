"""Verdicts, composed once: validations, batches, what they were worth; pages, routes and commands reach it here."""

from __future__ import annotations

from dataclasses import dataclass

from core.ai.answer import Question
from core.ai.gateway import Gateway
from core.ai.prompts import load_prompt
from core.ai.providers.contract import Message
from core.db.engine import Database
from core.market.market import Market
from core.metering.meter import Meter
from core.metering.usage import Usage
from core.ops.jobs import TIDY_MINUTES, Queue
from core.principal import Principal
from core.screener.screener import Screener
from core.settings import DATA
from core.verdicts.answer import MAX_TOKENS
from core.verdicts.batch_jobs import BatchJobs, BatchParts
from core.verdicts.batches import Batches
from core.verdicts.replays import Replays
from core.verdicts.scoreboard import Scoreboard
from core.verdicts.scoring import SCORE, SCORE_MINUTES, Scoring
from core.verdicts.snapshots import Snapshots
from core.verdicts.validations import PROMPT, ValidationParts, Validations
from core.verdicts.verdict_settings import VerdictSettings


@dataclass(frozen=True)
class Verdicts:
    """The services of verdicts, over one gateway and one screener."""

    validations: Validations
    batches: Batches
    batch_jobs: BatchJobs
    """What batches do by themselves: after scans, and every night."""
    settings: VerdictSettings
    scoring: Scoring
    scoreboard: Scoreboard
    replays: Replays


@dataclass(frozen=True)
class VerdictParts:
    """What verdicts are composed of."""

    database: Database
    queue: Queue
    gateway: Gateway
    meter: Meter
    usage: Usage
    market: Market
    screener: Screener


def open_verdicts(parts: VerdictParts) -> Verdicts:
    """Composes verdicts, and says to the queue and to scans what they do.

    Raises:
        ConfigurationError: a mistake in the prompt; the sentence names the line.
    """
    database, queue, market, screener = parts.database, parts.queue, parts.market, parts.screener
    prompt, snapshots = load_prompt(DATA / "prompts", PROMPT), Snapshots(database, market, screener)
    scoring = Scoring(database, market.store, market.bars, market.time, queue)
    validations = Validations(
        ValidationParts(
            database=database,
            gateway=parts.gateway,
            snapshots=snapshots,
            market=market,
            usage=parts.usage,
            prompt=prompt,
            score_soon=scoring.soon,
        )
    )
    batches = Batches(database, queue, market.time, screener.scans.latest, validations.estimate)
    batch_jobs = BatchJobs(
        BatchParts(
            database=database,
            queue=queue,
            batches=batches,
            validations=validations,
            latest_scan=screener.scans.latest,
            sweep=parts.meter.sweep,
            score_soon=scoring.soon,
        )
    )
    queue.handle({**batch_jobs.handlers(), **scoring.handlers()})
    queue.when_given_up(batch_jobs.given_up())
    queue.every("forget_snapshots", TIDY_MINUTES, snapshots.forget)
    queue.every("forget_batches", TIDY_MINUTES, batch_jobs.forget)
    queue.every(SCORE, SCORE_MINUTES, scoring.tick)
    screener.jobs.when_scanned(scoring.after_scan)
    screener.jobs.when_scanned(lambda scan, _results: batch_jobs.after_scan(scan))
    return Verdicts(
        validations=validations,
        batches=batches,
        batch_jobs=batch_jobs,
        settings=_settings(parts),
        scoring=scoring,
        scoreboard=Scoreboard(database),
        replays=Replays(database, validations, prompt, parts.meter.sweep),
    )


def _settings(parts: VerdictParts) -> VerdictSettings:
    def check_model(principal: Principal, model: str) -> None:
        parts.gateway.estimate(principal, Question((Message("user", "A signal."),), model, max_tokens=MAX_TOKENS))

    return VerdictSettings(parts.database, find_universe=parts.market.universes.get, check_model=check_model)
