"""SEC EDGAR: companies and their filings, what they reported in XBRL, the list of tickers, and documents.

It asks everybody to say who they are in the header User-Agent, and to make at most 10 requests a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from core.errors import NoData
from core.market.sources import figures
from core.market.sources.contract import Allowance, CompanyFacts, Fact, Filer, Filing, Listing, OlderFilings
from core.market.sources.remote import Remote, Vendor, segment
from core.market.sources.wire import MEBIBYTE

VENDOR = Vendor(
    "sec_edgar",
    "SEC EDGAR",
    "SEC_EDGAR_USER_AGENT",
    # It says 403 to whoever asks too often, for ten minutes, as well as to whoever does not say who they are.
    statuses={403: "blocked"},
)
BASE_URL = "https://data.sec.gov"
WWW_BASE_URL = "https://www.sec.gov"
FREE = Allowance(per_second=10)
MAX_FACTS_BYTES = 20 * MEBIBYTE
MAX_DOCUMENT_BYTES = 20 * MEBIBYTE
NEW_YORK = ZoneInfo("America/New_York")
OPENS, ENDS = time(6), time(22)
"""When EDGAR takes filings, in New York."""
_TICKERS = "/files/company_tickers_exchange.json"
_OLDER_TICKERS = "/files/company_tickers.json"


class Edgar:
    """Each method makes one request; `tickers` a second one where the first list is not there."""

    name = VENDOR.name

    def __init__(self, data: Remote, www: Remote, allowance: Allowance) -> None:
        self.allowance = allowance
        self._data = data
        self._www = www

    def tickers(self) -> Sequence[Listing]:
        """Every symbol the SEC knows, with its CIK, and its exchange unless only the older list is there."""
        try:
            rows = _table(self._www.json(_TICKERS, max_bytes=MAX_FACTS_BYTES))
        except NoData:
            older = figures.mapping(self._www.json(_OLDER_TICKERS, max_bytes=MAX_FACTS_BYTES))
            rows = VENDOR.rows([*older.values()])
        listings = tuple(listing for listing in map(_listing, rows) if listing.symbol and listing.cik)
        if not listings:
            raise VENDOR.down("unreadable")
        return listings

    def filer(self, cik: int) -> Filer:
        """A company, its latest filings (a thousand, or those of a year), and the pages that hold the older ones."""
        answer = self._data.json(f"/submissions/CIK{_ten(cik)}.json")
        filings = figures.mapping(figures.mapping(answer).get("filings"))
        if figures.whole(figures.mapping(answer).get("cik")) != cik:
            raise VENDOR.down("other" if "cik" in figures.mapping(answer) else "unreadable")
        return Filer(
            cik=cik,
            name=figures.text(answer.get("name")),
            tickers=_texts(answer.get("tickers")),
            exchanges=_texts(answer.get("exchanges")),
            industry=figures.text(answer.get("sicDescription")),
            fiscal_year_end=figures.text(answer.get("fiscalYearEnd")),
            former_names=tuple(_names(figures.listing(answer.get("formerNames")))),
            filings=self._filings(cik, figures.mapping(filings.get("recent"))),
            older=tuple(_page(figures.mapping(page)) for page in figures.listing(filings.get("files"))),
        )

    def older_filings(self, cik: int, page: OlderFilings) -> Sequence[Filing]:
        """The filings of one page, newest first."""
        return self._filings(cik, figures.mapping(self._data.json(f"/submissions/{segment(page.name)}")))

    def company_facts(self, cik: int) -> CompanyFacts:
        """All that a company reported in XBRL; a fact that was reported again comes again."""
        answer = figures.mapping(
            self._data.json(f"/api/xbrl/companyfacts/CIK{_ten(cik)}.json", max_bytes=MAX_FACTS_BYTES)
        )
        if figures.whole(answer.get("cik")) != cik:
            raise VENDOR.down("other" if "cik" in answer else "unreadable")
        facts = tuple(_facts(figures.mapping(answer.get("facts"))))
        return CompanyFacts(cik=cik, name=figures.text(answer.get("entityName")), facts=facts)

    def document(self, url: str) -> str:
        """The text of a filing's document; an address anywhere else is not asked.

        Raises:
            NoData: there is none, or the address is not below the archive.
        """
        archive = self._www.url("/Archives/")
        try:
            parts = urlsplit(url)
        except ValueError:
            raise VENDOR.nothing() from None
        is_plain = (
            url.isascii() and url.isprintable() and not ({"\\", " ", "@"} & set(url)) and ".." not in unquote(url)
        )
        if not url.startswith(archive) or not is_plain or parts.query or parts.fragment:
            raise VENDOR.nothing()
        return self._www.text("/Archives/" + url[len(archive) :], max_bytes=MAX_DOCUMENT_BYTES)

    def _filings(self, cik: int, columns: Mapping[str, Any]) -> tuple[Filing, ...]:
        """Filings, which come as columns; columns that are not of one length tell nothing."""
        numbers = figures.listing(columns.get("accessionNumber"))
        given = {name: column for name, column in columns.items() if isinstance(column, list)}
        if "accessionNumber" not in given or any(len(column) != len(numbers) for column in given.values()):
            raise VENDOR.down("unreadable")
        rows = [{name: column[i] for name, column in given.items()} for i in range(len(numbers))]
        zone = _clock_of([_told(row.get("acceptanceDateTime")) for row in rows])
        filings = [self._filing(cik, row, zone) for row in rows]
        return tuple(sorted(filings, key=lambda filing: filing.filing_date, reverse=True))

    def _filing(self, cik: int, row: Mapping[str, Any], zone: ZoneInfo | None) -> Filing:
        number, filed = figures.text(row.get("accessionNumber")), figures.day(row.get("filingDate"))
        if not number or filed is None:
            raise VENDOR.down("unreadable")
        told = _told(row.get("acceptanceDateTime"))
        return Filing(
            form=figures.text(row.get("form")),
            filing_date=filed,
            report_date=figures.day(row.get("reportDate")),
            accepted_at=None if told is None else told.replace(tzinfo=zone or UTC).astimezone(UTC),
            accession_number=number,
            file_number=figures.text(row.get("fileNumber")),
            description=figures.text(row.get("primaryDocDescription")),
            items=tuple(item.strip() for item in figures.text(row.get("items")).split(",") if item.strip()),
            url=self._www.url(_document(cik, number, figures.text(row.get("primaryDocument")))),
        )


def _ten(cik: int) -> str:
    """A CIK as addresses want it."""
    if not 0 < cik < 10**10:
        raise VENDOR.nothing()
    return f"{cik:010d}"


def _document(cik: int, number: str, name: str) -> str:
    """Where a filing's document is; the oldest have none of their own, and are one text."""
    folder = f"/Archives/edgar/data/{cik}/"
    if not name:
        return f"{folder}{segment(number)}.txt"
    return f"{folder}{segment(number.replace('-', ''))}/" + "/".join(map(segment, name.split("/")))


def _table(answer: object) -> list[Mapping[str, Any]]:
    """Rows of a table that comes as the names of its columns and lists of values."""
    told = figures.mapping(answer)
    fields, rows = _texts(told.get("fields")), figures.listing(told.get("data"))
    if any(not isinstance(row, list) or len(row) != len(fields) for row in rows):
        raise VENDOR.down("unreadable")
    return [dict(zip(fields, row, strict=True)) for row in rows]


def _listing(row: Mapping[str, Any]) -> Listing:
    return Listing(
        symbol=figures.text(row.get("ticker")),
        name=figures.text(row.get("name", row.get("title"))),
        cik=figures.whole(row.get("cik", row.get("cik_str"))),
        exchange=figures.text(row.get("exchange")) or None,
    )


def _page(told: Mapping[str, Any]) -> OlderFilings:
    name, count = figures.text(told.get("name")), figures.whole(told.get("filingCount"))
    first, last = figures.day(told.get("filingFrom")), figures.day(told.get("filingTo"))
    if not name or first is None or last is None:
        raise VENDOR.down("unreadable")
    return OlderFilings(name=name, first=first, last=last, count=count or 0)


def _names(told: Iterable[object]) -> Iterable[str]:
    return filter(None, (figures.text(figures.mapping(former).get("name")) for former in told))


def _texts(told: object) -> tuple[str, ...]:
    return tuple(filter(None, map(figures.text, figures.listing(told))))


def _facts(taxonomies: Mapping[str, Any]) -> Iterable[Fact]:
    for taxonomy, tags in taxonomies.items():
        for tag, told in figures.mapping(tags).items():
            label = figures.text(figures.mapping(told).get("label"))
            for unit, rows in figures.mapping(figures.mapping(told).get("units")).items():
                for row in map(figures.mapping, figures.listing(rows)):
                    yield _fact(row, taxonomy=taxonomy, tag=tag, label=label, unit=unit)


def _fact(row: Mapping[str, Any], *, taxonomy: str, tag: str, label: str, unit: str) -> Fact:
    end, filed, value = figures.day(row.get("end")), figures.day(row.get("filed")), figures.number(row.get("val"))
    if end is None or filed is None or value is None:
        raise VENDOR.down("unreadable")
    return Fact(
        taxonomy=taxonomy,
        tag=tag,
        label=label,
        unit=unit,
        start=figures.day(row.get("start")),
        end=end,
        value=value,
        fiscal_year=figures.whole(row.get("fy")),
        fiscal_period=figures.text(row.get("fp")),
        form=figures.text(row.get("form")),
        filed=filed,
        accession_number=figures.text(row.get("accn")),
    )


def _told(value: object) -> datetime | None:
    """What a clock showed, whichever clock it was."""
    try:
        return datetime.fromisoformat(figures.text(value)).replace(tzinfo=None)
    except ValueError:
        return None


def _clock_of(told: Sequence[datetime | None]) -> ZoneInfo | None:
    """By which clock a company's filings were accepted: New York's, or None for UTC.

    All are written as UTC, and of one company in five they are New York's time nevertheless, all of them. A time at
    which EDGAR is closed by one clock is told by the other. Where both are possible it is New York's, which is later:
    nothing is to be seen before its time.
    """
    shown = [moment for moment in told if moment is not None]
    is_utc = all(OPENS <= moment.replace(tzinfo=UTC).astimezone(NEW_YORK).time() <= ENDS for moment in shown)
    is_new_york = all(OPENS <= moment.time() <= ENDS for moment in shown)
    return None if is_utc and not is_new_york else NEW_YORK
