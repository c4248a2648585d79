"""The first answer of a process: asked over HTTP as soon as its page is open, and after some seconds."""

from __future__ import annotations

import http.client
import json
import time
from uuid import UUID

from core.commands.serve import LIBRARIES_AFTER_S
from core.principal import Principal
from core.workbench import Workbench
from tests.bench.application import Application, running
from tests.bench.figures import Figure, Goal, figure

STARTS = 3
LATER_S = LIBRARIES_AFTER_S + 10.0
"""So long after its start a process has loaded its libraries."""
GOAL = Goal("p50", 300.0)
QUESTIONS = (
    "What is my Sharpe ratio over the last 100 days?",
    "What is my Sharpe ratio over the last 110 days?",
    "What is my Sharpe ratio over the last 120 days?",
    "What is my Sharpe ratio over the last 130 days?",
    "What is my Sharpe ratio over the last 140 days?",
    "What is my Sharpe ratio over the last 150 days?",
)
"""Each is asked once, so that no answer is kept."""


def first_of_processes(workbench: Workbench, principal: Principal, portfolio_id: UUID) -> list[Figure]:
    """Milliseconds to the first word of the first answer of processes on a workbench's home, asked for risk figures."""
    token = workbench.directory.create_token(principal.email)
    asked = iter(QUESTIONS)
    found = []
    for words, after_s in (("at once", 0.0), (f"after {LATER_S:g} s", LATER_S)):
        samples = []
        for _ in range(STARTS):
            environ = {"ASSAY_DEMO": "1", "OFFLINE_DELAY_S": "0"}
            with running(workbench.settings.assay_home, environ=environ) as application:
                time.sleep(after_s)
                samples.append(_first_word_ms(application, token, portfolio_id, next(asked)))
        name = f"offline answer, first word, first of a process, risk figures, asked {words}"
        found.append(figure(name, samples, goals=(GOAL,) if after_s else (), note="over HTTP"))
    return found


def _first_word_ms(application: Application, token: str, portfolio_id: UUID, question: str) -> float:
    """Until the first piece of a streamed answer.

    Raises:
        RuntimeError: it has no figure of its own.
    """
    body = json.dumps({"message": question, "portfolio_id": str(portfolio_id), "stream": True})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(application.host, application.port, timeout=60)
    try:
        begun = time.perf_counter()
        connection.request("POST", "/api/ai/chat", body, headers)
        answer = connection.getresponse()
        text, first_ms = "", 0.0
        while line := answer.readline():
            text += line.decode()
            if line.startswith(b'data: {"delta"') or b'"delta":' in line:
                first_ms = first_ms or (time.perf_counter() - begun) * 1000
        if not first_ms or '"risk"' not in text or '"cached":true' in text.replace(" ", ""):
            raise RuntimeError(f"The first answer is none: {text[:300]}")
        return first_ms
    finally:
        connection.close()
