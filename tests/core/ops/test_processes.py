"""Processes that compute: in parallel, without what the program's main module imports, and none left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing

import pytest

from core.ops.processes import Processes


@pytest.fixture
def processes() -> Iterator[Processes]:
    with closing(Processes(2)) as opened:
        yield opened


def _modules() -> set[str]:
    return set(sys.modules)


def _quotient(one: int, other: int) -> float:
    return one / other


def _pid_after(pause_s: float) -> int:
    time.sleep(pause_s)
    return os.getpid()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_computed_comes_back_and_so_does_what_is_raised(processes: Processes) -> None:
    assert processes.run(_quotient, 3, other=2) == 1.5
    with pytest.raises(ZeroDivisionError):
        processes.run(_quotient, 1, 0)


def test_a_process_knows_neither_the_web_nor_the_database(processes: Processes) -> None:
    modules = processes.run(_modules)
    assert not modules & {"streamlit", "sqlalchemy", "psycopg", "fastapi"}


def test_two_compute_at_once_and_end_with_what_started_them(processes: Processes) -> None:
    with ThreadPoolExecutor(2) as pool:
        pids = set(pool.map(lambda _: processes.run(_pid_after, 0.5), range(2)))
    assert len(pids) == 2
    assert os.getpid() not in pids
    processes.close()
    assert not any(_is_alive(pid) for pid in pids)


def test_one_that_is_killed_breaks_what_it_computed_and_the_next_call_starts_others(processes: Processes) -> None:
    with pytest.raises(BrokenProcessPool):
        processes.run(_end)
    assert processes.run(_quotient, 1, 4) == 0.25


def test_to_close_while_something_is_computed_does_not_wait_for_it(processes: Processes) -> None:
    raised: list[BaseException] = []

    def compute() -> None:
        try:
            processes.run(_pid_after, 60)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is looked at)
            raised.append(error)

    processes.run(_pid_after, 0)
    thread = threading.Thread(target=compute)
    thread.start()
    time.sleep(0.2)
    processes.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(raised) == 1


def test_nothing_is_started_once_they_were_closed(processes: Processes) -> None:
    processes.close()
    with pytest.raises(RuntimeError, match="closed"):
        processes.run(os.getpid)
