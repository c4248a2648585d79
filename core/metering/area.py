"""What is counted and what may be used, composed: the meter, usage, credits, boosts, and the rollups of the log."""

from __future__ import annotations

from dataclasses import dataclass

from core.db.engine import Database
from core.metering.boosts import Boosts
from core.metering.credits import Credits
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.metering.pricing import shipped_billing
from core.metering.retention import FOLDER, Retention
from core.metering.rollups import Rollups
from core.metering.spending import Spending
from core.metering.usage import Usage
from core.metering.usage_exports import UsageExports
from core.metering.usage_log import UsageLog
from core.ops.jobs import Queue
from core.ops.telemetry import Telemetry
from core.settings import Settings

EXPIRY_MINUTES = 30.0
"""How often grants of credits that have ended are taken back."""
ROLLUP_MINUTES = 1.0
"""How often the log is rolled up; whoever reads before that adds what is missing themselves."""
PARTITION_MINUTES = 720.0
"""How often partitions of the log are made ahead."""
RETENTION_MINUTES = 24 * 60.0
"""How often months that ended long ago are exported and dropped."""


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
    retention: Retention


def open_metering(
    settings: Settings, database: Database, plans: Plans, queue: Queue, telemetry: Telemetry
) -> MeteringArea:
    """Composes the area; what it does every so often is in the queue."""
    usage_log = UsageLog(database, telemetry=telemetry)
    credits_, rollups = Credits(database, shipped_billing()), Rollups(database)
    queue.every("expire_credits", EXPIRY_MINUTES, credits_.expire_due)
    queue.every("roll_up_usage", ROLLUP_MINUTES, rollups.bring_up_to_date)
    queue.every("usage_partitions", PARTITION_MINUTES, rollups.make_partitions)
    usage, meter = Usage(database, plans, usage_log), Meter(database, plans, telemetry=telemetry)
    retention = retention_of(settings, database, meter, rollups)
    queue.every("usage_retention", RETENTION_MINUTES, retention.run)
    return MeteringArea(
        meter=meter,
        usage=usage,
        usage_log=usage_log,
        credits=credits_,
        boosts=Boosts(database),
        rollups=rollups,
        spending=Spending(database, usage, usage_log),
        exports=UsageExports(database, usage_log),
        retention=retention,
    )


def retention_of(settings: Settings, database: Database, meter: Meter, rollups: Rollups) -> Retention:
    """Retention as it is set."""
    folder = settings.assay_home / FOLDER
    return Retention(database, folder, settings.usage_retention_months, meter=meter, rollups=rollups)
