"""The shipped reading as a source: news, filings and figures of issuers that do not exist, labelled generated.

It knows nothing of any real company: asked for one it has no data.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from core.errors import NoData
from core.market.sources.contract import (
    Allowance,
    Article,
    CompanyFacts,
    Fact,
    Filer,
    Filing,
    Listing,
    OlderFilings,
)
from core.settings import DATA

SHIPPED = DATA / "sample" / "reading"
SCHEME = "sample"
"""Of the addresses of shipped filings: they are on no host."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A company that does not exist."""

    symbol: str
    name: str
    cik: int


class SampleReading:
    """Reads the shipped files, each once."""

    name = "sample"
    allowance = Allowance()

    def __init__(self, folder: Path = SHIPPED) -> None:
        self._folder = folder

    def issuer(self, symbol: str) -> Issuer | None:
        """The fictitious issuer of that symbol."""
        return next((issuer for issuer in self._issuers if issuer.symbol == symbol), None)

    def issuer_of(self, cik: int) -> Issuer | None:
        """The fictitious issuer of that CIK."""
        return next((issuer for issuer in self._issuers if issuer.cik == cik), None)

    def news(self, symbol: str, company: str, first: date, last: date) -> Sequence[Article]:
        """What is told of an issuer, newest first."""
        if self.issuer(symbol) is None:
            raise self._no_data(symbol)
        found = [article for article in self._articles if symbol in article.symbols]
        return [article for article in found if first <= article.published_at.date() <= last]

    def tickers(self) -> Sequence[Listing]:
        """The issuers."""
        return [Listing(issuer.symbol, issuer.name, issuer.cik, None) for issuer in self._issuers]

    def filer(self, cik: int) -> Filer:
        """An issuer and all its filings."""
        record = self._record(cik)
        return Filer(
            cik=cik,
            name=record["name"],
            tickers=(record["symbol"],),
            exchanges=(),
            industry=record["industry"],
            fiscal_year_end=record["fiscal_year_end"],
            former_names=(),
            filings=tuple(sorted(map(_filing, record["filings"]), key=lambda filing: filing.filing_date, reverse=True)),
        )

    def older_filings(self, cik: int, page: OlderFilings) -> Sequence[Filing]:
        """None: `filer` has them all."""
        self._record(cik)
        return ()

    def company_facts(self, cik: int) -> CompanyFacts:
        """The figures of an issuer."""
        record = self._record(cik)
        return CompanyFacts(cik, record["name"], self._facts[record["symbol"]])

    def document(self, url: str) -> str:
        """A shipped document."""
        known = {f"{SCHEME}:/{filing['document']}" for record in self._records for filing in record["filings"]}
        if url not in known:
            raise self._no_data(url)
        return (self._folder / url.removeprefix(f"{SCHEME}:/")).read_text("utf-8")

    @cached_property
    def _records(self) -> list[dict[str, Any]]:
        issuers: list[dict[str, Any]] = _yaml(self._folder / "issuers.yaml")["issuers"]
        return issuers

    @cached_property
    def _issuers(self) -> tuple[Issuer, ...]:
        return tuple(Issuer(record["symbol"], record["name"], record["cik"]) for record in self._records)

    @cached_property
    def _articles(self) -> tuple[Article, ...]:
        rows: list[dict[str, Any]] = _yaml(self._folder / "news.yaml")["articles"]
        return tuple(sorted(map(_article, rows), key=lambda article: article.published_at, reverse=True))

    @cached_property
    def _facts(self) -> Mapping[str, tuple[Fact, ...]]:
        found: dict[str, list[Fact]] = {issuer.symbol: [] for issuer in self._issuers}
        with (self._folder / "facts.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found[row["symbol"]].append(_fact(row))
        return {symbol: tuple(facts) for symbol, facts in found.items()}

    def _record(self, cik: int) -> dict[str, Any]:
        record = next((one for one in self._records if one["cik"] == cik), None)
        if record is None:
            raise self._no_data(str(cik))
        return record

    def _no_data(self, asked: str) -> NoData:
        return NoData(f"The shipped sample has nothing about {asked[:80]}.", source=self.name)


def _yaml(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506 (both loaders are safe)
    return loaded


def _article(row: Mapping[str, Any]) -> Article:
    at: datetime = row["at"]
    return Article(row["title"], row["url"], row["publisher"], at, row["summary"], (row["symbol"],))


def _filing(row: Mapping[str, Any]) -> Filing:
    return Filing(
        form=row["form"],
        filing_date=row["filing_date"],
        report_date=row["report_date"],
        accepted_at=None,
        accession_number=row["accession_number"],
        file_number="",
        description=f"{row['description']} (generated)",
        items=(),
        url=f"{SCHEME}:/{row['document']}",
    )


def _fact(row: Mapping[str, str]) -> Fact:
    return Fact(
        taxonomy=row["taxonomy"],
        tag=row["tag"],
        label=row["label"],
        unit=row["unit"],
        start=date.fromisoformat(row["start"]) if row["start"] else None,
        end=date.fromisoformat(row["end"]),
        value=Decimal(row["value"]),
        fiscal_year=int(row["year"]),
        fiscal_period=row["period"],
        form=row["form"],
        filed=date.fromisoformat(row["filed"]),
        accession_number=row["accession"],
    )
