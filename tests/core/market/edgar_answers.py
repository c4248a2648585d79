"""Answers in the SEC's shapes, for tests that need a company there."""

from __future__ import annotations

from typing import Any

SUBMISSIONS, FACTS = "/submissions/CIK0000000001.json", "/api/xbrl/companyfacts/CIK0000000001.json"


def submissions(filings: list[tuple[str, str]], *, pages: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A company that filed these, by form and day, newest first."""
    columns = columns_of(filings)
    told = {"cik": "0000000001", "name": "Acme, Inc.", "sicDescription": "Anvils", "tickers": ["ACME"]}
    return {
        **told,
        "exchanges": ["Nasdaq"],
        "fiscalYearEnd": "1231",
        "formerNames": [{"name": "ACME ANVILS"}],
        "filings": {"recent": columns, "files": list(pages)},
    }


def columns_of(filings: list[tuple[str, str]]) -> dict[str, list[Any]]:
    """The columns in which the SEC tells filings."""
    numbers = [f"0000000001-{day[2:4]}-{place:06d}" for place, (_, day) in enumerate(filings, start=1)]
    return {
        "accessionNumber": numbers,
        "filingDate": [day for _, day in filings],
        "reportDate": [day for _, day in filings],
        "acceptanceDateTime": [f"{day}T16:30:00.000Z" for _, day in filings],
        "form": [form for form, _ in filings],
        "fileNumber": ["001-00001" for _ in filings],
        "items": ["" for _ in filings],
        "primaryDocument": [f"acme-{day}.htm" for _, day in filings],
        "primaryDocDescription": [f"A {form}" for form, _ in filings],
    }


def company_facts(revenue: int = 400) -> dict[str, Any]:
    """A company that reported a year's revenue, and nothing else that makes a line but one tag of its own."""
    row = {"start": "2025-01-01", "end": "2025-12-31", "val": revenue, "accn": "0000000001-26-000001", "fy": 2025}
    facts = [{**row, "fp": "FY", "form": "10-K", "filed": "2026-02-20"}]
    tags = {
        "Revenues": {"label": "Revenues", "units": {"USD": facts}},
        "Own": {"label": "Own", "units": {"USD": facts}},
    }
    return {"cik": 1, "entityName": "Acme, Inc.", "facts": {"us-gaap": tags}}
