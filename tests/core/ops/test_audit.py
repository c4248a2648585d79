"""What a line of the audit log keeps: the changed fields, nobody's name or address, and never a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from core.db.engine import Database
from core.ids import new_id
from core.ops.audit import MAX_LISTED, Audit, AuditAction, AuditEvent, Subject, changed, masked
from core.settings import ROOT
from pages.components import admin_audit

Connection = psycopg.Connection[tuple[object, ...]]


def _event(**values: object) -> AuditEvent:
    given = {"org_id": None, "actor": None, "actor_kind": "system", "action": AuditAction.PLAN_SET}
    return AuditEvent(**{**given, "subject": Subject("organisation", "x"), **values})  # type: ignore[arg-type]


def test_values_are_kept_as_text_that_loses_nothing(database: Database, service: Connection) -> None:
    user = new_id()
    after = {
        "budget": Decimal("12.50"),
        "at": datetime(2026, 11, 22, 14, tzinfo=UTC),
        "user": user,
        "plans": ("team", "free"),
        "is_on": True,
        "roles": {"b", "a"},
        "none": None,
    }
    with database.service() as transaction:
        Audit.record(transaction, _event(after=after))
    row = service.execute("SELECT after FROM audit_events").fetchone()
    assert row is not None
    assert row[0] == {
        "budget": "12.50",
        "at": "2026-11-22T14:00:00+00:00",
        "user": str(user),
        "plans": ["team", "free"],
        "is_on": True,
        "roles": ["a", "b"],
        "none": None,
    }


def test_a_line_goes_with_its_transaction(database: Database, service: Connection) -> None:
    def fail() -> None:
        with database.service() as transaction:
            Audit.record(transaction, _event())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert service.execute("SELECT count(*) FROM audit_events").fetchone() == (0,)


@pytest.mark.parametrize("name", ["password", "new_password", "client_secret", "prompt", "email", "token_hash"])
def test_a_field_that_must_not_be_kept_is_refused(name: str, database: Database) -> None:
    with pytest.raises(ValueError, match=name), database.service() as transaction:
        Audit.record(transaction, _event(after={"rule": {name: "x"}}))


def test_addresses_are_masked_wherever_they_stand(database: Database, service: Connection) -> None:
    with database.service() as transaction:
        Audit.record(
            transaction, _event(after={"said": ["to ann.lee@acme.example"]}, subject=Subject("x", "b@c.example"))
        )
    row = service.execute("SELECT after, subject_id FROM audit_events").fetchone()
    assert row == ({"said": ["to a…@acme.example"]}, "b…@c.example")
    assert masked("nobody") == "nobody"


def test_long_values_are_cut(database: Database, service: Connection) -> None:
    with database.service() as transaction:
        Audit.record(transaction, _event(after={"ids": list(range(MAX_LISTED + 7)), "text": "x" * 1_000}))
    row = service.execute("SELECT after FROM audit_events").fetchone()
    assert row is not None
    kept = row[0]
    assert isinstance(kept, dict)
    assert kept["ids"][-1] == "and 7 more"
    assert len(kept["text"]) == 201


def test_a_network_address_is_kept_as_a_keyed_hash(database: Database, service: Connection) -> None:
    with database.service() as transaction:
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
            Audit.record(transaction, _event(address=address))
        assert Audit.pseudonym(transaction, "Ann@acme.example") == Audit.pseudonym(transaction, "ann@acme.example")
    hashes = [row[0] for row in service.execute("SELECT address_hash FROM audit_events ORDER BY seq").fetchall()]
    assert hashes[0] == hashes[1] != hashes[2]
    assert all(isinstance(found, bytes) and len(found) == 16 for found in hashes)


def test_only_what_differs_is_told() -> None:
    before, after = changed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4})
    assert before == {"b": 2, "c": 3, "d": None}
    assert after == {"b": 5, "c": None, "d": 4}


def test_an_actor_is_known_where_it_is_a_member(database: Database) -> None:
    with pytest.raises(IntegrityError, match="ck_audit_events_actor"), database.service() as transaction:
        Audit.record(transaction, _event(actor_kind="member"))
    with database.service() as transaction:
        Audit.record(transaction, _event(actor_kind="member", actor=UUID(int=1)))


def test_every_action_that_has_a_name_is_recorded_somewhere() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "core").rglob("*.py"))
    assert [action.name for action in AuditAction if f"AuditAction.{action.name}" not in source] == []


def test_every_area_of_actions_has_its_word_on_the_page() -> None:
    assert {action.partition(".")[0] for action in AuditAction} == set(admin_audit.AREAS)
