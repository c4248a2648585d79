"""Admin, the audit log: managers see what was done in their organisation, before and after, and check the seals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.principal import Principal, Role
from core.settings import ROOT
from core.workbench import Workbench
from pages.components import session
from tests.conftest import MakeMember
from tests.core.ops.audit_made import record, superuser

MAIN = str(ROOT / "pages" / "main.py")


def _open(principal: Principal, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(session, "current_principal", lambda: principal)
    app = AppTest.from_file(MAIN, default_timeout=30).run()
    app.query_params["section"] = "audit"
    return app.switch_page("admin.py").run()


def _words(app: AppTest) -> str:
    return " ".join(part.value for part in (*app.markdown, *app.text, *app.caption)).replace("\\", "")


def test_an_admin_sees_who_changed_what_and_checks_the_seals(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    ann, bob = member("ann", org="Acme", plan="team"), member("bob", org="Acme", plan="team", role=Role.ANALYST)
    record(workbench.database, None, 1)
    workbench.members.set_role(replace(ann, via="session"), bob.user_id, Role.VIEWER)

    app = _open(replace(ann, via="session"), monkeypatch)

    assert not app.exception
    words = _words(app)
    assert "Members: role changed" in words
    assert "by ann · bob" in words
    assert "role: analyst → viewer" in [expander.label.replace("\\", "") for expander in app.expander]
    sides = app.dataframe[0].value
    assert list(sides.iloc[0]) == ["role", "analyst", "viewer"]

    app.button(key="admin_audit_check").click().run()
    assert "Everything is as it was sealed" in app.success[0].value

    with superuser(database_url) as above:
        above.execute("UPDATE audit_events SET subject_id = 'x' WHERE action = 'member.role_changed'")
    app.button(key="admin_audit_check").click().run()
    assert "1 difference between the log and its seals" in app.error[0].value


def test_what_is_looked_for_narrows_the_lines(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = replace(member("ann", org="Acme", plan="team"), via="session")
    record(workbench.database, ann.org_id, 2)
    app = _open(ann, monkeypatch)
    app.selectbox(key="admin_audit_area").select("member").run()
    words = _words(app)
    assert "Members: joined" in words
    assert "Organisations: changed" not in words
    app.text_input(key="admin_audit_person").input("nobody of that name").run()
    assert "Nothing found" in _words(app)
    assert not app.exception


def test_a_file_is_made_and_can_be_fetched(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = replace(member("ann", org="Acme", plan="team"), via="session")
    record(workbench.database, ann.org_id, 2)
    app = _open(ann, monkeypatch)
    app.button(key="admin_audit_make_jsonl").click().run()
    assert not app.exception
    assert app.session_state["admin_audit_file"][0] == "jsonl"
    assert b"organisation.changed" in app.session_state["admin_audit_file"][1]


def test_the_installation_is_shown_to_operators_who_ask_for_everything(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    olga = replace(member("olga"), via="session", is_operator=True)
    record(workbench.database, None, 1)
    app = _open(olga, monkeypatch)
    assert "installation" not in _words(app)
    app.segmented_control(key="admin_reach").set_value("Everything").run()
    assert not app.exception
    assert "installation" in _words(app)
