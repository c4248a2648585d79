"""`verdicts replay` as a process: what it says beforehand, what it prints, how it exits."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from core.__main__ import main
from core.principal import Role
from core.settings import ROOT
from core.workbench import open_workbench
from tests.conftest import make_settings
from tests.core.commands.test_bars import Run, Service, run
from tests.fakes.canaries import without_canary
from tests.fakes.chat_server import ChatServer, Reply

pytestmark = pytest.mark.timeout(300)  # each command is a process that imports everything

__all__ = ["run"]

KEPT_MODEL, OTHER_MODEL = "gpt-4o-mini", "gpt-4.1-mini"
PROMPT = "---\nname: terse\nversion: 2\n---\nJudge the signal. Answer with JSON.\n"
Replay = Callable[..., subprocess.CompletedProcess[str]]


def answer(verdict: str) -> str:
    """What a model says."""
    said = {"verdict": verdict, "confidence": 0.6, "reasoning": "The stop is at 95.", "risk_factors": []}
    return json.dumps({**said, "entry_suggestion": ""})


@pytest.fixture
def live(chat_server: ChatServer) -> dict[str, str]:
    """What makes the scripted server a workbench's OpenAI."""
    return {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": chat_server.base_url}


@pytest.fixture
def kept(database_url: str, tmp_path: Path, chat_server: ChatServer, live: dict[str, str]) -> None:
    """Ann of Acme had a golden cross validated on each of three symbols: BUY, SELL, HOLD."""
    with closing(open_workbench(make_settings(database_url, tmp_path, **live))) as opened:
        opened.directory.add_user("ann@test.example", org_name="Acme", plan="premium", role=Role.OWNER)
        ann = opened.directory.member("ann@test.example", "Acme")
        for symbol, verdict in (("AAA", "BUY"), ("BBB", "SELL"), ("CCC", "HOLD")):
            chat_server.script.append(Reply(answer(verdict)))
            prices = {"entry_price": 100.0, "current_price": 100.0, "stop_loss": 95.0}
            body = {"symbol": symbol, "signal_type": "golden_cross", "signal_direction": "bullish", **prices}
            opened.verdicts.validations.validate_snapshot(ann, body, model=KEPT_MODEL)
    chat_server.requests.clear()
    chat_server.reply(text=answer("BUY"))


@pytest.fixture
def replay(run: Run, live: dict[str, str]) -> Replay:
    """Runs `verdicts replay` for Acme, with a budget of a dollar unless another is given."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        budget = () if "--budget" in arguments else ("--budget", "1")
        return run("verdicts", "replay", "--org", "Acme", "--model", OTHER_MODEL, *budget, *arguments, **live)

    return command


@pytest.mark.usefixtures("kept")
def test_without_a_terminal_it_says_what_it_would_cost_and_asks_nothing(
    replay: Replay, chat_server: ChatServer
) -> None:
    outcome = replay()
    assert outcome.returncode == 2
    assert "Acme: 3 snapshots through gpt-4.1-mini, prompt validate_signal/" in outcome.stdout
    assert "Kept verdicts are of gpt-4o-mini (3)." in outcome.stdout
    assert "To be asked: 3, for at most 0.0" in outcome.stdout
    assert "left today: 497." in outcome.stdout
    assert "say --yes" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert chat_server.calls == 0


@pytest.mark.usefixtures("kept")
def test_both_sides_are_printed_and_nothing_is_changed(
    replay: Replay, chat_server: ChatServer, service: Service
) -> None:
    outcome = replay("--yes")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert chat_server.calls == 3
    assert "3 of 3" in lines
    assert any(line.startswith("3 snapshots compared: 3 asked now, 0 before; 0 unusable, 0 failed") for line in lines)
    assert "Agreed on 1 of 3. Rows: verdicts kept; columns: of the replay." in lines
    assert ["BUY", "1", "0", "0", "0"] in [line.split() for line in lines]
    assert ["SELL", "1", "0", "0", "0"] in [line.split() for line in lines]
    for row in ("right over 5 sessions", "Brier score over 20 sessions", "numbers verified", "USD for each verdict"):
        assert any(line.startswith(row) for line in lines), row
    assert any(line.startswith("median time of a call") and line.endswith(" ms") for line in lines)
    assert lines[-1].startswith("Nothing was changed: ")
    assert service.execute("SELECT verdict FROM verdicts WHERE purpose = 'asked' ORDER BY symbol").fetchall() == [
        ("BUY",),
        ("SELL",),
        ("HOLD",),
    ]
    again = replay()
    assert (again.returncode, chat_server.calls) == (0, 3), "what is free needs nobody's word"
    assert "Answered by an earlier run, and free: 3." in again.stdout
    assert "Agreed on 1 of 3." in again.stdout


@pytest.mark.usefixtures("kept")
def test_a_terminal_is_asked(database_url: str, tmp_path: Path, live: dict[str, str], chat_server: ChatServer) -> None:
    command = ["verdicts", "replay", "--org", "Acme", "--model", OTHER_MODEL, "--budget", "1", "--most", "1"]
    environ = {**os.environ, "DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path / "home"), **live}
    for word, calls, said in (
        ("\n", 0, "Nothing was asked."),
        ("n\n", 0, "Nothing was asked."),
        ("y\n", 1, "Agreed on"),
    ):
        terminal, inside = pty.openpty()
        os.write(terminal, word.encode())
        outcome = subprocess.run(
            [sys.executable, "-m", "core", *command],
            cwd=ROOT,
            env=environ,
            stdin=inside,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        os.close(terminal)
        os.close(inside)
        assert (outcome.returncode, outcome.stderr) == (0, "")
        assert said in outcome.stdout
        assert chat_server.calls == calls


@pytest.mark.usefixtures("kept")
def test_a_prompt_of_ones_own_is_asked_under_and_its_mistakes_are_named(
    replay: Replay, tmp_path: Path, chat_server: ChatServer
) -> None:
    file = tmp_path / "terse.md"
    file.write_text(PROMPT.replace("version: 2", "version 2"), "utf-8")
    outcome = replay("--yes", "--prompt", str(file))
    assert (outcome.returncode, chat_server.calls) == (1, 0)
    assert outcome.stderr.startswith("Configuration: terse.md, line 3: ")
    assert len(outcome.stderr.splitlines()) == 1
    file.write_text(PROMPT, "utf-8")
    outcome = replay("--yes", "--prompt", str(file))
    assert outcome.returncode == 0
    assert "prompt terse/2/" in outcome.stdout
    asked = without_canary(chat_server.requests[0].body["messages"])
    assert asked[0]["content"] == "Judge the signal. Answer with JSON."


@pytest.mark.usefixtures("kept")
def test_where_nothing_could_be_read_it_has_failed(replay: Replay, chat_server: ChatServer) -> None:
    chat_server.reply(text="I would rather not say.")
    outcome = replay("--yes")
    assert outcome.returncode == 1
    assert outcome.stdout.count("does not follow the schema") == 3
    assert outcome.stderr == "The replay failed: No snapshot was answered.\n"


@pytest.mark.usefixtures("kept")
def test_bad_use_is_told_from_failure(replay: Replay, chat_server: ChatServer) -> None:
    for arguments, status, words in (
        (["--budget", "0.000001"], 2, "The budget covers no call: the first costs up to 0.0"),
        (["--most", "0"], 2, "A replay shows 1 to 500 snapshots."),
        (["--prompt", "nowhere.md"], 2, "There is no file nowhere.md."),
        (["--model", "auto"], 2, "Name one model"),
        (["--model", "nothing"], 1, "There is no model of that name"),
        (["--org", "Nobody"], 1, "There is no organisation of that name"),
        (["--scored-only"], 1, "Acme has no verdict whose outcome is known yet"),
    ):
        outcome = replay("--yes", *arguments)
        assert outcome.returncode == status, (arguments, outcome)
        assert words in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
    assert chat_server.calls == 0


@pytest.mark.parametrize("budget", [[], ["--budget", "much"], ["--budget=-1"], ["--budget", "NaN"]])
def test_a_budget_is_an_amount_and_has_to_be_stated(budget: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verdicts", "replay", "--org", "Acme", "--model", OTHER_MODEL, *budget])
    assert ended.value.code == 2
    assert "--budget" in capsys.readouterr().err
