"""A browser with a real session, for pages that are run without one."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from core.principal import Principal
from core.settings import ROOT
from core.workbench import Workbench
from pages.components import session
from pages.components.words import WORD_JOINER

MAIN = str(ROOT / "pages" / "main.py")
ADDRESS = "192.0.2.7"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


def open_session(workbench: Workbench, who: Principal, *, agent: str = FIREFOX, org_id: UUID | None = None) -> str:
    """Signs somebody in, and gives the value of the cookie."""
    accounts = workbench.accounts
    ticket = accounts.ticket(who.user_id, org_id or who.org_id, method="password")
    return accounts.redeem_ticket(ticket, address=ADDRESS, agent=agent)


def carry(cookie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the browser brings this cookie along."""
    monkeypatch.setattr(session, "caller", lambda: session.Caller(session=cookie, address=ADDRESS))


def open_page(file: str, **parameters: str) -> AppTest:
    """The page as somebody finds it who goes to it."""
    app = AppTest.from_file(MAIN, default_timeout=20).run()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(file).run()
    assert not app.exception
    return app


def words_of(app: AppTest) -> str:
    """Everything that is written on the page, as its reader sees it."""
    parts: Iterable[object] = (
        *app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.success, *app.text, *app.toast,
    )  # fmt: skip
    written = " | ".join(str(getattr(part, "value", "")) for part in parts)
    return written.replace("\\", "").replace(WORD_JOINER, "")


def press(app: AppTest, label: str) -> AppTest:
    """Presses the first button with this label."""
    return next(each for each in app.button if each.label == label).click().run()


def confirm(app: AppTest, key: str) -> AppTest:
    """Presses the button of that key, which asks first, and says yes; here the dialog is open in one run alone."""
    app.button(key=key).click().run()
    app.button(key=key).click()
    return app.button(key=f"{key}_yes").click().run()
