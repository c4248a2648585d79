"""Processes that are killed between two steps of a bundle: what is opened again is whole, and never charged twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from core.principal import Principal
from core.settings import ROOT
from core.workbench import Workbench
from tests.conftest import MoveTime, member_factory
from tests.core.market.vendor_server import VendorServer
from tests.core.research.bundle_process import STEPS
from tests.core.research.bundles_made import (
    PartServer,
    assert_balanced,
    bundles_of,
    live_bench,
    live_environ,
    opened,
    portfolio,
    rows,
    symbols_of,
    used,
)

ONCE = ("before parts are claimed", "after parts are claimed")
"""Steps that come once; at the others it dies in the middle."""
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_the_bundle_is_whole_and_no_part_was_charged_twice(
    database_url: str, tmp_path: Path, move_time: MoveTime, step: str
) -> None:
    with ExitStack() as stack:
        server, vendor = stack.enter_context(PartServer()), stack.enter_context(VendorServer())
        bench = stack.enter_context(live_bench(database_url, tmp_path, server, vendor, TOTAL_TIMEOUT_S="20"))
        bundles = stack.enter_context(bundles_of(bench))
        ann = member_factory(bench)("ann", plan="team", org="Acme")
        portfolio_id = portfolio(bench, ann, symbols_of(3))
        environ = {**live_environ(server, vendor), "DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path / "other")}
        arguments = [step, "1" if step in ONCE else "2", str(portfolio_id), ann.email, ann.org_name]
        process = subprocess.run(
            [sys.executable, "-m", "tests.core.research.bundle_process", *arguments],
            cwd=ROOT,
            env={**os.environ, **environ, "ASSAY_DEMO": "0", "TOTAL_TIMEOUT_S": "20"},
            check=False,
            timeout=120,
        )
        assert process.returncode == -signal.SIGKILL
        written = [part for part in bundles.state(ann, portfolio_id).parts if part.state == "ready"]
        lost = len(written) - len(successes(bench, ann))
        move_time(timedelta(seconds=bundles._making.claim_s + 1))
        bundle = opened(bundles, ann, portfolio_id)
        assert [part.state for part in bundle.parts] == ["ready"] * 3
        bench.meter.sweep()
        assert used(bench, ann) == len(successes(bench, ann)) == 3 - lost
        assert 0 <= lost <= 2
        assert_balanced(bench)


def successes(bench: Workbench, ann: Principal) -> list[tuple[str, str, str | None]]:
    """The parts that were settled; one that was written, and whose process died before, is nobody's charge."""
    return [row for row in rows(bench, ann) if row[0] == "success"]
