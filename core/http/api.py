"""The HTTP API as one application, to be mounted at `/api`: routes, and what stands in front of them."""

from __future__ import annotations

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from core.errors import Forbidden
from core.http.authentication import LOOKUP_THREADS, Callers
from core.http.context import ROUTE_THREADS
from core.http.limits import AddressRate
from core.http.metered import EXPOSED
from core.http.problems import LastResort, install_problems, problem_response
from core.http.routes import chat, docs, health, models, usage
from core.http.routes.health import HEALTH_THREADS, DatabaseProbe
from core.settings import Settings
from core.workbench import Workbench

AREAS = (health, chat, models, usage, docs)
"""The files of routes; one that is added here is served."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = ("Authorization", "Content-Type")


def create_api(workbench: Workbench) -> FastAPI:
    """The API of an open workbench."""
    settings = workbench.settings
    app = FastAPI(
        title="Assay",
        routes=[route for area in AREAS for route in area.router.routes],
        middleware=_middleware(workbench),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.workbench = workbench
    app.state.max_body_bytes = settings.max_body_bytes
    app.state.threads = CapacityLimiter(ROUTE_THREADS)
    app.state.health_threads = CapacityLimiter(HEALTH_THREADS)
    app.state.probe = DatabaseProbe(workbench.database.ping)
    install_problems(app)
    document = docs.openapi_document(app)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to replace it
    return app


class _Origins(CORSMiddleware):
    """Lets pages of the allowed origins call, and tells the others so in a problem document."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if "access-control-allow-origin" in response.headers:
            return response
        return problem_response(Forbidden("Pages of this origin may not call the API."))


def _middleware(workbench: Workbench) -> list[Middleware]:
    """From the outside in."""
    settings = workbench.settings
    rate = AddressRate(settings.rate_per_address)
    threads = CapacityLimiter(LOOKUP_THREADS)
    callers = Middleware(Callers, accounts=workbench.accounts, rate=rate, refuse=problem_response, threads=threads)
    return [*_origins(settings), Middleware(LastResort), callers]


def _origins(settings: Settings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            _Origins,
            allow_origins=settings.allowed_origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=EXPOSED,
        )
    ]
