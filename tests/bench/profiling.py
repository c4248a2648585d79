"""Where the time goes: by cProfile in this process, by samples of every thread's stack in another.

`python -m tests.bench.profiling FILE serve …` runs `python -m core serve …` and writes what was seen to FILE.
"""

from __future__ import annotations

import cProfile
import gc
import json
import pstats
import signal
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import CodeType, FrameType

from core.settings import ROOT
from tests.bench.figures import Hotspot

SHOWN = 15
EVERY_S = 0.005
IDLE = {
    ("threading.py", "wait"),
    ("selectors.py", "select"),
    ("thread.py", "_worker"),
    ("queue.py", "get"),
    ("runners.py", "run"),
    ("socket.py", "accept"),
}
"""Innermost functions of threads that wait for work; of a uvloop, whose inside is not Python, the outermost."""
COLLECTION = "garbage collection, of the whole time"
"""No sample sees it, since nothing else runs meanwhile: what it delays looks like waiting."""
FRAMING = ("threading.py:", "<frozen runpy>:", "profiling.py:", "tests/bench/")
"""Functions that stand around everything, and say nothing."""


def hotspots(profile: cProfile.Profile) -> list[Hotspot]:
    """The functions of a profile with the most time in them and below them."""
    stats = pstats.Stats(profile)
    seconds = Counter[str]()
    for (file, _line, function), entry in stats.stats.items():  # type: ignore[attr-defined]  # typeshed leaves it out
        seconds[_name(file, function)] += entry[3]
    total = max(stats.total_tt, 1e-9)  # type: ignore[attr-defined]  # likewise
    return [Hotspot(function, round(spent / total, 3)) for function, spent in seconds.most_common(SHOWN)]


def sampled_command(target: Path) -> tuple[str, ...]:
    """How the application is started under the sampler, which writes what it saw when the application ends."""
    return (sys.executable, "-m", "tests.bench.profiling", str(target), "serve")


def sampled_profile(target: Path) -> list[Hotspot]:
    """What the sampler wrote."""
    return [Hotspot(**spot) for spot in json.loads(target.read_text("utf-8"))]


class Sampler:
    """Looks at every thread's stack again and again, and counts what is on those that work."""

    def __init__(self) -> None:
        self._counts: Counter[CodeType] = Counter()
        self._samples = 0
        self._begun = self._collecting_since = time.perf_counter()
        self._collected_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        gc.callbacks.append(self._note_collection)
        self._thread.start()

    def stop(self) -> list[Hotspot]:
        """Stops, and says which functions were on working stacks most often: our own, then all."""
        self._ended.set()
        self._thread.join()
        gc.callbacks.remove(self._note_collection)
        collected = self._collected_s / (time.perf_counter() - self._begun)
        seen = Counter[str]()
        for code, count in self._counts.items():
            seen[_name(code.co_filename, code.co_name)] += count
        for name in [name for name in seen if name.startswith(FRAMING)]:
            del seen[name]
        own = [(name, count) for name, count in seen.most_common() if name.startswith(("core/", "pages/"))]
        chosen = dict(own[:SHOWN]) | dict(seen.most_common(SHOWN))
        return [
            Hotspot(COLLECTION, round(collected, 3)),
            *(
                Hotspot(name, round(count / max(1, self._samples), 3))
                for name, count in sorted(chosen.items(), key=lambda item: -item[1])
            ),
        ]

    def _note_collection(self, phase: str, _info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collecting_since = now
        else:
            self._collected_s += now - self._collecting_since

    def _run(self) -> None:
        me = threading.get_ident()
        while not self._ended.wait(EVERY_S):
            for thread, frame in sys._current_frames().items():
                if thread != me and (Path(frame.f_code.co_filename).name, frame.f_code.co_name) not in IDLE:
                    self._samples += 1
                    self._counts.update(_codes(frame))


def _codes(innermost: FrameType) -> set[CodeType]:
    found = set()
    frame: FrameType | None = innermost
    while frame is not None:
        found.add(frame.f_code)
        frame = frame.f_back
    return found


def _name(file: str, function: str) -> str:
    """A function by where it comes from, without anything of this machine."""
    for root in (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), str(ROOT)):
        if file.startswith(f"{root}/"):
            return f"{file.removeprefix(f'{root}/')}:{function}"
    return f"{Path(file).name}:{function}"


def main(arguments: Sequence[str]) -> int:
    """Runs a command of the workbench under the sampler."""
    from core.__main__ import main as run

    target, *command = arguments
    sampler = Sampler()
    sampler.start()
    # The server hands a SIGTERM on when it has stopped, which by default ends the process on the spot.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        return run(command)
    finally:
        Path(target).write_text(json.dumps([asdict(spot) for spot in sampler.stop()]), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
