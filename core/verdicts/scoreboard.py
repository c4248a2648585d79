"""The scoreboard: how often verdicts were right, whether their confidence meant anything, and what a right one cost.

BUY is right where the price rose, SELL where it fell, AVOID where the signal did not pay in its own direction; against
the benchmark the same is said of how much more than it the price moved. HOLD claims no direction: it is counted, and
scored neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sqrt
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.accounts.permissions import Action, require
from core.ai.quality import TrackRecord
from core.db import verdict_scores_dao as dao
from core.db.engine import Database
from core.db.verdict_scores_dao import BoardRows
from core.market.panel import Floats
from core.principal import Principal
from core.screener.records import CONFIDENCE_HORIZON, MINIMUM_N, PRIOR_WEIGHT, Z_95, wilson
from core.screener.series import Flags

Horizon = Literal[5, 20]
Against = Literal["price", "benchmark"]
Include = Literal["prospective", "retrospective", "all"]
Group = Literal["model", "prompt_version", "signal_type"]

HORIZONS: tuple[Horizon, ...] = (5, 20)
"""Sessions that a verdict's entry is held."""
BINS = 10
"""Equal ranges of confidence, of which each is one point of the calibration curve."""
FEWEST_IN_BIN = 5
"""A point of fewer verdicts is marked as resting on too few."""
MOST_VERDICTS = 200_000
"""Those on the latest days, that a board is made of."""
QUALITY_HORIZON: Horizon = 20
"""What models are asked to be confident of."""
_RETROSPECTIVE: Mapping[Include, bool | None] = {"prospective": False, "retrospective": True, "all": None}
_NANO = Decimal("0.000000001")

CAVEATS = (
    f"Few: below {MINIMUM_N} verdicts with a known outcome nothing is claimed; the figures are given, and marked.",
    "Overlap: verdicts of neighbouring days, and on different symbols on the same day, share most of their outcome. "
    "They are not independent of each other, and the intervals are narrower than they should be; the number of "
    "separate days says how much there really was to learn from.",
    "Hindsight: a model may know what happened after a day that lies before its training ended. Verdicts that were "
    "given of such days are called retrospective and prove nothing; they are left out unless asked for.",
    "Entries: they are made at the next session's open, before costs and taxes. HOLD claims no direction and is not "
    "scored, so that a model which holds often is judged by few verdicts.",
    "Brier score: its interval is the normal one of a mean of squared errors, which is rough where n is small.",
    f"Horizon: a model is asked how likely it is to be right over {CONFIDENCE_HORIZON} sessions, and the signal's own "
    "confidence is of as many; judged over 5, both are measured by what they did not say.",
    "Cost: that of a right verdict counts what providers bill for all verdicts with a known outcome, HOLD among them, "
    "and for failed calls between the first and the last of these, whoever paid.",
)
"""What a reader must know of the board, in the order in which pages say it."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One point of a calibration curve: verdicts of about the same confidence."""

    low: float
    """Where its range begins; a confidence of 1 is in the last one."""
    high: float
    n: int
    mean_confidence: float
    observed: float
    """The share of them that was right."""
    observed_low: float
    """The Wilson 95 % interval of that share."""
    observed_high: float

    @property
    def is_few(self) -> bool:
        """Whether it rests on too few to be looked at."""
        return self.n < FEWEST_IN_BIN


@dataclass(frozen=True, slots=True)
class Baseline:
    """What another would have come to on the same verdicts; None is not defined."""

    n: int
    hits: int
    hit_rate: float | None
    low: float | None
    high: float | None
    brier: float | None


@dataclass(frozen=True, slots=True)
class BoardRow:
    """What the verdicts of one group, or all, turned out to be worth; None is not defined."""

    name: str
    n: int
    """Verdicts with a known outcome, without HOLD."""
    hits: int
    """Those that were right."""
    hit_rate: float | None
    low: float | None
    """The Wilson 95 % interval of the hit rate."""
    high: float | None
    days: int
    """Separate days on which they were entered."""
    mean_confidence: float | None
    brier: float | None
    """Mean of (confidence − outcome)²: 0 is perfect, 0.25 what a constant confidence of one half comes to."""
    brier_low: float | None
    """The normal 95 % interval of that mean; not defined below two verdicts."""
    brier_high: float | None
    calibration_error: float | None
    """How far confidence and share right are apart, over the bins, by the number in each."""
    bins: tuple[Bin, ...]
    """Those that any verdict is in."""
    call_usd: Decimal
    """What providers bill for the verdicts with a known outcome, HOLD among them."""
    failed_usd: Decimal | None
    """What they bill for calls that brought no verdict; not known by other groups than models."""
    cost_per_correct_usd: Decimal | None
    always_buy: Baseline
    """Always saying BUY, with confidence 1."""
    own_record: Baseline
    """Following every signal, with the confidence of its own record, where it has one."""
    held: int
    """HOLDs, whatever became of the price."""
    unscored: int
    """Other verdicts whose outcome is not known (yet)."""
    generated: int
    """How many of the n are of generated bars, and say nothing of any market."""

    @property
    def is_few(self) -> bool:
        """Whether there are too few to claim anything."""
        return self.n < MINIMUM_N


@dataclass(frozen=True, slots=True)
class Board:
    """What was said and what happened."""

    rows: tuple[BoardRow, ...]
    """By group, those with the most verdicts first."""
    total: BoardRow
    """Of all; its bins are the calibration curve."""
    horizon: Horizon
    against: Against
    include: Include
    group: Group
    days: int | None
    is_cut: bool
    """Whether there are older verdicts than those that were counted."""


class Scoreboard:
    """Reads what verdicts turned out to be worth."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self,
        principal: Principal,
        *,
        horizon: Horizon = 5,
        against: Against = "price",
        include: Include = "prospective",
        group: Group = "model",
        days: int | None = None,
    ) -> Board:
        """The board of the principal's organisation: of all its verdicts, or those given in the last days.

        Raises:
            Forbidden: a token that may not read.
        """
        require(principal, Action.READ)
        age = None if days is None else timedelta(days=days)
        verdicts = self._verdicts(principal.org_id, group, horizon, against, include, age)
        failed = self._failed(principal.org_id, verdicts)
        by_model = failed if group == "model" else None
        rows = [
            _row(
                name,
                verdicts.only(verdicts.names == name),
                None if by_model is None else by_model.get(name, Decimal(0)),
            )
            for name in np.unique(verdicts.names).tolist()
        ]
        return Board(
            rows=tuple(sorted(rows, key=lambda row: (-row.n, row.name))),
            total=_row("all", verdicts, sum(failed.values(), Decimal(0))),
            horizon=horizon,
            against=against,
            include=include,
            group=group,
            days=days,
            is_cut=len(verdicts) == MOST_VERDICTS,
        )

    def quality(self, org_id: UUID) -> Mapping[str, TrackRecord]:
        """The records of an organisation's models that are long enough to go by, for the router.

        They are of real bars and of days that no model could know the outcome of, over `QUALITY_HORIZON` sessions. As a
        signal's own, the share that was right is drawn towards the mean of all, by `PRIOR_WEIGHT` days, and verdicts of
        one day weigh as one.
        """
        verdicts = self._verdicts(org_id, "model", QUALITY_HORIZON, "price", "prospective", None)
        verdicts = verdicts.only(~verdicts.is_generated & verdicts.is_counted)
        if not len(verdicts):
            return {}
        mean = float(verdicts.is_right.mean())
        records = {}
        for name in np.unique(verdicts.names).tolist():
            of_model = verdicts.only(verdicts.names == name)
            n, right, days = len(of_model), int(of_model.is_right.sum()), of_model.days
            if n >= MINIMUM_N:
                drawn = (days * right / n + PRIOR_WEIGHT * mean) / (days + PRIOR_WEIGHT)
                records[name] = TrackRecord(n, right, drawn)
        return records

    def _verdicts(
        self, org_id: UUID, group: Group, horizon: Horizon, against: Against, include: Include, age: timedelta | None
    ) -> _Verdicts:
        with self._database.service() as connection:
            rows = dao.board(
                connection,
                org_id,
                group=group,
                horizon=horizon,
                is_retrospective=_RETROSPECTIVE[include],
                age=age,
                most=MOST_VERDICTS,
            )
        return _Verdicts.of(rows, against)

    def _failed(self, org_id: UUID, verdicts: _Verdicts) -> Mapping[str, Decimal]:
        created = verdicts.created_s[verdicts.is_known]
        if not len(created):
            return {}
        first, last = (datetime.fromtimestamp(float(each), UTC) for each in (created.min(), created.max()))
        with self._database.service() as connection:
            return dao.failed_usd(connection, org_id, first=first, last=last)


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """Verdicts as columns."""

    names: NDArray[np.str_]
    """Of their groups."""
    is_hold: Flags
    is_right: Flags
    """Of those that count."""
    is_known: Flags
    """Whether it is known what became of the price, and of the benchmark where that is asked for."""
    rose: Flags
    """Whether an entry that bought was right."""
    paid: Flags
    """Whether the signal was right, in its own direction."""
    is_generated: Flags
    confidence: Floats
    own_confidence: Floats
    """NaN where the signal has no record."""
    nano_usd: NDArray[np.int64]
    created_s: Floats
    entry_days: Floats
    """NaN where it is not scored."""

    def __len__(self) -> int:
        return len(self.confidence)

    @classmethod
    def of(cls, rows: BoardRows, against: Against) -> _Verdicts:
        move = np.array(rows.move, dtype=np.float64)
        if against == "benchmark":
            move = move - np.array(rows.benchmark, dtype=np.float64)
        said = np.array(rows.verdict, dtype=np.str_)
        rose, fell = move > 0, move < 0
        paid = np.where(np.array(rows.is_bullish, dtype=bool), rose, fell)
        right = {"BUY": rose, "SELL": fell, "AVOID": ~paid}
        return cls(
            names=np.array(rows.name, dtype=np.str_),
            is_hold=said == "HOLD",
            is_right=np.logical_or.reduce([(said == verdict) & is_so for verdict, is_so in right.items()]),
            is_known=~np.isnan(move),
            rose=rose,
            paid=paid,
            is_generated=np.array(rows.is_generated, dtype=bool),
            confidence=np.array(rows.confidence, dtype=np.float64),
            own_confidence=np.array(rows.own_confidence, dtype=np.float64),
            nano_usd=np.array(rows.call_nano_usd, dtype=np.int64),
            created_s=np.array(rows.created_s, dtype=np.float64),
            entry_days=np.array(rows.entry_day, dtype=np.float64),
        )

    def only(self, is_chosen: Flags) -> _Verdicts:
        """Some of them."""
        return _Verdicts(*(getattr(self, name)[is_chosen] for name in self.__slots__))

    @property
    def is_counted(self) -> Flags:
        """Which are right or wrong."""
        return self.is_known & ~self.is_hold

    @property
    def days(self) -> int:
        """Separate days of their entries."""
        return len(np.unique(self.entry_days))


def _row(name: str, verdicts: _Verdicts, failed_usd: Decimal | None) -> BoardRow:
    counted = verdicts.only(verdicts.is_counted)
    n, hits = len(counted), int(counted.is_right.sum())
    low, high = wilson(hits, n) or (None, None)
    bins = _bins(counted.confidence, counted.is_right)
    brier = _brier(counted.confidence, counted.is_right)
    reach = _reach(counted.confidence, counted.is_right)
    call_usd = int(verdicts.nano_usd[verdicts.is_known].sum()) * _NANO
    has_own = ~np.isnan(counted.own_confidence)
    return BoardRow(
        name=name,
        n=n,
        hits=hits,
        hit_rate=hits / n if n else None,
        low=low,
        high=high,
        days=counted.days,
        mean_confidence=float(counted.confidence.mean()) if n else None,
        brier=brier,
        brier_low=None if brier is None or reach is None else max(0.0, brier - reach),
        brier_high=None if brier is None or reach is None else min(1.0, brier + reach),
        calibration_error=sum(each.n * abs(each.mean_confidence - each.observed) for each in bins) / n if n else None,
        bins=bins,
        call_usd=call_usd,
        failed_usd=failed_usd,
        cost_per_correct_usd=_rounded((call_usd + (failed_usd or 0)) / hits) if hits else None,
        always_buy=_baseline(np.ones(n), counted.rose),
        own_record=_baseline(counted.own_confidence[has_own], counted.paid[has_own]),
        held=int(verdicts.is_hold.sum()),
        unscored=int((~verdicts.is_known & ~verdicts.is_hold).sum()),
        generated=int(counted.is_generated.sum()),
    )


def _baseline(confidence: Floats, is_right: Flags) -> Baseline:
    n, hits = len(is_right), int(is_right.sum())
    low, high = wilson(hits, n) or (None, None)
    return Baseline(n, hits, hits / n if n else None, low, high, _brier(confidence, is_right))


def _brier(confidence: Floats, is_right: Flags) -> float | None:
    """Brier (1950), of claims that come true or not."""
    return float(((confidence - is_right) ** 2).mean()) if len(is_right) else None


def _reach(confidence: Floats, is_right: Flags) -> float | None:
    """Half the normal 95 % interval of the Brier score, as of any mean."""
    errors = (confidence - is_right) ** 2
    return Z_95 * float(errors.std(ddof=1)) / sqrt(len(errors)) if len(errors) > 1 else None


def _bins(confidence: Floats, is_right: Flags) -> tuple[Bin, ...]:
    numbers = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return tuple(
        _bin(number, confidence[numbers == number], is_right[numbers == number]) for number in np.unique(numbers)
    )


def _bin(number: int, confidence: Floats, is_right: Flags) -> Bin:
    n, hits = len(is_right), int(is_right.sum())
    interval = wilson(hits, n)
    assert interval is not None
    return Bin(number / BINS, (number + 1) / BINS, n, float(confidence.mean()), hits / n, *interval)


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(_NANO)
