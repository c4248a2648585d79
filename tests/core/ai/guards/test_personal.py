"""Personal data and secrets: all that is planted is found, and nothing of a financial text is touched."""

from __future__ import annotations

import pytest

from core.ai.guards.personal import found_in
from tests.core.ai.guards.texts import Planted, benign_texts, planted, shipped_texts


@pytest.mark.parametrize("each", planted(), ids=[f"planted-{at}" for at in range(len(planted()))])
def test_what_is_planted_is_found_and_nothing_else(each: Planted) -> None:
    found = tuple((span.kind, each.text[span.start : span.end]) for span in found_in(each.text))
    assert found == each.found


def test_financial_texts_come_through_unchanged() -> None:
    touched = [(text, found) for text in benign_texts() if (found := found_in(text))]
    assert touched == []


def test_shipped_texts_come_through_unchanged() -> None:
    touched = [(span.kind, text[span.start : span.end]) for text in shipped_texts() for span in found_in(text)]
    assert touched == []


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "4200 4250 4300 4350",
        "DE89 3704 0044 0532 0130 01",
        "SSN 000-12-3456",
        "Steuer-ID 86 095 742 718",
        "DNI 54362315L",
        "sk-learn-contrib-is-a-name",
        "postgresql://user:password@localhost/db",
        "eyJhYmNkZWZnaGlqa2xtbm9wcXJz",
        "-----BEGIN PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPL",
        "risk-0123456789abcdef0123456789abcdef",
        "bearer bond of 1,000,000",
        "@jane on X",
        "git@github.com:acme/assay.git",
    ],
)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert found_in(text) == []
