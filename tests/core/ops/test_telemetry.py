"""The gauges that the database knows, read from real holds, and the counters of calls that end."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from prometheus_client import CollectorRegistry

from core.db.engine import Database
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.ops.database_figures import DatabaseFigures
from core.ops.telemetry import EndedCall, Telemetry
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record


def _gauges(database: Database) -> tuple[float | None, ...]:
    """Open, overdue and unresolved, seen by somebody who has just come."""
    registry = CollectorRegistry()
    registry.register(DatabaseFigures(database))
    return tuple(
        registry.get_sample_value(f"assay_{name}") for name in ("holds_open", "holds_overdue", "calls_unresolved")
    )


def test_holds_are_open_then_overdue_then_unresolved_for_a_day(
    workbench: Workbench, member: MakeMember, move_time: MoveTime
) -> None:
    meter, ann = workbench.meter, member("ann", plan="basic")
    assert _gauges(workbench.database) == (0, 0, 0)
    hold = meter.reserve(ann, hold_request(lifetime_s=60))
    assert meter.mark_in_flight(hold)
    assert _gauges(workbench.database) == (1, 0, 0)
    move_time(timedelta(minutes=2))
    assert _gauges(workbench.database) == (1, 1, 0)
    meter.sweep()
    assert _gauges(workbench.database) == (0, 0, 1)
    move_time(timedelta(hours=25))
    assert _gauges(workbench.database) == (0, 0, 0)


def test_a_call_that_ended_otherwise_is_late_and_charges_nothing(
    database: Database, plans: Plans, member: MakeMember, move_time: MoveTime
) -> None:
    telemetry = Telemetry()
    meter, ann = Meter(database, plans, telemetry=telemetry), member("ann", plan="basic")
    hold = meter.reserve(ann, hold_request(lifetime_s=60))
    meter.mark_in_flight(hold)
    move_time(timedelta(minutes=2))
    meter.sweep()
    assert meter.settle(hold, "success", Decimal("0.0004"), record()).outcome != "settled"
    samples = [sample for family in telemetry.registry.collect() for sample in family.samples]
    calls = {sample.labels["outcome"]: sample.value for sample in samples if sample.name == "assay_ai_calls_total"}
    assert calls == {"late": 1}
    assert [sample.value for sample in samples if sample.name == "assay_ai_charged_usd_total"] == [0]


def test_a_call_of_which_nothing_is_known_is_counted_all_the_same() -> None:
    telemetry = Telemetry()
    telemetry.call_ended(EndedCall("never_called"))
    labels = {"provider": "unknown", "model": "unknown", "channel": "unknown", "outcome": "never_called"}
    assert telemetry.registry.get_sample_value("assay_ai_calls_total", labels) == 1
