"""The database goes away under a running application, and comes back."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from core.db.embedded import EmbeddedServer, attach
from tests.browser.test_new_user import ask, sign_in
from tests.fakes.chat_server import ChatServer
from tests.fakes.live_app import start_app

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(240)]
QUESTION = {"message": "What is duration?"}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for a server that the application does not start itself."""
    folder = Path(tempfile.mkdtemp(prefix="assay-outage-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def stop(server: EmbeddedServer) -> None:
    """Ends a server at once, as an operator does who restarts it."""
    pid = int((server.data_dir / "postmaster.pid").read_text("utf-8").splitlines()[0])
    os.kill(pid, signal.SIGINT)


def test_pages_and_routes_say_so_call_nobody_and_recover_by_themselves(
    home: Path, tmp_path: Path, browser_page: Page, chat_server: ChatServer
) -> None:
    server = attach(home)
    app = start_app(
        tmp_path / "home",
        server.url,
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=chat_server.base_url,
        DEFAULT_MODEL="auto",
    )
    try:
        token = app.command("user", "token", app.email).stdout.strip()
        client = httpx2.Client(base_url=app.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert client.post("/api/ai/chat", json=QUESTION).status_code == 200
        sign_in(browser_page, app, app.email, "/usage")
        expect(browser_page.get_by_text("Every request")).to_be_visible()

        stop(server)
        refused = client.post("/api/ai/chat", json={"message": "What is beta?"})
        assert (refused.status_code, refused.json()["code"]) == (503, "internal")
        assert "database" in refused.json()["detail"].lower()
        health = client.get("/api/health")
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        assert chat_server.calls == 1
        browser_page.reload()
        expect(browser_page.get_by_text("The database cannot be reached")).to_be_visible()

        attach(home)
        expect(browser_page.get_by_text("Every request")).to_be_visible(timeout=30_000)
        assert client.post("/api/ai/chat", json={"message": "What is beta?"}).status_code == 200
        assert client.get("/api/health").json()["status"] == "healthy"
        assert app.command("doctor", "--accounting").returncode == 0
        client.close()
    finally:
        app.stop()


def test_an_embedded_server_that_is_killed_comes_back_with_its_rows(home: Path, browser_page: Page) -> None:
    app = start_app(home, None)
    try:
        sign_in(browser_page, app, app.email, "/chat")
        ask(browser_page, "What is duration?")
        pid = int((attach(home).data_dir / "postmaster.pid").read_text("utf-8").splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        browser_page.reload()
        expect(browser_page.get_by_text("What is duration?").last).to_be_visible(timeout=40_000)
        ask(browser_page, "What is beta?")
        assert app.command("doctor", "--accounting").returncode == 0
    finally:
        app.stop()
