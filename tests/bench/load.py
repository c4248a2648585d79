"""Callers of a running application that take little of the machine: each a connection, one request after the other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

from tests.bench.quick_provider import SLOW, TEXT

MODEL = "gpt-4o-mini"
_numbers = count(1)


@dataclass(frozen=True)
class Measured:
    """What the callers saw."""

    samples_ms: list[float]
    per_second: float


def call_completions(base_url: str, tokens: Sequence[str], *, each: int) -> Measured:
    """`POST /v1/chat/completions`, a caller for each token, each with so many new questions.

    Raises:
        RuntimeError: a call was not answered, or not charged.
    """

    async def run() -> Measured:
        begun = time.perf_counter()
        samples = await asyncio.gather(*(_caller(base_url, token, each) for token in tokens))
        wall_s = time.perf_counter() - begun
        return Measured([taken for taken_s in samples for taken in taken_s], len(tokens) * each / wall_s)

    return asyncio.run(run())


def ask_provider(base_url: str, *, times: int) -> list[float]:
    """What the provider takes by itself, asked directly by one caller."""

    async def run() -> list[float]:
        address = urlsplit(base_url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "What is risk?"}]})
        head = f"POST {address.path}/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        samples = []
        for _ in range(times):
            begun = time.perf_counter()
            writer.write((head + body).encode())
            await _answer(reader)
            samples.append((time.perf_counter() - begun) * 1000)
        writer.close()
        return samples

    return asyncio.run(run())


def first_bytes(base_url: str, token: str, *, times: int) -> list[float]:
    """Milliseconds until the first piece of a streamed answer, whose provider takes `FIRST_AFTER_S` for its own.

    Raises:
        RuntimeError: an answer did not come to its end.
    """

    async def run() -> list[float]:
        address = urlsplit(base_url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        samples = []
        for _ in range(times):
            content = f"{SLOW.decode()}, {next(_numbers)}"
            begun = time.perf_counter()
            writer.write(_request(address.netloc, token, content, stream=True))
            await reader.readuntil(TEXT[0].encode())
            samples.append((time.perf_counter() - begun) * 1000)
            await reader.readuntil(b"[DONE]")
            await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        return samples

    return asyncio.run(run())


def _request(host: str, token: str, content: str, *, stream: bool = False) -> bytes:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": 64, "stream": stream}
    body = json.dumps(asked)
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def _caller(base_url: str, token: str, times: int) -> list[float]:
    address = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    samples = []
    for _ in range(times):
        request = _request(address.netloc, token, f"What is risk, seen {next(_numbers)} times?")
        begun = time.perf_counter()
        writer.write(request)
        status, told, content_bytes = await _answer(reader)
        samples.append((time.perf_counter() - begun) * 1000)
        if status != 200 or b"x-cache: miss" not in told.lower():
            raise RuntimeError(f"The API answered {status}: {content_bytes[:200]!r}")
    writer.close()
    return samples


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head[9:12]), head, await reader.readexactly(length)
