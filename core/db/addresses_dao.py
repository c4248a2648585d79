"""The statements that count the requests of strangers; straight to the driver, each one round trip."""

from __future__ import annotations

from typing import LiteralString

from core.db.engine import Driver

_TAKE = "SELECT address_take(%(address)s, %(limit)s)"
_TRIM = "SELECT trim_addresses(%(most)s)"


def take(driver: Driver, address_hash: bytes, limit: int) -> int | None:
    """Counts a request; where it does not fit, the seconds after which one will."""
    return _number(driver, _TAKE, {"address": address_hash, "limit": limit})


def trim(driver: Driver, most: int) -> int:
    """Forgets addresses that have been quiet; says how many."""
    return _number(driver, _TRIM, {"most": most}) or 0


def _number(driver: Driver, statement: LiteralString, values: dict[str, object]) -> int | None:
    row = driver.execute(statement, values).fetchone()
    assert row is not None
    return None if row[0] is None else int(row[0])
