"""Alerts, composed once: kept by their owners, evaluated after scans, delivered by the queue."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from core.accounts.encryption import Encryption
from core.clock import SystemClock
from core.db.engine import Database
from core.ops.jobs import TIDY_MINUTES, JobContext, Queue
from core.ops.mail import Mailer
from core.ops.notifications import Notifications
from core.ops.webhooks import Webhooks
from core.screener.alert_delivery import AlertDelivery
from core.screener.alert_matching import AlertMatching, FindUniverse, LatestScan
from core.screener.alert_watch import AlertWatch
from core.screener.alerts import Alerts
from core.screener.screens import Screens
from core.settings import Settings

DELIVER = "deliver_alerts"
"""The kind of job that sends what is due: one at a time, in which slow receivers are waited for beside one another."""
DELIVER_MINUTES = 1
CATCH_UP_MINUTES = 15


@dataclass(frozen=True)
class Alerting:
    """The parts of alerts."""

    alerts: Alerts
    watch: AlertWatch
    delivery: AlertDelivery


def open_alerting(
    settings: Settings,
    database: Database,
    queue: Queue,
    screens: Screens,
    *,
    find_universe: FindUniverse,
    latest_scan: LatestScan,
    mailer: Mailer,
    notifications: Notifications,
) -> Alerting:
    """Composes alerts, and says to the queue what they do; `watch.after_scan` is to be told of each finished scan.

    What was recorded is sent by a job at once, and by the round of every minute where that job was not submitted.
    """
    matching = AlertMatching(screens, find_universe, latest_scan)
    webhooks = Webhooks(SystemClock(), own_host=urlsplit(settings.address).hostname)
    encryption = Encryption.of(settings)
    delivery = AlertDelivery(database, notifications, mailer, webhooks, settings.address, encryption)

    def wake() -> None:
        queue.submit(DELIVER, {}, key=DELIVER, org_id=None)

    def deliver(_context: JobContext) -> None:
        delivery.deliver_due()

    watch = AlertWatch(database, matching, notifications, wake)
    queue.handle({DELIVER: deliver})
    queue.every(DELIVER, DELIVER_MINUTES, delivery.deliver_due)
    queue.every("alerts_catch_up", CATCH_UP_MINUTES, watch.catch_up)
    queue.every("forget_deliveries", TIDY_MINUTES, delivery.tidy)
    alerts = Alerts(database, matching, has_mail=mailer.is_configured, encryption=encryption)
    return Alerting(alerts, watch, delivery)
