"""`bars update|import|check` as processes: what they print, how they exit, and what is there afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from core.settings import ROOT
from tests.fakes.market_answers import DAYS
from tests.fakes.market_server import MarketServer

Service = psycopg.Connection[tuple[object, ...]]
Run = Callable[..., subprocess.CompletedProcess[str]]
GOOD = (
    "Symbol,Date,Open,High,Low,Close,Volume\nTATA.NS,2024-03-05,10,11,9,10.5,1000\nTATA.NS,2024-03-06,11,12,10,11,900\n"
)


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    """Runs `python -m core …` on the test's database, with no source configured."""

    def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        given = {"DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path / "home"), **environ}
        environment = {**os.environ, **given}
        return subprocess.run(
            [sys.executable, "-m", "core", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sound file of bars."""
    path = tmp_path / "prices.csv"
    path.write_text(GOOD, "utf-8")
    return path


def add_ann(run: Run) -> None:
    """Makes Ann, who owns Acme."""
    assert run("user", "add", "ann@test.example", "--org", "Acme", "--plan", "team").returncode == 0


def test_update_loads_what_is_shipped_and_names_what_would_fetch_more(run: Run, service: Service) -> None:
    outcome = run("bars", "update")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "ALPHAVANTAGE_API_KEY" in outcome.stdout
    found = service.execute("SELECT sum(rows) FROM bar_series WHERE symbol = 'MSFT'").fetchone()
    assert found == (3270 + 242,), "two histories, which are never mixed"
    assert run("bars", "update").returncode == 0
    assert service.execute("SELECT max(version) FROM bar_datasets").fetchone() == (1,)


def test_import_makes_a_universe_of_the_organisations_own(run: Run, service: Service, file: Path) -> None:
    add_ann(run)
    dry = run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "2 bars of 1 symbols" in dry.stdout
    assert service.execute("SELECT count(*) FROM bar_series").fetchone() == (0,)
    outcome = run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "2 new days" in outcome.stdout
    assert service.execute("SELECT symbol, rows FROM bar_series").fetchall() == [("TATA.NS", 2)]
    row = service.execute("SELECT title, first_day::text, last_day::text FROM own_universes").fetchone()
    assert row == ("Mine", "2024-03-05", "2024-03-06")
    again = run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine")
    assert "0 new days, 0 changed" in again.stdout


def test_update_fetches_an_organisations_universe_from_the_configured_sources(
    run: Run, service: Service, file: Path
) -> None:
    add_ann(run)
    file.write_text("Symbol,Date,Close,Exchange\nACME,2024-03-05,10.5,XNYS\n", "utf-8")
    assert run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine").returncode == 0
    with MarketServer() as server:
        live = {"FMP_API_KEY": "key", "FMP_BASE_URL": server.url}
        span = ("--first", DAYS[0].isoformat(), "--last", DAYS[-1].isoformat())
        outcome = run("bars", "update", "--org", "Acme", "--universe", "Mine", *span, **live)
        assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "1 updated.\n", "")
        generated = run("bars", "update", "--universe", "nse_generated", **live)
        assert (generated.returncode, "do not exist" in generated.stderr) == (2, True)
    found = service.execute(
        "SELECT s.rows, s.last_day FROM bar_series s JOIN bar_datasets d ON d.id = s.dataset_id "
        "WHERE d.kind = 'fetched'"
    ).fetchall()
    assert found == [(len(DAYS), DAYS[-1])]


def test_a_bad_row_is_told_by_line_and_keeps_out_the_whole_file(run: Run, service: Service, file: Path) -> None:
    add_ann(run)
    file.write_text(GOOD + "TATA.NS,2024-03-07,10,11,9,-1,1000\n", "utf-8")
    outcome = run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine")
    assert outcome.returncode == 1
    assert "1 refused: a price is not above 0 (line 4)." in outcome.stdout
    assert "Nothing was loaded" in outcome.stdout
    assert service.execute("SELECT count(*) FROM bar_series").fetchone() == (0,)
    assert service.execute("SELECT count(*) FROM own_universes").fetchone() == (0,)


def test_a_refused_import_changes_neither_the_bars_nor_the_universe(run: Run, service: Service, file: Path) -> None:
    add_ann(run)
    assert run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine", "--adjusted").returncode == 0
    held = service.execute("SELECT symbol, last_day FROM own_universe_members").fetchall()
    file.write_text("Symbol,Date,Close\nTATA.NS,2024-03-07,11\nNEW.NS,2024-03-07,5\n", "utf-8")
    raw = run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine")
    assert (raw.returncode, "never mixed" in raw.stderr) == (1, True)
    assert service.execute("SELECT symbol, last_day FROM own_universe_members").fetchall() == held
    file.write_text("Symbol,Date,Close,Exchange\nNEW.NS,2024-03-07,5,ABCD\n", "utf-8")
    nowhere = run("bars", "import", str(file), "--org", "Acme", "--universe", "Mine")
    assert (nowhere.returncode, "no exchange 'ABCD'" in nowhere.stderr) == (2, True)
    assert service.execute("SELECT symbol, last_day FROM own_universe_members").fetchall() == held
    assert service.execute("SELECT symbol, rows FROM bar_series").fetchall() == [("TATA.NS", 2)]


def test_files_add_to_one_universe_however_its_title_is_spaced(run: Run, service: Service, file: Path) -> None:
    add_ann(run)
    assert run("bars", "import", str(file), "--org", "Acme", "--universe", " My  list").returncode == 0
    file.write_text(GOOD.replace("TATA", "INFY"), "utf-8")
    assert run("bars", "import", str(file), "--org", "Acme", "--universe", " My  list").returncode == 0
    assert service.execute("SELECT title FROM own_universes").fetchall() == [("My list",)]
    assert service.execute("SELECT DISTINCT name FROM bar_datasets").fetchall() == [("My list",)]
    members = service.execute("SELECT symbol FROM own_universe_members ORDER BY symbol").fetchall()
    assert members == [("INFY.NS",), ("TATA.NS",)]
    checked = run("bars", "check", "--org", "Acme", "--universe", "My  list")
    assert checked.stdout.startswith("2 symbols")


def test_check_tells_the_defects_of_the_shipped_history(run: Run) -> None:
    outcome = run("bars", "check")
    assert (outcome.returncode, outcome.stderr) == (1, ""), "a jump that looks like a split is an error"
    assert outcome.stdout.startswith("524 symbols up to 2010-08-20: 1 errors, ")
    assert "STR" in outcome.stdout
    generated = run("bars", "check", "--universe", "nse_generated")
    assert (generated.returncode, "0 errors, 0 warnings, 1 notes" in generated.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["bars"], 2),
        (["bars", "import", "no-such-file.csv", "--org", "Acme", "--universe", "Mine"], 2),
        (["bars", "import", "x.csv", "--universe", "Mine"], 2),
        (["bars", "update", "--first", "yesterday"], 2),
        (["bars", "check", "--universe", "nowhere"], 1),
        (["bars", "check", "--org", "Nobody"], 1),
    ],
)
def test_bad_use_exits_2_and_a_failure_1_with_one_clear_line(run: Run, arguments: list[str], status: int) -> None:
    outcome = run(*arguments)
    assert (outcome.returncode, outcome.stdout) == (status, "")
    assert "Traceback" not in outcome.stderr
    if status == 1:
        assert len(outcome.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [["bars"], ["bars", "update"], ["bars", "import"], ["bars", "check"]])
def test_every_command_has_help(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments, "--help")
    assert outcome.returncode == 0
    assert "usage: python -m core bars" in outcome.stdout
