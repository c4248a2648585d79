"""What a cached answer takes, from the question to the answer, inside the process."""

from __future__ import annotations

import time

from core.ai.answer import Question
from core.ai.providers.contract import Message
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

HITS = 2_000
GOAL = Goal("p50", 1.0)
QUESTION = "What is portfolio diversification?"


def hits(ground: Ground) -> list[Figure]:
    """The same question again and again, as Chat asks it, through `Gateway.session`."""
    principal = ground.member("Cached organisation", plan="team")
    question = Question(messages=(Message("user", QUESTION),), is_normalised=True)
    gateway = ground.workbench.gateway
    gateway.session(principal, question).result()
    samples = []
    for _ in range(ground.repetitions(HITS)):
        begun = time.perf_counter()
        answer = gateway.session(principal, question).result()
        samples.append((time.perf_counter() - begun) * 1000)
        if not answer.is_cached:
            raise RuntimeError("A question that is cached was answered by a call.")
    return [figure("cached answer, in process", samples, goals=(GOAL,))]
