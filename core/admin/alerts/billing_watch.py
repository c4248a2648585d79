"""Billing as a rule sees it: what operators have to look into."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.admin.alerts.looks import Found, Look
from core.admin.alerts.rules import Finding
from core.admin.alerts.watch import AlertWatch
from core.billing.troubles import troubles
from core.db.engine import Transaction

RULE = "billing_trouble"
WATCH_MINUTES = 5


@dataclass(frozen=True)
class BillingWatch:
    """Looks at billing, and raises or clears its alert."""

    watch: AlertWatch

    def look(self) -> int:
        """Looks now; how many alerts were raised."""
        return self.watch.take(Look("billing", (RULE,), _found))


def _found(transaction: Transaction) -> Found:
    found = troubles(transaction)
    if not found:
        return Found(())
    return Found([Finding(RULE, None, None, "billing", "", Decimal(len(found)), {"what": "; ".join(found)})])
