"""The guard of the pages' socket, before a real Streamlit in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from core.http.socket_guard import kind_of
from core.settings import ROOT
from tests.core.http.page_socket import clear_cache_frame, page_socket, run_page

PAGE = """
import itertools, streamlit as st
@st.cache_data
def computed() -> str:
    calls = st.session_state  # the count lives in the process, beside the cache
    import builtins
    builtins.computed_calls = getattr(builtins, "computed_calls", 0) + 1
    return f"computed {builtins.computed_calls} times"
st.text(computed())
"""
APP = """
import streamlit as st
from starlette.middleware import Middleware
from core.http.socket_guard import SocketGuard
app = st.App({page!r}, middleware=[Middleware(SocketGuard)] if {is_guarded} else [])
"""
START_WITHIN_S = 30

Start = Callable[..., str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a Streamlit with or without the guard, and gives its address."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(*, is_guarded: bool) -> str:
        (tmp_path / "page.py").write_text(PAGE)
        (tmp_path / "guarded_app.py").write_text(APP.format(page=str(tmp_path / "page.py"), is_guarded=is_guarded))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--app-dir",
            str(tmp_path),
            "guarded_app:app",
            "--port",
            str(port),
        ]
        settings = {"PYTHONPATH": str(ROOT), "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"}
        processes.append(
            subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
        )
        _wait_for(port)
        return f"http://127.0.0.1:{port}"

    yield run
    for process in processes:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("The server did not start")


@pytest.mark.parametrize(("is_guarded", "after"), [(True, "computed 1 times"), (False, "computed 2 times")])
def test_an_anonymous_visitor_empties_the_caches_only_without_the_guard(
    start: Start, is_guarded: bool, after: str
) -> None:
    base_url = start(is_guarded=is_guarded)
    with page_socket(base_url) as visitor:
        assert "computed 1 times" in run_page(visitor)
    with page_socket(base_url) as attacker:
        attacker.send(clear_cache_frame())
        # The frames of one socket are taken in order, so the answer to this one comes after that one.
        assert after in run_page(attacker)
    with page_socket(base_url) as visitor:
        assert after in run_page(visitor)


@pytest.mark.parametrize(("frame", "code"), [(b"\xff\xff\xff\xff", 1002), ("text", 1003)])
def test_what_cannot_be_read_closes_its_own_socket_and_no_other(start: Start, frame: bytes | str, code: int) -> None:
    base_url = start(is_guarded=True)
    with page_socket(base_url) as bystander:
        run_page(bystander)
        assert _close_code_after(base_url, frame) == code
        assert "computed 1 times" in run_page(bystander)


def _close_code_after(base_url: str, frame: bytes | str) -> int | None:
    with page_socket(base_url) as attacker:
        attacker.send(frame)
        with pytest.raises(ConnectionClosed) as closed:
            _read_on(attacker)
    return closed.value.rcvd.code if closed.value.rcvd else None


def _read_on(attacker: ClientConnection) -> None:
    while True:
        attacker.recv(timeout=10)


def test_a_frame_that_hides_its_wish_behind_another_is_read_as_streamlit_reads_it() -> None:
    hidden = b"\x5a\x00" + clear_cache_frame()
    assert kind_of(hidden) == "clear_cache"
    assert kind_of(clear_cache_frame() + b"\x5a\x00") == "rerun_script"
    assert kind_of(b"") is None
