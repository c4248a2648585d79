"""The scripted provider in a process of its own, so that it takes nothing from the one that asks.

`python -m tests.bench.provider` prints its base URL and ends with its input.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from core.settings import ROOT
from tests.fakes.chat_server import ChatServer


@contextmanager
def running_provider() -> Iterator[str]:
    """The base URL of a provider that answers at once."""
    command = [sys.executable, "-m", "tests.bench.provider"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def own_times_ms(base_url: str, *, times: int) -> list[float]:
    """What the provider takes by itself, asked directly: one streamed answer each."""
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "What is risk?"}]})
    samples = []
    for _ in range(times):
        begun = time.perf_counter()
        connection.request("POST", f"{address.path}/chat/completions", body)
        if not connection.getresponse().read().endswith(b"[DONE]\n\n"):
            raise RuntimeError("The scripted provider did not answer.")
        samples.append((time.perf_counter() - begun) * 1000)
    connection.close()
    return samples


if __name__ == "__main__":
    with ChatServer() as server:
        print(server.base_url, flush=True)
        sys.stdin.read()
