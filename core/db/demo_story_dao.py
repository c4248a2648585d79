"""The statements of what the demo shows beside usage: an experiment, a conversation, past jobs, verdicts, an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_EXPERIMENT = text(
    """
    INSERT INTO experiments (id, name, kind, task, variant, percentage, plans, org_ids, started_at, ended_at,
            started_by)
        VALUES (:id, :name, 'model', :task, :variant, :percentage, '{}', ARRAY[CAST(:org_id AS uuid)], :started_at,
            :ended_at, :started_by)
    """
)
_ANSWERED = text(
    """
    SELECT l.conversation_id, l.request_id, l.provider, l.model, l.prompt_tokens, l.completion_tokens, l.cost_usd,
        h.created_at AS asked_at, l.at AS answered_at
    FROM usage_log l JOIN holds h ON h.id = l.hold_id
    WHERE l.org_id = :org_id AND l.user_id = :user_id AND l.conversation_id IS NOT NULL ORDER BY l.at
    """
)
_VALIDATED = text(
    """
    SELECT user_id, request_id, provider, model, price_version, prompt_tokens, completion_tokens, cost_usd, charged_usd
    FROM usage_log
    WHERE org_id = :org_id AND channel = 'demo' AND feature = 'signal_validation' AND status = 'success'
        AND hold_id IS NOT NULL
    ORDER BY at LIMIT :most
    """
)
_DATE_VERDICTS = text(
    """
    UPDATE verdicts v SET created_at = l.at FROM usage_log l
    WHERE v.org_id = :org_id AND v.prompt_version = :prompt_version AND l.org_id = v.org_id AND l.channel = 'demo'
        AND l.request_id = v.request_id
    """
)
_CONVERSATION = text(
    """
    INSERT INTO conversations (id, org_id, user_id, title, created_at, updated_at)
        VALUES (:id, :org_id, :user_id, :title, :begun_at, :ended_at)
    """
)
_QUESTION = text(
    """
    INSERT INTO messages (id, conversation_id, org_id, user_id, role, text, state, is_cached, is_offline, is_estimated,
            created_at)
        VALUES (:id, :conversation_id, :org_id, :user_id, 'user', :text, 'complete', false, false, false, :asked_at)
    """
)
_ANSWER = text(
    """
    INSERT INTO messages (id, conversation_id, org_id, user_id, role, text, state, request_id, provider, model,
            is_cached, is_offline, is_estimated, prompt_tokens, completion_tokens, cost_usd, created_at)
        VALUES (:id, :conversation_id, :org_id, :user_id, 'assistant', :text, 'complete', :request_id, :provider,
            :model, false, false, false, :prompt_tokens, :completion_tokens, :cost_usd, :answered_at)
    """
)
_JOB = text(
    """
    INSERT INTO jobs (id, org_id, kind, key, arguments, status, done, failed, detail, error, attempts, is_left_running,
            created_at, updated_at, started_at, finished_at)
        VALUES (:id, :org_id, :kind, :key, '{}', :status, :done, 0, :detail, :error, 1, false, :began_at,
            :ended_at, :began_at, :ended_at)
    """
)
_DEAREST_DAY = text(
    """
    SELECT (at AT TIME ZONE 'UTC')::date AS day, count(*) FILTER (WHERE hold_id IS NOT NULL) AS calls,
        sum(cost_usd) AS cost_usd
    FROM usage_log WHERE org_id = :org_id AND at < :before GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 1
    """
)
_ALERT = text(
    """
    INSERT INTO oversight_alerts (id, rule, level, org_id, subject, period, title, body, advice, value, threshold,
            is_muted, raised_at, told_at, seen_at, cleared_at)
        VALUES (:id, :rule, :level, :org_id, :subject, :period, :title, :body, :advice, :value, :threshold, false,
            :raised_at, :raised_at, :seen_at, :cleared_at)
    """
)


@dataclass(frozen=True, slots=True)
class AnsweredRow:
    """A question of the generated month that was answered; the columns of the statement, in its order."""

    conversation_id: UUID
    request_id: UUID
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    asked_at: datetime
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class ValidatedRow:
    """A validation of the generated month that was answered; the columns of the statement, in its order."""

    user_id: UUID
    request_id: UUID
    provider: str
    model: str
    price_version: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    charged_usd: Decimal


@dataclass(frozen=True, slots=True)
class DayRow:
    """What a UTC day came to."""

    day: date
    calls: int
    cost_usd: Decimal


def add_experiment(transaction: Connection, values: Mapping[str, Any]) -> None:
    """Keeps an experiment of models that is over."""
    transaction.execute(_EXPERIMENT, dict(values))


def answered(transaction: Connection, org_id: UUID, user_id: UUID) -> list[AnsweredRow]:
    """The questions of a member's conversation that were answered, in their order."""
    rows = transaction.execute(_ANSWERED, {"org_id": org_id, "user_id": user_id})
    return [AnsweredRow(*row) for row in rows]


def validated(transaction: Connection, org_id: UUID, *, most: int) -> list[ValidatedRow]:
    """The first validations of an organisation's generated month that were answered."""
    return [ValidatedRow(*row) for row in transaction.execute(_VALIDATED, {"org_id": org_id, "most": most})]


def date_verdicts(transaction: Connection, org_id: UUID, prompt_version: str) -> None:
    """Lets the generated verdicts have been given when their validations were."""
    transaction.execute(_DATE_VERDICTS, {"org_id": org_id, "prompt_version": prompt_version})


def add_conversation(
    transaction: Connection, conversation: Mapping[str, Any], turns: Sequence[Mapping[str, Any]]
) -> None:
    """Keeps a conversation with its questions and answers; `turns` take the statements of both in turn."""
    transaction.execute(_CONVERSATION, dict(conversation))
    for nth, turn in enumerate(turns):
        transaction.execute(_ANSWER if nth % 2 else _QUESTION, dict(turn))


def add_job(transaction: Connection, values: Mapping[str, Any]) -> None:
    """Keeps a job that ended."""
    transaction.execute(_JOB, dict(values))


def dearest_day(transaction: Connection, org_id: UUID, before: datetime) -> DayRow | None:
    """The UTC day before a moment on which an organisation's calls cost most; None: nothing was called."""
    row = transaction.execute(_DEAREST_DAY, {"org_id": org_id, "before": before}).one_or_none()
    return None if row is None else DayRow(*row)


def add_alert(transaction: Connection, values: Mapping[str, Any]) -> None:
    """Keeps an alert that was raised and is over; nobody is told of it."""
    transaction.execute(_ALERT, dict(values))
