"""`/api/openapi.json` and `/api/docs`: what the API is, for this machine's users and whoever is signed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]  # it carries no types

from core.errors import NotFound
from core.http.caller import caller_of
from core.http.models import Problem
from core.http.problems import MEDIA_TYPE
from core.http.v1.app import AREAS as V1_AREAS
from core.http.v1.errors import ERROR_SCHEMA
from core.settings import LOOPBACK, VERSION, Settings

PREFIX = "/api"
"""Where the API is mounted."""
V1_PREFIX = "/v1"
PAGE = Path(__file__).parent.parent / "docs_page"
SWAGGER = Path(str(swagger_ui_path))
"""Swagger UI's own files, as a package of the registry carries them."""
FILES = {
    "init.js": (PAGE / "init.js", "text/javascript"),
    "swagger-ui-bundle.js": (SWAGGER / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (SWAGGER / "swagger-ui.css", "text/css"),
}
OPENAPI = "3.0.3"
"""The version that the page can draw; FastAPI writes the next one, which differs in how null is said."""
NULL = {"type": "null"}
CACHE_FILES = "private, max-age=3600"
DESCRIPTION = """\
Every call but `/api/health` needs an access token: `Authorization: Bearer TOKEN`.
Times are RFC 3339 in UTC, money is a decimal string, ratios are fractions (0.05 is 5 %).
A metered call also answers `X-Plan`; `RateLimit-Limit`, `-Remaining`, `-Reset` (AI requests of the running
minute; seconds); and, where a quota applies, `X-Quota-Metric`, `-Remaining`, `-Reset` (RFC 3339). Where it is known
when the answer begins, `X-Cost-Usd` tells what it cost, `X-Credits` what it took in credits, and `X-Cache` whether it
was there already (`hit`, and free) or not (`miss`). Calls that cost take an `Idempotency-Key`: the same key and body
within a day give the same answer, marked `Idempotency-Replayed: true`, and are charged once.

The calls below `/v1` are the OpenAI wire format: its official client works with this server's address and `/v1` as its
base URL and an access token as its key.
"""

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    """The OpenAPI document."""
    _check_reader(request)
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def page(request: Request) -> Response:
    """The page that draws it."""
    _check_reader(request)
    return HTMLResponse((PAGE / "index.html").read_text("utf-8"))


@router.get("/docs/{name}")
async def page_file(name: str, request: Request) -> Response:
    """A file of the page."""
    _check_reader(request)
    if name not in FILES:
        raise NotFound("There is nothing at this address.")
    path, media_type = FILES[name]
    return FileResponse(path, media_type=media_type, headers={"Cache-Control": CACHE_FILES})


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document as clients see the API: full paths, and problem documents for every failure."""
    made = get_openapi(
        title="Assay", version=VERSION, openapi_version=OPENAPI, description=DESCRIPTION, routes=app.routes
    )
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for operations in made["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "A failure", "content": {MEDIA_TYPE: problem}}
    schemas = made["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = Problem.model_json_schema()
    made["paths"] = {PREFIX + path: operations for path, operations in made["paths"].items()}
    _add_v1(made)
    document: dict[str, Any] = _in_3_0(made)
    return document


def _add_v1(made: dict[str, Any]) -> None:
    """The calls of the other wire format, as far as they are ours to describe: its own reference has the rest."""
    routes = [route for area in V1_AREAS for route in area.router.routes]
    v1 = get_openapi(title="", version=VERSION, openapi_version=OPENAPI, routes=routes)
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}
    for path, operations in v1["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "A failure", "content": error}
        made["paths"][V1_PREFIX + path.replace(":path}", "}")] = operations
    schemas = made["components"]["schemas"]
    given = v1["components"]["schemas"]
    schemas.update({name: schema for name, schema in given.items() if "ValidationError" not in name})
    schemas["OpenAIError"] = ERROR_SCHEMA


def _check_reader(request: Request) -> None:
    """Refuses strangers, unless nobody but this machine's users can ask.

    Raises:
        Unauthenticated: neither a token nor a session that is valid.
    """
    caller = caller_of(request)
    if caller.principal is None and not _serves_this_machine_only(request.app.state.workbench.settings):
        raise caller.refusal


def _serves_this_machine_only(settings: Settings) -> bool:
    return settings.listens_on_loopback and urlsplit(settings.address).hostname in LOOPBACK


def _in_3_0(node: Any) -> Any:
    """A part of the document in the words of OpenAPI 3.0: `nullable`, and `enum` for a constant."""
    if isinstance(node, list):
        return [_in_3_0(part) for part in node]
    if not isinstance(node, dict):
        return node
    made = {name: _in_3_0(part) for name, part in node.items()}
    if "const" in made:
        made["enum"] = [made.pop("const")]
    choices = made.get("anyOf")
    if isinstance(choices, list) and NULL in choices:
        others = [choice for choice in choices if choice != NULL]
        del made["anyOf"]
        made["nullable"] = True
        if len(others) > 1:
            made["anyOf"] = others
        elif "$ref" in others[0]:
            made["allOf"] = others
        else:
            made = {**others[0], **made}
    return made
