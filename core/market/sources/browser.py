"""Asks over HTTP in a browser's likeness, for a source that turns away plain clients, with the limits of `wire`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.market.sources.connection import Answer, TooLarge, TooSlow, Unreachable
from core.market.sources.wire import LIMIT_S

if TYPE_CHECKING:
    from curl_cffi.requests import Response, Session


class Browser:
    """One client for all threads; the library is loaded with the first request."""

    def __init__(self, *, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._session: Session[Response] | None = None

    def get(self, url: str, headers: Mapping[str, str], max_bytes: int) -> Answer:
        """The answer to one GET request, within one time limit for all of it.

        Raises:
            WireError: none came, or not within the limits.
        """
        from curl_cffi.requests import exceptions as failures

        body = bytearray()

        def take(piece: bytes) -> int:
            if len(body) + len(piece) > max_bytes:
                raise TooLarge
            body.extend(piece)
            return len(piece)

        try:
            response = self._opened().get(
                url,
                headers=dict(headers),
                timeout=self._limit_s,
                allow_redirects=False,
                discard_cookies=True,
                content_callback=take,
            )
        except failures.Timeout:
            raise TooSlow from None
        except failures.RequestException:
            raise Unreachable from None
        told = {name.lower(): value or "" for name, value in response.headers.items()}
        return Answer(response.status_code, told, bytes(body))

    def close(self) -> None:
        """Closes its connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _opened(self) -> Session[Response]:
        from curl_cffi.requests import Session

        with self._lock:
            if self._session is None:
                self._session = Session(impersonate="chrome", trust_env=False)
            return self._session
