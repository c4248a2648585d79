"""A share of conversations is asked with another prompt, and its calls are told apart in the log."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import psycopg

from core.ai.experiments import Experiment
from core.workbench import Workbench
from tests.conftest import MakeMember


def test_the_share_is_asked_with_the_variant_and_both_arms_stand_in_the_log(
    workbench: Workbench, member: MakeMember, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    operator = replace(member("root"), is_operator=True)
    started = workbench.experiments.start(
        operator, Experiment("Another prompt", "prompt", "chat", "company_profile", Decimal(50))
    )
    people = [member(f"person{number}") for number in range(12)]
    for who in people:
        workbench.assistant.ask(who, "What is duration?").session.result()
    rows = service.execute(
        "SELECT user_id, experiment_id, arm, prompt_version FROM assay.usage_log WHERE arm IS NOT NULL"
    ).fetchall()
    assert len(rows) == len(people)
    assert {row[1] for row in rows} == {started.id}
    of_arm: dict[object, set[str]] = {"control": set(), "variant": set()}
    for user_id, _, arm, version in rows:
        who = next(each for each in people if each.user_id == UUID(str(user_id)))
        assignment = workbench.experiments.assigned(who, "chat", kind="prompt")
        assert assignment is not None
        assert assignment.arm == arm
        of_arm[arm].add(str(version).split("/")[0])
    assert of_arm == {"control": {"chat"}, "variant": {"company_profile"}}
    arms = workbench.experiments.compared(operator, UUID(str(started.id)))
    assert sum(arm.calls for arm in arms.values()) == len(people)
