"""Validations: a model's verdict on a signal, asked for through the gateway, checked, kept, and given again free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import ValidationError

from core.accounts.permissions import Action, require
from core.ai.answer import Answer, Question
from core.ai.gateway import CallEstimate, Gateway
from core.ai.kept import Replay
from core.ai.prompts import Prompt
from core.ai.providers.contract import Message
from core.ai.retries import REPAIR
from core.ai.router import AUTO
from core.ai.session import Session
from core.db import verdicts_dao as dao
from core.db.engine import Database
from core.db.verdicts_dao import AskedOf, Filters, NewVerdict, Place, Purpose, SignalName, VerdictRow
from core.errors import NotFound, UnusableAnswer
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.market import Market
from core.metering.meter import Feature, QuotaState
from core.metering.repeats import Idempotency
from core.metering.usage import Usage
from core.principal import Principal
from core.verdicts.answer import MAX_TOKENS, SCHEMA, TEMPERATURE, Validation, read_answer, validation_of
from core.verdicts.prompting import messages
from core.verdicts.snapshot import Snapshot
from core.verdicts.snapshots import Snapshots, StoredSnapshot
from core.verdicts.verdict import Brief, Page, Verdict, counted, numbers_of, verdict_of, verdict_with

__all__ = [
    "Asking",
    "Begun",
    "Brief",
    "Estimate",
    "Filters",
    "Given",
    "Page",
    "Purpose",
    "ValidationParts",
    "Validations",
    "Verdict",
]

PROMPT = "validate_signal"
"""Name of the prompt in force."""
TASK = "signal_validation"
QUOTA = "signal_validations_day"
LIFE = timedelta(hours=24)
"""So long a verdict is given again for free."""
PAGE, MOST_OF_PAGE = 50, 1_000
USUAL_OF = 50
"""Verdicts whose median is what one usually costs."""
MOST_BYTES_PER_TOKEN = 8
"""Of an answer that is shown again to have it repaired."""
ROUTE = "verdicts"
"""In place of a route, where a job asks and may begin again."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a validation would cost."""

    model: str
    """Id of the model that would be asked first."""
    most_usd: Decimal
    """The worst case, which is held while it runs."""
    usual_usd: Decimal | None
    """Median of what the last 50 cost of that model; None: there were none."""
    quota: QuotaState
    """The organisation's validations of the day."""
    is_free: bool
    """It was validated within 24 hours, and that verdict is given again."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a validation is asked for."""

    model: str | None = None
    """Id of a model, or `auto`; None: the asker's default."""
    again: bool = False
    """Whether a verdict that exists, and the cache, are passed by; charged again."""
    channel: str = "page"
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A validation whose question is ready to be asked."""

    stored: StoredSnapshot
    question: Question
    purpose: Purpose = "asked"
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A verdict that was there already, and is free."""

    verdict: Verdict
    replayed: Answer | None = None
    """The answer that a request with the same Idempotency-Key was given; None: somebody asked before."""


@dataclass(frozen=True, slots=True)
class ValidationParts:
    """What validations are made with."""

    database: Database
    gateway: Gateway
    snapshots: Snapshots
    market: Market
    usage: Usage
    prompt: Prompt
    score_soon: Callable[[date | None], object]
    """Has verdicts scored whose outcome is known already, for the sake of one that was decided on a day."""


class Validations:
    """Asks models for verdicts, and keeps them.

    A verdict is stored after its answer was settled. A process that dies in between finds the answer again, free: in
    the cache, or under the key of its request.
    """

    def __init__(self, parts: ValidationParts) -> None:
        self._parts = parts

    def estimate(self, principal: Principal, signal_id: UUID, *, model: str | None = None) -> Estimate:
        """What a validation would cost, and what is left; nothing is asked or counted.

        Raises:
            AssayError: as `validate`, where it would be refused before any call.
        """
        require(principal, Action.ASK)
        begun = self._begun(self._parts.snapshots.of_signal(principal, signal_id), Asking(model))
        call = self._parts.gateway.estimate(principal, begun.question)
        return Estimate(
            model=call.model,
            most_usd=call.most_usd,
            usual_usd=self.usual_usd(principal, call.model),
            quota=self._parts.usage.quota(principal, QUOTA),
            is_free=self._like_it(principal, begun, call) is not None,
        )

    def most_usd(
        self, principal: Principal, snapshot: Snapshot, *, model: str, prompt: Prompt | None = None
    ) -> Decimal:
        """What showing a snapshot to a model costs at most, one repair of its answer included; raises as `estimate`."""
        asked = messages(prompt or self._parts.prompt, snapshot)
        question = Question(asked, model, Feature.SIGNAL_VALIDATION, TASK, MAX_TOKENS, TEMPERATURE)
        longest = Message("assistant", "x" * (MOST_BYTES_PER_TOKEN * MAX_TOKENS))
        repairing = replace(question, messages=(*asked, longest, Message("user", REPAIR)))
        gateway = self._parts.gateway
        return gateway.estimate(principal, question).most_usd + gateway.estimate(principal, repairing).most_usd

    def usual_usd(self, principal: Principal, model: str) -> Decimal | None:
        """Median of what the organisation's last 50 verdicts of a model cost; None: there are none."""
        with self._parts.database.app(principal) as connection:
            return dao.usual_usd(connection, principal.org_id, model, most=USUAL_OF)

    def prepare(self, principal: Principal, signal_ids: Sequence[UUID]) -> None:
        """Builds and stores what models would be shown of signals, as far as they can be validated."""
        require(principal, Action.ASK)
        self._parts.snapshots.prepare(principal, signal_ids)

    def validate(
        self,
        principal: Principal,
        signal_id: UUID,
        *,
        model: str | None = None,
        again: bool = False,
        channel: str = "page",
        idempotency: Idempotency | None = None,
    ) -> Verdict:
        """A model's verdict on a signal: the one of the last 24 hours, for free, or with `again` a new one.

        Raises:
            NotFound: there is no such signal that this caller may see.
            InvalidRequest: the signal is too old.
            NotEnoughData: no model was asked; there is not enough to judge by.
            UnusableAnswer: the answer could not be read; it cost nothing, and there is no verdict.
            Forbidden, MeteringDenied, ProviderError: as `Gateway.session`.
        """
        return self._finished(principal, self.begin(principal, signal_id, Asking(model, again, channel, idempotency)))

    def validate_snapshot(
        self,
        principal: Principal,
        body: Mapping[str, object],
        *,
        model: str | None = None,
        channel: str = "api",
        idempotency: Idempotency | None = None,
    ) -> Verdict:
        """A model's verdict on a snapshot that the caller brings; raises as `Snapshot.of_caller` and `validate`."""
        asking = Asking(model, channel=channel, idempotency=idempotency)
        return self._finished(principal, self.begin(principal, body, asking))

    def begin(self, principal: Principal, about: UUID | Mapping[str, object], asking: Asking) -> Begun | Given:
        """What is to be asked about a signal or a caller's snapshot, or the verdict that is there already.

        Raises:
            AssayError: as `validate`, where it is refused before any call.
        """
        require(principal, Action.ASK)
        if asking.idempotency is not None:
            replay = self._parts.gateway.replayed(principal, asking.idempotency)
            if replay is not None:
                return Given(self._replayed(principal, replay), replay.answer)
        snapshots = self._parts.snapshots
        if isinstance(about, UUID):
            stored = snapshots.of_signal(principal, about)
        else:
            stored = snapshots.of_caller(principal, Snapshot.of_caller(about))
        begun = self._begun(stored, asking)
        call = self._parts.gateway.estimate(principal, begun.question)
        found = None if asking.again else self._like_it(principal, begun, call)
        return begun if found is None else Given(found)

    def session(self, principal: Principal, begun: Begun, *, runs_here: bool = False) -> Session:
        """Asks; raises as `Gateway.session`. What it answers is handed to `keep`."""
        return self._parts.gateway.session(principal, begun.question, runs_here=runs_here)

    def keep(self, principal: Principal, begun: Begun, answer: Answer) -> Verdict:
        """Keeps the verdict that an answer holds; asked again for the same answer, there is one.

        Raises:
            UnusableAnswer: the answer was cut before it could be read.
        """
        require(principal, Action.ASK)
        return self._kept(principal, begun, answer)

    def validate_as_organisation(
        self,
        principal: Principal,
        signal_id: UUID | None,
        *,
        model: str,
        job_id: UUID,
        purpose: Literal["batch", "replay"] = "batch",
        prompt: Prompt | None = None,
        snapshot_id: UUID | None = None,
    ) -> Verdict:
        """A verdict for the organisation, under its own quota and slots; asked again for the same job, the same one.

        Args:
            principal: the member who started it.
            signal_id: None where a stored snapshot is named.
            model: id of a model, or `auto`.
            job_id: one job has one verdict of a signal, or of a snapshot.
            purpose: what it is for; replays are left out of the board.
            prompt: another prompt than the one in force.
            snapshot_id: shows this stored snapshot again, however old it is.

        Raises:
            AssayError: as `validate`. StillRunning: another worker is at it.
        """
        require(principal, Action.ASK)
        with self._parts.database.app(principal) as connection:
            row = dao.of_job(connection, principal.org_id, job_id, signal_id=signal_id, snapshot_id=snapshot_id)
        if row is not None:
            return verdict_of(row)
        subject = snapshot_id or signal_id
        digest = hashlib.sha256(f"{model}/{(prompt or self._parts.prompt).version}".encode()).digest()
        idempotency = Idempotency(ROUTE, f"{job_id}/{subject}", digest)
        replay = self._parts.gateway.replayed(principal, idempotency)
        if replay is not None:
            return self._replayed(principal, replay, purpose=purpose, job_id=job_id)
        asking = Asking(model, channel="command", idempotency=idempotency)
        begun = self._begun(self._named(principal, signal_id, snapshot_id), asking, prompt)
        question = replace(begun.question, acts_as="organisation")
        begun = replace(begun, question=question, purpose=purpose, job_id=job_id)
        if purpose == "batch":
            found = self._like_it(principal, begun, self._parts.gateway.estimate(principal, question))
            if found is not None:
                return found
        return self._finished(principal, begun)

    def of_signal(self, principal: Principal, signal_id: UUID) -> Verdict | None:
        """The newest verdict on a signal, whoever of the organisation asked for it; None where there is none."""
        as_of = self._parts.market.time.of(principal)
        with self._parts.database.app(principal) as connection:
            row = dao.newest(connection, principal.org_id, signal_id, as_of.day)
        return None if row is None else verdict_of(row)

    def of_scan(self, principal: Principal, universe_id: str, day: date) -> Mapping[tuple[str, str], Brief]:
        """The newest verdict on each signal of a universe's day, by symbol and type."""
        as_of = self._parts.market.time.of(principal)
        with self._parts.database.app(principal) as connection:
            rows = dao.of_day(connection, principal.org_id, universe_id, day, as_of.day)
        return {(row.symbol, row.signal_type): row for row in rows}

    def get(self, principal: Principal, verdict_id: UUID) -> Verdict:
        """One verdict.

        Raises:
            NotFound: the organisation has none of that id.
        """
        return verdict_of(self._row(principal, verdict_id))

    def snapshot(self, principal: Principal, verdict_id: UUID) -> Snapshot:
        """What the model was shown; raises as `get`."""
        return Snapshot.from_json(self._row(principal, verdict_id).content)

    def page(
        self,
        principal: Principal,
        filters: Filters | None = None,
        *,
        cursor: Place | None = None,
        most: int = PAGE,
    ) -> Page:
        """Verdicts of the organisation, newest first."""
        most = min(max(most, 1), MOST_OF_PAGE)
        with self._parts.database.app(principal) as connection:
            rows = dao.page(connection, principal.org_id, filters or Filters(), before=cursor, most=most + 1)
        shown = rows[:most]
        return Page(shown, (shown[-1].created_at, shown[-1].id) if len(rows) > most else None)

    def _begun(self, stored: StoredSnapshot, asking: Asking, prompt: Prompt | None = None) -> Begun:
        shown_with = prompt or self._parts.prompt
        return Begun(
            stored,
            Question(
                messages=messages(shown_with, stored.snapshot),
                model=asking.model or "",
                feature=Feature.SIGNAL_VALIDATION,
                task=TASK,
                max_tokens=MAX_TOKENS,
                temperature=TEMPERATURE,
                prompt_version=shown_with.version,
                data_version=stored.hash.hex(),
                channel=asking.channel,
                # A prompt that somebody brought is theirs, whatever it is shown of.
                is_public=stored.is_public and prompt is None,
                skips_cache=asking.again,
                json_schema=SCHEMA,
                reads=read_answer,
                idempotency=asking.idempotency and _within(asking.idempotency, stored, shown_with),
            ),
        )

    def _named(self, principal: Principal, signal_id: UUID | None, snapshot_id: UUID | None) -> StoredSnapshot:
        if snapshot_id is not None:
            return self._parts.snapshots.get(principal, snapshot_id)
        assert signal_id is not None  # one of both is named
        return self._parts.snapshots.of_signal(principal, signal_id)

    def _finished(self, principal: Principal, begun: Begun | Given) -> Verdict:
        if isinstance(begun, Given):
            return begun.verdict
        return self._kept(principal, begun, self.session(principal, begun, runs_here=True).result())

    def _replayed(
        self, principal: Principal, replay: Replay, *, purpose: Purpose = "asked", job_id: UUID | None = None
    ) -> Verdict:
        """The verdict of an answer that was settled before; kept now, where its process died too soon."""
        stored = self._parts.snapshots.get(principal, UUID(replay.context["snapshot_id"]))
        with self._parts.database.app(principal) as connection:
            row = dao.of_request(connection, principal.org_id, replay.answer.request_id, stored.id)
        if row is not None:
            return verdict_of(row)
        begun = replace(self._begun(stored, Asking()), purpose=purpose, job_id=job_id)
        question = replace(begun.question, prompt_version=replay.context["prompt_version"])
        return self._kept(principal, replace(begun, question=question), replay.answer)

    def _kept(self, principal: Principal, begun: Begun, answer: Answer) -> Verdict:
        validation = _validation(answer)
        shown = begun.stored.snapshot
        numbers = numbers_of(validation, shown)
        total, verified = counted(numbers)
        decided = self._decided(principal, begun)
        new = NewVerdict(
            id=new_id(),
            org_id=principal.org_id,
            user_id=principal.user_id if begun.purpose == "asked" else None,
            job_id=begun.job_id,
            purpose=begun.purpose,
            snapshot_id=begun.stored.id,
            signal_id=begun.stored.signal_id,
            universe_id=shown.universe_id,
            symbol=shown.symbol,
            signal_type=shown.signal.type,
            direction=shown.signal.direction,
            signal_day=shown.signal.day,
            own_confidence=shown.signal.confidence,
            base_rate=shown.signal.base_rate,
            decided_on=decided.on,
            is_retrospective=decided.is_retrospective,
            is_generated=shown.is_generated,
            verdict=validation.verdict,
            confidence=validation.confidence,
            answer=json.loads(answer.text),
            numbers=total,
            numbers_verified=verified,
            model=answer.model,
            provider=answer.provider,
            is_offline=answer.is_offline,
            prompt_version=begun.question.prompt_version,
            price_version=answer.price_version,
            charged_usd=answer.cost_usd,
            call_usd=answer.saved_usd if answer.is_cached else answer.cost_usd,
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
            request_id=answer.request_id,
            is_cached=answer.is_cached,
        )
        with self._parts.database.app(principal) as connection:
            at = dao.add(connection, new)
            if at is None:
                return verdict_of(dao.kept_instead(connection, new))
        if new.is_retrospective and new.purpose == "asked":  # a batch has its own scored once it has ended
            self._parts.score_soon(decided.on)
        return verdict_with(new, at, begun.stored.hash, validation, shown, numbers)

    def _like_it(self, principal: Principal, begun: Begun, call: CallEstimate) -> Verdict | None:
        """The verdict of the last 24 hours that was asked for in the same way."""
        shown, org_id = begun.stored.snapshot, principal.org_id
        asked = AskedOf(begun.question.prompt_version, call.asked, call.asked == AUTO, call.is_offline, LIFE)
        decided = self._decided(principal, begun)
        with self._parts.database.app(principal) as connection:
            if shown.universe_id is None or shown.signal.day is None or decided.on is None:
                row = dao.like_callers(connection, org_id, begun.stored.id, asked)
            else:
                signal = SignalName(shown.universe_id, shown.symbol, shown.signal.type, shown.signal.day)
                row = dao.like_it(connection, org_id, signal, asked, decided_on=decided.on, is_live=decided.is_live)
        return None if row is None else verdict_of(row)

    def _decided(self, principal: Principal, begun: Begun) -> _Decided:
        """As of which session a verdict is given now."""
        shown, market = begun.stored.snapshot, self._parts.market
        as_of = market.time.of(principal)
        if begun.purpose == "replay" or begun.stored.signal_id is None:
            return _Decided(None, is_retrospective=False, is_live=as_of.is_live)
        if as_of.is_live:
            return _Decided(self._last_opened(shown.exchange, as_of), is_retrospective=False, is_live=True)
        is_known = not shown.is_generated or self._has_later_bars(shown.symbol, as_of, begun.stored.org_id)
        return _Decided(as_of.day, is_retrospective=is_known, is_live=False)

    def _last_opened(self, exchange: str | None, as_of: AsOf) -> date:
        """The last session whose open has passed: whoever follows the verdict enters at the next one's."""
        if exchange is None:
            return as_of.day
        try:
            return self._parts.market.calendars.last_opened(exchange, as_of.moment)
        except NotFound:
            return as_of.day

    def _has_later_bars(self, symbol: str, as_of: AsOf, org_id: UUID | None) -> bool:
        about = self._parts.market.bars.about(symbol, self._parts.market.time.default(), org_id)
        return about is not None and about.last_day > as_of.day

    def _row(self, principal: Principal, verdict_id: UUID) -> VerdictRow:
        with self._parts.database.app(principal) as connection:
            row = dao.verdict(connection, principal.org_id, verdict_id)
        if row is None:
            raise NotFound("There is no such verdict.")
        return row


@dataclass(frozen=True, slots=True)
class _Decided:
    """As of which session a verdict is given."""

    on: date | None
    """None: it is never scored."""
    is_retrospective: bool
    is_live: bool


def _within(idempotency: Idempotency, stored: StoredSnapshot, prompt: Prompt) -> Idempotency:
    """The key of a request with what its answer is kept of, should its process die before that is done."""
    context = {"snapshot_id": str(stored.id), "prompt_version": prompt.version}
    return replace(idempotency, context={**idempotency.context, **context})


def _validation(answer: Answer) -> Validation:
    """What an answer says.

    Raises:
        UnusableAnswer: it was cut short.
    """
    try:
        return validation_of(answer.text)
    except ValidationError:
        raise UnusableAnswer(
            "The answer was cut short, and there is no verdict; ask again.", provider=answer.provider
        ) from None
