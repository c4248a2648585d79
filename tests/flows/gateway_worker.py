"""A process that asks a question through the real gateway, says where it stands, and stops there to be killed.

The steps are wrapped from outside: the gateway knows nothing of it. Arguments: the user's email, the step, and with
`polite` it ends as the application does when it is told to.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from core.ai.answer import Question
from core.ai.providers.contract import Message
from core.settings import load_settings
from core.workbench import Workbench, open_workbench

QUESTION = Question(
    messages=(Message("user", "What is portfolio diversification?"),),
    model="gpt-4o-mini",
    max_tokens=64,
    is_normalised=True,
)
METHODS = {
    "before reserve": ("reserve_or_join", "before"),
    "after reserve": ("reserve_or_join", "after"),
    "after the mark": ("mark_in_flight", "after"),
    "before settle": ("settle", "before"),
    "after settle": ("settle", "after"),
}


def say(step: str) -> None:
    """Tells the test where this process stands."""
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


def stop_at(workbench: Workbench, step: str) -> None:
    """Has one method of the meter say so and wait for ever, before or after it is done."""
    name, when = METHODS[step]
    method: Callable[..., Any] = getattr(workbench.meter, name)

    def stopped(*args: Any, **values: Any) -> Any:
        if when == "after":
            method(*args, **values)
        say(step)
        threading.Event().wait()

    setattr(workbench.meter, name, stopped)


def main(email: str, step: str, *manners: str) -> None:
    """Asks, up to that step."""
    workbench = open_workbench(load_settings())
    if manners:

        def end(_signal: int, _frame: object) -> None:
            workbench.close()
            sys.exit(0)

        signal.signal(signal.SIGTERM, end)
    if step in METHODS:
        stop_at(workbench, step)
    with workbench.gateway.session(workbench.directory.member(email), QUESTION) as session:
        say("asked")
        for _ in session:
            say("token")
    say("answered")


if __name__ == "__main__":
    main(*sys.argv[1:])
