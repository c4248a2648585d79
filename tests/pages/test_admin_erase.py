"""Admin, People: an operator erases somebody, once their address was typed."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.accounts.erasure import ERASED_DOMAIN
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.ops.audited_scene import Connection
from tests.pages.signed_in import carry, open_page, open_session, press, words_of

FIELD = "Their e-mail address, to confirm"


@pytest.fixture
def bob(member: MakeMember) -> Principal:
    """An analyst of Acme, which Ann owns."""
    member("ann", plan="team", org="Acme")
    return member("bob", plan="team", org="Acme", role=Role.ANALYST)


def _people(workbench: Workbench, monkeypatch: pytest.MonkeyPatch, *, is_operator: bool) -> AppTest:
    """People of Acme as its owner finds them, who runs the installation or does not."""
    ann = workbench.directory.member("ann@test.example", "Acme")
    if is_operator:
        workbench.directory.add_user(ann.email, org_name="Acme", plan="team", role=Role.OWNER, is_operator=True)
    carry(open_session(workbench, ann), monkeypatch)
    return open_page("admin.py", section="people")


def _typed(app: AppTest, opener: str, address: str) -> AppTest:
    """Types an address into the dialog, and sends it; here a dialog is open in one run alone."""
    app.button(key=opener).click().run()
    next(each for each in app.text_input if each.label == FIELD).set_value(address)
    app.button(key=opener).click()
    return press(app, "Erase for good")


def test_an_operator_types_the_address_and_the_person_is_erased(
    workbench: Workbench, bob: Principal, monkeypatch: pytest.MonkeyPatch, service: Connection
) -> None:
    app = _people(workbench, monkeypatch, is_operator=True)
    opener = f"admin_people_{bob.org_id.hex}_{bob.user_id.hex}_erase"
    told = words_of(app.button(key=opener).click().run())
    assert "Goes, in every organisation:" in told
    assert "Stays, by “Erased person”:" in told
    app = _typed(app, opener, "ann@test.example")
    assert "This is not their address; nothing was erased." in words_of(app)
    assert workbench.directory.has_user(bob.email)

    app = _typed(app, opener, " BOB@test.example ")

    assert "The person is erased" in words_of(app)
    assert not workbench.directory.has_user(bob.email)
    assert bob.email not in words_of(app)
    kept = service.execute("SELECT email FROM users WHERE id = %s", (bob.user_id,)).fetchone()
    assert kept == (f"erased-{bob.user_id.hex[-12:]}@{ERASED_DOMAIN}",)
    line = service.execute(
        "SELECT actor_kind, subject_id, address_hash IS NOT NULL FROM audit_events WHERE action = 'user.erased'"
    ).fetchone()
    assert line == ("operator", str(bob.user_id), True)


def test_what_stands_against_it_is_said_and_managers_have_no_such_button(
    workbench: Workbench, bob: Principal, monkeypatch: pytest.MonkeyPatch, member: MakeMember
) -> None:
    app = _people(workbench, monkeypatch, is_operator=False)
    assert "Erase" not in {button.label for button in app.button}
    eve = member("eve", plan="team", org="Borealis")
    member("fay", plan="team", org="Borealis", role=Role.VIEWER)
    app = _people(workbench, monkeypatch, is_operator=True)
    app = app.button_group(key="admin_reach").set_value("Everything").run()
    keys = {button.key for button in app.button if button.label == "Erase"}
    assert len(keys) == 3, "not their own row"
    app = _typed(app, f"admin_people_{eve.org_id.hex}_{eve.user_id.hex}_erase", eve.email)
    assert "Borealis would be left without an owner: make another of its members an owner first." in words_of(app)
    assert workbench.directory.has_user(eve.email)
