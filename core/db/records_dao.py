"""The statements of signal records: written by the service, seen by everyone or by the organisation they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_PUT = text(
    """
    INSERT INTO signal_records (id, org_id, universe_id, as_of, formula_version, bars_version, computed_at, figures)
    VALUES (:id, :org_id, :universe_id, :as_of, :formula_version, :bars_version, assay_now(), :figures)
    ON CONFLICT (org_id, universe_id, formula_version, as_of) DO UPDATE SET bars_version = excluded.bars_version,
        computed_at = excluded.computed_at, figures = excluded.figures
    """
)
_LATEST = text(
    """
    SELECT universe_id, as_of, formula_version, bars_version, computed_at, figures FROM signal_records
    WHERE org_id IS NOT DISTINCT FROM CAST(:org_id AS uuid) AND universe_id = :universe_id
        AND formula_version = :formula_version AND as_of <= :as_of
    ORDER BY as_of DESC LIMIT 1
    """
)
_FORGET = text(
    """
    DELETE FROM signal_records WHERE id IN (
        SELECT id FROM signal_records
        WHERE org_id IS NOT DISTINCT FROM CAST(:org_id AS uuid) AND universe_id = :universe_id
        ORDER BY computed_at DESC, as_of DESC OFFSET :most)
    """
)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """What the signals of a universe were worth, as it was known on a day."""

    universe_id: str
    as_of: date
    formula_version: int
    bars_version: str
    computed_at: datetime
    figures: Mapping[str, Any]
    """By signal type, then by horizon."""


def put(
    connection: Connection,
    new_id: UUID,
    *,
    org_id: UUID | None,
    universe_id: str,
    as_of: date,
    formula_version: int,
    bars_version: str,
    figures: Mapping[str, Any],
) -> None:
    """Keeps the figures of a universe as of a day; those that were there of the same day are replaced."""
    given = {
        "id": new_id,
        "org_id": org_id,
        "universe_id": universe_id,
        "as_of": as_of,
        "formula_version": formula_version,
        "bars_version": bars_version,
        "figures": json.dumps(figures, allow_nan=False),
    }
    connection.execute(_PUT, given)


def latest(
    connection: Connection, universe_id: str, as_of: date, *, formula_version: int, org_id: UUID | None
) -> RecordRow | None:
    """The figures of the latest day that is not after `as_of`; None where there are none."""
    given = {"universe_id": universe_id, "as_of": as_of, "formula_version": formula_version, "org_id": org_id}
    row = connection.execute(_LATEST, given).one_or_none()
    return None if row is None else RecordRow(*row)


def forget(connection: Connection, universe_id: str, *, org_id: UUID | None, most: int) -> None:
    """Deletes what was computed first, so that so many days stay."""
    connection.execute(_FORGET, {"universe_id": universe_id, "org_id": org_id, "most": most})
