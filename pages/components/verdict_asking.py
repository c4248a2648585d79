"""Validations that were begun at a page: they go on when it is left, and are found again when it is loaded anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from uuid import UUID

from core.errors import AssayError
from core.principal import Principal

MOST = 1_000
"""Validations that are remembered; the oldest is forgotten, and its verdict is stored all the same."""
REMEMBERED = timedelta(minutes=10)
"""What went wrong is shown to whoever comes back within this time."""

Who = tuple[UUID, UUID, UUID]
"""Organisation, user and signal."""


@dataclass(slots=True)
class Asking:
    """One of them."""

    since: datetime
    ended: Event = field(default_factory=Event)
    is_done: bool = False
    """Whether it brought a verdict."""
    error: AssayError | None = None
    """Why it brought none; None where it failed for a reason that the log alone has."""

    @property
    def is_over(self) -> bool:
        """Whether the answer came, or will not."""
        return self.ended.is_set()


_begun: OrderedDict[Who, Asking] = OrderedDict()
_lock = Lock()


def begin(principal: Principal, signal_id: UUID, validate: Callable[[], object]) -> Asking:
    """Lets it run on a thread of its own, unless this person's is already running."""
    who = _who(principal, signal_id)
    with _lock:
        running = _begun.get(who)
        if running is not None and not running.is_over:
            return running
        asking = _begun[who] = Asking(datetime.now(UTC))
        _begun.move_to_end(who)
        while len(_begun) > MOST:
            _begun.popitem(last=False)
    Thread(target=_run, args=(asking, validate), name="assay-validation", daemon=True).start()
    return asking


def found(principal: Principal, signal_id: UUID) -> Asking | None:
    """The one that runs, or failed a while ago; None where there is neither."""
    with _lock:
        asking = _begun.get(_who(principal, signal_id))
    if asking is None or asking.is_done:
        return None
    return None if asking.is_over and datetime.now(UTC) - asking.since > REMEMBERED else asking


def _who(principal: Principal, signal_id: UUID) -> Who:
    return principal.org_id, principal.user_id, signal_id


def _run(asking: Asking, validate: Callable[[], object]) -> None:
    try:
        validate()
        asking.is_done = True
    except AssayError as error:
        asking.error = error
    finally:
        asking.ended.set()
