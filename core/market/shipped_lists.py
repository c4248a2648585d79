"""The lists that are shipped: universes with their members, listings, and changes of symbols."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, RootModel

from core.db.instruments_dao import InstrumentRow, MemberRow, ShippedUniverse, SymbolChange
from core.errors import ConfigurationError, InvalidRequest
from core.market.symbols import EXCHANGES, HOME, MARKETS, checked_symbol
from core.yaml_lines import load_yaml, validate

STOCK = "stock"
Row = TypeVar("Row")


class _Universe(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    title: str
    kind: str = STOCK
    """What its members are."""


class _Universes(RootModel[list[_Universe]]):
    pass


class _Dataset(BaseModel):
    source: str
    licence: str
    is_generated: bool
    first_day: date
    last_day: date


class _Datasets(RootModel[dict[str, _Dataset]]):
    pass


@dataclass(frozen=True, slots=True)
class ShippedLists:
    """Everything that is shipped of instruments, and of which days there are bars."""

    universes: tuple[ShippedUniverse, ...]
    """The first is the default."""
    instruments: tuple[InstrumentRow, ...]
    changes: tuple[SymbolChange, ...]
    first_day: date
    """Of all shipped bars."""
    last_session: date
    """Of the default universe."""
    sha256: str


def load_shipped_lists(data: Path) -> ShippedLists:
    """What `universes`, `instruments` and `sample/datasets.yaml` below the folder `data` say.

    Raises:
        ConfigurationError: a file with a mistake; the sentence names it and the line.
    """
    digest = hashlib.sha256()

    def rows(path: Path, make: Callable[[Mapping[str, str]], Row]) -> tuple[Row, ...]:
        digest.update(path.read_bytes())
        return _rows(path, make)

    named = validate(load_yaml(data / "universes" / "universes.yaml"), _Universes).root
    datasets = validate(load_yaml(data / "sample" / "datasets.yaml"), _Datasets).root
    universes = tuple(
        ShippedUniverse(
            id=each.id,
            title=each.title,
            members=rows(data / "universes" / f"{each.id}.csv", _member),
            **datasets[each.id].model_dump(),
        )
        for each in named
    )
    kinds = {each.id: each.kind for each in named}
    listings = rows(data / "instruments" / "us_listings.csv", _listing)
    changes = rows(data / "instruments" / "symbol_changes.csv", _change)
    same = {(row.symbol, universe): row.cik for row, universe in listings if universe}
    digest.update(repr((named, datasets)).encode())
    return ShippedLists(
        universes=universes,
        instruments=(
            *(_instrument(universe, each, kinds[universe.id], same.get((each.symbol, universe.id)))
              for universe in universes for each in universe.members),
            *(row for row, _ in listings),
        ),
        changes=changes,
        first_day=min(dataset.first_day for dataset in datasets.values()),
        last_session=universes[0].last_day,
        sha256=digest.hexdigest(),
    )  # fmt: skip


def _rows(path: Path, make: Callable[[Mapping[str, str]], Row]) -> tuple[Row, ...]:
    made = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                made.append(make(row))
            except (KeyError, ValueError, InvalidRequest) as error:
                raise ConfigurationError(f"{path.name}, line {reader.line_num}: {error}.") from None
    return tuple(made)


def _member(row: Mapping[str, str]) -> MemberRow:
    return MemberRow(
        symbol=checked_symbol(row["symbol"]),
        name=row["name"] or row["symbol"],
        sector=row["sector"],
        exchange=EXCHANGES[row["exchange"]].code,
        currency=row["currency"],
        first_day=_day(row.get("first_day")),
        last_day=_day(row.get("last_day")),
    )


def _listing(row: Mapping[str, str]) -> tuple[InstrumentRow, str]:
    """The row, and the universe whose member is the same company."""
    exchange = EXCHANGES[MARKETS.get(row["market"].upper(), HOME)]
    listed = InstrumentRow(
        symbol=checked_symbol(row["symbol"]),
        origin="listing",
        name=row["name"],
        market=row["market"],
        exchange=exchange.code,
        currency=exchange.currency,
        kind=STOCK,
        sector="",
        cik=int(row["cik"]),
        valid_to=_day(row["valid_to"]),
        delisted_on=None,
        is_generated=False,
    )
    return listed, row["universe"]


def _change(row: Mapping[str, str]) -> SymbolChange:
    return SymbolChange(row["former"], row["symbol"], date.fromisoformat(row["changed_on"]))


def _instrument(universe: ShippedUniverse, member: MemberRow, kind: str, cik: int | None) -> InstrumentRow:
    return InstrumentRow(
        symbol=member.symbol,
        origin="universe",
        name=member.name,
        market=EXCHANGES[member.exchange].name,
        exchange=member.exchange,
        currency=member.currency,
        kind=kind,
        sector=member.sector,
        cik=cik,
        valid_to=None if universe.is_generated else universe.last_day,
        delisted_on=None,
        is_generated=universe.is_generated,
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
