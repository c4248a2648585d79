"""The tour: offered once to each user, led from page to page, left at any time."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.pages.signed_in import carry, open_page, open_session, press, words_of
from tests.pages.test_admin_models import olga

__all__ = ["olga"]

TITLES = ("Symbol", "Screener", "Verdicts", "Portfolio", "Usage", "Billing")
OFFER, AGAIN = "Take the tour", "Tour of the pages"


def _labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def _usage(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    carry(open_session(workbench, who), monkeypatch)
    return open_page("usage.py")


def test_it_leads_from_page_to_page_and_is_offered_once(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann", plan="team", role=Role.ANALYST)
    app = _usage(workbench, ann, monkeypatch)
    assert "New here?" in words_of(app)
    press(app, OFFER)
    assert "1 of 7: Chat." in words_of(app)
    assert OFFER not in _labels(app)
    press(app, "Next: Symbol")
    assert "2 of 7: Symbol." in words_of(app)
    press(app, "Back")
    assert "1 of 7: Chat." in words_of(app)
    for title in TITLES:
        press(app, f"Next: {title}")
        assert not app.exception
    press(app, "End the tour")
    assert "of 7:" not in words_of(app)
    assert AGAIN in _labels(app)
    assert workbench.tours.has_ended(ann)
    again = _usage(workbench, ann, monkeypatch)
    assert "New here?" not in words_of(again)
    assert OFFER not in _labels(again)
    press(again, AGAIN)
    assert "1 of 7: Chat." in words_of(again)


def test_it_is_resumed_where_it_was_left(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = press(press(_usage(workbench, member("ann", plan="team"), monkeypatch), OFFER), "Next: Symbol")
    press(app, "Leave the tour")
    assert AGAIN not in _labels(app)
    press(app, "Resume the tour")
    assert "2 of 8: Symbol." in words_of(app)


@pytest.mark.parametrize("how", ["refused", "left"])
def test_it_can_be_refused_and_left(
    how: str, workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann", plan="team")
    app = _usage(workbench, ann, monkeypatch)
    if how == "left":
        press(app, OFFER)
    press(app, "Not now" if how == "refused" else "Leave the tour")
    assert workbench.tours.has_ended(ann)
    assert AGAIN in _labels(app)
    assert not workbench.tours.has_ended(member("bob"))


def test_it_shows_managers_the_administration_and_nobody_else(
    workbench: Workbench, member: MakeMember, olga: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = press(_usage(workbench, member("ann", plan="team"), monkeypatch), OFFER)
    assert "1 of 8: Chat." in words_of(app)
    for title in TITLES:
        press(app, f"Next: {title}")
    assert "books" not in words_of(press(app, "Next: Admin"))
    app = press(_usage(workbench, olga, monkeypatch), OFFER)
    for title in TITLES:
        press(app, f"Next: {title}")
    assert "whether the books are right" in words_of(press(app, "Next: Admin"))
    app = press(_usage(workbench, member("eve", plan="team", role=Role.VIEWER), monkeypatch), OFFER)
    assert "1 of 7: Chat." in words_of(app)
