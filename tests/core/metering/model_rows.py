"""The rows that the tables of the meter hold, as the model has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import Any
from uuid import UUID

import psycopg

from tests.core.metering.model import Model
from tests.core.metering.model_parts import Member, ModelHold, Organisation

Connection = psycopg.Connection[tuple[object, ...]]
NOBODY = UUID(int=0)
COUNTERS = ("chat_query", "portfolio_analysis", "sec_filing", "signal_validation", "request", "charge_usd", "credits")
MEMBER_UNITS = {
    "day": ("chat_query", "portfolio_analysis"),
    "month": ("sec_filing", "request", "charge_usd", "credits"),
}
ORG_UNITS = {"day": ("signal_validation",), "month": ("charge_usd",)}


def owners(model: Model) -> Iterator[tuple[Member | Organisation, tuple[Any, ...]]]:
    """Everyone who ever asked, with the key of their rows; an organisation stands there once."""
    seen = []
    for member in model.members:
        if member.periods is not None:
            yield member, (member.organisation.id, member.user_id)
        if member.organisation.periods is not None and member.organisation not in seen:
            seen.append(member.organisation)
            yield member.organisation, (member.organisation.id, NOBODY)


def closed_periods(model: Model) -> Iterator[tuple[object, ...]]:
    """Periods that ended, with what was used and held in each."""
    for owner, key in owners(model):
        units = MEMBER_UNITS if isinstance(owner, Member) else ORG_UNITS
        assert owner.periods is not None
        for unit, spans in owner.periods.closed.items():
            for span in spans:
                sums = (
                    model.counted(owner, name, unit, span.starts) if name in units[unit] else (0, 0)
                    for name in COUNTERS
                )
                yield (*key, unit, span.starts, span.ends, *(amount for pair in sums for amount in pair))


def member_meters(model: Model) -> Iterator[tuple[object, ...]]:
    """The running periods of members, their holds and their rates."""
    for member in model.members:
        if member.periods is None:
            continue
        day, month = member.periods.day, member.periods.month
        starts = {"day": day.starts, "month": month.starts}
        sums = [
            amount
            for unit, names in MEMBER_UNITS.items()
            for name in names
            for amount in model.counted(member, name, unit, starts[unit])
        ]
        rates = (member.minute, member.hour, member.validations)
        yield (
            *(member.organisation.id, member.user_id, *astuple(day), *astuple(month), *sums),
            *(member.carries["requests_month"], member.carries["sec_filings_month"]),
            *(member.early_cuts, model.open_holds(member), member.minute.newest, member.hour.newest),
            *(rate.within(rate.newest) for rate in rates),
        )


def organisation_meters(model: Model) -> Iterator[tuple[object, ...]]:
    """The running periods of organisations."""
    for owner, key in owners(model):
        if isinstance(owner, Organisation):
            assert owner.periods is not None
            day, month = owner.periods.day, owner.periods.month
            validations = model.counted(owner, "signal_validation", "day", day.starts)
            charges = model.counted(owner, "charge_usd", "month", month.starts)
            batch = model.open_batch_holds(owner)
            yield (key[0], *astuple(day), *astuple(month), *validations, *charges, batch)


def holds(model: Model) -> Iterator[tuple[object, ...]]:
    """Every hold, and what came of it."""
    return map(_hold_row, model.holds.values())


def keys(model: Model) -> Iterator[tuple[object, ...]]:
    """Own keys, and what was charged to each in its month."""
    for key in model.keys.values():
        yield (key.id, *astuple(key.month), *model.key_used(key, key.month.starts))


def wallets(model: Model) -> Iterator[tuple[object, ...]]:
    """The wallets of organisations that ever had credits, or asked for some."""
    for organisation in {member.organisation.id: member.organisation for member in model.members}.values():
        if organisation.balance is not None:
            yield (organisation.id, *model.wallet(organisation))


def free_days(model: Model) -> Iterator[tuple[object, ...]]:
    """Free credits of users and days."""
    for (user_id, day), granted in model.granted.items():
        yield (user_id, day, granted, *model.free_day(user_id, day))


def _hold_row(hold: ModelHold) -> tuple[object, ...]:
    starts = (hold.starts[name] for name in ("day", "month", "org_day", "org_month"))
    return (
        *(hold.id, hold.state, hold.resolution, hold.quota_charged, hold.request_charged, hold.charged, hold.cost),
        *(hold.held, hold.bound, hold.expires, *starts, hold.was_called, hold.starts.get("key")),
        *(hold.credits + hold.free, hold.free, hold.free_day, hold.credits_charged, hold.free_charged),
    )


_COLUMNS = ", ".join(f"{name}_used, {name}_held" for name in COUNTERS)
ROWS: tuple[tuple[str, Callable[[Model], Iterator[tuple[object, ...]]]], ...] = (
    (f"SELECT org_id, user_id, period, starts_at, ends_at, {_COLUMNS} FROM meter_periods", closed_periods),
    (
        "SELECT org_id, user_id, day_start, day_end, month_start, month_end, chat_query_used, chat_query_held, "
        "portfolio_analysis_used, portfolio_analysis_held, sec_filing_used, sec_filing_held, request_used, "
        "request_held, charge_usd_used, charge_usd_held, credits_used, credits_held, request_carry, sec_filing_carry, "
        "early_cuts, open_holds, minute_at, hour_at, "
        "rate_sum(minute_counts), rate_sum(hour_counts), rate_sum(validation_counts) FROM member_meters",
        member_meters,
    ),
    (
        "SELECT org_id, day_start, day_end, month_start, month_end, signal_validation_used, "
        "signal_validation_held, charge_usd_used, charge_usd_held, open_batch_holds FROM org_meters",
        organisation_meters,
    ),
    (
        "SELECT id, state, resolution, quota_charged, request_charged, charged_usd, cost_usd, held_usd, bound_usd, "
        "expires_at, day_start, month_start, org_day_start, org_month_start, in_flight_at IS NOT NULL, "
        "key_month_start, credits_held, free_held, free_day, credits_charged, free_charged FROM holds",
        holds,
    ),
    ("SELECT org_id, available, held, overdraft FROM wallets", wallets),
    ("SELECT user_id, day, granted, used, held FROM free_days", free_days),
    ("SELECT id, month_start, month_end, used_usd, held_usd FROM provider_keys", keys),
)
"""What is read of each table, and the same of the model; in any order."""


def empty_tables(owner: Connection, service: Connection) -> None:
    """Nothing was ever asked, granted or paid; what is never changed is, past the triggers that refuse it."""
    months = owner.execute("SELECT relid::regclass::text FROM pg_partition_tree('usage_log')").fetchall()
    kept = ("ledger_entries", "wallets", "free_days", *(month for (month,) in months))
    owner.execute("; ".join(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in kept).encode())
    owner.execute(
        "TRUNCATE member_meters, org_meters, meter_periods, holds, attempts, usage_log, provider_keys, wallets, "
        "free_days, boosts CASCADE"
    )
    service.execute(
        "UPDATE organisations SET plan = 'tight', zone = 'UTC', budget_usd_month = NULL, pools_allowances = false, "
        "pools_until = NULL; "
        "UPDATE memberships SET budget_usd_month = NULL, credits_cap_month = NULL, ended_at = NULL; "
        "UPDATE users SET uses_credits = false"
    )
    owner.execute("TRUNCATE organisation_plans")
    owner.execute("; ".join(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in kept).encode())
