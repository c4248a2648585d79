"""`python -m core usage prune`: exports and drops months of the usage log that ended long ago."""

from __future__ import annotations

from contextlib import closing

from core.db.engine import Database
from core.db.retention_dao import following
from core.metering.area import retention_of
from core.metering.meter import Meter
from core.metering.plans import load_plans
from core.metering.rollups import Rollups
from core.settings import Settings
from core.workbench import open_database


def prune(settings: Settings, *, is_dry_run: bool, drops_uncertain: bool) -> int:
    """Prints what goes, or what would go; 1 where a month stays that is due.

    Raises:
        NotConfigured: everything is kept.
        Conflict: the log was in use; what was printed is gone, the rest is whole.
    """
    database: Database
    database, _server = open_database(settings)
    with closing(database):
        meter = Meter(database, load_plans(settings.plans_file))
        retention = retention_of(settings, database, meter, Rollups(database))
        if not is_dry_run:
            for dropped in retention.prune(drops_uncertain=drops_uncertain, cause="command"):
                print(dropped)
                print(f"Requests are kept from {following(dropped.first)} on.")
        due = retention.due()
    for month in due:
        would = "would be exported and dropped" if month.kept_because is None else f"stay: {month.kept_because}"
        print(f"{month.first:%Y-%m}: {month.rows:,} requests {would}.")
    if not due:
        print("No month is due." if is_dry_run else "No other month is due.")
    return 1 if any(month.kept_because for month in due) else 0
