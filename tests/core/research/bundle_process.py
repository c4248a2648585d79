"""A process that opens a bundle and kills itself: `… -m tests.core.research.bundle_process STEP COUNT ID EMAIL ORG`.

It dies when it comes to a step for the COUNT-th time.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any
from uuid import UUID

from core.db import research_dao
from core.metering.meter import Meter
from core.settings import load_settings
from core.workbench import open_workbench
from tests.flows.dying import die_at

STEPS: dict[str, tuple[Any, str, bool]] = {
    "before parts are claimed": (research_dao, "claim", False),
    "after parts are claimed": (research_dao, "claim", True),
    "before a claim is renewed": (research_dao, "renew", False),
    "before a part is reserved": (Meter, "reserve_or_join", False),
    "between the reservation and the call": (Meter, "mark_in_flight", False),
    "before the call": (Meter, "mark_in_flight", True),
    "before a part is written": (research_dao, "finish", False),
    "between the part and its settlement": (research_dao, "finish", True),
    "before the settlement": (Meter, "settle", False),
    "after the settlement": (Meter, "settle", True),
}
"""Where it may die: a function, and whether before it or after it."""


def main(arguments: list[str]) -> None:
    """Opens the bundle, until it dies."""
    step, count, portfolio, email, org = arguments
    settings = load_settings()
    from tests.core.research.bundles_made import bundles_of, settled  # the suite's own settings are nobody else's

    with closing(open_workbench(settings)) as workbench, bundles_of(workbench) as bundles:
        principal = workbench.directory.member(email, org)
        die_at(STEPS, step, int(count))
        bundles.begin(principal, UUID(portfolio))
        settled(bundles, principal, UUID(portfolio))


if __name__ == "__main__":
    main(sys.argv[1:])
