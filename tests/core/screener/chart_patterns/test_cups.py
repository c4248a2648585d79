"""Cup and handle: a drawn one is found with its bars, near misses are not."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from core.screener.chart_patterns.life import End
from core.screener.chart_patterns.patterns import Pivot, latest_chart_patterns_of
from core.screener.scan_jobs import WINDOW
from core.screener.series import Series
from tests.core.screener.chart_patterns.drawn import bar_of, bars_of, drawn, of_closes, the, types_of
from tests.core.screener.made_panels import windows_of


def cup(
    *, bars: int = 50, depth: float = 16, right: float = 100.0, handle: float = 97.0, leaves: float = 108.0
) -> Series:
    """A rise to 100, a parabola down and up again, a handle, and a rise out of it."""
    times = np.linspace(-1, 1, bars + 1)
    rim = np.interp(times, [-1, 1], [100, right])
    base = rim - depth * (1 - times**2)
    parts = (
        np.linspace(70, 100, 25)[:-1],
        base,
        np.linspace(right, handle, 7)[1:],
        np.linspace(handle, leaves, 10)[1:],
    )
    return of_closes({"CUP": np.concatenate(parts)})


def test_a_round_base_with_two_rims_and_a_handle_is_found() -> None:
    series = cup()

    pattern = the(series, "cup_and_handle")

    assert bars_of(series, pattern) == [(24, 100), (49, 84), (74, 100)]
    assert [pivot.label for pivot in pattern.pivots] == ["left rim", "base", "right rim"]
    assert (bar_of(series, pattern.confirmed_on), bar_of(series, pattern.triggered_on)) == (78, 83)
    assert (pattern.entry, pattern.target) == pytest.approx((100, 116))


def test_its_entry_is_the_right_rim() -> None:
    series = cup(right=101.5)

    pattern = the(series, "cup_and_handle")

    assert pattern.entry == pytest.approx(101.5)
    assert series.close[bar_of(series, pattern.triggered_on)] > 101.5


def test_a_handle_that_closes_below_half_of_the_cup_breaks_it() -> None:
    assert the(cup(handle=90), "cup_and_handle").end is End.BROKEN


def test_a_handle_without_a_close_above_the_rim_forms() -> None:
    assert the(cup(leaves=99), "cup_and_handle").is_forming


@pytest.mark.parametrize(
    "series",
    [
        cup(right=104),
        cup(bars=18, depth=12),
        cup(depth=3, handle=98),
        drawn((0, 70), (25, 100), (50, 84), (75, 100), (82, 97), (92, 108)),
        drawn((0, 70), (25, 100), (30, 85), (70, 84), (75, 100), (82, 97), (92, 108)),
        drawn((0, 70), (25, 100), (65, 82), (75, 100), (82, 97), (92, 108)),
    ],
    ids=["rims 4 % apart", "18 bars", "no deeper than its handle", "a V", "a box", "its bottom at one side"],
)
def test_near_misses_are_no_cup(series: Series) -> None:
    assert "cup_and_handle" not in types_of(series)


@pytest.mark.parametrize(("bars", "is_found"), [(120, True), (200, True), (230, True), (231, False)])
def test_what_a_longer_history_holds_on_its_last_bar_a_scan_finds(bars: int, is_found: bool) -> None:
    lead = 70 + 2 * np.sin(np.arange(120))
    series = of_closes({"CUP": np.concatenate((lead, cup(bars=bars).close))})
    found = set()
    for end in range(len(series) - 20, len(series) + 1):
        history, scanned = (_cups_of(windows_of(series, [end], read)) for read in (end, WINDOW))
        assert scanned == history
        found |= {triggered is not None for *_, triggered in history}
    assert found == ({False, True} if is_found else set()), "that forms, and then is triggered"


def test_a_cup_that_waits_longer_than_a_scan_reads_is_gone() -> None:
    waiting = np.concatenate((cup(bars=225, leaves=99).close, np.full(15, 98.5), [104.0]))
    series = of_closes({"CUP": np.concatenate((70 + 2 * np.sin(np.arange(120)), waiting))})

    assert the(series, "cup_and_handle").end is End.EXPIRED


def _cups_of(series: Series) -> set[tuple[tuple[Pivot, ...], date, date | None]]:
    """The cups that matter on the last bar."""
    found = (each for each in latest_chart_patterns_of(series) if each.type == "cup_and_handle")
    return {(each.pivots, each.confirmed_on, each.triggered_on) for each in found}


def test_turned_over_it_is_none() -> None:
    closes = 200 - cup().close

    assert "cup_and_handle" not in types_of(of_closes({"CUP": closes}))
