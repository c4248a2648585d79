"""The components of alerts, with alerts that somebody made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from core.admin.alerts.rules import RULES
from core.admin.alerts.service import ChannelDraft, KeptChannel, Kind, RuleState
from core.admin.changes import Effect
from core.db.budgets_dao import BudgetRow
from core.db.oversight_alerts_dao import AlertOfAll, AlertRow, ChannelRow, DeliveryRow
from core.ops.webhooks import Outcome
from core.principal import Principal, Role
from pages.components import admin_alert_channels, admin_alert_rules, admin_alerts, admin_budgets
from pages.components.admin_alert_channels import Channels

NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)
NAMES = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
OPERATOR = Principal(
    user_id=uuid5(NAMES, "user"), org_id=uuid5(NAMES, "org"), role=Role.OWNER, plan="team", via="session", zone="UTC",
    email="olga@acme.example", name="Olga", org_name="Acme", is_operator=True,
)  # fmt: skip


class Nothing:
    """Keeps and sends nothing."""

    def set_rule(self, principal: Principal, name: str, **values: Any) -> None:
        """Sets nothing."""

    def mute(self, principal: Principal, name: str, span: timedelta | None, *, everything: bool = False) -> None:
        """Mutes nothing."""

    def add_channel(self, principal: Principal, draft: ChannelDraft, *, everything: bool = False) -> KeptChannel:
        """Gives a secret of nobody's."""
        return KeptChannel(uuid5(NAMES, draft.name), "whsec_of_nobody")

    def remove_channel(self, principal: Principal, channel_id: UUID, *, everything: bool = False) -> None:
        """Removes nothing."""

    def test_channel(
        self, principal: Principal, channel_id: UUID | None, kind: Kind, *, everything: bool = False
    ) -> Outcome:
        """Nobody answers."""
        return Outcome(is_delivered=False, said="The receiver takes too long.")


def _alert(rule: str, words: Mapping[str, str], *, minutes: int) -> AlertRow:
    """An alert as its rule says it."""
    said, raised = RULES[rule], NOW - timedelta(minutes=minutes)
    return AlertRow(
        id=uuid5(NAMES, rule),
        rule=rule,
        level=said.level,
        org_id=None,
        user_id=None,
        subject="openai",
        period="",
        title=said.title.format_map(words),
        body=said.body.format_map(words),
        advice=said.advice,
        value=Decimal(1),
        threshold=Decimal(1),
        is_muted=False,
        told_at=raised,
        raised_at=raised,
        seen_at=NOW,
        cleared_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
    )


DOWN = _alert("provider_down", {"provider": "OpenAI", "failures": "7", "failure": "ProviderUnavailable"}, minutes=12)
OVERRUN = _alert(
    "projected_overrun",
    {
        "what": "your organisation's budget",
        "used": "61.20",
        "limit": "80.00",
        "unit": "USD",
        "projected": "104 %",
        "resets": "on 1 December at 00:00",
    },
    minutes=95,
)
COST = _alert("cost_day", {"used": "100.01", "calls": "12,204", "limit": "100"}, minutes=3_000)


def firing() -> None:
    """One to be acknowledged, one that is muted and somebody sees to, and none"""
    muted = replace(OVERRUN, is_muted=True, told_at=None)
    seen = replace(muted, acknowledged_at=NOW, acknowledged_by=OPERATOR.user_id, acknowledged_name="Ann")
    admin_alerts.show_firing("gallery_firing", [DOWN, seen], NOW, "UTC", lambda _: None)
    admin_alerts.show_firing("gallery_none_firing", [], NOW, "UTC", None)


def everywhere() -> None:
    """Of several organisations: one that fires, one that is muted, one of which a message was given up, and none"""
    failing = AlertOfAll(DOWN, None, NOW, 2, "slack: The receiver answers 404.")
    muted = AlertOfAll(replace(OVERRUN, is_muted=True, told_at=None), "Acme", None, 0, "")
    over = AlertOfAll(replace(COST, cleared_at=NOW), "Basalt", NOW - timedelta(hours=2), 0, "")
    admin_alerts.show_everywhere("gallery_everywhere", [failing, muted, over], "UTC")
    admin_alerts.show_everywhere("gallery_nowhere", [], "UTC")


def history() -> None:
    """What is over and was sent, and nothing yet"""
    over = replace(COST, cleared_at=NOW - timedelta(hours=20), acknowledged_name="Olga")
    admin_alerts.show_history("gallery_history", [over, replace(DOWN, cleared_at=NOW)], "UTC")
    sent = DeliveryRow(
        id=uuid5(NAMES, "sent"),
        channel="mail",
        channel_id=None,
        channel_name=None,
        event="raised",
        title=DOWN.title,
        status="delivered",
        attempts=1,
        due_at=None,
        said=None,
        created_at=NOW,
        finished_at=NOW,
        user_name="Olga",
    )
    lost = replace(sent, channel="slack", status="failed", attempts=5, said="The receiver answers 404.", user_name=None)
    admin_alerts.show_deliveries("gallery_sent", [sent, lost], "UTC")
    admin_alerts.show_history("gallery_no_history", [], "UTC")
    admin_alerts.show_deliveries("gallery_none_sent", [], "UTC")


def rules() -> None:
    """As they are, one with another threshold, one that is muted, one that is off"""
    usual = {name: RuleState(rule, True, rule.threshold, None, None) for name, rule in RULES.items()}
    shown = [
        usual["quota_80"],
        replace(usual["error_rate"], threshold=Decimal("0.35"), own_threshold=Decimal("0.35")),
        replace(usual["provider_down"], muted_until=NOW + timedelta(hours=5)),
        replace(usual["job_failed"], is_on=False),
        usual["cost_day"],
    ]
    admin_alert_rules.show("gallery_rules", shown, Nothing(), OPERATOR, NOW, everything=True)


def channels() -> None:
    """Those of the settings and two that were made; none, for who may only look"""
    own = ChannelRow(uuid5(NAMES, "hook"), None, "webhook", "Pager", "hooks.acme.example", "critical", NOW)
    team = ChannelRow(uuid5(NAMES, "chat"), None, "discord", "On call", "discord.com", "warning", NOW)
    there = Channels([own, team], ("slack",))
    admin_alert_channels.show("gallery_channels", there, Nothing(), OPERATOR, NOW, everything=True)
    none = Channels([], has_mail=False)
    admin_alert_channels.show("gallery_no_channels", none, None, OPERATOR, NOW, everything=False)


class Purse:
    """Has the same budgets always."""

    def found(self, principal: Principal, words: str = "", *, everything: bool) -> Sequence[BudgetRow]:
        """One that is used up, one that will not last, one that has begun, and none."""
        month = (NOW - timedelta(days=20), NOW + timedelta(days=10), NOW)
        most = Decimal(80)
        figures = [("Acme", most, "80.001"), ("Basalt", most, "70.2"), ("Cobalt", most, "3.5"), ("Dune", None, "12")]
        return [
            BudgetRow(uuid5(NAMES, name), name, "UTC", budget, Decimal(used), *month) for name, budget, used in figures
        ]

    def set(self, principal: Principal, org_id: UUID, budget_usd: Decimal | None) -> Effect:
        """Sets nothing."""
        return Effect("Acme", "no budget", "no budget")


def budgets() -> None:
    """Used up, at a pace that will not last, begun, and none"""
    admin_budgets.show("gallery_budgets", admin_budgets.Desk(OPERATOR, Purse(), everything=True, may_set=True))
