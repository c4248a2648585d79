"""Takes guards out of a copy of the repository, one at a time, and says which of them no test would miss."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.settings import ROOT

LEFT_BEHIND = (".git", ".venv", "__pycache__", ".*cache*", ".assay", "artefacts", "bench", "docs")
TEST_LIMIT_S = 90
NOTICED, SURVIVED, STALE, INVALID = "noticed", "survived", "stale", "invalid"


@dataclass(frozen=True)
class Guard:
    """One place that holds a rule: where its text is, what stands there without it, and which tests must then fail."""

    name: str
    path: str
    text: str
    without: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What came of one guard."""

    guard: Guard
    verdict: str
    """noticed; survived (no test failed); stale (its text is not there once); invalid (the tests could not run)."""
    output: str = ""


def examined(
    guards: Sequence[Guard], server_url: str, folder: Path, *, jobs: int = 2, tell: Callable[[Finding], None]
) -> list[Finding]:
    """Every guard taken out, in as many copies of the repository as there are jobs."""
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for number in range(min(jobs, len(guards))):
        copies.put(_copied(folder / f"copy-{number}"))
    telling = threading.Lock()

    def examine(guard: Guard) -> Finding:
        copy = copies.get()
        try:
            finding = _without(guard, copy, server_url)
        finally:
            copies.put(copy)
        with telling:
            tell(finding)
        return finding

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(examine, guards))


def untouched(guards: Iterable[Guard], server_url: str, folder: Path) -> str | None:
    """What the tests of all guards say where nothing is taken out; None where all pass, as they must."""
    done = _run_tests(sorted({test for guard in guards for test in guard.tests}), _copied(folder / "whole"), server_url)
    return None if done.returncode == 0 else done.stdout


def _copied(to: Path) -> Path:
    shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    return to


def _without(guard: Guard, copy: Path, server_url: str) -> Finding:
    path = copy / guard.path
    whole = path.read_text("utf-8")
    if whole.count(guard.text) != 1:
        return Finding(guard, STALE, f"its text stands {whole.count(guard.text)} times in {guard.path}")
    path.write_text(whole.replace(guard.text, guard.without), "utf-8")
    try:
        done = _run_tests(guard.tests, copy, server_url)
    finally:
        path.write_text(whole, "utf-8")
    return Finding(guard, _verdict(done), done.stdout)


def _verdict(done: subprocess.CompletedProcess[str]) -> str:
    """A test that fails has noticed; one that could not begin says nothing about the guard."""
    if done.returncode == 0:
        return SURVIVED
    return NOTICED if done.returncode == 1 and "ERROR at setup of" not in done.stdout else INVALID


def _run_tests(tests: Iterable[str], copy: Path, server_url: str) -> subprocess.CompletedProcess[str]:
    # Without compiled files: a mutated source of the same size and second would be taken for the old one.
    environ = {**os.environ, "ASSAY_TEST_DATABASE_URL": server_url, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--timeout={TEST_LIMIT_S}", *tests],
        cwd=copy,
        env={**environ, "PYTHONPATH": str(copy)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def chosen(guards: Iterable[Guard], words: Sequence[str]) -> Iterator[Guard]:
    """The guards whose name holds one of the words; all where there are none."""
    return (guard for guard in guards if not words or any(word in guard.name for word in words))
