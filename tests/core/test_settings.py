"""Settings: where they come from, and that the example names each."""

from __future__ import annotations

import re

import pytest

from core.ai.guards.provider_moderation import SWITCH
from core.settings import ROOT, Settings

TABLES = {"values", "auth"}
NAMES = sorted({name.upper() for name in Settings.model_fields if name not in TABLES} | {SWITCH})


@pytest.mark.parametrize("name", NAMES)
def test_the_example_names_every_setting_once_and_sets_none(name: str) -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    assert re.findall(rf"^(.*?){name}=", example, re.MULTILINE) == ["# "]
