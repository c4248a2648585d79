"""What is watched every minute: findings become alerts, raised once, held while they last, and cleared.

Everything of one look happens in one transaction, under a lock that one process has: the alert, what its readers are
told in the app, and what is to be sent to them. Who dies before its end has told nobody, and the next round does it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.admin.alerts.looks import LOOKS, Found, Look
from core.admin.alerts.rules import RULES, Finding, Rule
from core.admin.alerts.telling import Telling
from core.admin.alerts.words import said
from core.db import oversight_alerts_dao as dao
from core.db.engine import Database, Transaction
from core.db.oversight_alerts_dao import NewAlert, RuleRow
from core.errors import DatabaseUnavailable, place_of
from core.ids import new_id

MAX_RAISED = 500
"""Alerts that one round of a look raises; the rest are raised by the next."""

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
        return raised

    def take(self, look: Look) -> int:
        """Looks at one thing; how many alerts were raised. Where another process does it now, nothing happens."""
        with self.database.service() as connection:
            if not dao.take_turn(connection, look.name):
                return 0
            thresholds = Thresholds(dao.rules(connection), self.defaults)
            at = dao.now(connection)
            round_ = _Round(connection, look, thresholds, self.telling, at)
            found = look.find(connection)
            raised = round_.hold(found)
            told = round_.clear(found)
        if raised or told:
            self.wake()
        return raised


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

    def hold(self, found: Found) -> int:
        """Raises what is new, and holds what goes on; how many were raised."""
        fires = {_key_of(row): row.id for row in dao.open_alerts(self._transaction, self._rules)}
        seen: dict[UUID, Decimal] = {}
        raised = 0
        for finding in found.findings:
            rule = RULES[finding.rule]
            threshold = self._thresholds.of(rule, finding.org_id)
            if threshold is None or finding.value < threshold * rule.falls_to:
                continue
            alert_id = fires.get(_key_of(finding))
            if alert_id is not None:
                seen[alert_id] = finding.value
            elif _is_raised(rule, finding, threshold) and raised < MAX_RAISED:
                raised += self._raise(rule, finding, threshold)
        dao.see(self._transaction, seen, at=self._at)
        return raised

    def clear(self, found: Found) -> bool:
        """Clears what does not hold any more; whether somebody is to be told."""
        if not found.is_complete:
            _log.warning("Alerts: there is more of %s than is looked at; none is cleared.", ", ".join(self._rules))
            return False
        has_news = False
        for name in self._rules:
            rule = RULES[name]
            for alert in dao.clear(self._transaction, name, at=self._at, quiet=rule.quiet):
                if rule.tells_clearing and not alert.is_muted:
                    has_news |= self._telling.tell(self._transaction, alert, "cleared")
        return has_news

    def _raise(self, rule: Rule, finding: Finding, threshold: Decimal) -> int:
        limit = f"{threshold.normalize():f}"
        title, body = said(rule, finding, limit)
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
            return 0
        if not alert.is_muted:
            self._telling.tell(self._transaction, alert, "raised")
        return 1


def _is_raised(rule: Rule, finding: Finding, threshold: Decimal) -> bool:
    return finding.value >= threshold and (rule.below is None or finding.value < rule.below)


def _key_of(of: Finding | dao.OpenRow) -> Key:
    return (of.rule, of.org_id, of.user_id, of.subject, of.period)
