"""Filters: every preset on a scan that is in memory, as a changed screen is answered."""

from __future__ import annotations

import time

from core.db.instruments_dao import MemberRow
from core.screener.criteria import matching
from core.screener.merge import merged
from core.screener.partition import scan_partition
from core.screener.presets import load_presets
from core.settings import DATA
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.scan import BARS, walks

SYMBOLS = 5_000
GOAL = Goal("p95", 100.0)
REPETITIONS = 20


def presets(ground: Ground) -> list[Figure]:
    """Rows that meet each preset, with why, among 5,000 scanned symbols."""
    panel = walks(SYMBOLS // (20 if ground.is_quick else 1), BARS)
    members = [MemberRow(symbol, symbol, "Energy", "XNYS", "USD", None, None) for symbol in panel.symbols]
    results = merged([scan_partition(panel, panel.dates[-1].item(), chart_patterns=False)], members, {}).results
    screens = [preset.screen for preset in load_presets(DATA / "presets.yaml").values()]
    samples = []
    for _ in range(ground.repetitions(REPETITIONS)):
        for screen in screens:
            begun = time.perf_counter()
            matching(results, screen)
            samples.append((time.perf_counter() - begun) * 1000)
    name = f"a changed filter on {len(panel.symbols):,} scanned symbols: {len(screens)} presets"
    return [figure(name, samples, unit="ms", goals=(GOAL,))]
