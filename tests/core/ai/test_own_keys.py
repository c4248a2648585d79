"""Own keys on their way to a provider on a socket: who is asked with which, what it costs, and who is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from core.accounts.encryption import Encryption
from core.accounts.provider_keys import KeyChange, KeyDraft, ProviderKeys, UsableKey
from core.ai import own_keys as module
from core.ai.answer import Answer, Question
from core.ai.own_keys import FRESH_S, OwnKeys
from core.ai.providers.contract import ChatRequest, Message, Provider, TimeLimits
from core.ai.providers.registry import ADAPTERS
from core.db.engine import Database
from core.errors import Forbidden, MeteringDenied, NotConfigured, ProviderRefusedKey
from core.metering.books import audit
from core.ops.notifications import Notifications
from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, make_settings, member_factory
from tests.core.metering.factories import own_key
from tests.fakes.chat_server import ChatServer

Service = psycopg.Connection[tuple[object, ...]]
MODEL = "gpt-4o-mini"
PLAIN = "sk-proj-0123456789-WXYZ"
HONEST = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
HONEST_COST = Decimal("0.000021000")  # 100 x 0.15 + 10 x 0.60 USD per million
REQUEST = ChatRequest("a-model", (Message("user", "Hello"),), 8, None)
LIMITS = TimeLimits(1, 1, 1, 1)


def draft(**changes: Any) -> KeyDraft:
    """A key of OpenAI's."""
    return replace(KeyDraft("openai", "Research", SecretStr(PLAIN)), **changes)


def question(text: str = "What is duration?", **changes: Any) -> Question:
    """A question to the scripted server's model."""
    return replace(Question(messages=(Message("user", text),), model=MODEL, max_tokens=64), **changes)


def ask(live: Workbench, who: Principal, text: str = "What is duration?", **changes: Any) -> Answer:
    """Asks and waits for the whole answer."""
    return live.gateway.session(who, question(text, **changes)).result()


def rows(service: Service, statement: str) -> list[tuple[object, ...]]:
    """What a statement finds."""
    return service.execute(statement).fetchall()


def keys_sent(chat_server: ChatServer) -> list[str]:
    """The keys that the provider was shown."""
    return [each.headers["authorization"].removeprefix("Bearer ") for each in chat_server.requests]


@pytest.fixture(params=["", "sk-of-the-platform"], ids=["no key of the platform", "a key of the platform"])
def live(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, chat_server: ChatServer
) -> Iterator[Workbench]:
    """A workbench whose OpenAI is the scripted server, with and without a key of the platform's."""
    settings = make_settings(database_url, tmp_path, OPENAI_API_KEY=request.param, OPENAI_BASE_URL=chat_server.base_url)
    with closing(open_workbench(settings)) as opened:
        yield opened
        assert audit(opened.database).differences == []


@pytest.fixture
def ann(live: Workbench) -> Principal:
    """An owner."""
    return member_factory(live)("ann", org="Acme", plan="basic", role="owner")


@pytest.fixture
def bob(live: Workbench, ann: Principal) -> Principal:
    """A colleague."""
    return member_factory(live)("bob", org="Acme", plan="basic", role="analyst")


def test_a_provider_is_asked_with_the_callers_key_alone_which_is_charged_nothing_and_counted(
    live: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer, service: Service
) -> None:
    live.provider_keys.add(ann, draft())
    chat_server.reply(usage=HONEST)
    assert ask(live, ann).cost_usd == 0
    assert keys_sent(chat_server) == [PLAIN]
    assert rows(service, "SELECT used_usd, held_usd FROM provider_keys") == [(HONEST_COST, 0)]
    assert rows(service, "SELECT own_key, charged_usd, cost_usd FROM usage_log") == [(True, 0, HONEST_COST)]
    assert rows(service, "SELECT chat_query_used, charge_usd_used FROM member_meters") == [(1, 0)]
    if "openai" not in live.providers:
        with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
            ask(live, bob)


def test_a_members_key_goes_before_the_organisations(
    live: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer
) -> None:
    live.provider_keys.add(ann, draft(is_shared=True, secret=SecretStr("sk-of-the-organisation")))
    live.provider_keys.add(ann, draft())
    chat_server.reply(usage=HONEST)
    ask(live, ann)
    ask(live, bob, "What is convexity?")
    assert keys_sent(chat_server) == [PLAIN, "sk-of-the-organisation"]


def test_a_key_that_its_provider_does_not_accept_is_told_to_its_owner_and_never_replaced(
    live: Workbench, ann: Principal, bob: Principal, chat_server: ChatServer, service: Service
) -> None:
    live.provider_keys.add(ann, draft())
    chat_server.reply(status=401)
    with pytest.raises(ProviderRefusedKey) as refused:
        ask(live, ann)
    assert refused.value.detail == ("Your key Research (…WXYZ) was not accepted by OpenAI; replace it in Settings.")
    assert keys_sent(chat_server) == [PLAIN]
    assert [row.title for row in live.notifications.page(ann)] == [
        "Your OpenAI key Research (…WXYZ) was not accepted by OpenAI."
    ]
    live.provider_keys.add(ann, draft(is_shared=True))
    chat_server.reply(status=401)
    with pytest.raises(ProviderRefusedKey, match=r"^Your organisation's key Research \(…WXYZ\) was not accepted"):
        ask(live, bob)
    assert rows(service, "SELECT chat_query_used, request_used FROM member_meters") == [(0, 0), (0, 0)]
    chat_server.reply(usage=HONEST)
    ask(live, ann)
    assert rows(service, "SELECT refused_at FROM provider_keys WHERE NOT is_shared") == [(None,)]


def test_a_key_is_called_within_its_monthly_limit_alone(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    live.provider_keys.add(ann, draft(limit_usd_month=Decimal(0)))
    with pytest.raises(MeteringDenied) as denied:
        ask(live, ann)
    assert (denied.value.denial.metric, denied.value.http_status) == ("key_limit_usd_month", 402)
    assert chat_server.requests == []
    assert rows(service, "SELECT count(*) FROM holds") == [(0,)]


def test_a_revoked_key_stops_at_once_here_and_reserve_refuses_it_elsewhere(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    key_id = live.provider_keys.add(ann, draft())
    chat_server.reply(usage=HONEST)
    ask(live, ann)
    service.execute("UPDATE provider_keys SET revoked_at = assay_now(), secret = NULL")  # as another process does
    with pytest.raises(Forbidden, match="revoked or has expired"):
        ask(live, ann, "What is convexity?")
    service.execute("UPDATE provider_keys SET revoked_at = NULL, secret = 'x'")
    live.provider_keys.revoke(ann, key_id)
    assert live.ai.own_keys.of(ann) == {}
    assert len(chat_server.requests) == 1


def test_what_an_organisation_does_for_itself_is_not_paid_by_a_member(live: Workbench, ann: Principal) -> None:
    live.provider_keys.add(ann, draft())
    assert [*live.ai.own_keys.of(ann)] == ["openai"]
    assert live.ai.own_keys.of(ann, only_shared=True) == {}
    live.provider_keys.add(ann, draft(is_shared=True, name="Ours"))
    assert live.ai.own_keys.of(ann)["openai"].name == "Research"
    assert live.ai.own_keys.of(ann, only_shared=True)["openai"].name == "Ours"


class Adapter:
    """Stands for a provider's adapter."""

    name, is_offline = "openai", False

    def __init__(self, _host: object, key: SecretStr, _base_url: str) -> None:
        self.key = key.get_secret_value()
        self.is_closed = False

    def close(self) -> None:
        """Is told."""
        self.is_closed = True


@dataclass
class Bench:
    """Own keys of a process, with a clock and adapters that are counted."""

    keys: ProviderKeys
    own_keys: OwnKeys
    made: list[Adapter]
    now: float = 0.0


@pytest.fixture
def bench(database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Of a process beside that of the key service."""
    made: list[Adapter] = []

    def adapter(*given: Any) -> Adapter:
        made.append(Adapter(*given))
        return made[-1]

    monkeypatch.setitem(ADAPTERS, "openai", lambda: adapter)
    encryption = Encryption([Fernet.generate_key().decode()])
    notifications, providers = Notifications(database), {"openai": "OpenAI", "xai": "xAI", "mistral": "Mistral"}
    here, there = (ProviderKeys(database, encryption, notifications, providers=providers) for _ in range(2))
    settings = make_settings(database_url, tmp_path)
    opened = Bench(there, OwnKeys(here, settings, monotonic=lambda: opened.now), made)
    return opened


def provider_of(bench: Bench, who: Principal, name: str = "openai") -> Provider:
    """The adapter that somebody's key is asked by."""
    return bench.own_keys.of(who)[name].provider


def test_keys_are_read_every_few_seconds_and_no_more(
    bench: Bench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann", plan="team", role="owner")
    reads: list[Principal] = []
    usable = ProviderKeys.usable

    def read(self: ProviderKeys, who: Principal) -> list[UsableKey]:
        reads.append(who)
        return usable(self, who)

    monkeypatch.setattr(ProviderKeys, "usable", read)
    assert bench.own_keys.of(ann) == {}
    bench.keys.add(ann, draft())
    bench.now = FRESH_S - 0.1
    assert (bench.own_keys.of(ann), len(reads)) == ({}, 1)
    bench.now = FRESH_S
    first = provider_of(bench, ann)
    assert len(reads) == 2
    bench.now = 3 * FRESH_S
    assert provider_of(bench, ann) is first
    assert [each.key for each in bench.made] == [PLAIN]
    assert PLAIN not in repr(bench.own_keys.of(ann))


def test_another_secret_in_the_place_of_a_key_has_another_adapter(bench: Bench, member: MakeMember) -> None:
    ann = member("ann", plan="team", role="owner")
    key_id = bench.keys.add(ann, draft())
    first = provider_of(bench, ann)
    bench.keys.change(ann, key_id, KeyChange("Research", None, None, SecretStr("sk-proj-another-0123")))
    bench.now = FRESH_S
    assert provider_of(bench, ann) is not first
    assert [each.key for each in bench.made] == [PLAIN, "sk-proj-another-0123"]


def test_adapters_are_few_and_closed_when_no_call_can_be_under_way_on_them(
    bench: Bench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ADAPTERS", 2)
    ann = member("ann", plan="team", role="owner")
    for name in ("openai", "xai"):
        bench.keys.add(ann, draft(provider=name, secret=SecretStr(f"a-key-of-{name}")))
    bench.own_keys.of(ann)
    bench.keys.add(ann, draft(provider="mistral", secret=SecretStr("a-key-of-mistral")))
    bench.now = FRESH_S
    bench.own_keys.of(ann)
    assert not any(each.is_closed for each in bench.made)
    bob = member("bob", plan="team", role="owner")
    bench.keys.add(bob, draft())
    bench.now = 200.0
    bench.own_keys.of(bob)
    assert [each.is_closed for each in bench.made].count(True) >= 1
    bench.own_keys.close()
    assert all(each.is_closed for each in bench.made)


def test_many_at_once_share_one_adapter(bench: Bench, member: MakeMember) -> None:
    ann = member("ann", plan="team", role="owner")
    bench.keys.add(ann, draft())
    found: list[Provider] = []
    threads = [threading.Thread(target=lambda: found.append(provider_of(bench, ann))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(provider) for provider in found}) == 1


def test_a_key_that_cannot_be_read_stands_for_its_provider_and_refuses(
    bench: Bench, member: MakeMember, service: Service
) -> None:
    ann = member("ann", plan="team", role="owner")
    own_key(service, ann, secret=b"under another key")
    key = bench.own_keys.of(ann)["openai"]
    assert key.flaw == "Your key A key (…abcd) cannot be read any more; enter it again in Settings."
    assert (key.provider.name, key.provider.is_offline, bench.made) == ("openai", False, [])
    stream = key.provider.chat(REQUEST, LIMITS)
    with pytest.raises(ProviderRefusedKey, match="enter it again in Settings"):
        next(iter(stream))
    assert not stream.was_sent
    stream.abort()
    stream.close()
    key.provider.close()


def test_a_viewer_has_no_keys(bench: Bench, member: MakeMember) -> None:
    ann = member("ann", org="Acme", plan="team", role="owner")
    bench.keys.add(ann, draft(is_shared=True))
    assert bench.own_keys.of(member("vic", org="Acme", plan="team", role="viewer")) == {}
