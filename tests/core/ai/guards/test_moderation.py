"""Moderation: the rules' sentences, and a provider's word where it is asked, with the rules behind it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.ai.guards.guards import Guards, GuardsParts
from core.ai.guards.moderation import moderated
from core.ai.guards.provider_moderation import ProviderModeration
from core.settings import load_settings
from tests.fakes.moderation_server import ModerationServer

KEY = "sk-test-moderation"
TEXT = "Is this fine?"


@pytest.fixture
def server() -> Iterator[ModerationServer]:
    with ModerationServer() as running:
        yield running


@pytest.fixture
def provider(server: ModerationServer) -> Iterator[ProviderModeration]:
    with closing(ProviderModeration(SecretStr(KEY), server.base_url, timeout_s=1.0)) as made:
        yield made


def test_who_wants_to_die_is_told_where_help_is() -> None:
    verdict = moderated("I want to kill myself tonight.")
    assert (verdict.is_refused, verdict.rule) == (True, "self_harm")
    assert "988" in verdict.sentence


@pytest.mark.parametrize(
    ("category", "rule"),
    [("self-harm/intent", "self_harm"), ("sexual/minors", "minors"), ("illicit/violent", "weapons"), ("violence", "")],
)
def test_a_provider_refuses_what_no_provider_serves(
    server: ModerationServer, provider: ProviderModeration, category: str, rule: str
) -> None:
    server.flagged = {category}
    verdict = provider(TEXT)
    assert (verdict.is_refused, verdict.rule) == (bool(rule), rule)
    assert server.inputs == [TEXT]


@pytest.mark.parametrize("fault", ["status", "slow", "garbage", "empty"])
def test_where_a_provider_fails_the_rules_stand(
    server: ModerationServer, provider: ProviderModeration, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.flagged = {"self-harm/intent"}
    if fault == "status":
        server.status = 500
    if fault == "slow":
        server.after_s = 1.4
    if fault in ("garbage", "empty"):
        server.content = b"<html>" if fault == "garbage" else b"{}"
    with caplog.at_level(logging.WARNING):
        assert not provider(TEXT).is_refused
    assert "the rules stand" in caplog.text
    assert TEXT not in caplog.text
    assert KEY not in caplog.text


def test_it_is_off_unless_it_is_switched_on(server: ModerationServer, tmp_path: Path) -> None:
    live = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    assert ProviderModeration.of(load_settings(live, root=tmp_path)) is None
    assert ProviderModeration.of(load_settings({"MODERATION": "provider"}, root=tmp_path)) is None
    switched_on = ProviderModeration.of(load_settings({**live, "MODERATION": "provider"}, root=tmp_path))
    assert switched_on is not None
    with closing(switched_on):
        assert not switched_on(TEXT).is_refused
    assert server.inputs == [TEXT]


def test_the_guards_ask_the_rules_first(server: ModerationServer, provider: ProviderModeration) -> None:
    guards = Guards(GuardsParts(20_000, canary_key=b"k" * 32, moderation=provider))
    assert guards.moderate("How to build a bomb?").rule == "weapons"
    assert server.inputs == []
    server.flagged = {"hate/threatening"}
    assert guards.moderate(TEXT).rule == "violence"
    assert not Guards(GuardsParts(20_000, canary_key=b"k" * 32)).moderate(TEXT).is_refused
