"""The European Central Bank: its reference rates of the euro, all days in one file."""

from __future__ import annotations

from core.market.sources.contract import Allowance
from core.market.sources.remote import Remote, Vendor
from core.market.sources.wire import MEBIBYTE

VENDOR = Vendor("ecb", "The European Central Bank", "ECB_ENABLED")
BASE_URL = "https://www.ecb.europa.eu"
FREE = Allowance(per_minute=2, per_day=50)
PATH = "/stats/eurofxref/eurofxref-hist.zip"
MAX_BYTES = 20 * MEBIBYTE


class EuropeanCentralBank:
    """Reference rates since 1999."""

    name = VENDOR.name

    def __init__(self, remote: Remote, allowance: Allowance) -> None:
        self.allowance = allowance
        self._remote = remote

    def history(self) -> bytes:
        """The file as it is published: a zip with one CSV, which `core.market.fx` reads and checks."""
        return self._remote.content(PATH, max_bytes=MAX_BYTES)
