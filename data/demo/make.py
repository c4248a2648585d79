"""Makes the transactions of the demo's portfolios: `python data/demo/make.py`, over the bars that are shipped.

Nobody made these trades. Prices are the shipped closes of their days, dividends those of `sample/actions.csv` for the
shares that were held, booked at their ex-dates since the days of payment are not known; quantities, deposits, fees,
taxes and interest are made up here.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "sample"
COLUMNS = [
    *("Date", "Kind", "Symbol", "Quantity", "Price", "Amount", "Currency", "Fees", "Taxes", "Exchange rate"),
    *("Ratio", "Other symbol", "Share of the cost", "Note"),
]
"""Those of an export."""
CENT = Decimal("0.01")
LAST_DAY = date(2010, 8, 20)
Row = dict[str, str]


@dataclass
class Maker:
    """Transactions in the making, in order of days, with what is held meanwhile."""

    tax_rate: Decimal
    """Withheld of dividends."""
    rows: list[Row] = field(default_factory=list)
    held: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    day: date = date.min

    def trade(self, day: str, kind: str, symbol: str, quantity: int, fees: str, **more: str) -> None:
        """A purchase or sale at the day's close."""
        self._until(date.fromisoformat(day))
        self.held[symbol] += quantity if kind == "Buy" else -quantity
        self._add(day, kind, Symbol=symbol, Quantity=str(quantity), Price=str(close(symbol, day)), Fees=fees, **more)

    def money(self, day: str, kind: str, amount: str, note: str = "") -> None:
        """A deposit, withdrawal, fee, or interest."""
        self._until(date.fromisoformat(day))
        self._add(day, kind, Amount=amount, Currency="USD", Note=note)

    def write(self, name: str) -> None:
        """Ends with the last day that is shipped."""
        self._until(LAST_DAY)
        with (HERE / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)

    def _until(self, day: date) -> None:
        """Books the dividends and follows the splits of what is held, up to a day."""
        for action in ACTIONS:
            ex_date, symbol, value = date.fromisoformat(action["ex_date"]), action["symbol"], Decimal(action["value"])
            if not self.day < ex_date <= day or not self.held[symbol]:
                continue
            if action["kind"] == "split":
                self.held[symbol] *= value
                continue
            amount = (self.held[symbol] * value).quantize(CENT)
            tax = (amount * self.tax_rate).quantize(CENT)
            self._add(action["ex_date"], "Dividend", Symbol=symbol, Amount=str(amount), Taxes=str(tax) if tax else "")
        self.day = day

    def _add(self, day: str, kind: str, **cells: str) -> None:
        currency = "INR" if cells.get("Symbol", "").endswith(".NS") else "USD"
        self.rows.append({"Date": day, "Kind": kind, "Currency": currency, **cells})


def close(symbol: str, day: str) -> Decimal:
    """The raw close of a day, from the history that serves the symbol."""
    for frame in BARS:
        found = frame.filter((pl.col("symbol") == symbol) & (pl.col("date") == date.fromisoformat(day)))
        if found.height:
            return Decimal(str(found["close"][0])).quantize(CENT)
    raise SystemExit(f"There is no bar of {symbol} on {day}.")


BARS = [pl.read_parquet(SAMPLE / f"{name}.parquet") for name in ("wiki", "sp500_2010", "nse_generated")]
with (SAMPLE / "actions.csv").open(encoding="utf-8") as actions:
    ACTIONS = sorted(csv.DictReader(actions), key=lambda row: row["ex_date"])


def us_stocks() -> None:
    """A decade of American shares, with its money."""
    maker = Maker(Decimal(0))
    maker.money("2000-03-01", "Deposit", "25000")
    maker.trade("2000-03-02", "Buy", "IBM", 60, "14.95")
    maker.trade("2000-03-13", "Buy", "MSFT", 60, "14.95")
    maker.trade("2000-04-17", "Buy", "AAPL", 40, "14.95")
    maker.money("2000-12-29", "Interest", "212.40")
    maker.money("2001-01-02", "Fee", "35", "Custody")
    maker.trade("2001-04-04", "Buy", "MSFT", 40, "14.95")
    maker.trade("2002-07-24", "Buy", "AAPL", 60, "14.95")
    maker.money("2002-12-31", "Interest", "41.10")
    maker.trade("2003-10-15", "Sell", "IBM", 60, "14.95")
    maker.money("2004-08-19", "Deposit", "10000")
    maker.trade("2004-08-20", "Buy", "GOOG", 90, "9.95")
    maker.trade("2005-10-20", "Buy", "GOOG", 10, "9.95")
    maker.money("2006-01-03", "Fee", "35", "Custody")
    maker.trade("2007-10-31", "Sell", "AAPL", 80, "9.95", Note="Some of the gain")
    maker.trade("2007-11-06", "Sell", "GOOG", 20, "9.95")
    maker.money("2008-01-15", "Withdrawal", "12000", "A kitchen")
    maker.trade("2008-10-10", "Buy", "IBM", 50, "9.95")
    maker.trade("2009-03-09", "Buy", "MSFT", 200, "9.95")
    maker.money("2009-09-01", "Deposit", "15000")
    maker.trade("2009-09-02", "Buy", "JNJ", 80, "7.00")
    maker.trade("2009-09-02", "Buy", "XOM", 70, "7.00")
    maker.trade("2009-09-15", "Buy", "GIS", 60, "7.00")
    maker.trade("2009-12-01", "Buy", "KO", 90, "7.00")
    maker.money("2009-12-31", "Interest", "18.75")
    maker.trade("2010-02-08", "Buy", "WMT", 60, "7.00")
    maker.trade("2010-05-07", "Sell", "XOM", 70, "7.00", Note="At a loss")
    maker.trade("2010-06-30", "Buy", "DHR", 100, "7.00")
    maker.trade("2010-08-02", "Sell", "MSFT", 150, "7.00")
    maker.write("us_stocks.csv")


def two_currencies() -> None:
    """Shares in dollars and rupees for somebody who counts in euros, and keeps the money elsewhere."""
    maker = Maker(Decimal("0.15"))
    maker.trade("2008-09-19", "Buy", "IBM", 40, "12.00")
    maker.trade("2008-11-20", "Buy", "MSFT", 150, "12.00", **{"Exchange rate": "0.7985", "Note": "The broker's rate"})
    maker.trade("2009-01-20", "Buy", "CHAMELI.NS", 200, "250.00")
    maker.trade("2009-03-10", "Buy", "AAPL", 30, "12.00")
    maker.trade("2009-06-15", "Buy", "EKTAINFO.NS", 150, "250.00")
    maker.trade("2009-09-01", "Buy", "KO", 60, "12.00")
    maker.trade("2009-10-08", "Sell", "IBM", 15, "12.00")
    maker.trade("2010-01-11", "Sell", "CHAMELI.NS", 80, "250.00")
    maker.trade("2010-04-28", "Buy", "JNJ", 40, "12.00")
    maker.trade("2010-06-01", "Sell", "AAPL", 10, "12.00", **{"Exchange rate": "0.8169", "Note": "The broker's rate"})
    maker.write("two_currencies.csv")


if __name__ == "__main__":
    us_stocks()
    two_currencies()
