"""`python -m core validate`: validates signals here and now, through the same queue as everybody."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from core.commands.scan import universe_of
from core.commands.waiting import finished, working
from core.errors import AssayError, InvalidRequest
from core.ops.jobs import Job, JobStatus
from core.principal import Principal
from core.settings import Settings
from core.verdicts.batches import BatchProgress, Selection
from core.verdicts.verdict_settings import MOST_A_NIGHT
from core.workbench import Workbench, open_workbench


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was given."""

    org: str | None
    """None: all organisations that switched nightly validation on, as they set it."""
    universe: str | None
    model: str | None
    most: int | None


def run(settings: Settings, asked: Asked) -> int:
    """Validates signals of newest scans; 1 where it was stopped before the last of them, or each one failed."""
    if asked.org is None and (asked.universe, asked.model, asked.most) != (None, None, None):
        raise InvalidRequest("Say whose signals they are (--org); without it every organisation's own settings hold.")
    with closing(open_workbench(settings)) as opened:
        opened.market.load_shipped()
        if asked.org is None:
            return _all(opened)
        principal = opened.directory.owner(asked.org)
        job = _started(opened, principal, asked)
        with working(opened):
            ended = finished(opened, job)
        _check(ended)
        return _told(opened.verdicts.batches.progress(principal, ended.id))


class _NotValidated(AssayError):
    """Not every signal was asked about, or none was answered."""

    title = "Validation"


def _started(opened: Workbench, principal: Principal, asked: Asked) -> Job:
    most = MOST_A_NIGHT if asked.most is None else asked.most
    wanted = Selection(universe_id=universe_of(opened, asked.universe, asked.org), most=most)
    return opened.verdicts.batches.start(principal, wanted, model=asked.model)


def _all(opened: Workbench) -> int:
    with working(opened):
        ended = finished(opened, opened.verdicts.batch_jobs.start_all())
    _check(ended)
    print(f"{ended.detail} {ended.done:,} of {ended.total or 0:,} done, {ended.failed:,} failed.")
    return 0


def _check(ended: Job) -> None:
    if ended.status is not JobStatus.DONE:
        raise _NotValidated(ended.error or "The batch failed.")
    if ended.total and ended.failed == ended.total:
        raise _NotValidated(f"None of {ended.total:,} signals could be validated.")


def _told(batch: BatchProgress) -> int:
    for item in batch.problems:
        print(f"{item.symbol:12}{item.signal_type:24}{item.problem}")
    print(
        f"{batch.title}: {batch.done:,} of {batch.total:,} validated, {batch.abstained:,} without enough data, "
        f"{batch.failed:,} failed; {batch.spent_usd.normalize():f} USD."
    )
    if batch.stopped_reason is not None:
        raise _NotValidated(f"Stopped after {batch.ended:,} of {batch.total:,}: {batch.stopped_reason}")
    return 0
