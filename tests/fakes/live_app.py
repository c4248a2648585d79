"""The application as an operator starts it: a process of its own on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from core.settings import ROOT

READY_WITHIN_S = 90.0


@dataclass
class LiveApp:
    """A running workbench, with the demo loaded."""

    base_url: str
    home: Path
    process: subprocess.Popen[str]
    email: str = "analyst@demo.example"
    free_email: str = "free@demo.example"
    output: list[str] = field(default_factory=list)
    """What it printed so far, line by line."""

    @property
    def password(self) -> str:
        """The demo's password."""
        return (self.home / "demo-password").read_text("utf-8").strip()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m core …` beside it, on the same state."""
        return subprocess.run(
            [sys.executable, "-m", "core", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def add_viewer(self) -> str:
        """Adds a viewer to the demo organisation, who signs in with the demo's password, and gives their address."""
        email = "viewer@demo.example"
        place = ("--org", "Demo organisation", "--plan", "team", "--role", "viewer")
        added = self.command("user", "add", email, *place, "--password", self.password)
        assert added.returncode == 0, added.stderr
        return email

    @property
    def environment(self) -> dict[str, str]:
        """The variables it was started with."""
        return self._environment

    _environment: dict[str, str] = field(default_factory=dict)
    _reader: threading.Thread | None = None

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> int:
        """Ends the process, and gives its exit status."""
        self.process.send_signal(kind)
        status = self.process.wait(20)
        if self._reader is not None:
            self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def start_app(home: Path, database_url: str | None, **environ: str) -> LiveApp:
    """Starts a workbench and waits until its page can be opened."""
    port = int(environ.get("PORT") or free_port())
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "ASSAY_HOME": str(home),
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **({"DATABASE_URL": database_url} if database_url else {}),
        **environ,
    }
    return _started(f"http://127.0.0.1:{port}", home, environment)


def start_again(app: LiveApp) -> LiveApp:
    """Starts what was ended anew: at the same address, on the same state."""
    return _started(app.base_url, app.home, app.environment)


def _started(base_url: str, home: Path, environment: dict[str, str]) -> LiveApp:
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    app = LiveApp(base_url, home, process, _environment=environment)
    is_ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            app.output.append(line.rstrip("\n"))
            if "free@demo.example" in line or (environment.get("ASSAY_DEMO") == "0" and "Assay is open" in line):
                is_ready.set()
        is_ready.set()

    app._reader = threading.Thread(target=read, daemon=True)
    app._reader.start()
    if not is_ready.wait(READY_WITHIN_S) or process.poll() is not None:
        process.kill()
        raise AssertionError("The application did not start:\n" + "\n".join(app.output))
    return app


def free_port() -> int:
    """A port at which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])
