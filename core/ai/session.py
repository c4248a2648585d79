"""An answer on its way to one reader: given by the cache, by a call of its own, or by one that it follows."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol
from uuid import UUID

from core.ai.answer import Answer
from core.ai.call import Call
from core.ai.evidence import Step
from core.ai.feed import Event
from core.ai.providers.contract import Delta
from core.errors import AssayError, ProviderBroke
from core.metering.meter import Hold

READ_WAIT_S = 1.0
LOOK_EVERY_S = 0.1


class Source(Protocol):
    """Where a session's answer comes from."""

    @property
    def model(self) -> str:
        """Id of the model that answers."""
        ...

    @property
    def hold(self) -> Hold | None:
        """The reservation of a call of one's own."""
        ...

    def events(self) -> Iterator[Delta | Step | Answer]:
        """Steps and deltas, then one answer.

        Raises:
            AssayError: the answer failed.
        """
        ...

    def start(self) -> None:
        """Has done in another thread what is to be done for the answer, as far as it is this request's to do."""
        ...

    def run(self, asks_provider: Callable[[], None]) -> None:
        """Does it here; then `events` tells what came of it. `asks_provider` is called when a provider is asked."""
        ...

    def leave(self) -> None:
        """The reader is gone. From any thread, any number of times."""
        ...


def _nothing() -> None:
    pass


class Session(AbstractContextManager["Session"]):
    """An answer on its way to one reader: iterate for its text, or over `pieces`, then read `answer`.

    A reader who leaves the `with` block, or lets the session go, before the end leaves the call; where nobody else
    waits for it, it is settled by the rule of cut streams without them.
    """

    def __init__(self, request_id: UUID, source: Source) -> None:
        self.request_id = request_id
        self.answer: Answer | None = None
        """The answer, once the iteration has ended without an error."""
        self._source = source
        weakref.finalize(self, source.leave)

    @property
    def model(self) -> str:
        """Id of the model that answers; of several candidates, certain from the first piece of text on."""
        return self.answer.model if self.answer is not None else self._source.model

    @property
    def hold(self) -> Hold | None:
        """The reservation of a call under way, with quota and rate as they stood; None for an answer that is free."""
        return self._source.hold

    def __iter__(self) -> Iterator[str]:
        """The text as it comes, in pieces.

        Raises:
            AssayError: the answer failed; what came before it was yielded.
        """
        for piece in self.pieces():
            if isinstance(piece, str):
                yield piece

    def pieces(self) -> Iterator[str | Step]:
        """The text as it comes, and the steps on the way to it: each when it begins and again, under its number, when
        it ended. Of an answer that was there already, those that ended come before the text.

        Raises:
            AssayError: the answer failed; what came before it was yielded.
        """
        if self.answer is not None:
            return
        for event in self._source.events():
            if isinstance(event, Answer):
                self.answer = event
                return
            yield event.text if isinstance(event, Delta) else event

    def result(self, asks_provider: Callable[[], None] = _nothing) -> Answer:
        """The whole answer; what is to be done for it is done in this thread, unless it is under way.

        `asks_provider` is called when that comes to waiting for a provider.

        Raises:
            AssayError: the answer failed.
        """
        self._source.run(asks_provider)
        for _ in self:
            pass
        assert self.answer is not None
        return self.answer

    def cancel(self) -> None:
        """Leaves the answer; what came so far is settled, unless others wait for the rest."""
        self._source.leave()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()


class Given:
    """An answer that is there already."""

    hold = None

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def model(self) -> str:
        """Id of the model that answered."""
        return self._answer.model

    def events(self) -> Iterator[Delta | Step | Answer]:
        """Steps and text at once, then the answer."""
        yield from _whole(self._answer)

    def start(self) -> None:
        """Nothing is to be done."""

    def run(self, asks_provider: Callable[[], None]) -> None:
        """Nothing is to be done."""

    def leave(self) -> None:
        """Nobody is waiting."""


class Reading:
    """One reader's place in a call of this process."""

    def __init__(self, call: Call, *, until: float | None = None) -> None:
        self.call = call
        self._until = until
        """Monotonic second after which nothing is waited for any more, unless something came before."""
        self._inbox: SimpleQueue[Event] = SimpleQueue()
        self._has_left = False
        self._leaving = threading.RLock()
        call.feed.attach(self._inbox.put)

    @property
    def model(self) -> str:
        """Id of the model that is asked."""
        return self.call.model

    @property
    def hold(self) -> Hold | None:
        """The call's reservation."""
        return self.call.hold

    def events(self) -> Iterator[Delta | Step | Answer]:
        """What comes of the call, which runs in a thread of its own unless it ran already."""
        self.call.start()
        while True:
            try:
                event = self._inbox.get(timeout=READ_WAIT_S)
            except Empty:
                if self._until is not None and time.monotonic() >= self._until:
                    raise LeaderFailed("It is waited for no longer.") from None
                continue
            self._until = None
            if isinstance(event, AssayError):
                raise event
            yield event
            if isinstance(event, Answer):
                return

    def start(self) -> None:
        """Runs the call in a thread of its own, unless it runs already."""
        self.call.start()

    def run(self, asks_provider: Callable[[], None]) -> None:
        """Runs the call in this thread, unless it runs already."""
        self.call.run(asks_provider)

    def leave(self) -> None:
        """One reader less; whoever still reads here is told how it ends."""
        with self._leaving:
            if self._has_left:
                return
            self._has_left = True
        self.call.leave()


Leader = Callable[[], Answer | None]
"""Looks after a leader of another process: None while it runs, then its answer; raises where it brought none."""


class LeaderFailed(AssayError):
    """The call that was followed brought no answer that can be shared."""


class Distant:
    """A leader of another process, looked after until it has answered."""

    hold = None

    def __init__(self, model: str, *, look: Leader, on_leave: Callable[[], None], until: float) -> None:
        self.model = model
        self._look = look
        self._on_leave = on_leave
        self._until = until
        self._is_over = threading.Event()

    def events(self) -> Iterator[Delta | Step | Answer]:
        """Nothing for a while, then the whole text and the answer."""
        while (answer := self._look()) is None:
            if self._is_over.wait(LOOK_EVERY_S) or time.monotonic() >= self._until:
                raise LeaderFailed("It is waited for no longer.")
        self._is_over.set()
        yield from _whole(answer)

    def start(self) -> None:
        """It is another's to do."""

    def run(self, asks_provider: Callable[[], None]) -> None:
        """It is another's to do, and waited for like a provider."""
        asks_provider()

    def leave(self) -> None:
        """Waits no longer."""
        if not self._is_over.is_set():
            self._is_over.set()
            self._on_leave()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands: in a flight that another leads, or with a call of its own."""

    source: Source
    is_own: bool


class Following:
    """The same question as another that is being answered: its answer is shared, and free.

    Where the leader fails before anything was shown, or takes too long, the request takes another place: in the next
    flight, or with a call of its own.
    """

    def __init__(self, leader: Source, *, shared: Callable[[Answer], Answer], next_place: Callable[[], Place]) -> None:
        self._place = Place(leader, is_own=False)
        self._shared = shared
        self._next_place = next_place
        self._has_left = False
        self._switching = threading.RLock()

    @property
    def model(self) -> str:
        """Id of the model that answers."""
        return self._place.source.model

    @property
    def hold(self) -> Hold | None:
        """The reservation of a call of its own."""
        return self._place.source.hold if self._place.is_own else None

    def events(self) -> Iterator[Delta | Step | Answer]:
        """What comes of the leader, or of what takes its place.

        Raises:
            AssayError: the leader failed after it had begun; or the call that took its place did, or was refused.
        """
        while not self._place.is_own:
            has_begun = False
            try:
                for event in self._place.source.events():
                    if isinstance(event, Answer):
                        if event.state != "complete":
                            raise LeaderFailed("The answer was cut.")
                        yield self._shared(event)
                        return
                    has_begun = has_begun or isinstance(event, Delta)  # another's steps take the place of these
                    yield event
            except AssayError as error:
                if has_begun or self._has_left:
                    raise _broken(error) from error
            self._change_place()
        yield from self._place.source.events()

    def start(self) -> None:
        """It is another's to do."""

    def run(self, asks_provider: Callable[[], None]) -> None:
        """It is another's to do, and waited for like a provider."""
        asks_provider()

    def leave(self) -> None:
        """Waits no longer."""
        with self._switching:
            self._has_left = True
            source = self._place.source
        source.leave()

    def _change_place(self) -> None:
        self._place.source.leave()
        place = self._next_place()
        with self._switching:
            self._place = place
            has_left = self._has_left
        if has_left:
            place.source.leave()


def _whole(answer: Answer) -> Iterator[Delta | Step | Answer]:
    if answer.evidence is not None:
        yield from answer.evidence.steps
    if answer.text:
        yield Delta(answer.text)
    yield answer


def _broken(error: AssayError) -> AssayError:
    provider = getattr(error, "provider", "")
    return ProviderBroke("The answer ended before it was complete. It cost you nothing.", provider=provider)
