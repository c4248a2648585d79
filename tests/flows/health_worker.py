"""A process that asks models through the real gateway, or takes a probe, as the test says on its input.

It says `ready` and then answers each line of its input with one line of JSON: `ask MODEL TEXT` says what came of a
question, `admit PROVIDER MODEL` whether a model may be asked, `state PROVIDER MODEL` how it fares. Argument: the email
of the user who asks.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing

from core.ai.answer import Question
from core.ai.providers.contract import Message
from core.errors import AssayError
from core.settings import load_settings
from core.workbench import Workbench, open_workbench


def done(bench: Workbench, email: str, order: str) -> dict[str, object]:
    """What came of an order."""
    name, first, second = order.split(" ", 2)
    if name == "admit":
        permit = bench.health.admit(first, second)
        return {"granted": permit is not None, "probes": sorted(permit.probes) if permit else []}
    if name == "state":
        health = bench.health.of(first, second)
        return {"state": health.state, "failures": health.failures}
    question = Question(messages=(Message("user", second),), model=first, max_tokens=64)
    try:
        answer = bench.gateway.session(bench.directory.member(email), question).result()
    except AssayError as error:
        return {"error": type(error).__name__, "detail": error.detail}
    return {"model": answer.model, "provider": answer.provider}


def say(value: object) -> None:
    """Tells the test something."""
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def main(email: str) -> None:
    """Does what it is told until its input ends."""
    with closing(open_workbench(load_settings())) as bench:
        bench.health.learn()
        say("ready")
        for line in sys.stdin:
            say(done(bench, email, line.strip()))


if __name__ == "__main__":
    main(*sys.argv[1:])
