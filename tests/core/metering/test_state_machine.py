"""Steps in any order, of several members, under changing plans, zones, budgets and clocks: the books always balance.

The suite replays the same examples every time. `ASSAY_STATE_EXAMPLES=2000` looks at more, `ASSAY_STATE_SEED=7` at
others; a failure prints its steps and the blob that repeats them, and `ASSAY_STATE_SHRINK=1` looks for fewer steps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, fields

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from core.db.engine import Database
from core.ids import new_id
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.metering.usage import Usage
from core.metering.usage_log import UsageLog
from tests.core.metering.model_parts import Limits
from tests.core.metering.model_values import PLANS
from tests.core.metering.state_machine import Books, Ground

Connection = psycopg.Connection[tuple[object, ...]]
EXAMPLES = int(os.environ.get("ASSAY_STATE_EXAMPLES", "30"))
SEED = os.environ.get("ASSAY_STATE_SEED")
SHRINKS = os.environ.get("ASSAY_STATE_SHRINK") == "1"


@pytest.fixture
def ground(
    database: Database, database_url: str, owner: Connection, service: Connection, plans: Plans
) -> Iterator[Ground]:
    """Three organisations, one user in two of them, and a viewer, under plans that are soon used up."""
    owner.execute(
        "CREATE TABLE test_clock (at timestamptz NOT NULL); GRANT SELECT ON test_clock TO assay_app; "
        "GRANT SELECT, UPDATE ON test_clock TO assay_service; INSERT INTO test_clock VALUES (clock_timestamp()); "
        "CREATE OR REPLACE FUNCTION assay_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
        "AS $$ SELECT at FROM assay.test_clock $$"
    )
    for name, limits in PLANS.items():
        columns = ", ".join(field.name for field in fields(Limits))
        marks = ", ".join(["%s"] * (len(fields(Limits)) + 2))
        service.execute(
            f"INSERT INTO plan_limits (plan, checksum, {columns}) VALUES ({marks})", (name, "test", *astuple(limits))
        )
    one, two, three, ann, bob, vic = (new_id() for _ in range(6))
    for org in (one, two, three):
        service.execute("INSERT INTO organisations (id, name, plan) VALUES (%s, %s, 'tight')", (org, str(org)))
    for user in (ann, bob, vic):
        service.execute("INSERT INTO users (id, email, name) VALUES (%s, %s, 'A user')", (user, f"{user}@test.example"))
    members = [(one, ann, "owner"), (one, bob, "analyst"), (two, ann, "analyst"), (three, vic, "viewer")]
    for member in members:
        service.execute("INSERT INTO memberships (org_id, user_id, role) VALUES (%s, %s, %s)", member)
    log = UsageLog(database)
    with closing(Database(database_url, pool_size=2)) as elsewhere:
        yield Ground(
            database,
            elsewhere,
            owner,
            service,
            Meter(database, plans, look_again_s=0),
            Meter(elsewhere, plans, look_again_s=0),
            Usage(database, plans, log),
            members,
        )


@pytest.mark.slow
@pytest.mark.timeout(60 + EXAMPLES * 10)
def test_the_books_balance_after_every_step_of_any_order(ground: Ground) -> None:
    class OnThisGround(Books):
        def __init__(self) -> None:
            super().__init__(ground)

    run_state_machine_as_test(
        seed(int(SEED))(OnThisGround) if SEED else OnThisGround,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            phases=[Phase.generate, Phase.shrink] if SHRINKS else [Phase.generate],
            deadline=None,
            database=None,
            derandomize=SEED is None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
