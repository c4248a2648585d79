"""What is watched every minute: findings become alerts, raised once, held while they last, and cleared.

Everything of one look happens in one transaction, under a lock that one process has: the alert, what its readers are
told in the app, and what is to be sent to them. Who dies before its end has told nobody, and the next round does it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.admin.alerts.looks import LOOKS, Found, Look
from core.admin.alerts.rules import RULES, Finding, Rule
from core.admin.alerts.telling import Telling
from core.admin.alerts.words import said
from core.db import oversight_alerts_dao as dao
from core.db.engine import Database, Transaction
from core.db.oversight_alerts_dao import AlertRow, NewAlert, OpenRow, RuleRow
from core.errors import DatabaseUnavailable, place_of
from core.ids import new_id

MAX_RAISED = 500
"""Alerts that one round of a look raises, or tells late; the rest are left to the next."""

_log = logging.getLogger(__name__)

Key = tuple[str, UUID | None, UUID | None, str, str]
"""Rule, organisation, member, subject and period: what is told once."""


@dataclass(frozen=True)
class AlertWatch:
    """Evaluates the rules."""

    database: Database
    telling: Telling
    wake: Callable[[], None]
    """Has what was recorded sent soon; what is not is found by the next round."""
    defaults: Mapping[str, Decimal] = field(default_factory=dict)
    """Thresholds that the settings give, by rule; for the installation."""
    looks: Sequence[Look] = LOOKS
    when_failed: Callable[[str], None] = lambda _said: None
    """Is told of a look that could not be made, in a sentence."""

    def evaluate(self) -> int:
        """Looks at everything once; how many alerts were raised."""
        raised = 0
        for look in self.looks:
            try:
                raised += self.take(look)
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 (the outermost edge of one look: it holds up no other)
                _log.error("Alerts: %s could not be looked at: %s.", look.name, place_of(error))
                self.when_failed(f"Of what alerts watch, {look.name} could not be looked at.")
        return raised

    def take(self, look: Look) -> int:
        """Looks at one thing; how many alerts were raised. Where another process does it now, nothing happens."""
        beforehand = self._snapshot(look) if look.is_snapshot else None
        with self.database.service() as connection:
            if not dao.take_turn(connection, look.name):
                return 0
            thresholds = Thresholds(dao.rules(connection), self.defaults)
            round_ = _Round(connection, look, thresholds, self.telling, dao.now(connection))
            found = beforehand or look.find(connection)
            round_.hold(found)
            round_.clear(found)
        if round_.has_news:
            self.wake()
        return round_.raised

    def _snapshot(self, look: Look) -> Found:
        with self.database.snapshot() as connection:
            found = look.find(connection)
            return replace(found, findings=list(found.findings))


class Thresholds:
    """Which value raises a rule for whom, and whether it is on and muted there."""

    def __init__(self, rows: Sequence[RuleRow], defaults: Mapping[str, Decimal]) -> None:
        """`defaults` are the installation's by settings."""
        self._rows = {(row.rule, row.org_id): row for row in rows}
        self._defaults = defaults

    def of(self, rule: Rule, org_id: UUID | None) -> Decimal | None:
        """The value that raises it; None: it is off."""
        row = self._rows.get((rule.name, org_id))
        if row is not None and not row.is_on:
            return None
        if row is not None and row.threshold is not None and rule.is_adjustable:
            return row.threshold
        return self._defaults.get(rule.name, rule.threshold) if org_id is None else rule.threshold

    def is_muted(self, rule: Rule, org_id: UUID | None) -> bool:
        """Whether nobody is told of it now."""
        row = self._rows.get((rule.name, org_id))
        return row is not None and row.muted_until is not None


class _Round:
    """One look's findings, put beside what fires."""

    def __init__(
        self, transaction: Transaction, look: Look, thresholds: Thresholds, telling: Telling, at: datetime
    ) -> None:
        self._transaction = transaction
        self._rules = look.rules
        self._thresholds = thresholds
        self._telling = telling
        self._at = at
        self.raised = 0
        """How many alerts were raised."""
        self.has_news = False
        """Whether something is to be sent."""
        self._told_late = 0
        self._fires: dict[Key, OpenRow | AlertRow] = {}

    def hold(self, found: Found) -> None:
        """Raises what is new, holds what goes on, and tells what was muted when it was raised and is not any more."""
        self._fires = {_key_of(row): row for row in dao.open_alerts(self._transaction, self._rules)}
        seen: dict[UUID, Decimal] = {}
        for finding in found.findings:
            rule = RULES[finding.rule]
            threshold = self._thresholds.of(rule, finding.org_id)
            if threshold is None or finding.value < threshold * rule.falls_to:
                continue
            alert = self._fires.get(_key_of(finding))
            if alert is not None:
                seen[alert.id] = finding.value
                if alert.is_muted:
                    self._tell_late(alert.id, rule, finding, threshold)
            elif finding.value >= threshold and not self._is_told_elsewhere(rule, finding) and self.raised < MAX_RAISED:
                self._raise(rule, finding, threshold)
        dao.see(self._transaction, seen, at=self._at)

    def clear(self, found: Found) -> None:
        """Clears what does not hold any more."""
        if not found.is_complete:
            _log.warning("Alerts: not all of %s was looked at; none is cleared.", ", ".join(self._rules))
            return
        for name in self._rules:
            rule = RULES[name]
            for alert in dao.clear(self._transaction, name, at=self._at, quiet=rule.quiet):
                if rule.tells_clearing and not alert.is_muted:
                    self._tell(alert, "cleared")

    def _raise(self, rule: Rule, finding: Finding, threshold: Decimal) -> None:
        title, body = said(rule, finding, _limit(threshold))
        new = NewAlert(
            id=new_id(),
            rule=rule.name,
            level=rule.level,
            org_id=finding.org_id,
            user_id=finding.user_id,
            subject=finding.subject,
            period=finding.period,
            title=title,
            body=body,
            advice=rule.advice,
            value=finding.value,
            threshold=threshold,
            is_muted=self._thresholds.is_muted(rule, finding.org_id),
        )
        alert = dao.raise_alert(self._transaction, new, at=self._at)
        if alert is None:  # it cleared and holds again within its period, in which it was told
            dao.resume(self._transaction, new, at=self._at)
            return
        self.raised += 1
        self._fires[_key_of(alert)] = alert
        if not alert.is_muted:
            self._tell(alert, "raised")

    def _tell_late(self, alert_id: UUID, rule: Rule, finding: Finding, threshold: Decimal) -> None:
        is_due = not self._thresholds.is_muted(rule, finding.org_id) and not self._is_told_elsewhere(rule, finding)
        if not is_due or self._told_late == MAX_RAISED:
            return
        title, body = said(rule, finding, _limit(threshold))
        alert = dao.unmute(self._transaction, alert_id, title=title, body=body, value=finding.value)
        if alert is not None:
            self._told_late += 1
            self._tell(alert, "raised")

    def _is_told_elsewhere(self, rule: Rule, finding: Finding) -> bool:
        """Whether a graver rule tells of it, or an alert that fires."""
        if rule.below is not None and finding.value >= rule.below:
            return True
        if finding.told_by is None:
            return False
        other, subject = finding.told_by
        return (other, None, None, subject, "") in self._fires

    def _tell(self, alert: AlertRow, event: str) -> None:
        self.has_news |= self._telling.tell(self._transaction, alert, event)


def _limit(threshold: Decimal) -> str:
    return f"{threshold.normalize():f}"


def _key_of(of: Finding | OpenRow | AlertRow) -> Key:
    return (of.rule, of.org_id, of.user_id, of.subject, of.period)
