"""A worker that reserves (and calls), says so, and waits to be killed."""

from __future__ import annotations

import os
import sys
import time

from core.accounts.accounts import Accounts
from core.db.engine import Database
from core.metering.meter import Meter
from core.metering.plans import load_plans
from core.settings import DATA
from tests.core.metering.factories import hold_request

email, step = sys.argv[1:]
database = Database(os.environ["WORKER_DATABASE_URL"])
meter = Meter(database, load_plans(DATA / "plans.yaml"))
hold = meter.reserve(Accounts(database).member(email), hold_request())
if step == "in_flight":
    assert meter.mark_in_flight(hold)
sys.stdout.write(f"{step}\n")
sys.stdout.flush()
time.sleep(60)
