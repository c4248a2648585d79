"""A local server that answers as all sources of market data do, and misbehaves on request.

It speaks for every vendor at once, told apart by the path. `environ` is what an operator would set to point all of
them here. For a ladder whose sources go away one by one, start one server for each.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes import market_answers as answers
from tests.fakes.market_answers import Company, Share

POLL_S = 0.01
HANG_S = 30.0
KEY = "key-that-nobody-may-see"
IDENTITY = "Assay Tests tests@assay.example"
VENDORS = {
    "/query": "alphavantage",
    "/stable/": "fmp",
    "/v8/": "yahoo",
    "/api/v1/": "finnhub",
    "/res/": "brave",
    "/submissions/": "sec_edgar",
    "/api/xbrl/": "sec_edgar",
    "/files/": "sec_edgar",
    "/Archives/": "sec_edgar",
    "/stats/": "ecb",
}
"""Whose an address is, by how its path begins."""


@dataclass(frozen=True)
class Reply:
    """How one request is answered. The default is the vendor's own answer about the world."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """JSON value, or text or bytes as they are, in place of the vendor's answer."""
    content_type: str | None = None
    encoding: str | None = None
    """Content-Encoding, of a body that is packed already."""
    delay_s: float = 0.0
    hangs: Literal["headers", "body"] | None = None
    """Where it stops and waits for the client to leave; of the body half is sent."""
    drips: Literal["headers", "body"] | None = None
    """What is sent at a byte every few hundredths of a second, for ever."""
    is_cut: bool = False
    """Whether the connection breaks in the middle of the body."""
    hangs_up: bool = False
    """Whether the connection is closed without any answer."""
    megabytes: int = 0
    """Size of a body that is sent without announcing it."""
    change: Callable[[Any], Any] | None = None
    """What is done to the vendor's own answer."""


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    vendor: str | None
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class MarketServer:
    """Answers for all vendors; `replies` by vendor's name say otherwise."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {"ACME": Share("ACME")}
        self.companies: dict[str, Company] = {"ACME": Company()}
        self.document = "<html><body><p>Item 1. Business</p></body></html>"
        self.replies: dict[str, Reply] = {}
        self.script: list[Reply] = []
        """Answers to the next requests, before `replies` come into force."""
        self.requests: list[Received] = []
        self.connections = 0
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address of the host."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environ(self) -> dict[str, str]:
        """Settings under which every source is configured, and is here."""
        keyed = ("ALPHAVANTAGE", "FMP", "FINNHUB", "BRAVE")
        hosts = (*keyed, "YAHOO", "SEC_EDGAR", "SEC_EDGAR_WWW", "ECB")
        return {
            **{f"{name}_API_KEY": KEY for name in keyed},
            **{f"{name}_BASE_URL": self.url for name in hosts},
            "SEC_EDGAR_USER_AGENT": IDENTITY,
            "YAHOO_ENABLED": "1",
        }

    def reply(self, *vendors: str, **changes: Any) -> None:
        """From now on these vendors (all, when none is named) answer so; see `Reply`."""
        for vendor in vendors or set(VENDORS.values()):
            self.replies[vendor] = replace(Reply(), **changes)

    def asked(self, vendor: str) -> list[Received]:
        """The requests that one vendor got."""
        return [received for received in self.requests if received.vendor == vendor]

    def close(self) -> None:
        """Ends all requests and the server."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, received: Received) -> tuple[int, Any]:
        """Status and JSON value or text of the vendor's own answer."""
        symbol, query = unquote(received.path.rpartition("/")[2]), received.query
        if received.path.startswith("/v8/finance/chart/"):
            return answers.yahoo_chart(self.shares, symbol, query)
        plain = self._plain.get(received.path)
        if plain is not None:
            return 200, plain(query)
        if received.path.startswith("/Archives/"):
            return 200, self.document
        for company in self.companies.values():
            page = self._about(company).get(received.path)
            if page is not None:
                return 200, page
        return 404, "<html>Not found</html>"

    @property
    def _plain(self) -> dict[str, Callable[[Mapping[str, str]], Any]]:
        return {
            "/query": lambda query: answers.alphavantage(self.shares, query),
            "/stable/quote": lambda query: answers.fmp_quote(self.shares, query),
            "/stable/historical-price-eod/full": lambda query: answers.fmp_history(self.shares, query),
            "/stable/splits": lambda query: answers.fmp_splits(self.shares, query),
            "/stable/dividends": lambda query: answers.fmp_dividends(self.shares, query),
            "/api/v1/company-news": lambda query: answers.finnhub_news(self.companies, query),
            "/res/v1/news/search": answers.brave_news,
            "/files/company_tickers_exchange.json": lambda _: answers.edgar_tickers(self.companies),
        }

    def _about(self, company: Company) -> dict[str, Any]:
        cik = f"CIK{company.cik:010d}"
        return {
            f"/submissions/{cik}.json": answers.edgar_submissions(company),
            f"/submissions/{cik}-submissions-001.json": answers.edgar_older(),
            f"/api/xbrl/companyfacts/{cik}.json": answers.edgar_facts(company),
        }


@contextmanager
def closed_port() -> Iterator[str]:
    """A base URL at which nobody listens; the port stays taken meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


class _ClientLeft(Exception):
    pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    owner: MarketServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is not news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        self.server.owner.connections += 1
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        owner, parts = self.server.owner, urlsplit(self.path)
        vendor = next((name for start, name in VENDORS.items() if parts.path.startswith(start)), None)
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(vendor, parts.path, dict(parse_qsl(parts.query)), headers)
        owner.requests.append(received)
        reply = owner.script.pop(0) if owner.script else owner.replies.get(vendor or "", Reply())
        try:
            self._reply(reply, received)
        except (_ClientLeft, OSError):
            self.close_connection = True

    def _reply(self, reply: Reply, received: Received) -> None:
        self._wait(reply.delay_s)
        if reply.hangs == "headers":
            self._wait(HANG_S)
        if reply.hangs_up:
            self._break_off()
            return
        if reply.drips == "headers":
            self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")
        status, body, content_type = self._made(reply, received)
        if reply.drips == "body":
            self._drip(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", b" ")
        self.send_response(status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        if reply.encoding is not None:
            self.send_header("Content-Encoding", reply.encoding)
        if reply.megabytes:
            self._flood(reply.megabytes)
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if reply.hangs == "body" or reply.is_cut:
            self.wfile.write(body[: len(body) // 2])
            self._wait(HANG_S if reply.hangs else 0.0)
            self._break_off()
            return
        self.wfile.write(body)

    def _made(self, reply: Reply, received: Received) -> tuple[int, bytes, str]:
        status, own = (200, reply.body) if reply.body is not None else self.server.owner._answer(received)
        if reply.change is not None:
            own = reply.change(own)
        status = reply.status or status
        if isinstance(own, bytes):
            return status, own, reply.content_type or "application/json"
        if isinstance(own, str):
            kind = "text/html" if own.lstrip().startswith("<") else "text/csv"
            return status, own.encode(), reply.content_type or kind
        return status, json.dumps(own, default=_plain_number).encode(), reply.content_type or "application/json"

    def _flood(self, megabytes: int) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = b" " * 1_000_000
        for _ in range(megabytes):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _drip(self, start: bytes, byte: bytes) -> None:
        self.wfile.write(start)
        while True:
            self.wfile.write(byte)
            self._wait(0.02)

    def _break_off(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _wait(self, seconds: float) -> None:
        """Waits so long, or until the server closes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.server.owner._closing.wait(min(left, POLL_S)):
                raise _ClientLeft


def _plain_number(value: object) -> float:
    if not isinstance(value, Decimal):
        raise TypeError(type(value).__name__)
    return float(value)
