"""The statements of instruments and universes: shipped and listed ones for everybody, an organisation's own for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

_PUT_INSTRUMENTS = text(
    """
    INSERT INTO instruments AS i (symbol, origin, name, market, exchange, currency, kind, sector, cik, valid_to,
        delisted_on, is_generated)
    SELECT symbol, origin, name, market, exchange, currency, kind, sector, cik, valid_to, delisted_on, is_generated
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(symbol text, origin text, name text, market text, exchange text,
        currency text, kind text, sector text, cik bigint, valid_to date, delisted_on date, is_generated boolean)
    ON CONFLICT (symbol, origin) DO UPDATE SET name = excluded.name, market = excluded.market,
        exchange = excluded.exchange, currency = excluded.currency, kind = excluded.kind, sector = excluded.sector,
        cik = excluded.cik, valid_to = excluded.valid_to, delisted_on = excluded.delisted_on,
        is_generated = excluded.is_generated
    WHERE :replaces AND i IS DISTINCT FROM excluded
    """
)
_PUT_UNIVERSE = text(
    """
    INSERT INTO universes (id, title, place, source, licence, is_generated, first_day, last_day)
    VALUES (:id, :title, :place, :source, :licence, :is_generated, :first_day, :last_day)
    ON CONFLICT (id) DO UPDATE SET title = excluded.title, place = excluded.place, source = excluded.source,
        licence = excluded.licence, is_generated = excluded.is_generated, first_day = excluded.first_day,
        last_day = excluded.last_day
    """
)
_UNIVERSES = """
    SELECT u.id, u.title, u.source, u.licence, u.is_generated, u.first_day, u.last_day, false AS is_own,
        NULL AS updated_by, NULL::timestamptz AS updated_at, u.place,
        (SELECT count(*) FROM universe_members m WHERE m.universe_id = u.id) AS members
    FROM universes u
    UNION ALL
    SELECT u.id::text, u.title, u.source, u.licence, u.is_generated, u.first_day, u.last_day, true,
        u.updated_by, u.updated_at, 1000000,
        (SELECT count(*) FROM own_universe_members m WHERE m.universe_id = u.id)
    FROM own_universes u WHERE u.org_id = bound_org()
"""
_LIST = text(
    f"""
    SELECT id, title, source, licence, is_generated, first_day, last_day, is_own, updated_by, updated_at, members
    FROM ({_UNIVERSES}) AS every WHERE coalesce(id = :id, true) ORDER BY place, lower(title), id
    """  # noqa: S608 (ours)
)
_MEMBERS = text(
    """
    SELECT m.symbol, i.name, i.sector, i.exchange, i.currency, m.first_day, m.last_day
    FROM universe_members m JOIN instruments i ON i.symbol = m.symbol AND i.origin = 'universe'
    WHERE m.universe_id = :id ORDER BY m.place
    """
)
_OWN_MEMBER = "m.symbol, m.name, m.sector, m.exchange, m.currency, m.first_day, m.last_day"
_OWN_MEMBERS = text(
    f"SELECT {_OWN_MEMBER} FROM own_universe_members m "  # noqa: S608 (ours)
    "WHERE m.universe_id::text = :id AND m.org_id = bound_org() ORDER BY m.place"
)
_USUAL_EXCHANGE = text(
    """
    SELECT exchange FROM (
        SELECT i.exchange, m.place
        FROM universe_members m JOIN instruments i ON i.symbol = m.symbol AND i.origin = 'universe'
        WHERE m.universe_id = :id
        UNION ALL
        SELECT m.exchange, m.place FROM own_universe_members m WHERE m.universe_id = :own_id AND m.org_id = :org_id
    ) AS listed
    WHERE exchange <> '' GROUP BY exchange ORDER BY count(*) DESC, min(place) LIMIT 1
    """
)
_OWN_FOUND = text(
    f"""
    SELECT * FROM (
        SELECT DISTINCT ON (m.symbol) {_OWN_MEMBER}, u.is_generated, m.symbol = ANY(:symbols) AS is_exact
        FROM own_universe_members m JOIN own_universes u ON u.id = m.universe_id
        WHERE m.org_id = bound_org() AND (m.symbol = ANY(:symbols)
            OR (:sought <> '' AND (starts_with(m.symbol, :sought) OR position(:sought IN upper(m.name)) > 0)))
        ORDER BY m.symbol, u.updated_at DESC) AS found
    ORDER BY is_exact DESC, symbol LIMIT :most
    """  # noqa: S608 (ours)
)
_OWN_EVERY = text(
    f"""
    SELECT DISTINCT ON (m.symbol) {_OWN_MEMBER}, u.is_generated, false AS is_exact
    FROM own_universe_members m JOIN own_universes u ON u.id = m.universe_id
    WHERE m.org_id = bound_org() ORDER BY m.symbol, u.updated_at DESC LIMIT :most
    """  # noqa: S608 (ours)
)
_PUT_OWN_UNIVERSE = text(
    """
    INSERT INTO own_universes (id, org_id, title, source, licence, is_generated, first_day, last_day, updated_by,
        updated_at)
    VALUES (:id, bound_org(), :title, :source, :licence, :is_generated, :first_day, :last_day, :updated_by, assay_now())
    ON CONFLICT (org_id, title) DO UPDATE SET source = excluded.source, licence = excluded.licence,
        is_generated = excluded.is_generated, first_day = excluded.first_day, last_day = excluded.last_day,
        updated_by = excluded.updated_by, updated_at = excluded.updated_at
    RETURNING id
    """
)
_PUT_OWN_MEMBERS = text(
    """
    INSERT INTO own_universe_members (universe_id, org_id, symbol, place, name, sector, exchange, currency, first_day,
        last_day)
    SELECT :id, bound_org(), symbol, place, name, sector, exchange, currency, first_day, last_day
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(symbol text, place integer, name text, sector text,
        exchange text, currency text, first_day date, last_day date)
    """
)


@dataclass(frozen=True, slots=True)
class InstrumentRow:
    """What a shipped universe, or a list of tickers, says of a symbol."""

    symbol: str
    origin: str
    """`universe` or `listing`."""
    name: str
    market: str
    exchange: str
    currency: str
    kind: str
    sector: str
    cik: int | None
    valid_to: date | None
    delisted_on: date | None
    is_generated: bool


@dataclass(frozen=True, slots=True)
class VersionRow:
    """Of which state the tables of instruments are."""

    version: int
    shipped_sha256: str
    listed_at: datetime | None


@dataclass(frozen=True, slots=True)
class FormerName:
    """What an instrument was called until a day."""

    symbol: str
    name: str
    until: date


@dataclass(frozen=True, slots=True)
class SymbolChange:
    """An instrument that got another symbol."""

    former: str
    symbol: str
    changed_on: date
    """Its first day under the new one."""


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member of a universe."""

    symbol: str
    name: str
    sector: str
    exchange: str
    currency: str
    first_day: date | None
    last_day: date | None
    """Of its bars."""


@dataclass(frozen=True, slots=True)
class OwnFoundRow(MemberRow):
    """A member of an organisation's own universes that was looked for."""

    is_generated: bool
    is_exact: bool
    """Its symbol itself was asked for."""


@dataclass(frozen=True, slots=True)
class UniverseRow:
    """A universe, shipped or an organisation's own."""

    id: str
    title: str
    source: str
    licence: str
    is_generated: bool
    first_day: date | None
    last_day: date | None
    is_own: bool
    updated_by: str | None
    updated_at: datetime | None
    members: int


@dataclass(frozen=True, slots=True)
class ShippedUniverse:
    """A universe as it is shipped, with its members in order."""

    id: str
    title: str
    source: str
    licence: str
    is_generated: bool
    first_day: date
    last_day: date
    members: tuple[MemberRow, ...]


def version(connection: Connection) -> VersionRow:
    """The state of the tables."""
    row = connection.execute(text("SELECT version, shipped_sha256, listed_at FROM instrument_version")).mappings().one()
    return VersionRow(**row)


def lock_version(connection: Connection) -> VersionRow:
    """As `version`, and nobody else changes the tables before this transaction ends."""
    statement = text("SELECT version, shipped_sha256, listed_at FROM instrument_version FOR UPDATE")
    return VersionRow(**connection.execute(statement).mappings().one())


def raise_version(connection: Connection, *, shipped_sha256: str | None = None, is_listed: bool = False) -> None:
    """Notes that the tables have changed, by what was shipped or by a list of tickers."""
    connection.execute(
        text(
            "UPDATE instrument_version SET version = version + 1, shipped_sha256 = coalesce(:sha, shipped_sha256), "
            "listed_at = CASE WHEN :is_listed THEN assay_now() ELSE listed_at END"
        ),
        {"sha": shipped_sha256, "is_listed": is_listed},
    )


def instruments(connection: Connection, *, most: int) -> list[InstrumentRow]:
    """Every instrument, by symbol."""
    rows = connection.execute(
        text(
            "SELECT symbol, origin, name, market, exchange, currency, kind, sector, cik, valid_to, delisted_on, "
            "is_generated FROM instruments ORDER BY symbol, origin LIMIT :most"
        ),
        {"most": most},
    )
    return [InstrumentRow(*row) for row in rows]


def listed(connection: Connection) -> dict[str, InstrumentRow]:
    """What lists of tickers said, by symbol."""
    rows = connection.execute(
        text(
            "SELECT symbol, origin, name, market, exchange, currency, kind, sector, cik, valid_to, delisted_on, "
            "is_generated FROM instruments WHERE origin = 'listing'"
        )
    )
    return {row.symbol: InstrumentRow(*row) for row in rows}


def put_instruments(connection: Connection, rows: Iterable[InstrumentRow], *, replaces: bool = True) -> None:
    """Keeps instruments; what is known already is replaced, or left as it is."""
    written = json.dumps([asdict(row) for row in rows], default=str)
    connection.execute(_PUT_INSTRUMENTS, {"rows": written, "replaces": replaces})


def former_names(connection: Connection) -> list[FormerName]:
    """What instruments were called."""
    rows = connection.execute(text("SELECT symbol, name, until FROM former_names"))
    return [FormerName(*row) for row in rows]


def add_former_names(connection: Connection, names: Sequence[FormerName]) -> None:
    """Keeps what instruments were called."""
    if names:
        connection.execute(
            text(
                "INSERT INTO former_names (symbol, name, until) VALUES (:symbol, :name, :until) "
                "ON CONFLICT (symbol, name) DO UPDATE SET until = excluded.until"
            ),
            [asdict(name) for name in names],
        )


def symbol_changes(connection: Connection) -> list[SymbolChange]:
    """Every change of a symbol."""
    rows = connection.execute(text("SELECT former, symbol, changed_on FROM symbol_changes"))
    return [SymbolChange(*row) for row in rows]


def add_symbol_changes(connection: Connection, changes: Sequence[SymbolChange]) -> None:
    """Keeps changes of symbols; the day that was known first stays."""
    if changes:
        connection.execute(
            text(
                "INSERT INTO symbol_changes (former, symbol, changed_on) VALUES (:former, :symbol, :changed_on) "
                "ON CONFLICT DO NOTHING"
            ),
            [asdict(change) for change in changes],
        )


def put_universe(connection: Connection, universe: ShippedUniverse, place: int) -> None:
    """Keeps a shipped universe with its members."""
    values = {name: value for name, value in asdict(universe).items() if name != "members"}
    connection.execute(_PUT_UNIVERSE, {**values, "place": place})
    connection.execute(text("DELETE FROM universe_members WHERE universe_id = :id"), {"id": universe.id})
    rows = [
        {"symbol": each.symbol, "place": number, "first_day": each.first_day, "last_day": each.last_day}
        for number, each in enumerate(universe.members)
    ]
    connection.execute(
        text(
            "INSERT INTO universe_members (universe_id, symbol, place, first_day, last_day) "
            "SELECT :id, symbol, place, first_day, last_day FROM jsonb_to_recordset(cast(:rows AS jsonb)) "
            "AS r(symbol text, place integer, first_day date, last_day date)"
        ),
        {"id": universe.id, "rows": json.dumps(rows, default=str)},
    )


def universes(connection: Connection, universe_id: str | None = None) -> list[UniverseRow]:
    """Shipped universes, then the bound organisation's own; or the one of that id; for the app role."""
    return [UniverseRow(**row) for row in connection.execute(_LIST, {"id": universe_id}).mappings()]


def bind(connection: Connection, org_id: UUID | None) -> None:
    """Binds a transaction of the service role to an organisation: of jobs, which no principal asked for."""
    connection.execute(text("SELECT set_config('app.org_id', :org_id, true)"), {"org_id": str(org_id or "")})


def usual_exchange(connection: Connection, universe_id: str, org_id: UUID | None) -> str | None:
    """Where most members of a universe of everybody's, or an organisation's own, are listed; for the service role."""
    own_id = None
    with suppress(ValueError):
        own_id = UUID(universe_id)
    values = {"id": universe_id, "own_id": own_id, "org_id": org_id}
    found: str | None = connection.execute(_USUAL_EXCHANGE, values).scalar_one_or_none()
    return found


def members(connection: Connection, universe: UniverseRow) -> list[MemberRow]:
    """The members of a universe, in order."""
    rows = connection.execute(_OWN_MEMBERS if universe.is_own else _MEMBERS, {"id": universe.id})
    return [MemberRow(*row) for row in rows]


def own_found(connection: Connection, symbols: Sequence[str], sought: str = "", *, most: int) -> list[OwnFoundRow]:
    """Members of the bound organisation's own universes that have one of these symbols, or hold what is sought (in
    capitals) in symbol or name."""
    parameters = {"symbols": list(symbols), "sought": sought, "most": most}
    return [OwnFoundRow(**row) for row in connection.execute(_OWN_FOUND, parameters).mappings()]


def own_members(connection: Connection, *, most: int) -> list[OwnFoundRow]:
    """The members of all of the bound organisation's own universes."""
    return [OwnFoundRow(**row) for row in connection.execute(_OWN_EVERY, {"most": most}).mappings()]


def put_own_universe(
    connection: Connection,
    universe_id: UUID,
    *,
    title: str,
    source: str,
    licence: str,
    is_generated: bool,
    first_day: date | None,
    last_day: date | None,
    updated_by: str,
) -> UUID:
    """Makes or replaces the bound organisation's universe of that title, still without members; gives its id."""
    kept: UUID = connection.execute(
        _PUT_OWN_UNIVERSE,
        {
            "id": universe_id,
            "title": title,
            "source": source,
            "licence": licence,
            "is_generated": is_generated,
            "first_day": first_day,
            "last_day": last_day,
            "updated_by": updated_by,
        },
    ).scalar_one()
    connection.execute(text("DELETE FROM own_universe_members WHERE universe_id = :id"), {"id": kept})
    return kept


def put_own_members(connection: Connection, universe_id: UUID, rows: Sequence[MemberRow]) -> None:
    """Gives a universe of the bound organisation its members, in order."""
    written = [{**asdict(row), "place": number} for number, row in enumerate(rows)]
    connection.execute(_PUT_OWN_MEMBERS, {"id": universe_id, "rows": json.dumps(written, default=str)})


def delete_own_universe(connection: Connection, universe_id: str) -> bool:
    """Deletes a universe of the bound organisation; False where it has none of that id."""
    deleted = connection.execute(
        text("DELETE FROM own_universes WHERE id::text = :id AND org_id = bound_org() RETURNING id"),
        {"id": universe_id},
    ).scalar()
    return deleted is not None
