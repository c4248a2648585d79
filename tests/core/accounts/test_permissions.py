"""Every role against every service method, address and page: the whole of `permission_table`, tried for real."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from starlette.routing import Mount
from starlette.routing import Route as ServedRoute
from streamlit.testing.v1 import AppTest

from core.accounts.permissions import PERMISSIONS, Action
from core.errors import AssayError, Forbidden, Unauthenticated
from core.http.api import create_api
from core.http.entrance import Entrance
from core.http.server import Shell
from core.http.session_routes import create_auth
from core.http.v1.app import create_v1
from core.principal import Principal, Role, Scope
from core.settings import ROOT, SESSION_COOKIE
from core.workbench import Workbench
from pages.components import session
from tests.conftest import MakeMember
from tests.core.accounts.permission_table import (
    CONVERSATION,
    INNER,
    METHODS,
    ONLY_FOR_COMMANDS,
    ONLY_FOR_SERVICES,
    OUTSIDERS,
    OWN_PAGES_ONLY,
    PAGES,
    PEOPLE,
    ROUTES,
    TOKENS,
    TOP,
    WITHOUT_PRINCIPAL,
    Caller,
    Trial,
)
from tests.core.accounts.sign_ins import new_session, new_token
from tests.core.http.conftest import served, serving_api

ROLES = {
    Caller.OWNER: Role.OWNER,
    Caller.ADMIN: Role.ADMIN,
    Caller.ANALYST: Role.ANALYST,
    Caller.VIEWER: Role.VIEWER,
    Caller.OPERATOR: Role.VIEWER,
    Caller.DEACTIVATED: Role.OWNER,
    Caller.LEFT: Role.OWNER,
}
REFUSALS = ("not part of your role", "for those who manage")
MAIN = str(ROOT / "pages" / "main.py")
AREAS = (
    *("metering", "ai", "billing", "market", "screener", "verdicts", "portfolio", "research", "admin", "oversight"),
)
"""Parts of the workbench that are composed of services."""
SCRIPTS = frozenset({"main", "outage", "__init__"})
"""Files of the folder that are no pages of their own."""


@dataclass(frozen=True)
class Everybody:
    """One of each: what they hold, and who the services take them for."""

    bench: Workbench
    sessions: dict[Caller, str]
    tokens: dict[Caller, str]
    """For people one of every scope that is of use to them."""
    conversations: dict[Caller, UUID]

    def principal(self, caller: Caller) -> Principal:
        """Who tries, read anew."""
        if caller in TOKENS:
            return self.bench.accounts.principal_of_token(self.tokens[caller])
        found = self.bench.accounts.principal_of_session(self.sessions[caller])
        assert found is not None
        return found


@pytest.fixture
def everybody(workbench: Workbench, member: MakeMember) -> Everybody:
    """An organisation with one of each."""
    sessions, tokens, conversations = {}, {}, {}
    for number, (caller, role) in enumerate(ROLES.items()):
        who = member(f"person{number}", org="Acme", plan="team", role=role)
        if caller is Caller.OPERATOR:
            workbench.directory.add_user(who.email, org_name="Acme", plan="team", role=role, is_operator=True)
        sessions[caller] = new_session(workbench, who)
        tokens[caller] = workbench.directory.create_token(who.email, org_name="Acme")
        asked = workbench.assistant.ask(replace(who, role=Role.ANALYST), "What is beta?")
        asked.session.result()
        conversations[caller] = asked.conversation_id
    owner = workbench.directory.member("person0@test.example", "Acme")
    for caller, scope in TOKENS.items():
        tokens[caller], conversations[caller] = new_token(workbench, owner, [scope]), conversations[Caller.OWNER]
    gone = [workbench.accounts.principal_of_session(sessions[each]) for each in (Caller.DEACTIVATED, Caller.LEFT)]
    assert gone[0] is not None
    assert gone[1] is not None
    workbench.directory.set_active(gone[0].email, is_active=False)
    workbench.members.remove(gone[1], gone[1].user_id)
    return Everybody(workbench, sessions, tokens, conversations)


def _outcome(row_name: str, trial: Trial) -> type[AssayError] | None:
    try:
        METHODS[row_name].attempt(trial)
    except AssayError as error:
        if isinstance(error, Forbidden):
            assert re.search(r"role|As an? |token|Sign in", error.detail), error.detail
        return type(error)
    return None


def test_every_service_method_does_for_each_caller_what_the_table_says(everybody: Everybody) -> None:
    differ = []
    for name, row in METHODS.items():
        for caller in [*PEOPLE, *TOKENS]:
            trial = Trial(everybody.bench, everybody.principal(caller), everybody.conversations[caller])
            expected = row.ends if caller in row.allowed else Forbidden
            if (outcome := _outcome(name, trial)) is not expected:
                differ.append(f"{name} by {caller}: {outcome}, not {expected}")
    assert not differ, "\n".join(differ)


def test_nobody_a_deactivated_user_and_one_who_left_are_nobody_to_every_service(everybody: Everybody) -> None:
    accounts = everybody.bench.accounts
    for caller in OUTSIDERS:
        assert accounts.principal_of_session(everybody.sessions.get(caller, "")) is None
        with pytest.raises(Unauthenticated):
            accounts.principal_of_token(everybody.tokens.get(caller, ""))


def test_every_method_of_every_service_has_its_row(workbench: Workbench) -> None:
    with_principal: set[str] = set()
    without: set[str] = set()
    for part in fields(workbench):
        if part.name in INNER | ONLY_FOR_COMMANDS:
            continue
        for method, function in inspect.getmembers(type(getattr(workbench, part.name)), inspect.isfunction):
            if not method.startswith("_"):
                takes_principal = "principal" in inspect.signature(function).parameters
                (with_principal if takes_principal else without).add(f"{part.name}.{method}")
    for area in AREAS:
        composed = getattr(workbench, area)
        for part in fields(composed):
            if f"{area}.{part.name}" in INNER:
                continue
            for method, function in inspect.getmembers(type(getattr(composed, part.name)), inspect.isfunction):
                if not method.startswith("_") and "principal" in inspect.signature(function).parameters:
                    with_principal.add(f"{area}.{part.name}.{method}")
    assert with_principal == {name.partition(":")[0] for name in METHODS}
    assert without == set(WITHOUT_PRINCIPAL)
    inner = {name for name in INNER if "." not in name}
    assert {part.name for part in fields(workbench)} >= inner | ONLY_FOR_COMMANDS


def test_pages_and_routes_call_nothing_that_asks_nobody_for_permission() -> None:
    names = "|".join(ONLY_FOR_SERVICES)
    forbidden = re.compile(rf"\.(?:{names})\(|\.(?:{'|'.join(ONLY_FOR_COMMANDS)})\b")
    outer = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "core" / "http").rglob("*.py")]
    assert not [path for path in outer if forbidden.search(path.read_text("utf-8"))]


def test_every_action_has_its_permission() -> None:
    assert set(PERMISSIONS) == set(Action)
    assert {permission.scope for permission in PERMISSIONS.values()} == set(Scope)


@pytest.fixture
def base_url(everybody: Everybody) -> Iterator[str]:
    """Where the API of everybody's workbench is served; one address may knock there for all strangers."""
    knocks = 10 * len(ROUTES)
    settings = everybody.bench.settings.model_copy(update={"rate_per_address": knocks})
    with serving_api(replace(everybody.bench, settings=settings)) as api:
        yield api.base_url.removesuffix("/api")


def test_every_address_answers_each_caller_as_the_table_says(everybody: Everybody, base_url: str) -> None:
    differ = []
    for (method, path), row in ROUTES.items():
        for caller in Caller:
            answer = _answer(everybody, base_url, caller, method, path)
            if caller in row.allowed:
                expected, says = row.status, ""
            elif caller in OUTSIDERS:
                expected, says = 401, "unauthenticated"
            else:
                expected, says = 403, "forbidden"
            is_told = says in answer.text if path.startswith("/api") else True  # OpenAI has words of its own
            is_reasoned = answer.status_code != 403 or ("scope " if caller in TOKENS else "role") in answer.text
            if answer.status_code != expected or not is_told or not is_reasoned:
                differ.append(f"{method} {path} by {caller}: {answer.status_code}, not {expected}: {answer.text[:200]}")
    assert not differ, "\n".join(differ)


def test_a_session_alone_opens_no_address_that_asks_for_a_token(everybody: Everybody, base_url: str) -> None:
    own = {"Origin": base_url, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
    cookies = {SESSION_COOKIE: everybody.sessions[Caller.OWNER]}
    for (method, path), row in ROUTES.items():
        if Caller.ANONYMOUS in row.allowed:
            continue
        for headers in ({}, own, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}):
            for body in (b"{}", b"message=hello", b""):
                answer = httpx2.request(
                    method, base_url + _filled(everybody, path), cookies=cookies, headers=headers, content=body
                )
                assert answer.status_code == 401, (method, path)
                assert "set-cookie" not in answer.headers
                assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_address_that_is_served_has_its_row(workbench: Workbench) -> None:
    entrance = Entrance.of(workbench)
    addresses = {
        (method, prefix + route.path)
        for prefix, app in (("/api", create_api(entrance)), ("/v1", create_v1(entrance)))
        for route in served(app.routes)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert addresses == set(ROUTES)
    auth = {f"/auth{route.path}" for route in served(create_auth(entrance).routes)}
    assert auth == OWN_PAGES_ONLY
    shell = Shell(workbench.settings, index_html=Path(__file__), icon=Path(__file__))
    assert {route.path for route in shell.routes if isinstance(route, Mount | ServedRoute)} == TOP


def test_every_page_is_found_by_whom_the_table_says_and_by_nobody_else(
    everybody: Everybody, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {path.stem for path in (ROOT / "pages").glob("*.py")} == set(PAGES) | SCRIPTS
    differ = []
    for caller in PEOPLE | OUTSIDERS:
        _visit_as(everybody, caller, monkeypatch)
        for page, allowed in PAGES.items():
            app = AppTest.from_file(MAIN, default_timeout=30).run()
            try:
                app.switch_page(f"{page}.py").run()
                is_found = True
            except ValueError:  # it is not in this visitor's navigation
                is_found = False
            if app.exception or is_found is not (caller in allowed):
                differ.append(f"{page} by {caller}: found {is_found}, {[each.message for each in app.exception]}")
    assert not differ, "\n".join(differ)


def test_every_page_asks_by_itself_who_opens_it(everybody: Everybody, monkeypatch: pytest.MonkeyPatch) -> None:
    for page, allowed in PAGES.items():
        for caller in (PEOPLE | OUTSIDERS) if allowed <= PEOPLE else ():
            _visit_as(everybody, caller, monkeypatch)
            path = str(ROOT / "pages" / f"{page}.py")
            app = AppTest.from_string(f"import streamlit as st\nst.navigation([st.Page({path!r})]).run()").run(
                timeout=30
            )
            shown = " ".join(box.value for box in (*app.warning, *app.error, *app.info, *app.markdown))
            refusals = ("session has ended",) if caller in OUTSIDERS else REFUSALS
            assert any(refusal in shown for refusal in refusals) is (caller not in allowed), (
                f"{page} by {caller}: {shown}"
            )


def _visit_as(everybody: Everybody, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = session.Caller(everybody.sessions.get(caller), "127.0.0.1")
    monkeypatch.setattr(session, "caller", lambda: visitor)


def _answer(everybody: Everybody, base_url: str, caller: Caller, method: str, path: str) -> httpx2.Response:
    token = everybody.tokens.get(caller)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = base_url + _filled(everybody, path, caller)
    if (method, path, caller) == ("DELETE", CONVERSATION, Caller.ASK_TOKEN):  # the owner has deleted the shared one
        created = httpx2.post(f"{base_url}/api/ai/conversations", json={"title": "A title"}, headers=headers)
        address = f"{base_url}/api/ai/conversations/{created.json()['id']}"
    body = ROUTES[method, path].body
    if body is None:
        return httpx2.request(method, address, headers=headers, timeout=30)
    return httpx2.request(method, address, headers=headers, json=body, timeout=30)


def _filled(everybody: Everybody, path: str, caller: Caller = Caller.OWNER) -> str:
    conversation_id = everybody.conversations.get(caller, everybody.conversations[Caller.OWNER])
    filled = re.sub(r"\{\w+_id\}", str(conversation_id), path)  # of others there is none by that id
    return filled.replace("{name:path}", "auto").replace("{name}", "no-such-file")
