"""Answers that are kept in the process: found once, bounded, and forgotten when they are old."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from core.portfolio.remembered import Remembered


def counted(found: list[int]) -> Callable[[], int]:
    """An answer that says how often it was looked for."""

    def find() -> int:
        found.append(1)
        return len(found)

    return find


def test_the_same_question_is_answered_once() -> None:
    kept: Remembered[int] = Remembered(4, life_s=60)
    found: list[int] = []
    assert [kept.of("a", counted(found)) for _ in range(3)] == [1, 1, 1]


def test_threads_that_ask_at_once_wait_for_one_answer() -> None:
    kept: Remembered[int] = Remembered(4, life_s=60)
    found: list[int] = []
    started, answers = threading.Event(), []

    def slow() -> int:
        started.wait(5)
        return counted(found)()

    threads = [threading.Thread(target=lambda: answers.append(kept.of("a", slow))) for _ in range(6)]
    for thread in threads:
        thread.start()
    started.set()
    for thread in threads:
        thread.join()
    assert (answers, len(found)) == ([1] * 6, 1)


def test_the_oldest_use_is_forgotten_first() -> None:
    kept: Remembered[int] = Remembered(2, life_s=60)
    found: list[int] = []
    for question in ("a", "b", "a", "c", "a", "b"):
        kept.of(question, counted(found))
    assert len(found) == 4  # a, b, c, and b again


def test_an_old_answer_is_found_anew() -> None:
    now = [0.0]
    kept: Remembered[int] = Remembered(2, life_s=60, now=lambda: now[0])
    found: list[int] = []
    assert kept.of("a", counted(found)) == 1
    now[0] = 60.0
    assert kept.of("a", counted(found)) == 1
    now[0] = 60.5
    assert kept.of("a", counted(found)) == 2


def test_a_failure_is_not_kept() -> None:
    kept: Remembered[int] = Remembered(2, life_s=60)

    def fails() -> int:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        kept.of("a", fails)
    assert kept.of("a", lambda: 7) == 7
