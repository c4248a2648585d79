"""What looks like abuse, each with the lines that show it: found to be looked at by a person, who alone decides.

Unusual volume is told by robust figures: how many times 1.4826 x MAD (the median of the distances from the median; so
scaled it is the standard deviation of a normal distribution) a day lies above the median of the user's own days before
it, and above the median of all who asked on that day on the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from statistics import median
from uuid import UUID

from core.accounts.permissions import Action, require
from core.admin import changes
from core.admin.reach import reach_of
from core.db import abuse_dao as dao
from core.db.abuse_dao import VolumeRow
from core.db.engine import Database
from core.db.oversight_people_dao import now
from core.principal import Principal

OWN_DAYS = 28
"""Days before the day that is looked at."""
LEAST_OWN_DAYS = 7
"""Days with a request, of those, from which on a user's own past is told."""
LEAST_PEERS = 5
"""Others of the same plan on the same day, from which on they are compared with."""
LEAST_REQUESTS = 30
"""A day with fewer is never unusual."""
UNUSUAL = 6.0
"""So many robust deviations above the median are."""
MAD_SCALE = 1.4826
LEAST_SPREAD = 0.1
"""The deviation counts as at least this share of the median, and as one request: who always asks the same number is not
unusual with one more."""
REFUSED_HOURS = 24
LEAST_REFUSALS = 20
TOKEN_DAYS = 7
LEAST_ADDRESSES = 5
LEAST_PROGRAMS = 4
INJECTION_DAYS = 7
LEAST_INJECTIONS = 3
INJECTION_GUARDS = ("injection", "canary")
MAX_FINDINGS = 100
MAX_LINES = 10
"""Lines of evidence of one finding."""
MAX_MEMBERS = 50_000
"""Members whose volumes are compared."""


class Kind(StrEnum):
    """What was found."""

    VOLUME = "volume"
    REFUSALS = "refusals"
    SHARED_TOKEN = "shared_token"  # noqa: S105 (a name, no secret)
    INJECTION = "injection"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line that shows it."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like abuse, by one user."""

    kind: Kind
    org_id: UUID
    org_name: str
    user_id: UUID
    email: str
    count: int
    """How much of it; findings of a kind are told with the largest first."""
    words: str
    """What was found, with its figures and n."""
    evidence: Sequence[Evidence]
    token_id: UUID | None = None
    """The token that can be revoked."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a figure lies above a median."""

    median: float
    spread: float
    """1.4826 x MAD, or the least that counts."""
    n: int

    def of(self, figure: float) -> float:
        """In robust deviations."""
        return (figure - self.median) / self.spread


class Abuse:
    """Looks for abuse, and ends tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def findings(self, principal: Principal, *, everything: bool) -> list[Finding]:
        """All that is found in the principal's organisation, or everywhere, at most MAX_FINDINGS of a kind.

        Raises:
            Forbidden: nobody who oversees that.
        """
        org_id = reach_of(principal, everything=everything)
        with self._database.snapshot() as connection:
            at, day = now(connection), dao.today(connection)
            volumes = dao.volumes(connection, day - timedelta(days=OWN_DAYS), day, most=MAX_MEMBERS)
            refused = dao.refusals(
                connection, org_id, at - timedelta(hours=REFUSED_HOURS), least=LEAST_REFUSALS, most=MAX_FINDINGS * 5
            )
            tokens = dao.shared_tokens(
                connection,
                org_id,
                day - timedelta(days=TOKEN_DAYS - 1),
                addresses=LEAST_ADDRESSES,
                agents=LEAST_PROGRAMS,
                most=MAX_FINDINGS * TOKEN_DAYS,
            )
            injections = dao.injections(
                connection,
                org_id,
                at - timedelta(days=INJECTION_DAYS),
                guards=INJECTION_GUARDS,
                least=LEAST_INJECTIONS,
                lines=MAX_LINES,
                most=MAX_FINDINGS * MAX_LINES,
            )
        unusual = [each for each in unusual_volumes(volumes, day) if org_id in (None, each.org_id)]
        return [*unusual[:MAX_FINDINGS], *_refusals(refused), *_tokens(tokens), *_injections(injections)]

    def revoke_token(self, principal: Principal, token_id: UUID, *, everything: bool) -> None:
        """Ends a token, of the principal's organisation or, as an operator, of any.

        Raises:
            Forbidden: not a manager, or not an operator.
            NotFound: there is no such valid token.
        """
        org_id = reach_of(principal, everything=everything)
        if not principal.is_operator:
            require(principal, Action.MANAGE_MEMBERS)
        with self._database.service() as connection:
            changes.revoke_token(connection, principal, token_id, org_id)


def unusual_volumes(rows: Sequence[VolumeRow], day: date) -> list[Finding]:
    """Members whose requests of the day are far above both medians that can be told, the most requests first.

    A median can be told from LEAST_OWN_DAYS days, or LEAST_PEERS others, on; with neither nobody is unusual.
    """
    of_day = {(row.org_id, row.user_id): row.counts[row.days.index(day)] for row in rows}
    peers: dict[str, list[int]] = {}
    for row in rows:
        peers.setdefault(row.plan, []).append(of_day[row.org_id, row.user_id])
    of_plan = {plan: deviation_of(counts) for plan, counts in peers.items()}
    found = [_unusual(row, day, of_day[row.org_id, row.user_id], of_plan) for row in rows]
    return sorted((each for each in found if each), key=lambda each: (-each.count, each.user_id, each.org_id))


def deviation_of(figures: Sequence[float]) -> Deviation:
    """Median and robust spread of some figures, of which there is at least one."""
    middle = median(figures)
    mad = median(abs(figure - middle) for figure in figures)
    return Deviation(middle, max(MAD_SCALE * mad, LEAST_SPREAD * middle, 1.0), len(figures))


def _unusual(row: VolumeRow, day: date, count: int, of_plan: Mapping[str, Deviation]) -> Finding | None:
    own = [figure for each, figure in zip(row.days, row.counts, strict=True) if each != day]
    peers = of_plan[row.plan]
    said: list[tuple[float, str]] = []
    if len(own) >= LEAST_OWN_DAYS:
        past = deviation_of(own)
        said.append((past.of(count), f"own median {past.median:g} a day (n = {past.n} days with requests)"))
    if peers.n > LEAST_PEERS:
        words = f"median of the plan {row.plan} that day {peers.median:g} (n = {peers.n} users)"
        said.append((peers.of(count), words))
    if count < LEAST_REQUESTS or not said or min(score for score, _ in said) < UNUSUAL:
        return None
    figures = "; ".join(f"{words}, {score:.1f} robust deviations above" for score, words in said)
    lines = sorted(zip(row.days, row.counts, strict=True), reverse=True)[:MAX_LINES]
    return Finding(
        kind=Kind.VOLUME,
        org_id=row.org_id,
        org_name=row.org_name,
        user_id=row.user_id,
        email=row.email,
        count=count,
        words=f"{count:,} requests on {day:%d %B}: {figures}.",
        evidence=[Evidence(_midnight(each), f"{figure:,} requests") for each, figure in lines],
    )


def _refusals(rows: Sequence[dao.RefusedRow]) -> list[Finding]:
    found = []
    for _, group in groupby(rows, key=lambda row: (row.user_id, row.org_id)):
        lines = [*group]
        first = lines[0]
        found.append(
            Finding(
                kind=Kind.REFUSALS,
                org_id=first.org_id,
                org_name=first.org_name,
                user_id=first.user_id,
                email=first.email,
                count=first.of_user,
                words=f"{first.of_user:,} refusals in {REFUSED_HOURS} hours.",
                evidence=[
                    Evidence(line.last_at, f"{line.count:,} times {line.error_code.replace('_', ' ')}, the last then")
                    for line in lines[:MAX_LINES]
                ],
            )
        )
    return found[:MAX_FINDINGS]


def _tokens(rows: Sequence[dao.SharedRow]) -> list[Finding]:
    by_token: dict[UUID, list[dao.SharedRow]] = {}
    for row in rows:
        by_token.setdefault(row.token_id, []).append(row)
    found = []
    for token_id, days in by_token.items():
        worst = max(days, key=lambda row: (row.addresses, row.agents, row.day))
        found.append(
            Finding(
                kind=Kind.SHARED_TOKEN,
                org_id=worst.org_id,
                org_name=worst.org_name,
                user_id=worst.user_id,
                email=worst.email,
                count=worst.addresses,
                words=f"The token “{worst.token_name}” was used from {_counted(worst.addresses, 'address', 'es')} by "
                f"{_counted(worst.agents, 'program')} on {worst.day:%d %B}.",
                evidence=[Evidence(row.last_at, _token_words(row)) for row in days[:MAX_LINES]],
                token_id=token_id,
            )
        )
    return sorted(found, key=lambda each: (-each.count, each.user_id))[:MAX_FINDINGS]


def _token_words(row: dao.SharedRow) -> str:
    programs = ", ".join(program or "without a name" for program in row.programs)
    return (
        f"{_counted(row.addresses, 'address', 'es')}, {_counted(row.agents, 'program')} ({programs}), "
        f"{_counted(row.minutes, 'minute')} in use"
    )


def _injections(rows: Sequence[dao.InjectionRow]) -> list[Finding]:
    found = []
    for _, group in groupby(rows, key=lambda row: (row.user_id, row.org_id)):
        lines = [*group]
        first = lines[0]
        found.append(
            Finding(
                kind=Kind.INJECTION,
                org_id=first.org_id,
                org_name=first.org_name,
                user_id=first.user_id,
                email=first.email,
                count=first.of_user,
                words=f"{_counted(first.of_user, 'attempt')} to turn a model from its task in {INJECTION_DAYS} days.",
                evidence=[Evidence(line.at, _injection_words(line)) for line in lines[:MAX_LINES]],
            )
        )
    return found[:MAX_FINDINGS]


def _injection_words(row: dao.InjectionRow) -> str:
    score = "" if row.score is None else f", score {row.score:.2f}"
    return f"{row.guard} {row.action}: {row.detail}{score}"


def _counted(count: int, what: str, plural: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else plural}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
