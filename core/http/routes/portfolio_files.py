"""`/api/portfolios/{id}/transactions`: entered as JSON or from a broker's file, and given as a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from core.errors import InvalidRequest
from core.http.authentication import SignedIn, SignedInRoute
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import REPLAYED_HEADER, idempotency_of
from core.http.limits import LateBody, checked_json_object, read_body, replayed
from core.http.portfolio_models import (
    MAX_ENTERED,
    MAX_FILE_NAME_CHARS,
    ImportAnswer,
    ImportQuery,
    ImportQuestion,
    NewTransaction,
    NewTransactions,
    RowFateAnswer,
    TransactionsAnswer,
)
from core.http.problems import MEDIA_TYPE, plain_decimal, problem_of
from core.http.routes.portfolios import PATH, id_of, told, transaction_answer
from core.portfolio.exports import MEDIA_TYPE as CSV
from core.portfolio.exports import csv_of
from core.portfolio.imports.imports import BY_HEADINGS, ImportRow
from core.portfolio.imports.outcomes import Choice, ImportResult, Preview, RowFate
from core.portfolio.transactions import Draft
from core.principal import Principal
from core.workbench import Workbench

MAX_FILE_BYTES = 25 * 1024 * 1024
"""Largest file that is read; of a larger one not even the beginning is kept."""
MAX_FORM_BYTES = MAX_FILE_BYTES + 64 * 1024
"""With what a form puts around it."""
FILE_WAIT_S = 60.0
"""Longest wait for a whole file."""
FILES = (
    "text/csv",
    "application/csv",
    "text/tab-separated-values",
    "text/plain",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/octet-stream",
)
"""Types of a body that is the file itself; what is in it is found out from itself."""
FORM = "multipart/form-data"
_TAKEN = (
    "Send transactions as JSON (Content-Type: application/json), or a file as text/csv, as an Excel sheet, or as the "
    "field file of multipart/form-data."
)
_ONE = {"$ref": "#/components/schemas/NewTransaction"}
_ENTRY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        _ONE,
                        {
                            "type": "object",
                            "properties": {"transactions": {"type": "array", "items": _ONE, "maxItems": MAX_ENTERED}},
                            "required": ["transactions"],
                        },
                    ]
                }
            },
            "text/csv": {"schema": {"type": "string", "format": "binary"}},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        **{name: {"type": "string"} for name in ImportQuery.model_fields},
                    },
                    "additionalProperties": False,
                    "required": ["file"],
                }
            },
        },
    }
}

_Model = TypeVar("_Model", bound=BaseModel)

router = APIRouter()
routes = APIRouter(route_class=SignedInRoute, tags=["Portfolios"])


@routes.get(f"{PATH}/{{portfolio_id}}/transactions.csv", summary="A portfolio's transactions as a file")
async def export_transactions(portfolio_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> Response:
    """Those that count, by day; the import takes the file back as it is. Nothing in it is a formula."""
    export = partial(bench.portfolio.journal.transactions, principal, id_of(portfolio_id))
    content = await in_thread(lambda: csv_of(export()), threads)
    return Response(content, media_type=CSV, headers={"Content-Disposition": 'attachment; filename="transactions.csv"'})


@routes.post(
    f"{PATH}/{{portfolio_id}}/transactions",
    status_code=201,
    response_model=TransactionsAnswer | ImportAnswer,
    openapi_extra=_ENTRY,
    summary="Enter transactions, or import a file",
)
async def enter_transactions(
    portfolio_id: str,
    asked: Annotated[ImportQuery, Query()],
    request: Request,
    principal: SignedIn,
    bench: Bench,
    threads: Threads,
) -> Response:
    """As JSON one transaction, or `{transactions: [...]}`, all or none: 201 with their rows. With an `Idempotency-Key`
    the same again gives the same rows, and another body is `conflict`.

    A file (at most 25 MiB) is imported whole or not at all; `dry_run` only tells every row's fate. By its content it is
    idempotent: a row that is there already is `known`, and not entered again. 201 where rows were entered, 200 where
    all were known, 422 with every row's fate where one is refused. With a key that brought this file before, 200 with
    how many it brought; with one that brought another, `conflict`.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        if asked.model_fields_set:
            raise InvalidRequest(
                f"The field {min(asked.model_fields_set)} is of files; transactions as JSON have none."
            )
        return await _entered(portfolio_id, request, principal, bench, threads)
    if content_type not in (*FILES, FORM):
        raise InvalidRequest(_TAKEN)
    idempotency = await idempotency_of(request, query={})
    if content_type == FORM:
        content, asked = await _of_form(await _body(request, MAX_FORM_BYTES, FILE_WAIT_S), request, asked)
    else:
        content = await _body(request, MAX_FILE_BYTES, FILE_WAIT_S)
    key = None if idempotency is None else idempotency.key
    run = partial(_dry_run, asked) if asked.dry_run else partial(_imported, asked, key)
    return await in_thread(partial(run, portfolio_id, content, principal, bench), threads)


router.include_router(routes)


async def _entered(
    portfolio_id: str, request: Request, principal: Principal, bench: Workbench, threads: Threads
) -> Response:
    body = await _body(request, request.app.state.max_body_bytes)
    content = checked_json_object(request.headers["content-type"], body)
    again = Request(request.scope, replayed(body, request.receive))
    idempotency = await idempotency_of(again)
    is_list = "transactions" in content
    wanted = _validated(NewTransactions, content).transactions if is_list else [_validated(NewTransaction, content)]
    drafts = [each.draft() for each in wanted]
    key = None if idempotency is None else idempotency.key

    def added() -> tuple[str, bool]:
        journal, portfolio = bench.portfolio.journal, id_of(portfolio_id)
        before = bench.portfolio.portfolios.get(principal, portfolio).number if key is not None else 0
        rows = journal.add(principal, portfolio, drafts, key=key)
        answer = TransactionsAnswer(transactions=[transaction_answer(each) for each in rows])
        return answer.model_dump_json(), key is not None and rows[-1].number <= before

    text, is_replayed = await in_thread(added, threads)
    headers = {REPLAYED_HEADER: "true"} if is_replayed else None
    return Response(text, status_code=201, headers=headers, media_type="application/json")


async def _body(request: Request, most: int, wait_s: float | None = None) -> bytes:
    try:
        return await read_body(request, most=most, wait_s=wait_s)
    except LateBody:
        caller_of(request).headers["Connection"] = "close"
        raise


async def _of_form(body: bytes, request: Request, asked: ImportQuery) -> tuple[bytes, ImportQuery]:
    """The file of a form, and what was asked of it in the address and in the form's other fields.

    Raises:
        InvalidRequest: the form cannot be read, does not hold one file, or has a field that is given twice.
        RequestValidationError: a field that there is not, or that cannot be.
    """
    form_request = Request(request.scope, replayed(body, request.receive))
    try:
        async with form_request.form(max_files=1, max_fields=10, max_part_size=MAX_FILE_BYTES) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InvalidRequest("The form has no field file that is a file.")
            fields = [(name, value) for name, value in form.multi_items() if name != "file"]
            return await file.read(), _asked(fields, asked, file.filename or "")
    except HTTPException as error:
        raise InvalidRequest("The form cannot be read; send one field named file, with the file in it.") from error


def _asked(fields: Sequence[tuple[str, object]], asked: ImportQuery, file_name: str) -> ImportQuery:
    given: dict[str, object] = {name: getattr(asked, name) for name in asked.model_fields_set}
    for name, value in fields:
        if name in given:
            raise InvalidRequest(f"The field {name[:40]} is given twice.")
        given[name] = value
    return _validated(ImportQuery, {"file_name": file_name[:MAX_FILE_NAME_CHARS], **given})


def _validated(model: type[_Model], content: object) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        flaws = [{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors(include_url=False)]
        raise RequestValidationError(flaws) from None


def _choice(asked: ImportQuery) -> Choice:
    """What is asked alone: what a person chose for their last file is nothing to a program."""
    return Choice(preset=asked.preset, date_order=asked.date_order, decimal=asked.decimal, currency=asked.currency)


def _dry_run(asked: ImportQuery, portfolio_id: str, content: bytes, principal: Principal, bench: Workbench) -> Response:
    imports = bench.portfolio.imports
    preview = imports.preview(principal, id_of(portfolio_id), content, asked.file_name, _choice(asked))
    words = " ".join((*preview.problems, preview.question.words if preview.question else "")).strip()
    answer = _answer(preview, words or "Nothing was entered: this is what would become of every row.")
    return Response(answer.model_dump_json(), media_type="application/json")


def _imported(
    asked: ImportQuery, key: str | None, portfolio_id: str, content: bytes, principal: Principal, bench: Workbench
) -> Response:
    result = bench.portfolio.imports.run_once(
        principal,
        id_of(portfolio_id),
        content,
        asked.file_name,
        _choice(asked),
        key=key,
        leaves_out_refused=asked.leaves_out_refused,
    )
    if isinstance(result, ImportRow):
        text = _answer_before(result).model_dump_json()
        return Response(text, headers={REPLAYED_HEADER: "true"}, media_type="application/json")
    answer = _answer(result.preview, result.words, result)
    if result.is_imported:
        status = 201 if result.transactions else 200
        return Response(answer.model_dump_json(), status_code=status, media_type="application/json")
    problem = problem_of(InvalidRequest(result.words))
    return JSONResponse({**problem, "import": answer.model_dump(mode="json")}, status_code=422, media_type=MEDIA_TYPE)


def _answer(preview: Preview, words: str, result: ImportResult | None = None) -> ImportAnswer:
    question = preview.question
    return ImportAnswer(
        is_dry_run=result is None,
        is_imported=result is not None and result.is_imported,
        import_id=str(result.import_id) if result is not None and result.import_id is not None else None,
        words=words,
        file_name=preview.file_name,
        preset=preview.preset,
        title=preview.title,
        how=list(preview.how),
        counts={fate.value: count for fate, count in preview.counts.items()},
        rows=[_fate(row) for row in preview.rows],
        question=None
        if question is None
        else ImportQuestion(asked=question.asked.value, words=question.words, options=dict(question.options)),
        problems=list(preview.problems),
    )


def _answer_before(before: ImportRow) -> ImportAnswer:
    """What is kept of an import: its rows, and the way they were read, are not."""
    brought = "1 transaction was" if before.added == 1 else f"{before.added:,} transactions were"
    return ImportAnswer(
        is_dry_run=False,
        is_imported=True,
        import_id=str(before.id),
        words=f"This file was imported with this key on {before.created_at:%Y-%m-%d}: {brought} added.",
        file_name=before.file_name,
        preset=None if before.preset == BY_HEADINGS else before.preset,
        title="",
        how=[],
        counts={"added": before.added},
        rows=[],
        question=None,
        problems=[],
    )


def _fate(row: RowFate) -> RowFateAnswer:
    return RowFateAnswer(
        line=row.line,
        fate=row.fate.value,
        reason=row.reason,
        notices=list(row.notices),
        transactions=[_plain(draft) for draft in row.drafts],
    )


def _plain(draft: Draft) -> dict[str, Any]:
    """What a row is read as, without what it does not say."""
    said = {name: value for name, value in told(draft).items() if value is not None and value != ""}
    return {
        name: value.isoformat() if name == "date" else plain_decimal(value) if hasattr(value, "normalize") else value
        for name, value in said.items()
    }
