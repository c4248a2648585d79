"""`/api/credits` and `/api/boosts`: what there is to spend, where it went, and more of a limit for a time."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidRequest, NotFound
from core.http.authentication import ManagingRoute, SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.credit_models import (
    BalanceAnswer,
    BoostAnswer,
    BoostDecision,
    BoostsAnswer,
    CapAnswer,
    CapsAnswer,
    LedgerEntryAnswer,
    LedgerPage,
    NewBoost,
    NewCap,
    PackageAnswer,
)
from core.metering.boosts import Boost
from core.metering.credits import Balance, LedgerEntry
from core.metering.pricing import USD_PER_CREDIT

CACHEABLE = "private, max-age=3600"
MAX_ROWS = 200

router = APIRouter()
wallet = APIRouter(route_class=ManagingRoute, tags=["Credits"])
asking = APIRouter(route_class=SignedInRoute, tags=["Credits"])
deciding = APIRouter(route_class=ManagingRoute, tags=["Credits"])


class LedgerQuery(BaseModel):
    """Which entries."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    before: int | None = Field(None, ge=1, le=2**63 - 1)
    """`next_before` of the page before."""
    limit: int = Field(100, ge=1, le=MAX_ROWS)


@wallet.get("/credits/balance", summary="What there is to spend")
async def balance(principal: SignedIn, bench: Bench, threads: Threads) -> BalanceAnswer:
    """Of the organisation's wallet, and the caller's own free credits of today."""
    return _balance(await in_thread(partial(bench.credits.balance, principal), threads))


@wallet.get("/credits/packages", summary="What can be bought")
async def packages(_principal: SignedIn, bench: Bench, response: Response) -> list[PackageAnswer]:
    """The packages of credits, the smallest first; may be kept for an hour."""
    response.headers["Cache-Control"] = CACHEABLE
    return [
        PackageAnswer(id=package.id, name=package.name, credits=package.credits, price_usd=package.price_usd)
        for package in bench.credits.packages
    ]


@wallet.get("/credits/ledger", summary="The ledger, entry by entry")
async def ledger(
    asked: Annotated[LedgerQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> LedgerPage:
    """The newest first; managers see all entries, others those of their own requests and purchases."""
    read = partial(bench.credits.entries, principal, before=asked.before, most=asked.limit)
    rows = await in_thread(read, threads)
    is_full = len(rows) == asked.limit
    return LedgerPage(entries=[_entry(row) for row in rows], next_before=rows[-1].number if is_full else None)


@wallet.get("/credits/caps", summary="What each member may spend")
async def caps(principal: SignedIn, bench: Bench, threads: Threads) -> CapsAnswer:
    """Of the wallet in a month, and what they have spent of it; for managers."""
    rows = await in_thread(partial(bench.credits.caps, principal), threads)
    members = [
        CapAnswer(user_id=str(row.user_id), name=row.name, email=row.email, cap_month=row.cap_month, used=row.used)
        for row in rows
    ]
    return CapsAnswer(members=members)


@wallet.put("/credits/caps/{user_id}", status_code=204, summary="Set what a member may spend")
async def set_cap(user_id: str, given: NewCap, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """Of the wallet in a month; null lifts the cap. For managers."""
    cap = None if given.cap_month is None else _amount(given.cap_month)
    await in_thread(partial(bench.credits.set_cap, principal, _id(user_id, "member"), cap), threads)


@asking.get("/boosts", summary="The caller's boosts")
async def my_boosts(principal: SignedIn, bench: Bench, threads: Threads) -> BoostsAnswer:
    """Those that the caller asked for or has, and those of everybody in the organisation."""
    rows = await in_thread(partial(bench.boosts.mine, principal), threads)
    return BoostsAnswer(boosts=[_boost(row) for row in rows])


@asking.post("/boosts", status_code=201, summary="Ask for a boost")
async def ask_for_boost(given: NewBoost, principal: SignedIn, bench: Bench, threads: Threads) -> BoostAnswer:
    """More of one limit for some days; a manager or an operator decides."""
    asked = partial(
        bench.boosts.request,
        principal,
        metric=given.metric,
        amount=given.amount,
        days=given.days,
        reason=given.reason,
        for_all=given.for_all,
    )
    return _boost(await in_thread(asked, threads))


@asking.get("/boosts/all", summary="All boosts of the organisation")
async def all_boosts(principal: SignedIn, bench: Bench, threads: Threads) -> BoostsAnswer:
    """For managers."""
    rows = await in_thread(partial(bench.boosts.all, principal), threads)
    return BoostsAnswer(boosts=[_boost(row) for row in rows])


@deciding.post("/boosts/{boost_id}/decision", summary="Grant or refuse a boost")
async def decide_boost(
    boost_id: str, given: BoostDecision, principal: SignedIn, bench: Bench, threads: Threads
) -> BoostAnswer:
    """A granted boost begins now. For managers, who do not grant their own."""
    decided = partial(
        bench.boosts.decide,
        principal,
        _id(boost_id, "boost"),
        granted=given.granted,
        note=given.note,
        amount=given.amount,
    )
    return _boost(await in_thread(decided, threads))


@deciding.delete("/boosts/{boost_id}", summary="End a boost")
async def end_boost(boost_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> BoostAnswer:
    """Now; for managers."""
    return _boost(await in_thread(partial(bench.boosts.end, principal, _id(boost_id, "boost")), threads))


for part in (wallet, asking, deciding):
    router.include_router(part)


def _balance(found: Balance) -> BalanceAnswer:
    return BalanceAnswer(
        balance=found.balance,
        daily_free_remaining=found.daily_free_remaining,
        usd_per_credit=USD_PER_CREDIT,
        available=found.available,
        held=found.held,
        overdraft=found.overdraft,
        daily_free=found.daily_free,
        cap_month=found.cap_month,
        cap_used=found.cap_used,
        cap_resets_at=found.cap_resets_at,
        use_credits=found.uses_credits,
    )


def _entry(row: LedgerEntry) -> LedgerEntryAnswer:
    return LedgerEntryAnswer(
        number=row.number,
        at=row.at,
        kind=row.kind,
        amount=row.amount,
        debit=row.debit,
        credit=row.credit,
        change=row.change,
        user=row.user_name,
        author=row.author_name,
        reason=row.reason,
        request=None if row.hold_id is None else str(row.hold_id),
        payment=row.payment,
        free_day=row.free_day,
    )


def _boost(row: Boost) -> BoostAnswer:
    return BoostAnswer(
        id=str(row.id),
        metric=row.metric,
        amount=row.amount,
        for_user=None if row.user_id is None else str(row.user_id),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        reason=row.reason,
        state=row.state,
        requested_by=str(row.requested_by),
        requested_at=row.requested_at,
        decided_at=row.decided_at,
        note=row.note,
    )


def _amount(given: str) -> Decimal:
    try:
        return Decimal(given)
    except InvalidOperation:
        raise InvalidRequest('The field cap_month is an amount of credits, such as "25".') from None


def _id(given: str, what: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound(f"There is no such {what}.") from None
