"""Replays: stored snapshots shown to another model, or under another prompt, beside the verdicts kept of them.

A replay acts as the organisation, under its quota and budget and within a budget of its own, and changes nothing: its
verdicts stand apart, and the board leaves them out. What one brought is kept under a name made of organisation, model
and prompt version, so that the same replay again goes on where the last one ended and pays for nothing twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from uuid import UUID, uuid5

from core.accounts.permissions import Action, require
from core.ai.health import asks_to_wait
from core.ai.prompts import Prompt
from core.ai.router import AUTO
from core.db import verdict_replays_dao as dao
from core.db.engine import Database
from core.db.verdict_replays_dao import KeptRow, ReplayedRow
from core.errors import (
    AssayError,
    InvalidRequest,
    MeteringDenied,
    NotEnoughData,
    NotFound,
    ProviderBroke,
    ProviderRateLimited,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
    StillRunning,
    UnusableAnswer,
)
from core.principal import Principal
from core.screener.direction import Direction
from core.verdicts.answer import Decision
from core.verdicts.comparison import Comparison, Pair, Said, compared
from core.verdicts.snapshot import Snapshot
from core.verdicts.validations import Validations

AT_ONCE = 4
"""Calls that a replay has under way, so that a batch of the organisation has room beside it."""
MOST = 500
"""Snapshots of one replay."""
PATIENCE_S = 180.0
"""So long a snapshot waits for slots, a provider's limit, or a call that a killed run left; then it has failed."""
MAX_WAIT_S = 15.0
MAY_BE_BILLED = (UnusableAnswer, ProviderBroke, ProviderTimeout)
"""Failures that cost the organisation nothing, but may stand on the provider's bill."""
OF_ONE_ALONE = (ProviderRateLimited, ProviderUnavailable, ProviderRejectedRequest, NotEnoughData, StillRunning)
"""Failures without a bill, after which the next snapshot is shown all the same."""
PASSING = frozenset({"too_many_concurrent", "rate_limited"})
"""Denials that are over in a moment."""
_NAMES = UUID("6f0f9a44-0b0e-5a55-9c1b-3d1f5f6f7a11")


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is to be shown to whom, and for how much."""

    model: str
    """Id of a model; `auto` could be another one each time."""
    budget_usd: Decimal
    prompt: Prompt | None = None
    """None: the one in force."""
    most: int = 100
    is_scored_only: bool = False
    """Only snapshots whose outcome is known."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would ask, before anything is asked."""

    request: ReplayRequest
    replay_id: UUID
    prompt_version: str
    kept: tuple[KeptRow, ...]
    """The snapshots with the newest verdict that was kept of each, in the order in which they are shown."""
    waiting: tuple[KeptRow, ...]
    """Those that this model was not shown yet under this prompt."""
    most_usd: Mapping[UUID, Decimal]
    """What showing each of them could cost at most, one repair included."""

    @property
    def total_usd(self) -> Decimal:
        """What all of them could cost at most."""
        return sum(self.most_usd.values(), Decimal(0))

    @property
    def fitting(self) -> int:
        """How many of them the budget covers at worst."""
        left, count = self.request.budget_usd, 0
        for each in self.waiting:
            left -= self.most_usd[each.snapshot_id]
            if left < 0:
                break
            count += 1
        return count


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a snapshot has no verdict of the replay."""

    symbol: str
    words: str
    is_unusable: bool


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of a replay."""

    comparison: Comparison | None
    """None where nothing was answered."""
    asked: int
    """Snapshots that were answered by this run."""
    earlier: int
    """Those that an earlier run had answered."""
    problems: Sequence[Problem]
    spent_usd: Decimal
    """What this run took of its budget: what providers bill, and the worst case where that is not known."""
    waiting: int
    """Snapshots that were not shown."""
    stopped: str | None
    """Why it ended before its last snapshot."""


class Replays:
    """Shows stored snapshots again, and compares."""

    def __init__(
        self, database: Database, validations: Validations, prompt: Prompt, sweep: Callable[[UUID], object]
    ) -> None:
        """`prompt` is the one in force; `sweep` ends an organisation's overdue holds, as a killed run leaves behind."""
        self._database = database
        self._validations = validations
        self._prompt = prompt
        self._sweep = sweep

    def plan(self, principal: Principal, request: ReplayRequest) -> ReplayPlan:
        """What a replay would ask, and what that could cost; nothing is asked or counted.

        Raises:
            Forbidden: the principal may not ask.
            InvalidRequest: no model is named, or too many snapshots are wanted.
            NotFound: there is no such model, or no verdict to compare with.
            PlanRequired, NotConfigured: the model cannot be asked.
        """
        require(principal, Action.ASK)
        if request.model == AUTO:
            raise InvalidRequest("Name one model: auto may be another one for each snapshot.")
        if not 1 <= request.most <= MOST:
            raise InvalidRequest(f"A replay shows 1 to {MOST} snapshots.")
        if not request.budget_usd.is_finite() or request.budget_usd < 0:
            raise InvalidRequest("The budget is an amount in USD, from 0.")
        version = (request.prompt or self._prompt).version
        replay_id = uuid5(_NAMES, f"{principal.org_id}/{request.model}/{version}")
        with self._database.app(principal) as connection:
            kept = dao.kept(connection, most=request.most, scored_only=request.is_scored_only)
            done = {row.snapshot_id for row in dao.replayed(connection, replay_id, _ids(kept))}
        if not kept:
            what = "verdict whose outcome is known" if request.is_scored_only else "verdict"
            raise NotFound(f"{principal.org_name} has no {what} yet, so there is nothing to compare with.")
        waiting = tuple(row for row in kept if row.snapshot_id not in done)
        most_usd = {row.snapshot_id: self._most_usd(principal, request, row) for row in waiting}
        return ReplayPlan(request, replay_id, version, tuple(kept), waiting, most_usd)

    def run(self, principal: Principal, plan: ReplayPlan, told: Callable[[int, int], None]) -> ReplayResult:
        """Shows what waits until it is done, the budget could be exceeded, or quota or money end.

        Args:
            principal: for whose organisation.
            plan: what `plan` gave.
            told: is told how many of how many have ended.

        Raises:
            AssayError: nothing more can be asked, and what was answered is kept.
        """
        running = _Running(plan)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="assay-replay") as pool:
            done = pool.map(lambda row: self._shown(principal, running, row), plan.waiting)
            for number, _ in enumerate(done, start=1):
                told(number, len(plan.waiting))
        with self._database.app(principal) as connection:
            said = {row.snapshot_id: row for row in dao.replayed(connection, plan.replay_id, _ids(plan.kept))}
        earlier = len(plan.kept) - len(plan.waiting)
        asked = len(said) - earlier
        return ReplayResult(
            comparison=compared([_pair(row, said[row.snapshot_id]) for row in plan.kept if row.snapshot_id in said]),
            asked=asked,
            earlier=earlier,
            problems=running.problems,
            spent_usd=running.purse.spent_usd,
            waiting=len(plan.waiting) - asked - len(running.problems),
            stopped=running.stopped,
        )

    def _shown(self, principal: Principal, running: _Running, row: KeptRow) -> None:
        """Shows one snapshot, within what is left of the budget."""
        most_usd = running.plan.most_usd[row.snapshot_id]
        if running.stopped is not None:
            return
        if not running.purse.take(most_usd):
            running.stop("The next call could exceed the budget.")
            return
        cost_usd = most_usd  # until it is known to be less
        try:
            cost_usd = self._asked(principal, running, row)
        except MAY_BE_BILLED as error:
            running.problems.append(Problem(row.symbol, error.detail, isinstance(error, UnusableAnswer)))
        except OF_ONE_ALONE as error:
            cost_usd = Decimal(0)
            running.problems.append(Problem(row.symbol, error.detail, is_unusable=False))
        except MeteringDenied as denied:
            cost_usd = Decimal(0)
            running.stop(denied.detail)
        except BaseException:
            running.stop("It failed.")  # the others begin nothing more, and the error is told
            raise
        finally:
            running.purse.pay(most_usd, cost_usd)

    def _asked(self, principal: Principal, running: _Running, row: KeptRow) -> Decimal:
        """Has one snapshot answered, after what passes has passed; gives what it cost."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with running.calling():
                    return self._answered(principal, running.plan, row)
            except AssayError as error:
                if isinstance(error, MeteringDenied) and error.problem_code not in PASSING:
                    if not running.outlasted():
                        raise
                    continue
                wait_s = _wait_s(error)
                if wait_s is None or time.monotonic() + wait_s > until:
                    raise
                self._sweep(principal.org_id)
                time.sleep(wait_s)

    def _answered(self, principal: Principal, plan: ReplayPlan, row: KeptRow) -> Decimal:
        """Has one snapshot answered; gives what that cost, unusable attempts included."""
        request = plan.request
        verdict = self._validations.validate_as_organisation(
            principal,
            None,
            model=request.model,
            job_id=plan.replay_id,
            purpose="replay",
            prompt=request.prompt,
            snapshot_id=row.snapshot_id,
        )
        if verdict.is_cached:
            return Decimal(0)
        with self._database.app(principal) as connection:
            said = dao.replayed(connection, plan.replay_id, [row.snapshot_id])
        return sum((each.call_usd for each in said), Decimal(0))

    def _most_usd(self, principal: Principal, request: ReplayRequest, row: KeptRow) -> Decimal:
        return self._validations.most_usd(
            principal, Snapshot.from_json(row.content), model=request.model, prompt=request.prompt
        )


class _Purse:
    """A budget that calls under way at once are taken from: each takes its worst case, then pays what it cost."""

    def __init__(self, budget_usd: Decimal) -> None:
        self.spent_usd = Decimal(0)
        self._budget_usd = budget_usd
        self._held_usd = Decimal(0)
        self._changed = threading.Condition()

    def take(self, most_usd: Decimal) -> bool:
        """Waits until it is known whether the amount fits; False where it does not."""
        with self._changed:
            self._changed.wait_for(lambda: self._fits(most_usd) or not self._held_usd)
            if not self._fits(most_usd):
                return False
            self._held_usd += most_usd
            return True

    def pay(self, most_usd: Decimal, cost_usd: Decimal) -> None:
        """Gives back what was taken, but for what it cost."""
        with self._changed:
            self._held_usd -= most_usd
            self.spent_usd += cost_usd
            self._changed.notify_all()

    def _fits(self, most_usd: Decimal) -> bool:
        return self.spent_usd + self._held_usd + most_usd <= self._budget_usd


class _Running:
    """A replay under way, shared by its threads."""

    def __init__(self, plan: ReplayPlan) -> None:
        self.plan = plan
        self.purse = _Purse(plan.request.budget_usd)
        self.problems: list[Problem] = []
        self.stopped: str | None = None
        self._calling = 0
        self._returned = 0
        """Calls that ended otherwise than by a denial: what they had reserved and did not use is there again."""
        self._changed = threading.Condition()

    def stop(self, why: str) -> None:
        """Begins nothing more; the first reason counts."""
        self.stopped = self.stopped or why

    @contextmanager
    def calling(self) -> Iterator[None]:
        """While a call is under way."""
        is_denied = False
        with self._changed:
            self._calling += 1
        try:
            yield
        except MeteringDenied:
            is_denied = True
            raise
        finally:
            with self._changed:
                self._calling -= 1
                self._returned += not is_denied
                self._changed.notify_all()

    def outlasted(self) -> bool:
        """Waits until another call gave back what may suffice; False where none is under way: quota or money ended."""
        with self._changed:
            if not self._calling:
                return False
            returned = self._returned
            self._changed.wait_for(lambda: self._returned != returned or not self._calling)
            return True


def _wait_s(error: AssayError) -> float | None:
    """How long to wait before asking again; None where that does not help."""
    if isinstance(error, MeteringDenied):
        return min(error.denial.retry_after_s or 1.0, MAX_WAIT_S)
    if isinstance(error, ProviderRateLimited | ProviderUnavailable) and asks_to_wait(error):
        return min(error.retry_after_s or 1.0, MAX_WAIT_S)
    return 1.0 if isinstance(error, StillRunning) else None


def _ids(rows: Sequence[KeptRow]) -> list[UUID]:
    return [row.snapshot_id for row in rows]


def _pair(kept: KeptRow, replayed: ReplayedRow) -> Pair:
    moves = {5: kept.move_5, 20: kept.move_20}
    return Pair(_said(kept), _said(replayed), Direction(kept.direction), moves)


def _said(row: KeptRow | ReplayedRow) -> Said:
    return Said(
        verdict=cast("Decision", row.verdict),  # the database's constraint
        confidence=row.confidence,
        numbers=row.numbers,
        numbers_verified=row.numbers_verified,
        call_usd=row.call_usd,
        latency_ms=row.latency_ms,
    )
