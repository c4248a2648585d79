"""Settings, keys of providers: who sees, adds, changes and revokes which, and that no page shows one again."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from core.accounts.encryption import UNENCRYPTED
from core.accounts.provider_keys import KeyDraft
from core.principal import Principal, Role
from core.workbench import Workbench
from pages.components.settings_keys import OURS
from tests.pages.signed_in import carry, confirm, open_page, open_session, press, words_of

if TYPE_CHECKING:
    from tests.conftest import MakeMember

PLAIN = "sk-proj-0123456789-WXYZ"
LAST_DAY = datetime.now(UTC).date() + timedelta(days=400)
ANOTHER = "sk-proj-another-one-0123"


def sign_in(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """Opens a session for somebody, and gives who the pages then see."""
    cookie = open_session(workbench, who)
    carry(cookie, monkeypatch)
    principal = workbench.accounts.principal_of_session(cookie)
    assert principal is not None
    return principal


@pytest.fixture
def olga(workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in owner."""
    return sign_in(workbench, member("olga", plan="team", org="Acme", role=Role.OWNER), monkeypatch)


def keys_page() -> AppTest:
    return open_page("settings.py", section="keys")


def fill(app: AppTest, **fields: str) -> AppTest:
    """Fills the text fields of the form for another key by their labels."""
    for label, value in fields.items():
        next(each for each in app.text_input if each.label == label).set_value(value)
    return app


def state_of(app: AppTest) -> str:
    """Everything that the page keeps in its session."""
    return str(vars(app.session_state._state))


def test_a_key_is_added_and_shown_by_its_last_four_characters_alone(workbench: Workbench, olga: Principal) -> None:
    app = keys_page()
    assert "No keys yet" in words_of(app)
    app.selectbox(key="settings_key_provider").set_value("openai")
    app.date_input(key="settings_key_expires_new").set_value(LAST_DAY)
    app.number_input(key="settings_key_limit_new").set_value(12.5)
    press(fill(app, Name="Research", Key=PLAIN), "Add key")
    assert not app.exception
    assert "The key is kept" in words_of(app)
    told = f"0.00 USD of 12.50 USD used this month · expires on {LAST_DAY.day} {LAST_DAY:%B %Y} · never used"
    assert f"OpenAI …WXYZ · {told}" in words_of(app)
    [row] = workbench.provider_keys.all(olga)
    assert (row.name, row.is_shared, row.limit_usd_month) == ("Research", False, Decimal("12.5"))
    assert row.expires_at == datetime.combine(LAST_DAY + timedelta(days=1), time(), ZoneInfo(olga.zone))
    app.run()
    assert PLAIN not in words_of(app) + state_of(app) + "".join(str(each.value) for each in app.text_input)


def test_a_key_that_cannot_be_is_refused_and_forgotten_by_the_page(workbench: Workbench, olga: Principal) -> None:
    app = keys_page()
    app.selectbox(key="settings_key_provider").set_value("openai")
    press(fill(app, Name="Research", Key="gsk_0123456789abcdef"), "Add key")
    assert "This looks like a key of Groq, not of OpenAI" in words_of(app)
    app.run()
    assert "gsk_0123456789abcdef" not in words_of(app) + state_of(app)
    assert next(each for each in app.text_input if each.label == "Name").value == "Research"
    assert workbench.provider_keys.all(olga) == []


def test_a_manager_adds_one_for_all_and_a_member_sees_it_without_a_button(
    workbench: Workbench, olga: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = keys_page()
    app.radio(key="settings_key_whose").set_value(OURS)
    app.selectbox(key="settings_key_provider").set_value("mistral")
    press(fill(app, Name="Ours", Key=PLAIN), "Add key")
    [row] = workbench.provider_keys.all(olga)
    assert row.is_shared
    assert [each.label for each in app.button if each.label in ("Change", "Revoke")] == ["Change", "Revoke"]
    sign_in(workbench, member("ann", plan="team", org="Acme", role=Role.ANALYST), monkeypatch)
    app = keys_page()
    assert "Keys of Acme" in words_of(app) or "Keys of Acme" in [each.value for each in app.header]
    assert "Mistral …WXYZ" in words_of(app)
    assert not [each for each in app.button if each.label in ("Change", "Revoke")]
    assert not app.radio


def test_a_key_is_revoked_after_a_question(workbench: Workbench, olga: Principal) -> None:
    key_id = workbench.provider_keys.add(olga, KeyDraft("openai", "Research", SecretStr(PLAIN)))
    app = confirm(keys_page(), f"settings_key_revoke_{key_id}")
    assert "The key is revoked" in words_of(app)
    assert "Revoked" in words_of(app)
    assert workbench.provider_keys.usable(olga) == []


def test_a_key_is_changed_and_replaced(workbench: Workbench, olga: Principal) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=90)
    draft = KeyDraft("openai", "Research", SecretStr(PLAIN), expires_at=expires_at, limit_usd_month=Decimal(5))
    key_id = workbench.provider_keys.add(olga, draft)
    app = keys_page()
    app.button(key=f"settings_key_change_{key_id}").click().run()
    app.text_input(key=f"settings_key_name_{key_id}").set_value("Renamed")
    app.text_input(key=f"settings_key_secret_{key_id}_0").set_value(ANOTHER)
    next(each for each in app.button if each.label == "Save key").click()
    app.button(key=f"settings_key_change_{key_id}").click().run()  # the dialog stays open
    assert not app.exception
    [row] = workbench.provider_keys.all(olga)
    assert (row.name, row.last_four, row.limit_usd_month) == ("Renamed", "0123", Decimal(5))
    assert row.expires_at == expires_at


def test_the_limit_and_the_last_day_of_a_key_are_taken_away(workbench: Workbench, olga: Principal) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=90)
    draft = KeyDraft("openai", "Research", SecretStr(PLAIN), expires_at=expires_at, limit_usd_month=Decimal(5))
    key_id = workbench.provider_keys.add(olga, draft)
    app = keys_page()
    app.button(key=f"settings_key_change_{key_id}").click().run()
    app.number_input(key=f"settings_key_limit_{key_id}").set_value(None)
    app.date_input(key=f"settings_key_expires_{key_id}").set_value(None)
    next(each for each in app.button if each.label == "Save key").click()
    app.button(key=f"settings_key_change_{key_id}").click().run()
    assert not app.exception
    [row] = workbench.provider_keys.all(olga)
    assert (row.limit_usd_month, row.expires_at) == (None, None)


def test_a_viewer_may_keep_none_and_is_told_who_can_help(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(workbench, member("vic", plan="team", org="Acme", role=Role.VIEWER), monkeypatch)
    app = keys_page()
    assert "You may not keep keys" in words_of(app)
    assert not app.text_input


def test_where_keys_cannot_be_encrypted_the_page_says_what_is_missing(
    workbench: Workbench, olga: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench.provider_keys, "_encryption", UNENCRYPTED)
    app = keys_page()
    assert "ENCRYPTION_KEYS" in words_of(app)
    assert not app.text_input


def test_a_name_with_markup_is_shown_as_it_is(workbench: Workbench, olga: Principal) -> None:
    hostile = "<b>Bob</b> [x](http://evil.example) $a$"
    workbench.provider_keys.add(olga, KeyDraft("openai", hostile, SecretStr(PLAIN)))
    app = keys_page()
    assert hostile in words_of(app)
    assert not any(hostile in part.value for part in app.html)
