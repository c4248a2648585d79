"""What every provider keeps, whatever its wire format: one suite over the real adapters and the offline one."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from core.ai.providers.contract import Delta, Finish, Provider
from core.ai.providers.offline import OFFLINE, OFFLINE_MODEL, Offline
from core.ai.providers.registry import GLOSSARY
from core.errors import ProviderBroke
from tests.core.ai.providers.conftest import LIMITS, Reader, ask, events
from tests.core.ai.providers.vendors import CHAT_VENDORS, ChatVendor
from tests.fakes.scripted_server import ScriptedServer


@dataclass(frozen=True)
class Case:
    """A provider that answers, and how to make it slow or stop at a limit."""

    provider: Provider
    model: str
    be_slow: Callable[[], Provider]
    be_cut_at: Callable[[int], None]
    server: ScriptedServer | None = None
    """The other side, where there is one."""

    @property
    def calls(self) -> int:
        """How many calls left us."""
        return 0 if self.server is None else self.server.calls


@contextlib.contextmanager
def _online(vendor: ChatVendor[Provider]) -> Iterator[Case]:
    with vendor.served() as (provider, server):

        def be_slow() -> Provider:
            server.reply(hangs="between_tokens")
            return provider

        def be_cut_at(max_tokens: int) -> None:
            server.reply(text=" ".join(["word"] * max_tokens), finish_reason="length")

        yield Case(provider, "a-model", be_slow, be_cut_at, server)


@contextlib.contextmanager
def _offline() -> Iterator[Case]:
    yield Case(Offline(GLOSSARY), OFFLINE_MODEL, lambda: Offline(GLOSSARY, delay_s=20.0), lambda limit: None)


@pytest.fixture(params=[*CHAT_VENDORS, OFFLINE])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    with _offline() if request.param == OFFLINE else _online(CHAT_VENDORS[request.param]) as case:
        yield case


class TestEveryProvider:
    def test_sends_deltas_that_are_not_empty_and_then_one_finish(self, case: Case) -> None:
        *deltas, finish = list(case.provider.chat(ask(model=case.model), LIMITS))

        assert len(deltas) > 5
        assert all(isinstance(delta, Delta) and delta.text for delta in deltas)
        assert isinstance(finish, Finish)
        assert finish.reason == "stop"

    def test_sends_usage_with_the_finish_and_shows_it_on_the_stream(self, case: Case) -> None:
        stream = case.provider.chat(ask(model=case.model), LIMITS)
        _, finish = events(stream)

        assert finish.usage is not None
        assert finish.usage.prompt_tokens > 0
        assert finish.usage.completion_tokens > 0
        assert stream.usage == finish.usage

    def test_calls_nobody_before_the_first_event_is_asked_for(self, case: Case) -> None:
        stream = case.provider.chat(ask(model=case.model), LIMITS)
        stream.close()

        assert case.calls == 0

    def test_honours_max_tokens(self, case: Case) -> None:
        case.be_cut_at(4)
        deltas, finish = events(case.provider.chat(ask(model=case.model, max_tokens=4), LIMITS))

        assert finish.reason == "length"
        assert len(deltas) == 4
        assert case.server is None or re.search(r'": 4\b', json.dumps(case.server.requests[0].body))

    def test_abort_ends_the_iteration_at_once(self, case: Case) -> None:
        stream = case.be_slow().chat(ask(model=case.model), LIMITS)
        reader = Reader(stream)
        assert reader.has_begun.wait(10)

        stream.abort()
        stream.abort()
        reader.join()

        assert isinstance(reader.error, ProviderBroke)
        assert len(reader.events) == 1

    def test_a_stream_that_was_aborted_before_it_began_says_nothing(self, case: Case) -> None:
        stream = case.provider.chat(ask(model=case.model), LIMITS)
        stream.abort()

        with pytest.raises(ProviderBroke):
            list(stream)
        assert case.calls == 0

    def test_closing_is_harmless_at_any_time_and_any_number_of_times(self, case: Case) -> None:
        stream = case.provider.chat(ask(model=case.model), LIMITS)
        events(stream)

        for _ in range(2):
            stream.close()
            stream.abort()

    def test_an_answer_that_is_left_half_way_leaves_the_provider_usable(self, case: Case) -> None:
        stream = case.provider.chat(ask(model=case.model), LIMITS)
        next(iter(stream))
        stream.close()

        assert events(case.provider.chat(ask(model=case.model), LIMITS))[1].reason == "stop"
