"""Risk: every figure of twenty years of daily returns against a benchmark, as an analysis computes them."""

from __future__ import annotations

import time

import numpy as np

from core.portfolio.risk import figures
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

DAYS = 5_000
GOAL = Goal("p95", 20.0)
REPETITIONS = 200


def all_figures(ground: Ground) -> list[Figure]:
    """Sharpe to CVaR of 5,000 daily returns, their libraries loaded."""
    rng = np.random.default_rng(8)
    market = rng.normal(0.0004, 0.011, DAYS)
    returns = 0.9 * market + rng.normal(0.0001, 0.008, DAYS)
    figures(returns, market, 0.04)
    samples = []
    for _ in range(ground.repetitions(REPETITIONS)):
        begun = time.perf_counter()
        figures(returns, market, 0.04)
        samples.append((time.perf_counter() - begun) * 1000)
    return [figure(f"all risk figures of {DAYS:,} daily returns against a benchmark", samples, goals=(GOAL,))]
