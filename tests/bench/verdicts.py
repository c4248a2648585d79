"""Verdicts: what the workbench adds to a model's time, one by one and in a batch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import UUID

from core.ops.jobs import JobStatus
from core.principal import Principal
from core.settings import load_settings
from core.verdicts.batches import Selection
from core.workbench import Workbench, open_workbench
from tests.bench.figures import Figure, Goal, figure, percentile
from tests.bench.ground import Ground
from tests.bench.load import MODEL, ask_provider
from tests.bench.quick_provider import running_quick_provider
from tests.fakes.jobs import finished

VALIDATIONS, WARM_UP = 200, 10
BATCH_MODEL = "gpt-4.1-mini"
"""Another than of single validations, whose answers the cache has."""
SHARE_GOALS = (Goal("p50", 15.0), Goal("p95", 15.0))
BATCH, IN_FLIGHT, ANSWERS_AFTER_S = 500, 8, 0.3
TOLERANCE = 1.1
"""A batch takes at most so many times what its provider does."""
ANSWER = json.dumps(
    {
        "verdict": "BUY",
        "confidence": 0.62,
        "reasoning": "The trend is up and volume confirms it. The stop is near.",
        "risk_factors": ["The market as a whole may turn.", "Earnings are due."],
        "entry_suggestion": "At the next open.",
    }
)


def shares(ground: Ground) -> list[Figure]:
    """Validations one after another: as a page asks, which showed the cost before; at once; and given again."""
    number = ground.repetitions(VALIDATIONS)
    with _working(ground) as (workbench, base_url, analyst):
        signals = _signals(workbench, analyst, 2 * number + WARM_UP, MODEL)
        validations = workbench.verdicts.validations
        for signal_id in signals[:WARM_UP]:
            validations.validate(analyst, signal_id, model=MODEL)
        own_ms = percentile(ask_provider(base_url, times=number), 0.5)
        shown, unseen = signals[WARM_UP:][:number], signals[WARM_UP:][number:]
        for signal_id in shown:
            validations.estimate(analyst, signal_id, model=MODEL)
        asked, at_once, again = (
            [_validated_ms(workbench, analyst, signal_id) for signal_id in each] for each in (shown, unseen, shown)
        )
    taken_off = f"the provider's own {own_ms:.2g} ms (median, asked directly) are taken off"
    note = f"cache miss, reserve, call, settle, answer read, numbers checked, verdict stored; {taken_off}"
    return [
        figure("validation, cost shown before, added", [each - own_ms for each in asked], goals=SHARE_GOALS, note=note),
        figure(
            "validation at once, added",
            [each - own_ms for each in at_once],
            goals=SHARE_GOALS,
            note="as above, and first the snapshot is built from the symbol's whole history, and stored",
        ),
        figure("validation given again", again, note="the verdict that is there, free"),
    ]


def batches(ground: Ground) -> list[Figure]:
    """A batch by a worker of this process, eight in flight, against a provider that answers after a while."""
    number = max(2 * IN_FLIGHT, ground.repetitions(BATCH))
    with _working(ground, after_s=ANSWERS_AFTER_S) as (workbench, _, analyst):
        signals = _signals(workbench, analyst, number, BATCH_MODEL)
        begun = time.perf_counter()
        job = finished(workbench.queue, workbench.verdicts.batches.start(analyst, signals, model=BATCH_MODEL))
        taken_s = time.perf_counter() - begun
        progress = workbench.verdicts.batches.progress(analyst, job.id)
    if progress.done != len(signals):
        raise RuntimeError(f"Of {len(signals)} signals {progress.done} were validated: {progress.stopped_reason}")
    provider_s = len(signals) / IN_FLIGHT * ANSWERS_AFTER_S
    name = f"batch of {len(signals)} validations, {IN_FLIGHT} in flight, provider {ANSWERS_AFTER_S:g} s"
    note = f"from its start until its job is done; the provider alone takes {provider_s:.4g} s"
    return [figure(name, [taken_s], unit="s", goals=(Goal("p50", round(TOLERANCE * provider_s, 2)),), note=note)]


@contextmanager
def _working(ground: Ground, *, after_s: float = 0.0) -> Iterator[tuple[Workbench, str, Principal]]:
    """A workbench whose OpenAI is the canned provider, with a worker and a finished scan; the provider's address."""
    ground.workbench  # noqa: B018 (it migrates the database)
    ground.lift_limits()
    with running_quick_provider(ANSWER, after_s=after_s) as base_url:
        environ = {"ASSAY_HOME": str(ground.home), "ASSAY_DEMO": "0"}
        live = {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": base_url}
        with closing(open_workbench(load_settings({**environ, **live}, root=ground.work))) as workbench:
            workbench.market.load_shipped()
            analyst = ground.member(f"Validating after {after_s:g} s", plan="enterprise")
            worker = workbench.worker()
            worker.start()
            try:
                yield workbench, base_url, analyst
            finally:
                worker.stop()


def _signals(workbench: Workbench, analyst: Principal, number: int, model: str) -> list[UUID]:
    """So many signals of the default universe's last session.

    Raises:
        RuntimeError: there are fewer.
    """
    universe_id = workbench.market.lists.universes[0].id
    job = finished(workbench.queue, workbench.screener.scans.request(analyst, universe_id))
    assert job.status is JobStatus.DONE, job.error
    found = workbench.verdicts.batches.wanted(analyst, Selection(universe_id=universe_id, most=number), model=model)
    if len(found) < number:
        raise RuntimeError(f"The scan has {len(found)} signals of the day; {number} are needed.")
    return [row.id for row in found[:number]]


def _validated_ms(workbench: Workbench, analyst: Principal, signal_id: UUID) -> float:
    begun = time.perf_counter()
    workbench.verdicts.validations.validate(analyst, signal_id, model=MODEL)
    return (time.perf_counter() - begun) * 1000
