"""The application in a process of its own: started, timed until it answers, and stopped."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.settings import ROOT
from tests.fakes.live_app import free_port

OPEN_LINE = "Assay is open at"
STOP_WITHIN_S = 20.0
POLL_S = 0.02
KEPT_LINES = 20
SERVE = (sys.executable, "-m", "core", "serve")
_MAKES_OWN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VIRTUAL_ENV", "PYTHONPATH")
"""Variables of the `make bench` above us that a start by hand would not see."""


class StartFailedError(Exception):
    """The application ended, or did not answer in time; the words are the last that it printed."""


@dataclass(frozen=True)
class Application:
    """A workbench that answers."""

    host: str
    port: int
    process: subprocess.Popen[str]
    ready_s: float
    """From its start until the page and the API answered."""

    @property
    def base_url(self) -> str:
        """The address of its pages."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def running(
    home: Path,
    *,
    command: Sequence[str] = SERVE,
    folder: Path = ROOT,
    within_s: float = 60.0,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Application]:
    """Starts the application, waits until it answers, and stops it at the end.

    Raises:
        StartFailedError: it did not answer in time.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if name not in _MAKES_OWN}
    begun = time.monotonic()
    process = subprocess.Popen(
        list(command),
        cwd=folder,
        env={
            **inherited,
            "ASSAY_HOME": str(home),
            "PORT": str(port),
            "PYTHONUNBUFFERED": "1",
            **(environ or {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_until_open(process, port, begun + within_s)
        yield Application("127.0.0.1", port, process, time.monotonic() - begun)
    finally:
        _stop(process)


def cpu_s(pid: int) -> float | None:
    """Processor seconds that a process has used; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_cpu_s() -> float | None:
    """Processor seconds that all cores were busy since the machine started; None where the system does not tell."""
    try:
        ticks = [int(field) for field in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
    except OSError:
        return None
    idle, waiting = ticks[3], ticks[4]
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def _wait_until_open(process: subprocess.Popen[str], port: int, deadline: float) -> None:
    printed: deque[str] = deque(maxlen=KEPT_LINES)
    is_open, has_ended = threading.Event(), threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line.strip())
            if OPEN_LINE in line:
                is_open.set()
        has_ended.set()

    threading.Thread(target=read, daemon=True).start()
    while time.monotonic() < deadline:
        if is_open.is_set() and all(_answers(port, path) for path in ("/", "/api/health")):
            return
        if has_ended.is_set():
            process.wait(STOP_WITHIN_S)
            words = next((line for line in reversed(printed) if line), "nothing")
            raise StartFailedError(f"it ended with status {process.returncode} after printing: {words}")
        time.sleep(POLL_S)
    raise StartFailedError("it did not answer in time")


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[str]) -> None:
    """Ends the process and those that it started: with `make` there is a shell between."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN_S)
            return
