"""Models and their providers: what fails together is told once."""

from __future__ import annotations

from datetime import timedelta

from core.principal import Principal
from tests.conftest import MoveTime
from tests.core.admin.alerts.alerts_made import NOON, Made
from tests.core.admin.alerts.test_watch import report


def test_a_model_that_fails_with_its_provider_is_told_by_the_providers_alert(
    made: Made, olga: Principal, noon: MoveTime
) -> None:
    for model in ("", "a-model"):
        report(made.workbench, has_answered=False, failures=5, model=model)
    for _ in range(2):
        made.area.watch.evaluate()
    assert made.rules(olga, everything=True) == ["provider_down"]
    report(made.workbench, has_answered=True)
    noon(NOON + timedelta(minutes=5))
    made.area.watch.evaluate()
    assert made.rules(olga, everything=True) == ["provider_down"]  # it may not last
    noon(NOON + timedelta(minutes=12))
    for _ in range(2):
        made.area.watch.evaluate()
    assert made.rules(olga, everything=True) == ["model_down"]  # it fails longer than its provider
    assert made.told(olga) == ["openai does not answer", "a-model of openai does not answer"]
    report(made.workbench, has_answered=True, model="a-model")
    noon(NOON + timedelta(minutes=30))
    made.area.watch.evaluate()
    assert made.rules(olga, everything=True) == []


def test_a_model_that_failed_before_its_provider_fires_on_and_clears_by_itself(
    made: Made, olga: Principal, noon: MoveTime
) -> None:
    for model in ("a-model", ""):
        report(made.workbench, has_answered=False, failures=5, model=model)
        made.area.watch.evaluate()
    assert made.rules(olga, everything=True) == ["model_down", "provider_down"]
    report(made.workbench, has_answered=True, model="a-model")
    noon(NOON + timedelta(minutes=12))
    made.area.watch.evaluate()
    assert made.rules(olga, everything=True) == ["provider_down"]


def test_a_model_is_told_where_nobody_is_told_of_providers(made: Made, olga: Principal, noon: MoveTime) -> None:
    made.area.alerts.set_rule(olga, "provider_down", is_on=False, threshold=None, everything=True)
    for model in ("", "a-model"):
        report(made.workbench, has_answered=False, failures=5, model=model)
    made.area.watch.evaluate()
    assert made.told(olga) == ["a-model of openai does not answer"]
