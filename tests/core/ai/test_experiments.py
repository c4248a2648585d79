"""Experiments: who is in which arm, and what the arms came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest

from core.ai.experiments import Experiment, Experiments
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember

Service = psycopg.Connection[tuple[object, ...]]
CHEAPER = Experiment("Cheaper chat", "model", "chat", "gpt-4o-mini", Decimal(30))


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("root"), is_operator=True)


@pytest.fixture
def experiments(workbench: Workbench) -> Experiments:
    return Experiments(
        workbench.database,
        workbench.plans,
        models=["gpt-4o-mini", "gpt-4o"],
        prompts=["chat", "chat_short"],
        tasks=["chat", "signal_validation"],
    )


def test_nobody_takes_part_where_nothing_runs(experiments: Experiments, operator: Principal) -> None:
    assert experiments.assigned(operator, "chat", kind="model") is None


def test_a_share_of_users_gets_the_variant_and_keeps_it(experiments: Experiments, operator: Principal) -> None:
    started = experiments.start(operator, CHEAPER)
    crowd = [replace(operator, user_id=uuid4()) for _ in range(1_000)]
    arms = [experiments.assigned(each, "chat", kind="model") for each in crowd]
    assert arms == [experiments.assigned(each, "chat", kind="model") for each in crowd]
    count = Counter((each.arm, each.model) for each in arms if each is not None)
    assert sum(count.values()) == 1_000
    assert abs(count["variant", "gpt-4o-mini"] - 300) < 80
    assert set(count) == {("variant", "gpt-4o-mini"), ("control", None)}
    assert {each.experiment_id for each in arms if each is not None} == {started.id}


def test_who_may_not_ask_the_variant_is_in_neither_arm(experiments: Experiments, operator: Principal) -> None:
    experiments.start(operator, CHEAPER)
    crowd = [replace(operator, user_id=uuid4()) for _ in range(50)]
    assert not any(experiments.assigned(each, "chat", kind="model", may_ask=lambda _: False) for each in crowd)


def test_only_the_plans_and_organisations_that_are_named_take_part(
    experiments: Experiments, operator: Principal, member: MakeMember
) -> None:
    ann, bob, eve = member("ann", plan="team", org="A"), member("bob", org="B"), member("eve", org="C")
    experiments.start(operator, replace(CHEAPER, plans=("team",), org_ids=(bob.org_id,)))
    taking = [experiments.assigned(each, "chat", kind="model") is not None for each in (ann, bob, eve)]
    assert taking == [True, True, False]


def test_a_prompt_is_tried_like_a_model(experiments: Experiments, operator: Principal) -> None:
    experiments.start(operator, Experiment("Short", "prompt", "chat", "chat_short", Decimal("99.99")))
    given = experiments.assigned(operator, "chat", kind="prompt")
    assert given is not None
    assert (given.prompt, given.model) == ("chat_short", None)
    assert experiments.assigned(operator, "chat", kind="model") is None


def test_one_experiment_of_a_task_runs_at_a_time(experiments: Experiments, operator: Principal) -> None:
    first = experiments.start(operator, CHEAPER)
    with pytest.raises(Conflict):
        experiments.start(operator, replace(CHEAPER, kind="prompt", variant="chat_short"))
    experiments.start(operator, replace(CHEAPER, task="signal_validation"))
    assert first.id is not None
    experiments.end(operator, first.id)
    assert experiments.assigned(operator, "chat", kind="model") is None
    experiments.start(operator, CHEAPER)
    with pytest.raises(NotFound):
        experiments.end(operator, first.id)
    assert [each.ended_at is None for each in experiments.all(operator)] == [True, True, False]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "name"),
        ({"task": "dance"}, "task"),
        ({"variant": "gpt-9"}, "no model"),
        ({"kind": "prompt"}, "no prompt"),
        ({"percentage": Decimal(0)}, "share"),
        ({"percentage": Decimal(100)}, "share"),
        ({"percentage": Decimal("Infinity")}, "share"),
        ({"plans": ("golden",)}, "no plan"),
    ],
    ids=["no name", "no task", "no model", "no prompt", "nobody", "everybody", "endless", "no plan"],
)
def test_an_experiment_that_cannot_be_is_refused(
    experiments: Experiments, operator: Principal, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        experiments.start(operator, replace(CHEAPER, **wrong))  # type: ignore[arg-type]  # wrong on purpose


def test_the_arms_are_compared_by_cost_speed_schema_reactions_and_verdicts(
    experiments: Experiments, operator: Principal, service: Service
) -> None:
    started = experiments.start(operator, CHEAPER)
    assert started.id is not None
    for arm, cost, latency, code, reaction in (
        ("control", "0.010", 1000, None, "up"),
        ("control", "0.030", 3000, None, "down"),
        ("variant", "0.001", 500, None, "up"),
        ("variant", "0.002", 700, "unusable_answer", None),
    ):
        _call(service, operator, (started.id, arm), cost=cost, latency_ms=latency, error_code=code, reaction=reaction)
    found = experiments.compared(operator, started.id)
    control, variant = found["control"], found["variant"]
    assert (control.calls, control.users, control.answered, control.unusable) == (2, 1, 2, 0)
    assert (control.usd_per_call, control.up, control.down) == (Decimal("0.02"), 1, 1)
    assert control.latency_ms_p50 == 2000
    assert (variant.calls, variant.answered, variant.unusable, variant.up, variant.down) == (2, 1, 1, 1, 0)
    assert variant.latency_ms_p50 == 500


@pytest.mark.parametrize("role", list(Role))
def test_only_operators_run_experiments(experiments: Experiments, member: MakeMember, role: Role) -> None:
    ann = member("ann", role=role)
    for refused in (
        lambda: experiments.all(ann),
        lambda: experiments.start(ann, CHEAPER),
        lambda: experiments.end(ann, uuid4()),
        lambda: experiments.compared(ann, uuid4()),
    ):
        with pytest.raises(Forbidden):
            refused()


def _call(
    service: Service,
    who: Principal,
    arm: tuple[UUID, str],
    *,
    cost: str,
    latency_ms: int,
    error_code: str | None,
    reaction: str | None,
) -> None:
    """A call in the log, with its answer and what its reader thought of it."""
    hold, request, conversation, message = (uuid4() for _ in range(4))
    status = "failed" if error_code else "success"
    state = "released" if error_code else "settled"
    service.execute(
        "INSERT INTO assay.holds (id, org_id, user_id, provider, model, price_version, quota_held, request_held,"
        " held_usd, day_start, month_start, org_day_start, org_month_start, created_at, expires_at, in_flight_at,"
        " resolved_at, state, request_id, bound_usd)"
        " SELECT %s, %s, %s, 'openai', 'gpt-4o', 'v', 0, 0, 0, n, n, n, n, n, n, n, n, %s, %s, 0"
        " FROM (SELECT clock_timestamp() AS n) t",
        (hold, who.org_id, who.user_id, state, request),
    )
    service.execute(
        "INSERT INTO assay.usage_log (id, at, org_id, user_id, request_id, hold_id, channel, status, provider, model,"
        " cost_usd, latency_ms, error_code, experiment_id, arm)"
        " SELECT id, resolved_at, %s, %s, %s, id, 'api', %s, 'openai', 'gpt-4o', %s, %s, %s, %s, %s"
        " FROM assay.holds WHERE id = %s",
        (who.org_id, who.user_id, request, status, cost, latency_ms, error_code, *arm, hold),
    )
    if reaction is None:
        return
    service.execute(
        "INSERT INTO assay.conversations (id, org_id, user_id, title, created_at, updated_at)"
        " VALUES (%s, %s, %s, 'Talk', clock_timestamp(), clock_timestamp())",
        (conversation, who.org_id, who.user_id),
    )
    service.execute(
        "INSERT INTO assay.messages (id, conversation_id, org_id, user_id, role, text, state, request_id, created_at)"
        " VALUES (%s, %s, %s, %s, 'assistant', 'Yes.', 'complete', %s, clock_timestamp())",
        (message, conversation, who.org_id, who.user_id, request),
    )
    service.execute(
        "INSERT INTO assay.message_reactions (message_id, org_id, user_id, reaction, changed_at)"
        " VALUES (%s, %s, %s, %s, clock_timestamp())",
        (message, who.org_id, who.user_id, reaction),
    )
