"""What a file calls a security, and the symbol that is taken for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from core.errors import InvalidRequest
from core.market.symbols import EXCHANGES, MARKETS, checked_symbol, exchange_of
from core.portfolio.imports.presets import Preset

_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}\d")
_COUNTRY_CHARS = 2


class Called(NamedTuple):
    """What a row calls a security; one is looked up for every row, and a tuple is found fastest."""

    symbol: str = ""
    isin: str = ""
    name: str = ""
    exchange: str = ""
    currency: str = ""
    """Of its price."""

    @property
    def theirs(self) -> str:
        """The first name that it has: a symbol, else an ISIN, else a name."""
        return self.symbol or self.isin or self.name


class SymbolNames:
    """Symbols by what one file calls them; each is looked up once."""

    def __init__(self, preset: Preset | None, chosen: Mapping[str, str]) -> None:
        """`chosen` are our symbols by the file's names in capitals."""
        self._exchanges = {**MARKETS, **dict.fromkeys(EXCHANGES, ""), **(preset.exchanges if preset else {})}
        self._exchanges |= {code: code for code in EXCHANGES}
        self._isin_exchanges = preset.isin_exchanges if preset else {}
        self._chosen = chosen
        self._kept: dict[Called, str | InvalidRequest] = {}
        self.used: dict[str, Called] = {}
        """What was looked up, by the symbol that was found; the first of each."""

    def symbol(self, called: Called) -> str | None:
        """The symbol as we spell it; None where the row names none.

        Raises:
            InvalidRequest: what the row has cannot be a symbol.
        """
        if called not in self._kept:
            try:
                self._kept[called] = self._found(called)
            except InvalidRequest as error:
                self._kept[called] = error
        found = self._kept[called]
        if isinstance(found, InvalidRequest):
            raise found
        if found:
            self.used.setdefault(found, called)
        return found or None

    def _found(self, called: Called) -> str:
        for name in (called.symbol, called.isin, called.name):
            chosen = self._chosen.get(" ".join(name.upper().split())) if name else None
            if chosen:
                return checked_symbol(chosen)
        if called.symbol:
            return self._on_its_exchange(checked_symbol(called.symbol), called)
        if called.isin:
            return checked_symbol(called.isin)
        if called.name:
            raise InvalidRequest(f"No symbol is given for {called.name[:60]!r}; say which it is.")
        return ""

    def _on_its_exchange(self, symbol: str, called: Called) -> str:
        """With the suffix of its exchange, where the row tells one and the symbol does not."""
        if exchange_of(symbol).suffix:
            return symbol
        code = self._exchanges.get(called.exchange.upper(), "")
        country = self._isin_exchanges.get(called.isin[:_COUNTRY_CHARS].upper(), "")
        if not code and country and EXCHANGES[country].currency == called.currency:
            code = country
        return checked_symbol(symbol + EXCHANGES[code].suffix) if code else symbol


def is_isin(symbol: str) -> bool:
    """Whether a symbol is an ISIN, which no prices are kept under."""
    return _ISIN.fullmatch(symbol) is not None
