"""Where money and time went: by feature and model, by kind of question, and what the month will come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from core.db import rollups_dao, usage_dao
from core.db.engine import Database
from core.db.usage_dao import Reach, SpendRow
from core.metering.forecast import LOOK_BACK_DAYS, Forecast, forecast
from core.metering.usage import ONE_DAY, Span, Usage
from core.metering.usage_log import UsageLog
from core.principal import Principal

MAX_ROWS = 200
MAX_PROMPTS = 1_000
MAX_READ_PROMPTS = 100_000
"""Requests of which kinds are counted, the newest."""


@dataclass(frozen=True, slots=True)
class TopPrompts:
    """What was asked most, by kind; texts are never read."""

    intents: Mapping[str, int]
    """What the router took questions for, the most frequent first."""
    templates: Mapping[str, int]
    """The last eight digits of a template's id, and how often a question was made of it."""
    is_cut: bool = False
    """Whether only the newest MAX_READ_PROMPTS requests were counted."""


class Spending:
    """Reads usage as the principal may see it."""

    def __init__(self, database: Database, usage: Usage, log: UsageLog) -> None:
        self._database = database
        self._usage = usage
        self._log = log

    def span(self, principal: Principal, first: date, last: date) -> Span:
        """Days in the principal's zone, both included."""
        zone = ZoneInfo(principal.zone)
        starts_at, ends_at = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, last + ONE_DAY))
        return Span(starts_at, ends_at, principal.zone)

    def by_feature(self, principal: Principal, span: Span, *, whole_organisation: bool = False) -> list[SpendRow]:
        """Charges, cost and time of answers by feature and model, the dearest first; of all read from rollups."""
        self._log.flush()
        reach = _reach(principal, span, whole_organisation)
        if reach.user_id is None:
            return self._spend_of_all(reach)
        with self._database.app(principal) as connection:
            return usage_dao.spend(connection, reach, most=MAX_ROWS)

    def _spend_of_all(self, reach: Reach) -> list[SpendRow]:
        span = rollups_dao.Span(reach.starts_at, reach.ends_at, reach.org_id)
        with self._database.snapshot() as transaction:
            found = rollups_dao.sums(transaction, span, ("feature", "model"))
        rows = [
            SpendRow(
                feature=row.keys[0] or None,
                model=row.keys[1],
                requests=row.requests - row.denied,
                charged_usd=row.charged_usd,
                cost_usd=row.cost_usd,
                credits=row.credits,
                answered=row.answered,
                latency_ms=row.latency_ms,
            )
            for row in found
            if row.requests > row.denied
        ]
        return sorted(rows, key=_dearest_first)[:MAX_ROWS]

    def top_prompts(
        self, principal: Principal, span: Span, *, whole_organisation: bool = False, most: int = 10
    ) -> TopPrompts:
        """The kinds of questions that were asked most, at most so many of each sort; of very many the newest count."""
        self._log.flush()
        with self._database.app(principal) as connection:
            rows = usage_dao.prompts(
                connection,
                _reach(principal, span, whole_organisation),
                newest=MAX_READ_PROMPTS,
                most=MAX_PROMPTS,
            )
        intents, templates = Counter[str](), Counter[str]()
        for row in rows:
            if row.intent is not None:
                intents[row.intent] += row.requests
            if row.template is not None:
                templates[row.template] += row.requests
        is_cut = sum(row.requests for row in rows) >= MAX_READ_PROMPTS
        return TopPrompts(dict(intents.most_common(most)), dict(templates.most_common(most)), is_cut)

    def forecast(self, principal: Principal, now: datetime, *, whole_organisation: bool = False) -> Forecast | None:
        """What this month of the principal's zone will come to; None with fewer full days than it takes."""
        local = now.astimezone(ZoneInfo(principal.zone))
        today = local.date()
        first = min(today.replace(day=1), today - timedelta(days=LOOK_BACK_DAYS))
        charges: dict[date, Decimal] = {}
        for row in self._usage.by_day(principal, first, today, whole_organisation=whole_organisation):
            charges[row.day] = charges.get(row.day, Decimal(0)) + row.charged_usd
        seconds = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second).total_seconds()
        return forecast(charges, today, seconds / timedelta(days=1).total_seconds())


def _dearest_first(row: SpendRow) -> tuple[Decimal, int, bool, str, str]:
    return -row.charged_usd, -row.requests, row.feature is None, row.feature or "", row.model


def _reach(principal: Principal, span: Span, whole_organisation: bool) -> Reach:
    is_whole = whole_organisation and principal.role.manages
    return Reach(principal.org_id, None if is_whole else principal.user_id, span.starts_at, span.ends_at)
