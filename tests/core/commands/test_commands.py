"""The command line as a process: what it prints, where, and how it exits."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import make_url

from core.settings import DATA, ROOT
from tests.fakes.openid_provider import OpenIdProvider

pytestmark = pytest.mark.timeout(300)  # each command is a process that imports everything

Service = psycopg.Connection[tuple[object, ...]]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    """Runs `python -m core …` on the test's database."""

    def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path / "home"), **environ}
        return subprocess.run(
            [sys.executable, "-m", "core", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return command


def add_ann(run: Run, *more: str) -> subprocess.CompletedProcess[str]:
    """Makes Ann."""
    return run("user", "add", "ann@test.example", "--org", "Acme", "--plan", "starter", "--role", "owner", *more)


def test_user_add_prints_the_id_and_user_token_one_token_and_nothing_else(run: Run, service: Service) -> None:
    added = add_ann(run, "--password", "a long password")
    assert (added.returncode, added.stderr) == (0, "")
    user_id = UUID(added.stdout.strip())
    assert service.execute("SELECT id FROM users").fetchone() == (user_id,)
    assert service.execute("SELECT plan FROM organisations").fetchone() == ("basic",)
    token = run("user", "token", "ann@test.example")
    assert (token.returncode, token.stderr, len(token.stdout.split())) == (0, "", 1)
    bound = run("user", "token", "ann@test.example", "--org", "Acme")
    assert bound.stdout.strip() != token.stdout.strip()


def test_plan_set_puts_an_organisation_on_a_plan(run: Run, service: Service) -> None:
    add_ann(run)
    assert run("plan", "set", "Acme", "team").returncode == 0
    assert service.execute("SELECT plan FROM organisations").fetchone() == ("team",)


def test_credits_grant_tells_the_balance_and_is_in_the_ledger(run: Run, service: Service) -> None:
    add_ann(run)
    granted = run("credits", "grant", "Acme", "25.5", "--reason", "For the outage")
    assert (granted.returncode, granted.stderr) == (0, "")
    assert granted.stdout == "Acme was granted 25.5 credits; its balance is 25.5.\n"
    org_id = str((service.execute("SELECT id FROM organisations").fetchone() or ("",))[0])
    again = run("credits", "grant", org_id, "1", "--reason", "More", "--expires", "2099-01-01")
    assert again.stdout.endswith("its balance is 26.5.\n")
    entries = service.execute("SELECT kind, amount, reason, author FROM ledger_entries ORDER BY id").fetchall()
    assert entries == [
        ("grant", Decimal("25.5"), "For the outage", None),
        ("grant", Decimal(1), "More", None),
    ]
    ends = service.execute("SELECT expires_at FROM credit_lots").fetchone()
    assert ends == (datetime(2099, 1, 2, tzinfo=UTC),)  # its last day is a whole one
    for wrong in (("0", "why"), ("-5", "why"), ("NaN", "why"), ("10", " ")):
        refused = run("credits", "grant", "Acme", *wrong[:1], "--reason", wrong[1])
        assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (2, 1), wrong
    for _ in range(2):
        once = run("credits", "grant", "Acme", "2", "--reason", "Once", "--key", "ticket 7")
        assert once.stdout == "Acme was granted 2 credits; its balance is 28.5.\n"
    past = run("credits", "grant", "Acme", "1", "--reason", "why", "--expires", "2020-01-01")
    assert (past.returncode, past.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 2),
        (["no-such-command"], 2),
        (["user", "add"], 2),
        (["user", "add", "ann@test.example", "--org", "Acme", "--role", "king"], 2),
        (["user", "add", "ann@test.example", "--org", "Acme", "--plan", "gold"], 2),
        (["user", "add", "not an address", "--org", "Acme"], 2),
        (["user", "add", "ann@test.example", "--org", "Acme", "--password", "short"], 2),
        (["user", "token", "nobody@test.example"], 1),
        (["plan", "set", "Nowhere", "team"], 1),
        (["credits", "grant", "Acme", "ten", "--reason", "why"], 2),
        (["credits", "grant", "Acme", "10"], 2),
        (["credits", "grant", "Acme", "10", "--reason", "why", "--expires", "tomorrow"], 2),
        (["credits", "grant", "Nowhere", "10", "--reason", "why"], 1),
    ],
)
def test_bad_use_exits_2_and_a_failure_1_with_a_clear_line(run: Run, arguments: list[str], status: int) -> None:
    outcome = run(*arguments)
    assert (outcome.returncode, outcome.stdout) == (status, "")
    assert outcome.stderr.strip()
    assert "Traceback" not in outcome.stderr
    if status == 1:
        assert len(outcome.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        ["migrate"],
        ["demo"],
        ["user"],
        ["user", "add"],
        ["user", "token"],
        ["plan", "set"],
        ["credits", "grant"],
        ["doctor"],
    ],
)
def test_every_command_has_help(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments, "--help")
    assert outcome.returncode == 0
    assert "usage: python -m core" in outcome.stdout


def test_doctor_says_what_is_there_and_keeps_secrets(run: Run, database_url: str) -> None:
    outcome = run(
        "doctor",
        OPENAI_API_KEY="sk-very-secret",
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
        SMTP_URL="smtp://assay:pw-very-secret@mail.firm.example",
    )
    assert outcome.returncode == 0
    assert "openai" in outcome.stdout
    assert "set MISTRAL_API_KEY" in outcome.stdout
    assert "set OLLAMA_BASE_URL" in outcome.stdout
    assert "ok      market        as of 2010-08-20, the last session of the shipped history\n" in outcome.stdout
    assert "off     fmp           set FMP_API_KEY\n" in outcome.stdout
    assert "mail          mail.firm.example\n" in outcome.stdout
    password = str(make_url(database_url).password)
    for secret in ("sk-very-secret", "pw-very-secret", password):
        assert secret not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"DATABASE_URL": "postgresql://u:very-secret@127.0.0.1:1/x"}, "database cannot be reached"),
        ({"DATABASE_URL": "mysql://u:very-secret@127.0.0.1/x"}, "DATABASE_URL"),
        ({"PORT": "eighty"}, "PORT"),
        ({"PLANS_FILE": "/no/such/plans.yaml"}, "plans.yaml"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "ftp://very-secret"}, "OPENAI_BASE_URL"),
        ({"SMTP_URL": "smtp://assay:very-secret/1@mail.firm.example"}, "SMTP_URL"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(run: Run, environ: dict[str, str], says: str) -> None:
    outcome = run("doctor", **environ)
    assert outcome.returncode == 1
    printed = outcome.stdout + outcome.stderr
    assert says.lower() in printed.lower()
    assert "very-secret" not in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_a_short_cookie_secret_is_told_and_nothing_starts(run: Run, tmp_path: Path, command: str) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[auth]\ncookie_secret = "very-secret"\n', "utf-8")
    outcome = run(command, SECRETS_FILE=str(secrets))
    assert outcome.returncode == 1
    printed = outcome.stdout + outcome.stderr
    assert "secrets.toml: [auth] cookie_secret takes at least 32 random bytes" in printed
    assert "very-secret" not in printed
    assert "Traceback" not in printed


def test_doctor_names_the_providers_of_sign_in(run: Run, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    with OpenIdProvider() as provider:
        provider.write_secrets(secrets, "https://assay.example.com/oauth2callback")
    outcome = run("doctor", SECRETS_FILE=str(secrets), PUBLIC_URL="https://assay.example.com")
    assert "ok      openid        Acme, LinkedIn\n" in outcome.stdout
    assert "openid        see docs/sign-in.md" in run("doctor").stdout


def test_doctor_accounting_ends_with_one_line_that_says_the_books_balance(run: Run) -> None:
    add_ann(run)
    outcome = run("doctor", "--accounting")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        "The books balance: 0 calls, 0 open, 0 overdue, 0 unresolved (at most 0 USD), 0 quarantined, "
        "0 cached or denied.\n"
    )


def test_doctor_accounting_exits_1_when_the_books_differ_and_says_what_to_do(run: Run, service: Service) -> None:
    add_ann(run)
    service.execute("SELECT make_meters(org_id, user_id) FROM memberships")
    service.execute("UPDATE member_meters SET chat_query_used = 3")
    outcome = run("doctor", "--accounting")
    assert (outcome.returncode, outcome.stderr) == (1, "")
    kind, difference, end = outcome.stdout.splitlines()
    assert kind.startswith("DIFFERENCE counter_running, 1 found. A limit refuses too early or too late")
    (owner,) = service.execute("SELECT 'organisation ' || org_id || ', user ' || user_id FROM memberships").fetchall()
    assert difference.startswith("  chat_query_used of day from ")
    assert difference.endswith(f"says 3, should be 0; {owner[0]}")
    assert end == "1 difference"


def test_doctor_accounting_lists_a_call_left_by_a_dead_process_and_is_content(run: Run, service: Service) -> None:
    add_ann(run)
    service.execute(
        "SELECT reserve(gen_random_uuid(), gen_random_uuid(), org_id, user_id, 'chat_query', 'openai', 'a-model', "
        "'v1', 0.002, 150) FROM memberships"
    )
    service.execute("SELECT mark_in_flight(id) FROM holds")
    service.execute("UPDATE holds SET expires_at = created_at")
    overdue = run("doctor", "--accounting")
    assert overdue.returncode == 0
    assert "warning: 1 hold overdue" in overdue.stdout
    service.execute("SELECT expire_hold(id) FROM holds")
    outcome = run("doctor", "--accounting")
    assert outcome.returncode == 0
    kind, call, end = outcome.stdout.splitlines()
    assert kind.startswith("unresolved, 1 found, at most 0.002 USD together. ")
    assert "openai a-model: at most 0.002 USD; hold " in call
    assert "1 call, 0 open, 0 overdue, 1 unresolved (at most 0.002 USD)" in end


def test_doctor_accounting_says_that_the_database_cannot_be_reached(run: Run) -> None:
    outcome = run("doctor", "--accounting", DATABASE_URL="postgresql://u:very-secret@127.0.0.1:1/x")
    assert outcome.returncode == 1
    assert "database cannot be reached" in outcome.stdout + outcome.stderr
    assert "very-secret" not in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_demo_can_be_loaded_again_and_keeps_its_password_to_its_owner(run: Run, tmp_path: Path) -> None:
    first, again = run("demo"), run("demo")
    assert (first.returncode, first.stdout) == (0, again.stdout)
    path = tmp_path / "home" / "demo-password"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text("utf-8").strip() in first.stdout
    for email in ("analyst@demo.example", "colleague@demo.example", "admin@demo.example", "free@demo.example"):
        assert email in first.stdout


def test_a_mistake_in_the_models_file_stops_the_start_and_names_the_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text((DATA / "models.yaml").read_text("utf-8").replace("class: economy", "class: cheap", 1), "utf-8")
    outcome = run("serve", "--port", "1", MODELS_FILE=str(path))
    assert outcome.returncode == 1
    assert "models.yaml, line" in outcome.stdout + outcome.stderr
