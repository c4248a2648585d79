"""`python -m core user erase`: asks, erases whole or not at all, and a process that is killed is begun again."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from core.accounts.erasure import ERASED_DOMAIN
from core.metering.books import audit
from core.ops.audit_seal import Sealing
from core.ops.audit_verify import Verification
from core.principal import Principal, Role
from core.settings import ROOT
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.accounts.sign_ins import new_session

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # each command is a process that imports everything

Service = psycopg.Connection[tuple[object, ...]]
COMMAND = (sys.executable, "-m", "core", "user", "erase")
KILLED = (sys.executable, "-m", "tests.core.commands.erase_process")


@pytest.fixture
def zeb(workbench: Workbench, member: MakeMember) -> Principal:
    """An analyst who asked something, of an organisation that Ann owns."""
    member("ann", org="Acme", plan="team")
    zeb = member("zeb", org="Acme", plan="team", role=Role.ANALYST)
    new_session(workbench, zeb)
    workbench.assistant.ask(zeb, "What is duration?").session.result()
    workbench.usage_log.flush()
    return zeb


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    """Of a command on the test's database."""
    return {**os.environ, "DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path / "home"), "ASSAY_DEMO": "0"}


def _run(environ: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    nobody = subprocess.DEVNULL
    return subprocess.run(
        command, cwd=ROOT, env=environ, stdin=nobody, capture_output=True, text=True, timeout=60, check=False
    )


def _answered(environ: Mapping[str, str], answer: bytes, *command: str) -> int:
    """How the command ends for somebody at a terminal who answers so."""
    ours, theirs = pty.openpty()
    with (
        os.fdopen(ours, "r+b", buffering=0) as keyboard,
        subprocess.Popen(command, cwd=ROOT, env=environ, stdin=theirs, stdout=subprocess.DEVNULL) as process,
    ):
        os.close(theirs)
        keyboard.write(answer + b"\n")
        return process.wait(60)


def _kept(service: Service, who: Principal) -> tuple[object, ...]:
    """What stands of somebody: their address, and how many sessions, conversations, requests and lines of erasure."""
    row = service.execute(
        "SELECT u.email, (SELECT count(*) FROM sessions WHERE user_id = u.id), "
        "(SELECT count(*) FROM conversations WHERE user_id = u.id), "
        "(SELECT count(*) FROM usage_log WHERE user_id = u.id), "
        "(SELECT count(*) FROM audit_events WHERE action = 'user.erased' AND subject_id = u.id::text) "
        "FROM users u WHERE u.id = %s",
        (who.user_id,),
    ).fetchone()
    assert row is not None
    return row


def test_it_asks_and_is_done_once(zeb: Principal, environ: dict[str, str], service: Service) -> None:
    whole = (zeb.email, 1, 1, 1, 0)
    unasked = _run(environ, *COMMAND, zeb.email)
    assert (unasked.returncode, "say --yes" in unasked.stderr) == (2, True), unasked.stderr
    assert _answered(environ, b"n", *COMMAND, zeb.email) == 1
    assert _kept(service, zeb) == whole
    assert _answered(environ, b"y", *COMMAND, zeb.email) == 0
    assert _kept(service, zeb) == (f"erased-{zeb.user_id.hex[-12:]}@{ERASED_DOMAIN}", 0, 0, 1, 1)
    again = _run(environ, *COMMAND, zeb.email, "--yes")
    assert (again.returncode, again.stdout) == (1, "")
    assert "There is no such user." in again.stderr


@pytest.mark.parametrize("step", ["0", "12", "40", "end"])
def test_a_process_that_is_killed_erased_nothing_and_the_next_one_everything(
    step: str, zeb: Principal, environ: dict[str, str], service: Service, workbench: Workbench
) -> None:
    killed = _run(environ, *KILLED, step, zeb.email)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert _kept(service, zeb) == (zeb.email, 1, 1, 1, 0)

    done = _run(environ, *COMMAND, zeb.email, "--yes")

    assert (done.returncode, done.stderr) == (0, "")
    assert _kept(service, zeb) == (f"erased-{zeb.user_id.hex[-12:]}@{ERASED_DOMAIN}", 0, 0, 1, 1)
    assert audit(workbench.database).balances
    Sealing(workbench.database).seal()
    assert Verification(workbench.database).everything().holds
