"""The statements of research bundles: whoever sees a portfolio sees its parts, and one at a time makes each."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

_HEADS = text(
    """
    SELECT part, key, claim, state, symbols, author, begun_at, expires_at FROM research_parts
    WHERE portfolio_id = :portfolio_id AND as_of = :as_of AND expires_at > assay_now()
    ORDER BY begun_at DESC
    """
)
_CONTENT = text(
    """
    SELECT content FROM research_parts
    WHERE portfolio_id = :portfolio_id AND part = :part AND key = :key AND claim = :claim
    """
)
_CLAIM = text(
    """
    INSERT INTO research_parts
        (portfolio_id, org_id, part, key, claim, state, as_of, symbols, content, author, begun_at, expires_at)
    VALUES (:portfolio_id, bound_org(), :part, :key, :claim, 'making', :as_of, :symbols, '{}', :author, assay_now(),
        assay_now() + make_interval(secs => :seconds))
    ON CONFLICT (portfolio_id, part, key) DO UPDATE SET claim = excluded.claim, state = 'making',
        content = '{}', author = excluded.author, begun_at = excluded.begun_at, expires_at = excluded.expires_at
        WHERE research_parts.state = 'failed' OR research_parts.expires_at <= assay_now()
    RETURNING part
    """
)
_OTHERS = text(
    """
    SELECT DISTINCT part FROM research_parts
    WHERE portfolio_id = :portfolio_id AND as_of = :as_of AND state = 'making' AND expires_at > assay_now()
    """
)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_RENEW = text(
    """
    UPDATE research_parts SET expires_at = assay_now() + make_interval(secs => :seconds)
    WHERE portfolio_id = :portfolio_id AND part = :part AND claim = :claim AND state = 'making'
        AND expires_at > assay_now()
    RETURNING part
    """
)
_FINISH = text(
    """
    UPDATE research_parts SET state = :state, content = CAST(:content AS jsonb),
        expires_at = assay_now() + make_interval(secs => :seconds)
    WHERE portfolio_id = :portfolio_id AND part = :part AND claim = :claim AND state = 'making'
    RETURNING part
    """
)
_FORGET = text(
    """
    DELETE FROM research_parts WHERE (portfolio_id, part, key) IN
        (SELECT portfolio_id, part, key FROM research_parts
         WHERE expires_at <= assay_now() - make_interval(secs => :after_s) ORDER BY expires_at LIMIT :most)
    """
)
_AGREED = text("SELECT agreed_at FROM research_choices WHERE org_id = bound_org() AND user_id = bound_user()")
_AGREE = text(
    """
    INSERT INTO research_choices (org_id, user_id, agreed_at) VALUES (bound_org(), bound_user(), assay_now())
    ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part without its content."""

    part: str
    key: bytes
    claim: UUID
    state: str
    symbols: Sequence[str]
    author: str
    begun_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose turn it is to make parts of a portfolio's bundle."""

    portfolio_id: UUID
    id: UUID


def heads(connection: Connection, portfolio_id: UUID, as_of: date) -> list[PartRow]:
    """The parts of a day that are fresh, failed lately, or being made; the newest first."""
    found = connection.execute(_HEADS, {"portfolio_id": portfolio_id, "as_of": as_of})
    return [PartRow(**{**row, "key": bytes(row["key"])}) for row in found.mappings()]


def content(connection: Connection, portfolio_id: UUID, row: PartRow) -> Mapping[str, Any] | None:
    """What a part holds; None where it was made anew meanwhile, or is gone."""
    values = {"portfolio_id": portfolio_id, "part": row.part, "key": row.key, "claim": row.claim}
    found = connection.execute(_CONTENT, values).scalar_one_or_none()
    return None if found is None else dict(found)


def claim(
    connection: Connection,
    wanted: Claim,
    parts: Collection[str],
    *,
    key: bytes,
    as_of: date,
    symbols: Sequence[str],
    author: str,
    seconds: float,
) -> set[str]:
    """Takes on the making of parts, as far as nobody is at it and they are not there; says which.

    Whoever claims parts of the same portfolio waits for the other, so that no part is made twice at once, whatever
    its holdings. Nothing is claimed where the portfolio is gone meanwhile, or the principal sees it no more.
    """
    values = {"portfolio_id": wanted.portfolio_id, "as_of": as_of}
    connection.execute(_LOCK, {"name": f"research {wanted.portfolio_id}"})
    under_way = set(connection.execute(_OTHERS, values).scalars())
    taken: set[str] = set()
    try:
        with connection.begin_nested():
            for part in sorted({*parts} - under_way):
                more = {"key": key, "symbols": list(symbols), "author": author, "seconds": seconds}
                found = connection.execute(_CLAIM, {**values, **more, "part": part, "claim": wanted.id})
                taken |= {*found.scalars()}
    except DBAPIError as error:
        if isinstance(error.orig, InsufficientPrivilege | ForeignKeyViolation):
            return set()
        raise
    return taken


def renew(connection: Connection, held: Claim, part: str, *, seconds: float) -> bool:
    """Holds a claim for longer; False where it ended, or the portfolio is gone."""
    values = {"portfolio_id": held.portfolio_id, "part": part, "claim": held.id, "seconds": seconds}
    return connection.execute(_RENEW, values).scalar_one_or_none() is not None


def finish(
    connection: Connection, held: Claim, part: str, *, state: str, content: Mapping[str, Any], seconds: float
) -> bool:
    """Writes what came of a part, to be kept for so long; False where the claim is another's, or the portfolio gone."""
    values = {"portfolio_id": held.portfolio_id, "part": part, "claim": held.id}
    written = json.dumps(content, allow_nan=False)
    found = connection.execute(_FINISH, {**values, "state": state, "content": written, "seconds": seconds})
    return found.scalar_one_or_none() is not None


def forget(connection: Connection, *, after_s: float, most: int) -> int:
    """Deletes parts of every organisation that expired so long ago, under the service role; says how many."""
    return int(connection.execute(_FORGET, {"after_s": after_s, "most": most}).rowcount)


def agreed_at(connection: Connection) -> datetime | None:
    """When the principal agreed to what opening research uses; None: they did not."""
    found: datetime | None = connection.execute(_AGREED).scalar_one_or_none()
    return found


def agree(connection: Connection) -> None:
    """Takes down that the principal agreed; harmless where they did."""
    connection.execute(_AGREE)
