"""Alerts as the workbench composes them: told of a scan, sent by a job on the queue, through a worker."""

from __future__ import annotations

import time
from datetime import timedelta

from core.ops.jobs import TIDY_MINUTES
from core.screener.alerting import DELIVER
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.screener.alerts_made import DAY, Bench

PATIENCE_S = 30.0


def test_what_a_scan_brings_is_sent_by_a_worker_at_once(workbench: Workbench, member: MakeMember) -> None:
    ann, made_by = member("ann"), Bench(workbench.database)
    workbench.market.load_shipped()
    universe_id = workbench.market.universes.list(ann)[0].id
    made_by.scanned({"AAA": 5}, universe_id=universe_id, day=DAY - timedelta(days=1))
    made = made_by.alert(ann, universe_id=universe_id, webhook_url="https://no-such-name.invalid/hook")
    worker = workbench.worker()
    worker.start()
    try:
        scan = made_by.scanned({"AAA": 12}, universe_id=universe_id, day=DAY)
        workbench.screener.alerting.watch.after_scan(scan)
        ends = time.monotonic() + PATIENCE_S
        while True:
            [sent] = [row for row in workbench.screener.alerts.deliveries(ann, made.row.id) if row.channel == "webhook"]
            if sent.said is not None or time.monotonic() > ends:
                break
            time.sleep(0.1)
    finally:
        worker.stop()
    assert (sent.status, sent.attempts, sent.said) == ("pending", 1, "The address's name is not known.")
    assert workbench.notifications.unread_count(ann) == 1


def test_the_queue_knows_what_alerts_do_and_nights_what_they_wait_for(workbench: Workbench, member: MakeMember) -> None:
    ann, made_by = member("ann"), Bench(workbench.database)
    assert DELIVER in workbench.queue.handlers
    assert {DELIVER, "alerts_catch_up", "forget_deliveries"} <= set(workbench.queue.periodic)
    tidied = ("forget_deliveries", "forget_scans")
    assert {workbench.queue.periodic[name].minutes for name in tidied} == {TIDY_MINUTES}, "a worker may be off at night"
    made = made_by.alert(ann, universe_id="ours")
    assert workbench.screener.alerting.watch.awaited() == [("ours", ann.org_id)]
    workbench.screener.alerts.pause(ann, made.row.id, is_paused=True)
    assert workbench.screener.alerting.watch.awaited() == []
