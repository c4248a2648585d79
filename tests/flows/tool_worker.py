"""A process that asks a question whose tool never comes back, says so, and waits there to be killed.

Arguments: the user's email, and `tool` (it stops in the tool) or `settle` (after its rounds, before it settles).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from core.ai.evidence import Figure
from core.ai.providers.contract import ToolCall
from core.ai.tool_loop import Ran
from core.settings import load_settings
from core.workbench import open_workbench
from tests.core.ai.tool_desk import Desk, researched
from tests.flows.gateway_worker import say, stop_at


class Stuck(Desk):
    """Says that a tool runs, and never ends it."""

    def run(self, call: ToolCall, number: int, figures: Sequence[Figure] = ()) -> Ran:
        """Never comes back."""
        say("in a tool")
        threading.Event().wait()
        return super().run(call, number, figures)


def main(email: str, step: str) -> None:
    """Asks, up to that step."""
    workbench = open_workbench(load_settings())
    if step == "settle":
        stop_at(workbench, "before settle")
    desk = Desk() if step == "settle" else Stuck()
    with workbench.gateway.session(workbench.directory.member(email), researched(desk)) as session:
        session.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
