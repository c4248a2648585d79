"""`python -m core keys rotate`: what it prints, and how it exits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from core.accounts.encryption import Encryption
from core.principal import Principal
from core.settings import ROOT
from tests.conftest import MakeMember
from tests.core.metering.factories import own_key

pytestmark = pytest.mark.timeout(300)  # each command is a process that imports everything

Connection = psycopg.Connection[tuple[object, ...]]
Rotate = Callable[..., subprocess.CompletedProcess[str]]
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def rotate(database_url: str, tmp_path: Path) -> Rotate:
    """Runs the command on the test's database."""

    def command(**environ: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path / "home"), **environ}
        return subprocess.run(
            [sys.executable, "-m", "core", "keys", "rotate"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return command


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An owner."""
    return member("ann", plan="enterprise", role="owner")


def test_it_says_how_much_came_under_the_newest_key(rotate: Rotate, service: Connection, ann: Principal) -> None:
    for number in range(2):
        own_key(service, ann, secret=Encryption([OLD]).encrypt("sk-a-key"), provider=f"provider-{number}")
    first = rotate(ENCRYPTION_KEYS=f"{NEW},{OLD}")
    assert (first.returncode, first.stderr) == (0, "")
    assert "provider_keys.secret: 2 re-encrypted, 0 current already" in first.stdout
    assert "alerts.webhook_secret: 0 re-encrypted, 0 current already" in first.stdout
    again = rotate(ENCRYPTION_KEYS=NEW)
    assert (again.returncode, again.stderr) == (0, "")
    assert "provider_keys.secret: 0 re-encrypted, 2 current already" in again.stdout


def test_it_names_what_cannot_be_decrypted_and_exits_1(rotate: Rotate, service: Connection, ann: Principal) -> None:
    lost = own_key(service, ann, secret=Encryption([OTHER]).encrypt("sk-a-key"))
    done = rotate(ENCRYPTION_KEYS=f"{NEW},{OLD}")
    assert done.returncode == 1
    assert f"provider_keys {lost}: secret cannot be decrypted" in done.stderr
    assert "sk-a-key" not in done.stdout + done.stderr
    assert not any(key in done.stdout + done.stderr for key in (OLD, NEW, OTHER))


@pytest.mark.parametrize(
    ("environ", "words"),
    [({"ENCRYPTION_KEYS": "nonsense"}, "ENCRYPTION_KEYS: key 1"), ({"HOST": "0.0.0.0"}, "set ENCRYPTION_KEYS")],
    ids=["no Fernet key", "no key at all"],
)
def test_without_a_key_that_can_be_used_it_says_what_to_set(
    rotate: Rotate, environ: dict[str, str], words: str
) -> None:
    done = rotate(**environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr and len(done.stderr.splitlines()) == 1
