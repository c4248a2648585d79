"""Who reads the audit log, what is found in it, and what its files hold."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from core.admin.audit_log import AT_ONCE, AuditLog, Wanted
from core.commands.audit import anchor_of, lines
from core.db.engine import Database
from core.errors import Forbidden, InvalidRequest
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject
from core.principal import Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.ops.audit_made import record, superuser


@pytest.fixture
def log(database: Database) -> AuditLog:
    """The audit log of the test's database."""
    return AuditLog(database)


def test_managers_find_what_was_done_in_their_organisation_alone(
    workbench: Workbench, member: MakeMember, log: AuditLog
) -> None:
    ann, bob = member("ann"), member("bob")
    record(workbench.database, ann.org_id, 2)
    record(workbench.database, bob.org_id, 3)
    record(workbench.database, None, 1)
    seen = log.search(ann, Wanted(action=AuditAction.ORGANISATION_CHANGED))
    assert [event.org_id for event in seen.events] == [ann.org_id] * 2
    of_bob = log.search(ann, Wanted(org_id=bob.org_id))
    assert {event.org_id for event in of_bob.events} == {ann.org_id}, "what is asked for does not widen the reach"


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_others_are_refused(role: Role, member: MakeMember, log: AuditLog) -> None:
    bob = member("bob", org="Acme", plan="team", role=role)
    for refused in (log.search, log.verify, lambda who: log.export(who, form="csv")):
        with pytest.raises(Forbidden):
            refused(bob)


def test_everything_is_for_operators(workbench: Workbench, member: MakeMember, log: AuditLog) -> None:
    ann = member("ann")
    record(workbench.database, None, 1)
    with pytest.raises(Forbidden):
        log.search(ann, everything=True)
    operator = replace(ann, is_operator=True)
    found = log.search(operator, Wanted(action=AuditAction.ORGANISATION_CHANGED), everything=True)
    assert [event.org_id for event in found.events] == [None]


def test_lines_are_turned_over_page_by_page(workbench: Workbench, member: MakeMember, log: AuditLog) -> None:
    ann = member("ann")
    record(workbench.database, ann.org_id, AT_ONCE + 3)
    wanted = Wanted(action=AuditAction.ORGANISATION_CHANGED)
    first = log.search(ann, wanted)
    assert first.following is not None
    second = log.search(ann, wanted, after=first.following)
    assert second.following is None
    ids = [event.id for event in (*first.events, *second.events)]
    assert len(ids) == len(set(ids)) == AT_ONCE + 3
    assert [event.at for event in first.events] == sorted((event.at for event in first.events), reverse=True)


def test_lines_are_found_by_time_action_person_and_subject(
    workbench: Workbench, member: MakeMember, log: AuditLog
) -> None:
    ann, bob = member("ann", org="Acme", plan="team"), member("bob", org="Acme", plan="team", role=Role.ANALYST)
    record(workbench.database, ann.org_id, 1, actor=bob.user_id)
    workbench.members.set_role(ann, bob.user_id, Role.VIEWER)

    def found(**values: object) -> list[str]:
        return [str(event.action) for event in log.search(ann, Wanted(**values)).events]  # type: ignore[arg-type]

    by_bob = found(person="BOB@test.example")
    assert AuditAction.ORGANISATION_CHANGED in by_bob, "what he did"
    assert AuditAction.MEMBER_ROLE_CHANGED in by_bob, "what was done to him"
    assert found(area="member.")[0] == AuditAction.MEMBER_ROLE_CHANGED
    assert AuditAction.MEMBER_ROLE_CHANGED in found(subject=str(bob.user_id))
    assert set(found(subject="organisation")) == {AuditAction.ORGANISATION_CHANGED, AuditAction.ORGANISATION_MADE}
    at = log.search(ann).events[0].at
    assert found(since=at + timedelta(seconds=1)) == []
    assert found(until=at - timedelta(days=1)) == []
    assert found(person="nobody of that name") == []
    [event] = log.search(ann, Wanted(action=AuditAction.MEMBER_ROLE_CHANGED)).events
    assert (event.actor_name, event.subject_name) == ("ann", "bob")
    assert (event.before, event.after) == ({"role": "analyst"}, {"role": "viewer"})


def test_managers_are_not_told_the_name_of_an_operator_who_is_no_member(
    workbench: Workbench, member: MakeMember, log: AuditLog
) -> None:
    ann, olga = member("ann"), member("olga")
    with workbench.database.service() as transaction:
        subject = Subject("organisation", str(ann.org_id))
        Audit.record(transaction, AuditEvent(ann.org_id, olga.user_id, "operator", AuditAction.PLAN_SET, subject))
    [event] = log.search(ann, Wanted(action=AuditAction.PLAN_SET)).events
    assert event.actor_name is None
    assert log.search(ann, Wanted(person="olga@test.example")).events == []
    [event] = log.search(replace(ann, is_operator=True), Wanted(action=AuditAction.PLAN_SET)).events
    assert event.actor_name == "olga"


def test_an_erased_person_stays_an_id(workbench: Workbench, member: MakeMember, log: AuditLog) -> None:
    ann, gone = member("ann"), uuid4()
    record(workbench.database, ann.org_id, 1, actor=gone)
    [event] = log.search(ann, Wanted(action=AuditAction.ORGANISATION_CHANGED)).events
    assert (event.actor, event.actor_name) == (gone, None)


def test_files_hold_no_formula_and_no_name(workbench: Workbench, member: MakeMember, log: AuditLog) -> None:
    ann = member("ann")
    with workbench.database.service() as transaction:
        subject, after = Subject("flag", "=1+1"), {"benchmark": "=cmd()", "by": "ann@test.example"}
        event = AuditEvent(ann.org_id, ann.user_id, "member", AuditAction.FLAG_SET, subject, None, after)
        Audit.record(transaction, event)
    wanted = Wanted(action=AuditAction.FLAG_SET)

    [row] = csv.DictReader(io.StringIO(log.export(ann, wanted, form="csv").decode("utf-8-sig")))
    assert row["subject_id"] == "'=1+1"
    assert row["actor"] == str(ann.user_id)
    assert "ann@test.example" not in str(row) and "a…@test.example" in row["after"]

    [line] = log.export(ann, wanted, form="jsonl").decode().splitlines()
    assert json.loads(line)["after"] == {"benchmark": "=cmd()", "by": "a…@test.example"}

    made = log.search(ann, Wanted(action=AuditAction.AUDIT_EXPORTED)).events
    assert [event.after for event in made] == [{"form": "jsonl"}, {"form": "csv"}]


def test_a_check_seals_first_and_is_a_line_of_its_own(
    workbench: Workbench, member: MakeMember, log: AuditLog, database_url: str
) -> None:
    ann = member("ann")
    record(workbench.database, ann.org_id, 2)
    report = log.verify(ann)
    assert report.holds
    assert [(chain.org_id, chain.unsealed) for chain in report.chains] == [(ann.org_id, 0)]
    with superuser(database_url) as above:
        above.execute("UPDATE audit_events SET subject_id = 'x' WHERE action = 'organisation.changed'")
    assert log.verify(ann).count == 2
    told = log.search(ann, Wanted(action=AuditAction.AUDIT_VERIFIED)).events
    assert [event.after for event in told] == [{"holds": False, "findings": 2}, {"holds": True, "findings": 0}]


def test_the_command_tells_each_difference_and_the_anchor(
    workbench: Workbench, member: MakeMember, log: AuditLog, database_url: str
) -> None:
    operator = replace(member("ann"), is_operator=True)
    record(workbench.database, operator.org_id, 2)
    *_, whole, anchor = lines(log.verify(operator, everything=True))
    assert whole.startswith("The audit log is as it was sealed:")
    assert anchor_of(anchor.split()[1].rstrip(".")).number >= 1
    with superuser(database_url) as above:
        above.execute("DELETE FROM audit_events WHERE action = 'organisation.changed'")
    told = list(lines(log.verify(operator, everything=True)))
    assert [line for line in told if line.startswith("DIFFERENCE missing: event at place")] == told[:2]
    assert "2 differences." in told


@pytest.mark.parametrize("text", ["", "12", "x:y", "1:abc"])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        anchor_of(text)
