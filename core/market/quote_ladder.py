"""The rungs of live sources, from the first to the last: who is asked for which symbols, and what counts as a price."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Protocol

from core.clock import Clock
from core.db.quotes_dao import QuoteRow
from core.errors import AssayError, NoData, RateLimited
from core.market.as_of import AsOf
from core.market.gate import Gate
from core.market.sources.contract import QuoteSource, SourceQuote
from core.market.symbols import alias

PATIENCE_S = 5.0
"""Longest wait for turns in the allowance of one source."""
LOWEST, HIGHEST = Decimal("1e-9"), Decimal("1e12")
"""What lies outside is no price of anything."""
WIDEST_CHANGE = Decimal(10_000)
"""A change above it, as a fraction, is left out."""
DIGITS = 12
"""After the point."""


class Traded(Protocol):
    """As much of an instrument as its quote needs."""

    @property
    def exchange(self) -> str | None:
        """Code of its calendar; None where it is not known."""
        ...

    @property
    def currency(self) -> str | None:
        """ISO 4217; None where it is not known."""
        ...

    @property
    def is_generated(self) -> bool:
        """Whether it is nobody's, and its history made by a program."""
        ...


class Instruments(Protocol):
    """What is known of symbols."""

    def many(self, symbols: Sequence[str], as_of: AsOf) -> Mapping[str, Traded]:
        """Those of these symbols that are known, by symbol."""
        ...


@dataclass(frozen=True, slots=True)
class Climb:
    """What came of asking the sources for some symbols."""

    found: Mapping[str, QuoteRow]
    problems: Mapping[str, tuple[str, ...]]
    """For each symbol what kept each source from quoting it, in the order in which they were asked."""
    missed: frozenset[str]
    """Every source answered, and none has a price of it."""


class Ladder:
    """Asks one source after another, each for all the symbols that the ones before it could not quote.

    A source whose allowance is used for the moment is passed over, as long as another may answer at once; those that no
    other could quote wait for its next turn.
    """

    def __init__(self, gate: Gate, sources: Sequence[QuoteSource], clock: Clock) -> None:
        self.sources = tuple(sources)
        self._gate = gate
        self._clock = clock

    def climb(self, symbols: Sequence[str], known: Mapping[str, Traded], *, on_next: Callable[[], None]) -> Climb:
        """The first price of each symbol that a source knows; `on_next` is called between two sources.

        Where an allowance is short, those that are named first are asked for.
        """
        found: dict[str, QuoteRow] = {}
        failures: dict[str, dict[str, AssayError]] = {symbol: {} for symbol in symbols}
        between: Callable[[], None] = _nothing
        for patience_s in (0.0, PATIENCE_S):
            for source in self.sources:
                left = [s for s in symbols if s not in found and _is_worth_asking(failures[s].get(source.name))]
                if not left:
                    continue
                between()
                between = on_next
                for symbol, outcome in self._told(source, left, known, patience_s).items():
                    if isinstance(outcome, AssayError):
                        failures[symbol][source.name] = outcome
                    else:
                        found[symbol] = outcome
        return Climb(
            found=found,
            problems={symbol: tuple(each.detail for each in told.values()) for symbol, told in failures.items()},
            missed=frozenset(
                symbol
                for symbol, told in failures.items()
                if symbol not in found and all(isinstance(each, NoData) for each in told.values())
            ),
        )

    def _told(
        self, source: QuoteSource, symbols: Sequence[str], known: Mapping[str, Traded], patience_s: float
    ) -> dict[str, QuoteRow | AssayError]:
        """What a source tells of each symbol; it is not asked for those of exchanges that it does not know."""
        asks: dict[str, Callable[[], QuoteRow]] = {}
        refused: dict[str, QuoteRow | AssayError] = {}
        for symbol in symbols:
            try:
                asks[symbol] = partial(self._one, source, alias(symbol, source.name), symbol, known.get(symbol))
            except NoData as error:
                refused[symbol] = error
        return refused | self._gate.call_each(source, asks, patience_s=patience_s)

    def _one(self, source: QuoteSource, spelled: str, symbol: str, instrument: Traded | None) -> QuoteRow:
        row = checked(source.quote(spelled), symbol, instrument, origin=source.name)
        # A source that tells a day means its close, which may be yet to come.
        return replace(row, as_of=min(row.as_of, self._clock.now()))


def checked(quote: SourceQuote, symbol: str, instrument: Traded | None, *, origin: str) -> QuoteRow:
    """A quote as it may be kept and shown.

    Raises:
        NoData: its price is none, or in another currency than the instrument's.
    """
    price: Decimal | None = quote.price  # a source may break its word
    if price is None or not price.is_finite() or not LOWEST <= price < HIGHEST:
        raise NoData(f"{origin} has no price of {symbol}.", source=origin)
    currency = None if instrument is None else instrument.currency
    if quote.currency and currency and quote.currency != currency:
        raise NoData(
            f"{origin} quotes {symbol} in {quote.currency}, but it trades in {currency}: it may be another instrument.",
            source=origin,
        )
    return QuoteRow(
        symbol=symbol,
        price=_rounded(price),
        currency=quote.currency or currency,
        change_pct=_change(quote),
        as_of=quote.as_of,
        origin=origin,
    )


def _is_worth_asking(failure: AssayError | None) -> bool:
    """Whether a source was not asked yet, or has a turn for us soon."""
    if not isinstance(failure, RateLimited):
        return failure is None
    return failure.retry_after_s is not None and failure.retry_after_s <= PATIENCE_S


def _nothing() -> None:
    """Before the first source."""


def _change(quote: SourceQuote) -> Decimal | None:
    change, before = quote.change_pct, quote.previous_close
    if change is None and before is not None and before.is_finite() and before > 0:
        change = quote.price / before - 1
    return None if change is None or not change.is_finite() or abs(change) > WIDEST_CHANGE else _rounded(change)


def _rounded(number: Decimal) -> Decimal:
    rounded = round(number, DIGITS)
    return number if number == rounded else rounded
