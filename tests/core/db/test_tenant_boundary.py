"""No organisation reads, changes or counts another's rows through the app role: table by table."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, Table, delete, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from core.accounts.provider_keys import KeyDraft
from core.db import bars_dao, joining_dao, records_dao, sign_in_dao, tables
from core.db.engine import Database
from core.db.instruments_dao import MemberRow
from core.ids import new_id
from core.market.as_of import AsOf, Reason
from core.market.universes import Universes
from core.metering.repeats import Idempotency
from core.ops.jobs import Queue
from core.principal import Principal, Role
from core.research.templates import TemplateDraft
from core.screener.criteria import Condition, Group, Match, Screen
from core.screener.fields import Operator
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, copied, make_settings, member_factory
from tests.core.db.money_rows import leave_money
from tests.core.screener.alerts_made import Bench
from tests.core.verdicts.verdicts_made import Said, put

OF_THE_SERVICE = {"scan_parts", "token_uses", "bulk_changes"}
"""Tables that the app role may not touch at all, whoever's their rows are."""
NAMES = [table.name for table in tables.TENANT_TABLES]


Two = tuple[Principal, Principal]


@pytest.fixture(scope="module")
def filled(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Workbench, Two, str]]:
    """A workbench with two owners of two organisations, each with rows in every tenant table; no test changes them."""
    with (
        copied(server_url, template) as url,
        closing(open_workbench(make_settings(url, tmp_path_factory.mktemp("two")))) as opened,
    ):
        make = member_factory(opened)
        pair = (make("ann"), make("bob"))
        for principal in pair:
            _leave_rows_everywhere(opened, principal)
        yield opened, pair, url


@pytest.fixture
def both(filled: tuple[Workbench, Two, str]) -> Workbench:
    """The workbench of the two."""
    return filled[0]


@pytest.fixture
def two(filled: tuple[Workbench, Two, str]) -> Two:
    """The two owners."""
    return filled[1]


def _leave_surface(workbench: Workbench, principal: Principal) -> None:
    """A question, and what surrounds it: key, template, file, reaction, a large request, and what a guard found."""
    repeat = Idempotency("POST /api/ai/chat", "key", b"body")
    asked = workbench.assistant.ask(principal, "What is duration?", idempotency=repeat)
    asked.session.result()
    workbench.provider_keys.add(principal, KeyDraft("openai", "Ours", SecretStr("sk-" + "a" * 40)))
    workbench.templates.create(principal, TemplateDraft("Ours", "What is beta?"))
    workbench.attachments.add(principal, "note.txt", b"Some words.")
    workbench.reactions.react(principal, asked.message_id, "up")
    workbench.large_requests.create(principal, "completion", ["What is beta?"])
    with workbench.database.service() as connection:
        connection.execute(
            text(
                "INSERT INTO guard_events (id, at, org_id, user_id, guard, action, detail) "
                "VALUES (:id, assay_now(), :org, :user, 'personal_data', 'redacted', 'email')"
            ),
            {"id": new_id(), "org": principal.org_id, "user": principal.user_id},
        )


def _leave_rows_everywhere(workbench: Workbench, principal: Principal) -> None:
    workbench.directory.create_token(principal.email)
    _leave_surface(workbench, principal)
    _leave_notes(workbench, principal)
    _leave_verdicts(workbench, principal, _leave_scans(workbench, principal))
    _leave_alerts(workbench, principal)
    leave_money(workbench, principal)
    Queue(workbench.database).submit("count", {}, key="all", org_id=principal.org_id)
    life = timedelta(minutes=1)
    with workbench.database.service() as connection:
        sign_in_dao.add_ticket(
            connection, principal.email.encode(), principal.user_id, principal.org_id, life, method="link"
        )
        sign_in_dao.add_session(
            connection,
            session_id=new_id(),
            session_hash=principal.email.encode(),
            user_id=principal.user_id,
            org_id=principal.org_id,
            life=life,
            address="192.0.2.1",
            agent="test",
            method="password",
        )
        joining_dao.put_invitation(
            connection,
            invitation_id=new_id(),
            org_id=principal.org_id,
            email=f"friend.of.{principal.email}",
            role="analyst",
            token_hash=principal.email.encode(),
            invited_by=principal.user_id,
            life=life,
        )
        joining_dao.add_link(
            connection,
            token_hash=principal.email.encode(),
            purpose="reset",
            email=principal.email,
            name=principal.name,
            user_id=principal.user_id,
            life=life,
        )
        bars_dao.dataset(
            connection, new_id=new_id(), kind="own", org_id=principal.org_id, name="x", source="x", is_generated=False
        )
        records_dao.put(
            connection,
            new_id(),
            org_id=principal.org_id,
            universe_id="x",
            as_of=date(2010, 8, 20),
            formula_version=1,
            bars_version="x",
            figures={},
        )
        connection.execute(
            text(
                "INSERT INTO openid_identities (issuer, subject, user_id, created_at, last_used_at) "
                "VALUES ('https://issuer.example', :subject, :user, assay_now(), assay_now())"
            ),
            {"subject": principal.email, "user": principal.user_id},
        )
        connection.execute(
            text(
                "INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at) "
                "VALUES (:org, :user, 'day', '2026-01-01Z', '2026-01-02Z')"
            ),
            {"org": principal.org_id, "user": principal.user_id},
        )


def _leave_notes(workbench: Workbench, principal: Principal) -> None:
    _leave_portfolios(workbench, principal)
    as_of = AsOf(date(2010, 8, 20), Reason.SHIPPED, datetime.now(UTC))
    member_row = MemberRow("AAPL", "Apple", "", "XNAS", "USD", None, None)
    Universes(workbench.database).replace(principal, "Ours", [member_row], source="typed by hand")
    workbench.watchlists.create(principal, "Ours", symbols=["AAPL"], shared_with="viewer")
    screen = Screen(Group(Match.ALL, (Condition("close", Operator.ABOVE, 5.0),)))
    workbench.screener.screens.create(principal, "Ours", screen, shared_with="viewer")
    workbench.theses.write(principal, "AAPL", "Phones.", as_of, after=0, is_shared=True)
    made = workbench.checklists.create(principal, "Ours", ["Read it"])
    workbench.checklists.tick(principal, "AAPL", made.id, made.items[0].id, as_of)


_OF_SCANS = (
    "INSERT INTO signal_records (id, org_id, universe_id, as_of, formula_version, bars_version, computed_at, figures) "
    "VALUES (:id, :org, 'ours', '2010-08-20', 1, 'x', assay_now(), '{}')",
    "INSERT INTO scans (id, org_id, universe_id, as_of, formula_version, bars_version, status, parts, total, "
    "started_at) VALUES (:id, :org, 'ours', '2010-08-20', 1, 1, 'running', 1, 1, assay_now())",
    "INSERT INTO signals (id, scan_id, org_id, symbol, type, direction, family, state, day, confirmed_at, close, "
    "confidence_n) VALUES (:id, :id, :org, 'AAPL', 'breakout_20', 'bullish', 'breakout', 'signal', '2010-08-20', "
    "'2010-08-20', 250, 0)",
)


def _leave_scans(workbench: Workbench, principal: Principal) -> UUID:
    """A scan with a signal, of the same id."""
    scan_id = new_id()
    with workbench.database.service() as connection:
        for statement in _OF_SCANS:
            connection.execute(text(statement), {"id": scan_id, "org": principal.org_id})
    return scan_id


_OF_BATCHES = (
    "INSERT INTO verdict_batches (job_id, org_id, started_by, is_nightly, universe_id, signal_day, model, title, "
    "created_at) VALUES (:id, :org, :user, false, 'ours', '2010-08-20', 'auto', '1 signal', assay_now())",
    "INSERT INTO verdict_batch_items (job_id, org_id, number, signal_id, symbol, status) "
    "VALUES (:id, :org, 1, :signal, 'AAPL', 'waiting')",
    "INSERT INTO verdict_settings (org_id, is_nightly, most, model, uses_quality, updated_at) "
    "VALUES (:org, false, 50, 'auto', false, assay_now())",
)


def _leave_verdicts(workbench: Workbench, principal: Principal, signal_id: UUID) -> None:
    put(workbench.database, principal.org_id, [Said(move_5=0.1)])
    batch = {"id": new_id(), "org": principal.org_id, "user": principal.user_id, "signal": signal_id}
    with workbench.database.service() as connection:
        for statement in _OF_BATCHES:
            connection.execute(text(statement), batch)


def _leave_alerts(workbench: Workbench, principal: Principal) -> None:
    bench = Bench(workbench.database)
    bench.night({"AAA": 5}, org_id=principal.org_id)
    bench.alert(principal)
    bench.night({"AAA": 12}, org_id=principal.org_id)


_OF_PORTFOLIOS = (
    "INSERT INTO portfolios (id, org_id, user_id, name, currency, cost_method, has_cash, shared_with, edited_with, "
    "made_by, number, created_at, updated_at) VALUES (:id, :org, :user, 'Ours', 'USD', 'fifo', true, 'viewer', "
    "'analyst', 'Somebody', 1, assay_now(), assay_now())",
    "INSERT INTO portfolio_imports (id, portfolio_id, org_id, file_name, sha256, preset, rows, added, author, "
    "created_at) VALUES (:id, :id, :org, 'a.csv', 'x', 'generic', 1, 1, 'Somebody', assay_now())",
    "INSERT INTO portfolio_transactions (id, portfolio_id, org_id, number, kind, day, currency, amount, fees, taxes, "
    "note, identity, author, created_at) VALUES (:id, :id, :org, 1, 'deposit', '2010-08-20', 'USD', 1, 0, 0, '', 'x', "
    "'Somebody', assay_now())",
    "INSERT INTO portfolio_mappings (org_id, user_id, headings, mapping, updated_at) "
    "VALUES (:org, :user, 'x', '{}', assay_now())",
    "INSERT INTO portfolio_targets (portfolio_id, org_id, symbol, weight) VALUES (:id, :org, 'AAPL', 0.5)",
    "INSERT INTO portfolio_days (portfolio_id, org_id, key, content, computed_at) "
    "VALUES (:id, :org, 'x', 'x', assay_now())",
    "INSERT INTO portfolio_analyses (id, org_id, portfolio_id, key, content, author, created_at, expires_at) "
    "VALUES (:id, :org, :id, 'x', '{}', 'Somebody', assay_now(), assay_now())",
    "INSERT INTO research_parts (portfolio_id, org_id, part, key, claim, state, as_of, symbols, content, author, "
    "begun_at, expires_at) VALUES (:id, :org, 'news', 'x', :id, 'ready', '2010-01-04', '{AAPL}', '{}', 'Somebody', "
    "assay_now(), assay_now())",
    "INSERT INTO research_choices (org_id, user_id, agreed_at) VALUES (:org, :user, assay_now())",
    "INSERT INTO answer_checks (request_id, org_id, user_id, provider, model, steps, failed_steps, figures, verified, "
    "created_at) VALUES (:id, :org, :user, 'x', 'x', 0, 0, 0, 0, assay_now())",
)


def _leave_portfolios(workbench: Workbench, principal: Principal) -> None:
    values = {"id": new_id(), "org": principal.org_id, "user": principal.user_id}
    with workbench.database.service() as connection:
        for statement in _OF_PORTFOLIOS:
            connection.execute(text(statement), values)


@contextmanager
def _bound(database: Database, principal: Principal) -> Iterator[Connection]:
    with database.app(principal) as connection:
        yield connection


def _whose(table: Table, principal: Principal) -> list[object]:
    """Conditions that pick the rows of a principal's organisation or user."""
    if table is tables.organisations:
        return [table.c.id == principal.org_id]
    if table is tables.users:
        return [table.c.id == principal.user_id]
    if "org_id" not in table.c:
        return [table.c.user_id == principal.user_id]
    return [table.c.org_id == principal.org_id]


def _count(connection: Connection, table: Table, *conditions: object) -> int | None:
    """Visible rows, or None where the role may not read the table at all."""
    try:
        with connection.begin_nested():
            query = select(func.count()).select_from(table)
            for condition in conditions:
                query = query.where(condition)  # type: ignore[arg-type]
            return connection.execute(query).scalar_one()
    except ProgrammingError as error:
        assert isinstance(error.orig, psycopg.errors.InsufficientPrivilege)
        return None


def test_every_tenant_table_has_rows_of_both(two: Two, both: Workbench) -> None:
    with both.database.service() as connection:
        for table in tables.TENANT_TABLES:
            for principal in two:
                assert _count(connection, table, *_whose(table, principal)), f"{table.name}: nothing to protect"


@pytest.mark.parametrize("name", NAMES)
def test_nobody_sees_anothers_rows(name: str, two: Two, both: Workbench) -> None:
    table, (ann, bob) = tables.METADATA.tables[name], two
    with _bound(both.database, ann) as connection:
        assert _count(connection, table, *_whose(table, bob)) in (0, None)
        total, own = _count(connection, table), _count(connection, table, *_whose(table, ann))
        assert total == own, "a count over the table shows more than one's own"
    with both.database.unbound() as connection:
        assert _count(connection, table) in (0, None)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_changes_anothers_rows(name: str, two: Two, both: Workbench) -> None:
    table, (ann, bob) = tables.METADATA.tables[name], two
    with both.database.service() as connection:
        before = _count(connection, table, *_whose(table, bob))
    column = next(column for column in table.columns if not column.primary_key)
    for statement in (
        update(table).where(*_whose(table, bob)).values({column: column}),  # type: ignore[arg-type]
        delete(table).where(*_whose(table, bob)),  # type: ignore[arg-type]
    ):
        try:
            with _bound(both.database, ann) as connection:
                assert connection.execute(statement).rowcount == 0
        except ProgrammingError as error:
            assert isinstance(error.orig, psycopg.errors.InsufficientPrivilege)
    with both.database.service() as connection:
        assert _count(connection, table, *_whose(table, bob)) == before


@pytest.mark.parametrize("name", NAMES)
def test_nobody_adds_rows_to_another(name: str, two: Two, both: Workbench) -> None:
    table, (ann, bob) = tables.METADATA.tables[name], two
    with both.database.service() as connection:
        found = connection.execute(select(table).where(*_whose(table, bob)).limit(1))  # type: ignore[arg-type]
        row = {name: value for name, value in found.mappings().one().items() if table.c[name].identity is None}
    with pytest.raises(ProgrammingError) as error, _bound(both.database, ann) as connection:
        connection.execute(insert(table).values(row))
    assert isinstance(error.value.orig, psycopg.errors.InsufficientPrivilege)


def test_row_level_security_is_forced_on_every_tenant_table(owner: psycopg.Connection[tuple[object, ...]]) -> None:
    rows = owner.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'assay'::regnamespace AND relkind IN ('r', 'p') "
        "AND relrowsecurity AND relforcerowsecurity"
    ).fetchall()
    assert {row[0] for row in rows} == {*NAMES, *OF_THE_SERVICE}


def test_neither_role_can_bypass_policies_or_become_more(owner: psycopg.Connection[tuple[object, ...]]) -> None:
    rows = owner.execute(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'assay_%' AND (rolbypassrls OR rolsuper OR rolcanlogin)"
    ).fetchall()
    assert rows == []


def test_a_pooled_connection_keeps_nothing_of_its_last_tenant(two: Two, filled: tuple[Workbench, Two, str]) -> None:
    with closing(Database(filled[2], pool_size=2)) as database:

        def ask(number: int) -> bool:
            principal = two[number % 2]
            with database.app(principal) as connection:
                own = connection.execute(text("SELECT DISTINCT org_id FROM conversations")).scalars().all()
            with database.unbound() as connection:
                return list(own) == [principal.org_id] and _count(connection, tables.conversations) == 0

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(400)))


def test_the_same_user_sees_one_organisation_at_a_time(workbench: Workbench, member: MakeMember) -> None:
    here = member("ann", org="Here")
    there = member("ann", org="There")
    assert here.user_id == there.user_id
    workbench.assistant.ask(here, "What is duration?").session.result()
    assert len(workbench.conversations.latest(here)) == 1
    assert workbench.conversations.latest(there) == []


def test_a_colleague_sees_usage_only_as_owner_or_admin(workbench: Workbench, member: MakeMember) -> None:
    ann = member("ann", org="Acme", plan="team")
    bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    workbench.assistant.ask(bob, "What is duration?").session.result()
    with workbench.database.app(ann) as connection:
        assert _count(connection, tables.usage_log) == 1
        assert _count(connection, tables.messages) == 0
    with workbench.database.app(replace(ann, role=Role.ANALYST)) as connection:
        assert _count(connection, tables.usage_log) == 0
