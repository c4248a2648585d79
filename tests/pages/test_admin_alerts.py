"""Admin, Alerts: managers see to what fires in their organisation, operators to the installation's, and set both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import workbench as workbenches
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, make_settings
from tests.core.admin.alerts.alerts_made import Made, make
from tests.core.admin.alerts.test_service import of_jobs
from tests.core.admin.alerts.test_watch import finding, looking
from tests.fakes.hook_server import says
from tests.fakes.mail_server import MailServer
from tests.pages.signed_in import carry, confirm, open_page, open_session, press, words_of


@pytest.fixture
def made(
    workbench: Workbench,
    mail_server: MailServer,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Made]:
    """The workbench that pages have, whose alerts may call a receiver on this machine."""
    opened = make(workbench, make_settings(database_url, tmp_path, SMTP_URL=mail_server.url), mail_server, tmp_path)
    monkeypatch.setattr(workbenches, "_current", replace(workbench, oversight=opened.area))
    with opened.hook:
        yield opened
    opened.area.close()


def sign_in(made: Made, who: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """Opens a session for somebody, and gives who the pages then see."""
    cookie = open_session(made.workbench, who)
    carry(cookie, monkeypatch)
    principal = made.workbench.accounts.principal_of_session(cookie)
    assert principal is not None
    return principal


@pytest.fixture
def ann(made: Made, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in owner."""
    return sign_in(made, member("ann", org="Acme", plan="team"), monkeypatch)


@pytest.fixture
def olga(made: Made, workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in operator."""
    workbench.directory.add_user(
        "olga@test.example", org_name="Olga's", plan="team", role=Role.OWNER, password=None, is_operator=True
    )
    return sign_in(made, workbench.directory.member("olga@test.example", "Olga's"), monkeypatch)


def alerts_page() -> AppTest:
    return open_page("admin.py", section="alerts")


def of_all() -> AppTest:
    """The page of everything, as operators choose it."""
    app = alerts_page()
    app.button_group(key="admin_reach").set_value("Everything").run()
    assert not app.exception
    return app


def field(fields: Any, label: str, nth: int = 0) -> Any:
    """One of these fields with this label."""
    return [each for each in fields if each.label == label][nth]


def test_what_fires_is_told_with_what_to_do_and_acknowledged(made: Made, ann: Principal) -> None:
    app = alerts_page()
    assert "Nothing fires" in words_of(app)
    made.area.watch.take(of_jobs(ann, error="It *broke*."))
    app = alerts_page()
    words = words_of(app)
    assert "Jobs failed: count" in words
    assert "the last said: It *broke*." in words
    assert "See Jobs on Admin" in words
    app = press(app, "Acknowledge")
    assert f"{ann.name} sees to it" in words_of(app)
    assert not [each for each in app.button if each.label == "Acknowledge"]


def test_a_channel_is_made_tested_and_removed(made: Made, ann: Principal) -> None:
    app = alerts_page()
    assert "No channels" in words_of(app)
    field(app.selectbox, "Kind").set_value("webhook")
    field(app.text_input, "Name").set_value("Pager")
    field(app.text_input, "Address").set_value(made.url)
    app = press(app, "Make channel")
    assert "The channel is made" in words_of(app)
    assert "Webhook at localhost" in words_of(app)
    [secret] = [each.value for each in app.code]
    assert secret.startswith("whsec_")
    app = press(app, "I have copied it")
    assert [each.value for each in app.code] == []

    app = press(app, "Test")
    assert "The test message arrived" in words_of(app)
    assert b"The channel Pager works" in made.hook.received.get_nowait().body
    made.hook.answer = says("HTTP/1.1 410 Gone")
    app = press(app, "Test")
    assert "The test message did not arrive" in words_of(app)
    assert "The receiver answers 410." in words_of(app)

    [kept] = made.area.alerts.channels(ann)
    app = confirm(app, f"admin_alerts_channels_{kept.id}_remove")
    assert "The channel is removed" in words_of(app)
    assert made.area.alerts.channels(ann) == []


def test_an_address_that_is_none_is_refused_in_a_sentence(made: Made, ann: Principal) -> None:
    app = alerts_page()
    field(app.text_input, "Name").set_value("Pager")
    field(app.text_input, "Address").set_value("http://hooks.slack.com/services/x")
    app = press(app, "Make channel")
    assert "The address begins with https://." in words_of(app)
    assert made.area.alerts.channels(ann) == []


def test_a_rule_gets_a_threshold_is_muted_and_switched_off(made: Made, ann: Principal) -> None:
    app = alerts_page()
    assert "The running UTC day · no threshold is set" in words_of(app)
    app.number_input(key="admin_alerts_rules_cost_day_form_threshold").set_value(12.5)
    app.selectbox(key="admin_alerts_rules_cost_day_form_muted").set_value("For 1 day")
    app = app.button(key="admin_alerts_rules_cost_day_form_save").click().run()
    assert "The rule is set" in words_of(app)
    assert "from 12.50 USD on, until below 11.875 USD" in words_of(app)
    assert "Muted until" in words_of(app)
    [state] = [each for each in made.area.alerts.rules(ann) if each.rule.name == "cost_day"]
    assert (state.own_threshold, state.muted_until is None) == (Decimal("12.5"), False)
    app.number_input(key="admin_alerts_rules_cost_day_form_threshold").set_value(None)
    app = app.button(key="admin_alerts_rules_cost_day_form_save").click().run()
    assert "The running UTC day · no threshold is set" in words_of(app)

    app.toggle(key="admin_alerts_rules_job_failed_form_on").set_value(False)
    app = app.button(key="admin_alerts_rules_job_failed_form_save").click().run()
    made.area.watch.take(of_jobs(ann))
    assert made.firing(ann) == []


def test_history_and_messages_are_listed(made: Made, ann: Principal) -> None:
    words = words_of(alerts_page())
    assert "No alerts before" in words
    assert "Nothing was sent" in words
    made.area.watch.take(of_jobs(ann))
    made.area.watch.take(replace(looking(), rules=("job_failed",)))
    made.area.delivery.deliver_due()
    app = alerts_page()
    history, sent = (frame.value for frame in app.dataframe)
    assert history["What"].tolist() == ["Jobs failed: count"]
    assert (sent["To"].tolist(), sent["State"].tolist()) == ([f"E-mail to {ann.name}"], ["Delivered"])


def test_a_manager_sees_nothing_of_the_installation(made: Made, ann: Principal) -> None:
    made.area.watch.take(looking(finding("0.5")))
    words = words_of(alerts_page())
    assert "Nothing fires" in words
    assert "Error rate of a provider" not in words


def test_an_operator_sees_the_installations_and_sets_it(made: Made, olga: Principal) -> None:
    made.area.watch.take(looking(finding("0.5")))
    assert "Nothing fires" in words_of(alerts_page())  # of their own organisation
    app = of_all()
    assert "some of the calls to openai fail" in words_of(app)
    app.number_input(key="admin_alerts_rules_error_rate_form_threshold").set_value(60.0)
    app = app.button(key="admin_alerts_rules_error_rate_form_save").click().run()
    assert "from 60 % on" in words_of(app)
