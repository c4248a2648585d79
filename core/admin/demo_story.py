"""What the demo shows beside its month of usage: **generated**, and each piece says so.

A conversation with what its reader thought, boosts, an alert that is over and what raises the next, a flag and jobs.
What people can do goes through the services that they use, so that it is checked and audited likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from core.admin.alerts.rules import RULES
from core.admin.alerts.service import OversightAlerts
from core.admin.demo_usage import MADE
from core.ai.flags import Flag, Flags
from core.db import demo_dao
from core.db import demo_story_dao as dao
from core.db.demo_story_dao import AnsweredRow
from core.db.engine import Database
from core.ids import new_id
from core.metering.boosts import Boosts
from core.principal import Principal
from core.research.reactions import Reactions, Thumb

COST_OF_A_DAY = Decimal("0.05")
"""Threshold in USD of the demo organisation's alert, so low that a common day reaches it."""
NIGHTS = 4
"""Jobs of nights that went well."""
FAILED_AGO = timedelta(minutes=5)
"""So long before the demo is made the job began that failed."""
_RULE = "cost_day"


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, its answer, and what its reader thought."""

    question: str
    answer: str
    reaction: Thumb
    note: str | None = None


TURNS = (
    Turn(
        "What is a drawdown?",
        "The fall of a portfolio's value from its highest point so far, as a share of that point. It is 0 at each new "
        "high; the deepest one of a window is its maximum drawdown.",
        "up",
    ),
    Turn(
        "And how does it differ from volatility?",
        "Volatility counts moves both ways and forgets their order; a drawdown counts losses alone and depends on it. "
        "Two series of the same volatility can have very different drawdowns.",
        "up",
        "Short, and right.",
    ),
    Turn(
        "Which of the two should a report lead with?",
        "That depends on the report.",
        "down",
        "No answer to the question.",
    ),
)


@dataclass(frozen=True, slots=True)
class DemoPeople:
    """The people of the demo organisation."""

    admin: Principal
    analyst: Principal
    colleague: Principal


@dataclass(frozen=True, slots=True)
class DemoStory:
    """Leaves in the demo organisation what its people did beside asking."""

    database: Database
    boosts: Boosts
    reactions: Reactions
    flags: Flags
    alerts: OversightAlerts

    def leave(self, people: DemoPeople) -> None:
        """All of it, once, over the month of usage."""
        if self.boosts.all(people.admin, most=1):
            return
        self._ask_for_boosts(people)
        self._think_of_answers(people.analyst)
        self._raise_alerts(people.admin)
        self._work(people.admin)
        name = f"demo:figures:{str(people.admin.org_id)[-6:]}"
        words = f"{MADE}: switches nothing."
        self.flags.keep(people.admin, Flag(name, words, org_ids=(people.admin.org_id,), percentage=Decimal(50)))

    def _ask_for_boosts(self, people: DemoPeople) -> None:
        asked = self.boosts.request(
            people.analyst, metric="requests_month", amount=10_000, days=14, reason=f"{MADE}: year-end reports."
        )
        self.boosts.decide(people.admin, asked.id, granted=True, note="For the reports.")
        self.boosts.request(
            people.colleague,
            metric="signal_validations_day",
            amount=1_000,
            days=7,
            reason=f"{MADE}: a week of back tests.",
        )

    def _think_of_answers(self, reader: Principal) -> None:
        with self.database.service() as transaction:
            rows = dao.answered(transaction, reader.org_id, reader.user_id)
            if not rows:
                return
            whose = {"conversation_id": rows[0].conversation_id, "org_id": reader.org_id, "user_id": reader.user_id}
            conversation = {
                **whose,
                "id": whose["conversation_id"],
                "title": f"{MADE}: drawdown and volatility",
                "begun_at": rows[0].asked_at,
                "ended_at": rows[-1].answered_at,
            }
            turns = [{**whose, **message} for message in _messages(rows)]
            dao.add_conversation(transaction, conversation, turns)
        for turn, answer in zip(TURNS, turns[1::2], strict=False):
            self.reactions.react(reader, answer["id"], turn.reaction, turn.note)

    def _raise_alerts(self, admin: Principal) -> None:
        """One that is over; the rule raises the next by itself where today costs as much."""
        self.alerts.set_rule(admin, _RULE, is_on=True, threshold=COST_OF_A_DAY)
        rule = RULES[_RULE]
        with self.database.service() as transaction:
            midnight = _midnight(demo_dao.now(transaction))
            row = dao.dearest_day(transaction, admin.org_id, midnight)
            if row is None or row.cost_usd < COST_OF_A_DAY:
                return
            begun = datetime.combine(row.day, time(), UTC)
            words = {"used": f"{row.cost_usd:.2f}", "calls": f"{row.calls:,}", "limit": f"{COST_OF_A_DAY}"}
            dao.add_alert(
                transaction,
                {
                    "id": new_id(),
                    "rule": rule.name,
                    "level": rule.level,
                    "org_id": admin.org_id,
                    "subject": "cost",
                    "period": f"{row.day:%Y-%m-%d}",
                    "title": f"{rule.title.format(**words)} ({MADE.lower()})",
                    "body": f"{MADE}. {rule.body.format(**words)}",
                    "advice": rule.advice,
                    "value": row.cost_usd,
                    "threshold": COST_OF_A_DAY,
                    "raised_at": begun + timedelta(hours=17),
                    "seen_at": begun + timedelta(hours=23, minutes=59),
                    "cleared_at": begun + timedelta(days=1),
                },
            )

    def _work(self, admin: Principal) -> None:
        """Nights that went well, and a job that has just failed: the rule raises an alert of it, whatever the hour."""
        with self.database.service() as transaction:
            now = demo_dao.now(transaction)
            for back in range(NIGHTS):
                began = _midnight(now) - timedelta(days=back, hours=1)
                job = _job(admin, began, timedelta(seconds=45 + 5 * back))
                dao.add_job(transaction, {**job, "status": "done", "done": 1, "detail": MADE, "error": None})
            failed = {"status": "failed", "done": 0, "detail": None, "error": f"{MADE}: prices did not come in time."}
            dao.add_job(transaction, {**_job(admin, now - FAILED_AGO, timedelta(minutes=1)), **failed})


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)


def _job(admin: Principal, began: datetime, lasted: timedelta) -> dict[str, Any]:
    return {
        "id": new_id(),
        "org_id": admin.org_id,
        "kind": "score_verdicts",
        "key": f"demo/{began:%Y-%m-%d}",
        "began_at": began,
        "ended_at": began + lasted,
    }


def _messages(rows: list[AnsweredRow]) -> Iterator[dict[str, Any]]:
    """Question and answer in turn, as the statements take them."""
    for turn, row in zip(TURNS, rows, strict=False):
        yield {"id": new_id(), "text": turn.question, "asked_at": row.asked_at}
        yield {
            "id": new_id(),
            "text": f"*{MADE}; no model was asked.*\n\n{turn.answer}",
            "request_id": row.request_id,
            "provider": row.provider,
            "model": row.model,
            "prompt_tokens": row.prompt_tokens,
            "completion_tokens": row.completion_tokens,
            "cost_usd": row.cost_usd,
            "answered_at": row.answered_at,
        }
