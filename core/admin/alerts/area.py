"""Alerts of oversight, composed once: rules evaluated and messages sent by the queue, set by managers and operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from core.accounts.encryption import Encryption
from core.admin.alerts.billing_watch import WATCH_MINUTES, BillingWatch
from core.admin.alerts.books_watch import AUDIT_MINUTES, BooksWatch
from core.admin.alerts.delivery import OversightDelivery
from core.admin.alerts.service import OversightAlerts
from core.admin.alerts.telling import Telling
from core.admin.alerts.watch import AlertWatch
from core.clock import SystemClock
from core.db.engine import Database
from core.ops.jobs import TIDY_MINUTES, JobContext, Queue
from core.ops.mail import Mailer
from core.ops.notifications import Notifications
from core.ops.webhooks import Webhooks
from core.settings import Settings

DELIVER = "deliver_oversight"
"""The kind of job that sends what is due: one at a time, in which slow receivers are waited for beside one another."""
EVALUATE = "evaluate_oversight"
MINUTES = 1


@dataclass(frozen=True)
class AlertsArea:
    """The parts of alerts."""

    alerts: OversightAlerts
    watch: AlertWatch
    books: BooksWatch
    delivery: OversightDelivery

    def close(self) -> None:
        """Ends look-ups of names."""
        self.delivery.close()


def open_alerts(
    settings: Settings,
    database: Database,
    queue: Queue,
    mailer: Mailer,
    notifications: Notifications,
    *,
    webhooks: Webhooks | None = None,
) -> AlertsArea:
    """Composes alerts, and says to the queue what they do; `webhooks` sends, None to the public internet alone."""
    sender = webhooks or Webhooks(SystemClock(), own_host=urlsplit(settings.address).hostname)
    encryption = Encryption.of(settings)
    urls, defaults = urls_of(settings), {"cost_day": settings.cost_alert_usd}
    telling = Telling(notifications, mailer.is_configured, tuple(urls))
    delivery = OversightDelivery(database, telling, mailer, sender, settings.address, encryption, urls)

    def wake() -> None:
        queue.submit(DELIVER, {}, key=DELIVER, org_id=None)

    watch = AlertWatch(database, telling, wake, defaults, when_failed=partial(queue.note_failed, EVALUATE))
    books = BooksWatch(database, watch)
    _plan(queue, watch, books, delivery)
    alerts = OversightAlerts(database, delivery, sender, encryption, defaults, tuple(urls))
    return AlertsArea(alerts, watch, books, delivery)


def urls_of(settings: Settings) -> Mapping[str, str]:
    """The installation's own addresses by kind, as the settings name them."""
    named = {"slack": settings.slack_webhook_url, "discord": settings.discord_webhook_url}
    return {kind: url.get_secret_value().strip() for kind, url in named.items() if url is not None}


def _plan(queue: Queue, watch: AlertWatch, books: BooksWatch, delivery: OversightDelivery) -> None:
    def deliver(_context: JobContext) -> None:
        delivery.deliver_due()

    queue.handle({DELIVER: deliver})
    queue.every(DELIVER, MINUTES, delivery.deliver_due)
    queue.every(EVALUATE, MINUTES, watch.evaluate)
    queue.every("audit_books", AUDIT_MINUTES, books.look)
    queue.every("watch_billing", WATCH_MINUTES, BillingWatch(watch).look)
    queue.every("forget_oversight", TIDY_MINUTES, delivery.tidy)
