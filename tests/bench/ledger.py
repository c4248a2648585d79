"""Debits of one account by 32 threads: how many a second, while the wallet stays above zero and each sum is exact."""

from __future__ import annotations

from decimal import Decimal

from core.db import credits_dao as dao
from core.db.engine import Database
from core.metering.books import audit
from core.principal import Principal
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.metering import together

THREADS = 32
DEBITS = 6_400
"""In a round, all threads together."""
ROUNDS = 5
AMOUNT = Decimal("0.000252")
COVERED = 500
"""Debits that the wallet covers in the last round, of four times as many that are tried."""
GOAL = Goal("per_second", 1000.0, is_floor=True)


def debits(ground: Ground) -> list[Figure]:
    """Rounds of debits through the pool of the workbench, flushed as shipped; then more than the wallet has."""
    bench, member = ground.workbench, ground.member("Ledger organisation", plan="enterprise")
    each = max(1, ground.repetitions(DEBITS) // THREADS)
    rates, before = [], _differences(bench.database)
    for number in range(ROUNDS):
        bench.credits.grant(member.org_id, AMOUNT * THREADS * each, reason="bench", author=None)
        rate, done = _round(bench.database, member, each, f"round-{number}")
        rates.append(rate)
        if done != THREADS * each or bench.credits.balance(member).balance != 0:
            raise RuntimeError("The wallet does not say what was debited.")
    bench.credits.grant(member.org_id, AMOUNT * COVERED, reason="bench", author=None)
    _rate, done = _round(bench.database, member, 4 * COVERED // THREADS, "more-than-there-is")
    if done != COVERED or bench.credits.balance(member).balance != 0:
        raise RuntimeError(f"{done} debits were made of {COVERED} that were covered.")
    if (after := _differences(bench.database)) != before:
        raise RuntimeError(f"The books differ: {after - before}")
    rates.sort()
    return [
        figure(
            f"debits of one account, {THREADS} threads",
            [1000 * THREADS / rate for rate in rates],
            per_second=rates[ROUNDS // 2],
            goals=(GOAL,),
            note="the median of five rounds; each debit is an entry and a wallet that moved, flushed; ms as each "
            "thread saw them; afterwards the books balance, and of more debits than are covered none is made",
        )
    ]


def _differences(database: Database) -> set[tuple[str, int]]:
    """Kinds and numbers of what does not balance: other measurements settle calls of which no provider was asked."""
    return {(each.kind, each.of_kind) for each in audit(database).differences}


def _round(database: Database, member: Principal, each: int, name: str) -> tuple[float, int]:
    """Debits a second, and how many were made."""
    made = [0] * THREADS

    def repeat(thread: int) -> None:
        for number in range(each):
            with database.heart() as driver:
                key = f"{name}:{member.org_id}:{thread}:{number}"
                made[thread] += dao.debit(driver, member.org_id, AMOUNT, key, user_id=member.user_id)

    seconds = together(THREADS, repeat)
    return THREADS * each / seconds, sum(made)
