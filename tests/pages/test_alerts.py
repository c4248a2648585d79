"""The bell and the alerts, on a page of their own, with a real session."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from core.ops.notifications import Notice
from core.principal import Principal, Role
from core.screener.alerts import AlertSettings
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.screener.alerts_made import above
from tests.pages.signed_in import MAIN, carry, open_session, words_of

PAGE = """
from pages.components import screener_alerts
from pages.components.forms import show_acknowledged
from pages.components.session import require
principal = require()
show_acknowledged()
screener_alerts.show("alerts", principal)
"""
HOOK = "https://hooks.example/assay"


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """Somebody with a saved screen."""
    workbench.market.load_shipped()
    who = member("ann")
    workbench.screener.screens.create(who, "Above ten", above(10))
    carry(open_session(workbench, who), monkeypatch)
    return who


def _page() -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=20).run()
    assert not app.exception
    return app


def test_an_alert_is_made_in_the_form_and_its_secret_is_shown_once(workbench: Workbench, ann: Principal) -> None:
    app = _page()
    assert "No alerts yet" in words_of(app)
    app.text_input(key="alerts_new_0_name").input("Mine")
    app.text_input(key="alerts_new_0_webhook").input(HOOK)
    next(each for each in app.button if each.label == "Make alert").click().run()
    [alert] = workbench.screener.alerts.list(ann)
    assert (alert.row.name, alert.row.webhook_url, alert.row.tells_in_app) == ("Mine", HOOK, True)
    assert any(each.value.startswith("whsec_") for each in app.code)
    assert "waits for its first scan" in words_of(app) and "in the app, by webhook to hooks.example" in words_of(app)
    next(each for each in app.button if each.label == "I have copied it").click().run()
    assert not app.code


def test_what_is_wrong_is_said_in_the_form(workbench: Workbench, ann: Principal) -> None:
    app = _page()
    app.text_input(key="alerts_new_0_name").input("Mine")
    app.text_input(key="alerts_new_0_webhook").input("https://127.0.0.1/")
    next(each for each in app.button if each.label == "Make alert").click().run()
    assert "does not lead to the public internet" in words_of(app)
    assert workbench.screener.alerts.list(ann) == []


def test_an_alert_is_paused_and_goes_on_at_the_press_of_a_button(workbench: Workbench, ann: Principal) -> None:
    universe = workbench.market.universes.list(ann)[0]
    screen = workbench.screener.screens.all(ann)[0]
    made = workbench.screener.alerts.create(ann, AlertSettings("Mine", screen.id, universe.id))
    app = _page()
    key = f"alerts_list_{made.row.id}_pause"
    for is_paused in (True, False):
        app.button(key=key).click().run()
        assert not app.exception
        assert workbench.screener.alerts.get(ann, made.row.id).row.is_paused is is_paused


def test_a_viewer_sees_their_alerts_and_sets_none(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = member("bob", org="Acme", plan="team", role=Role.VIEWER)
    carry(open_session(workbench, viewer), monkeypatch)
    app = _page()
    assert "As a viewer you may not set alerts" in words_of(app)
    assert not [each for each in app.button if each.label == "Make alert"]


def test_the_bell_counts_what_is_not_read_and_is_ones_own(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    for number in range(3):
        workbench.notifications.add(ann.org_id, ann.user_id, Notice("alert", f"Title {number}", "Text", "/screener"))
    bob = member("bob")
    workbench.notifications.add(bob.org_id, bob.user_id, Notice("alert", "For Bob"))
    app = AppTest.from_file(MAIN, default_timeout=30).run()
    assert not app.exception
    assert "Notifications: 3 new" in _popovers(app)
    workbench.notifications.mark_read(ann)
    assert "Notifications" in _popovers(app.run())


def test_a_notification_leads_to_its_screen_whatever_was_open_before(workbench: Workbench, ann: Principal) -> None:
    screen, universe = workbench.screener.screens.all(ann)[0], workbench.market.universes.list(ann)[-1]
    link = f"/screener?universe={universe.id}&screen={screen.id}"
    made = workbench.notifications.add(ann.org_id, ann.user_id, Notice("alert", "Title", "Text", link))
    app = AppTest.from_file(MAIN, default_timeout=30).run()
    app.switch_page("screener.py").run()
    assert app.selectbox(key="screener_choice_box").value != f"screen:{screen.id}"
    app.session_state["bell"] = True  # it is opened
    app.run()
    app.button(key=f"bell_list_{made}_open").click().run()
    assert not app.exception
    assert app.selectbox(key="screener_choice_box").value == f"screen:{screen.id}"
    assert app.selectbox(key="screener_universe_box").value == universe.id
    assert workbench.notifications.unread_count(ann) == 0


def test_a_deleted_screen_is_named_as_gone_and_the_reason_is_told(workbench: Workbench, ann: Principal) -> None:
    universe, screen = workbench.market.universes.list(ann)[0], workbench.screener.screens.all(ann)[0]
    workbench.screener.alerts.create(ann, AlertSettings("Mine", screen.id, universe.id))
    workbench.screener.screens.delete(ann, screen.id)
    workbench.screener.alerting.watch.catch_up()
    shown = words_of(_page())
    assert "a screen that is gone" in shown and "Silent at the last scan: There is no such screen" in shown


def _popovers(app: AppTest) -> list[str]:
    found, left = [], [app.sidebar]
    while left:
        block = left.pop()
        left += [each for each in block.children.values() if isinstance(each, Block)]
        found += [block.proto.popover.label] if getattr(block.proto, "popover", None) else []
    return found
