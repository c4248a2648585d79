"""Facts as a company would report them, for tests that need some."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from core.market.sources.contract import CompanyFacts, Fact


def day(text: str) -> date:
    """2025-03-31 as a date."""
    return date.fromisoformat(text)


def fact(
    concept: str,
    start: str | None,
    end: str,
    value: int | str,
    *,
    filed: str,
    form: str = "10-Q",
    unit: str = "USD",
    accession: str = "",
) -> Fact:
    """One figure; what a filing says of its fiscal year is wrong on purpose, since nothing may rest on it."""
    taxonomy, _, tag = concept.rpartition(":")
    return Fact(
        taxonomy=taxonomy or "us-gaap",
        tag=tag,
        label=tag,
        unit=unit,
        start=None if start is None else day(start),
        end=day(end),
        value=Decimal(value),
        fiscal_year=1999,
        fiscal_period="Q7",
        form=form,
        filed=day(filed),
        accession_number=accession or f"0000000001-{filed[2:4]}-{filed[5:7]}{filed[8:]}",
    )


def company(*facts: Fact) -> CompanyFacts:
    """A company that reported these."""
    return CompanyFacts(1, "Acme, Inc.", facts)


QUARTERS_2025 = (
    ("2025-01-01", "2025-03-31", "2025-05-05"),
    ("2025-04-01", "2025-06-30", "2025-08-05"),
    ("2025-07-01", "2025-09-30", "2025-11-05"),
)


def year_2025(concept: str = "Revenues", values: tuple[int, int, int] = (100, 110, 120), year: int = 460) -> list[Fact]:
    """Three quarters as reported and their year."""
    found = [
        fact(concept, start, end, v, filed=filed) for (start, end, filed), v in zip(QUARTERS_2025, values, strict=True)
    ]
    return [*found, fact(concept, "2025-01-01", "2025-12-31", year, filed="2026-02-20", form="10-K")]
