"""Values that are read again in the background."""

from __future__ import annotations

import threading

from core.ai.refreshed import Refreshed
from core.errors import DatabaseUnavailable


class Source:
    """Gives how often it was read; may be away, or slow."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_away = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.has_read = threading.Event()

    def __call__(self) -> int:
        assert self.may_go_on.wait(10)
        if self.is_away:
            raise DatabaseUnavailable
        self.reads += 1
        self.has_read.set()
        return self.reads


def test_the_first_who_asks_waits_and_the_next_ones_do_not() -> None:
    source, now = Source(), [0.0]
    kept = Refreshed(source, 0, every_s=5, monotonic=lambda: now[0])
    assert kept.value == kept.value == 1
    now[0] = 6.0
    source.may_go_on.clear()
    source.has_read.clear()
    assert kept.value == 1  # it is read aside
    source.may_go_on.set()
    assert source.has_read.wait(10)
    for _ in range(10_000):
        if kept.value == 2:
            break
    assert kept.value == 2


def test_a_value_that_is_forgotten_is_read_by_the_next_who_asks() -> None:
    source = Source()
    kept = Refreshed(source, 0, every_s=5)
    assert kept.value == 1
    kept.forget()
    assert kept.value == 2


def test_while_the_database_is_away_the_last_value_holds() -> None:
    source = Source()
    source.is_away = True
    kept = Refreshed(source, 0, every_s=5)
    assert kept.value == 0
    source.is_away = False
    kept.forget()
    assert kept.value == 1
    source.is_away = True
    kept.forget()
    assert kept.value == 1


def test_many_who_ask_first_read_once() -> None:
    source = Source()
    kept, seen = Refreshed(source, 0, every_s=5), []
    threads = [threading.Thread(target=lambda: seen.append(kept.value)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 20
    assert source.reads == 1
