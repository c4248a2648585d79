"""A universe of an organisation's own, of symbols that everybody has, and a signal that a scan of it found."""

from __future__ import annotations

from uuid import UUID

from core.db.instruments_dao import MemberRow
from core.principal import Principal
from tests.core.verdicts.batches_made import UNIVERSE, World


def own_signal(world: World, principal: Principal) -> UUID:
    """A signal of a universe of the principal's organisation, of symbols that the shipped one has too."""
    scan = world.bench.screener.scans.latest(principal, UNIVERSE)
    assert scan is not None
    symbols = scan.results["symbol"].to_list()[:40]
    members = [MemberRow(symbol, symbol, "", "XNYS", "USD", None, None) for symbol in symbols]
    universe = world.bench.market.universes.replace(principal, "Ours", members, source="this test")
    job = world.finished(world.bench.screener.scans.request(principal, universe.id))
    found = world.service.execute(
        "SELECT id FROM signals WHERE scan_id = %s AND entry IS NOT NULL AND stop IS NOT NULL ORDER BY symbol, id",
        (job.id,),
    ).fetchone()
    assert found is not None
    signal_id = found[0]
    assert isinstance(signal_id, UUID)
    return signal_id
