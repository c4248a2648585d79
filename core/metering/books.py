"""The books: whether counters, holds, usage rows and attempts say the same, and what to do where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.db import books_dao as dao
from core.db.books_dao import NOBODY, DifferenceRow, OddCall, Totals
from core.db.engine import Database

__all__ = ["CHECKS", "NOBODY", "ODD_ADVICE", "Audit", "Check", "DifferenceRow", "OddCall", "Totals", "advice", "audit"]

LISTED_OF_A_KIND = 50


@dataclass(frozen=True, slots=True)
class Check:
    """One look at the books: a statement, and what an operator does about each kind of difference that it finds."""

    name: str
    """Of the statement, in `core.db.books_dao`."""
    looks_at: str
    advice: Mapping[str, str]
    """By kind: what it means, whether money is affected, the safe repair or whom to ask."""


CHECKS = (
    Check(
        "counters",
        "counters against the sums of their holds",
        {
            "counter_running": (
                "A limit refuses too early or too late by the difference until the period ends; no provider's bill "
                "is touched. Nothing but the functions of metering writes counters: find who else did, then set the "
                "counter to what the holds say, in a transaction that locks the row first."
            ),
            "counter_closed": (
                "The history of a closed period shows another figure than its holds; no limit and no bill is touched "
                "any more. Trust the holds, and set the row of meter_periods to what they say."
            ),
            "open_holds": (
                "Slots for concurrent requests are lost or granted twice; no money is touched. With the workbench "
                "stopped and no hold open, set the counter to what the holds say."
            ),
            "period_missing": (
                "Holds were counted in a period of which no row is left, and those still open can be neither settled "
                "nor expired; what was charged is still in the holds. Restore the row of meter_periods from a "
                "backup, or insert it with the sums of these holds."
            ),
            "meter_missing": (
                "The meter row was deleted, and the next request starts a new one at zero, so that limits grant a "
                "second time; charges are still in the holds. Restore the row from a backup before that request."
            ),
            "reserved_late": (
                "A hold was counted in a period that had ended when it was reserved; the amounts are right, the "
                "period is not. Compare the clocks of the database server's past and present hosts, and report it."
            ),
        },
    ),
    Check(
        "spans",
        "boundaries of running and closed periods",
        {
            "period_span": (
                "A period ends before it starts, so that the next request closes it at once and its limits start "
                "anew; charges are still in the holds. Set its end to the calendar's in the organisation's zone."
            ),
            "period_overlap": (
                "Two periods of one owner overlap, so that a limit may have been granted twice; charges are still in "
                "the holds. Find who changed the boundaries (metering never moves one back), and restore them from a "
                "backup."
            ),
        },
    ),
    Check(
        "calls",
        "holds, their usage rows and attempts; usage rows without a hold",
        {
            "usage_missing": (
                "A call ended and is not in the usage log: Usage and its exports show less than was charged and "
                "billed; the counters are right. Restore the row from a backup; the hold has owner, model, charge "
                "and cost."
            ),
            "usage_unexpected": (
                "The log shows a call that was not made or has not ended; the counters follow the hold and are "
                "right. Compare with the provider's own log before anything is removed."
            ),
            "usage_other": (
                "The log ascribes a call to another owner, request or feature than was charged for it; totals of "
                "people and organisations in Usage are wrong. Trust the hold, and correct the usage row to it."
            ),
            "usage_status": (
                "The log says another outcome than the hold: what was charged is right by the hold alone. Trust the "
                "hold, and correct the status."
            ),
            "usage_charge": (
                "The user was charged what the hold says, and Usage shows another amount. Trust the hold, and "
                "correct the usage row; where an invoice was made from Usage, correct the invoice."
            ),
            "usage_cost": (
                "Hold and usage row give different costs at the provider; the user's charge is not touched. Take the "
                "sum of the attempts, compare it with the provider's invoice, and correct the one that is wrong."
            ),
            "price_missing": (
                "It cannot be shown by which prices this call was computed; the amounts stay as they are. Copy the "
                "price version of the hold."
            ),
            "attempts_cost": (
                "The provider's cost of a call is not the sum of its attempts; the user's charge is not touched. "
                "Compare with the provider's invoice: an attempt was lost or changed after it was written."
            ),
            "attempts_uncalled": (
                "A provider was called under a hold that was never marked in flight: the call may be billed and "
                "nobody was charged. Report it as a defect, with the hold's id."
            ),
            "attempts_other": (
                "An attempt is ascribed to another owner than its hold; costs per organisation are wrong, charges "
                "are not. Trust the hold, and correct the attempt."
            ),
            "unresolved_amount": (
                "An expired hold must cost its bound if its call began, and else nothing: the cost log is wrong by "
                "the difference, the user was charged nothing. Set cost_usd of the hold and of its usage row to the "
                "bound."
            ),
            "own_key_charged": (
                "A call on the holder's own key was charged although its provider bills the holder: give the user "
                "the amount back, and report it as a defect."
            ),
            "charged_too_much": (
                "More was charged than was held, or something was charged for a call that was not settled: give the "
                "user the difference back, and report it as a defect."
            ),
            "hold_too_long": (
                "An open hold ends beyond any call's lifetime: the clock was ahead when it was made. It keeps a slot "
                "and its amount until then, no money is lost; set the clock right, and with the workbench stopped "
                "set its expires_at to now: the next request ends it."
            ),
            "usage_without_hold": (
                "A call is logged under a hold that does not exist: what it was charged is in no counter. Rows of "
                "holds were deleted or only some tables restored: restore them together, from one backup."
            ),
            "call_without_hold": (
                "The log shows a call that no hold covers: it may be billed, and nobody was charged. Compare with the "
                "provider's own log, and report it as a defect."
            ),
            "free_row_costs": (
                "A cached answer or a denial shows a cost, and must have none: nobody was charged, since only holds "
                "are. Set cost_usd and charged_usd of the row to zero."
            ),
        },
    ),
    Check(
        "strays",
        "attempts without a hold, usage rows of one hold",
        {
            "attempt_without_hold": (
                "A provider's bill has a call that no hold knows. Rows of holds were deleted or only some tables "
                "restored: restore them together, from one backup."
            ),
            "usage_twice": (
                "One hold has several usage rows, which the constraints uq_usage_log_hold_id and "
                "fk_usage_log_hold_id_holds make impossible: Usage shows the call too often, counters are right. Keep "
                "the row that agrees with the hold, and add the constraints again."
            ),
        },
    ),
    Check(
        "keys",
        "own keys of providers against the sums of their holds",
        {
            "key_counter": (
                "A key's monthly limit refuses too early or too late by the difference until its month ends; what its "
                "provider bills is not touched. Nothing but the functions of metering writes these figures: find who "
                "else did, then set them to what the holds say, in a transaction that locks the key first."
            ),
            "key_month": (
                "Holds name a later month than their key does, so that its limit counts an older one; what its "
                "provider bills is not touched. Find who moved the month back, and set it and the sums to the holds'."
            ),
        },
    ),
    Check(
        "ledger",
        "wallets, free days and grants that end against their entries",
        {
            "wallet_sum": (
                "A wallet says another amount than its ledger sums up to, so that credits are refused or given that "
                "should not be. Only the ledger's own trigger changes a wallet: find who took it away, and set the "
                "wallet to the sum, with that trigger away for as long."
            ),
            "free_day_sum": (
                "A user's free credits of a day are not what the ledger says; no balance is touched. Set the row of "
                "free_days to the sums of its entries, with its trigger away for as long."
            ),
            "lots_exceed": (
                "Grants that end say more is left of them than the wallet has, or than was not expired: too much "
                "would be taken at their end. Lower remaining of credit_lots to what there is."
            ),
        },
    ),
    Check(
        "credits",
        "holds that credits cover against their entries",
        {
            "hold_credits": (
                "A hold and the ledger differ over what it took aside, what was charged or what is still held; the "
                "wallet follows the ledger. Compare with the attempts' cost, and correct the one that is wrong: the "
                "hold, or the wallet by an adjustment with its reason."
            ),
            "entry_other": (
                "An entry of a hold is another organisation's or user's: someone else paid for the call. Give it back "
                "by an adjustment, and report it as a defect."
            ),
        },
    ),
    Check(
        "guards",
        "constraints that make the rest impossible",
        {
            "guard_missing": (
                "Someone took a constraint or trigger away that keeps the books from going wrong; nothing is lost by "
                "that alone. Put it back as data/migrations has it: what it refuses then is what has to be mended."
            ),
        },
    ),
)
ODD_ADVICE = {
    "unresolved": (
        "The process died or lost the database after the call began. The user was charged nothing; whether the "
        "provider bills it, its invoice or usage page says: look for the model at that time. The amount is the most "
        "it can be."
    ),
    "quarantined": (
        "The provider reported impossible usage, and the amount is our own estimate, which the user was charged. "
        "Compare with the provider's invoice, and report the usage to the provider."
    ),
}
"""What to do about calls whose cost is not certain; they are no differences."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What a look at the books found."""

    at: datetime
    """The moment that was looked at, by the database's clock."""
    differences: list[DifferenceRow]
    """At most LISTED_OF_A_KIND of each kind; each says how many there are of its kind."""
    odd_calls: list[OddCall]
    totals: Totals

    @property
    def balances(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    @property
    def count(self) -> int:
        """How many differences there are, listed or not."""
        return sum({row.kind: row.of_kind for row in self.differences}.values())

    def odd(self, kind: str) -> tuple[int, Decimal]:
        """How many calls are `unresolved` or `quarantined`, and what they cost together at most or by estimate."""
        return next(((call.of_kind, call.total_usd) for call in self.odd_calls if call.kind == kind), (0, Decimal(0)))


def audit(database: Database) -> Audit:
    """Compares everything that is kept twice, in one transaction that sees one moment and blocks nobody."""
    with database.snapshot() as connection:
        now = dao.prepare(connection)
        return Audit(
            at=now,
            differences=[
                row
                for check in CHECKS
                for row in dao.differences(connection, check.name, now=now, most=LISTED_OF_A_KIND)
            ],
            odd_calls=dao.odd_calls(connection, most=LISTED_OF_A_KIND),
            totals=dao.totals(connection, now=now),
        )


def advice(kind: str) -> str:
    """What to do about a kind of difference, in words for an operator."""
    return next(check.advice[kind] for check in CHECKS if kind in check.advice)
