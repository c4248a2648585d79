"""The plans file: what it must say, and what a mistake in it is told as."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.db.engine import Database
from core.errors import ConfigurationError, InvalidRequest
from core.metering.plans import Plans, load_plans
from core.metering.plans_sync import ENFORCED, sync_plans
from core.settings import DATA
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, make_settings

SHIPPED = (DATA / "plans.yaml").read_text("utf-8")


def test_the_shipped_plans_are_those_of_the_house(plans: Plans) -> None:
    assert list(plans.plans) == ["free", "basic", "premium", "team", "enterprise"]
    daily = [plan.limits.chat_queries_day for plan in plans.plans.values()]
    assert daily == [10, 100, None, None, None]
    ceilings = [plan.limits.request_ceiling_usd for plan in plans.plans.values()]
    assert ceilings == [Decimal("0.01"), Decimal("0.05"), Decimal("0.10"), Decimal("1.00"), None]
    assert plans.get("starter").name == "basic"
    assert plans.get("pro").name == "premium"


def test_an_unknown_plan_lists_those_there_are(plans: Plans) -> None:
    with pytest.raises(InvalidRequest, match="free, basic, premium"):
        plans.get("gold")


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        ("chat_queries_day: 10\n", "chat_queries_day: ten\n", "chat_queries_day"),
        ("chat_queries_day: 10\n", "chat_queries_day: -1\n", "chat_queries_day"),
        ("chat_queries_day: 10\n", "chat_queries_day: 10.5\n", "chat_queries_day"),
        ("chat_queries_day: 10\n", "chat_queries_day: true\n", "chat_queries_day"),
        ("chat_queries_day: 10\n", "chat_queries_day: null\n", "chat_queries_day"),
        ("      chat_queries_day: 10\n", "", "chat_queries_day"),
        ("chat_queries_day: 10\n", "chat_querys_day: 10\n", "chat_querys_day"),
        ('request_ceiling_usd: "0.01"', "request_ceiling_usd: 0.01", "request_ceiling_usd"),
        ('request_ceiling_usd: "0.01"', 'request_ceiling_usd: "0.0000000001"', "request_ceiling_usd"),
        ("model_classes: [economy]", "model_classes: [cheap]", "model_classes"),
        ('carry_over_share: "0.20"', 'carry_over_share: "20"', "carry_over_share"),
        ("  starter: basic", "  starter: gold", "aliases|alias"),
        ("  free:\n", "  free:\n  free:\n", "free"),
        ("plans:\n", "plans: [\n", ""),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(tmp_path: Path, good: str, bad: str, says: str) -> None:
    assert good in SHIPPED
    path = tmp_path / "plans.yaml"
    path.write_text(SHIPPED.replace(good, bad, 1), "utf-8")
    with pytest.raises(ConfigurationError, match=rf"plans\.yaml, line \d+.*({says})") as error:
        load_plans(path)
    assert str(tmp_path) not in str(error.value)


def test_the_line_is_the_right_one(tmp_path: Path) -> None:
    lines = SHIPPED.splitlines()
    number = next(index for index, line in enumerate(lines, 1) if "requests_hour: 300" in line)
    path = tmp_path / "plans.yaml"
    path.write_text(SHIPPED.replace("requests_hour: 300", "requests_hour: many"), "utf-8")
    with pytest.raises(ConfigurationError, match=rf"line {number}\b"):
        load_plans(path)


def test_a_program_with_a_wrong_plans_file_does_not_start(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(SHIPPED.replace("seats: 50", "seats: fifty"), "utf-8")
    with pytest.raises(ConfigurationError, match="seats"):
        open_workbench(make_settings(database_url, tmp_path, PLANS_FILE=str(path)))


def test_the_database_enforces_the_file(database: Database, plans: Plans, tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(SHIPPED.replace("chat_queries_day: 10\n", "chat_queries_day: 11\n"), "utf-8")
    sync_plans(database, load_plans(path))
    with database.service() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM plan_limits WHERE plan = 'free'").mappings().one()
    assert rows["chat_queries_day"] == 11
    assert set(ENFORCED) <= set(rows)


def test_a_file_without_a_plan_that_is_in_use_is_refused(
    workbench: Workbench, member: MakeMember, tmp_path: Path
) -> None:
    member(plan="enterprise")
    path = tmp_path / "plans.yaml"
    path.write_text(SHIPPED.split("  enterprise:")[0], "utf-8")
    with pytest.raises(ConfigurationError, match="enterprise"):
        sync_plans(workbench.database, load_plans(path))
