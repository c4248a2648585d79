"""What a serving process loads before anybody asks for it."""

from __future__ import annotations

import subprocess
import sys

from core.settings import ROOT

FIRST_FIGURES = """
import sys
import numpy as np
import core.workbench
from core.commands.serve import load_libraries
from core.portfolio.risk import figures
assert "empyrical" not in sys.modules and "scipy.stats" not in sys.modules
load_libraries(0.0)
before = set(sys.modules)
daily = np.linspace(-0.02, 0.03, 100)
assert figures(daily, daily[::-1].copy(), 0.04)
print(len({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_the_first_risk_figures_of_a_process_import_nothing_any_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_FIGURES], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("0", 0), done.stderr
