"""What every HTTP application of a process shares: who may come in, how often, and the threads in which routes wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from core.accounts.token_uses import TokenUses
from core.errors import AssayError, Forbidden
from core.http.address_rate import AddressRate
from core.http.authentication import LOOKUP_THREADS, Callers
from core.http.context import ROUTE_THREADS, CallThreads
from core.http.idempotency import KEY_HEADER
from core.http.metered import EXPOSED
from core.http.problems import LastResort
from core.metering.addresses import Addresses
from core.workbench import Workbench

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = ("Authorization", "Content-Type", KEY_HEADER)

Refuse = Callable[[AssayError], Response]
"""How an application words an error."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """What stands in front of the HTTP applications of one open workbench."""

    workbench: Workbench
    rate: AddressRate
    """Strangers' requests of each address, wherever they knock."""
    lookup_threads: ThreadPoolExecutor
    route_threads: CallThreads
    uses: TokenUses
    """From where tokens are used."""

    @classmethod
    def of(cls, workbench: Workbench) -> Entrance:
        """The entrance of an open workbench."""
        rate = AddressRate(workbench.settings.rate_per_address, Addresses(workbench.database))
        threads = (ThreadPoolExecutor(LOOKUP_THREADS), CallThreads(ROUTE_THREADS))
        return cls(workbench, rate, *threads, TokenUses(workbench.database))

    def callers(self, refuse: Refuse) -> Middleware:
        """Finds out who calls, and bounds strangers."""
        accounts, threads = self.workbench.accounts, self.lookup_threads
        return Middleware(Callers, accounts=accounts, rate=self.rate, refuse=refuse, threads=threads, uses=self.uses)

    def application(self, title: str, refuse: Refuse, *, outermost: Sequence[Middleware] = ()) -> FastAPI:
        """An application without routes yet, behind all that stands in front of routes."""
        inner = [*self._origins(refuse), Middleware(LastResort, refuse=refuse), self.callers(refuse)]
        app = FastAPI(
            title=title,
            middleware=[*outermost, *inner],
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        app.state.workbench = self.workbench
        app.state.max_body_bytes = self.workbench.settings.max_body_bytes
        app.state.threads = self.route_threads
        return app

    def _origins(self, refuse: Refuse) -> list[Middleware]:
        allowed = self.workbench.settings.allowed_origins
        if not allowed:
            return []
        return [
            Middleware(
                _Origins,
                refuse=refuse,
                allow_origins=allowed,
                allow_methods=METHODS,
                allow_headers=REQUEST_HEADERS,
                expose_headers=EXPOSED,
            )
        ]


class _Origins(CORSMiddleware):
    """Lets pages of the allowed origins call, and tells the others so in the application's own words."""

    def __init__(self, *args: object, refuse: Refuse, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  # what Starlette's own middleware takes
        self._refuse = refuse

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if "access-control-allow-origin" in response.headers:
            return response
        return self._refuse(Forbidden("Pages of this origin may not call the API."))
