"""What the calls about credits and boosts take and give."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from core.http.models import Answer, Body, Moment, Money

Cents = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str)]
"""An amount of money with its two decimals, as it is paid."""


class BalanceAnswer(Answer):
    """What there is to spend."""

    balance: Money
    """Of the organisation's wallet, less what it owes; what is held for requests in flight is not in it."""
    daily_free_remaining: Money
    """The caller's free credits of today (UTC); not part of the balance."""
    currency: Literal["credits"] = "credits"
    usd_per_credit: Cents
    available: Money
    held: Money
    """For requests in flight."""
    overdraft: Money
    """What was spent or taken back beyond what there was; the next credits that come in pay it first."""
    daily_free: Money
    cap_month: Money | None
    """Most that the caller may spend of the wallet in a month; null: there is no cap."""
    cap_used: Money
    cap_resets_at: Moment | None
    use_credits: bool
    """Whether credits take over where the plan's allowance is used up; a setting of the caller's profile."""


class PackageAnswer(Answer):
    """Credits that are bought at once."""

    id: str
    name: str
    credits: int
    price_usd: Cents


class LedgerEntryAnswer(Answer):
    """One entry of the ledger: an amount that moved from one account to another."""

    number: int
    at: Moment
    kind: str
    """grant, purchase, hold, release, charge, refund, reversal, expiry, adjustment, overdraft or repayment."""
    amount: Money
    debit: str
    """The account that it came from."""
    credit: str
    """The account that it went to."""
    change: Money
    """By how much it changed the balance."""
    user: str | None
    author: str | None
    reason: str | None
    request: str | None
    """Id of the request in the log of usage."""
    payment: str | None
    free_day: date | None
    """The day of which these free credits are; null: they are the wallet's."""


class LedgerPage(Answer):
    """Entries of the ledger, the newest first."""

    entries: list[LedgerEntryAnswer]
    next_before: int | None
    """Give it as `before` for the entries that follow; null: these were the last."""


class CapAnswer(Answer):
    """What a member may spend of the wallet in a month."""

    user_id: str
    name: str
    email: str
    cap_month: Money | None
    used: Money


class CapsAnswer(Answer):
    """What each member may spend."""

    members: list[CapAnswer]


class NewCap(Body):
    """A member's cap."""

    cap_month: str | None = Field(max_length=30)
    """Most credits of a month, as a decimal string; null lifts it."""


class NewBoost(Body):
    """More of one limit for a time."""

    metric: str = Field(max_length=60)
    """chat_queries_day, portfolio_analyses_day, sec_filings_month, requests_month or signal_validations_day."""
    amount: int
    """What is to be added to the limit."""
    days: int
    """How long."""
    reason: str = Field(max_length=2_000)
    for_all: bool = False
    """For every member of the organisation, not for the caller alone."""


class BoostDecision(Body):
    """What becomes of a request for a boost."""

    granted: bool
    note: str = Field("", max_length=2_000)
    amount: int | None = None
    """Another amount than was asked for."""


class BoostAnswer(Answer):
    """More of one limit for a time."""

    id: str
    metric: str
    amount: int
    for_user: str | None
    """Id of the member; null: for every member."""
    starts_at: Moment
    ends_at: Moment
    reason: str
    state: str
    """requested, granted, refused or ended."""
    requested_by: str
    requested_at: Moment
    decided_at: Moment | None
    note: str | None


class BoostsAnswer(Answer):
    """Boosts, the newest first."""

    boosts: list[BoostAnswer]
