"""What is counted and what may be used, composed: the meter, usage, credits, boosts, and the rollups of the log."""

from __future__ import annotations

from dataclasses import dataclass

from core.db.engine import Database
from core.metering.boosts import Boosts
from core.metering.credits import Credits
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.metering.pricing import shipped_billing
from core.metering.rollups import Rollups
from core.metering.spending import Spending
from core.metering.usage import Usage
from core.metering.usage_exports import UsageExports
from core.metering.usage_log import UsageLog
from core.ops.jobs import Queue
from core.ops.telemetry import Telemetry

EXPIRY_MINUTES = 30.0
"""How often grants of credits that have ended are taken back."""
ROLLUP_MINUTES = 1.0
"""How often the log is rolled up; whoever reads before that adds what is missing themselves."""
PARTITION_MINUTES = 720.0
"""How often partitions of the log are made ahead."""


@dataclass(frozen=True, slots=True)
class MeteringArea:
    """The parts of metering."""

    meter: Meter
    usage: Usage
    usage_log: UsageLog
    credits: Credits
    boosts: Boosts
    rollups: Rollups
    spending: Spending
    exports: UsageExports


def open_metering(database: Database, plans: Plans, queue: Queue, telemetry: Telemetry) -> MeteringArea:
    """Composes the area; what it does every so often is in the queue."""
    usage_log = UsageLog(database, telemetry=telemetry)
    credits_, rollups = Credits(database, shipped_billing()), Rollups(database)
    queue.every("expire_credits", EXPIRY_MINUTES, credits_.expire_due)
    queue.every("roll_up_usage", ROLLUP_MINUTES, rollups.bring_up_to_date)
    queue.every("usage_partitions", PARTITION_MINUTES, rollups.make_partitions)
    usage = Usage(database, plans, usage_log)
    return MeteringArea(
        meter=Meter(database, plans, telemetry=telemetry),
        usage=usage,
        usage_log=usage_log,
        credits=credits_,
        boosts=Boosts(database),
        rollups=rollups,
        spending=Spending(database, usage, usage_log),
        exports=UsageExports(database, usage_log),
    )
