"""Stripe's events: checked, stored, then worked on by the queue, again and again where that does not go at once.

An event is acknowledged as soon as it is stored; Stripe waits for nothing else. Each ends in one of these ways: done;
ignored (none of ours); refused (it contradicts what is stored: nothing is credited for it); failed (given up after
three days). Operators see those that are refused, failed or tried again, run them again, or set them aside.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeGuard

from core.accounts.permissions import require_operator
from core.billing.fences import each_fenced
from core.billing.handlers import Ignored, handle
from core.billing.handling import Handling
from core.billing.payments import Contradiction
from core.billing.signatures import BadSignature, check_signature
from core.billing.stripe_facts import Object, UnreadableObject, moment
from core.billing.subscription_sync import NotOurs
from core.clock import Clock
from core.db import stripe_events_dao as dao
from core.db.engine import Database, Transaction
from core.db.stripe_events_dao import EventFigures, EventRow, NewEvent, UnsolvedRow
from core.errors import AssayError, DatabaseUnavailable, NotConfigured, NotFound, place_of
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject, audit_principal
from core.ops.jobs import JobContext, Queue
from core.principal import Principal
from core.settings import Settings

WORK = "stripe_event"
"""The kind of job that works on one event."""
LEASE = timedelta(minutes=5)
"""So long one process works on an event before another may."""
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60, 120, 240, 480, 720, 1440, 1440))
"""Waits between the attempts of one event; after the last it is given up."""
AT_ONCE, PRUNED_AT_ONCE, MAX_LISTED = 100, 10_000, 100
KEPT = timedelta(days=400)
"""So long an event that comes again is known."""
MAX_BODY_BYTES = 512 * 1024
MAX_SAID_CHARS = 500
NO_EVENT = "The body is no event of Stripe's."
SET_ASIDE = "An operator set it aside."
UNSET = "Events of Stripe are switched off. Set STRIPE_WEBHOOK_SECRET."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _End:
    """How an attempt at an event ended."""

    state: str
    said: str | None = None


class StripeEvents:
    """Takes Stripe's events, and brings payments and subscriptions into line with them."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, handling: Handling, queue: Queue) -> None:
        secret = settings.stripe_webhook_secret
        self._secret = secret.get_secret_value().strip() if secret else None
        self._database = database
        self._clock = clock
        self._handling = handling
        self._queue = queue
        queue.handle({WORK: self._work})

    @property
    def is_configured(self) -> bool:
        """Whether events are taken at all."""
        return self._secret is not None

    def receive(self, body: bytes, signature: str | None) -> None:
        """Stores an event, whose body is as it came, and has it worked on. The same event again changes nothing.

        Raises:
            NotConfigured: STRIPE_WEBHOOK_SECRET is unset.
            BadSignature: not signed by Stripe, or not now; nothing is stored.
            DatabaseUnavailable: it was not stored; Stripe sends it again.
        """
        if self._secret is None:
            raise NotConfigured(UNSET)
        check_signature(body, signature, self._secret, self._clock.now())
        event = _read(body)
        with self._database.service() as connection:
            is_new = dao.add(connection, event)
        if is_new:
            self._submit(event.id)

    def work_on(self, event_id: str) -> None:
        """Works on one event, where it is due and nobody else does."""
        with self._database.service() as connection:
            row = dao.take(connection, event_id, lease=LEASE)
        if row is None:
            return
        end = self._attempt(row)
        with self._database.service() as connection:
            if end is not None:
                dao.finish(connection, row.id, state=end.state, said=end.said)
                _record(connection, row, end)

    def work_on_due(self) -> None:
        """Works on every event that is due, oldest first, and forgets those of long ago.

        Raises:
            NotAllDone: some could not even be tried.
        """
        with self._database.service() as connection:
            waiting = dao.due(connection, most=AT_ONCE)
            dao.prune(connection, age=KEPT, most=PRUNED_AT_ONCE)
        each_fenced((f"Stripe's event {event_id}", partial(self.work_on, event_id)) for event_id in waiting)

    def figures(self) -> EventFigures:
        """How events fare, for operators."""
        with self._database.service() as connection:
            return dao.figures(connection)

    def unsolved(self, principal: Principal) -> list[UnsolvedRow]:
        """Events that are refused, failed or tried again, the latest first.

        Raises:
            Forbidden: not an operator.
        """
        require_operator(principal)
        with self._database.service() as connection:
            return dao.unsolved(connection, most=MAX_LISTED)

    def run_again(self, principal: Principal, event_id: str) -> None:
        """Has an event that is not solved worked on now, with all its tries before it.

        Raises:
            Forbidden: not an operator.
            NotFound: there is none, or it is solved.
        """
        require_operator(principal)
        with self._database.service() as connection:
            before = _found(dao.reopen(connection, event_id))
            Audit.record(connection, _operated(principal, before, "waiting"))
        self._submit(event_id)

    def set_aside(self, principal: Principal, event_id: str) -> None:
        """Ends an event that is not solved, because it was by other means; its words are forgotten.

        Raises:
            Forbidden: not an operator.
            NotFound: there is none, or it is solved.
        """
        require_operator(principal)
        with self._database.service() as connection:
            before = _found(dao.set_aside(connection, event_id, said=SET_ASIDE))
            Audit.record(connection, _operated(principal, before, "ignored"))

    def _work(self, context: JobContext) -> None:
        self.work_on(str(context.job.arguments["event"]))

    def _submit(self, event_id: str) -> None:
        try:
            self._queue.submit(WORK, {"event": event_id}, key=event_id, org_id=None)
        except DatabaseUnavailable:
            _log.warning("Stripe's event %s is stored; the next round of events works on it.", event_id)

    def _attempt(self, row: EventRow) -> _End | None:
        """One attempt at an event; None: it is to be tried again, and that is noted."""
        try:
            handle(self._handling, row.type, _content(row), row)
        except Ignored as none:
            return _End("ignored", none.detail)
        except NotOurs as none:
            return _End("ignored", none.detail)
        except (Contradiction, UnreadableObject) as refused:
            _log.warning("Stripe's event %s (%s) was refused: %s", row.id, row.type, refused.detail)
            return _End("refused", refused.detail[:MAX_SAID_CHARS])
        except AssayError as error:
            return self._again(row, error.detail)
        except Exception as error:  # noqa: BLE001 (the outermost edge of one event: the others go on, and so does it)
            return self._again(row, f"An unexpected error: {place_of(error)}")
        return _End("done")

    def _again(self, row: EventRow, said: str) -> _End | None:
        if row.tries > len(WAITS):
            _log.error("Stripe's event %s (%s) was given up: %s", row.id, row.type, said)
            return _End("failed", said[:MAX_SAID_CHARS])
        _log.warning("Stripe's event %s (%s) is tried again: %s", row.id, row.type, said)
        with self._database.service() as connection:
            dao.postpone(connection, row.id, wait=WAITS[row.tries - 1], said=said[:MAX_SAID_CHARS])
        return None


def _read(body: bytes) -> NewEvent:
    """An event as it is stored.

    Raises:
        BadSignature: signed, and yet no event.
    """
    try:
        found = json.loads(body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadSignature(NO_EVENT) from None
    if not isinstance(found, dict) or found.get("object") != "event" or len(body) > MAX_BODY_BYTES:
        raise BadSignature(NO_EVENT)
    event_id, kind = found.get("id"), found.get("type")
    if not _is_name(event_id) or not _is_name(kind) or b"\\u0000" in body:
        raise BadSignature(NO_EVENT)
    try:
        created = moment(found.get("created"))
    except UnreadableObject:
        raise BadSignature(NO_EVENT) from None
    account = found.get("account") or found.get("context")
    return NewEvent(event_id, kind, str(account)[:255] if account else None, created, body.decode("utf-8"))


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 1 <= len(value) <= 255 and value.isprintable()


def _content(row: EventRow) -> Object:
    content: Mapping[str, Any] = json.loads(row.body)
    return content


def _found(row: UnsolvedRow | None) -> UnsolvedRow:
    """Raises NotFound where there is none."""
    if row is None:
        raise NotFound("There is no such event that is not solved.")
    return row


def _operated(principal: Principal, before: UnsolvedRow, state: str) -> AuditEvent:
    was = {"type": before.type, "state": before.state, "said": before.said}
    subject, after = Subject("stripe_event", before.id), {"type": before.type, "state": state}
    action = AuditAction.BILLING_EVENT_OPERATED
    return audit_principal(principal, action, subject, before=was, after=after, as_operator=True)


def _record(connection: Transaction, row: EventRow, end: _End) -> None:
    """What was refused or given up stands in the audit log; what was done stands there by what it changed."""
    if end.state in ("refused", "failed"):
        after = {"type": row.type, "state": end.state, "said": end.said}
        subject = Subject("stripe_event", row.id)
        event = AuditEvent(None, None, "stripe", AuditAction.BILLING_EVENT_REFUSED, subject, after=after)
        Audit.record(connection, event)
