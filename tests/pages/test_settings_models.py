"""Which models an organisation asks, as its managers set it and its members read it."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.pages.signed_in import carry, open_page, open_session, press, words_of

MODEL, OTHER = "gpt-4o-mini", "gpt-4o"


def _settings(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    carry(open_session(workbench, who), monkeypatch)
    return open_page("settings.py", section="organisation")


def _field(fields: Any, label: str) -> Any:
    return next(field for field in fields if field.label == label)


def test_managers_set_providers_models_and_the_default(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = member("eve", org="Acme", plan="team", role=Role.ADMIN)
    app = _settings(workbench, eve, monkeypatch)
    _field(app.radio, "Providers that members may ask").set_value("Only these")
    _field(app.multiselect, "Allowed providers").set_value(["openai", "groq"])
    _field(app.radio, "Models that members may ask").set_value("Only these")
    _field(app.multiselect, "Allowed models").set_value([MODEL, OTHER])
    _field(app.selectbox, "Default model of the organisation").set_value(MODEL)
    press(app, "Save organisation")
    kept = workbench.profiles.organisation(eve)
    assert (kept.allowed_providers, kept.allowed_models) == (("groq", "openai"), (OTHER, MODEL))
    assert (kept.default_model, kept.asks_models) == (MODEL, True)
    assert _field(app.multiselect, "Allowed providers").value == ["groq", "openai"]


def test_models_are_switched_off_and_members_read_so(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = member("eve", org="Acme", plan="team", role=Role.OWNER)
    app = _settings(workbench, eve, monkeypatch)
    _field(app.toggle, "Members may ask models of providers").set_value(False)
    press(app, "Save organisation")
    assert not workbench.profiles.organisation(eve).asks_models
    ann = member("ann", org="Acme", plan="team", role=Role.ANALYST)
    assert "Switched off: questions are answered from the offline glossary alone" in words_of(
        _settings(workbench, ann, monkeypatch)
    )


@pytest.mark.parametrize("what", ["Providers", "Models"])
def test_only_these_means_at_least_one(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    eve = member("eve", org="Acme", plan="team", role=Role.OWNER)
    app = _settings(workbench, eve, monkeypatch)
    _field(app.radio, f"{what} that members may ask").set_value("Only these")
    press(app, "Save organisation")
    assert f"Allow at least one {what[:-1].lower()}, or all of them" in words_of(app)


def test_a_default_that_is_not_allowed_is_refused(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = member("eve", org="Acme", plan="team", role=Role.OWNER)
    app = _settings(workbench, eve, monkeypatch)
    _field(app.radio, "Models that members may ask").set_value("Only these")
    _field(app.multiselect, "Allowed models").set_value([OTHER])
    _field(app.selectbox, "Default model of the organisation").set_value(MODEL)
    press(app, "Save organisation")
    assert "has to be one of the models that are allowed" in words_of(app)
    assert workbench.profiles.organisation(eve).default_model is None


def test_members_read_what_is_allowed(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann", org="Acme", plan="team", role=Role.ANALYST)
    told = words_of(_settings(workbench, ann, monkeypatch))
    assert "Providers" in told
    assert "All that are set up" in told
