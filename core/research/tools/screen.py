"""The tool `screen`: which members of a universe, or holdings, meet some conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from core.ai.evidence import Cell, Entity, Figure, Source, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.db.instruments_dao import MemberRow
from core.errors import InvalidRequest, NotEnoughData
from core.market.market import Market
from core.principal import Principal
from core.research.tools.arguments import Arguments
from core.research.tools.field_figures import field_figures
from core.research.tools.market_material import MAX_NAME_CHARS, cell, day_words, entity_of, figure, listed, shown
from core.research.tools.universe_words import universe_of
from core.screener.criteria import Screen as Criteria
from core.screener.criteria import checked, conditions_of, from_json, matching, spoken
from core.screener.fields import FIELDS
from core.screener.fields import Unit as FieldUnit
from core.screener.merge import merged
from core.screener.partition import scan_partition
from core.screener.screener import Screener

if TYPE_CHECKING:
    import polars as pl

HOLDINGS = "holdings"
PORTFOLIO = "portfolio"
"""Key of the portfolio that a question is about, as an entity."""
MOST_COMPUTED = 1_000
"""Symbols that are looked at without a scan: more would take too long for a step."""
BARS = 260
"""Bars that are read of each symbol where there is no scan, as a scan reads them."""
MOST_FIELDS = 8
NEEDS_A_SCAN = ("confidence", "confidence_n", "pattern")
"""Figures that only a scan brings."""

HoldingsOf = Callable[[Principal, UUID], Sequence[str]]
"""The symbols that a portfolio holds on the principal's date."""


Operator = Literal[
    "above",
    "below",
    "at_least",
    "at_most",
    "between",
    "above_field",
    "below_field",
    "is",
    "is_one_of",
    "contains_any",
]


class ScreenCondition(Arguments):
    """One condition of a screen."""

    field: str = Field(max_length=40)
    operator: Operator
    value: float | str | tuple[float | str, ...]


class ScreenArguments(Arguments):
    """What is screened, by what."""

    universe: str = Field(
        "", max_length=100, description="Id or title of a universe, or holdings; the default one where left out."
    )
    conditions: tuple[ScreenCondition, ...] = Field(
        (),
        max_length=10,
        description="Fields: close change rsi_14 sma_50 sma_200 from_sma_200 volume relative_volume from_week52_high "
        "volatility_20 return_20 rs_rating sector signals…; value of above_field is a field. None: all members.",
    )
    match: Literal["all", "any"] = "all"
    sort: str = Field("symbol", max_length=40, description="A field; - before it: falling.")
    fields: tuple[str, ...] = Field((), max_length=MOST_FIELDS, description="Further fields to tell.")
    limit: int = Field(20, ge=1, le=50)


@dataclass(frozen=True, slots=True)
class _Named:
    """A set of symbols that is screened without a scan."""

    title: str
    id: str = ""
    members: int = 0
    """At any time; 0: those that are screened."""


@dataclass(frozen=True)
class _Rows:
    """What is screened."""

    title: str
    universe_id: str
    """Empty of holdings."""
    frame: pl.DataFrame
    day: date
    members: int
    """Of the day."""
    listed: int
    """Members at any time."""
    skipped: int
    is_scan: bool
    is_generated: bool
    sessions_behind: int = 0
    """Sessions that have closed since the scan."""


class Screen:
    """Screens the latest scan, or, where there is none, what the bars of the day say; it starts no scan."""

    name = "screen"
    description = (
        "Members of a universe, or the portfolio's holdings, that meet conditions on their last bar, and how many of "
        "how many; fractions such as 0.05 for 5 %."
    )
    arguments: type[BaseModel] = ScreenArguments
    needs_portfolio = False

    def __init__(self, market: Market, screener: Screener, holdings_of: HoldingsOf) -> None:
        self._market = market
        self._screener = screener
        self._holdings_of = holdings_of

    def run(self, context: ToolContext, arguments: ScreenArguments) -> ToolResult:
        """The matches, in the order that was asked for.

        Raises:
            InvalidRequest: conditions or fields that cannot be, or holdings without a portfolio.
            NotFound: there is no such universe.
            NotEnoughData: there is neither a scan nor are there bars to compute from.
        """
        criteria = _criteria(arguments)
        is_falling, sorted_by = arguments.sort.startswith("-"), arguments.sort.removeprefix("-") or "symbol"
        fields = _checked_fields(arguments, criteria, sorted_by)
        rows = self._rows(context, arguments.universe)
        found = rows.frame if criteria is None else matching(rows.frame, criteria)
        if sorted_by in found.columns:
            found = found.sort(sorted_by, "symbol", descending=[is_falling, False], nulls_last=True)
        matches = found.head(arguments.limit).to_dicts()
        words = spoken(criteria) if criteria is not None else "all members"
        return ToolResult(
            words=f"Screen of {rows.title}: {words}"[:300],
            content=_content(rows, matches, found.height, fields, words),
            figures=_figures(rows, matches, found.height, fields),
            entities=_entities(rows, matches),
            source=_source(rows),
            table=_table(matches, found.height, fields),
            notes=_notes(rows, criteria),
        )

    def _rows(self, context: ToolContext, named: str) -> _Rows:
        principal = context.principal
        if named.strip().casefold() in (HOLDINGS, "my holdings", "portfolio"):
            if context.portfolio_id is None:
                raise InvalidRequest("No portfolio is chosen; name a universe, or choose a portfolio first.")
            symbols = sorted(set(self._holdings_of(principal, context.portfolio_id)))
            if not symbols:
                raise NotEnoughData("The portfolio holds no shares that could be screened.")
            return self._computed(_Named("the holdings"), self._members(principal, symbols), principal)
        universe = universe_of(self._market, principal, named)
        scan = self._screener.scans.latest(principal, universe.id)
        title = cleaned(universe.title, MAX_NAME_CHARS)
        is_large = universe.members > MOST_COMPUTED
        if scan is not None and (scan.sessions_behind == 0 or is_large):
            return _Rows(
                title=title,
                universe_id=universe.id,
                frame=scan.results,
                day=scan.about.as_of,
                members=scan.about.total,
                listed=universe.members,
                skipped=len(scan.about.skipped or ()),
                is_scan=True,
                is_generated=universe.is_generated,
                sessions_behind=scan.sessions_behind,
            )
        if is_large:
            raise NotEnoughData(
                f"{title} has not been scanned up to this day, and its {universe.members:,} members are too "
                "many to be computed here; start a scan on the Screener page."
            )
        plan = self._screener.scans.plan(principal, universe.id)
        return self._computed(_Named(title, universe.id, universe.members), plan.members, principal)

    def _members(self, principal: Principal, symbols: Sequence[str]) -> list[MemberRow]:
        known = self._market.instruments.many(symbols, self._market.time.of(principal), principal)
        rows = []
        for symbol in symbols:
            each = known.get(symbol)
            about = (each.name, each.sector, each.exchange, each.currency) if each else (symbol, "", "", "")
            rows.append(MemberRow(symbol, *about, first_day=None, last_day=None))
        return rows

    def _computed(self, named: _Named, members: Sequence[MemberRow], principal: Principal) -> _Rows:
        """What a scan of these would find without records and chart patterns, of the bars up to the day."""
        as_of = self._market.time.of(principal)
        symbols = sorted({member.symbol for member in members})[:MOST_COMPUTED]
        panel = self._market.bars.panel(symbols, as_of, BARS, principal.org_id)
        if not panel.symbols:
            raise NotEnoughData(f"There are no bars of {named.title} up to {day_words(as_of.day)}.")
        exchange = next((member.exchange for member in members if member.exchange), None)
        day: date = panel.dates.max().item()
        sessions = self._screener.planner.sessions(exchange, as_of.day)
        part = scan_partition(panel, day, chart_patterns=False, sessions=sessions)
        result = merged([part], members, {})
        return _Rows(
            title=named.title,
            universe_id=named.id,
            frame=result.results,
            day=day,
            members=len(symbols),
            listed=named.members or len(symbols),
            skipped=len(result.skipped),
            is_scan=False,
            is_generated=any(about.is_generated for about in panel.about.values()),
        )


def _criteria(arguments: ScreenArguments) -> Criteria | None:
    """The screen that the conditions make; None where there are none."""
    if not arguments.conditions:
        return None
    items = [_condition(each) for each in arguments.conditions]
    return checked(from_json({"match": arguments.match, "items": items}))


def _condition(given: ScreenCondition) -> Mapping[str, Any]:
    value: Any = list(given.value) if isinstance(given.value, tuple) else given.value
    if given.operator in ("above_field", "below_field") and isinstance(value, str):
        value = {"field": value, "times": 1.0}
    elif given.operator in ("is_one_of", "contains_any") and isinstance(value, str):
        value = [value]
    elif isinstance(value, str) and given.field in FIELDS and FIELDS[given.field].is_number:
        value = _number(value)
    return {"field": given.field, "operator": given.operator, "value": value}


def _number(text: str) -> float | str:
    """A number that a model wrote as a text; what is none stays as it is, and is refused with the other conditions."""
    try:
        return float(text)
    except ValueError:
        return text


def _checked_fields(arguments: ScreenArguments, criteria: Criteria | None, sorted_by: str) -> list[str]:
    """The fields that are told of each match: those that are asked for, screened by and sorted by."""
    asked = [] if criteria is None else [each.field for each in conditions_of(criteria.root)]
    others = [] if criteria is None else _compared(arguments)
    for name in (sorted_by, *arguments.fields):
        if name not in FIELDS or (name == sorted_by and FIELDS[name].unit is FieldUnit.LIST):
            raise InvalidRequest(f"There is no field {name[:40]!r} to tell or sort by; there are: {', '.join(FIELDS)}.")
    told = dict.fromkeys([*asked, *others, *arguments.fields, sorted_by, "close"])
    return [name for name in told if name != "symbol"]


def _compared(arguments: ScreenArguments) -> list[str]:
    return [
        each.value
        for each in arguments.conditions
        if each.operator in ("above_field", "below_field") and isinstance(each.value, str)
    ]


def _content(
    rows: _Rows, matches: Sequence[Mapping[str, Any]], total: int, fields: Sequence[str], words: str
) -> dict[str, Any]:
    return {
        "universe": rows.title,
        "conditions": words,
        "day": rows.day.isoformat(),
        "matches": total,
        "members": rows.listed,
        "members_on_day": rows.members,
        "screened": rows.frame.height,
        "rows": [
            {"symbol": row["symbol"], "name": _name(row), **{name: _json(row.get(name)) for name in fields}}
            for row in matches
        ],
        "not_shown": total - len(matches),
    }


def _figures(rows: _Rows, matches: Sequence[Mapping[str, Any]], total: int, fields: Sequence[str]) -> list[Figure]:
    key = _entity(rows).key
    counts = {"matches": total, "members_on_day": rows.members, "screened": rows.frame.height}
    found = [each for name, value in counts.items() for each in figure(key, name, value, day=rows.day, first=rows.day)]
    found += [*figure(key, "members", rows.listed, day=rows.day), *figure(key, "day", rows.day, day=rows.day)]
    for row in matches:
        for name in fields:
            value = row.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found += field_figures(
                    row["symbol"], name, value, day=row.get("day") or rows.day, currency=row.get("currency")
                )
    return found


def _entity(rows: _Rows) -> Entity:
    """What is screened; holdings are the portfolio that the question is about."""
    if not rows.universe_id:
        return Entity(key=PORTFOLIO, names=("holdings", "my holdings", "your holdings"))
    return Entity(key=rows.title[:120], names=(rows.universe_id, rows.title.partition(",")[0], "universe"))


def _entities(rows: _Rows, matches: Sequence[Mapping[str, Any]]) -> list[Entity]:
    return [_entity(rows), *(entity_of(row["symbol"], _name(row)) for row in matches)]


def _table(matches: Sequence[Mapping[str, Any]], total: int, fields: Sequence[str]) -> Table:
    columns = ("Symbol", "Name", *(FIELDS[name].label for name in fields))
    rows = tuple((row["symbol"], _name(row), *(_cell(row.get(name)) for name in fields)) for row in matches)
    return Table(columns=columns, rows=rows, more=total - len(matches))


def _source(rows: _Rows) -> Source:
    kind = "Scan" if rows.is_scan else "Bars"
    return Source(title=f"{kind} of {rows.title}"[:300], as_of=rows.day, is_generated=rows.is_generated)


def _notes(rows: _Rows, criteria: Criteria | None) -> list[str]:
    notes = []
    if not rows.is_scan:
        notes.append("There is no scan of this day: the figures were computed from the bars.")
    if rows.sessions_behind:
        notes.append(
            f"The latest scan is of {day_words(rows.day)}: sessions have closed since ({rows.sessions_behind})."
        )
    if rows.skipped:
        notes.append(f"{rows.skipped:,} of {rows.members:,} were left out: too few bars, or none of late.")
    asked = [] if criteria is None else [each.field for each in conditions_of(criteria.root)]
    lacking = [FIELDS[name].label for name in asked if name in NEEDS_A_SCAN and not rows.is_scan]
    if lacking:
        notes.append(f"Without a scan nothing has {listed(lacking)}.")
    return notes


def _name(row: Mapping[str, Any]) -> str:
    """A name, which somebody in the organisation may have written."""
    return cleaned(row.get("name") or "", MAX_NAME_CHARS)


def _json(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return shown(value) if isinstance(value, int | float) else [str(each) for each in value][:10]


def _cell(value: Any) -> Cell:
    if isinstance(value, bool) or value is None or isinstance(value, str | date):
        return value
    if isinstance(value, int | float):
        return cell(value) if isfinite(value) else None
    return ", ".join(str(each) for each in value)
