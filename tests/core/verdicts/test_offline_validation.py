"""Signals of a scan validated where nothing live is configured: by the offline rule, through the whole workbench."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from core.verdicts.answer import Decision
from core.verdicts.batches import Selection
from core.verdicts.offline_rule import LABEL
from core.verdicts.snapshot import Snapshot
from core.workbench import open_workbench
from tests.conftest import make_settings, member_factory
from tests.core.verdicts.batches_made import UNIVERSE, Scanned, database_url

__all__ = ["database_url"]


def expected(shown: Snapshot) -> Decision:
    """What the rule says of a snapshot."""
    record = None if shown.record is None else shown.record.over(20)
    if record is None or record.n < 30 or record.low is None or record.high is None or record.base_rate is None:
        return "HOLD"
    if record.low > record.base_rate:
        return "BUY" if shown.signal.direction == "bullish" else "SELL"
    return "AVOID" if record.high < record.base_rate else "HOLD"


def test_a_signal_of_each_type_gets_the_rules_verdict_with_every_number_verified(
    scanned: Scanned, database_url: str, tmp_path: Path
) -> None:
    shutil.copytree(scanned.home, tmp_path, dirs_exist_ok=True)
    with closing(open_workbench(make_settings(database_url, tmp_path))) as bench:
        ann = member_factory(bench)(plan="enterprise")
        of_type = {row.type: row.id for row in bench.verdicts.batches.wanted(ann, Selection(universe_id=UNIVERSE))}
        said: set[str] = set()
        for signal_id in of_type.values():
            verdict = bench.verdicts.validations.validate(ann, signal_id)
            shown = bench.verdicts.validations.snapshot(ann, verdict.id)
            told = verdict.validation
            assert (verdict.is_offline, verdict.charged_usd) == (True, 0)
            assert told.reasoning.startswith(LABEL)
            assert told.verdict == expected(shown)
            own = shown.signal.confidence
            assert own is not None or told.confidence == 0.5
            if own is not None:
                assert abs(told.confidence - (1 - own if told.verdict == "AVOID" else own)) < 1e-3
            unverified = [each.text for field in verdict.numbers.values() for each in field if each.known is None]
            assert unverified == [], told
            said.add(told.verdict)
    assert len(of_type) > 5
    assert len(said) > 1
