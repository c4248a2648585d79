"""A source of quotes that takes as little of the machine as it can: one canned answer, after a while, from a process.

`python -m tests.bench.quick_market` prints its address and ends with its input. It answers as Financial Modeling Prep.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from core.settings import ROOT

AFTER_S = 0.2
"""How long it takes to answer."""
_BODY = (
    b'[{"symbol":"%s","name":"A company","price":256.08,"changePercentage":4.31,"change":10.58,"volume":101865199,'
    b'"dayLow":254.1,"dayHigh":257.3,"yearHigh":260.1,"yearLow":169.2,"marketCap":3800327071200,"priceAvg50":230.1,'
    b'"priceAvg200":220.5,"exchange":"NASDAQ","open":255.1,"previousClose":245.5,"timestamp":1758571201}]'
)


@contextmanager
def running_quick_market() -> Iterator[str]:
    """The address of a source that answers every request after the same time."""
    command = [sys.executable, "-m", "tests.bench.quick_market"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


class _Answering(asyncio.Protocol):
    """Reads one request at a time, which ends with its head, and answers about the symbol that it names."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, rest = self._received.partition(b"\r\n\r\n")
        if not ended:
            return
        self._received = rest
        target = head.split(b" ", 2)[1]
        body = _BODY % target.partition(b"symbol=")[2].partition(b"&")[0]
        answer = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        asyncio.get_running_loop().call_later(AFTER_S, self._transport.write, answer)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answering, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
