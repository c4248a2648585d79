"""The services of reading on a test's database, over a local server in the vendors' place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

from core.clock import SystemClock
from core.db.engine import Database
from core.market.as_of import AsOf, Reason
from core.market.circuit import RetryPolicy
from core.market.companies import Companies, KnownInstrument
from core.market.gate import Gate
from core.market.sources.registry import Sources, build_sources
from core.market.sources.sample_reading import SampleReading
from tests.conftest import make_settings
from tests.core.market.vendor_server import VendorServer

SHIPPED = AsOf(date(2010, 8, 20), Reason.SHIPPED, datetime.now(UTC))


def live(now: datetime | None = None) -> AsOf:
    """Today."""
    moment = now or datetime.now(UTC)
    return AsOf(moment.date(), Reason.LIVE, moment)


def chosen(day: date) -> AsOf:
    """A day that a user chose."""
    return AsOf(day, Reason.CHOSEN, datetime.now(UTC))


@dataclass(frozen=True)
class Known:
    """An instrument of a test's universe."""

    symbol: str
    name: str
    cik: int | None
    is_generated: bool = False


class FewInstruments:
    """A universe of one real company and one without a CIK."""

    known = (Known("ACME", "Acme, Inc.", 1), Known("NOCIK", "Nobody Plc", None))

    def get(self, symbol: str) -> KnownInstrument | None:
        """The instrument of that symbol."""
        return next((one for one in self.known if one.symbol == symbol), None)

    def of_cik(self, cik: int) -> KnownInstrument | None:
        """The instrument of that CIK."""
        return next((one for one in self.known if one.cik == cik), None)

    def alias(self, symbol: str, source: str) -> str:
        """The symbol, as all sources spell it."""
        return symbol


@dataclass(frozen=True)
class Ground:
    """What a service of reading stands on."""

    database: Database
    gate: Gate
    sources: Sources
    companies: Companies
    sample: SampleReading
    server: VendorServer


@contextmanager
def ground(database: Database, database_url: str, home: Path, **environ: str) -> Iterator[Ground]:
    """Sources that ask a local server; every one is configured but those whose setting is given as blank."""
    with VendorServer() as server:
        keys = {"FINNHUB_API_KEY": "k", "BRAVE_API_KEY": "k", "SEC_EDGAR_USER_AGENT": "Test test@test.example"}
        names = ("FINNHUB", "BRAVE", "SEC_EDGAR", "SEC_EDGAR_WWW")
        addresses = {f"{name}_BASE_URL": server.base_url for name in names}
        paces = {"BRAVE_PER_SECOND": "100", "SEC_EDGAR_PER_SECOND": "100"}
        settings = make_settings(database_url, home, **{**keys, **addresses, **paces, **environ})
        sources = build_sources(settings, SystemClock())
        gate = Gate(database, SystemClock(), Random(1), retry=RetryPolicy(attempts=1))
        sample = SampleReading()
        try:
            yield Ground(database, gate, sources, Companies(FewInstruments(), sample), sample, server)
        finally:
            gate.close()
            sources.close()
