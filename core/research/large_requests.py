"""Large requests: up to 10,000 prompts or texts of one user, asked one after the other by jobs.

Each item is a usual call of its user: within their own limits, metered, logged and cached as if they had sent it. What
is asked of an item has a key of its own, so that one whose worker died is looked up, and never charged twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Literal, get_args
from uuid import UUID, uuid5

from core.accounts.accounts import principal_of
from core.accounts.permissions import Action, require
from core.ai.answer import EMBEDDING, Answer, Question
from core.ai.gateway import Gateway
from core.ai.providers.contract import Message
from core.ai.router import AUTO
from core.ai.schemas import check_schema
from core.db import large_requests_dao as dao
from core.db import sign_in_dao
from core.db.engine import Database
from core.db.large_requests_dao import ItemRow, NewRequest, RequestRow
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.metering.repeats import Idempotency
from core.ops.jobs import GivenUp, Handler, Job, JobContext, Queue
from core.principal import Principal
from core.research.large_run import MOST_LANES, SLICE_S, LargeRun, LargeSteps, Result

Kind = Literal["completion", "embedding"]
KINDS: tuple[str, ...] = get_args(Kind)
JOB = "large_request"
"""The kind of job that asks a while, and starts the next of its kind where something is left."""
MAX_ITEMS = 10_000
MAX_BYTES = 10_000_000
"""Of a request's body."""
MAX_OPEN = 10
"""Requests of one user that are not at their end."""
MAX_KEPT = 100
"""Requests of one user in all."""
KEPT = timedelta(days=30)
"""So long what came of a request can be read once it ended."""
REVIVE_MINUTES = 2.0
"""How often requests are looked for that no job is at, though they are not at their end."""
MOST_REVIVED = 100
SPACE = UUID("b1d0c3a4-3b52-4d3e-8a7c-0c5f2f7a9e66")
"""Of the ids of requests that came with an Idempotency-Key."""
HINT = (
    "Many prompts or texts are sent at once to POST /api/ai/large-requests: up to 10,000 items in 10 MB, worked off in "
    "the background."
)
_NO_SUCH = "There is no such large request."


@dataclass(frozen=True, slots=True)
class Parameters:
    """How each item is asked; what does not fit the kind stays as it is here."""

    model: str = AUTO
    max_tokens: int = 1024
    temperature: float = 0.7
    json_schema: Mapping[str, Any] | None = None
    dimensions: int | None = None
    """Length of the vectors of embeddings."""


@dataclass(frozen=True, slots=True)
class Started:
    """A large request that was taken."""

    row: RequestRow
    job_id: UUID | None
    """The job that begins with it; None where it was there already."""


@dataclass(frozen=True, slots=True)
class LargeParts:
    """What large requests are worked off with."""

    database: Database
    queue: Queue
    gateway: Gateway
    meter: Meter
    plans: Plans
    slice_s: float = SLICE_S


def open_large_requests(parts: LargeParts) -> LargeRequests:
    """Large requests, with their jobs made known to the queue; before a worker starts."""
    made = LargeRequests(parts)
    parts.queue.handle(made.handlers())
    parts.queue.when_given_up(made.given_up())
    parts.queue.every("large_requests", REVIVE_MINUTES, made.revive)
    parts.queue.every("forget_large_requests", 60.0, made.forget)
    return made


class LargeRequests:
    """Large requests of one user, and the jobs that work them off."""

    def __init__(self, parts: LargeParts) -> None:
        self._parts = parts
        self._database = parts.database

    def create(
        self,
        principal: Principal,
        kind: str,
        items: Sequence[object],
        parameters: Parameters | None = None,
        *,
        idempotency: Idempotency | None = None,
    ) -> Started:
        """Takes a request; each item is a prompt, or a text to turn into a vector.

        With a key the same request is taken once, as long as it is kept.

        Raises:
            InvalidRequest: no items or too many, one that is no text, or parameters that no model takes.
            Forbidden, PlanRequired, NotFound, NotConfigured: this user may not ask this model.
            Conflict: the key came with another body; or too many requests are not at their end.
        """
        require(principal, Action.ASK)
        asked = parameters or Parameters()
        _check(kind, items)
        if asked.json_schema is not None:
            check_schema(asked.json_schema)
        self._parts.gateway.estimate(principal, _question(kind, asdict(asked), "?"))
        request_id = new_id() if idempotency is None else _id_of(principal, idempotency)
        sha256 = None if idempotency is None else idempotency.body_sha256
        wanted = NewRequest(request_id, kind, asdict(asked), items, sha256)
        with self._database.app(principal) as connection:
            known = dao.get(connection, request_id)
            if known is None:
                _check_room(*dao.count(connection))
            is_new = dao.add(connection, wanted)
            row = dao.get(connection, request_id)
        assert row is not None
        if row.body_sha256 != sha256:
            raise Conflict("This Idempotency-Key was used for another large request; choose a new key.")
        return Started(row, self._submit(row.id, row.org_id, row.user_id).id if is_new else None)

    def get(self, principal: Principal, request_id: UUID) -> RequestRow:
        """How far one of the caller's requests is.

        Raises:
            NotFound: none of that id that this caller may see.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return _found(dao.get(connection, request_id))

    def results(
        self, principal: Principal, request_id: UUID, *, after: int = 0, state: str | None = None, most: int = 100
    ) -> tuple[RequestRow, list[ItemRow]]:
        """A request, and its items after a number, all or those of a state.

        Raises:
            NotFound: none of that id that this caller may see.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            row = _found(dao.get(connection, request_id))
            return row, dao.items(connection, request_id, after=after, state=state, most=most)

    def retry(self, principal: Principal, request_id: UUID) -> Started:
        """Asks the items again that failed.

        Raises:
            NotFound: none of that id that this caller may see.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.ASK)
        with self._database.app(principal) as connection:
            _found(dao.get(connection, request_id))
            number = dao.again(connection, request_id)
            row = _found(dao.get(connection, request_id))
        return Started(row, self._submit(row.id, row.org_id, row.user_id).id if number else None)

    def delete(self, principal: Principal, request_id: UUID) -> None:
        """Stops a request and forgets it; an item that is being asked at that moment is still charged.

        Raises:
            NotFound: none of that id that this caller may see.
        """
        require(principal, Action.ASK)
        with self._database.app(principal) as connection:
            if not dao.delete(connection, request_id):
                raise NotFound(_NO_SUCH)

    def handlers(self) -> Mapping[str, Handler]:
        """What is done for this kind of job."""
        return {JOB: self._work}

    def given_up(self) -> Mapping[str, GivenUp]:
        """What is done about a job that failed for good: the rest of its request failed, and can be asked again."""
        return {JOB: self._give_up}

    def revive(self) -> None:
        """Starts a job for requests that none is at: whoever took them, or was to go on, died before that."""
        with self._database.service() as connection:
            left = dao.left(connection, JOB, most=MOST_REVIVED)
        for row in left:
            self._submit(row.id, row.org_id, row.user_id)

    def forget(self) -> None:
        """Forgets requests that ended long ago."""
        with self._database.service() as connection:
            dao.forget(connection, KEPT)

    def _submit(self, request_id: UUID, org_id: UUID, user_id: UUID, *, after: Job | None = None) -> Job:
        """Has a request worked off; those of an organisation one after the other, a while each."""
        number = 0 if after is None else int(after.arguments["slice"]) + 1
        chain = str(new_id()) if after is None else after.arguments["chain"]
        arguments = {"request_id": str(request_id), "user_id": str(user_id), "chain": chain, "slice": number}
        return self._parts.queue.submit(
            JOB,
            arguments,
            key=f"{request_id}/{chain}/{number}",
            org_id=org_id,
            requested_by=user_id,
            lock=f"{JOB}/{org_id}",
        )

    def _work(self, context: JobContext) -> None:
        job = context.job
        assert job.org_id is not None
        request_id, user_id = UUID(job.arguments["request_id"]), UUID(job.arguments["user_id"])
        with self._database.service() as connection:
            row = dao.get(connection, request_id)
            dao.hand_back(connection, request_id)  # what a run was at that died: those of a lock come one by one
        if row is None or (row.user_id, row.org_id) != (user_id, job.org_id):
            context.progress(done=0, failed=0, total=0, detail="The request was stopped.")
            return
        try:
            principal = self._member(row)
        except Forbidden as error:
            self._stop(request_id, error.problem_code, error.detail)
            return
        steps, lanes = self._steps(context, principal, row), self._lanes(principal)
        LargeRun(self._database, request_id, steps, lanes=lanes, until_s=self._parts.slice_s).work()
        with self._database.service() as connection:
            dao.end(connection, request_id)
            now = dao.get(connection, request_id)
        if now is not None and now.ended_at is None:
            self._submit(request_id, row.org_id, row.user_id, after=job)

    def _steps(self, context: JobContext, principal: Principal, row: RequestRow) -> LargeSteps:
        def ask(item: ItemRow) -> Result:
            answer = self._asked(principal, row, item)
            return Result(_told(answer), answer.cost_usd)

        def tell() -> None:
            with self._database.service() as connection:
                now = dao.get(connection, row.id)
            if now is not None:
                told = f"{now.done + now.failed:,} of {now.total:,} items are asked"
                context.progress(done=now.done, failed=now.failed, total=now.total, detail=told)

        return LargeSteps(ask=ask, tell=tell, sweep=lambda: self._parts.meter.sweep(principal.org_id))

    def _lanes(self, principal: Principal) -> int:
        """Items that are asked at once: half of what the plan allows, so that its user can ask meanwhile."""
        most = self._parts.plans.get(principal.plan).limits.concurrent_requests
        return MOST_LANES if most is None else max(1, min(MOST_LANES, most // 2))

    def _asked(self, principal: Principal, row: RequestRow, item: ItemRow) -> Answer:
        """The answer to an item, made now or by a run before."""
        question = _question(row.kind, row.parameters, str(item.input))
        body = json.dumps([row.kind, row.parameters, item.input], sort_keys=True).encode()
        key = Idempotency(f"large/{row.id}", str(item.number), hashlib.sha256(body).digest())
        replay = self._parts.gateway.replayed(principal, key)
        if replay is not None:
            return replay.answer
        session = self._parts.gateway.session(principal, replace(question, idempotency=key), runs_here=True)
        with session:
            return session.result()

    def _member(self, row: RequestRow) -> Principal:
        with self._database.service() as connection:
            who = sign_in_dao.who_of_member(connection, row.user_id, row.org_id)
        if who is None:
            raise Forbidden("Whoever sent this request is no member of the organisation any more.")
        principal = principal_of(who, "command")
        require(principal, Action.ASK)
        return principal

    def _give_up(self, job: Job, failure: str) -> None:
        self._stop(UUID(job.arguments["request_id"]), "internal", failure)

    def _stop(self, request_id: UUID, code: str, error: str) -> None:
        with self._database.service() as connection:
            dao.hand_back(connection, request_id)
            dao.stop(connection, request_id, code, error)
            dao.end(connection, request_id)


def _check(kind: str, items: Sequence[object]) -> None:
    if kind not in KINDS:
        raise InvalidRequest(f"The field kind is {' or '.join(KINDS)}.")
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"A large request has 1 to {MAX_ITEMS:,} items; this one has {len(items):,}.")
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str) or not item.strip():
            raise InvalidRequest(f"Item {number:,} is not a text, or an empty one.")
        if "\x00" in item or any("\ud800" <= each <= "\udfff" for each in item):
            raise InvalidRequest(f"Item {number:,} holds characters that are not text.")


def _check_room(kept: int, is_open: int) -> None:
    if is_open >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} of your large requests are not at their end; wait for one, or delete it.")
    if kept >= MAX_KEPT:
        raise Conflict(f"You have {MAX_KEPT} large requests; delete those that you have read.")


def _id_of(principal: Principal, idempotency: Idempotency) -> UUID:
    return uuid5(SPACE, f"{principal.org_id}/{principal.user_id}/{idempotency.route}/{idempotency.key}")


def _question(kind: str, parameters: Mapping[str, Any], text: str) -> Question:
    """What is asked for an item, as the call for a single one asks it."""
    if kind == "embedding":
        return Question(
            messages=(Message("user", text),),
            model=parameters["model"] or AUTO,
            feature=None,
            task=EMBEDDING,
            max_tokens=0,
            is_exact=True,
            dimensions=parameters["dimensions"],
        )
    return Question(
        messages=(Message("user", text),),
        model=parameters["model"] or "",
        task="completion",
        max_tokens=parameters["max_tokens"],
        temperature=parameters["temperature"],
        json_schema=parameters["json_schema"],
    )


def _told(answer: Answer) -> dict[str, Any]:
    """What is kept of an answer."""
    text = answer.text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return {
        "text": text,
        "state": answer.state,
        "model": answer.model,
        "provider": answer.provider,
        "cached": answer.is_cached,
        "offline": answer.is_offline,
        "estimated": answer.is_estimated,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "request_id": str(answer.request_id),
    }


def _found(row: RequestRow | None) -> RequestRow:
    if row is None:
        raise NotFound(_NO_SUCH)
    return row
