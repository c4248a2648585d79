"""The statements of large requests: under the app role a user's own, and under the service role those of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_ADD = text(
    """
    INSERT INTO large_requests (id, org_id, user_id, kind, parameters, total, body_sha256, created_at)
    VALUES (:id, bound_org(), bound_user(), :kind, cast(:parameters AS jsonb), :total, :body_sha256, assay_now())
    ON CONFLICT (id) DO NOTHING RETURNING id
    """
)
_ADD_ITEMS = text(
    """
    INSERT INTO large_request_items (request_id, number, org_id, user_id, input)
    SELECT :id, given.number, bound_org(), bound_user(), given.input
    FROM jsonb_array_elements(cast(:items AS jsonb)) WITH ORDINALITY AS given(input, number)
    """
)
_STATE = """
    SELECT r.id, r.org_id, r.user_id, r.kind, r.parameters, r.total, r.body_sha256, r.created_at, r.ended_at,
        counted.done, counted.failed, counted.waiting, counted.running, counted.cost_usd
    FROM large_requests r, LATERAL (
        SELECT count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'failed') AS failed,
            count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'running') AS running,
            coalesce(sum(cost_usd), 0) AS cost_usd
        FROM large_request_items i WHERE i.request_id = r.id) AS counted
"""
_ITEMS = text(
    """
    SELECT number, input, state, tries, result, cost_usd, error_code, error FROM large_request_items
    WHERE request_id = :id AND number > :after AND (cast(:state AS text) IS NULL OR state = :state)
    ORDER BY number LIMIT :most
    """
)
_AGAIN = text(
    """
    WITH again AS (
        UPDATE large_request_items SET state = 'waiting', error_code = NULL, error = NULL, ended_at = NULL
        WHERE request_id = :id AND state = 'failed' RETURNING request_id),
    open AS (UPDATE large_requests SET ended_at = NULL WHERE id = :id AND EXISTS (SELECT FROM again))
    SELECT count(*) FROM again
    """
)
_CLAIM = text(
    """
    UPDATE large_request_items i SET state = 'running', tries = i.tries + 1
    FROM (SELECT number FROM large_request_items WHERE request_id = :id AND state = 'waiting'
        ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED) AS next
    WHERE i.request_id = :id AND i.number = next.number
    RETURNING i.number, i.input, i.state, i.tries, i.result, i.cost_usd, i.error_code, i.error
    """
)
_END_ITEM = text(
    """
    UPDATE large_request_items SET state = :state, result = cast(:result AS jsonb), cost_usd = :cost_usd,
        error_code = :error_code, error = :error, ended_at = assay_now()
    WHERE request_id = :id AND number = :number AND state <> 'done'
    """
)
_STOP = text(
    """
    UPDATE large_request_items SET state = 'failed', error_code = :error_code, error = :error, ended_at = assay_now()
    WHERE request_id = :id AND state = 'waiting'
    """
)
_END = text(
    """
    UPDATE large_requests SET ended_at = assay_now() WHERE id = :id AND ended_at IS NULL
        AND NOT EXISTS (
            SELECT FROM large_request_items i WHERE i.request_id = :id AND i.state IN ('waiting', 'running'))
    """
)
_LEFT = text(
    """
    SELECT r.id, r.org_id, r.user_id FROM large_requests r
    WHERE r.ended_at IS NULL AND NOT EXISTS (
        SELECT FROM jobs j WHERE j.kind = :kind AND j.org_id = r.org_id AND j.finished_at IS NULL
            AND j.arguments ->> 'request_id' = r.id::text)
    ORDER BY r.created_at LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A large request, and how far it is."""

    id: UUID
    org_id: UUID
    user_id: UUID
    kind: str
    parameters: dict[str, Any]
    total: int
    body_sha256: bytes | None
    created_at: datetime
    ended_at: datetime | None
    done: int
    failed: int
    waiting: int
    running: int
    cost_usd: Decimal
    """What the items that are done were charged."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One item of a large request."""

    number: int
    """From 1, in the order in which they were given."""
    input: Any
    state: str
    tries: int
    result: dict[str, Any] | None
    cost_usd: Decimal
    error_code: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class LeftRow:
    """A request that is not at its end, and that no job is at."""

    id: UUID
    org_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A large request as it is kept."""

    id: UUID
    kind: str
    parameters: Mapping[str, Any]
    items: Sequence[object]
    body_sha256: bytes | None


def add(connection: Connection, wanted: NewRequest) -> bool:
    """Keeps a request of the bound user with its items; False where there is one of that id."""
    values = {
        "id": wanted.id,
        "kind": wanted.kind,
        "parameters": json.dumps(wanted.parameters),
        "total": len(wanted.items),
        "body_sha256": wanted.body_sha256,
    }
    if connection.execute(_ADD, values).scalar() is None:
        return False
    connection.execute(_ADD_ITEMS, {"id": wanted.id, "items": json.dumps(wanted.items)})
    return True


def get(connection: Connection, request_id: UUID) -> RequestRow | None:
    """A request, for the bound user one of theirs; None where there is none of that id."""
    row = connection.execute(text(f"{_STATE} WHERE r.id = :id"), {"id": request_id}).mappings().one_or_none()
    return RequestRow(**row) if row else None


def count(connection: Connection) -> tuple[int, int]:
    """How many requests the bound user has, and how many of them are not at their end."""
    row = connection.execute(
        text("SELECT count(*) AS kept, count(*) FILTER (WHERE ended_at IS NULL) AS open FROM large_requests")
    ).one()
    return row.kept, row.open


def items(
    connection: Connection, request_id: UUID, *, after: int = 0, state: str | None = None, most: int
) -> list[ItemRow]:
    """Items of a request in their order, after a number, all or those of a state."""
    values = {"id": request_id, "after": after, "state": state, "most": most}
    return [ItemRow(**row) for row in connection.execute(_ITEMS, values).mappings()]


def again(connection: Connection, request_id: UUID) -> int:
    """Lets the items wait again that failed; how many these are."""
    number: int = connection.execute(_AGAIN, {"id": request_id}).scalar_one()
    return number


def delete(connection: Connection, request_id: UUID) -> bool:
    """Forgets a request with its items; False where there is none of that id."""
    statement = text("DELETE FROM large_requests WHERE id = :id RETURNING id")
    return connection.execute(statement, {"id": request_id}).scalar() is not None


def hand_back(connection: Connection, request_id: UUID, number: int | None = None) -> None:
    """Lets an item wait again that is not asked about any more; None: all of the request that a run left."""
    connection.execute(
        text(
            "UPDATE large_request_items SET state = 'waiting' WHERE request_id = :id AND state = 'running' "
            "AND coalesce(number = cast(:number AS integer), true)"
        ),
        {"id": request_id, "number": number},
    )


def claim(connection: Connection, request_id: UUID) -> ItemRow | None:
    """The next item that waits, which nobody else is given; None where there is none."""
    row = connection.execute(_CLAIM, {"id": request_id}).mappings().one_or_none()
    return ItemRow(**row) if row else None


def finish(connection: Connection, request_id: UUID, number: int, result: Mapping[str, Any], cost_usd: Decimal) -> None:
    """Keeps what came of an item; one that is done stays as it is."""
    values = {"state": "done", "result": json.dumps(result), "cost_usd": cost_usd, "error_code": None, "error": None}
    connection.execute(_END_ITEM, {"id": request_id, "number": number, **values})


def fail(connection: Connection, request_id: UUID, number: int, code: str, error: str) -> None:
    """Keeps why an item failed; one that is done stays so."""
    values = {"state": "failed", "result": None, "cost_usd": Decimal(0), "error_code": code, "error": error}
    connection.execute(_END_ITEM, {"id": request_id, "number": number, **values})


def stop(connection: Connection, request_id: UUID, code: str, error: str) -> None:
    """Fails all items that wait, for one reason."""
    connection.execute(_STOP, {"id": request_id, "error_code": code, "error": error})


def end(connection: Connection, request_id: UUID) -> None:
    """Takes note that a request is at its end, where nothing of it waits or runs."""
    connection.execute(_END, {"id": request_id})


def left(connection: Connection, kind: str, *, most: int) -> list[LeftRow]:
    """Requests that are not at their end, and that no job of this kind is at."""
    return [LeftRow(**row) for row in connection.execute(_LEFT, {"kind": kind, "most": most}).mappings()]


def forget(connection: Connection, age: timedelta) -> None:
    """Deletes requests that ended so long ago."""
    connection.execute(text("DELETE FROM large_requests WHERE ended_at < assay_now() - :age"), {"age": age})
