"""The sources of this installation, from its settings: who is configured, and in which order they are asked."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from core.clock import Clock
from core.errors import ConfigurationError
from core.market.sources import alphavantage, brave, ecb, edgar, finnhub, fmp, yahoo
from core.market.sources.browser import Browser
from core.market.sources.contract import Allowance, BarSource, FilingSource, NewsSource, QuoteSource
from core.market.sources.remote import Remote, Vendor
from core.market.sources.wire import LIMIT_S, Fetch, Wire
from core.settings import Settings

SWITCHED_ON_BY = {
    "alphavantage": "ALPHAVANTAGE_API_KEY",
    "fmp": "FMP_API_KEY",
    "yahoo": "YAHOO_ENABLED=1; its terms allow personal use only",
    "finnhub": "FINNHUB_API_KEY",
    "brave": "BRAVE_API_KEY",
    "sec_edgar": "SEC_EDGAR_USER_AGENT to a name and an e-mail address",
}
"""Every source, and what an operator sets to have it asked."""

_Priced = alphavantage.AlphaVantage | fmp.FinancialModelingPrep | yahoo.Yahoo


class Allowed(Protocol):
    """As much of any source as is counted."""

    @property
    def name(self) -> str:
        """Its name in settings and answers."""
        ...

    @property
    def allowance(self) -> Allowance:
        """What may be asked of it."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Who can be asked; only those that are configured."""

    quotes: tuple[QuoteSource, ...]
    """In the order of the ladder."""
    bars: tuple[BarSource, ...]
    """Those of the ladder that know history too, likewise."""
    news: tuple[NewsSource, ...]
    filings: FilingSource | None
    """None where SEC_EDGAR_USER_AGENT is unset."""
    close: Callable[[], None]
    """Closes all connections."""
    rates: ecb.EuropeanCentralBank | None = None
    """None where no source of quotes is live, or ECB_ENABLED is 0: the shipped exchange rates do then."""

    @property
    def all(self) -> tuple[Allowed, ...]:
        """Each source that is configured, once."""
        filings = (self.filings,) if self.filings is not None else ()
        return tuple({source.name: source for source in (*self.quotes, *self.bars, *self.news, *filings)}.values())


def build_sources(
    settings: Settings, clock: Clock, *, limit_s: float = LIMIT_S, tls: ssl.SSLContext | None = None
) -> Sources:
    """The sources that the settings configure; nothing is asked yet.

    Raises:
        ConfigurationError: an allowance that is no number from 1 on; the sentence names the variable.
    """
    wire, browser = Wire(clock, limit_s=limit_s, tls=tls), Browser(limit_s=limit_s)
    builder = _Builder(settings, clock, wire.get, browser.get)
    ladder: dict[str, Callable[[], _Priced | None]] = {
        "alphavantage": builder.alphavantage,
        "fmp": builder.fmp,
        "yahoo": builder.yahoo,
    }
    names = sorted(ladder, key=lambda name: name != settings.stock_api_provider)  # the others stay in their order
    priced = [source for name in names if (source := ladder[name]()) is not None]
    news = [source for source in (builder.finnhub(), builder.brave()) if source is not None]

    def close() -> None:
        wire.close()
        browser.close()

    rates = builder.ecb() if priced else None
    return Sources(tuple(priced), tuple(priced), tuple(news), builder.edgar(), close, rates)


@dataclass(frozen=True, slots=True)
class _Builder:
    """Makes each source, or None where it is not configured."""

    settings: Settings
    clock: Clock
    fetch: Fetch
    browse: Fetch

    def alphavantage(self) -> alphavantage.AlphaVantage | None:
        key = self.settings.text("ALPHAVANTAGE_API_KEY")
        if key is None:
            return None
        remote = self._remote(alphavantage.VENDOR, "ALPHAVANTAGE", alphavantage.BASE_URL, key={"apikey": key})
        return alphavantage.AlphaVantage(remote, self._allowance("ALPHAVANTAGE", alphavantage.FREE), self.clock)

    def fmp(self) -> fmp.FinancialModelingPrep | None:
        key = self.settings.text("FMP_API_KEY")
        if key is None:
            return None
        remote = self._remote(fmp.VENDOR, "FMP", fmp.BASE_URL, key={"apikey": key})
        return fmp.FinancialModelingPrep(remote, self._allowance("FMP", fmp.FREE))

    def yahoo(self) -> yahoo.Yahoo | None:
        if not self.settings.yahoo_enabled:
            return None
        base_url = self.settings.text("YAHOO_BASE_URL") or yahoo.BASE_URL
        remote = Remote(yahoo.VENDOR, base_url, self.browse, self.clock)
        return yahoo.Yahoo(remote, self._allowance("YAHOO", yahoo.FREE), self.clock)

    def finnhub(self) -> finnhub.Finnhub | None:
        key = self.settings.text("FINNHUB_API_KEY")
        if key is None:
            return None
        remote = self._remote(finnhub.VENDOR, "FINNHUB", finnhub.BASE_URL, headers={"X-Finnhub-Token": key})
        return finnhub.Finnhub(remote, self._allowance("FINNHUB", finnhub.FREE))

    def brave(self) -> brave.Brave | None:
        key = self.settings.text("BRAVE_API_KEY")
        if key is None:
            return None
        remote = self._remote(brave.VENDOR, "BRAVE", brave.BASE_URL, headers={"X-Subscription-Token": key})
        return brave.Brave(remote, self._allowance("BRAVE", brave.FREE))

    def edgar(self) -> edgar.Edgar | None:
        identity = self.settings.text("SEC_EDGAR_USER_AGENT")
        if identity is None:
            return None
        headers = {"User-Agent": identity}
        return edgar.Edgar(
            self._remote(edgar.VENDOR, "SEC_EDGAR", edgar.BASE_URL, headers=headers),
            self._remote(edgar.VENDOR, "SEC_EDGAR_WWW", edgar.WWW_BASE_URL, headers=headers),
            self._allowance("SEC_EDGAR", edgar.FREE),
        )

    def ecb(self) -> ecb.EuropeanCentralBank | None:
        if not self.settings.ecb_enabled:
            return None
        return ecb.EuropeanCentralBank(self._remote(ecb.VENDOR, "ECB", ecb.BASE_URL), self._allowance("ECB", ecb.FREE))

    def _remote(
        self,
        vendor: Vendor,
        prefix: str,
        base_url: str,
        *,
        key: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Remote:
        address = self.settings.text(f"{prefix}_BASE_URL") or base_url
        return Remote(vendor, address, self.fetch, self.clock, key=key, headers=headers)

    def _allowance(self, prefix: str, free: Allowance) -> Allowance:
        return Allowance(
            per_second=self._limit(f"{prefix}_PER_SECOND", free.per_second),
            per_minute=self._limit(f"{prefix}_PER_MINUTE", free.per_minute),
            per_day=self._limit(f"{prefix}_PER_DAY", free.per_day),
        )

    def _limit(self, variable: str, free: int | None) -> int | None:
        told = self.settings.text(variable)
        if told is None:
            return free
        if not (told.isascii() and told.isdecimal() and 0 < int(told[:10]) < 10**9):
            raise ConfigurationError(f"{variable} has to be a whole number from 1 on.")
        return int(told)
