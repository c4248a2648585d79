"""Outgoing connections that another thread can cut: a blocked read wakes at once, for TLS too.

An HTTP client hands out its socket only when the headers of an answer have arrived, so it cannot be stopped
while it waits for them. Here the pool's own streams note which call uses them, from the first byte sent. Some SDKs
stand on httpx and some on httpx2, its successor; the connections are the same for both.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpcore
import httpcore2
import httpx2

if TYPE_CHECKING:
    import httpx

MAX_CONNECTIONS = 200
"""Of one provider, in one process."""
MAX_IDLE_CONNECTIONS = 20
IDLE_LIFE_S = 30.0
_NEEDED_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-version",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-goog-api-key",
    }
)


class Line:
    """One call's way to cut its connection, whichever connection that turns out to be."""

    def __init__(self) -> None:
        self.is_cut = False
        self.has_sent = False
        """Whether bytes of the request have left."""
        self.read_limit_s: float | None = None
        """Longest wait for the next bytes, where it is shorter than the client's own limit."""
        self._stream: _Stream | _Connecting | None = None

    def cut(self) -> None:
        """Wakes a connect, a handshake or a read, and lets none begin. From any thread, any number of times."""
        with _handover:
            self.is_cut = True
            if self._stream is not None and self._stream.line is self:
                self._stream.shut_down()

    def let_go(self) -> None:
        """Leaves the connection to others; a cut that comes later harms nobody."""
        with _handover:
            if self._stream is not None and self._stream.line is self:
                self._stream.line = None
            self._stream = None

    def take(self, stream: _Stream | _Connecting) -> None:
        """Uses `stream` from now on."""
        with _handover:
            if self.is_cut:
                raise _CutBeforeSent
            self._stream = stream
            stream.line = self


_handover = threading.Lock()
"""Held while a connection changes hands or is cut, so that a late cut never meets the next call."""
_opening: ContextVar[Line | None] = ContextVar("_opening", default=None)


@contextlib.contextmanager
def opening(line: Line) -> Iterator[None]:
    """Requests that this thread sends inside can be cut by `line`."""
    token = _opening.set(line)
    try:
        yield
    finally:
        _opening.reset(token)


def http_client(tls: ssl.SSLContext | None = None) -> httpx2.Client:
    """A pooled client for one provider that calls the configured host and no other.

    Proxies of the environment are not used, redirects not followed, and no header is sent that the call does
    not need (the SDK adds the machine's description, and headers of its own environment variables).
    """
    client: httpx2.Client = _client(httpx2, httpcore2, tls)
    return client


def older_http_client(tls: ssl.SSLContext | None = None) -> httpx.Client:
    """The same of the older library, for an SDK that stands on it."""
    import httpx

    client: httpx.Client = _client(httpx, httpcore, tls)
    return client


def newer_response(response: httpx.Response) -> httpx2.Response:
    """A response of the older library, not read yet, for readers that know the newer one."""
    request = httpx2.Request(response.request.method, str(response.request.url))
    return httpx2.Response(response.status_code, headers=response.headers.raw, stream=_Bytes(response), request=request)


class _Bytes(httpx2.SyncByteStream):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_raw()

    def close(self) -> None:
        self._response.close()


def _client(http: ModuleType, core: ModuleType, tls: ssl.SSLContext | None) -> Any:
    """A client of either library; both give the same names to the same things."""
    tls = tls or http.create_ssl_context()
    transport = http.HTTPTransport(verify=tls, trust_env=False)
    transport._pool = core.ConnectionPool(
        ssl_context=tls,
        max_connections=MAX_CONNECTIONS,
        max_keepalive_connections=MAX_IDLE_CONNECTIONS,
        keepalive_expiry=IDLE_LIFE_S,
        network_backend=_Backend(core.SyncBackend()),
    )
    return http.Client(transport=_BareTransport(transport), follow_redirects=False, trust_env=False)


class _BareTransport:
    """The usual transport of either library for requests without the headers that no call needs."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def handle_request(self, request: Any) -> Any:
        headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() in _NEEDED_HEADERS]
        bare = type(request)(  # a copy, since the SDK reads what it asked for from its own
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )
        return self._inner.handle_request(bare)

    def close(self) -> None:
        self._inner.close()


class _CutBeforeSent(httpcore.WriteError, httpcore2.WriteError):
    """An error of both libraries; each translates only its own."""


class _Backend:
    """Opens connections as the backend of either library does, each of which can be cut."""

    def __init__(self, inner: httpcore.NetworkBackend | httpcore2.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _Stream:
        def connect() -> _Inner:
            return self._inner.connect_tcp(host, port, timeout, local_address, socket_options)

        line = _opening.get()
        return _Stream(
            connect() if line is None else _Connecting(f"connecting to {host}:{port}", connect).awaited(line)
        )


_Inner = httpcore.NetworkStream | httpcore2.NetworkStream


class _Connecting:
    """A connection on its way, in a thread of its own: neither the search for an address nor a connect can be woken."""

    def __init__(self, name: str, connect: Callable[[], _Inner]) -> None:
        self.line: Line | None = None
        self._name = name
        self._connect = connect
        self._outcomes: SimpleQueue[_Inner | Exception] = SimpleQueue()
        self._is_left = False

    def awaited(self, line: Line) -> _Inner:
        """The connection, unless `line` is cut first."""
        line.take(self)
        threading.Thread(target=self._run, name=self._name, daemon=True).start()
        outcome = self._outcomes.get()
        line.let_go()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def shut_down(self) -> None:
        """Lets go whoever waits; the thread closes what it still gets."""
        self._is_left = True
        self._outcomes.put(_CutBeforeSent())

    def _run(self) -> None:
        outcome: _Inner | Exception
        try:
            outcome = self._connect()
        except Exception as error:  # noqa: BLE001 (it is raised where the connection is awaited)
            outcome = error
        with _handover:
            if not self._is_left:
                self._outcomes.put(outcome)
                return
        if not isinstance(outcome, Exception):
            outcome.close()


class _Stream(httpcore.NetworkStream, httpcore2.NetworkStream):
    """A connection that knows whose call it carries."""

    def __init__(self, inner: _Inner) -> None:
        self._inner = inner
        self.line: Line | None = None
        self._twin: socket.socket | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        limit = self.line.read_limit_s if self.line is not None else None
        given = [seconds for seconds in (timeout, limit) if seconds is not None]
        return self._inner.read(max_bytes, min(given, default=None))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._note_caller()
        self._inner.write(buffer, timeout)
        if self.line is not None:
            self.line.has_sent = True

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        try:
            with self._within_reach():
                self._note_caller()
                return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            self._inner.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def shut_down(self) -> None:
        """Ends both directions of the raw socket; whoever reads from it gets the end at once."""
        raw = self._twin or self._inner.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it is closed already
            socket.socket.shutdown(raw, socket.SHUT_RDWR)  # not ssl's own, which drops the session under a reader

    @contextlib.contextmanager
    def _within_reach(self) -> Iterator[None]:
        """During the handshake TLS owns the socket and shows it to nobody; a twin ends the same connection."""
        with self._inner.get_extra_info("socket").dup() as twin:
            self._twin = twin
            try:
                yield
            finally:
                with _handover:
                    self._twin = None

    def _note_caller(self) -> None:
        line = _opening.get()
        if line is not None:
            line.take(self)
