"""The chain of the audit log: what is sealed, and what a superuser's tampering looks like afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest

from core.db import audit_blocks_dao as dao
from core.db.engine import Database
from core.ids import new_id
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject
from core.ops.audit_blocks import BlockKind, pruned_stated
from core.ops.audit_seal import PLACES_AT_ONCE, Sealing, _append, state_pruned
from core.ops.audit_verify import Anchor, FindingKind, Report, Verification
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.ops.audit_made import Superuser, ask, record, superuser

Connection = psycopg.Connection[tuple[object, ...]]


def test_what_was_written_is_sealed_and_verifies(workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    record(workbench.database, ann.org_id, 3)
    record(workbench.database, None, 2)
    ask(workbench, ann, 2)
    record(workbench.database, bob.org_id)
    Sealing(workbench.database).seal()

    report = Verification(workbench.database).everything()

    assert report.holds, report.findings
    chains = {chain.org_id: chain for chain in report.chains}
    assert chains[ann.org_id].rows >= 5 and chains[ann.org_id].blocks == 1
    assert chains[None].rows >= 2
    assert all(chain.unsealed == 0 for chain in report.chains)
    assert report.anchor is not None


def test_a_second_run_goes_on_where_the_first_ended(database: Database) -> None:
    sealing = Sealing(database)
    org = new_id()
    record(database, org, 2)
    assert sealing.seal().rows == 2
    assert sealing.seal().blocks == 0, "nothing new, no block"
    record(database, org, 3)
    assert sealing.seal().rows == 3
    report = Verification(database).organisation(org)
    assert report.holds
    assert [(chain.blocks, chain.rows) for chain in report.chains] == [(2, 5)]


def test_a_row_of_a_long_transaction_is_sealed_once_it_is_over(database: Database) -> None:
    org = new_id()
    sealing = Sealing(database, wait_s=0.05)
    with database.service() as transaction:
        Audit.record(transaction, _event(org))
        record(database, org, 2)
        assert not sealing.seal().is_complete, "a place below is still open"
        assert Verification(database).organisation(org).chains[0].unsealed == 2
    assert sealing.seal().rows == 3
    assert Verification(database).organisation(org).holds


def test_rows_written_while_others_seal_are_never_behind_a_block(database: Database) -> None:
    orgs = [new_id() for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(record, database, org, 25) for org in orgs]
        sealers = [pool.submit(Sealing(database).seal) for _ in range(20)]
        for written in writers:
            written.result()
        for sealed in sealers:
            sealed.result()
    while not Sealing(database).seal().is_complete:
        pass
    report = Verification(database).everything()
    assert report.holds, report.findings
    assert sum(chain.rows for chain in report.chains) == 75


@pytest.mark.parametrize("table", ["audit_events", "audit_blocks", "usage_log", "usage_log_rest", "a month"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET org_id = NULL", "DELETE FROM {}", "TRUNCATE {}"])
def test_nobody_changes_or_deletes_a_line(
    table: str, statement: str, database: Database, owner: Connection, service: Connection, database_url: str
) -> None:
    record(database, None, 1)
    Sealing(database).seal()
    table = f"usage_log_{datetime.now(UTC):%Y_%m}" if table == "a month" else table
    url = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as above:
        above.execute("SET search_path = assay")
        for role in (owner, service, above):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                role.execute(statement.format(table))


Tamper = Callable[[Superuser, UUID], object]

_AN_EVENT = "(SELECT seq FROM audit_events WHERE org_id = %s ORDER BY seq OFFSET 1 LIMIT 1)"
TAMPERINGS: dict[str, tuple[str, set[FindingKind]]] = {
    "an event's value is changed": (
        f"UPDATE audit_events SET after = '{{}}' WHERE seq = {_AN_EVENT}",
        {FindingKind.CHANGED},
    ),
    "an event is deleted": (f"DELETE FROM audit_events WHERE seq = {_AN_EVENT}", {FindingKind.MISSING}),
    "an event is put among the sealed": (
        "INSERT INTO audit_events (id, seq, at, org_id, actor_kind, action, subject_kind, subject_id) "
        "SELECT gen_random_uuid(), seq, at, org_id, actor_kind, action, subject_kind, 'x' FROM audit_events "
        f"WHERE seq = {_AN_EVENT}",
        {FindingKind.ADDED},
    ),
    "two events change places": (
        "UPDATE audit_events e SET seq = o.seq FROM (SELECT id, lead(seq) OVER w AS next, lag(seq) OVER w AS seq "
        "FROM (SELECT * FROM audit_events WHERE org_id = %s ORDER BY seq LIMIT 2) f WINDOW w AS (ORDER BY seq)) n, "
        "LATERAL (SELECT coalesce(n.next, n.seq) AS seq) o WHERE e.id = n.id",
        {FindingKind.REORDERED},
    ),
    "the tokens of an AI request are changed": (
        "UPDATE usage_log SET prompt_tokens = prompt_tokens + 1 "
        "WHERE org_id = %s AND seq = (SELECT max(seq) FROM usage_log)",
        {FindingKind.CHANGED},
    ),
    "an AI request is deleted": (
        "DELETE FROM usage_log WHERE org_id = %s AND seq = (SELECT max(seq) FROM usage_log)",
        {FindingKind.MISSING},
    ),
    "an AI request is given to another user": (
        "UPDATE usage_log SET user_id = gen_random_uuid() WHERE org_id = %s AND seq = (SELECT min(seq) FROM usage_log)",
        {FindingKind.CHANGED},
    ),
    "a block's count is changed": (
        "UPDATE audit_blocks SET sealed_at = sealed_at - interval '1 day' WHERE org_id = %s AND number = 2",
        {FindingKind.BLOCK_CHANGED},
    ),
    "a block's hash is changed": (
        "UPDATE audit_blocks SET hash = sha256('x') WHERE org_id = %s AND number = 1",
        {FindingKind.BLOCK_CHANGED},
    ),
    "a block in the middle is deleted": (
        "DELETE FROM audit_blocks WHERE org_id = %s AND number = 2",
        {FindingKind.BLOCK_MISSING},
    ),
    "the newest block is deleted": (
        "DELETE FROM audit_blocks WHERE org_id = %s AND number = 3",
        {FindingKind.BLOCK_MISSING},
    ),
    "the newest block is deleted with all that it sealed": (
        "WITH block AS (DELETE FROM audit_blocks WHERE org_id = %(org)s AND number = 3 RETURNING from_seq, to_seq), "
        "request AS (DELETE FROM usage_log u USING block b "
        "WHERE u.org_id = %(org)s AND u.seq BETWEEN b.from_seq AND b.to_seq) "
        "DELETE FROM audit_events e USING block b WHERE e.org_id = %(org)s AND e.seq BETWEEN b.from_seq AND b.to_seq",
        {FindingKind.BLOCK_MISSING},
    ),
    "all blocks are deleted": ("DELETE FROM audit_blocks WHERE org_id = %s", {FindingKind.BLOCK_MISSING}),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_as_a_superuser_shows(name: str, workbench: Workbench, member: MakeMember, database_url: str) -> None:
    ann = _three_blocks(workbench, member)
    assert Verification(workbench.database).everything().holds
    statement, kinds = TAMPERINGS[name]

    with superuser(database_url) as above:
        above.execute(statement.replace("%s", "%(org)s"), {"org": ann.org_id})

    verification = Verification(workbench.database)
    for report in (verification.everything(), verification.organisation(ann.org_id)):
        assert {finding.kind for finding in report.findings} == kinds, [str(found) for found in report.findings]
        assert {finding.org_id for finding in report.findings} == {ann.org_id}
        assert report.count == (2 if kinds == {FindingKind.REORDERED} else len(report.findings))
    assert verification.organisation(_other(workbench, ann)).holds


def test_a_finding_tells_its_place(workbench: Workbench, member: MakeMember, database_url: str) -> None:
    ann = _three_blocks(workbench, member)
    with superuser(database_url) as above:
        row = above.execute(
            "UPDATE audit_events SET subject_id = 'x' "
            "WHERE seq = (SELECT max(seq) FROM audit_events WHERE org_id = %s) RETURNING seq, id",
            (ann.org_id,),
        ).fetchone()
    assert row is not None
    [finding] = Verification(workbench.database).organisation(ann.org_id).findings
    assert (finding.block, finding.seq, finding.row_id) == (3, *row)
    assert str(finding) == f"changed: event {row[1]} at place {row[0]}, block 3"


def test_a_row_added_after_the_last_block_of_a_quiet_organisation_shows(
    workbench: Workbench, member: MakeMember, database_url: str
) -> None:
    ann = _three_blocks(workbench, member)
    record(workbench.database, None, 3)
    Sealing(workbench.database).seal()
    with superuser(database_url) as above:
        above.execute(
            "INSERT INTO audit_events (id, seq, at, org_id, actor_kind, action, subject_kind, subject_id) VALUES "
            "(gen_random_uuid(), (SELECT max(seq) FROM audit_events), assay_now(), %s, 'system', 'plan.set', 'x', 'x')",
            (ann.org_id,),
        )
    [finding] = Verification(workbench.database).organisation(ann.org_id).findings
    assert finding.kind is FindingKind.ADDED
    assert finding.block is None


def test_a_chain_that_was_made_anew_differs_from_what_the_installation_keeps_of_it(
    workbench: Workbench, member: MakeMember, database_url: str
) -> None:
    ann = _three_blocks(workbench, member)
    with superuser(database_url) as above:
        above.execute("DELETE FROM audit_events WHERE org_id = %s", (ann.org_id,))
        above.execute("DELETE FROM audit_blocks WHERE org_id = %s", (ann.org_id,))
    record(workbench.database, ann.org_id, 2)
    Sealing(workbench.database).seal()
    kinds = {finding.kind for finding in Verification(workbench.database).everything().findings}
    assert kinds & {FindingKind.BLOCK_MISSING, FindingKind.BLOCK_CHANGED}


def test_what_is_cut_off_the_end_of_everything_shows_against_an_anchor_alone(
    workbench: Workbench, member: MakeMember, database_url: str
) -> None:
    verification = Verification(workbench.database)
    ann = _three_blocks(workbench, member)
    anchor = verification.everything().anchor
    assert anchor is not None
    assert verification.everything(anchor=anchor).holds

    with superuser(database_url) as above:
        above.execute("DELETE FROM audit_blocks WHERE org_id IS NULL AND number = %s", (anchor.number,))
        above.execute("DELETE FROM audit_blocks WHERE org_id = %s AND number = 3", (ann.org_id,))
        above.execute("DELETE FROM audit_events WHERE seq > (SELECT max(to_seq) FROM audit_blocks)")
        above.execute("DELETE FROM usage_log WHERE seq > (SELECT max(to_seq) FROM audit_blocks)")

    assert verification.everything().holds, "from inside nothing is missing"
    assert [found.kind for found in verification.everything(anchor=anchor).findings] == [FindingKind.ANCHOR_DIFFERS]
    other = Anchor(1, bytes(32))
    assert [found.kind for found in verification.everything(anchor=other).findings] == [FindingKind.ANCHOR_DIFFERS]


def test_usage_that_retention_dropped_verifies_by_its_statement(
    workbench: Workbench, member: MakeMember, database_url: str
) -> None:
    ann = member("ann")
    ask(workbench, ann, 3)
    with superuser(database_url) as above:
        above.execute("ALTER TABLE usage_log DROP CONSTRAINT fk_usage_log_hold_id_holds")
        above.execute("UPDATE usage_log SET at = '2024-03-05Z'")
        above.execute("UPDATE usage_log SET at = '2024-05-01Z' WHERE seq = (SELECT max(seq) FROM usage_log)")
        Sealing(workbench.database).seal()
        above.execute("DELETE FROM usage_log WHERE at < '2024-05-01Z'")
    verification = Verification(workbench.database)
    assert _kinds(verification.everything()) == {FindingKind.MISSING}

    with workbench.database.service() as transaction:
        state_pruned(transaction, date(2024, 5, 1))

    report = verification.everything()
    assert report.holds, report.findings
    assert report.usage_kept_from == "2024-05"
    [chain] = [chain for chain in report.chains if chain.org_id == ann.org_id]
    assert chain.pruned == 2
    record(workbench.database, ann.org_id, 1)
    Sealing(workbench.database).seal()
    assert verification.everything().holds
    with superuser(database_url) as above:
        above.execute("DELETE FROM usage_log")
    assert _kinds(verification.everything()) == {FindingKind.MISSING}, "what is kept may not go"


def test_a_statement_of_retention_is_held_against_its_time_and_the_rows(
    workbench: Workbench, member: MakeMember, database_url: str
) -> None:
    ann = member("ann")
    ask(workbench, ann, 3)
    Sealing(workbench.database).seal()
    verification, now = Verification(workbench.database), datetime.now(UTC)
    following = date(now.year + now.month // 12, now.month % 12 + 1, 1)
    with pytest.raises(ValueError, match="cannot have been dropped yet"), workbench.database.service() as transaction:
        state_pruned(transaction, following)
    with workbench.database.service() as transaction:
        state_pruned(transaction, date(now.year, now.month, 1))
    assert verification.everything().holds, "of before this month nothing is there"

    with workbench.database.service() as transaction:
        end, at = dao.chain_end(transaction)
        _append(transaction, None, [], end, at, statement=pruned_stated(following), kind=BlockKind.PRUNED)
    with superuser(database_url) as above:
        above.execute("DELETE FROM usage_log WHERE seq = (SELECT max(seq) FROM usage_log)")
    assert _kinds(verification.everything()) == {FindingKind.UNTRUE, FindingKind.MISSING}
    assert _kinds(verification.organisation(ann.org_id)) == {FindingKind.MISSING}


def test_rows_that_a_statement_of_retention_says_are_gone_show(
    workbench: Workbench, member: MakeMember, database_url: str
) -> None:
    ann = member("ann")
    ask(workbench, ann, 3)
    with superuser(database_url) as above:
        above.execute("ALTER TABLE usage_log DROP CONSTRAINT fk_usage_log_hold_id_holds")
        above.execute("UPDATE usage_log SET at = '2024-03-05Z'")
        Sealing(workbench.database).seal()
        above.execute("DELETE FROM usage_log WHERE seq = (SELECT max(seq) FROM usage_log)")
    with workbench.database.service() as transaction:
        state_pruned(transaction, date(2024, 5, 1))
    verification = Verification(workbench.database)
    for report in (verification.everything(), verification.organisation(ann.org_id)):
        assert [found.kind for found in report.findings] == [FindingKind.UNTRUE] * 2


def test_rows_that_wait_for_their_seal_show_after_an_hour(
    workbench: Workbench, member: MakeMember, database_url: str
) -> None:
    ann = member("ann")
    record(workbench.database, ann.org_id, 2)
    with superuser(database_url) as above:
        above.execute(
            "UPDATE audit_events SET at = at - interval '61 minutes' "
            "WHERE seq = (SELECT max(seq) FROM audit_events WHERE org_id = %s)",
            (ann.org_id,),
        )
    report = Verification(workbench.database).organisation(ann.org_id)
    assert _kinds(report) == {FindingKind.WAITING}
    assert report.count == 1
    Sealing(workbench.database).seal()
    assert Verification(workbench.database).organisation(ann.org_id).holds


def test_places_that_nobody_took_do_not_stop_the_sealing(database: Database, owner: Connection) -> None:
    org = new_id()
    record(database, org)
    owner.execute("SELECT setval('audit_order', %s)", (3 * PLACES_AT_ONCE,))
    record(database, org)
    assert Sealing(database).seal().rows == 2
    assert Sealing(database).seal().blocks == 0
    assert Verification(database).everything().holds


def test_an_organisation_reads_those_blocks_of_the_installation_that_name_it(
    workbench: Workbench, member: MakeMember
) -> None:
    ann = _three_blocks(workbench, member)
    for _ in range(5):
        record(workbench.database, None, 1)
        Sealing(workbench.database).seal()
    with workbench.database.service() as transaction:
        numbers = [block.number for block in dao.blocks_about(transaction, ann.org_id)]
    assert numbers == [1, 2, 3, 8]
    assert Verification(workbench.database).organisation(ann.org_id).holds


def _kinds(report: Report) -> set[FindingKind]:
    return {finding.kind for finding in report.findings}


def _three_blocks(workbench: Workbench, member: MakeMember) -> Principal:
    ann, bob = member("ann"), member("bob")
    for _ in range(3):
        record(workbench.database, ann.org_id, 2)
        ask(workbench, ann, 1)
        record(workbench.database, bob.org_id, 1)
        assert Sealing(workbench.database).seal().is_complete
    return ann


def _other(workbench: Workbench, ann: Principal) -> UUID:
    return next(
        chain.org_id
        for chain in Verification(workbench.database).everything().chains
        if chain.org_id not in (None, ann.org_id)
    )


def _event(org_id: UUID | None) -> AuditEvent:
    return AuditEvent(org_id, None, "system", AuditAction.PLAN_SET, Subject("organisation", "x"))
