"""Erasing a person: no table names them afterwards, what was shared stays, and books and audit log verify."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from core.accounts.erasure import ERASED_DOMAIN
from core.db.erasure_dao import ERASED_NAME
from core.errors import Conflict, Forbidden, NotFound, Unauthenticated
from core.metering.books import audit
from core.ops.audit_seal import Sealing
from core.ops.audit_verify import Verification
from core.principal import Principal, Role
from core.research.templates import TemplateDraft
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.accounts.sign_ins import new_session, new_token
from tests.core.db.test_tenant_boundary import _leave_rows_everywhere
from tests.core.metering.factories import hold_request, record

Service = psycopg.Connection[tuple[object, ...]]
PASSWORD = "correct horse battery"
NAME = "zebulon-quince"


@pytest.fixture
def zeb(member: MakeMember) -> Principal:
    """An analyst of an organisation that Ann owns."""
    return member(NAME, org="Acme", plan="enterprise", role=Role.ANALYST, password=PASSWORD)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """Acme's owner, who runs the installation too."""
    return replace(member("ann", org="Acme", plan="enterprise"), is_operator=True, via="session")


def _named(database_url: str) -> dict[str, int]:
    """By table, how many rows hold the name anywhere, read as a superuser."""
    found: dict[str, int] = {}
    with psycopg.connect(database_url.replace("postgresql+psycopg://", "postgresql://", 1)) as above:
        above.execute("SET search_path = assay")
        tables = above.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'assay'::regnamespace AND relkind = 'r'"
        )
        for (table,) in tables.fetchall():
            query = sql.SQL("SELECT count(*) FROM {} t WHERE strpos(lower(t::text), %s) > 0")
            [(rows,)] = above.execute(query.format(sql.Identifier(str(table))), (NAME,)).fetchall()
            found |= {str(table): rows} if rows else {}
    return found


@pytest.mark.slow
def test_no_table_names_an_erased_person(
    workbench: Workbench, ann: Principal, zeb: Principal, database_url: str, service: Service
) -> None:
    workbench.assistant.ask(zeb, f"I am {NAME}: what is beta?").session.result()
    manager = replace(zeb, role=Role.OWNER)
    _leave_rows_everywhere(workbench, manager)
    new_session(workbench, zeb)
    workbench.profiles.change(replace(zeb, via="session"), {"zone": "Asia/Kolkata"})
    for table, column in (
        *(("portfolios", "made_by"), ("portfolio_transactions", "author"), ("portfolio_imports", "author")),
        *(("portfolio_analyses", "author"), ("research_parts", "author")),
    ):
        service.execute(f"UPDATE {table} SET {column} = %s".encode(), (NAME,))
    service.execute(
        "INSERT INTO stripe_events (id, type, created_at, body, state, received_at, finished_at) VALUES "
        "('evt_1', 'x', assay_now(), %s, 'failed', assay_now(), assay_now())",
        (f'{{"email": "{zeb.email}"}}',),
    )
    before = set(_named(database_url))
    assert {"users", "messages", "invitations", "one_time_links", "openid_identities", "stripe_events"} <= before
    assert {"watchlists", "thesis_versions", "checklist_ticks", "portfolios", "screens"} <= before
    assert {"checklist_templates", "own_universes", "portfolio_transactions", "screen_versions"} <= before

    workbench.admin.erasure.erase(ann, zeb.user_id)

    assert _named(database_url) == {}
    kept = service.execute("SELECT author FROM thesis_versions UNION SELECT made_by FROM watchlists").fetchall()
    assert kept == [(ERASED_NAME,)]
    for table in ("messages", "conversations", "sessions", "openid_identities", "alerts", "notifications"):
        query = sql.SQL("SELECT count(*) FROM {} WHERE user_id = %s").format(sql.Identifier(table))
        assert service.execute(query, (zeb.user_id,)).fetchone() == (0,), table


def test_an_erased_person_is_out_and_a_pseudonym_stays(
    workbench: Workbench, ann: Principal, zeb: Principal, service: Service
) -> None:
    session, token = new_session(workbench, zeb), new_token(workbench, zeb)
    mine = workbench.templates.create(zeb, TemplateDraft("Mine", "What is beta?"))
    service.execute("UPDATE prompt_templates SET sharing = 'private' WHERE id = %s", (mine.id,))
    workbench.assistant.ask(zeb, "What is duration?").session.result()
    workbench.usage_log.flush()

    workbench.admin.erasure.erase(ann, zeb.user_id)

    assert workbench.accounts.principal_of_session(session) is None
    with pytest.raises(Unauthenticated):
        workbench.accounts.principal_of_token(token)
    with pytest.raises(Unauthenticated):
        workbench.accounts.sign_in(zeb.email, PASSWORD, address="192.0.2.1")
    row = service.execute("SELECT email, name, password_hash FROM users WHERE id = %s", (zeb.user_id,)).fetchone()
    assert row == (f"erased-{zeb.user_id.hex[-12:]}@{ERASED_DOMAIN}", ERASED_NAME, None)
    assert service.execute("SELECT count(*) FROM prompt_templates").fetchone() == (0,)
    usage = service.execute("SELECT count(*) FROM usage_log WHERE user_id = %s", (zeb.user_id,)).fetchone()
    assert usage == (1,), "the books keep what was used"
    assert [each.email for each in workbench.members.all(ann)] == [ann.email]
    again = workbench.directory.add_user(zeb.email, org_name="Acme", plan="enterprise", role=Role.VIEWER)
    assert again != zeb.user_id


def test_the_event_tells_who_was_erased_by_id_alone(
    workbench: Workbench, ann: Principal, zeb: Principal, service: Service
) -> None:
    workbench.admin.erasure.erase(ann, zeb.user_id)
    row = service.execute(
        "SELECT org_id, actor, actor_kind, subject_id, after::text FROM audit_events WHERE action = 'user.erased'"
    ).fetchone()
    assert row is not None
    assert row[:4] == (ann.org_id, ann.user_id, "operator", str(zeb.user_id))
    assert NAME not in str(row[4])
    [line] = [each for each in workbench.admin.audit_log.search(ann).events if each.action == "user.erased"]
    assert line.subject_name == ERASED_NAME


def test_holds_of_an_erased_person_are_settled_or_returned_and_everything_verifies(
    workbench: Workbench, ann: Principal, zeb: Principal, move_time: MoveTime
) -> None:
    meter = workbench.meter
    settled, released, lost = (meter.reserve(zeb, hold_request()) for _ in range(3))
    assert meter.mark_in_flight(settled)
    assert meter.mark_in_flight(lost)

    workbench.admin.erasure.erase(ann, zeb.user_id)

    assert meter.settle(settled, "success", Decimal("0.0004"), record()).outcome == "settled"
    meter.release(released, "never_called")
    move_time(timedelta(minutes=10))
    assert meter.sweep() == 1
    assert audit(workbench.database).balances
    Sealing(workbench.database).seal()
    report = Verification(workbench.database).everything()
    assert report.holds, report.findings


def test_the_last_owner_is_not_erased_and_nobody_erases_themselves(
    workbench: Workbench, ann: Principal, zeb: Principal
) -> None:
    with pytest.raises(Conflict, match="Acme would be left without an owner: make another"):
        workbench.directory.erase(ann.email)
    with pytest.raises(Conflict, match="cannot erase yourself"):
        workbench.admin.erasure.erase(ann, ann.user_id)
    with pytest.raises(Forbidden):
        workbench.admin.erasure.erase(zeb, ann.user_id)
    with pytest.raises(NotFound):
        workbench.directory.erase("nobody@test.example")
    workbench.admin.erasure.erase(ann, zeb.user_id)
    with pytest.raises(Conflict, match="erased already"):
        workbench.admin.erasure.erase(ann, zeb.user_id)


def test_a_subscription_without_a_member_is_not_left_behind(
    workbench: Workbench, member: MakeMember, service: Service
) -> None:
    alone = member(NAME, plan="basic")
    service.execute(
        "INSERT INTO subscriptions (subscription_id, org_id, plan, seats, status, item_id, period_end, "
        "ends_at_period_end, version, created_at, read_at) VALUES ('sub_1', %s, 'basic', 1, 'active', 'si', "
        "assay_now() + interval '1 day', false, 1, assay_now(), assay_now())",
        (alone.org_id,),
    )
    with pytest.raises(Conflict, match="end the subscription first"):
        workbench.directory.erase(alone.email)
    service.execute("UPDATE subscriptions SET ends_at_period_end = true")
    workbench.directory.erase(alone.email)
    assert _name_of(service, alone.org_id) == f"{ERASED_NAME}’s organisation {alone.org_id.hex[-12:]}"
    another = member("Zora", plan="basic")
    workbench.directory.erase(another.email)
    assert _name_of(service, another.org_id) != _name_of(service, alone.org_id)


def _name_of(service: Service, org_id: UUID) -> object:
    row = service.execute("SELECT name FROM organisations WHERE id = %s", (org_id,)).fetchone()
    return row and row[0]
