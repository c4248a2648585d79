"""Steps with credits, and what the wallet, the free day and the grants say after them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.db import credits_dao as dao
from core.db.credits_dao import Movement
from core.errors import MeteringDenied
from core.ids import new_id
from core.metering.meter import Hold
from core.principal import Principal
from core.workbench import Workbench
from tests.core.metering.factories import hold_request, record

Connection = psycopg.Connection[tuple[object, ...]]
CENT = Decimal("0.000400000")


def put_in(workbench: Workbench, who: Principal, amount: str, **more: Any) -> bool:
    """Grants the wallet credits."""
    expires_at = more.pop("expires_at", None)
    movement = Movement(**{"org_id": who.org_id, "amount": Decimal(amount), "key": str(new_id()), **more})
    with workbench.database.service() as connection:
        return dao.put_in(connection, "grant", movement, expires_at=expires_at)


def take_out(workbench: Workbench, who: Principal, amount: str, *, key: str = "back") -> str:
    """A payment is taken back."""
    with workbench.database.service() as connection:
        return dao.take_out(connection, "refund", Movement(who.org_id, Decimal(amount), key, payment="pay"))


def called(workbench: Workbench, who: Principal, credits: str = "2", **changes: Any) -> Hold:
    """A hold whose call has begun."""
    hold = workbench.meter.reserve(who, hold_request(**{"credits": Decimal(credits), **changes}))
    assert workbench.meter.mark_in_flight(hold)
    return hold


def settle(workbench: Workbench, hold: Hold, credits: str, outcome: str = "success") -> Decimal:
    """The call is charged; says how many credits."""
    kept = replace(record(), credits=Decimal(credits))
    return workbench.meter.settle(hold, outcome, CENT, kept).credits


def refused(workbench: Workbench, who: Principal, credits: str = "2", **changes: Any) -> str:
    """The metric that refuses a request."""
    with pytest.raises(MeteringDenied) as denied:
        called(workbench, who, credits, **changes)
    return denied.value.denial.metric


def rows(service: Connection, statement: str) -> list[tuple[object, ...]]:
    """What a statement finds."""
    return service.execute(statement).fetchall()


def wallet(service: Connection) -> tuple[object, ...]:
    """Available, held and overdraft."""
    (row,) = rows(service, "SELECT available, held, overdraft FROM wallets")
    return row


def free(service: Connection) -> tuple[object, ...]:
    """Granted, used and held of the newest day."""
    return rows(service, "SELECT granted, used, held FROM free_days ORDER BY day DESC")[0]


def lots(service: Connection) -> list[object]:
    """What remains of grants that end, the earliest end first."""
    return [remaining for (remaining,) in rows(service, "SELECT remaining FROM credit_lots ORDER BY expires_at")]
