"""`GET /api/ai/usage`, `…/details` and `…/export`: what was asked and at what cost, in sums, by request, as a file."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from core.db.usage_dao import LogRow, TotalRow
from core.errors import InvalidRequest
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.cursors import cursor_of, place_of_cursor
from core.http.models import UsageGroup, UsagePage, UsageRow, UsageSums, UsageTotals
from core.metering.usage import Bound, Span
from core.metering.usage_exports import MEDIA_TYPES, FileFormat, Wanted
from core.principal import Principal
from core.workbench import Workbench

MAX_ROWS = 200
MAX_NAMES = 50
"""Models or results by which the log is filtered at once."""
YEARS = range(2000, 2200)

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


class _Asked(BaseModel):
    """The time that is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    from_: str | None = Field(None, alias="from")
    """A date or a time (RFC 3339); the running month where neither is given."""
    to: str | None = None
    """The last day, or the first moment that is not part of it."""

    def span(self, bench: Workbench, principal: Principal) -> Span:
        """The time in the organisation's zone.

        Raises:
            InvalidRequest: it is none.
        """
        return bench.usage.span(principal, _bound("from", self.from_), _bound("to", self.to))


class TotalsQuery(_Asked):
    """Which sums."""

    group_by: Literal["day", "model", "provider", "user", "feature", "status", "channel"] = "day"


class DetailsQuery(_Asked):
    """Which requests."""

    model: list[str] = Field([], max_length=MAX_NAMES)
    """Of these models; may be given more than once."""
    status: list[str] = Field([], max_length=MAX_NAMES)
    """Of these results; may be given more than once."""
    cursor: str | None = None
    """`next_cursor` of the page before."""
    limit: int = Field(50, ge=1, le=MAX_ROWS)


class ExportQuery(_Asked):
    """Which requests, in which file."""

    format: FileFormat = "csv"
    """CSV in the organisation's zone, or Parquet in UTC."""
    model: list[str] = Field([], max_length=MAX_NAMES)
    """Of these models; may be given more than once."""
    status: list[str] = Field([], max_length=MAX_NAMES)
    """Of these results; may be given more than once."""


@router.get("/ai/usage", summary="What was used, in sum and in groups")
async def usage_totals(
    asked: Annotated[TotalsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> UsageTotals:
    """The requests of a time: an owner or admin sees those of the organisation, everybody else their own."""
    return await in_thread(partial(_totals, asked, bench, principal), threads)


@router.get("/ai/usage/details", summary="Every request, newest first")
async def usage_details(
    asked: Annotated[DetailsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> UsagePage:
    """The log of a time, page by page; an owner or admin sees that of the organisation."""
    return await in_thread(partial(_page, asked, bench, principal), threads)


@router.get(
    "/ai/usage/export",
    summary="The log as a file",
    response_class=FileResponse,
    responses={200: {"description": "The file", "content": {name: {} for name in MEDIA_TYPES.values()}}},
)
async def usage_export(
    asked: Annotated[ExportQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> FileResponse:
    """The log of a time as CSV or Parquet, newest first, at most a million requests; an owner or admin gets that of the
    organisation."""
    path, wanted = await in_thread(partial(_exported, asked, bench, principal), threads)
    return FileResponse(
        path,
        media_type=MEDIA_TYPES[wanted.file_format],
        filename=wanted.name(),
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _exported(asked: ExportQuery, bench: Workbench, principal: Principal) -> tuple[Path, Wanted]:
    """The file, for whoever sends it to remove."""
    wanted = Wanted(asked.span(bench, principal), asked.format, asked.status, asked.model)
    with tempfile.NamedTemporaryFile(prefix="assay-usage-", delete=False) as out:
        path = Path(out.name)
        try:
            bench.metering.exports.write(principal, wanted, out)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path, wanted


def _page(asked: DetailsQuery, bench: Workbench, principal: Principal) -> UsagePage:
    before = None if asked.cursor is None else place_of_cursor(asked.cursor)
    span, most = asked.span(bench, principal), asked.limit + 1
    rows = bench.usage.page(principal, span, statuses=asked.status, models=asked.model, before=before, most=most)
    next_cursor = cursor_of(rows[asked.limit - 1].at, rows[asked.limit - 1].id) if len(rows) > asked.limit else None
    return UsagePage(data=[_row(row) for row in rows[: asked.limit]], next_cursor=next_cursor)


def _totals(asked: TotalsQuery, bench: Workbench, principal: Principal) -> UsageTotals:
    span = asked.span(bench, principal)
    totals = bench.usage.totals(principal, span, asked.group_by)
    return UsageTotals(
        from_=span.starts_at,
        to=span.ends_at,
        zone=span.zone,
        whole_organisation=principal.role.manages,
        group_by=asked.group_by,
        total=UsageSums(**_sums(totals.total)),
        groups=[UsageGroup(key=group.key, **_sums(group)) for group in totals.groups],
    )


def _sums(row: TotalRow) -> dict[str, object]:
    return {name: value for name, value in asdict(row).items() if name in UsageSums.model_fields}


def _row(row: LogRow) -> UsageRow:
    given = asdict(row)
    ids = {name: str(value) for name, value in given.items() if isinstance(value, UUID)}
    return UsageRow(**{**given, **ids})


def _bound(name: str, given: str | None) -> Bound | None:
    """A day, or a time that says its distance from UTC.

    Raises:
        InvalidRequest: it is neither.
    """
    if given is None:
        return None
    # In an address a plus sign is a space unless it is written %2B.
    text = given.replace(" ", "+").replace("Z", "+00:00")
    try:
        bound = date.fromisoformat(text) if len(text) == len("2026-01-31") else datetime.fromisoformat(text)
    except ValueError:
        bound = None
    is_clear = not isinstance(bound, datetime) or bound.tzinfo is not None
    if bound is None or not is_clear or bound.year not in YEARS:
        raise InvalidRequest(
            f"The field {name} must be a date such as 2026-01-31, or a time such as 2026-01-31T09:30:00Z."
        )
    return bound
