"""Alerts as managers and operators see and set them: what fires, what fired, rules, channels and what was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from core.accounts.encryption import Encryption
from core.accounts.permissions import Action, require
from core.accounts.secrets import new_secret
from core.admin.alerts.delivery import OversightDelivery
from core.admin.alerts.rules import LEVELS, RULES, Level, Rule
from core.admin.alerts.words import test_message
from core.admin.reach import reach_of
from core.db import oversight_alerts_dao as dao
from core.db.engine import Database, Transaction
from core.db.oversight_alerts_dao import AlertOfAll, AlertRow, ChannelRow, DeliveryRow, NewChannel, NewDelivery, RuleRow
from core.errors import Conflict, InvalidRequest, NotFound
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, Subject, audit_principal, changed
from core.ops.webhooks import Outcome, Webhooks
from core.principal import Principal

MAX_SHOWN = 200
MAX_CHANNELS = 10
"""Of one organisation, or of the installation."""
MAX_NAME_CHARS = 80
MAX_THRESHOLD = Decimal(1_000_000)
LONGEST_MUTE = timedelta(days=30)
Kind = Literal["slack", "discord", "webhook"]
KINDS: tuple[Kind, ...] = ("slack", "discord", "webhook")


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule as it holds for an organisation, or for the installation."""

    rule: Rule
    is_on: bool
    threshold: Decimal | None
    """None: it is off until one is set."""
    own_threshold: Decimal | None
    """The one that was set there; None: the rule's."""
    muted_until: datetime | None


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """A channel as somebody gives it."""

    kind: Kind
    name: str
    url: str = field(repr=False)
    least_level: Level = "warning"


@dataclass(frozen=True, slots=True)
class KeptChannel:
    """A channel that was made, with what its messages are signed with: shown once."""

    id: UUID
    secret: str | None = field(repr=False)


@dataclass(frozen=True)
class OversightAlerts:
    """Alerts of an organisation for its managers, of the installation for operators (`everything`)."""

    database: Database
    delivery: OversightDelivery
    webhooks: Webhooks
    encryption: Encryption
    defaults: Mapping[str, Decimal]
    """Thresholds that the settings give the installation, by rule."""
    named_by_settings: Sequence[str]
    """Kinds of channels that the settings name for the installation."""

    def firing(self, principal: Principal, *, everything: bool = False) -> Sequence[AlertRow]:
        """What fires now, the gravest first.

        Raises:
            Forbidden: they may not look over it; so for every method.
        """
        with self._reading(principal, everything) as (connection, org_id):
            return dao.firing(connection, org_id, most=MAX_SHOWN)

    def history(self, principal: Principal, *, everything: bool = False) -> Sequence[AlertRow]:
        """What fired within 90 days and has cleared, the last first."""
        with self._reading(principal, everything) as (connection, org_id):
            return dao.history(connection, org_id, most=MAX_SHOWN)

    def everywhere(self, principal: Principal) -> Sequence[AlertOfAll]:
        """What fires anywhere, the gravest first, then what cleared: for operators, of all organisations.

        Raises:
            Forbidden: not an operator.
        """
        with self._reading(principal, everything=True) as (connection, _):
            return dao.everywhere(connection, most=MAX_SHOWN)

    def deliveries(self, principal: Principal, *, everything: bool = False) -> Sequence[DeliveryRow]:
        """What was sent, or is on its way, the last first."""
        with self._reading(principal, everything) as (connection, org_id):
            return dao.deliveries(connection, org_id, most=MAX_SHOWN)

    def channels(self, principal: Principal, *, everything: bool = False) -> Sequence[ChannelRow]:
        """The channels that were made there."""
        with self._reading(principal, everything) as (connection, org_id):
            return dao.channels(connection, org_id)

    def rules(self, principal: Principal, *, everything: bool = False) -> Sequence[RuleState]:
        """The rules that watch there, as they hold."""
        with self._reading(principal, everything) as (connection, org_id):
            rows = {row.rule: row for row in dao.rules_of(connection, org_id)}
        scope = "installation" if org_id is None else "organisation"
        return [self._state(rule, rows.get(rule.name), org_id) for rule in RULES.values() if scope in rule.scopes]

    def acknowledge(self, principal: Principal, alert_id: UUID, *, everything: bool = False) -> None:
        """Says that somebody sees to an alert; who said so first stays.

        Raises:
            NotFound: there is no such alert there.
        """
        with self._writing(principal, everything) as (connection, org_id):
            noted = dao.acknowledge(connection, alert_id, org_id=org_id, user_id=principal.user_id)
            if not noted and not dao.exists(connection, alert_id, org_id=org_id):
                raise NotFound("There is no such alert.")
            if noted:
                subject = Subject("alert", str(alert_id))
                _record(connection, principal, org_id, AuditAction.ALERT_ACKNOWLEDGED, subject, before=None, after=None)

    def set_rule(
        self, principal: Principal, name: str, *, is_on: bool, threshold: Decimal | None, everything: bool = False
    ) -> None:
        """Switches a rule on or off there, and gives it another threshold; None is the rule's own.

        Raises:
            NotFound: no such rule watches there.
            InvalidRequest: its threshold cannot be set, or not to this.
        """
        with self._writing(principal, everything) as (connection, org_id):
            rule = _watching(name, org_id)
            if threshold is not None:
                _check_threshold(rule, threshold)
            before = _row_of(connection, org_id, name)
            after = RuleRow(org_id, name, is_on, threshold, before.muted_until)
            self._keep_rule(connection, principal, before, after)

    def mute(self, principal: Principal, name: str, span: timedelta | None, *, everything: bool = False) -> None:
        """Has nobody told of a rule for a while; what it finds is still shown. None ends that.

        Raises:
            NotFound: no such rule watches there.
            InvalidRequest: it is too long.
        """
        if span is not None and not timedelta(0) < span <= LONGEST_MUTE:
            raise InvalidRequest(f"A rule is muted for at most {LONGEST_MUTE.days} days.")
        with self._writing(principal, everything) as (connection, org_id):
            _watching(name, org_id)
            before = _row_of(connection, org_id, name)
            until = None if span is None else dao.now(connection) + span
            self._keep_rule(connection, principal, before, RuleRow(org_id, name, before.is_on, before.threshold, until))

    def add_channel(self, principal: Principal, draft: ChannelDraft, *, everything: bool = False) -> KeptChannel:
        """Makes a channel; a webhook's secret is in what is given back, and nowhere again.

        Raises:
            InvalidRequest: the address is none, or leads inside; the name is empty or too long.
            Conflict: there are as many as there may be.
        """
        self._writer(principal, everything)
        name = draft.name.strip()
        if not 1 <= len(name) <= MAX_NAME_CHARS:
            raise InvalidRequest(f"A channel's name has 1 to {MAX_NAME_CHARS} characters.")
        if draft.kind not in KINDS or draft.least_level not in LEVELS:
            raise InvalidRequest(
                "A channel is Slack, Discord or a webhook, for warnings or for what is critical alone."
            )
        url = self.webhooks.check(draft.url)
        secret = f"whsec_{new_secret()}" if draft.kind == "webhook" else None
        made = new_id()
        with self._writing(principal, everything) as (connection, org_id):
            dao.lock_channels(connection, org_id)
            if len(dao.channels(connection, org_id)) >= MAX_CHANNELS:
                raise Conflict(f"There are {MAX_CHANNELS} channels already: remove one first.")
            channel = NewChannel(
                id=made,
                org_id=org_id,
                kind=draft.kind,
                name=name,
                host=urlsplit(url).hostname or "",
                url=self.encryption.encrypt_text(url),
                secret=None if secret is None else self.encryption.encrypt_text(secret),
                least_level=draft.least_level,
            )
            dao.add_channel(connection, channel, user_id=principal.user_id)
            told = {"kind": channel.kind, "name": name, "host": channel.host, "least_level": channel.least_level}
            subject = Subject("alert_channel", str(made))
            action = AuditAction.ALERT_CHANNEL_SET
            _record(connection, principal, org_id, action, subject, before=None, after=told)
        return KeptChannel(made, secret)

    def remove_channel(self, principal: Principal, channel_id: UUID, *, everything: bool = False) -> None:
        """Removes a channel; what was not sent to it yet is not sent.

        Raises:
            NotFound: there is none of that id there.
        """
        with self._writing(principal, everything) as (connection, org_id):
            gone = dao.remove_channel(connection, channel_id, org_id=org_id)
            if gone is None:
                raise NotFound("There is no such channel.")
            told = {"kind": gone[0], "name": gone[1], "host": gone[2]}
            subject = Subject("alert_channel", str(channel_id))
            action = AuditAction.ALERT_CHANNEL_REMOVED
            _record(connection, principal, org_id, action, subject, before=told, after=None)

    def test_channel(
        self, principal: Principal, channel_id: UUID | None, kind: Kind, *, everything: bool = False
    ) -> Outcome:
        """Sends a message to a channel now, once, and says whether it arrived; without an id to that of the settings.

        Raises:
            NotFound: there is no such channel there.
        """
        with self._writing(principal, everything) as (connection, org_id):
            if channel_id is None:
                name = kind.capitalize() if org_id is None and kind in self.named_by_settings else None
            else:
                found = (row for row in dao.channels(connection, org_id) if (row.id, row.kind) == (channel_id, kind))
                name = next((row.name for row in found), None)
            if name is None:
                raise NotFound("There is no such channel.")
            delivery = NewDelivery(new_id(), None, org_id, None, kind, channel_id, "test", test_message(name))
            dao.add_delivery(connection, delivery)
            subject = Subject("alert_channel", str(channel_id or kind))
            action = AuditAction.ALERT_CHANNEL_TESTED
            _record(connection, principal, org_id, action, subject, before=None, after={"kind": kind})
        return self.delivery.send_now(delivery.id)

    @contextmanager
    def _reading(self, principal: Principal, everything: bool) -> Iterator[tuple[Transaction, UUID | None]]:
        """Managers read under the role that sees their organisation alone."""
        org_id = reach_of(principal, everything=everything)
        opened = self.database.service() if principal.is_operator else self.database.app(principal)
        with opened as connection:
            yield connection, org_id

    @contextmanager
    def _writing(self, principal: Principal, everything: bool) -> Iterator[tuple[Transaction, UUID | None]]:
        org_id = self._writer(principal, everything)
        with self.database.service() as connection:
            yield connection, org_id

    @staticmethod
    def _writer(principal: Principal, everything: bool) -> UUID | None:
        if not principal.is_operator:
            require(principal, Action.SET_OVERSIGHT)
        return reach_of(principal, everything=everything)

    def _state(self, rule: Rule, row: RuleRow | None, org_id: UUID | None) -> RuleState:
        default = self.defaults.get(rule.name, rule.threshold) if org_id is None else rule.threshold
        own = row.threshold if row is not None and rule.is_adjustable else None
        is_on = row is None or row.is_on
        return RuleState(rule, is_on, own or default, own, row.muted_until if row is not None else None)

    def _keep_rule(self, connection: Transaction, principal: Principal, before: RuleRow, after: RuleRow) -> None:
        dao.set_rule(connection, new_id(), after, user_id=principal.user_id)
        names = ("is_on", "threshold", "muted_until")
        were, are = changed({n: getattr(before, n) for n in names}, {n: getattr(after, n) for n in names})
        if were or are:
            action = AuditAction.ALERT_RULE_SET
            subject = Subject("alert_rule", after.rule)
            _record(connection, principal, after.org_id, action, subject, before=were, after=are)


def _record(
    connection: Transaction,
    principal: Principal,
    org_id: UUID | None,
    action: AuditAction,
    subject: Subject,
    *,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> None:
    as_operator = org_id is None
    Audit.record(
        connection,
        audit_principal(principal, action, subject, before=before, after=after, org_id=org_id, as_operator=as_operator),
    )


def _watching(name: str, org_id: UUID | None) -> Rule:
    rule = RULES.get(name)
    if rule is None or ("installation" if org_id is None else "organisation") not in rule.scopes:
        raise NotFound("No such rule watches here.")
    return rule


def _check_threshold(rule: Rule, threshold: Decimal) -> None:
    if not rule.is_adjustable:
        raise InvalidRequest("This rule's threshold is fixed.")
    most = Decimal(1) if rule.unit == "share" else MAX_THRESHOLD
    if not threshold.is_finite() or not 0 < threshold <= most:
        told = "100 %" if rule.unit == "share" else f"{most:,}"
        raise InvalidRequest(f"The threshold is above 0 and at most {told}.")


def _row_of(connection: Transaction, org_id: UUID | None, name: str) -> RuleRow:
    rows = (row for row in dao.rules_of(connection, org_id) if row.rule == name)
    return next(rows, RuleRow(org_id, name, is_on=True, threshold=None, muted_until=None))
