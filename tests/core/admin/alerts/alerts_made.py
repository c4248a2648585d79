"""Alerts on a test's workbench, with a mail server and a receiver of webhooks that are really called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from core.admin.alerts.area import AlertsArea, open_alerts
from core.clock import SystemClock
from core.db import oversight_alerts_dao as dao
from core.db.oversight_alerts_dao import AlertRow, NewAlert, NewChannel, NewDelivery, RuleRow
from core.ids import new_id
from core.metering.meter import Hold
from core.ops.mail import mailer_of
from core.ops.webhooks import Webhooks
from core.principal import Principal
from core.settings import Settings
from core.workbench import Workbench
from tests.core.metering.factories import hold_request, record
from tests.fakes.hook_server import HookServer
from tests.fakes.mail_server import MailServer
from tests.fakes.tls import contexts_for_localhost

NOON = datetime(2027, 3, 10, 12, tzinfo=UTC)
"""A day on which clocks do nothing special, with two thirds of its month to come."""


@dataclass
class Made:
    """The alerts of a workbench, and whom they reach."""

    workbench: Workbench
    area: AlertsArea
    hook: HookServer
    mail: MailServer

    @property
    def url(self) -> str:
        """Of the receiver of webhooks."""
        return f"https://localhost:{self.hook.port}/hook"

    def asked(self, who: Principal, *, times: int = 1, cost_usd: str = "0.000400000", **request: Any) -> None:
        """Calls of somebody's that were made, answered and paid."""
        for _ in range(times):
            hold = self._begun(who, held_usd=max(Decimal(cost_usd), Decimal("0.001")), **request)
            self.workbench.meter.settle(hold, "success", Decimal(cost_usd), record(cost_usd))

    def failed(self, who: Principal, *, times: int = 1, **request: Any) -> None:
        """Calls of somebody's that a provider did not answer."""
        for _ in range(times):
            self.workbench.meter.release(self._begun(who, **request), "failed", record("0"))

    def _begun(self, who: Principal, **request: Any) -> Hold:
        hold = self.workbench.meter.reserve(who, hold_request(**request))
        assert self.workbench.meter.mark_in_flight(hold)
        return hold

    def firing(self, who: Principal, *, everything: bool = False) -> Sequence[AlertRow]:
        """What somebody sees firing."""
        return self.area.alerts.firing(who, everything=everything)

    def rules(self, who: Principal, *, everything: bool = False) -> list[str]:
        """The rules that somebody sees firing, in the order of the alphabet."""
        return sorted(row.rule for row in self.firing(who, everything=everything))

    def told(self, who: Principal) -> list[str]:
        """What somebody was told in the app, the first first."""
        return [row.title for row in reversed(self.workbench.notifications.page(who))]

    def mails(self, to: Principal) -> list[str]:
        """Subjects of what came by mail to somebody."""
        return [str(each.message["Subject"]) for each in self.mail.received if each.to == to.email]


def make(workbench: Workbench, settings: Settings, mail: MailServer, folder: Path) -> Made:
    """The alerts of a workbench, which may call this machine alone; the settings have SMTP_URL."""
    served, trusting = contexts_for_localhost(folder)
    webhooks = Webhooks(
        SystemClock(),
        resolve=lambda *_: [ip_address("127.0.0.1")],
        is_allowed=lambda _: True,
        tls=trusting,
        total_s=3,
    )
    area = open_alerts(
        settings,
        workbench.database,
        workbench.queue,
        mailer_of(settings),
        workbench.notifications,
        webhooks=webhooks,
    )
    return Made(workbench, area, HookServer(served), mail)


def leave_alerts(workbench: Workbench, who: Principal) -> None:
    """A row of somebody's organisation in each table of alerts: an alert, what is sent of it, a rule, a channel."""
    raised = NewAlert(
        id=new_id(),
        rule="job_failed",
        level="warning",
        org_id=who.org_id,
        user_id=None,
        subject="count",
        period="",
        title="Jobs failed: count",
        body="",
        advice="",
        value=Decimal(1),
        threshold=Decimal(1),
        is_muted=False,
    )
    channel = NewChannel(new_id(), who.org_id, "slack", "Ours", "hook.example", "https://hook.example", None, "warning")
    with workbench.database.service() as connection:
        alert = dao.raise_alert(connection, raised, at=dao.now(connection))
        assert alert is not None
        sent = NewDelivery(
            new_id(), alert.id, who.org_id, None, "slack", channel.id, "raised", {"title": "Jobs failed"}
        )
        dao.add_delivery(connection, sent)
        dao.add_channel(connection, channel, user_id=who.user_id)
        dao.set_rule(connection, new_id(), RuleRow(who.org_id, "job_failed", True, None, None), user_id=who.user_id)
