"""Stripe's events: checked, stored, then worked on, at once where that goes and otherwise again and again.

An event is acknowledged as soon as it is stored. Each ends in one of these ways: done; ignored (none of ours); refused
(it contradicts what is stored: nothing is credited for it); failed (given up after three days, for an operator to see).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeGuard

from core.billing.handlers import Ignored, handle
from core.billing.handling import Handling
from core.billing.payments import Contradiction
from core.billing.signatures import BadSignature, check_signature
from core.billing.stripe_facts import Object, UnreadableObject, moment
from core.billing.subscription_sync import NotOurs
from core.clock import Clock
from core.db import stripe_events_dao as dao
from core.db.engine import Database, Transaction
from core.db.stripe_events_dao import EventFigures, EventRow, NewEvent
from core.errors import AssayError, DatabaseUnavailable, NotConfigured, place_of
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject
from core.settings import Settings

LEASE = timedelta(minutes=5)
"""So long one process works on an event before another may."""
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60, 120, 240, 480, 720, 1440, 1440))
"""Waits between the attempts of one event; after the last it is given up."""
AT_ONCE, PRUNED_AT_ONCE = 100, 10_000
KEPT = timedelta(days=400)
"""So long an event that comes again is known."""
MAX_BODY_BYTES = 512 * 1024
MAX_SAID_CHARS = 500
NO_EVENT = "The body is no event of Stripe's."
UNSET = "Events of Stripe are switched off. Set STRIPE_WEBHOOK_SECRET."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _End:
    """How an attempt at an event ended."""

    state: str
    said: str | None = None


class StripeEvents:
    """Takes Stripe's events, and brings payments and subscriptions into line with them."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, handling: Handling) -> None:
        secret = settings.stripe_webhook_secret
        self._secret = secret.get_secret_value().strip() if secret else None
        self._database = database
        self._clock = clock
        self._handling = handling

    @property
    def is_configured(self) -> bool:
        """Whether events are taken at all."""
        return self._secret is not None

    def receive(self, body: bytes, signature: str | None) -> None:
        """Stores an event, whose body is as it came, and works on it. The same event again changes nothing.

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
            dao.add(connection, event)
        try:
            self.work_on(event.id)
        except DatabaseUnavailable:
            _log.warning("Stripe's event %s is stored, and worked on as soon as the database is back.", event.id)

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
        """Works on every event that is due, oldest first, and forgets those of long ago."""
        with self._database.service() as connection:
            waiting = dao.due(connection, most=AT_ONCE)
            dao.prune(connection, age=KEPT, most=PRUNED_AT_ONCE)
        for event_id in waiting:
            self.work_on(event_id)

    def figures(self) -> EventFigures:
        """How events fare, for operators."""
        with self._database.service() as connection:
            return dao.figures(connection)

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


def _record(connection: Transaction, row: EventRow, end: _End) -> None:
    """What was refused or given up stands in the audit log; what was done stands there by what it changed."""
    if end.state in ("refused", "failed"):
        after = {"type": row.type, "state": end.state, "said": end.said}
        subject = Subject("stripe_event", row.id)
        event = AuditEvent(None, None, "stripe", AuditAction.BILLING_EVENT_REFUSED, subject, after=after)
        Audit.record(connection, event)
