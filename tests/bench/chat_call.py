"""What the whole path adds to a provider's own time: `POST /api/ai/chat` to a running process, accounting on."""

from __future__ import annotations

import http.client
import json
import threading
import time
from decimal import Decimal
from itertools import count

from tests.bench.application import Application, running
from tests.bench.figures import Figure, figure, percentile
from tests.bench.ground import Ground
from tests.bench.provider import own_times_ms, running_provider

CALLS = 300
CALLERS = 16
CALLS_EACH = 40
WARM_UP = 20
MODEL = "gpt-4o-mini"

_numbers = count(1)


class Caller:
    """One program that uses the API: one connection, one token, a new question each time."""

    def __init__(self, application: Application, token: str) -> None:
        self._connection = http.client.HTTPConnection(application.host, application.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, times: int) -> list[float]:
        """Milliseconds of each call; every one is a call to the provider, charged."""
        return [self._asked() for _ in range(times)]

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _asked(self) -> float:
        body = json.dumps({"message": f"What is risk, seen {next(_numbers)} times?", "model": MODEL})
        begun = time.perf_counter()
        self._connection.request("POST", "/api/ai/chat", body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        taken_ms = (time.perf_counter() - begun) * 1000
        if answer.status != 200:
            raise RuntimeError(f"The API answered {answer.status}: {content[:200]!r}")
        told = json.loads(content)
        if told["cached"] or not Decimal(told["cost_usd"]):
            raise RuntimeError("A new question was not charged as a call.")
        return taken_ms


def calls(ground: Ground) -> list[Figure]:
    """One caller, then sixteen; the provider is scripted and answers at once."""
    ground.lift_limits()
    tokens = [
        ground.accounts.create_token(ground.member("Calling organisation", plan="enterprise").email)
        for _ in range(CALLERS)
    ]
    with running_provider() as base_url:
        environ = {"ASSAY_DEMO": "0", "OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": base_url}
        with running(ground.home, environ=environ) as application:
            own_ms = percentile(own_times_ms(base_url, times=ground.repetitions(CALLS)), 0.5)
            alone = Caller(application, tokens[0])
            alone.ask(WARM_UP)
            samples = [taken - own_ms for taken in alone.ask(ground.repetitions(CALLS))]
            alone.close()
            together, per_second = _together(application, tokens, each=ground.repetitions(CALLS_EACH))
    note = f"the provider's own {own_ms:.2g} ms (median, asked directly) are taken off each call"
    return [
        figure("chat call over HTTP, added, one caller", samples, note=note),
        figure(
            f"chat call over HTTP, in all, {CALLERS} callers",
            together,
            per_second=per_second,
            note="application, Postgres, provider and callers share the machine; nothing is taken off",
        ),
    ]


def _together(application: Application, tokens: list[str], *, each: int) -> tuple[list[float], float]:
    callers = [Caller(application, token) for token in tokens]
    samples: list[list[float]] = [[] for _ in callers]

    def run(number: int) -> None:
        samples[number] = callers[number].ask(each)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(callers))]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - begun
    for caller in callers:
        caller.close()
    if not all(samples):
        raise RuntimeError("Some of the callers were not answered.")
    return [value for values in samples for value in values], len(callers) * each / wall_s
