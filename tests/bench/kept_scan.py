"""A scan of many generated symbols, kept as one of the default universe: what pages are measured on."""

from __future__ import annotations

from core.db import scans_dao as dao
from core.db.instruments_dao import MemberRow
from core.db.scans_dao import Finished, NewScan
from core.ids import new_id
from core.screener.frames import bytes_of
from core.screener.merge import merged
from core.screener.partition import scan_partition
from core.screener.records import Confidence
from core.screener.version import FORMULA_VERSION
from core.workbench import Workbench
from tests.bench.scan import BARS, walks

SECTORS = ("Energy", "Financials", "Health Care", "Industrials", "Information Technology", "Utilities")


def keep_scan(workbench: Workbench, symbols: int) -> None:
    """Keeps it as of the last shipped session, as if everybody's bars had been these."""
    workbench.market.load_shipped()
    panel = walks(symbols, BARS)
    found = scan_partition(panel, panel.dates[-1].item(), chart_patterns=False)
    members = [
        MemberRow(symbol, f"Generated company {symbol}", SECTORS[number % len(SECTORS)], "XNYS", "USD", None, None)
        for number, symbol in enumerate(panel.symbols)
    ]
    trusted = {type_id: Confidence(0.55, 400, 0.53) for type_id in found.signals["type"].unique()}
    result = merged([found], members, trusted)
    scan = NewScan(
        id=new_id(),
        org_id=None,
        universe_id=workbench.market.lists.universes[0].id,
        exchange="XNYS",
        as_of=workbench.market.lists.last_session,
        formula_version=FORMULA_VERSION,
        bars_version=0,
        parts=(panel.symbols,),
    )
    skipped = [(skip.symbol, skip.reason) for skip in result.skipped]
    finished = Finished(result.results.height, skipped, result.market, bytes_of(result.results), (), is_stamped=True)
    with workbench.database.service() as connection:
        dao.begin(connection, scan)
        dao.finish(connection, scan.id, None, finished)
