"""`GET /api/sec-edgar`: what a company filed, as the SEC says now; each success is one SEC filing of the month."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from core.errors import AssayError
from core.http.authentication import SignedIn, SignedInRoute
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import REPLAYED_HEADER, idempotency_of
from core.http.market_models import FilingRow, FilingsAnswer
from core.http.metered import metered_headers, quota_headers, refused_headers
from core.http.routes.fundamentals import CompanyQuery
from core.market.articles import safe_url
from core.market.filings import FilingList
from core.market.sources.sample_reading import SampleReading
from core.principal import Principal, Scope
from core.research.filings import QUOTA, CountedList
from core.workbench import Workbench

MAX_FORMS = 20


class CountedRoute(SignedInRoute):
    """A route that reads at the cost of its caller's limits: it takes the token's scope `ask`."""

    @property
    def scope(self) -> Scope:
        """The scope that a token needs for this route."""
        return Scope.ASK


router = APIRouter(route_class=CountedRoute, tags=["Market"])


class FilingsQuery(CompanyQuery):
    """Which company, and which of its filings."""

    form: list[str] = Field([], max_length=MAX_FORMS)
    """Of these forms and their amendments, such as 10-K; may be given more than once. All where there is none."""


@router.get("/sec-edgar", response_model=FilingsAnswer, summary="What a company filed with the SEC")
async def filings(
    asked: Annotated[FilingsQuery, Query()],
    request: Request,
    principal: SignedIn,
    bench: Bench,
    threads: Threads,
) -> Response:
    """The filings of a company until the day that is looked at, newest first.

    Never cached, and counted: one SEC filing of the month for each success. A failure is free. With an
    `Idempotency-Key` a repeat gets the same answer, free.
    """
    try:
        idempotency = await idempotency_of(request, query=asked.model_dump())
        counted = await in_thread(
            partial(
                bench.filings.list,
                principal,
                symbol=asked.symbol,
                cik=asked.number(),
                forms=asked.form,
                idempotency=idempotency,
            ),
            threads,
        )
    except AssayError as error:
        refused = partial(refused_headers, bench.usage, principal, error, quota=QUOTA)
        caller_of(request).headers.update(await in_thread(refused, threads))
        raise
    headers = await in_thread(partial(_headers, counted, principal, bench), threads)
    return Response(
        _told(counted.filings).model_dump_json(by_alias=True), headers=headers, media_type="application/json"
    )


def _headers(counted: CountedList, principal: Principal, bench: Workbench) -> dict[str, str]:
    told = {"X-Request-Id": str(counted.request_id), "Cache-Control": "no-store"}
    if counted.hold is None:
        return {**metered_headers(bench.usage, principal, quota=QUOTA), **told, REPLAYED_HEADER: "true"}
    return {**quota_headers(counted.hold.plan, counted.quota, counted.hold.rate), **told}


def _told(found: FilingList) -> FilingsAnswer:
    return FilingsAnswer(
        cik=f"{found.cik:010d}",
        entity_name=found.name,
        filings=[
            FilingRow(
                form=filing.form,
                filing_date=filing.filing_date,
                report_date=filing.report_date,
                accession_number=filing.accession_number,
                file_number=filing.file_number,
                description=filing.description,
                items=list(filing.items),
                url=safe_url(filing.url),
            )
            for filing in found.filings
        ],
        source=found.source,
        generated=found.source == SampleReading.name,
        as_of=found.as_of,
    )
