"""What looks like abuse, each with the lines that show it: found to be looked at by a person, who alone decides.

Unusual volume is told by robust figures: how many times 1.4826 x MAD (the median of the distances from the median; so
scaled it is the standard deviation of a normal distribution) a day lies above the median of the user's own days before
it, and above the median of all who asked on that day on the same plan. All days are of UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import groupby
from statistics import median
from typing import TypeVar
from uuid import UUID

from core.accounts.permissions import Action, require
from core.admin import changes
from core.admin.reach import reach_of
from core.db import abuse_dao as dao
from core.db.abuse_dao import VolumeRow
from core.db.engine import Database
from core.errors import InvalidRequest
from core.principal import Principal

SPANS = (1, 7, 30)
"""Days of UTC that can be looked at: today, as far as it has come, and those before it."""
OWN_DAYS = 28
"""Days before a day that is looked at."""
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
LEAST_REFUSALS = 20
"""On a day."""
LEAST_ADDRESSES = 5
LEAST_PROGRAMS = 4
LEAST_INJECTIONS = 3
"""In the days that are looked at."""
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

    at: date
    """A moment (`datetime`), or a whole day of UTC."""
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

    def findings(self, principal: Principal, *, everything: bool, days: int = SPANS[0]) -> list[Finding]:
        """All that is found in the principal's organisation, or everywhere, at most MAX_FINDINGS of a kind.

        Raises:
            Forbidden: nobody who oversees that.
            InvalidRequest: not one of `SPANS`.
        """
        org_id = reach_of(principal, everything=everything)
        if days not in SPANS:
            raise InvalidRequest(f"Abuse is looked for in {', '.join(map(str, SPANS))} days.")
        with self._database.snapshot() as connection:
            today = dao.today(connection)
            first = today - timedelta(days=days - 1)
            since = datetime(first.year, first.month, first.day, tzinfo=UTC)
            volumes = dao.volumes(connection, first - timedelta(days=OWN_DAYS), first, today, most=MAX_MEMBERS)
            refused = dao.refusals(connection, org_id, since, least=LEAST_REFUSALS, most=MAX_FINDINGS * 5)
            tokens = dao.shared_tokens(
                connection,
                org_id,
                first,
                addresses=LEAST_ADDRESSES,
                agents=LEAST_PROGRAMS,
                most=MAX_FINDINGS * days,
            )
            injections = dao.injections(
                connection,
                org_id,
                since,
                guards=INJECTION_GUARDS,
                least=LEAST_INJECTIONS,
                lines=MAX_LINES,
                most=MAX_FINDINGS * MAX_LINES,
            )
        unusual = [each for each in unusual_volumes(volumes, first) if org_id in (None, each.org_id)]
        words = "today" if days == 1 else f"in {days} days"
        return [
            *unusual[:MAX_FINDINGS],
            *_by_user(refused, partial(_refusals, words=words)),
            *_tokens(tokens),
            *_by_user(injections, partial(_injections, words=words)),
        ]

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


def unusual_volumes(rows: Sequence[VolumeRow], first: date) -> list[Finding]:
    """Members whose requests of a day since `first` are far above both medians that can be told, on the day with the
    most of them; the most requests first.

    A median can be told from LEAST_OWN_DAYS days, or LEAST_PEERS others, on; with neither nobody is unusual.
    """
    asked: dict[date, list[tuple[VolumeRow, int]]] = {}
    for row in rows:
        for day, count in zip(row.days, row.counts, strict=True):
            if day >= first:
                asked.setdefault(day, []).append((row, count))
    found: dict[tuple[UUID, UUID], Finding] = {}
    for day in sorted(asked):
        for each in _unusual_on(day, asked[day]):
            before = found.get((each.org_id, each.user_id))
            if before is None or before.count <= each.count:
                found[each.org_id, each.user_id] = each
    return sorted(found.values(), key=lambda each: (-each.count, each.user_id, each.org_id))


def _unusual_on(day: date, asked: Sequence[tuple[VolumeRow, int]]) -> Iterable[Finding]:
    peers: dict[str, list[int]] = {}
    for row, count in asked:
        peers.setdefault(row.plan, []).append(count)
    of_plan = {plan: deviation_of(counts) for plan, counts in peers.items()}
    found = (_unusual(row, day, count, of_plan[row.plan]) for row, count in asked if count >= LEAST_REQUESTS)
    return (each for each in found if each)


def deviation_of(figures: Sequence[float]) -> Deviation:
    """Median and robust spread of some figures, of which there is at least one."""
    middle = median(figures)
    mad = median(abs(figure - middle) for figure in figures)
    return Deviation(middle, max(MAD_SCALE * mad, LEAST_SPREAD * middle, 1.0), len(figures))


def _unusual(row: VolumeRow, day: date, count: int, peers: Deviation) -> Finding | None:
    before = [
        (each, figure)
        for each, figure in zip(row.days, row.counts, strict=True)
        if day - timedelta(days=OWN_DAYS) <= each < day
    ]
    said: list[tuple[float, str]] = []
    if len(before) >= LEAST_OWN_DAYS:
        past = deviation_of([figure for _, figure in before])
        said.append((past.of(count), f"own median {past.median:g} a day (n = {past.n} days with requests)"))
    if peers.n > LEAST_PEERS:
        words = f"median of the plan {row.plan} that day {peers.median:g} (n = {peers.n} users)"
        said.append((peers.of(count), words))
    if not said or min(score for score, _ in said) < UNUSUAL:
        return None
    figures = "; ".join(f"{words}, {score:.1f} robust deviations above" for score, words in said)
    lines = [*before, (day, count)][: -MAX_LINES - 1 : -1]
    return Finding(
        kind=Kind.VOLUME,
        org_id=row.org_id,
        org_name=row.org_name,
        user_id=row.user_id,
        email=row.email,
        count=count,
        words=f"{count:,} requests on {day:%d %B}: {figures}.",
        evidence=[Evidence(each, f"{figure:,} requests") for each, figure in lines],
    )


def _by_user(rows: Sequence[_Row], tell: Callable[[Sequence[_Row]], _Told]) -> list[Finding]:
    """A finding of each user's rows, which come together, with the most of them first."""
    found = []
    for _, group in groupby(rows, key=lambda row: (row.user_id, row.org_id)):
        lines = [*group]
        first, told = lines[0], tell(lines)
        found.append(
            Finding(
                kind=told.kind,
                org_id=first.org_id,
                org_name=first.org_name,
                user_id=first.user_id,
                email=first.email,
                count=first.of_user,
                words=told.words,
                evidence=told.evidence[:MAX_LINES],
            )
        )
    return found[:MAX_FINDINGS]


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said of a user's rows."""

    kind: Kind
    words: str
    evidence: Sequence[Evidence]


_Row = TypeVar("_Row", bound=dao.RefusedRow | dao.InjectionRow)


def _refusals(lines: Sequence[dao.RefusedRow], words: str) -> _Told:
    return _Told(
        Kind.REFUSALS,
        f"{_counted(lines[0].of_user, 'refusal')} {words}, on days with {LEAST_REFUSALS} or more.",
        [
            Evidence(line.last_at, f"{line.count:,} times {line.error_code.replace('_', ' ')}, the last then")
            for line in lines
        ],
    )


def _injections(lines: Sequence[dao.InjectionRow], words: str) -> _Told:
    return _Told(
        Kind.INJECTION,
        f"{_counted(lines[0].of_user, 'attempt')} to turn a model from its task {words}.",
        [Evidence(line.at, _injection_words(line)) for line in lines],
    )


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
                evidence=[Evidence(row.day, _token_words(row)) for row in days[:MAX_LINES]],
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


def _injection_words(row: dao.InjectionRow) -> str:
    score = "" if row.score is None else f", score {row.score:.2f}"
    return f"{row.guard} {row.action}: {row.detail}{score}"


def _counted(count: int, what: str, plural: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else plural}"
