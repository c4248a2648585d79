"""How long a start takes: in a checkout that is set up, and from nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from core.settings import ROOT
from tests.bench.application import SERVE, StartFailedError, running
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground, remove_home, wait_until_stopped
from tests.bench.profiling import sampled_command, sampled_profile

STARTS = 3
WARM_GOAL = Goal("p50", 6.0)
COLD_GOAL = Goal("p50", 180.0)
COLD_LIMIT_S = 900.0
CLONE_LIMIT_S = 120.0
MAKE_RUN = ("make", "run")


def warm(ground: Ground) -> list[Figure]:
    """Starts on a home that was used before; Postgres is down each time, as after the user's last stop."""
    is_set_up = (ROOT / "Makefile").exists() and (ROOT / ".venv").exists() and shutil.which("make")
    command = MAKE_RUN if is_set_up else SERVE
    words = "`make run`" if is_set_up else "`python -m core serve`, since this checkout was not set up by make"
    home = ground.work / "warm"
    try:
        samples = [_started(home, command) for _ in range(STARTS + 1)][1:]
        found = figure(
            "warm start to a page that answers",
            samples,
            unit="s",
            goals=(WARM_GOAL,),
            note=f"{words}; the embedded Postgres is started too",
        )
        if found.verdict == "missed":
            target = ground.work / "warm-profile.json"
            _started(home, sampled_command(target))
            found = found.explained(sampled_profile(target))
        return [found]
    finally:
        remove_home(home)


def cold(ground: Ground) -> list[Figure]:
    """`git clone` of this commit into an empty folder, then `make run` with empty caches of pip and uv."""
    name = "cold start, `git clone` and `make run`"
    with tempfile.TemporaryDirectory(prefix="assay-cold-", dir=ground.work, ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        place.chmod(0o711)
        try:
            taken_s = _from_nothing(place)
        except (StartFailedError, subprocess.SubprocessError, OSError) as error:
            return [Figure(name, "s", goals=(COLD_GOAL,), why_not=_without_paths(error))]
        finally:
            remove_home(place / "home")
    note = "the packages come over the network, into empty caches; the demo is loaded"
    return [figure(name, [taken_s], unit="s", goals=(COLD_GOAL,), note=note)]


def _started(home: Path, command: tuple[str, ...]) -> float:
    with running(home, command=command) as application:
        taken_s = application.ready_s
    wait_until_stopped(home)
    return taken_s


def _from_nothing(place: Path) -> float:
    checkout = place / "assay"
    begun = time.monotonic()
    subprocess.run(
        ["git", "clone", "--quiet", "--no-local", str(ROOT), str(checkout)],
        check=True,
        capture_output=True,
        timeout=CLONE_LIMIT_S,
    )
    if not (checkout / "Makefile").exists():
        raise StartFailedError("this commit has no Makefile")
    empty = {name: str(place / name.lower()) for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME")}
    cloned_s = time.monotonic() - begun
    with running(
        place / "home", command=MAKE_RUN, folder=checkout, within_s=COLD_LIMIT_S, environ=empty
    ) as application:
        return cloned_s + application.ready_s


def _without_paths(error: Exception) -> str:
    words = re.sub(r"\S*/\S+", "…", str(error))
    return f"{words[:200]}"
