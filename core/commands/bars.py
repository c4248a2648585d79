"""Commands for daily bars: `bars update`, `bars import` and `bars check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path

from core.accounts.directory import Directory
from core.clock import SystemClock
from core.db.instruments_dao import MemberRow
from core.errors import InvalidRequest, NotFound, SourceError
from core.market.bar_checks import Severity
from core.market.bar_imports import BarImports, Fate, ImportReport, ImportRequest, read_bars
from core.market.bar_tables import MOST_BYTES
from core.market.bar_updates import Outcome
from core.market.market import Market, open_market
from core.market.sources.contract import Adjustment
from core.market.symbols import EXCHANGES, exchange_of
from core.market.universes import checked_title
from core.metering.plans import load_plans
from core.metering.plans_sync import sync_plans
from core.ops.telemetry import Telemetry
from core.principal import Principal
from core.settings import Settings
from core.workbench import open_database

MOST_LINES = 40
"""Findings or failures that are printed; all are counted."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What was said of a file on the command line."""

    org: str
    universe: str
    dry_run: bool = False
    currency: str | None = None
    exchange: str | None = None
    adjusted: bool = False
    decimal: str | None = None
    dates: str | None = None


BROUGHT = tuple(field.name for field in fields(Brought))
"""Names of what can be said of a file."""


def update(settings: Settings, *, universe: str | None, org: str | None, first: date | None, last: date | None) -> int:
    """Loads what is shipped, and fetches what is new of a universe; 1 where a symbol got nothing."""
    with _market(settings) as (market, directory):
        market.load_shipped()
        _refresh_listings(market)
        if not market.sources.bars:
            print("The shipped history is in place.")
            print("No source of bars is configured: set ALPHAVANTAGE_API_KEY, FMP_API_KEY or YAHOO_ENABLED.")
            return 0
        asked = _universe(market, universe, directory.owner(org) if org else None)
        if asked.is_generated:
            raise InvalidRequest("The companies of this universe do not exist: no source is asked about them.")
        done = market.update_bars(asked.members, first=first, last=last)
    counts = Counter(each.outcome for each in done)
    print(", ".join(f"{counts[outcome]} {outcome.replace('_', ' ')}" for outcome in Outcome if counts[outcome]) + ".")
    failed = [each for each in done if each.outcome is Outcome.FAILED]
    _print_some([f"{each.symbol}: {each.words}" for each in failed])
    return 1 if failed else 0


def _refresh_listings(market: Market) -> None:
    """Takes over the SEC's list of tickers; without it bars are fetched all the same."""
    if market.sources.filings is None:
        return
    try:
        refreshed = market.refresh_listings()
    except SourceError as error:
        print(f"The SEC's list of tickers was not taken over: {error.detail}")
        return
    if refreshed is not None:
        print(f"{refreshed.listed:,} tickers of the SEC: {refreshed.added:,} new, {refreshed.renamed:,} renamed.")


def bring(settings: Settings, file: Path, brought: Brought) -> int:
    """Imports a file of bars, and makes its symbols a universe; 1 where nothing could be loaded."""
    if not file.is_file():
        raise InvalidRequest(f"There is no file {file.name}.")
    if file.stat().st_size > MOST_BYTES:
        raise InvalidRequest(f"The file is larger than {MOST_BYTES // 1024**2} MiB. Divide it, and import the parts.")
    title = checked_title(brought.universe)
    with _market(settings) as (market, directory):
        owner = directory.owner(brought.org)
        request = ImportRequest(
            file_name=file.name,
            universe=title,
            org_id=owner.org_id,
            org_name=owner.org_name,
            currency=brought.currency,
            exchange=brought.exchange,
            adjustment=Adjustment.SPLIT if brought.adjusted else Adjustment.RAW,
            decimal=brought.decimal,
            date_order=brought.dates,
            is_dry_run=brought.dry_run,
        )
        today = SystemClock().now().date()
        report = read_bars(file.read_bytes(), request, today=today)
        if report.bars and not report.refused and not brought.dry_run:
            members, source = _members(market, owner, title, report), f"{owner.org_name}: {file.name}"
            # What the universe would refuse is refused before bars are written; it changes once they are.
            market.universes.check(owner, title, members, source=source)
            report = BarImports(market.store, today=today).load(report, request)
            market.universes.replace(owner, title, members, source=source)
    _print_report(report, is_dry_run=brought.dry_run)
    return 1 if report.refused or not report.bars else 0


def check(settings: Settings, *, universe: str | None, org: str | None) -> int:
    """Prints what is wrong with the bars of a universe; 1 where figures made of them are wrong."""
    with _market(settings) as (market, directory):
        market.load_shipped()
        owner = directory.owner(org) if org else None
        symbols = [each.symbol for each in _universe(market, universe, owner).members]
        as_of = market.time.default()
        found = market.checks.run(symbols, as_of, owner.org_id if owner else None)
    counts = Counter(each.severity for each in found)
    told = ", ".join(f"{counts[severity]} {severity}s" for severity in Severity)
    print(f"{len(symbols)} symbols up to {as_of.day}: {told}.")
    _print_some([f"{each.severity:8}{each.check:14}{each.symbol or 'all':12}{each.words}" for each in found])
    return 1 if counts[Severity.ERROR] else 0


@contextmanager
def _market(settings: Settings) -> Iterator[tuple[Market, Directory]]:
    """The market on the migrated database, with the plans in force: what a command needs of the workbench."""
    plans = load_plans(settings.plans_file)
    database, _server = open_database(settings)
    with closing(database):
        sync_plans(database, plans)
        with closing(open_market(settings, database, SystemClock(), Telemetry())) as market:
            yield market, Directory(database)


@dataclass(frozen=True, slots=True)
class _Universe:
    """As much of a universe as is needed here."""

    is_generated: bool
    members: Sequence[MemberRow]


def _universe(market: Market, universe: str | None, owner: Principal | None) -> _Universe:
    """A shipped universe by its id or title, or an organisation's own."""
    universe = checked_title(universe) if universe is not None else None
    if owner is not None:
        listed = market.universes.list(owner)
        named = [each for each in listed if universe is None or universe in (each.id, each.title)]
        own = [each for each in named if each.is_own] or named
        if not own:
            raise NotFound("There is no such universe.")
        return _Universe(own[0].is_generated, market.universes.members(owner, own[0].id))
    found = [each for each in market.lists.universes if universe in (None, each.id, each.title)]
    if not found:
        raise NotFound("There is no such universe; of an organisation's own say whose it is (--org).")
    return _Universe(found[0].is_generated, found[0].members)


def _members(market: Market, owner: Principal, title: str, report: ImportReport) -> list[MemberRow]:
    """The symbols of a file, beside those that the universe has."""
    held = next((each for each in market.universes.list(owner) if each.is_own and each.title == title), None)
    members = {each.symbol: each for each in (market.universes.members(owner, held.id) if held else ())}
    for symbol, first, last in report.spans():
        facts, (name, sector) = report.facts[symbol], report.names.get(symbol, ("", ""))
        known = members.get(symbol)
        exchange = facts.exchange or exchange_of(symbol).code
        made = MemberRow(
            symbol=symbol,
            name=name or symbol,
            sector=sector,
            exchange=exchange,
            currency=facts.currency or (EXCHANGES[exchange].currency if exchange in EXCHANGES else ""),
            first_day=min(first, known.first_day or first) if known else first,
            last_day=max(last, known.last_day or last) if known else last,
        )
        members[symbol] = replace(made, name=name or known.name, sector=sector or known.sector) if known else made
    return list(members.values())


def _print_report(report: ImportReport, *, is_dry_run: bool) -> None:
    for words in report.how:
        print(words)
    for row in report.fates:
        lines = ", ".join(str(line) for line in row.lines)
        more = f" and {row.count - len(row.lines)} more" if row.count > len(row.lines) else ""
        print(f"{row.count} {row.fate}: {row.reason} (line {lines}{more}).")
    span = f", {report.first_day} to {report.last_day}" if report.bars else ""
    print(f"{report.rows} rows: {report.bars} bars of {len(report.symbols)} symbols{span}.")
    if report.written is not None:
        written = report.written
        print(f"Loaded: {written.added} new days, {written.changed} changed.")
    elif is_dry_run and not report.refused:
        print("Dry run: nothing was loaded.")
    else:
        print(f"Nothing was loaded: rows that are {Fate.REFUSED} keep out the whole file.")


def _print_some(lines: Sequence[str]) -> None:
    for line in lines[:MOST_LINES]:
        print(line)
    if len(lines) > MOST_LINES:
        print(f"and {len(lines) - MOST_LINES} more.")
