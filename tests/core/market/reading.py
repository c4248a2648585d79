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
from core.market.companies import Companies
from core.market.gate import Gate
from core.market.instruments import Instruments
from core.market.sources.contract import Listing
from core.market.sources.registry import Sources, build_sources
from core.market.sources.sample_reading import SampleReading
from tests.conftest import make_settings
from tests.core.market.vendor_server import VendorServer

SHIPPED = AsOf(date(2010, 8, 20), Reason.SHIPPED, datetime.now(UTC))

LISTED = (Listing("ACME", "Acme, Inc.", 1, "Nasdaq"), Listing("NOCIK", "Nobody Plc", None, "NYSE"))
"""A universe of one company that files with the SEC and one that does not."""


def live(now: datetime | None = None) -> AsOf:
    """Today."""
    moment = now or datetime.now(UTC)
    return AsOf(moment.date(), Reason.LIVE, moment)


def chosen(day: date) -> AsOf:
    """A day that a user chose."""
    return AsOf(day, Reason.CHOSEN, datetime.now(UTC))


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
        addresses = {f"{name}_BASE_URL": server.url for name in names}
        paces = {"BRAVE_PER_SECOND": "100", "SEC_EDGAR_PER_SECOND": "100"}
        settings = make_settings(database_url, home, **{**keys, **addresses, **paces, **environ})
        sources = build_sources(settings, SystemClock())
        gate = Gate(database, SystemClock(), Random(1), retry=RetryPolicy(attempts=1))
        sample, instruments = SampleReading(), Instruments(database, SystemClock())
        instruments.refresh(LISTED)
        try:
            yield Ground(database, gate, sources, Companies(instruments, sample), sample, server)
        finally:
            gate.close()
            sources.close()
