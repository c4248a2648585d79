"""A provider that takes as little of the machine as it can: one canned streamed answer, in a process of its own.

`python -m tests.bench.quick_provider` prints its base URL and ends with its input. It may be given another answer,
after how many seconds it answers, and how many of a hundred requests it fails with an error of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

from core.settings import ROOT

TEXT = ("Spreading", " money over things", " that do not move together.")
SLOW = b"first byte later"
"""A question that holds this is answered after a while."""
FIRST_AFTER_S = 0.05
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
USAGE = {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}


@contextmanager
def running_quick_provider(text: str = "", *, after_s: float = 0.0, failing: int = 0) -> Iterator[str]:
    """The base URL of a provider that answers at once with `TEXT`, or after a while with another; so many of a hundred
    requests, drawn by lot, it fails."""
    command = [sys.executable, "-m", "tests.bench.quick_provider", text, str(after_s), str(failing)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def _chunk(**members: object) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **members}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _canned(texts: Sequence[str]) -> bytes:
    events = [_chunk(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}]) for text in texts]
    events.append(_chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    events.append(_chunk(choices=[], usage=USAGE))
    body = b"".join(events) + b"data: [DONE]\n\n"
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
        + str(len(body)).encode()
        + b"\r\n\r\n"
        + body
    )


class _Answering(asyncio.Protocol):
    """Reads a request by its length and answers with the canned bytes."""

    def __init__(self, answer: bytes, after_s: float, failing: int, lots: Random) -> None:
        self._answer = answer
        self._after_s = after_s
        self._failing = failing
        self._lots = lots

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        if not ended:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = body[length:]
        after_s = FIRST_AFTER_S if SLOW in body else self._after_s
        if self._lots.random() * 100 < self._failing:
            self._transport.write(FAILURE)
        elif after_s:
            asyncio.get_running_loop().call_later(after_s, self._transport.write, self._answer)
        else:
            self._transport.write(self._answer)


async def _serve(text: str = "", after_s: str = "0", failing: str = "0") -> None:
    loop = asyncio.get_running_loop()
    answer, lots = _canned([text] if text else TEXT), Random(20)
    server = await loop.create_server(lambda: _Answering(answer, float(after_s), int(failing), lots), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
