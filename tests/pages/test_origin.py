"""What is done at a page has its address on the audit log, whatever of the page runs: its keyed hash."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from core.ops.audit import Audit
from core.ops.origin import NOWHERE, origin
from core.workbench import Workbench
from pages.components import session
from tests.conftest import MakeMember
from tests.pages.signed_in import ADDRESS, MAIN

LINES = text("SELECT action, encode(address_hash, 'hex') FROM audit_events WHERE action = ANY (:actions) ORDER BY seq")


@pytest.fixture(autouse=True)
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that nobody is signed in with."""
    monkeypatch.setattr(session, "caller", lambda: session.Caller(session=None, address=ADDRESS))


def _lines(workbench: Workbench, *actions: str) -> tuple[list[tuple[str, str | None]], str]:
    """The lines of these kinds, and what stands for the browser's address."""
    with workbench.database.service() as connection:
        rows = [tuple(row) for row in connection.execute(LINES, {"actions": list(actions)})]
        return rows, Audit.pseudonym(connection, ADDRESS)


def test_a_wrong_password_at_the_page_tells_its_address(workbench: Workbench, member: MakeMember) -> None:
    ann = member("ann", password="correct horse battery")
    app = AppTest.from_file(MAIN, default_timeout=20).run()
    for email in (ann.email, "nobody@test.example"):
        app.text_input[0].set_value(email)
        app.text_input[1].set_value("a wrong password")
        app = next(each for each in app.button if each.label == "Sign in").click().run()
        assert not app.exception
    lines, address = _lines(workbench, "sign_in.failed")
    assert lines == [("sign_in.failed", address)] * 2


def _page_of_a_dialog() -> None:
    """What runs of a page where a button's callback, or a dialog alone, runs: nothing that looked who is there."""
    import streamlit as st

    from core import workbench as workbenches
    from core.ops.audit import Audit as Log
    from core.ops.audit import AuditAction, AuditEvent, Subject

    def record(action: AuditAction) -> None:
        with workbenches.current().database.service() as transaction:
            Log.record(transaction, AuditEvent(None, None, "system", action, Subject("flag", "x")))

    st.button("Remove", on_click=record, args=(AuditAction.FLAG_REMOVED,))
    record(AuditAction.FLAG_SET)


def test_a_callback_and_a_dialog_tell_theirs_without_a_page_around_them(workbench: Workbench) -> None:
    AppTest.from_function(_page_of_a_dialog).run().button[0].click().run()
    lines, address = _lines(workbench, "flag.set", "flag.removed")
    assert [line[0] for line in lines] == ["flag.set", "flag.removed", "flag.set"]
    assert {line[1] for line in lines} == {address}


def test_what_no_run_of_a_page_leads_to_is_from_nowhere() -> None:
    assert origin() is NOWHERE
