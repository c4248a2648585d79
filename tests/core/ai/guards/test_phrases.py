"""The rules for orders: what each needs, so that a text without any of it is looked through once."""

from __future__ import annotations

from core.ai.guards.foreign_phrases import FOREIGN
from core.ai.guards.injection import score
from core.ai.guards.outside_phrases import OUTSIDE
from core.ai.guards.phrases import ENGLISH


def test_every_rule_needs_something() -> None:
    assert [rule for rule in (*ENGLISH, *FOREIGN, *OUTSIDE) if not rule.needles or not all(rule.needles)] == []


def test_a_text_without_what_rules_need_gives_no_orders() -> None:
    assert score("What is risk?") == score("What is risk?", is_outside=True) == 0
