"""`make check` compares prices and limits with two other tables: what it passes, and what it finds."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.checks.test_checks import CHECKS, run_check

ROOT = CHECKS.parents[1]
KNOWN = ".ci/checks/price_disagreements.yaml"
EXTRACT = ".ci/checks/litellm_prices.json"
TABLE = "data/prices/2026-11-21.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Our own tables, to be changed."""
    shutil.copytree(ROOT / "data" / "prices", tmp_path / "data" / "prices")
    shutil.copy(ROOT / "data" / "models.yaml", tmp_path / "data")
    (tmp_path / ".ci" / "checks").mkdir(parents=True)
    for name in (KNOWN, EXTRACT):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(project: Path, path: str, pattern: str, by: str) -> None:
    """Replaces the first place in a file."""
    text = (project / path).read_text("utf-8")
    assert re.search(pattern, text, re.DOTALL), pattern
    (project / path).write_text(re.sub(pattern, by, text, count=1, flags=re.DOTALL), "utf-8")


def findings(project: Path) -> list[str]:
    outcome = run_check("price_tables", project)
    assert outcome.stderr == ""
    assert outcome.returncode == (1 if outcome.stdout else 0)
    return outcome.stdout.splitlines()


def test_the_shipped_prices_and_limits_agree_with_both_tables_or_say_why_not(project: Path) -> None:
    assert findings(project) == []


@pytest.mark.parametrize(
    ("path", "pattern", "by", "told"),
    [
        (
            TABLE,
            r'(gpt-4o-mini\n.*?output: )"0.6"',
            r'\1"0.7"',
            [
                "openai/gpt-4o-mini: output is 0.7 with us and 0.6 in genai-prices;",
                "openai/gpt-4o-mini: output is 0.7 with us and 0.6 in litellm;",
            ],
        ),
        (
            TABLE,
            r'(gpt-5\.5\n.*?above: 272000\n\s+input: )"10"',
            r'\1"9"',
            [
                "openai/gpt-5.5: long_context.cache_write is 9 with us and 10 in genai-prices;",
                "openai/gpt-5.5: long_context.input is 9 with us and 10 in genai-prices;",
                "openai/gpt-5.5: long_context.cache_write is 9 with us and 10 in litellm;",
                "openai/gpt-5.5: long_context.input is 9 with us and 10 in litellm;",
            ],
        ),
        (
            TABLE,
            r'(perplexity/sonar\n.*?)    per_request: "0.012"\n',
            r"\1",
            [
                "perplexity/sonar: per_request is 0 with us and 0.012 in genai-prices;",
                "perplexity/sonar: per_request is 0 with us and 0.012 in litellm;",
            ],
        ),
        (
            "data/prices/2026-11-22.yaml",
            r"(gemini-4-argon\n    valid_from: )2026-12-01",
            r"\g<1>2026-12-02",
            [
                "google/gemini-4-argon: cached_input from 2026-12-01 is 0.1 with us and 0.2 in genai-prices;",
                "google/gemini-4-argon: input from 2026-12-01 is 2 with us and 4 in genai-prices;",
            ],
        ),
        (
            "data/prices/2026-11-23.yaml",
            r'per_audio_hour: "0.111"',
            'per_audio_hour: "0.112"',
            [
                "groq/whisper-large-v3: per_audio_hour is 0.112 with us and 0.111 in genai-prices;",
                "groq/whisper-large-v3: per_audio_hour is 0.112 with us and 0.111 in litellm;",
            ],
        ),
        (
            "data/prices/2026-11-23.yaml",
            r'(gpt-image-2.5-flare\n    valid_from: 2025-01-01\n    input: "5"\n    output: )"30"',
            r'\g<1>"32"',
            [
                "openai/gpt-image-2.5-flare: output is 32 with us and 30 in genai-prices;",
                "openai/gpt-image-2.5-flare: output is 32 with us and 30 in litellm;",
            ],
        ),
        (
            "data/prices/2026-11-23.yaml",
            r'(openai/gpt-4o-transcribe\n    valid_from: 2025-01-01\n    input: "6"\n    output: )"10"',
            r'\g<1>"12"',
            [
                "openai/gpt-4o-transcribe: output is 12 with us and 10 in genai-prices;",
                "openai/gpt-4o-transcribe: output is 12 with us and 10 in litellm;",
            ],
        ),
        (
            "data/models.yaml",
            r"(id: gpt-4o\n.*?context_window: )128000",
            r"\g<1>200000",
            [
                "openai/gpt-4o: context_window is 200000 with us and 128000 in genai-prices;",
                "openai/gpt-4o: context_window is 200000 with us and 128000 in litellm;",
            ],
        ),
        (
            "data/models.yaml",
            r"(id: gpt-4o\n.*?max_output: )16384",
            r"\g<1>4096",
            ["openai/gpt-4o: max_output is 4096 with us and 16384 in litellm;"],
        ),
        (
            "data/models.yaml",
            r"(id: o3\n.*?)    deprecated_on: 2026-12-11\n",
            r"\1",
            ["openai/o3: deprecated_on is None with us and 2026-12-11 in litellm;"],
        ),
    ],
)
def test_a_difference_is_told_with_both_figures(
    project: Path, path: str, pattern: str, by: str, told: list[str]
) -> None:
    change(project, path, pattern, by)

    found = findings(project)
    for sentence in told:
        assert any(line.startswith(sentence) for line in found), found
    assert all(line.split(":")[0] == told[0].split(":")[0] for line in found)


def test_a_reason_for_a_difference_that_is_no_more_is_told(project: Path) -> None:
    change(project, KNOWN, r'input: "1.36"', 'input: "1.37"')
    change(project, KNOWN, r"unlisted:\n", "unlisted:\n  - {model: openai/gpt-4o, reason: nobody knows it}\n")

    assert findings(project) == [
        "mistral/mistral-large-4: input is 0.7 with us and 1.36 in litellm; correct it, or give the reason in "
        ".ci/checks/price_disagreements.yaml",
        f"{KNOWN}: mistral/mistral-large-4 no longer differs from litellm by input 1.37; take the entry out",
        f"{KNOWN}: openai/gpt-4o is unlisted no more; take the entry out",
    ]


def test_a_model_that_no_table_has_needs_a_source(project: Path) -> None:
    change(project, KNOWN, r"  - model: ollama/qwen3\n[^\n]*\n", "")

    (found,) = findings(project)
    assert found.startswith("ollama/qwen3: neither genai-prices nor litellm has it; say in")


def test_an_extract_of_other_models_has_to_be_remade(project: Path) -> None:
    text = (project / "data" / "models.yaml").read_text("utf-8")
    without = re.sub(r"  - id: sonar-pro\n.*?\n\n", "", text, count=1, flags=re.DOTALL)
    (project / "data" / "models.yaml").write_text(without, "utf-8")

    (found,) = findings(project)
    assert found == f"{EXTRACT}: remake it by litellm_extract.py, since the models changed: perplexity/sonar-pro"


def test_the_extract_is_made_of_the_wheel_alone(tmp_path: Path) -> None:
    """A wheel is an archive: nothing in it is imported, and only what we compare is kept."""
    checks = tmp_path / ".ci" / "checks"
    shutil.copytree(CHECKS, checks, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("core", "data"):
        (tmp_path / part).symlink_to(ROOT / part)
    wheel = tmp_path / "litellm-9.9.9-py3-none-any.whl"
    row = {
        "input_cost_per_token": 1.5e-07,
        "output_cost_per_token": 6e-07,
        "cache_read_input_token_cost": 7.5e-08,
        "max_input_tokens": 128000,
        "max_output_tokens": 16384,
        "supports_vision": True,
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("litellm/model_prices_and_context_window_backup.json", json.dumps({"gpt-4o-mini": row}))

    subprocess.run([sys.executable, str(checks / "litellm_extract.py"), str(wheel)], check=True, timeout=60)

    made = json.loads((checks / "litellm_prices.json").read_text("utf-8"))
    assert (made["version"], made["sha256"]) == ("9.9.9", hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert made["models"]["openai/gpt-4o"] is None
    assert made["models"]["openai/gpt-4o-mini"] == {
        "figures": {
            "per_request": "0",
            "input": "0.15",
            "output": "0.6",
            "cached_input": "0.075",
            "cache_write": "0.15",
        },
        "max_input_tokens": 128000,
        "max_output_tokens": 16384,
        "deprecated_on": None,
    }
