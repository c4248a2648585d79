"""The rules of the house: each check passes on this project's like, and fails on a planted offence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).resolve().parents[2] / ".ci" / "checks"
UNFINISHED = "TO" + "DO"
HOME = "/" + "home/ann/data"
SELECT = "SELECT" + " name FROM users"


def run_check(name: str, root: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(CHECKS / f"{name}.py"), str(root)]
    return subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project without an offence."""
    write(tmp_path, "requirements.txt", "pyyaml~=6.0  # plans\nstreamlit[performance]~=1.67\n")
    write(tmp_path, "core/plans.py", '"""Plans: SELECT nothing FROM here."""\nimport yaml\n\nimport core\n')
    write(tmp_path, "core/db/dao.py", f'QUERY = "{SELECT}"\n')
    write(
        tmp_path, "pages/main.py", "import json\n\nimport streamlit\n\nstreamlit.write('Select a plan from the list')\n"
    )
    write(tmp_path, ".venv/lib/other.py", f"# {UNFINISHED}: not ours\n")
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("check", ["size_budget", "house_rules", "requirements_used"])
def test_a_project_without_an_offence_passes(check: str, project: Path) -> None:
    outcome = run_check(check, project)

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def lines(count: int) -> str:
    return "x = 1\n" * count


@pytest.mark.parametrize(
    ("check", "path", "text", "place"),
    [
        ("size_budget", "core/long.py", lines(601), "core/long.py:1: 601 lines"),
        (
            "size_budget",
            "app.py",
            "\ndef long() -> None:\n" + "    " + "    ".join([lines(1)] * 70),
            "app.py:2: long has 71",
        ),
        ("house_rules", "core/plan.py", f"# {UNFINISHED}: later\n", "core/plan.py:1: unfinished"),
        ("house_rules", "Makefile", f"run:\n\tcd {HOME}\n", "Makefile:2: a path of one machine"),
        ("house_rules", "requirements.lock", "--index-url https://example.com\n", "requirements.lock:1: a requirement"),
        ("house_rules", "core/odd.py", "x = y  # type: ignore[misc]\n", "core/odd.py:1: an ignore"),
        ("house_rules", "core/odd.py", "x = y  # noqa: F821\n", "core/odd.py:1: an ignore"),
        ("house_rules", "core/odd.py", "x = y  # type: ignore  # because\n", "core/odd.py:1: an ignore"),
        (
            "house_rules",
            "pages/usage.py",
            f'x = 1\nQUERY = f"{SELECT} WHERE {{x}}"\n',
            "pages/usage.py:2: SQL lives in",
        ),
        (
            "house_rules",
            "core/ai/cache.py",
            '"""The cache."""\nQUERY = "delete from cache"\n',
            "core/ai/cache.py:2: SQL",
        ),
        (
            "requirements_used",
            "requirements.txt",
            "pyyaml~=6.0\nstreamlit~=1.67\nleft-pad~=1.0\n",
            "nothing imports left-pad",
        ),
        ("requirements_used", "core/new.py", "from polars import DataFrame\n", "core/new.py:1: polars is not in"),
    ],
)
def test_a_planted_offence_is_found_at_its_place(check: str, path: str, text: str, place: str, project: Path) -> None:
    write(project, path, text)

    outcome = run_check(check, project)

    assert outcome.returncode == 1
    assert place in outcome.stdout
    assert len(outcome.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "comment", ["# noqa: S105 (a prefix, no secret)", "# type: ignore[misc]  # the stubs are wrong"]
)
def test_an_ignore_that_gives_its_reason_passes(comment: str, project: Path) -> None:
    write(project, "core/odd.py", f"x = y  {comment}\n")

    assert run_check("house_rules", project).returncode == 0


def test_a_long_file_of_tests_is_held_to_the_budget_too(project: Path) -> None:
    write(project, "tests/test_long.py", lines(601))

    assert "tests/test_long.py:1" in run_check("size_budget", project).stdout
