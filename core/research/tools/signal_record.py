"""The tool `signal_record`: what the signals of one type were worth, beside all other entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field
from rapidfuzz import fuzz, process

from core.ai.evidence import Entity, Figure, Source, Table
from core.ai.tools import ToolContext, ToolResult
from core.errors import NotEnoughData, NotFound
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import (
    Symbol,
    cell,
    day_words,
    entities_of,
    figure,
    shown,
)
from core.research.tools.universe_words import universe_of
from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.record_store import FiguresByHorizon
from core.screener.records import MINIMUM_N, Figures, confidence
from core.screener.screener import Screener
from core.screener.signals import SIGNALS

ALIKE = 75.0
"""Likeness of a label, of 100, from which it is taken for the one that is meant."""
LABELS: Mapping[str, str] = {
    **{type_id: signal.label for type_id, signal in SIGNALS.items()},
    **{type_id: pattern.label for type_id, pattern in CHART_PATTERNS.items()},
}
CONVENTION = "Entered at the next session's open, before costs; hit rate with its Wilson 95 % interval."


class SignalRecordArguments(Arguments):
    """Of which signal, and where."""

    signal: str = Field(min_length=1, max_length=60, description="Id or label of a signal, such as golden_cross.")
    symbol: Symbol | None = Field(None, description="On this symbol alone.")
    universe: str = Field("", max_length=100, description="Id or title; the default universe where left out.")
    sessions: Literal[1, 5, 20, 60] = Field(20, description="Sessions that an entry is held.")


@dataclass(frozen=True, slots=True)
class _Record:
    """What is told of."""

    type_id: str
    where: str
    by_horizon: FiguresByHorizon
    day: date
    """The record is as of this day."""
    is_generated: bool = False


class SignalRecord:
    """Tells records that are kept of universes, and those of one symbol, computed at once; it updates none."""

    name = "signal_record"
    description = (
        "What earlier signals of one type were worth over some sessions: n, hit rate with interval, base rate of all "
        "entries, median move; fractions."
    )
    arguments: type[BaseModel] = SignalRecordArguments
    needs_portfolio = False

    def __init__(self, market: Market, screener: Screener) -> None:
        self._market = market
        self._screener = screener

    def run(self, context: ToolContext, arguments: SignalRecordArguments) -> ToolResult:
        """The record, as it was known on the principal's date.

        Raises:
            InvalidRequest: what cannot be a symbol.
            NotFound: there is no such signal or universe.
            NotEnoughData: no record is kept of the universe, or there are no bars of the symbol.
        """
        type_id = signal_of(arguments.signal)
        record = self._record(context, type_id, arguments)
        told = record.by_horizon[arguments.sessions]
        label = LABELS[type_id]
        symbols = () if arguments.symbol is None else (checked_symbol(arguments.symbol),)
        signal = _entity(type_id, symbols)
        return ToolResult(
            words=f"Record of {label} on {record.where}, {arguments.sessions} sessions",
            content={
                "signal": type_id,
                "label": label,
                "where": record.where,
                "sessions": arguments.sessions,
                "as_of": record.day.isoformat(),
                **_told(told),
            },
            figures=_figures(signal.key, told, record.day),
            entities=(signal, *entities_of(self._market, context.principal, symbols)),
            source=Source(
                title=f"Records of signals on {record.where}"[:300], as_of=record.day, is_generated=record.is_generated
            ),
            table=_table(arguments.sessions, told),
            notes=_notes(told),
        )

    def _record(self, context: ToolContext, type_id: str, arguments: SignalRecordArguments) -> _Record:
        principal = context.principal
        as_of = self._market.time.of(principal)
        if arguments.symbol is not None:
            symbol = checked_symbol(arguments.symbol)
            about = self._market.bars.about(symbol, as_of, principal.org_id)
            figures = self._screener.records.of_symbol(type_id, symbol, as_of, principal.org_id)
            return _Record(type_id, symbol, figures, as_of.day, about is not None and about.is_generated)
        universe = universe_of(self._market, principal, arguments.universe)
        found = [
            record
            for org_id in (principal.org_id, None)
            if (record := self._screener.records.of_type(universe.id, as_of.day, type_id, org_id)) is not None
        ]
        if not found:
            raise NotEnoughData(
                f"No record of {LABELS[type_id]} on {universe.title} is kept up to {day_words(as_of.day)}; records are "
                "computed every night. The record on one symbol can be asked for."
            )
        day, by_horizon = max(found, key=lambda each: each[0])
        return _Record(type_id, universe.title, by_horizon, day, universe.is_generated)


def signal_of(named: str) -> str:
    """The type of signal of this id or label, or one that is nearly called so.

    Raises:
        NotFound: there is none like it; the sentence names some.
    """
    wanted = " ".join(named.replace("_", " ").casefold().split())
    spelled = {type_id: type_id.replace("_", " ") for type_id in LABELS}
    for type_id, label in LABELS.items():
        if wanted in (spelled[type_id], label.casefold()):
            return type_id
    for names in (spelled, {type_id: label.casefold() for type_id, label in LABELS.items()}):
        found = process.extractOne(wanted, names, scorer=fuzz.ratio, score_cutoff=ALIKE)
        if found is not None:
            return str(found[2])
    offered = ", ".join([*LABELS][:20])
    raise NotFound(f"There is no signal {named[:60]!r}; there are, among others: {offered}.")


def _entity(type_id: str, symbols: tuple[str, ...]) -> Entity:
    """Signals of a type: those of a universe, or of one symbol, which are others."""
    label = LABELS[type_id]
    names = (type_id, type_id.replace("_", " "))
    if not symbols:
        return Entity(key=label, names=names)
    return Entity(key=f"{label} on {symbols[0]}", names=(label, *names))


def _told(figures: Figures) -> dict[str, Any]:
    trust = confidence(figures)
    return {
        "n": figures.n,
        "days": figures.days,
        "hits": figures.hits,
        "hit_rate": shown(figures.hit_rate),
        "hit_rate_low": shown(figures.hit_rate_low),
        "hit_rate_high": shown(figures.hit_rate_high),
        "base_rate": shown(figures.base_rate),
        "base_n": figures.base_n,
        "median_move": shown(figures.median_move),
        "median_after_costs": shown(figures.median_after_costs),
        "median_excess": shown(figures.median_excess),
        "confidence": shown(trust.value),
        "first_day": figures.first_day and figures.first_day.isoformat(),
        "last_day": figures.last_day and figures.last_day.isoformat(),
    }


_SHARES = {
    "hit_rate": "hit_rate",
    "hit_rate_low": "hit_rate_low",
    "hit_rate_high": "hit_rate_high",
    "base_rate": "base_rate",
    "median_move": "median_move",
    "median_after_costs": "median_after_costs",
    "median_excess": "excess_move",
}
"""Figures that are fractions, with what each measures."""


def _figures(label: str, told: Figures, day: date) -> list[Figure]:
    window: dict[str, Any] = {"day": day, "first": told.first_day}
    found = [
        each
        for name, measure in _SHARES.items()
        for each in figure(label, measure, getattr(told, name), "fraction", **window)
    ]
    found += figure(label, "confidence", confidence(told).value, "fraction", **window)
    found += figure(label, "signals", told.n, **window)
    found += figure(label, "hits", told.hits, **window)
    found += figure(label, "signal_days", told.days, **window)
    found += figure(label, "entries", told.base_n, **window)
    for each in (told.first_day, told.last_day):
        found += figure(label, "day", each, day=each)
    return found


def _table(sessions: int, told: Figures) -> Table:
    columns = ("Sessions", "n", "Hit rate", "Low", "High", "Base rate", "Median move", "Median after costs")
    names = ("hit_rate", "hit_rate_low", "hit_rate_high", "base_rate", "median_move", "median_after_costs")
    return Table(columns=columns, rows=((sessions, told.n, *(cell(getattr(told, name)) for name in names)),))


def _notes(told: Figures) -> list[str]:
    if told.n < MINIMUM_N:
        return [CONVENTION, f"Too few to go by: {told.n} signals with a known outcome; {MINIMUM_N} are needed."]
    return [CONVENTION]
